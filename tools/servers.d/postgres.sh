# shellcheck shell=bash disable=SC2154
postgres_bin() {
    local newest
    newest=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    if [ -x "$newest/initdb" ]; then
        echo "$newest"
    else
        dirname "$(command -v initdb || echo /missing/initdb)"
    fi
}

postgres_packages() {
    [ -x "$(postgres_bin)/initdb" ] && command -v psql >/dev/null ||
        echo "postgresql"
}

postgres_initdb() {
    local pwfile=$data/postgres.pw new=$data/postgres.new
    rm -rf "$new"
    password >"$pwfile"
    own "$pwfile"
    unprivileged "$(postgres_bin)/initdb" -D "$new" -U postgres \
        -E UTF8 --locale=C.UTF-8 --no-sync --auth=scram-sha-256 \
        --pwfile="$pwfile" >"$dir/initdb.log" 2>&1 ||
        die 1 "initdb failed, see $dir/initdb.log"
    rm -f "$pwfile"
    cat >>"$new/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
log_timezone = 'UTC'
timezone = 'UTC'
CONF
    mv "$new" "$data/postgres"
}

postgres_start() {
    local log=$data/postgres.log
    [ -s "$data/postgres/PG_VERSION" ] || postgres_initdb
    rm -f "$data/postgres/postmaster.pid"
    choose_port postgres
    unprivileged "$(postgres_bin)/pg_ctl" start -w -t "$START_TIMEOUT_S" -s \
        -D "$data/postgres" -l "$log" -o "-p $(port_of postgres)" 9>&- ||
        die 1 "postgres does not start, see $log"
    postgres_sql <<SQL
select 'create database alex' where not exists
    (select from pg_database where datname = 'alex') \gexec
select format('create role %I login password %L', r, '$(password)')
    from unnest(array['alex_worker', 'alex_submitter']) r where not exists
    (select from pg_roles where rolname = r) \gexec
SQL
}

postgres_sql() {
    PGPASSWORD=$(password) psql -qAtX -v ON_ERROR_STOP=1 -h 127.0.0.1 \
        -p "$(port_of postgres)" -U postgres -d postgres 9>&-
}

postgres_running() {
    pid_of postgres "$data/postgres/postmaster.pid" >/dev/null &&
        answers "$(port_of postgres)"
}

postgres_stop() {
    local mode=fast
    pid_of postgres "$data/postgres/postmaster.pid" >/dev/null || return 0
    [ -z "$hard" ] || mode=immediate
    unprivileged "$(postgres_bin)/pg_ctl" stop -w -t "$START_TIMEOUT_S" -s \
        -D "$data/postgres" -m "$mode" || die 1 "postgres does not stop"
}

postgres_env() {
    local at
    at="$(password)@127.0.0.1:$(port_of postgres)"
    echo "export ALEX_STORE_URL=postgres://postgres:$at/alex"
    echo "export ALEX_WORKER_STORE_URL=postgres://alex_worker:$at/alex"
    echo "export ALEX_SUBMITTER_STORE_URL=postgres://alex_submitter:$at/alex"
    echo "export ALEX_TEST_POSTGRES=postgres://postgres:$at/postgres"
}
