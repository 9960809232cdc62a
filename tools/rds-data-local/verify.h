/* Whether a request was signed with a key that is known here (SigV4). */
#pragma once

#include "base/err.h"
#include "http/server.h"

struct verify;

struct verify_options {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* "" if there is none. */
};

void verify_new(const struct verify_options *options, struct verify **ret);
void verify_free(struct verify **verify); /* For _cleanup. */
/* Errors: API_ACCESS_DENIED: not signed; API_UNKNOWN_KEY,
 *   API_SIGNATURE: wrong, or not of the last 15 minutes. */
int verify_request(const struct verify *verify,
                   const struct http_server_request *request, struct err *err);
