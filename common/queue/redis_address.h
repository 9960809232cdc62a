/* Where a redis:// URL leads. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct redis_address {
    bool tls;
    char *host;
    char *port;
    char *user;     /* NULL: the default user. */
    char *password; /* NULL: no AUTH is sent. */
    char *database; /* "0" */
};

/* redis[s]://[user[:password]@]host[:port][/database], %XX in user and
 * password.
 * Owner: '*ret' is freed with redis_address_free().
 * Errors: ERR_FATAL (78), never with the URL's text. */
int redis_address_parse(const char *url, struct redis_address *ret,
                        struct err *err);
void redis_address_free(struct redis_address *address);
