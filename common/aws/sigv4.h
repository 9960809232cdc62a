/* AWS Signature Version 4, as every service but S3 wants it: the path encoded
 * once more than on the wire, the body hashed, no trailing newline anywhere.
 *
 * Source: IAM User Guide, "Create a signed AWS API request"
 * (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html);
 * what that leaves open is as botocore does it (auth.py).  libcurl's own signer
 * is wrong up to 8.10 where a path holds %XX or a query is not sorted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Hex of 32 bytes, and NUL. */
#define SIGV4_SIGNATURE_SIZE 65
/* "20150830T123600Z" */
#define SIGV4_TIME_SIZE 17

struct sigv4_keys {
    const char *access_key;
    const char *secret_key;
    const char *token; /* Of the session, or NULL.  The caller sends it. */
};

struct sigv4_header {
    const char *name; /* In any case. */
    const char *value;
};

struct sigv4_request {
    const char *method;
    const char *path;  /* As on the wire, percent-encoded, without query. */
    const char *query; /* As on the wire, without '?'; "" if none. */
    /* Those to sign: host, content-type, x-amz-*; in any order. */
    const struct sigv4_header *headers;
    size_t header_count;
    const char *body;
    size_t body_size;
    const char *region;
    const char *service;
    const char *time; /* The x-amz-date that is sent: SIGV4_TIME_SIZE. */
};

void sigv4_time(int64_t wall_ms, char ret[SIGV4_TIME_SIZE]);
/* The value for Authorization. */
void sigv4_authorization(const struct sigv4_request *request,
                         const struct sigv4_keys *keys, struct buf *out);
/* Its last part alone, for those who check one. */
void sigv4_signature(const struct sigv4_request *request,
                     const struct sigv4_keys *keys,
                     char ret[SIGV4_SIGNATURE_SIZE]);
/* What is hashed, for tests and for people who must find a difference. */
void sigv4_canonical(const struct sigv4_request *request, struct buf *out);
/* Percent-encodes all but letters, digits and "-._~": for a segment of a path,
 * a part of a query or of a form. */
void sigv4_encode(struct buf *out, const char *bytes, size_t size);
