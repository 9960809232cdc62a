#include "store/sqlstate.h"

#include <stdio.h>
#include <string.h>

/* The first match decides. */
static const struct sqlstate table[] = {
    {"08", ERR_RETRY, true, ""},
    {"0A000", ERR_RETRY, true, ""}, /* A plan older than its function. */
    {"22", ERR_REJECT, false, ""},
    {"23", ERR_REJECT, false, ""},
    {"25006", ERR_RETRY, true, "; is this a standby?"},
    {"26000", ERR_RETRY, true, ""}, /* A pooler swapped the session. */
    {"28", ERR_FATAL, true, "; check user and password"},
    {"3D000", ERR_FATAL, true, "; create the database"},
    {"3F000", ERR_FATAL, false, "; run 'alexctl db migrate'"},
    {"40", ERR_RETRY, false, ""},
    {"42P05", ERR_RETRY, true, ""}, /* A pooler's session has it already. */
    {"42501", ERR_FATAL, false, "; check the role's grants"},
    {"42883", ERR_FATAL, false, "; run 'alexctl db migrate'"},
    {"53", ERR_RETRY, false, ""},
    {"54", ERR_REJECT, false, ""},
    {"55P03", ERR_RETRY, false, ""},
    {"57014", ERR_RETRY, false, ""},
    {"57P0", ERR_RETRY, true, ""},
    {"58", ERR_RETRY, false, ""},
    {"XX000", ERR_RETRY, false, ""}, /* E.g. a function being replaced. */
    {"", ERR_FATAL, false, ""},
};

const struct sqlstate *
sqlstate_find(const char *state)
{
    const struct sqlstate *s = table;
    while (strncmp(s->prefix, state, strlen(s->prefix)) != 0) {
        s++;
    }
    return s;
}

/* "...: FATAL:  28P01: password authentication failed", whatever the server's
 * language makes of "FATAL". */
const char *
sqlstate_scan(const char *message, char ret[SQLSTATE_SIZE])
{
    const char *found = NULL;
    for (const char *line = message; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t size = strcspn(line, "\n");
        const char *mark = memmem(line, size, ":  ", 3);
        const char *state = mark ? mark + 3 : "";
        if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
            state[5] == ':') {
            snprintf(ret, SQLSTATE_SIZE, "%.5s", state);
            found = line;
        }
    }
    return found;
}
