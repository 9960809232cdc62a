#include "aws/endpoint.h"

#include <ctype.h>
#include <string.h>

#include "aws/source.h"
#include "base/arena.h"

static const char *
configured(const char *service)
{
    char name[64] = "AWS_ENDPOINT_URL_";
    size_t size = strlen(name);
    for (const char *p = service; *p && size + 1 < sizeof(name); p++) {
        name[size++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    }
    name[size] = '\0';
    const char *url = source_env(name);
    return url ? url : source_env("AWS_ENDPOINT_URL");
}

char *
endpoint_of(const char *service, const char *region)
{
    const char *known = configured(service);
    char *url =
        known ? xstrdup(known)
              : xasprintf("https://%s.%s.amazonaws.com%s", service, region,
                          strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/') {
        url[--size] = '\0';
    }
    return url;
}
