#include "aws/credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/source.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define CONFIG_ERROR 78
#define MINUTE_MS ((int64_t)60 * 1000)
#define ADVISORY_MS (15 * MINUTE_MS)
#define MANDATORY_MS (10 * MINUTE_MS)
/* Between two tries while there are others still to go on with. */
#define TRY_AGAIN_MS MINUTE_MS

static const struct {
    const char *name;
    source_load *load;
} sources[] = {
    {"environment", source_environment},
    {"web identity", source_web},
    {"files", source_files},
    {"container", source_container},
    {"instance", source_instance},
};

/* All of it under 'lock'; a load is not: 'loading' keeps others from one. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t loaded;
    bool loading;
    bool refused; /* By a service: 'current' is of no use any more. */
    struct credentials current;
    int64_t try_after_ms;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .loaded = PTHREAD_COND_INITIALIZER};

static void
unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}

static void
free_secret(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
    }
    free(*text);
    *text = NULL;
}

void
credentials_free(struct credentials *credentials)
{
    free_secret(&credentials->access_key);
    free_secret(&credentials->secret_key);
    free_secret(&credentials->token);
    free(credentials->source);
    *credentials = (struct credentials){0};
}

static char *
copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void
copy_current(struct credentials *ret)
{
    *ret = (struct credentials){
        .access_key = copy(shared.current.access_key),
        .secret_key = copy(shared.current.secret_key),
        .token = copy(shared.current.token),
        .source = copy(shared.current.source),
        .expires_wall_ms = shared.current.expires_wall_ms,
    };
}

/* --- the chain ----------------------------------------------------------- */

static int
load_first(int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    struct err why = {0};
    char tried[sizeof(err->text)] = "";
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_COUNT(sources); i++) {
        int result = sources[i].load(deadline_ms, ret, &why);
        if (result == SOURCE_FOUND) {
            return 0;
        }
        if (result == SOURCE_FAILED) {
            *err = why;
            return err_wrap(err, "AWS credentials, %s", sources[i].name);
        }
        int size = snprintf(tried + used, sizeof(tried) - used, "%s%s: %s",
                            used ? "; " : "", sources[i].name, why.text);
        used += (size_t)size < sizeof(tried) - used ? (size_t)size : 0;
    }
    return err_set(err, ERR_FATAL, CONFIG_ERROR, "no AWS credentials: %s",
                   tried);
}

/* --- when ---------------------------------------------------------------- */

enum need {
    NEED_NONE,
    NEED_SOON,  /* One thread tries, the others go on. */
    NEED_FIRST, /* All wait for it, and go on if it fails. */
    NEED_NOW,   /* No call without. */
};

static enum need
need(void)
{
    const struct credentials *current = &shared.current;
    int64_t left_ms = current->expires_wall_ms - clock_wall_ms();
    if (!current->access_key || shared.refused) {
        return NEED_NOW;
    }
    if (!current->expires_wall_ms || left_ms > ADVISORY_MS) {
        return NEED_NONE;
    }
    if (left_ms <= 0) {
        return NEED_NOW;
    }
    return clock_boot_ms() < shared.try_after_ms ? NEED_NONE
           : left_ms > MANDATORY_MS              ? NEED_SOON
                                                 : NEED_FIRST;
}

/* A machine whose metadata service is down or late serves what has expired, and
 * the services accept it: so says its manual ("static stability"). */
static bool
extend(struct credentials *credentials)
{
    bool instance = credentials->source && !shared.refused &&
                    strcmp(credentials->source, "instance") == 0;
    if (instance && credentials->expires_wall_ms <= clock_wall_ms()) {
        credentials->expires_wall_ms =
            clock_wall_ms() + clock_jitter_ms(5 * MINUTE_MS, 10 * MINUTE_MS);
    }
    return instance;
}

/* Lets go of the lock meanwhile. */
static int
load(int64_t deadline_ms, struct err *err)
{
    _cleanup(credentials_free) struct credentials fresh = {0};
    shared.loading = true;
    pthread_mutex_unlock(&shared.lock);
    int result = load_first(deadline_ms, &fresh, err);
    pthread_mutex_lock(&shared.lock);
    shared.loading = false;
    shared.try_after_ms =
        clock_boot_ms() + clock_jitter_ms(TRY_AGAIN_MS / 2, TRY_AGAIN_MS);
    pthread_cond_broadcast(&shared.loaded);
    if (result == 0) {
        credentials_free(&shared.current);
        shared.current = fresh;
        fresh = (struct credentials){0};
        shared.refused = false;
        extend(&shared.current);
    }
    return result;
}

static int
wait_for_load(int64_t deadline_ms, struct err *err)
{
    struct timespec until;
    int64_t left_ms = deadline_ms - clock_boot_ms();
    if (left_ms <= 0) {
        return err_set(err, ERR_RETRY, 0,
                       "AWS credentials: still waiting for them");
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(left_ms / 1000) + 1;
    pthread_cond_timedwait(&shared.loaded, &shared.lock, &until);
    return 0;
}

/* With the lock held. */
static int
provide(int64_t deadline_ms, struct err *err)
{
    enum need wanted = need();
    while (wanted > NEED_SOON && shared.loading) {
        if (wait_for_load(deadline_ms, err)) {
            return -1;
        }
        wanted = need();
    }
    if (wanted == NEED_NONE || shared.loading || load(deadline_ms, err) == 0) {
        return 0;
    }
    return need() != NEED_NOW || extend(&shared.current) ? 0 : -1;
}

int
credentials_get(int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    _cleanup(unlock) pthread_mutex_t *lock = &shared.lock;
    pthread_mutex_lock(lock);
    if (provide(deadline_ms, err)) {
        return -1;
    }
    copy_current(ret);
    return 0;
}

static bool
is_current(const struct credentials *credentials)
{
    const char *ours = shared.current.token;
    const char *theirs = credentials->token;
    return shared.current.access_key &&
           strcmp(shared.current.access_key, credentials->access_key) == 0 &&
           strcmp(ours ? ours : "", theirs ? theirs : "") == 0;
}

int
credentials_renew(const struct credentials *refused, int64_t deadline_ms,
                  struct err *err)
{
    _cleanup(unlock) pthread_mutex_t *lock = &shared.lock;
    pthread_mutex_lock(lock);
    if (!is_current(refused)) {
        return 0;
    }
    shared.refused = true;
    if (provide(deadline_ms, err)) {
        return -1;
    }
    return is_current(refused)
               ? err_set(err, ERR_RETRY, 0,
                         "the AWS credentials of %s have expired: put new ones "
                         "there",
                         refused->source)
               : 0;
}

bool
credentials_region(char *ret, size_t size)
{
    const char *set = source_env("AWS_REGION");
    set = set ? set : source_env("AWS_DEFAULT_REGION");
    _cleanup(cleanup_free) char *region = set ? xstrdup(set) : source_region();
    snprintf(ret, size, "%s", region ? region : "");
    return region != NULL;
}
