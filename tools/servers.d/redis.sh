# shellcheck shell=bash disable=SC2154
redis_packages() {
    command -v redis-server >/dev/null && command -v redis-cli >/dev/null ||
        echo "redis-server"
}

redis_start() {
    local conf=$data/redis/redis.conf
    mkdir -p "$data/redis"
    choose_port redis
    cat >"$conf" <<CONF
bind 127.0.0.1
port $(port_of redis)
requirepass $(password)
daemonize yes
dir $data/redis
pidfile $data/redis/redis.pid
logfile $data/redis.log
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
CONF
    own -R "$data/redis"
    unprivileged redis-server "$conf" 9>&- >/dev/null &&
        wait_until redis_running ||
        die 1 "redis does not start, see $data/redis.log"
}

redis_running() {
    pid_of redis-server "$data/redis/redis.pid" >/dev/null &&
        [ "$(REDISCLI_AUTH=$(password) redis-cli -h 127.0.0.1 \
            -p "$(port_of redis)" ping 2>/dev/null)" = PONG ]
}

redis_stop() {
    local pid signal=TERM
    pid=$(pid_of redis-server "$data/redis/redis.pid") || return 0
    [ -z "$hard" ] || signal=KILL
    kill -s "$signal" "$pid"
    wait_until silent "$(port_of redis)" || die 1 "redis does not stop"
}

redis_wipe() {
    REDISCLI_AUTH=$(password) redis-cli -h 127.0.0.1 -p "$(port_of redis)" \
        flushall >/dev/null
}

redis_url() {
    echo "redis://default:$(password)@127.0.0.1:$(port_of redis)/0"
}

redis_env() { echo "export ALEX_TEST_REDIS=$(redis_url)"; }
