#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct arena_chunk {
    struct arena_chunk *next; /* Newest first; the last is the one kept. */
    size_t room;
    size_t used;
    alignas(max_align_t) char bytes[];
};

struct arena {
    size_t chunk_bytes;
    struct arena_chunk *chunks;
};

static void *
arena_must(void *p, size_t size)
{
    if (p == NULL) {
        fprintf(stderr, "out of memory: cannot allocate %zu bytes\n", size);
        abort();
    }
    return p;
}

static void
arena_add_chunk(struct arena *arena, size_t room)
{
    if (room > SIZE_MAX / 2) {
        arena_must(NULL, room);
    }
    struct arena_chunk *chunk = xmalloc(sizeof(*chunk) + room);

    chunk->next = arena->chunks;
    chunk->room = room;
    chunk->used = 0;
    arena->chunks = chunk;
}

struct arena *
arena_new(size_t chunk_bytes)
{
    struct arena *arena = xcalloc(1, sizeof(*arena));

    arena->chunk_bytes = chunk_bytes;
    arena_add_chunk(arena, chunk_bytes);
    return arena;
}

void
arena_free(struct arena **arena)
{
    if (*arena == NULL) {
        return;
    }
    arena_reset(*arena);
    free((*arena)->chunks);
    free(*arena);
    *arena = NULL;
}

void
arena_reset(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;

    while (chunk->next != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    chunk->used = 0;
    arena->chunks = chunk;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);

    if (size > SIZE_MAX / 2) {
        arena_must(NULL, size);
    }
    size_t step = (size + align - 1) / align * align;
    if (step > arena->chunks->room - arena->chunks->used) {
        arena_add_chunk(arena,
                        step > arena->chunk_bytes ? step : arena->chunk_bytes);
    }
    struct arena_chunk *chunk = arena->chunks;
    void *p = chunk->bytes + chunk->used;
    chunk->used += step;
    return memset(p, 0, step);
}

char *
arena_memdup(struct arena *arena, const void *bytes, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);

    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

char *
arena_strdup(struct arena *arena, const char *text)
{
    return arena_memdup(arena, text, strlen(text));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
    _cleanup(cleanup_free) char *text = NULL;
    va_list args;

    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0) {
        text = NULL;
        arena_must(NULL, 0);
    }
    return arena_memdup(arena, text, (size_t)size);
}

void *
xmalloc(size_t size)
{
    return arena_must(malloc(size > 0 ? size : 1), size);
}

void *
xcalloc(size_t count, size_t size)
{
    return arena_must(calloc(count > 0 ? count : 1, size > 0 ? size : 1), size);
}

void *
xrealloc(void *p, size_t size)
{
    return arena_must(realloc(p, size > 0 ? size : 1), size);
}

char *
xstrdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(xmalloc(size), text, size);
}

char *
xmemdup(const void *bytes, size_t size)
{
    char *copy = xmalloc(size + 1);

    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    copy[size] = '\0';
    return copy;
}

char *
xasprintf(const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    return arena_must(size < 0 ? NULL : text, 0);
}
