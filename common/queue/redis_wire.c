#include "queue/redis_wire.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* A full batch of the largest messages is a fifth of it. */
#define REPLY_MAX_BYTES (32u * 1024 * 1024)
#define READ_BYTES 16384 /* One TLS record: nothing stays inside OpenSSL. */
#define ADDRESSES_MAX 8

struct redis_wire {
    int fd;
    SSL_CTX *tls_context; /* NULL without TLS. */
    SSL *tls;
    bool tls_wants_write; /* Before it can read on. */
    struct buf out;
    redisReader *reader;
    size_t unparsed; /* Bytes read since the last whole reply. */
};

/* --- bytes --------------------------------------------------------------- */

static ssize_t
tls_result(struct redis_wire *wire, int n)
{
    if (n > 0) {
        wire->tls_wants_write = false;
        return n;
    }
    int error = SSL_get_error(wire->tls, n);
    ERR_clear_error();
    wire->tls_wants_write = error == SSL_ERROR_WANT_WRITE;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0
                                                                         : -1;
}

static ssize_t
socket_result(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* Both: bytes moved, 0 when the socket is not ready, -1 when it is broken. */
static ssize_t
wire_read(struct redis_wire *wire, char *data, size_t size)
{
    if (wire->tls) {
        return tls_result(wire, SSL_read(wire->tls, data, (int)size));
    }
    ssize_t n = recv(wire->fd, data, size, MSG_DONTWAIT);
    return n == 0 ? -1 : socket_result(n);
}

static ssize_t
wire_write(struct redis_wire *wire)
{
    if (wire->tls) {
        size_t size = wire->out.size < READ_BYTES ? wire->out.size : READ_BYTES;
        return tls_result(wire,
                          SSL_write(wire->tls, wire->out.data, (int)size));
    }
    return socket_result(send(wire->fd, wire->out.data, wire->out.size,
                              MSG_DONTWAIT | MSG_NOSIGNAL));
}

static int
broken(struct err *err)
{
    return err_set(err, ERR_RETRY, 0, "connection lost");
}

static int
flush(struct redis_wire *wire, struct err *err)
{
    while (wire->out.size > 0) {
        ssize_t n = wire_write(wire);
        if (n < 0) {
            return broken(err);
        }
        if (n == 0) {
            break;
        }
        buf_consume(&wire->out, (size_t)n);
    }
    return 0;
}

static int
fill(struct redis_wire *wire, struct err *err)
{
    char data[READ_BYTES];
    ssize_t n = wire_read(wire, data, sizeof(data));
    if (n < 0) {
        return broken(err);
    }
    wire->unparsed += (size_t)n;
    if (wire->unparsed > REPLY_MAX_BYTES) {
        return err_set(err, ERR_RETRY, 0, "reply of more than %u bytes",
                       REPLY_MAX_BYTES);
    }
    redisReaderFeed(wire->reader, data, (size_t)n);
    return 0;
}

/* Waits for the socket, or for 'wake_fd'; '*ret_more' is false when waiting
 * has ended without the socket. */
static void
await(struct redis_wire *wire, short events, int64_t until_ms, int wake_fd,
      bool *ret_more)
{
    struct pollfd fds[] = {
        {.fd = wire->fd, .events = events},
        {.fd = wake_fd, .events = POLLIN},
    };
    int64_t left_ms = until_ms - clock_boot_ms();
    left_ms = left_ms < 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : left_ms;
    int n = poll(fds, ARRAY_COUNT(fds), (int)left_ms);
    *ret_more = fds[0].revents || (n < 0 && left_ms > 0);
}

/* --- replies ------------------------------------------------------------- */

void
redis_reply_free(redisReply **reply)
{
    if (*reply) {
        freeReplyObject(*reply);
        *reply = NULL;
    }
}

int
redis_wire_wait(struct redis_wire *wire, int64_t until_ms, int wake_fd,
                redisReply **ret, struct err *err)
{
    for (bool more = true;;) {
        void *reply = NULL;
        if (redisReaderGetReply(wire->reader, &reply) != REDIS_OK) {
            return err_set(err, ERR_RETRY, 0, "not a Redis reply");
        }
        if (reply || !more) {
            wire->unparsed = reply ? 0 : wire->unparsed;
            *ret = reply;
            return 0;
        }
        if (flush(wire, err)) {
            return -1;
        }
        bool blocked = wire->out.size > 0 || wire->tls_wants_write;
        await(wire, (short)(blocked ? POLLIN | POLLOUT : POLLIN), until_ms,
              wake_fd, &more);
        if (more && fill(wire, err)) {
            return -1;
        }
    }
}

int
redis_wire_get(struct redis_wire *wire, int64_t deadline_ms, redisReply **ret,
               struct err *err)
{
    redisReply *reply = NULL;
    if (redis_wire_wait(wire, deadline_ms, -1, &reply, err)) {
        return -1;
    }
    if (!reply) {
        return err_set(err, ERR_RETRY, 0, "time-out waiting for a reply");
    }
    *ret = reply;
    return 0;
}

bool
redis_reply_is_error(const redisReply *reply, const char *word)
{
    return reply->type == REDIS_REPLY_ERROR &&
           strncmp(reply->str, word, strlen(word)) == 0;
}

int
redis_wire_refused(const redisReply *reply, struct err *err)
{
    /* The first match decides; anything else is a bug or a misuse. */
    static const struct {
        const char *word;
        enum err_kind kind;
        const char *advice;
    } words[] = {
        {"LOADING", ERR_RETRY, ""},
        {"READONLY", ERR_RETRY, "; is this a replica?"},
        {"MASTERDOWN", ERR_RETRY, ""},
        {"OOM", ERR_RETRY, ""},
        {"BUSY", ERR_RETRY, ""},
        {"MISCONF", ERR_RETRY, ""},
        {"NOREPLICAS", ERR_RETRY, ""},
        {"CLUSTERDOWN", ERR_RETRY, ""},
        {"TRYAGAIN", ERR_RETRY, ""},
        {"ERR max number of clients", ERR_RETRY, ""},
        {"NOAUTH", ERR_FATAL, "; the URL needs a password"},
        {"WRONGPASS", ERR_FATAL, "; check user and password in the URL"},
        {"NOPERM", ERR_FATAL, "; check the user's ACL"},
        {"MOVED", ERR_FATAL, "; clusters of several shards can't be used"},
        {"", ERR_FATAL, ""},
    };
    size_t i = 0;
    while (strncmp(reply->str, words[i].word, strlen(words[i].word)) != 0) {
        i++;
    }
    return err_set(err, words[i].kind, 0, "%.200s%s", reply->str,
                   words[i].advice);
}

/* --- commands ------------------------------------------------------------ */

struct buf *
redis_wire_out(struct redis_wire *wire)
{
    return &wire->out;
}

void
redis_write_header(struct buf *out, size_t words)
{
    buf_printf(out, "*%zu\r\n", words);
}

void
redis_write_word(struct buf *out, const char *text, size_t size)
{
    buf_printf(out, "$%zu\r\n", size);
    buf_append(out, text, size);
    buf_append(out, "\r\n", 2);
}

void
redis_write_text(struct buf *out, const char *text)
{
    redis_write_word(out, text, strlen(text));
}

void
redis_write_int(struct buf *out, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    redis_write_text(out, text);
}

/* --- connecting ---------------------------------------------------------- */

void
redis_wire_close(struct redis_wire **wire)
{
    struct redis_wire *w = *wire;
    if (w) {
        SSL_free(w->tls);
        SSL_CTX_free(w->tls_context);
        cleanup_close(&w->fd);
        redisReaderFree(w->reader);
        buf_free(&w->out);
        free(w);
        *wire = NULL;
    }
}

/* Bounds what no deadline of ours sees: a peer that is gone. */
static void
set_options(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 10}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 20000},
    };
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof(options[i].value));
    }
}

/* 0, or the errno of the failure. */
static int
connect_one(struct redis_wire *wire, const struct addrinfo *to,
            int64_t until_ms)
{
    int error = 0;
    socklen_t size = sizeof(error);
    bool ready = false;
    cleanup_close(&wire->fd);
    wire->fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0) {
        return errno;
    }
    set_options(wire->fd);
    if (connect(wire->fd, to->ai_addr, to->ai_addrlen) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    await(wire, POLLOUT, until_ms, -1, &ready);
    if (!ready) {
        return ETIMEDOUT;
    }
    getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

static void
free_addresses(struct addrinfo **list)
{
    if (*list) {
        freeaddrinfo(*list);
    }
}

/* Tries the addresses of the name in turn, each with its share of the time. */
static int
connect_any(struct redis_wire *wire, const struct redis_address *address,
            int64_t deadline_ms, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    _cleanup(free_addresses) struct addrinfo *list = NULL;
    int error = getaddrinfo(address->host, address->port, &hints, &list);
    if (error) {
        return err_set(err, ERR_RETRY, 0, "%s", gai_strerror(error));
    }
    int64_t left = 0;
    for (const struct addrinfo *a = list; a && left < ADDRESSES_MAX;) {
        left++;
        a = a->ai_next;
    }
    for (const struct addrinfo *a = list; left > 0; a = a->ai_next, left--) {
        int64_t now_ms = clock_boot_ms();
        errno = connect_one(wire, a, now_ms + (deadline_ms - now_ms) / left);
        if (errno == 0) {
            return 0;
        }
    }
    return err_errno(err, ERR_RETRY, "cannot connect");
}

static int
fail_tls(struct redis_wire *wire, bool timed_out, struct err *err)
{
    long verify = SSL_get_verify_result(wire->tls);
    const char *why = verify != X509_V_OK
                          ? X509_verify_cert_error_string(verify)
                          : "handshake failed";
    return err_set(err, ERR_RETRY, 0, "TLS: %s", timed_out ? "time-out" : why);
}

/* The certificate must be valid for the host; SSL_CERT_FILE names a private
 * authority. */
static int
start_tls(struct redis_wire *wire, const char *host, int64_t deadline_ms,
          struct err *err)
{
    wire->tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_default_verify_paths(wire->tls_context);
    SSL_CTX_set_min_proto_version(wire->tls_context, TLS1_2_VERSION);
    SSL_CTX_set_verify(wire->tls_context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(wire->tls_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE |
                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    wire->tls = SSL_new(wire->tls_context);
    SSL_set_tlsext_host_name(wire->tls, host);
    X509_VERIFY_PARAM *verify = SSL_get0_param(wire->tls);
    if (!X509_VERIFY_PARAM_set1_ip_asc(verify, host)) {
        ERR_clear_error();
        X509_VERIFY_PARAM_set1_host(verify, host, 0);
    }
    SSL_set_fd(wire->tls, wire->fd);
    for (bool more = true;;) {
        ssize_t n = tls_result(wire, SSL_connect(wire->tls));
        if (n > 0) {
            return 0;
        }
        if (n < 0 || !more) {
            return fail_tls(wire, n == 0, err);
        }
        await(wire, wire->tls_wants_write ? POLLOUT : POLLIN, deadline_ms, -1,
              &more);
    }
}

static int
log_in(struct redis_wire *wire, const struct redis_address *address,
       int64_t deadline_ms, struct err *err)
{
    size_t replies = 1;
    if (address->password) {
        redis_write_header(&wire->out, address->user ? 3 : 2);
        redis_write_text(&wire->out, "AUTH");
        if (address->user) {
            redis_write_text(&wire->out, address->user);
        }
        redis_write_text(&wire->out, address->password);
        replies++;
    }
    redis_write_header(&wire->out, 2);
    redis_write_text(&wire->out, "SELECT");
    redis_write_text(&wire->out, address->database);
    for (; replies > 0; replies--) {
        _cleanup(redis_reply_free) redisReply *reply = NULL;
        if (redis_wire_get(wire, deadline_ms, &reply, err)) {
            return -1;
        }
        if (reply->type == REDIS_REPLY_ERROR) {
            return redis_wire_refused(reply, err);
        }
    }
    return 0;
}

int
redis_wire_open(const struct redis_address *address, int64_t deadline_ms,
                struct redis_wire **ret, struct err *err)
{
    _cleanup(redis_wire_close) struct redis_wire *wire =
        xcalloc(1, sizeof(*wire));
    wire->fd = -1;
    wire->reader = redisReaderCreate();
    if (connect_any(wire, address, deadline_ms, err) ||
        (address->tls && start_tls(wire, address->host, deadline_ms, err)) ||
        log_in(wire, address, deadline_ms, err)) {
        return -1;
    }
    *ret = STEAL(wire);
    return 0;
}
