/* What a service's refusal means, in whichever of its protocols it says it. */
#pragma once

#include <stdbool.h>

#include "aws/call.h"
#include "aws/fetch.h"

/* Fills 'code' and 'message'. */
void refusal_read(const struct fetched *fetched, struct aws_reply *reply);
/* The credentials' session is over. */
bool refusal_is_expired(const char *code);
/* Possibly because of our clock. */
bool refusal_is_clock(const char *code);
/* Returns -1, with what the caller is to do: see aws_client_call(). */
int refusal_fail(const char *service, const char *host,
                 const struct fetched *fetched, const struct aws_reply *reply,
                 struct err *err);
