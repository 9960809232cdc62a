/* Scope-bound cleanup: the reason this project needs no goto.
 *
 *     _cleanup(buf_free) struct buf out = {0};
 *
 * runs buf_free(&out) when 'out' leaves its scope, on every path.  A cleanup
 * function takes a pointer to the variable and accepts empty and half-built
 * objects.  Ownership leaves a scope through STEAL(). */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup(function) __attribute__((cleanup(function)))

/* Yields pointer variable 'p' and sets it to NULL, so that its cleanup does
 * nothing: how a function hands out what it built. */
#define STEAL(p)                                                               \
    __extension__({                                                            \
        __typeof__(p) steal_ = (p);                                            \
        (p) = NULL;                                                            \
        steal_;                                                                \
    })

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* For '_cleanup(cleanup_free) char *text = NULL;' and other malloc'd memory. */
static inline void
cleanup_free(void *p)
{
    free(*(void **)p);
}

/* For '_cleanup(cleanup_close) int fd = -1;'. */
static inline void
cleanup_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}
