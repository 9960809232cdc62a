/* The credentials of this process, from wherever its platform puts them.
 *
 * Tried in this order, as the SDKs do; the first that is there is used:
 *
 *     environment   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     web identity  AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE,
 *                   AWS_ROLE_SESSION_NAME: EKS' service accounts, by STS
 *     files         ~/.aws/credentials and ~/.aws/config, AWS_PROFILE,
 *                   AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE
 *     container     AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with
 *                   AWS_CONTAINER_AUTHORIZATION_TOKEN[_FILE]: ECS, and EKS' Pod
 *                   Identity
 *     instance      IMDSv2, unless AWS_EC2_METADATA_DISABLED is true;
 *                   AWS_EC2_METADATA_SERVICE_ENDPOINT
 *
 * These variables are a convention that all of Amazon's tools share, so they
 * are read here and not from a table of ours.  What expires is renewed ahead of
 * time: from 15 minutes before by whoever comes first, from 10 minutes before
 * by everybody; an instance's are used beyond their end if its metadata service
 * fails.  Any thread may call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct credentials {
    char *access_key;
    char *secret_key;
    char *token;             /* NULL: a key of its own, not of a session. */
    int64_t expires_wall_ms; /* 0: never. */
    char *source;            /* For people: "environment", a file's name. */
};

/* Those of the moment; a load gives up by 'deadline_ms' (clock_boot_ms()).
 * Owner: the caller frees '*ret' with credentials_free().
 * Errors: ERR_FATAL (78): no source has any, and the text says which were
 *   tried; or one is misconfigured: the text names source, file and line, and
 *   never what stands there.  ERR_RETRY: a source does not answer. */
int credentials_get(int64_t deadline_ms, struct credentials *ret,
                    struct err *err);
/* A service calls 'refused' expired: others are got, unless they already were.
 * Errors: as above; ERR_RETRY also if the source still has the same. */
int credentials_renew(const struct credentials *refused, int64_t deadline_ms,
                      struct err *err);
void credentials_free(struct credentials *credentials); /* For _cleanup. */
/* AWS_REGION, AWS_DEFAULT_REGION or the profile's; false if none says. */
bool credentials_region(char *ret, size_t size);
