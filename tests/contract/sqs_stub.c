#include "contract/sqs_stub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/clock.h"

enum { STEPS_MAX = 64, ASKED_MAX = 512, CONNECTIONS_MAX = 64 };

static struct {
    pthread_mutex_t lock;
    int listen_fd;
    char url[64];
    pthread_t acceptor;
    pthread_t threads[CONNECTIONS_MAX];
    int fds[CONNECTIONS_MAX];
    size_t connections;
    struct step steps[STEPS_MAX];
    bool used[STEPS_MAX];
    size_t step_count;
    struct asked asked[ASKED_MAX];
    size_t asked_count;
} stub = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- script and memory --------------------------------------------------- */

void
stub_reset(void)
{
    pthread_mutex_lock(&stub.lock);
    for (size_t i = 0; i < stub.asked_count; i++) {
        free(stub.asked[i].body);
    }
    stub.asked_count = 0;
    stub.step_count = 0;
    pthread_mutex_unlock(&stub.lock);
}

void
stub_expect(const struct step *steps, size_t count)
{
    pthread_mutex_lock(&stub.lock);
    assert_in_range(stub.step_count + count, 0, STEPS_MAX);
    for (size_t i = 0; i < count; i++) {
        stub.used[stub.step_count] = false;
        stub.steps[stub.step_count++] = steps[i];
    }
    pthread_mutex_unlock(&stub.lock);
}

static bool
is_about(const struct asked *asked, const char *action)
{
    return !action[0] || strcmp(asked->action, action) == 0;
}

size_t
stub_count(const char *action)
{
    size_t count = 0;
    pthread_mutex_lock(&stub.lock);
    for (size_t i = 0; i < stub.asked_count; i++) {
        count += is_about(&stub.asked[i], action);
    }
    pthread_mutex_unlock(&stub.lock);
    return count;
}

struct asked
stub_asked(const char *action, size_t i)
{
    struct asked found = {.body = NULL};
    pthread_mutex_lock(&stub.lock);
    for (size_t j = 0; j < stub.asked_count && !found.body; j++) {
        if (is_about(&stub.asked[j], action) && i-- == 0) {
            found = stub.asked[j];
        }
    }
    pthread_mutex_unlock(&stub.lock);
    assert_non_null(found.body);
    return found;
}

static size_t
remember(const char *action, const char *body)
{
    pthread_mutex_lock(&stub.lock);
    size_t place = stub.asked_count < ASKED_MAX ? stub.asked_count++ : 0;
    struct asked *asked = &stub.asked[place];
    snprintf(asked->action, sizeof(asked->action), "%s", action);
    asked->body = xstrdup(body);
    asked->asked_boot_ms = clock_boot_ms();
    asked->answered_boot_ms = 0;
    pthread_mutex_unlock(&stub.lock);
    return place;
}

static struct step
next_step(const char *action)
{
    struct step step = {.action = action};
    pthread_mutex_lock(&stub.lock);
    for (size_t i = 0; i < stub.step_count; i++) {
        if (!stub.used[i] && strcmp(stub.steps[i].action, action) == 0) {
            stub.used[i] = true;
            step = stub.steps[i];
            break;
        }
    }
    pthread_mutex_unlock(&stub.lock);
    return step;
}

/* --- answers ------------------------------------------------------------- */

/* As if all went well. */
static void
write_success(struct buf *out, const char *action, const char *body)
{
    if (strcmp(action, "GetQueueUrl") == 0) {
        char name[96] = "";
        sscanf(body, "{\"QueueName\":\"%95[^\"]", name);
        buf_printf(out, "{\"QueueUrl\":\"%s/000000000000/%s\"}", stub.url,
                   name);
    } else if (strstr(action, "Batch")) {
        const char *id = body;
        buf_puts(out, "{\"Failed\":[],\"Successful\":[");
        for (int i = 0; (id = strstr(id, "\"Id\":\"")) != NULL; i++) {
            id += 6;
            buf_printf(out, "%s{\"Id\":\"%c\"}", i ? "," : "", *id);
        }
        buf_puts(out, "]}");
    } else {
        buf_puts(out, "{}");
    }
}

static bool
write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = send(fd, bytes, size, MSG_NOSIGNAL);
        if (written <= 0) {
            return false;
        }
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool
answer(int fd, const char *action, const char *body)
{
    _cleanup(buf_free) struct buf content = {0};
    _cleanup(buf_free) struct buf out = {0};
    size_t place = remember(action, body);
    struct step step = next_step(action);
    usleep((useconds_t)step.delay_ms * 1000);
    if (step.cut) {
        return false;
    }
    if (step.body) {
        buf_puts(&content, step.body);
    } else {
        write_success(&content, action, body);
    }
    buf_printf(&out,
               "HTTP/1.1 %d Said\r\nContent-Type: %s\r\n"
               "Content-Length: %zu\r\n\r\n",
               step.status ? step.status : 200,
               step.type ? step.type : "application/x-amz-json-1.0",
               content.size);
    buf_append(&out, content.data, content.size);
    pthread_mutex_lock(&stub.lock);
    stub.asked[place].answered_boot_ms = clock_boot_ms();
    pthread_mutex_unlock(&stub.lock);
    return write_all(fd, out.data, out.size);
}

/* --- connections --------------------------------------------------------- */

/* Of the request at the start of 'in'; 0 while it is not all there. */
static size_t
request_size(const struct buf *in, size_t *ret_head)
{
    const char *end = in->size ? strstr(in->data, "\r\n\r\n") : NULL;
    const char *length =
        end ? strcasestr(in->data, "\r\nContent-Length:") : NULL;
    if (!end || !length) {
        return 0;
    }
    *ret_head = (size_t)(end + 4 - in->data);
    size_t size = *ret_head + strtoul(length + 17, NULL, 10);
    return size <= in->size ? size : 0;
}

static bool
serve(int fd, struct buf *in, size_t head, size_t size)
{
    char action[48] = "";
    const char *target = strcasestr(in->data, "\r\nX-Amz-Target:");
    _cleanup(cleanup_free) char *body = xmemdup(in->data + head, size - head);
    if (target) {
        sscanf(target + 15, " AmazonSQS.%47[A-Za-z]", action);
    }
    buf_consume(in, size);
    return answer(fd, action, body);
}

static void *
run_connection(void *arg)
{
    int fd = *(int *)arg;
    _cleanup(buf_free) struct buf in = {0};
    bool open = true;
    while (open) {
        size_t head = 0;
        size_t size = request_size(&in, &head);
        if (size > 0) {
            open = serve(fd, &in, head, size);
            continue;
        }
        char *room = buf_reserve(&in, 65536);
        ssize_t got = recv(fd, room, 65536, 0);
        open = got > 0;
        in.size += got > 0 ? (size_t)got : 0;
        in.data[in.size] = '\0';
    }
    shutdown(fd, SHUT_RDWR);
    return NULL;
}

static void *
accept_all(void *arg)
{
    (void)arg;
    int fd;
    while ((fd = accept(stub.listen_fd, NULL, NULL)) >= 0 &&
           stub.connections < CONNECTIONS_MAX) {
        stub.fds[stub.connections] = fd;
        pthread_create(&stub.threads[stub.connections], NULL, run_connection,
                       &stub.fds[stub.connections]);
        stub.connections++;
    }
    return NULL;
}

void
stub_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    stub.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(stub.listen_fd, (struct sockaddr *)&address, size),
                     0);
    assert_int_equal(listen(stub.listen_fd, 16), 0);
    getsockname(stub.listen_fd, (struct sockaddr *)&address, &size);
    snprintf(stub.url, sizeof(stub.url), "http://127.0.0.1:%d",
             ntohs(address.sin_port));
    setenv("AWS_ENDPOINT_URL_SQS", stub.url, 1);
    setenv("AWS_ACCESS_KEY_ID", "test", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "test", 1);
    pthread_create(&stub.acceptor, NULL, accept_all, NULL);
}

void
stub_stop(void)
{
    shutdown(stub.listen_fd, SHUT_RDWR);
    pthread_join(stub.acceptor, NULL);
    close(stub.listen_fd);
    for (size_t i = 0; i < stub.connections; i++) {
        shutdown(stub.fds[i], SHUT_RDWR);
        pthread_join(stub.threads[i], NULL);
        close(stub.fds[i]);
    }
    stub.connections = 0;
    stub_reset();
}

/* --- a process that works for STUB_QUEUE ---------------------------------- */

struct queue *
stub_connect(int64_t lease_ms)
{
    struct queue *queue = NULL;
    struct err err = {0};
    const struct queue_options options = {
        .name = STUB_QUEUE, .consumer = "one-process", .lease_ms = lease_ms};
    if (queue_open("sqs://eu-west-1", &options, &queue, &err)) {
        fail_msg("%s", err.text);
    }
    return queue;
}

int
stub_world_open(void **state)
{
    struct stub_world *f = xcalloc(1, sizeof(*f));
    f->queue = stub_connect(60000);
    f->heart = stub_connect(60000);
    *state = f;
    return 0;
}

int
stub_world_close(void **state)
{
    struct stub_world *f = *state;
    queue_close(&f->heart);
    queue_close(&f->queue);
    stub_reset();
    free(f);
    return 0;
}

void
stub_write_messages(struct buf *out, int first, int count, int64_t sent_wall_ms,
                    const char *body)
{
    buf_puts(out, "{\"Messages\":[");
    for (int i = first; i < first + count; i++) {
        buf_printf(out,
                   "%s{\"MessageId\":\"m%d\",\"ReceiptHandle\":\"r%d\","
                   "\"Body\":\"%s\",\"Attributes\":{\"SentTimestamp\":\"%lld\","
                   "\"ApproximateReceiveCount\":\"1\"}}",
                   i > first ? "," : "", i, i, body, (long long)sent_wall_ms);
    }
    buf_puts(out, "]}");
}

size_t
stub_receive(struct queue *queue, size_t max, struct queue_message *ret)
{
    size_t count = 0;
    bool reset;
    struct err err = {0};
    if (queue_receive(queue, max, 0, ret, &count, &reset, &err)) {
        fail_msg("%s", err.text);
    }
    return count;
}

/* One message, received from the script. */
struct queue_message
stub_receive_one(struct queue *queue, int64_t sent_wall_ms)
{
    _cleanup(buf_free) struct buf reply = {0};
    struct queue_message m;
    stub_write_messages(&reply, 1, 1, sent_wall_ms, "bell");
    SCRIPT({.action = "ReceiveMessage", .body = reply.data});
    assert_int_equal(stub_receive(queue, 1, &m), 1);
    return m;
}
