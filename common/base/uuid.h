/* UUIDs (RFC 9562) as 36-character text, and the SHA-256 and SHA-1 they and
 * the checkpoints need (OpenSSL's). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define UUID_SIZE 37          /* 36 characters and NUL. */
#define DIGEST_SHA256_SIZE 65 /* 64 hex characters and NUL. */

/* The namespace of this fleet's version-5 ids. */
#define UUID_NAMESPACE_ALEX "6f1f9a36-6c1c-5d0e-9d62-0a1e0c0ffee5"

void uuid_v4(char ret[UUID_SIZE]);
/* 'name_space' must be a valid UUID (a bug otherwise). */
void uuid_v5(const char *name_space, const void *name, size_t size,
             char ret[UUID_SIZE]);
/* True for 36 characters in 8-4-4-4-12 form, either case. */
bool uuid_valid(const char *text, size_t size);
/* Lower-case copy of a valid one. */
void uuid_normalise(const char *text, char ret[UUID_SIZE]);

void digest_sha256_hex(const void *bytes, size_t size,
                       char ret[DIGEST_SHA256_SIZE]);
