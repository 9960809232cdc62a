/* The files of schemas/sql that this program carries, in the order they run. */
#pragma once

#include <stddef.h>

struct db_file {
    const char *name; /* "002_fleet.sql", "functions/claim.sql". */
    const char *text;
    size_t size;
};

extern const struct db_file db_files[];
extern const size_t db_file_count;
