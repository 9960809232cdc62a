#include "rds-data-local/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define JDBC_ARRAY 2003
#define JDBC_OTHER 1111
#define JDBC_VARCHAR 12

/* oid, that of its array, name, JDBC code, field. */
static const struct {
    Oid oid;
    Oid array;
    const char *name;
    int jdbc;
    enum type_field field;
} known[] = {
    {16, 1000, "bool", -7, TYPE_BOOLEAN},
    {17, 1001, "bytea", -2, TYPE_BLOB},
    {18, 1002, "char", 1, TYPE_STRING},
    {19, 1003, "name", JDBC_VARCHAR, TYPE_STRING},
    {20, 1016, "int8", -5, TYPE_LONG},
    {21, 1005, "int2", 5, TYPE_LONG},
    {23, 1007, "int4", 4, TYPE_LONG},
    {25, 1009, "text", JDBC_VARCHAR, TYPE_STRING},
    {26, 1028, "oid", -5, TYPE_LONG},
    {114, 199, "json", JDBC_OTHER, TYPE_STRING},
    {650, 651, "cidr", JDBC_OTHER, TYPE_STRING},
    {700, 1021, "float4", 7, TYPE_DOUBLE},
    {701, 1022, "float8", 8, TYPE_DOUBLE},
    {705, 0, "unknown", JDBC_VARCHAR, TYPE_STRING},
    {869, 1041, "inet", JDBC_OTHER, TYPE_STRING},
    {1042, 1014, "bpchar", 1, TYPE_STRING},
    {1043, 1015, "varchar", JDBC_VARCHAR, TYPE_STRING},
    {1082, 1182, "date", 91, TYPE_STRING},
    {1083, 1183, "time", 92, TYPE_STRING},
    {1114, 1115, "timestamp", 93, TYPE_STRING},
    {1184, 1185, "timestamptz", 93, TYPE_INSTANT},
    {1700, 1231, "numeric", 2, TYPE_DECIMAL},
    {2278, 0, "void", JDBC_OTHER, TYPE_STRING},
    {2950, 2951, "uuid", JDBC_OTHER, TYPE_STRING},
    {3802, 3807, "jsonb", JDBC_OTHER, TYPE_STRING},
};

static void
clear(PGresult **result)
{
    PQclear(*result);
}

static bool
find_known(Oid oid, struct type *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        bool array = oid == known[i].array && oid != 0;
        if (oid != known[i].oid && !array) {
            continue;
        }
        *ret = (struct type){
            .oid = oid,
            .jdbc = array ? JDBC_ARRAY : known[i].jdbc,
            .field = known[i].field,
            .array = array,
            .element_jdbc = array ? known[i].jdbc : 0,
        };
        snprintf(ret->name, sizeof(ret->name), "%s%s", array ? "_" : "",
                 known[i].name);
        return true;
    }
    return false;
}

/* Types of extensions and users: enums, arrays of them, and pgvector's. */
static int
look_up(PGconn *conn, Oid oid, struct type *ret, struct err *err)
{
    char number[16];
    const char *values[] = {number};
    snprintf(number, sizeof(number), "%u", oid);
    _cleanup(clear) PGresult *result = PQexecParams(
        conn,
        "select t.typname, coalesce(e.typtype, t.typtype) = 'e' or "
        "coalesce(e.typname, t.typname) = 'vector', e.oid is not null "
        "from pg_catalog.pg_type t left join pg_catalog.pg_type e "
        "on e.oid = t.typelem and t.typcategory = 'A' "
        "where t.oid = $1::oid",
        1, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        return api_fail(err, API_UNSUPPORTED_RESULT,
                        "The result contains the unsupported data type %u.",
                        oid);
    }
    if (PQgetvalue(result, 0, 1)[0] != 't') {
        return api_fail(err, API_UNSUPPORTED_RESULT,
                        "The result contains the unsupported data type %s.",
                        PQgetvalue(result, 0, 0));
    }
    bool array = PQgetvalue(result, 0, 2)[0] == 't';
    *ret = (struct type){
        .oid = oid,
        .jdbc = array ? JDBC_ARRAY : JDBC_VARCHAR,
        .field = TYPE_STRING,
        .array = array,
        .element_jdbc = array ? JDBC_VARCHAR : 0,
    };
    snprintf(ret->name, sizeof(ret->name), "%s", PQgetvalue(result, 0, 0));
    return 0;
}

int
type_find(PGconn *conn, Oid oid, struct type *ret, struct err *err)
{
    return find_known(oid, ret) ? 0 : look_up(conn, oid, ret, err);
}
