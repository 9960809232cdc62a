/* An error is an instruction: its kind says what the caller does next.
 *
 * The kind is decided where the knowledge is (a driver knows which SQLSTATE is
 * transient) and is acted on in one place (runtime/settler.c).  A function that
 * can fail returns 0, or -1 with '*err' set; 'struct err' is its last
 * parameter, lives in the caller's frame and owns nothing. */
#pragma once

#include <stdarg.h>
#include <stdint.h>

enum err_kind {
    ERR_NONE = 0, /* No error. */
    ERR_RETRY,    /* Transient: the same thing may succeed later. */
    ERR_REJECT,   /* Permanent: this input can never succeed. */
    ERR_LOST,     /* The lease is no longer ours: touch nothing. */
    ERR_SUSPEND,  /* A handler waits for an answer: run it again with it. */
    ERR_FATAL,    /* This process is unfit: stop it, keep the work. */
};

struct err {
    enum err_kind kind;
    int code;         /* HTTP status, errno, or SQLSTATE class 22 or 23; 0. */
    int64_t after_ms; /* RETRY only: do not try before; 0 is 'you choose'. */
    char text[300];   /* One line for people; never a secret. */
};

/* Fills '*err' and returns -1, so that 'return err_set(...)' is the idiom. */
int err_set(struct err *err, enum err_kind kind, int code, const char *format,
            ...) __attribute__((format(printf, 4, 5)));

/* Puts "context: " before the text that '*err' has, keeps kind and code, and
 * returns -1. */
int err_wrap(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* err_set() with ": strerror(errno)" appended and 'errno' as the code.  EMFILE,
 * ENFILE, ENOMEM and ENOSPC make the kind ERR_FATAL whatever 'kind' says. */
int err_errno(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The word for logs and for the engine: "retry", "reject", ... */
const char *err_kind_name(enum err_kind kind);
