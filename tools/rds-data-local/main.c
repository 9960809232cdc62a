/* rds-data-local: the RDS Data API in front of any PostgreSQL. */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/log.h"
#include "http/server.h"
#include "rds-data-local/gateway.h"

#define EXIT_USAGE 64
#define EXIT_CONFIG 78
#define FIELD(name) offsetof(struct settings, name)

struct settings {
    char *host;
    char *port;
    char *secrets;
    char *resource;
    char *bind;
    char *access_key;
    char *secret_key;
    char *session_token;
    int64_t listen_port;
    int64_t connections;
    int64_t clients;
    int64_t transaction_idle_ms;
    int64_t statement_ms;
    bool control;
};

static const struct conf_row rows[] = {
    {CONF_STR, "RDS_DATA_LOCAL_PGHOST", FIELD(host), "127.0.0.1", 1, 255,
     "where PostgreSQL listens: a host, or the folder of a socket"},
    {CONF_STR, "RDS_DATA_LOCAL_PGPORT", FIELD(port), "5432", 1, 5,
     "and its port"},
    {CONF_STR, "RDS_DATA_LOCAL_SECRETS", FIELD(secrets), NULL, 1, 4096,
     "file of logins: {\"<secret ARN>\": {\"username\": ..., \"password\": "
     "...}}"},
    {CONF_STR, "RDS_DATA_LOCAL_RESOURCE", FIELD(resource), "", 11, 100,
     "ARN of the only cluster there is; any is accepted without"},
    {CONF_STR, "RDS_DATA_LOCAL_BIND", FIELD(bind), "127.0.0.1", 1, 64,
     "address to listen on"},
    {CONF_INT, "RDS_DATA_LOCAL_PORT", FIELD(listen_port), "8080", 0, 65535,
     "port to listen on; 0 is any free one, which the log says"},
    {CONF_INT, "RDS_DATA_LOCAL_CONNECTIONS", FIELD(connections), "40", 1, 1000,
     "connections to PostgreSQL at most"},
    {CONF_INT, "RDS_DATA_LOCAL_CLIENTS", FIELD(clients), "500", 1, 10000,
     "connections of clients at most"},
    {CONF_SPAN, "RDS_DATA_LOCAL_TRANSACTION_IDLE", FIELD(transaction_idle_ms),
     "3m", 100, 3600000, "a transaction without a call for this long ends"},
    {CONF_SPAN, "RDS_DATA_LOCAL_STATEMENT", FIELD(statement_ms), "45s", 100,
     45000, "longest statement"},
    {CONF_STR, "AWS_ACCESS_KEY_ID", FIELD(access_key), "", 1, 128,
     "with this and the next, requests must be signed with them"},
    {CONF_SECRET, "AWS_SECRET_ACCESS_KEY", FIELD(secret_key), "", 1, 256,
     "the secret of that key"},
    {CONF_SECRET, "AWS_SESSION_TOKEN", FIELD(session_token), "", 1, 8192,
     "and its session, if it has one"},
    {CONF_BOOL, "RDS_DATA_LOCAL_CONTROL", FIELD(control), "off", 0, 0,
     "let /_control/faults make failures, for tests; unsigned"},
};

static void
help(void)
{
    puts("Usage: rds-data-local [--check | --help | --version]\n\n"
         "Speaks the RDS Data API over HTTP and runs the statements on a\n"
         "PostgreSQL, with the types, limits, time-outs and errors of "
         "Aurora's.\n"
         "Also serves /metrics and /health. Stops on SIGTERM and SIGINT.\n\n"
         "Environment (NAME_FILE may name a file with the value):");
    conf_help(rows, ARRAY_COUNT(rows), stdout);
    puts("  ALEX_LOG=json|text, ALEX_LOG_LEVEL=debug|info|warn|error\n\n"
         "Example:\n"
         "  echo '{\"arn:aws:secretsmanager:local:0:secret:me\": {\"username\":"
         " \"me\",\n"
         "    \"password\": \"secret\"}}' > secrets.json\n"
         "  RDS_DATA_LOCAL_SECRETS=secrets.json rds-data-local &\n"
         "  aws rds-data execute-statement --endpoint-url "
         "http://127.0.0.1:8080 \\\n"
         "    --resource-arn arn:aws:rds:local:0:cluster:x --secret-arn \\\n"
         "    arn:aws:secretsmanager:local:0:secret:me --database me \\\n"
         "    --sql 'select 1'\n\n"
         "Exit codes: 0 stopped by a signal; 64 usage; 70 it cannot go on; 78\n"
         "configuration.");
}

static void
wait_for_signal(struct sessions *sessions)
{
    sigset_t set;
    struct timespec second = {1, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    while (sigtimedwait(&set, NULL, &second) < 0) {
        sessions_tend(sessions);
    }
}

static void
block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int
check_settings(const struct settings *settings, struct err *err)
{
    if (!settings->access_key[0] != !settings->secret_key[0]) {
        return err_set(err, ERR_FATAL, EXIT_CONFIG,
                       "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: both or "
                       "neither expected");
    }
    return 0;
}

static void
open_verify(const struct settings *settings, struct verify **ret)
{
    if (settings->access_key[0]) {
        verify_new(&(struct verify_options){settings->access_key,
                                            settings->secret_key,
                                            settings->session_token},
                   ret);
    }
}

static int
serve(const struct settings *settings, const struct secrets *secrets,
      struct err *err)
{
    _cleanup(sessions_free) struct sessions *sessions = NULL;
    _cleanup(faults_free) struct faults *faults =
        settings->control ? faults_new() : NULL;
    _cleanup(verify_free) struct verify *verify = NULL;
    _cleanup(http_server_stop) struct http_server *server = NULL;
    sessions_new(&(struct sessions_options){settings->host, settings->port,
                                            secrets, (int)settings->connections,
                                            settings->transaction_idle_ms,
                                            settings->statement_ms},
                 &sessions);
    open_verify(settings, &verify);
    struct gateway gateway = {sessions, faults, verify, settings->resource};
    struct http_server_options options = {
        .bind = settings->bind,
        .port = (int)settings->listen_port,
        .connections_max = (int)settings->clients,
        .body_max_bytes = API_REQUEST_MAX_BYTES,
        .idle_ms = 60000,
        .upload_ms = 30000,
        .handler = gateway_handle,
        .context = &gateway,
    };
    if (http_server_start(&options, &server, err)) {
        return -1;
    }
    gateway_measure();
    log_info("listening", "address=%s port=%d database=%s:%s signatures=%s",
             settings->bind, http_server_port(server), settings->host,
             settings->port, verify ? "checked" : "ignored");
    wait_for_signal(sessions);
    return 0;
}

static int
run(bool check)
{
    struct settings settings = {0};
    _cleanup(secrets_free) struct secrets *secrets = NULL;
    struct err err = {0};
    log_start("rds-data-local");
    if (conf_load(rows, ARRAY_COUNT(rows), &settings, &err) ||
        check_settings(&settings, &err) ||
        secrets_load(settings.secrets, &secrets, &err)) {
        fprintf(stderr, "rds-data-local: %s\n", err.text);
        return EXIT_CONFIG;
    }
    if (check) {
        conf_print(rows, ARRAY_COUNT(rows), &settings, stdout);
        return 0;
    }
    conf_wipe_secrets(rows, ARRAY_COUNT(rows));
    block_signals();
    if (serve(&settings, secrets, &err)) {
        log_error("cannot serve", "error=%s", err.text);
        return err.code == EXIT_CONFIG ? EXIT_CONFIG : 70;
    }
    log_info("stopped", "code=0");
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 1) {
        return run(false);
    }
    if (argc == 2 && strcmp(argv[1], "--check") == 0) {
        return run(true);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("rds-data-local " VERSION);
        return 0;
    }
    bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
    if (asked) {
        help();
        return 0;
    }
    fprintf(stderr, "rds-data-local: no such option; see --help\n");
    return EXIT_USAGE;
}
