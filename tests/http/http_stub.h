/* An HTTP server in a thread of the test: says exactly the bytes it is told to,
 * one connection after another, and remembers what it was asked. */
#pragma once

#include <stddef.h>

struct http_stub;

struct http_stub_reply {
    const char *bytes; /* Head and body; the connection is closed after it. */
    size_t size;       /* 0: as long as the text. */
    int delay_ms;      /* Before it. */
};

/* 'reply' runs in the stub's thread. */
struct http_stub *http_stub_start(
    struct http_stub_reply (*reply)(const char *request, void *context),
    void *context);
void http_stub_stop(struct http_stub **stub); /* For _cleanup. */
/* "http://127.0.0.1:PORT". */
const char *http_stub_url(const struct http_stub *stub);
/* Requests so far, and the text of the last; settled only when no request is
 * under way. */
int http_stub_count(const struct http_stub *stub);
const char *http_stub_last(const struct http_stub *stub);
