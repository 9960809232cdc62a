/* alexctl db migrate, db status: brings a database to this program's version.
 *
 * Numbered files run once.  Functions run again when their text changed, and
 * grants.sql when anything at all did.  Each file is one transaction, with the
 * row in fleet.migrations that says so; whoever comes second waits for the
 * lock, looks again, and finds it done. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/db_files.h"
#include "alexctl/sqlsplit.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define STATEMENT_TIMEOUT_MS (30 * 60 * 1000)
/* Each try waits two seconds for locks, then lets others through. */
#define PATIENCE_MS 60000
#define PAUSE_LOW_MS 100
#define PAUSE_HIGH_MS 500

struct migrate_options {
    bool json;
};

static const struct args_option options[] = {
    {ARGS_FLAG, "json", NULL, offsetof(struct migrate_options, json), 0, 0,
     NULL, "print one JSON object"},
};

enum step_result { STEP_APPLIED, STEP_UNCHANGED, STEP_RESULT_COUNT };

struct step {
    const struct db_file *file;
    int version; /* 0 for what may run again. */
    char sha256[DIGEST_SHA256_SIZE];
};

static void
make_step(const struct db_file *file, struct step *ret)
{
    ret->file = file;
    ret->version = (int)strtol(file->name, NULL, 10);
    if (strcmp(file->name, "grants.sql") != 0) {
        digest_sha256_hex(file->text, file->size, ret->sha256);
        return;
    }
    /* It names what the others made: new functions need it to run again. */
    _cleanup(buf_free) struct buf all = {0};
    for (size_t i = 0; i < db_file_count; i++) {
        buf_append(&all, db_files[i].text, db_files[i].size);
    }
    digest_sha256_hex(all.data, all.size, ret->sha256);
}

static int
newest_version(void)
{
    int newest = 0;
    for (size_t i = 0; i < db_file_count; i++) {
        int version = (int)strtol(db_files[i].name, NULL, 10);
        newest = version > newest ? version : newest;
    }
    return newest;
}

/* The first column of the first row, "" if there is none.
 * Owner: '*ret' is malloc'd. */
static int
query_text(struct store *store, const char *sql, char **ret, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    if (store_query(store, sql, STATEMENT_TIMEOUT_MS, &reply, err) < 0) {
        return -1;
    }
    bool none = reply.count == 0 || reply.rows[0].head == NULL;
    *ret = xstrdup(none ? "" : reply.rows[0].head);
    return 0;
}

static int
exec_all(struct store *store, const char *const *statements, size_t count,
         struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (store_exec(store, statements[i], STATEMENT_TIMEOUT_MS, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
run_statements(struct store *store, const struct db_file *file, struct err *err)
{
    struct sqlsplit split = {
        .at = file->text, .end = file->text + file->size, .line = 1};
    struct sqlsplit_statement statement;
    int more;
    while ((more = sqlsplit_next(&split, &statement, err)) == 1) {
        _cleanup(cleanup_free) char *sql =
            xasprintf("%.*s", (int)statement.size, statement.text);
        if (store_exec(store, sql, STATEMENT_TIMEOUT_MS, err) < 0) {
            return err_wrap(err, "%s, line %d", file->name, statement.line);
        }
    }
    return more;
}

static int
changed_since(const struct step *step, struct err *err)
{
    return err_set(err, ERR_FATAL, CTL_EXIT_CONFIG,
                   "%s is not the file this database was migrated with: "
                   "numbered files never change; use the release that fits, "
                   "or start with an empty database",
                   step->file->name);
}

static int
record(struct store *store, const struct step *step, struct err *err)
{
    _cleanup(cleanup_free) char *sql =
        xasprintf("insert into fleet.migrations as m (version, name, sha256) "
                  "values (%d, '%s', '%s') on conflict (name) do update set "
                  "sha256 = excluded.sha256, applied_at = clock_timestamp()",
                  step->version, step->file->name, step->sha256);
    return store_exec(store, sql, STATEMENT_TIMEOUT_MS, err);
}

/* Inside a transaction: everything is decided after the lock is ours. */
static int
apply_locked(struct store *store, const struct step *step,
             enum step_result *ret, struct err *err)
{
    static const char *const prepare[] = {
        "set local lock_timeout = '2s'",
        "set local client_min_messages = warning",
        "select pg_advisory_xact_lock(hashtext('fleet.migrations'))",
        "create schema if not exists fleet",
        "create table if not exists fleet.migrations ("
        "version int not null, name text primary key, sha256 text not null, "
        "applied_at timestamptz not null default clock_timestamp())",
    };
    _cleanup(cleanup_free) char *known = NULL;
    _cleanup(cleanup_free) char *sql =
        xasprintf("select sha256 from fleet.migrations where name = '%s'",
                  step->file->name);
    if (exec_all(store, prepare, ARRAY_COUNT(prepare), err) < 0 ||
        query_text(store, sql, &known, err) < 0) {
        return -1;
    }
    if (strcmp(known, step->sha256) == 0) {
        *ret = STEP_UNCHANGED;
        return 0;
    }
    if (step->version > 0 && known[0] != '\0') {
        return changed_since(step, err);
    }
    if (run_statements(store, step->file, err) < 0 ||
        record(store, step, err) < 0) {
        return -1;
    }
    *ret = STEP_APPLIED;
    return 0;
}

static int
try_step(struct store *store, const struct step *step, enum step_result *ret,
         struct err *err)
{
    if (store_begin(store, err) < 0) {
        return -1;
    }
    if (apply_locked(store, step, ret, err) < 0) {
        struct err ignored;
        store_rollback(store, &ignored);
        return -1;
    }
    return store_commit(store, err);
}

static int
apply_step(struct store *store, const struct step *step, enum step_result *ret,
           struct err *err)
{
    int64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    while (try_step(store, step, ret, err) < 0) {
        if (err->kind != ERR_RETRY || clock_boot_ms() > give_up_ms) {
            return -1;
        }
        ctl_say("%s: %s; trying again", step->file->name, err->text);
        clock_sleep_ms(clock_jitter_ms(PAUSE_LOW_MS, PAUSE_HIGH_MS));
    }
    return 0;
}

/* The version of a database; 0 if it has never been migrated. */
static int
database_version(struct store *store, int *ret, struct err *err)
{
    _cleanup(cleanup_free) char *table = NULL;
    _cleanup(cleanup_free) char *version = NULL;
    if (query_text(store, "select to_regclass('fleet.migrations')::text",
                   &table, err) < 0) {
        return -1;
    }
    if (table[0] != '\0' &&
        query_text(store,
                   "select coalesce(max(version), 0)::text from "
                   "fleet.migrations",
                   &version, err) < 0) {
        return -1;
    }
    *ret = version ? (int)strtol(version, NULL, 10) : 0;
    return 0;
}

static int
refuse_newer(struct store *store, struct err *err)
{
    int version = 0;
    if (database_version(store, &version, err) < 0) {
        return -1;
    }
    if (version > newest_version()) {
        return err_set(err, ERR_FATAL, CTL_EXIT_CONFIG,
                       "the database has version %d, this program knows %d: "
                       "use the alexctl of the newer release",
                       version, newest_version());
    }
    return 0;
}

static void
report(const struct buf *applied, const size_t counts[STEP_RESULT_COUNT],
       bool json)
{
    if (json) {
        printf("{\"version\":%d,\"applied\":[%s],\"unchanged\":%zu}\n",
               newest_version(), applied->data ? applied->data : "",
               counts[STEP_UNCHANGED]);
    } else {
        printf("database at version %d: %zu files applied, %zu unchanged\n",
               newest_version(), counts[STEP_APPLIED], counts[STEP_UNCHANGED]);
    }
}

static int
migrate(struct ctl *ctl, const void *given, struct err *err)
{
    const struct migrate_options *o = given;
    struct store *store = NULL;
    if (ctl_store(ctl, true, &store, err) < 0 || refuse_newer(store, err) < 0) {
        return -1;
    }
    _cleanup(buf_free) struct buf applied = {0};
    size_t counts[STEP_RESULT_COUNT] = {0};
    for (size_t i = 0; i < db_file_count; i++) {
        struct step step;
        enum step_result result = STEP_UNCHANGED;
        make_step(&db_files[i], &step);
        if (apply_step(store, &step, &result, err) < 0) {
            return -1;
        }
        counts[result]++;
        if (result == STEP_APPLIED) {
            buf_printf(&applied, "%s\"%s\"", applied.size ? "," : "",
                       step.file->name);
            ctl_say("applied %s", step.file->name);
        }
    }
    report(&applied, counts, o->json);
    return CTL_EXIT_OK;
}

const struct command command_db_migrate = {
    .name = "db migrate",
    .summary = "Create or upgrade the database.",
    .details =
        "Works on an empty database, on one of upstream Alex (its tables and\n"
        "rows stay), and again at any time; two at once wait for each other.\n"
        "Refuses a database that a newer release has migrated.\n\n"
        "Examples:\n"
        "  alexctl db migrate\n"
        "  ALEX_ADMIN_STORE_URL=postgres://owner@db/alex alexctl db migrate\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct migrate_options),
    .run = migrate,
};

/* --- status ---------------------------------------------------------------*/

/* Rows of fleet.migrations as {name: sha256}. */
static int
load_recorded(struct store *store, struct json_object **ret, struct err *err)
{
    _cleanup(cleanup_free) char *text = NULL;
    if (query_text(store,
                   "select coalesce(jsonb_object_agg(name, sha256), '{}')"
                   "::text from fleet.migrations",
                   &text, err) < 0) {
        return -1;
    }
    return json_parse(text, strlen(text), "fleet.migrations", ret, err);
}

static const char *
state_of(const struct step *step, struct json_object *recorded)
{
    struct json_object *known = NULL;
    if (!json_object_object_get_ex(recorded, step->file->name, &known)) {
        return "missing";
    }
    bool same = strcmp(json_object_get_string(known), step->sha256) == 0;
    return same ? "applied" : "changed";
}

static int
status(struct ctl *ctl, const void *given, struct err *err)
{
    const struct migrate_options *o = given;
    struct store *store = NULL;
    int version = 0;
    _cleanup(json_put) struct json_object *recorded = NULL;
    if (ctl_store(ctl, true, &store, err) < 0 ||
        database_version(store, &version, err) < 0 ||
        (version > 0 && load_recorded(store, &recorded, err) < 0)) {
        return -1;
    }
    bool current = version == newest_version();
    _cleanup(buf_free) struct buf out = {0};
    buf_json_object(&out);
    buf_json_key(&out, "version");
    buf_json_int(&out, version);
    buf_json_key(&out, "newest");
    buf_json_int(&out, newest_version());
    buf_json_key(&out, "files");
    buf_json_object(&out);
    for (size_t i = 0; i < db_file_count; i++) {
        struct step step;
        make_step(&db_files[i], &step);
        const char *state = recorded ? state_of(&step, recorded) : "missing";
        current = current && strcmp(state, "applied") == 0;
        buf_json_key(&out, step.file->name);
        buf_json_string(&out, state);
        if (!o->json) {
            printf("%-8s %s\n", state, step.file->name);
        }
    }
    buf_json_end(&out);
    buf_json_end(&out);
    if (o->json) {
        puts(out.data);
    } else {
        printf("database at version %d of %d%s\n", version, newest_version(),
               current ? "" : ": run 'alexctl db migrate'");
    }
    return current ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}

const struct command command_db_status = {
    .name = "db status",
    .summary = "Show which files the database has been migrated with.",
    .details = "Ends with 0 when the database is what this program expects, "
               "else with 1.\n\n"
               "Examples:\n"
               "  alexctl db status\n"
               "  alexctl db status --json\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct migrate_options),
    .run = status,
};
