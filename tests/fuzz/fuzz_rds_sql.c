/* Any SQL a client of the Data API may send.
 *
 * - What is written stays what it was but for parameters: without a colon that
 *   begins a name, the text comes out as it went in, up to its end.
 * - Names are counted once each and are names. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rds-data-local/lex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_rds_sql: %s\n", what);
        abort();
    }
}

static void
require_names(const struct lex *lex)
{
    for (size_t i = 0; i < lex->name_count; i++) {
        const char *name = lex->names[i];
        require(name[0] != '\0', "no name");
        require(strlen(name) <= LEX_NAME_MAX, "name too long");
        for (size_t k = 0; k < i; k++) {
            require(strcmp(name, lex->names[k]) != 0, "name counted twice");
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(lex_free) struct lex lex = {0};
    struct err err = {0};
    const char *sql = (const char *)data;
    if (lex_sql(sql, size, &lex, &err)) {
        require(err.kind == ERR_REJECT && err.text[0],
                "refused without reason");
        return 0;
    }
    require_names(&lex);
    if (!memchr(sql, ':', size) && !memchr(sql, ';', size)) {
        require(lex.sql.size == size &&
                    (size == 0 || memcmp(lex.sql.data, sql, size) == 0),
                "changed without need");
    }
    return 0;
}
