/* Secrets Manager's part: a file that says which ARN is which login.
 *
 *     {"arn:aws:secretsmanager:eu-west-1:000000000000:secret:alex":
 *          {"username": "alex_worker", "password": "..."}} */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct secrets;

/* Errors: ERR_FATAL (78), naming the file and what is wrong, no values. */
int secrets_load(const char *path, struct secrets **ret, struct err *err);
void secrets_free(struct secrets **secrets); /* For _cleanup. */
/* Borrowed from 'secrets'.  Errors: API_INVALID_SECRET. */
int secrets_find(const struct secrets *secrets, const char *arn,
                 const char **ret_user, const char **ret_password,
                 struct err *err);
