#include "contract/broker.h"

#include "base/arena.h"
#include "base/clock.h"
#include "contract/servers.h"
#include "queue/redis_wire.h"

static struct servers servers;

bool
broker_start(void)
{
    return servers_start(&servers, "redis");
}

void
broker_stop(void)
{
    servers_stop(&servers);
}

const char *
broker_url(void)
{
    return servers.url;
}

void
broker_restart(bool hard)
{
    servers_run(&servers, hard ? "restart redis --hard" : "restart redis");
}

void
broker_pause(bool pause)
{
    char path[128];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/data/redis/redis.pid", servers.dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    assert_int_equal(kill((pid_t)pid, pause ? SIGSTOP : SIGCONT), 0);
}

static void
write_words(struct buf *out, const char *command)
{
    size_t count = 1;
    for (const char *p = command; *p; p++) {
        count += *p == ' ';
    }
    redis_write_header(out, count);
    for (const char *p = command; *p;) {
        size_t size = strcspn(p, " ");
        redis_write_word(out, p, size);
        p += size + (p[size] == ' ');
    }
}

int64_t
broker_command(const char *command)
{
    _cleanup(redis_address_free) struct redis_address address = {0};
    _cleanup(redis_wire_close) struct redis_wire *wire = NULL;
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    struct err err = {0};
    int64_t deadline_ms = clock_boot_ms() + 5000;
    if (redis_address_parse(servers.url, &address, &err) ||
        redis_wire_open(&address, deadline_ms, &wire, &err)) {
        fail_msg("%s", err.text);
    }
    write_words(redis_wire_out(wire), command);
    if (redis_wire_get(wire, deadline_ms, &reply, &err)) {
        fail_msg("%.40s: %s", command, err.text);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%.40s: %s", command, reply->str);
    }
    return reply->type == REDIS_REPLY_ARRAY ? (int64_t)reply->elements
                                            : (int64_t)reply->integer;
}
