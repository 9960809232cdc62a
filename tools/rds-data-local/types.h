/* Column types as the Data API knows them: their names, their JDBC codes and
 * which member of the Field union holds their values. */
#pragma once

#include <libpq-fe.h>

#include "rds-data-local/api.h"

enum type_field {
    TYPE_UNSUPPORTED,
    TYPE_BOOLEAN,
    TYPE_LONG,
    TYPE_DOUBLE,
    TYPE_DECIMAL, /* stringValue unless asked otherwise */
    TYPE_STRING,
    TYPE_INSTANT, /* timestamptz: without its zone, which is UTC */
    TYPE_BLOB,
};

struct type {
    Oid oid;
    char name[64];         /* "int4", "_text" */
    int jdbc;              /* java.sql.Types */
    enum type_field field; /* Of an array: of its elements. */
    bool array;
    int element_jdbc; /* arrayBaseColumnType, 0 if no array */
};

/* Asks the catalogue on 'conn' about types it does not know by heart: enums are
 * strings, others unsupported.
 * Errors: API_UNSUPPORTED_RESULT. */
int type_find(PGconn *conn, Oid oid, struct type *ret, struct err *err);
