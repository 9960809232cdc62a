#include "rds-data-local/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "rds-data-local/field.h"
#include "rds-data-local/types.h"

#define NULLABLE_UNKNOWN 2

static void
clear(PGresult **result)
{
    PQclear(*result);
}

/* --- records ------------------------------------------------------------- */

static int
check_sizes(const PGresult *result, struct err *err)
{
    size_t all = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        size_t bytes = 0;
        for (int column = 0; column < PQnfields(result); column++) {
            bytes += (size_t)PQgetlength(result, row, column);
        }
        if (bytes > API_ROW_MAX_BYTES) {
            return api_fail(err, API_UNSUPPORTED_RESULT,
                            "Row %d of the result has %zu bytes, the limit is "
                            "64 KB.",
                            row + 1, bytes);
        }
        all += bytes;
    }
    return all > API_REPLY_MAX_BYTES
               ? api_fail(err, API_UNSUPPORTED_RESULT,
                          "Database returned more than the allowed response "
                          "size limit")
               : 0;
}

static int
write_field(const PGresult *result, int row, int column,
            const struct type *type, const struct request *request,
            struct buf *out, struct err *err)
{
    bool null = PQgetisnull(result, row, column);
    const char *text = null ? NULL : PQgetvalue(result, row, column);
    return field_write(type, text, (size_t)PQgetlength(result, row, column),
                       request, out, err);
}

static int
write_row(const PGresult *result, int row, const struct type *types,
          const struct request *request, struct buf *out, struct err *err)
{
    if (request->as_json) {
        buf_json_object(out);
    } else {
        buf_json_array(out);
    }
    for (int column = 0; column < PQnfields(result); column++) {
        if (request->as_json) {
            buf_json_key(out, PQfname(result, column));
        }
        if (write_field(result, row, column, &types[column], request, out,
                        err)) {
            return -1;
        }
    }
    buf_json_end(out);
    return 0;
}

static int
write_rows(const PGresult *result, const struct type *types,
           const struct request *request, struct buf *out, struct err *err)
{
    buf_json_array(out);
    for (int row = 0; row < PQntuples(result); row++) {
        if (write_row(result, row, types, request, out, err)) {
            return -1;
        }
    }
    buf_json_end(out);
    return 0;
}

static int
check_labels(const PGresult *result, struct err *err)
{
    for (int i = 0; i < PQnfields(result); i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(PQfname(result, i), PQfname(result, k)) == 0) {
                return api_fail(err, API_VALIDATION,
                                "The result set has several columns of the "
                                "label %.80s, which formatRecordsAs JSON does "
                                "not support.",
                                PQfname(result, i));
            }
        }
    }
    return 0;
}

static int
write_formatted(const PGresult *result, const struct type *types,
                const struct request *request, struct buf *out, struct err *err)
{
    _cleanup(buf_free) struct buf text = {0};
    if (check_labels(result, err) ||
        write_rows(result, types, request, &text, err)) {
        return -1;
    }
    buf_json_key(out, "formattedRecords");
    buf_json_string_n(out, text.data, text.size);
    return 0;
}

/* --- metadata ------------------------------------------------------------ */

struct origin { /* Of a column, in the catalogue. */
    const char *name;
    const char *table;
    int nullable;
    bool counts; /* From a sequence, or an identity column. */
};

static PGresult *
ask_origins(PGconn *conn, const PGresult *result)
{
    _cleanup(buf_free) struct buf tables = {0};
    _cleanup(buf_free) struct buf columns = {0};
    for (int i = 0; i < PQnfields(result); i++) {
        buf_printf(&tables, "%c%u", i ? ',' : '{', PQftable(result, i));
        buf_printf(&columns, "%c%d", i ? ',' : '{', PQftablecol(result, i));
    }
    buf_puts(&tables, "}");
    buf_puts(&columns, "}");
    const char *values[] = {tables.data, columns.data};
    return PQexecParams(
        conn,
        "select a.attname, c.relname, a.attnotnull, a.attidentity <> '' or "
        "pg_catalog.pg_get_expr(d.adbin, d.adrelid) like 'nextval(%' "
        "from unnest($1::oid[], $2::int2[]) with ordinality u(t, n, ord) "
        "left join pg_catalog.pg_class c on c.oid = u.t "
        "left join pg_catalog.pg_attribute a on a.attrelid = u.t "
        "and a.attnum = u.n left join pg_catalog.pg_attrdef d "
        "on d.adrelid = u.t and d.adnum = u.n order by u.ord",
        2, NULL, values, NULL, NULL, 0);
}

static struct origin
origin_of(const PGresult *origins, const PGresult *result, int column)
{
    struct origin origin = {PQfname(result, column), "", NULLABLE_UNKNOWN,
                            false};
    if (PQresultStatus(origins) != PGRES_TUPLES_OK ||
        column >= PQntuples(origins) || PQgetisnull(origins, column, 0)) {
        return origin;
    }
    origin.name = PQgetvalue(origins, column, 0);
    origin.table = PQgetvalue(origins, column, 1);
    origin.nullable = PQgetvalue(origins, column, 2)[0] != 't';
    origin.counts = PQgetvalue(origins, column, 3)[0] == 't';
    return origin;
}

/* What a column's type modifier says, as JDBC answers it. */
static void
write_precision(const PGresult *result, int column, const struct type *type,
                struct buf *out)
{
    int modifier = PQfmod(result, column);
    int precision = 0;
    int scale = 0;
    if (strcmp(type->name, "numeric") == 0 && modifier >= 4) {
        precision = ((modifier - 4) >> 16) & 0xffff;
        scale = (modifier - 4) & 0x7ff;
    } else if (type->field == TYPE_STRING) {
        precision = modifier >= 4 ? modifier - 4 : INT32_MAX;
    } else if (type->field == TYPE_LONG) {
        int bytes = PQfsize(result, column);
        precision = bytes == 2 ? 5 : bytes == 4 ? 10 : 19;
    } else if (type->field == TYPE_DOUBLE) {
        precision = PQfsize(result, column) == 4 ? 8 : 17;
        scale = precision;
    } else if (type->field == TYPE_BOOLEAN) {
        precision = 1;
    }
    buf_json_key(out, "precision");
    buf_json_int(out, precision);
    buf_json_key(out, "scale");
    buf_json_int(out, scale);
}

static void
write_member(const char *key, const char *text, struct buf *out)
{
    buf_json_key(out, key);
    buf_json_string(out, text);
}

static void
write_bool(const char *key, bool value, struct buf *out)
{
    buf_json_key(out, key);
    buf_json_bool(out, value);
}

static void
write_column(const PGresult *result, int column, const struct type *type,
             const struct origin *origin, struct buf *out)
{
    bool number = type->field == TYPE_LONG || type->field == TYPE_DOUBLE ||
                  type->field == TYPE_DECIMAL;
    buf_json_object(out);
    buf_json_key(out, "arrayBaseColumnType");
    buf_json_int(out, type->element_jdbc);
    write_bool("isAutoIncrement", origin->counts, out);
    write_bool("isCaseSensitive",
               type->field == TYPE_STRING || type->field == TYPE_UNSUPPORTED,
               out);
    write_bool("isCurrency", false, out);
    write_bool("isSigned", number, out);
    write_member("label", PQfname(result, column), out);
    write_member("name", origin->name, out);
    buf_json_key(out, "nullable");
    buf_json_int(out, origin->nullable);
    write_precision(result, column, type, out);
    write_member("schemaName", "", out);
    write_member("tableName", origin->table, out);
    buf_json_key(out, "type");
    buf_json_int(out, type->jdbc);
    write_member("typeName", type->name, out);
    buf_json_end(out);
}

static void
write_metadata(PGconn *conn, const PGresult *result, const struct type *types,
               struct buf *out)
{
    _cleanup(clear) PGresult *origins = ask_origins(conn, result);
    buf_json_key(out, "columnMetadata");
    buf_json_array(out);
    for (int column = 0; column < PQnfields(result); column++) {
        struct origin origin = origin_of(origins, result, column);
        write_column(result, column, &types[column], &origin, out);
    }
    buf_json_end(out);
}

/* --- the whole ----------------------------------------------------------- */

static int
write_records(PGconn *conn, const PGresult *result,
              const struct request *request, struct buf *out, struct err *err)
{
    int count = PQnfields(result);
    _cleanup(cleanup_free) struct type *types =
        xcalloc((size_t)count + 1, sizeof(*types));
    if (check_sizes(result, err)) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (type_find(conn, PQftype(result, i), &types[i], err)) {
            return -1;
        }
    }
    if (request->as_json) {
        return write_formatted(result, types, request, out, err);
    }
    if (request->metadata) {
        write_metadata(conn, result, types, out);
    }
    buf_json_key(out, "records");
    return write_rows(result, types, request, out, err);
}

int
render_result(PGconn *conn, const PGresult *result,
              const struct request *request, struct buf *out, struct err *err)
{
    bool rows = PQresultStatus(result) == PGRES_TUPLES_OK;
    /* Rows of RETURNING count as updated, those of SELECT do not. */
    bool selects = strncmp(PQcmdStatus((PGresult *)result), "SELECT", 6) == 0;
    const char *updated = selects ? "0" : PQcmdTuples((PGresult *)result);
    if (rows && write_records(conn, result, request, out, err)) {
        return -1;
    }
    if (!rows || !selects) {
        buf_json_key(out, "generatedFields");
        buf_json_array(out);
        buf_json_end(out);
    }
    buf_json_key(out, "numberOfRecordsUpdated");
    buf_json_int(out, strtoll(updated, NULL, 10));
    if (out->size > API_REPLY_MAX_BYTES) {
        return api_fail(err, API_UNSUPPORTED_RESULT,
                        "Database returned more than the allowed response "
                        "size limit");
    }
    return 0;
}
