#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define BUF_FIRST_BYTES 256

void
buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void
buf_reset(struct buf *b)
{
    b->size = 0;
    b->json_depth = 0;
    b->json_comma = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

char *
buf_steal(struct buf *b)
{
    char *text = b->data != NULL ? b->data : xstrdup("");

    *b = (struct buf){0};
    return text;
}

char *
buf_reserve(struct buf *b, size_t size)
{
    /* More than an address space can hold: realloc() below refuses it. */
    size_t need = size < SIZE_MAX / 4 ? b->size + size + 1 : SIZE_MAX / 4;

    if (need > b->room) {
        size_t room = b->room > 0 ? b->room : BUF_FIRST_BYTES;
        while (room < need) {
            room *= 2;
        }
        b->data = xrealloc(b->data, room);
        b->room = room;
        b->data[b->size] = '\0';
    }
    return b->data + b->size;
}

void
buf_append(struct buf *b, const void *bytes, size_t size)
{
    char *at = buf_reserve(b, size);

    if (size > 0) {
        memcpy(at, bytes, size);
    }
    at[size] = '\0';
    b->size += size;
}

void
buf_puts(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void
buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    char *at = buf_reserve(b, 64);
    size_t room = b->room - b->size;

    va_start(args, format);
    int size = vsnprintf(at, room, format, args);
    va_end(args);
    if (size < 0) {
        abort();
    }
    if ((size_t)size >= room) {
        at = buf_reserve(b, (size_t)size);
        va_start(args, format);
        vsnprintf(at, (size_t)size + 1, format, args);
        va_end(args);
    }
    b->size += (size_t)size;
}

void
buf_consume(struct buf *b, size_t size)
{
    if (size >= b->size) {
        buf_reset(b);
        return;
    }
    memmove(b->data, b->data + size, b->size - size + 1);
    b->size -= size;
}
