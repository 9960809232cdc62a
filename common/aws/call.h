/* Signed requests to one AWS service.
 *
 *     aws_client_open(&(struct aws_options){.service = "sqs",
 *                                           .region = "eu-west-1"}, ...);
 *     aws_client_call(client, &(struct aws_request){
 *                         .path = "/", .target = "AmazonSQS.SendMessage",
 *                         .content_type = "application/x-amz-json-1.0",
 *                         .body = json, .body_size = size,
 *                         .timeout_ms = 5000, .max_bytes = 1 << 20}, &reply,
 *                     &err);
 *
 * A client belongs to one thread and keeps one connection alive; credentials
 * (credentials.h) are the process's.  Where requests go is decided as every SDK
 * does it: AWS_ENDPOINT_URL_<SERVICE>, then AWS_ENDPOINT_URL, then the
 * service's host of the region. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct aws_client;

struct aws_options {
    const char *service; /* In AWS_ENDPOINT_URL_..., and of the host. */
    const char *signing; /* Name in the signature; NULL: the service's. */
    const char *region;  /* NULL: AWS_REGION, then AWS_DEFAULT_REGION. */
};

struct aws_request {
    const char *path;         /* As on the wire: already percent-encoded. */
    const char *target;       /* X-Amz-Target or NULL. */
    const char *content_type; /* Of the body. */
    const char *body;
    size_t body_size;
    int64_t timeout_ms; /* For the whole call, repeats included. */
    size_t max_bytes;   /* Of the reply's body. */
};

struct aws_reply {
    int status;
    struct buf body; /* NUL-terminated. */
    /* The error's name without namespace, "" if none: of x-amzn-errortype, of
     * the JSON's __type or code, of the XML's Code, of x-amzn-query-error, the
     * first that is there; as spelt there. */
    char code[96];
    char message[256]; /* Its text for people. */
};

/* Errors: ERR_FATAL (78): no region, an endpoint that is no URL. */
int aws_client_open(const struct aws_options *options, struct aws_client **ret,
                    struct err *err);
void aws_client_close(struct aws_client **client); /* For _cleanup. */

/* POSTs, signed with the credentials of the moment; 0 for a 2xx status. Expired
 * credentials are refreshed and a wrong clock corrected, once each, then it is
 * sent again; everything else is for the caller to repeat, since only it knows
 * whether repeating is harmless.
 * Owner: the caller frees '*ret' with aws_reply_free(); after an error it holds
 *   the reply too, if there was one.
 * Errors: ERR_RETRY: not reachable, cut, timed out, throttled (after_ms says
 *   for how long), 5xx, woken, expired credentials whose source still has the
 *   same; ERR_REJECT: the service refuses this request, by 'code', also when it
 *   denies it: what that means only the caller knows; ERR_FATAL (78): what a
 *   restart with other settings mends and nothing else: no credentials, ones
 *   the service does not know, or a signature it does not accept. */
int aws_client_call(struct aws_client *client,
                    const struct aws_request *request, struct aws_reply *ret,
                    struct err *err);
void aws_reply_free(struct aws_reply *reply);
/* Ends a call under way in another thread, or else the next one, at once: it
 * gives ERR_RETRY with code ECANCELED. */
void aws_client_wake(struct aws_client *client);
const char *aws_client_region(const struct aws_client *client);
