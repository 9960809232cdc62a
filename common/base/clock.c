#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t
clock_us(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) != 0) {
        abort();
    }
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_boot_us(void)
{
    return clock_us(CLOCK_BOOTTIME);
}

int64_t
clock_boot_ms(void)
{
    return clock_us(CLOCK_BOOTTIME) / 1000;
}

int64_t
clock_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

void
clock_format_utc(int64_t wall_ms, char *text, size_t size)
{
    int64_t ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
    }
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm utc;
    char date[32];

    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        snprintf(text, size, "?");
        return;
    }
    snprintf(text, size, "%.25s.%03dZ", date, (int)ms);
}

void
clock_sleep_ms(int64_t ms)
{
    struct timespec span = {.tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&span, NULL);
}

int64_t
clock_jitter_ms(int64_t low, int64_t high)
{
    uint64_t random;

    if (low >= high) {
        return low;
    }
    arc4random_buf(&random, sizeof(random));
    /* The bias of the remainder is below one in 2^30 for any span of ms. */
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return (int64_t)((uint64_t)low + (span == 0 ? random : random % span));
}
