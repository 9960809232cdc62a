#include "queue/queue_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"

char *
queue_url_decode(const char *text, size_t size)
{
    _cleanup(cleanup_free) char *out = xcalloc(size + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        out[used] = text[i];
        if (text[i] == '%') {
            char hex[3] = {0};
            memcpy(hex, text + i + 1, size - i > 2 ? 2 : 0);
            if (!isxdigit((unsigned char)hex[0]) ||
                !isxdigit((unsigned char)hex[1])) {
                return NULL;
            }
            out[used] = (char)strtol(hex, NULL, 16);
            i += 2;
        }
        if (out[used++] == '\0') {
            return NULL;
        }
    }
    return STEAL(out);
}
