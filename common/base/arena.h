/* One arena per job: everything parsed or built for it, freed by one reset.
 *
 * Also the allocation rule of the project: running out of memory aborts the
 * process.  That is safe because no state lives in a process: leases lapse and
 * the work comes back. */
#pragma once

#include <stddef.h>

struct arena;

struct arena *arena_new(size_t chunk_bytes);
/* For '_cleanup(arena_free) struct arena *mem = NULL;'. */
void arena_free(struct arena **arena);
/* Frees all but the first chunk. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned for any type, never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_memdup(struct arena *arena, const void *bytes, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* malloc family that aborts instead of returning NULL; free with free(). */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *text);
char *xmemdup(const void *bytes, size_t size); /* With a NUL after it. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
