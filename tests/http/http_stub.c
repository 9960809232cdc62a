#include "http_stub.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUB_REQUEST_BYTES (256 * 1024)

struct http_stub {
    pthread_t thread;
    int fd;
    char url[64];
    struct http_stub_reply (*reply)(const char *request, void *context);
    void *context;
    atomic_int count;
    char request[STUB_REQUEST_BYTES];
};

/* Whole when as much body is there as its head says. */
static int
is_whole(const char *request, size_t size)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strcasestr(request, "\r\ncontent-length:");

    if (end == NULL) {
        return 0;
    }
    const size_t body = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    return size >= (size_t)(end - request) + 4 + body;
}

static int
receive(struct http_stub *stub, int fd)
{
    size_t size = 0;

    do {
        const ssize_t got =
            recv(fd, stub->request + size, sizeof(stub->request) - 1 - size, 0);
        if (got <= 0) {
            return 0;
        }
        size += (size_t)got;
        stub->request[size] = '\0';
    } while (!is_whole(stub->request, size));
    return 1;
}

static void
serve(struct http_stub *stub, int fd)
{
    const struct timeval bound = {.tv_sec = 10};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    if (!receive(stub, fd)) {
        return;
    }
    const struct http_stub_reply reply =
        stub->reply(stub->request, stub->context);
    const size_t size = reply.size > 0 ? reply.size : strlen(reply.bytes);
    poll(NULL, 0, reply.delay_ms);
    atomic_fetch_add(&stub->count, 1);
    for (size_t sent = 0; sent < size;) {
        const ssize_t count =
            send(fd, reply.bytes + sent, size - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            return;
        }
        sent += (size_t)count;
    }
}

static void *
run(void *context)
{
    struct http_stub *stub = context;
    int fd;

    while ((fd = accept(stub->fd, NULL, NULL)) >= 0) {
        serve(stub, fd);
        close(fd);
    }
    return NULL;
}

struct http_stub *
http_stub_start(struct http_stub_reply (*reply)(const char *request,
                                                void *context),
                void *context)
{
    struct http_stub *stub = calloc(1, sizeof(*stub));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    stub->reply = reply;
    stub->context = context;
    stub->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(stub->fd, (struct sockaddr *)&address, size) != 0 ||
        listen(stub->fd, 64) != 0 ||
        getsockname(stub->fd, (struct sockaddr *)&address, &size) != 0) {
        abort();
    }
    snprintf(stub->url, sizeof(stub->url), "http://127.0.0.1:%d",
             ntohs(address.sin_port));
    if (pthread_create(&stub->thread, NULL, run, stub) != 0) {
        abort();
    }
    return stub;
}

void
http_stub_stop(struct http_stub **stub_at)
{
    struct http_stub *stub = *stub_at;

    if (stub != NULL) {
        shutdown(stub->fd, SHUT_RDWR);
        pthread_join(stub->thread, NULL);
        close(stub->fd);
        free(stub);
        *stub_at = NULL;
    }
}

const char *
http_stub_url(const struct http_stub *stub)
{
    return stub->url;
}

int
http_stub_count(const struct http_stub *stub)
{
    return atomic_load(&stub->count);
}

const char *
http_stub_last(const struct http_stub *stub)
{
    return stub->request;
}
