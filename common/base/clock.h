/* Clocks, named by what they are for. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CLOCK_BOOTTIME in ms: runs on in suspend, so that a laptop that slept knows
 * its leases are gone.  For leases, time-outs and durations. */
int64_t clock_boot_ms(void);
int64_t clock_boot_us(void);
/* Wall clock in ms since 1970 UTC: for logs, signatures and people only. */
int64_t clock_wall_ms(void);
/* "2026-11-23T10:11:12.345Z"; 'text' holds at least 32 bytes. */
void clock_format_utc(int64_t wall_ms, char *text, size_t size);
/* Sleeps; a signal may end it early. */
void clock_sleep_ms(int64_t ms);
/* A random value in [low, high], for jitter. */
int64_t clock_jitter_ms(int64_t low, int64_t high);
