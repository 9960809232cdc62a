#include "runtime/health.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/metric.h"

#define HEALTH_CONNECTIONS_MAX 16
#define HEALTH_TIMEOUT_S 10
/* Nothing going on for so many leases, at least a minute, is not alive. */
#define LIVE_LEASES 3
#define LIVE_MIN_MS 60000

struct health {
    struct supervisor *sup;
    const struct runs *runs;
    struct MHD_Daemon *daemon;
    int fd;
};

static unsigned int
metrics_page(const struct health *health, struct buf *out)
{
    runs_measure(health->runs);
    metric_render(out);
    return MHD_HTTP_OK;
}

static unsigned int
live_page(const struct health *health, struct buf *out)
{
    int64_t limit_ms = LIVE_LEASES * health->sup->conf.lease_ms;
    int64_t age_ms = clock_boot_ms() - atomic_load(&health->sup->progress_ms);

    limit_ms = limit_ms > LIVE_MIN_MS ? limit_ms : LIVE_MIN_MS;
    bool live = age_ms <= limit_ms;
    buf_printf(out, "%s: last progress %lld ms ago, limit %lld ms\n",
               live ? "live" : "stuck", (long long)age_ms, (long long)limit_ms);
    return live ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned int
ready_page(const struct health *health, struct buf *out)
{
    bool ready = atomic_load(&health->sup->receiving) &&
                 !flight_stopped(health->sup->flight);

    buf_puts(out, ready ? "ready\n" : "not receiving\n");
    return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static const struct {
    const char *path;
    unsigned int (*write)(const struct health *health, struct buf *out);
} pages[] = {
    {"/metrics", metrics_page},
    {"/live", live_page},
    {"/ready", ready_page},
};

static unsigned int
write_page(const struct health *health, const char *path, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++) {
        if (strcmp(path, pages[i].path) == 0) {
            return pages[i].write(health, out);
        }
    }
    buf_puts(out, "try /metrics, /live or /ready\n");
    return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result
answer(void *context, struct MHD_Connection *connection, const char *path,
       const char *method, const char *version, const char *upload,
       size_t *upload_size, void **state)
{
    _cleanup(buf_free) struct buf out = {0};

    (void)version;
    (void)upload;
    (void)upload_size;
    (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        return MHD_NO;
    }
    unsigned int status = write_page(context, path, &out);
    size_t size = out.size;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, buf_steal(&out), MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            "text/plain; version=0.0.4; charset=utf-8");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static int
address_of(const struct worker_conf *conf, struct sockaddr_in *ret,
           struct err *err)
{
    *ret = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)conf->http_port),
    };
    if (inet_pton(AF_INET, conf->http_bind, &ret->sin_addr) != 1) {
        return err_set(err, ERR_FATAL, 78,
                       "ALEX_HTTP_BIND: not an IPv4 address");
    }
    return 0;
}

int
health_open(struct supervisor *sup, const struct runs *runs,
            struct health **ret, struct err *err)
{
    _cleanup(health_close) struct health *health = NULL;
    struct sockaddr_in address;

    if (sup->conf.http_port == 0) {
        return 0;
    }
    if (address_of(&sup->conf, &address, err)) {
        return -1;
    }
    health = xcalloc(1, sizeof(*health));
    health->sup = sup;
    health->runs = runs;
    health->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, answer, health, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
        HEALTH_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, HEALTH_TIMEOUT_S,
        MHD_OPTION_END);
    if (health->daemon == NULL) {
        return err_errno(err, ERR_FATAL, "cannot serve HTTP on %s port %d",
                         sup->conf.http_bind, (int)sup->conf.http_port);
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(health->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    health->fd = info->epoll_fd;
    *ret = STEAL(health);
    return 0;
}

void
health_close(struct health **health)
{
    if (*health == NULL) {
        return;
    }
    if ((*health)->daemon != NULL) {
        MHD_stop_daemon((*health)->daemon);
    }
    free(*health);
    *health = NULL;
}

int
health_fd(const struct health *health)
{
    return health != NULL ? health->fd : -1;
}

void
health_run(struct health *health, int64_t *ret_next_ms)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    *ret_next_ms = -1;
    if (health == NULL) {
        return;
    }
    MHD_run(health->daemon);
    if (MHD_get_timeout(health->daemon, &wait_ms) == MHD_YES) {
        *ret_next_ms = (int64_t)wait_ms;
    }
}
