#include "aws/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/conf.h"

#define CONFIG_ERROR 78

int
credentials_get(struct credentials *ret, struct err *err)
{
    const char *access = conf_env("AWS_ACCESS_KEY_ID");
    const char *secret = conf_env("AWS_SECRET_ACCESS_KEY");
    const char *token = conf_env("AWS_SESSION_TOKEN");
    if (!access || !secret) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "no AWS credentials: set AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY");
    }
    *ret = (struct credentials){.access_key = xstrdup(access),
                                .secret_key = xstrdup(secret),
                                .token = token ? xstrdup(token) : NULL};
    return 0;
}

int
credentials_renew(const char *access_key, struct err *err)
{
    return err_set(err, ERR_FATAL, CONFIG_ERROR,
                   "credentials %.20s of the environment have expired",
                   access_key);
}

void
credentials_free(struct credentials *credentials)
{
    free(credentials->access_key);
    if (credentials->secret_key) {
        explicit_bzero(credentials->secret_key,
                       strlen(credentials->secret_key));
    }
    free(credentials->secret_key);
    free(credentials->token);
    *credentials = (struct credentials){0};
}

bool
credentials_region(char *ret, size_t size)
{
    const char *region = conf_env("AWS_REGION");
    if (!region) {
        region = conf_env("AWS_DEFAULT_REGION");
    }
    snprintf(ret, size, "%s", region ? region : "");
    return region != NULL;
}
