#!/usr/bin/env bash
# Measures the SQL engine on a database of its own, which it drops again.
# Usage: tests/bench/engine.sh [BUILD_DIR]   (ALEX_TEST_POSTGRES: a superuser)
# Every row is the median of RUNS (default 3); say what else used the cores.
set -euo pipefail
top=$(realpath "$(dirname "$0")/../..")
build=${1:-$top/build}
runs=${RUNS:-3}
admin=${ALEX_TEST_POSTGRES:?a superuser of a private server: tools/servers env}
url=${admin%/*}/alex_bench_engine

measure() { # measure WORKLOAD CONNECTIONS BATCH JOBS
    for _ in $(seq "$runs"); do
        psql -qX "$admin" -c 'set client_min_messages = error' \
            -c 'drop database if exists alex_bench_engine' \
            -c 'create database alex_bench_engine'
        "$top/tests/sql/apply.sh" "$url"
        psql -qX "$url" -c "insert into users (clerk_user_id) values ('bench')"
        "$build/tests/bench/bench-engine" "$url" "$@"
    done | sort -t: -k2 -n | sed -n "$((runs / 2 + 1))p"
}

trap 'psql -qX "$admin" -c "drop database if exists alex_bench_engine"' EXIT
for connections in 2 4; do
    for batch in 10 50 100; do
        measure noop "$connections" "$batch" "${NOOP_JOBS:-60000}"
        measure fan8 "$connections" "$batch" "${FAN_JOBS:-6000}"
    done
done
