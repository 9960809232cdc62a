#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Ends 'text' at the last whole character and keeps it on one line: it goes
 * into logs and into the database as it is. */
static void
err_tidy(char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size;) {
        size_t step = utf8_size(text + i, size - i);
        if (step == 0 && size - i < 4) {
            text[i] = '\0';
            return;
        }
        if (step == 0 || (unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            text[i] = ' ';
        }
        i += step > 0 ? step : 1;
    }
}

/* Through a copy, because an argument may be 'err->text' itself. */
static int
err_fill(struct err *err, enum err_kind kind, int code, const char *text)
{
    char copy[sizeof(err->text)];

    snprintf(copy, sizeof(copy), "%s", text);
    err_tidy(copy);
    *err = (struct err){.kind = kind, .code = code};
    memcpy(err->text, copy, sizeof(copy));
    return -1;
}

int
err_set(struct err *err, enum err_kind kind, int code, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_fill(err, kind, code, text);
}

int
err_wrap(struct err *err, const char *format, ...)
{
    char text[2 * sizeof(err->text)];
    int64_t after_ms = err->after_ms;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(err->text), format, args);
    va_end(args);

    size_t used = strlen(text);
    snprintf(text + used, sizeof(text) - used, ": %s", err->text);
    err_fill(err, err->kind, err->code, text);
    err->after_ms = after_ms;
    return -1;
}

int
err_errno(struct err *err, enum err_kind kind, const char *format, ...)
{
    int code = errno;
    char text[sizeof(err->text)];
    char whole[2 * sizeof(err->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    if (code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOSPC) {
        kind = ERR_FATAL;
    }
    snprintf(whole, sizeof(whole), "%s: %s", text, strerror(code));
    return err_fill(err, kind, code, whole);
}

const char *
err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none", [ERR_RETRY] = "retry",     [ERR_REJECT] = "reject",
        [ERR_LOST] = "lost", [ERR_SUSPEND] = "suspend", [ERR_FATAL] = "fatal",
    };

    if ((unsigned)kind >= sizeof(names) / sizeof(names[0])) {
        return "unknown";
    }
    return names[kind];
}
