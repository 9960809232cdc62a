#include "rds-data-local/verify.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/sigv4.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "rds-data-local/api.h"

#define SKEW_MAX_MS (15 * 60 * 1000)
#define SIGNED_MAX 32
#define SCOPE_PARTS 5
#define UNSIGNED "Missing Authentication Token"

struct verify {
    char *access_key;
    char *secret_key;
    char *token;
};

/* What an Authorization header says; 'text' owns all of it. */
struct claim {
    char *text;
    char *scope[SCOPE_PARTS]; /* Key, date, region, service, "aws4_request". */
    struct sigv4_header headers[SIGNED_MAX];
    size_t header_count;
    const char *signature;
};

void
verify_new(const struct verify_options *options, struct verify **ret)
{
    struct verify *verify = xcalloc(1, sizeof(*verify));
    verify->access_key = xstrdup(options->access_key);
    verify->secret_key = xstrdup(options->secret_key);
    verify->token = xstrdup(options->session_token);
    *ret = verify;
}

void
verify_free(struct verify **verify)
{
    if (*verify) {
        free((*verify)->access_key);
        free((*verify)->secret_key);
        free((*verify)->token);
        free(*verify);
        *verify = NULL;
    }
}

static void
claim_free(struct claim *claim)
{
    free(claim->text);
}

/* --- reading it ------------------------------------------------------------
 */

/* The value of "Name=value, "; ends it there. */
static char *
part(char *text, const char *name)
{
    char *at = strstr(text, name);
    if (!at) {
        return NULL;
    }
    at += strlen(name);
    return at;
}

static int
read_scope(struct claim *claim, char *credential, struct err *err)
{
    char *rest = NULL;
    char *word = strtok_r(credential, "/", &rest);
    for (size_t i = 0; i < SCOPE_PARTS; i++) {
        if (!word) {
            return api_fail(err, API_SIGNATURE,
                            "Credential must have exactly 5 slash-delimited "
                            "elements");
        }
        claim->scope[i] = word;
        word = strtok_r(NULL, "/", &rest);
    }
    return 0;
}

static int
read_headers(struct claim *claim, char *names,
             const struct http_server_request *http, struct err *err)
{
    char *rest = NULL;
    bool host = false;
    for (char *name = strtok_r(names, ";", &rest); name;
         name = strtok_r(NULL, ";", &rest)) {
        const char *value = http_server_header(http, name);
        if (!value || claim->header_count == SIGNED_MAX) {
            return api_fail(err, API_SIGNATURE,
                            "Signed header '%.60s' is not in the request",
                            name);
        }
        host = host || strcmp(name, "host") == 0;
        claim->headers[claim->header_count++] =
            (struct sigv4_header){name, value};
    }
    return host ? 0
                : api_fail(err, API_SIGNATURE,
                           "'Host' must be a 'SignedHeader' in the AWS "
                           "Authorization.");
}

static int
read_claim(const struct http_server_request *http, struct claim *claim,
           struct err *err)
{
    const char *header = http_server_header(http, "authorization");
    if (!header || strncmp(header, "AWS4-HMAC-SHA256 ", 17) != 0) {
        return api_fail(err, API_ACCESS_DENIED, UNSIGNED);
    }
    claim->text = xstrdup(header);
    char *credential = part(claim->text, "Credential=");
    char *names = part(claim->text, "SignedHeaders=");
    char *signature = part(claim->text, "Signature=");
    if (!credential || !names || !signature) {
        return api_fail(err, API_SIGNATURE,
                        "Authorization header requires 'Credential', "
                        "'SignedHeaders' and 'Signature' parameters.");
    }
    credential[strcspn(credential, ", ")] = '\0';
    names[strcspn(names, ", ")] = '\0';
    signature[strcspn(signature, ", ")] = '\0';
    claim->signature = signature;
    return read_scope(claim, credential, err) ||
                   read_headers(claim, names, http, err)
               ? -1
               : 0;
}

/* --- judging it ------------------------------------------------------------
 */

static bool
same(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && CRYPTO_memcmp(a, b, strlen(a)) == 0;
}

static int
check_key(const struct verify *verify, const struct claim *claim,
          const struct http_server_request *http, struct err *err)
{
    const char *token = http_server_header(http, "x-amz-security-token");
    if (strcmp(claim->scope[0], verify->access_key) != 0 ||
        !same(token ? token : "", verify->token)) {
        return api_fail(err, API_UNKNOWN_KEY,
                        "The security token included in the request is "
                        "invalid.");
    }
    return 0;
}

static int
check_time(const char *date, const struct claim *claim, struct err *err)
{
    struct tm tm = {0};
    const char *end = date ? strptime(date, "%Y%m%dT%H%M%SZ", &tm) : NULL;
    if (!end || *end || strncmp(date, claim->scope[1], 8) != 0) {
        return api_fail(err, API_SIGNATURE,
                        "Date in Credential scope does not match YYYYMMDD "
                        "from ISO-8601 version of date from HTTP");
    }
    int64_t skew_ms = (int64_t)timegm(&tm) * 1000 - clock_wall_ms();
    if (skew_ms < -SKEW_MAX_MS || skew_ms > SKEW_MAX_MS) {
        return api_fail(err, API_SIGNATURE,
                        "Signature %s: %s is not within 15 min. of now",
                        skew_ms < 0 ? "expired" : "not yet current", date);
    }
    return 0;
}

int
verify_request(const struct verify *verify,
               const struct http_server_request *http, struct err *err)
{
    _cleanup(claim_free) struct claim claim = {0};
    const char *date = http_server_header(http, "x-amz-date");
    char signature[SIGV4_SIGNATURE_SIZE];
    struct sigv4_keys keys = {verify->access_key, verify->secret_key, NULL};
    if (read_claim(http, &claim, err) || check_key(verify, &claim, http, err) ||
        check_time(date, &claim, err)) {
        return -1;
    }
    struct sigv4_request request = {
        .method = http_server_method(http),
        .path = http_server_path(http),
        .query = http_server_query(http),
        .headers = claim.headers,
        .header_count = claim.header_count,
        .region = claim.scope[2],
        .service = claim.scope[3],
        .time = date,
    };
    request.body = http_server_body(http, &request.body_size);
    sigv4_signature(&request, &keys, signature);
    if (strcmp(claim.scope[3], "rds-data") != 0 ||
        !same(signature, claim.signature)) {
        return api_fail(err, API_SIGNATURE,
                        "The request signature we calculated does not match "
                        "the signature you provided. Check your AWS Secret "
                        "Access Key and signing method.");
    }
    return 0;
}
