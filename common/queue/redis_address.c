#include "queue/redis_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "queue/queue_url.h"

void
redis_address_free(struct redis_address *address)
{
    free(address->host);
    free(address->port);
    free(address->user);
    free(address->password);
    free(address->database);
    *address = (struct redis_address){0};
}

static char *
copy(const char *text, size_t size)
{
    char *out = xcalloc(size + 1, 1);
    memcpy(out, text, size);
    return out;
}

/* "user:password", either may be empty. */
static bool
parse_user(const char *text, size_t size, struct redis_address *address)
{
    const char *colon = memchr(text, ':', size);
    size_t user = colon ? (size_t)(colon - text) : size;
    if (user > 0) {
        address->user = queue_url_decode(text, user);
    }
    if (colon) {
        address->password = queue_url_decode(colon + 1, size - user - 1);
    }
    return (user == 0 || address->user) && address->password;
}

/* "host", "host:port" or "[ipv6]:port". */
static bool
parse_host(const char *text, size_t size, struct redis_address *address)
{
    bool bracket = size > 0 && text[0] == '[';
    const char *start = text + bracket;
    size_t host = strcspn(start, bracket ? "]/" : ":/");
    const char *end = start + host + bracket;
    if (host == 0 || (bracket && start[host] != ']')) {
        return false;
    }
    address->host = copy(start, host);
    if (end == text + size) {
        address->port = xstrdup("6379");
        return true;
    }
    size_t digits = strspn(end + 1, "0123456789");
    address->port = copy(end + 1, digits);
    return *end == ':' && digits >= 1 && digits <= 5 &&
           end + 1 + digits == text + size && atoi(address->port) <= 65535;
}

static bool
parse(const char *url, struct redis_address *address)
{
    const char *rest = strstr(url, "://") + 3;
    size_t authority = strcspn(rest, "/");
    const char *at = memrchr(rest, '@', authority);
    const char *host = at ? at + 1 : rest;
    const char *database = rest + authority + (rest[authority] == '/');
    size_t digits = strspn(database, "0123456789");
    address->tls = strncmp(url, "rediss:", 7) == 0;
    address->database = xstrdup(digits > 0 ? database : "0");
    return database[digits] == '\0' && digits <= 4 &&
           (!at || parse_user(rest, (size_t)(at - rest), address)) &&
           parse_host(host, (size_t)(rest + authority - host), address);
}

int
redis_address_parse(const char *url, struct redis_address *ret, struct err *err)
{
    _cleanup(redis_address_free) struct redis_address address = {0};
    if (!parse(url, &address)) {
        return err_set(err, ERR_FATAL, 78,
                       "queue URL: malformed, expected "
                       "redis://user:password@host:6379/0 with special "
                       "characters as %%XX");
    }
    *ret = address;
    address = (struct redis_address){0};
    return 0;
}
