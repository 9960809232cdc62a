#include "base/uuid.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define UUID_BYTES 16

static bool
uuid_is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

static void
uuid_hex(const unsigned char *bytes, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

static void
uuid_format(unsigned char bytes[UUID_BYTES], int version, char ret[UUID_SIZE])
{
    char hex[2 * UUID_BYTES + 1];

    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | version << 4);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    uuid_hex(bytes, UUID_BYTES, hex);

    const char *from = hex;
    for (size_t i = 0; i < UUID_SIZE - 1; i++) {
        ret[i] = uuid_is_dash(i) ? '-' : *from++;
    }
    ret[UUID_SIZE - 1] = '\0';
}

static unsigned
uuid_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0'
                               : tolower((unsigned char)c) - 'a' + 10);
}

static void
uuid_parse(const char *text, unsigned char ret[UUID_BYTES])
{
    for (size_t i = 0, at = 0; i < UUID_BYTES; i++, at += 2) {
        if (uuid_is_dash(at)) {
            at++;
        }
        ret[i] = (unsigned char)(uuid_digit(text[at]) << 4 |
                                 uuid_digit(text[at + 1]));
    }
}

void
uuid_v4(char ret[UUID_SIZE])
{
    unsigned char bytes[UUID_BYTES];

    arc4random_buf(bytes, sizeof(bytes));
    uuid_format(bytes, 4, ret);
}

void
uuid_v5(const char *name_space, const void *name, size_t size,
        char ret[UUID_SIZE])
{
    _cleanup(buf_free) struct buf input = {0};
    unsigned char prefix[UUID_BYTES];
    unsigned char digest[SHA_DIGEST_LENGTH];

    assert(uuid_valid(name_space, strlen(name_space)));
    uuid_parse(name_space, prefix);
    buf_append(&input, prefix, sizeof(prefix));
    buf_append(&input, name, size);
    if (SHA1((unsigned char *)input.data, input.size, digest) == NULL) {
        abort();
    }
    uuid_format(digest, 5, ret);
}

bool
uuid_valid(const char *text, size_t size)
{
    if (size != UUID_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (uuid_is_dash(i) ? text[i] != '-'
                            : !isxdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

void
uuid_normalise(const char *text, char ret[UUID_SIZE])
{
    for (size_t i = 0; i < UUID_SIZE - 1; i++) {
        ret[i] = (char)tolower((unsigned char)text[i]);
    }
    ret[UUID_SIZE - 1] = '\0';
}

void
digest_sha256_hex(const void *bytes, size_t size, char ret[DIGEST_SHA256_SIZE])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    if (SHA256(bytes, size, digest) == NULL) {
        abort();
    }
    uuid_hex(digest, sizeof(digest), ret);
}
