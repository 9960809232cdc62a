#include "rds-data-local/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "rds-data-local/api.h"

#define FILE_MAX_BYTES (1024u * 1024)
#define CONFIG_ERROR 78

struct secrets {
    struct json_object *arns;
};

static void
close_file(FILE **file)
{
    if (*file) {
        fclose(*file);
    }
}

static int
read_file(const char *path, struct buf *out, struct err *err)
{
    _cleanup(close_file) FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, ERR_FATAL, "secrets file %s", path);
        err->code = CONFIG_ERROR;
        return -1;
    }
    char *at = buf_reserve(out, FILE_MAX_BYTES + 1);
    out->size = fread(at, 1, FILE_MAX_BYTES + 1, file);
    at[out->size] = '\0';
    if (out->size > FILE_MAX_BYTES) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "secrets file %s: over 1 MiB", path);
    }
    return 0;
}

static int
check(struct json_object *arns, struct err *err)
{
    if (!json_object_is_type(arns, json_type_object)) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "not an object of secret ARNs");
    }
    json_object_object_foreach (arns, arn, login) {
        const char *text;
        if (!json_object_is_type(login, json_type_object) ||
            json_string_required(login, "username", 255, &text, err) ||
            json_string_required(login, "password", 4096, &text, err)) {
            return err_set(err, ERR_FATAL, CONFIG_ERROR,
                           "%.100s: wants \"username\" and \"password\"", arn);
        }
    }
    return 0;
}

int
secrets_load(const char *path, struct secrets **ret, struct err *err)
{
    _cleanup(buf_free) struct buf text = {0};
    _cleanup(secrets_free) struct secrets *secrets =
        xcalloc(1, sizeof(*secrets));
    if (read_file(path, &text, err)) {
        return -1;
    }
    if (json_parse(text.data, text.size, "JSON", &secrets->arns, err) ||
        check(secrets->arns, err)) {
        err->kind = ERR_FATAL;
        err->code = CONFIG_ERROR;
        return err_wrap(err, "secrets file %s", path);
    }
    *ret = STEAL(secrets);
    return 0;
}

void
secrets_free(struct secrets **secrets)
{
    if (*secrets) {
        json_put(&(*secrets)->arns);
        free(*secrets);
        *secrets = NULL;
    }
}

int
secrets_find(const struct secrets *secrets, const char *arn,
             const char **ret_user, const char **ret_password, struct err *err)
{
    struct json_object *login = NULL;
    if (!json_object_object_get_ex(secrets->arns, arn, &login)) {
        return api_fail(err, API_INVALID_SECRET,
                        "The secret %s is not in the secrets file.", arn);
    }
    *ret_user =
        json_object_get_string(json_object_object_get(login, "username"));
    *ret_password =
        json_object_get_string(json_object_object_get(login, "password"));
    return 0;
}
