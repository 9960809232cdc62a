/* Where credentials come from: one function a source, tried in order by
 * credentials.c, and what they share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "base/buf.h"
#include "base/err.h"

/* Tokens of sessions are of one or two KB; no header is longer than this. */
#define SOURCE_TEXT_MAX_BYTES 16384

enum source_result {
    SOURCE_FAILED = -1, /* Set up, but gives none: 'err'. */
    SOURCE_FOUND = 0,
    SOURCE_ABSENT = 1, /* Not set up: 'err' has why, for people. */
};

/* An enum source_result.  Gives up by 'deadline_ms' (clock_boot_ms()).
 * Owner: the caller frees '*ret' with credentials_free().
 * Errors: ERR_FATAL (78): misconfigured; ERR_RETRY: no answer for now. */
typedef int source_load(int64_t deadline_ms, struct credentials *ret,
                        struct err *err);

source_load source_environment;
source_load source_web;       /* source_web.c */
source_load source_files;     /* source_files.c */
source_load source_container; /* source_metadata.c */
source_load source_instance;  /* source_metadata.c */

/* The variable's value, or NULL when it is unset or empty. */
const char *source_env(const char *name);
/* err_set() for what is not set up. */
enum source_result source_absent(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The region of the profile, malloc'd, or NULL. */
char *source_region(void);
/* Makes one of copies of the texts and checks that they can be keys: text of
 * one header line.  'token' may be NULL or "".
 * Errors: ERR_FATAL (78): naming 'where'; never the value. */
int source_make(const char *access_key, const char *secret_key,
                const char *token, const char *where, struct credentials *ret,
                struct err *err);
/* Up to 'max_bytes' of text, without NUL.  SOURCE_ABSENT: no such file. */
enum source_result source_read_file(const char *path, size_t max_bytes,
                                    struct buf *out, struct err *err);
/* "2026-11-24T03:00:00Z", with a fraction or an offset if there is one.
 * Errors: ERR_RETRY. */
int source_time(const char *text, int64_t *ret_wall_ms, struct err *err);
/* What the endpoints of containers and instances answer:
 * {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}.
 * Errors: ERR_RETRY: it is something else. */
int source_decode_json(const char *bytes, size_t size, struct credentials *ret,
                       struct err *err);
/* The reply of AssumeRoleWithWebIdentity, in XML.  Errors: ERR_RETRY. */
int source_decode_xml(const char *bytes, size_t size, struct credentials *ret,
                      struct err *err);
