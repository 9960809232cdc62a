"""Calls of a service that refuses in every way it can."""
import email.utils
import errno
import sys
import threading
import time
import unittest

from world import Caller, Reply, Server, error

PROGRAM = sys.argv.pop(1)
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hush-hush"}


def run(*replies, **more):
    """One call, answered by these in turn, the last for ever."""
    queue = list(replies)

    def reply(_):
        return queue.pop(0) if len(queue) > 1 else queue[0]
    with Server(reply) as server, Caller(PROGRAM, server.url,
                                         **KEYS) as caller:
        return caller.call(**more), server.requests


class Call(unittest.TestCase):
    def test_a_call_carries_what_it_was_told_and_a_signature(self):
        got, (request,) = run(Reply(200, '{"a":1}'), body='{"b":"\u00e9"}')
        self.assertEqual((got["kind"], got["status"], got["body"]),
                         ("none", 200, '{"a":1}'))
        self.assertEqual(request.method, "POST")
        self.assertEqual(request.body, '{"b":"\u00e9"}')
        self.assertEqual(request.headers["X-Amz-Target"], "AmazonSQS.Try")
        self.assertRegex(
            request.headers["Authorization"],
            "^AWS4-HMAC-SHA256 Credential=AKID/[0-9]{8}/eu-west-1/sqs/"
            "aws4_request, SignedHeaders=content-type;host;x-amz-date;"
            "x-amz-target, Signature=[0-9a-f]{64}$")

    def test_a_refusal_is_told_by_its_name_without_namespace(self):
        got, requests = run(error("QueueDoesNotExist"))
        self.assertEqual((got["kind"], got["err"], got["code"], got["message"],
                          len(requests)),
                         ("reject", 400, "QueueDoesNotExist", "because", 1))

    def test_the_name_is_found_in_header_xml_and_either_member(self):
        xml = ("<ErrorResponse><Error><Type>Sender</Type><Code>Odd</Code>"
               "<Message>why</Message></Error></ErrorResponse>")
        for reply in (Reply(400, '{"message":"m"}',
                            {"x-amzn-errortype": "Odd:http://a/b"}),
                      Reply(400, '{"code":"Odd"}'),
                      Reply(400, '{"__type":"Odd"}',
                            {"x-amzn-query-error": "AWS.Other;Sender"}),
                      Reply(400, "", {"x-amzn-query-error": "Odd;Sender"}),
                      Reply(400, xml, {"Content-Type": "text/xml"})):
            got, _ = run(reply)
            self.assertEqual((got["kind"], got["code"]), ("reject", "Odd"))

    def test_throttling_says_for_how_long(self):
        for reply, after_ms in (
                (error("ThrottlingException", **{"x-amz-retry-after": "1500"}),
                 1500),
                (error("RequestThrottled", **{"Retry-After": "7"}), 7000),
                (Reply(429, '{"__type":"X"}', {"Retry-After": "2"}), 2000),
                (error("OverLimit", 403), 1000)):
            got, _ = run(reply)
            self.assertEqual((got["kind"], got["after_ms"]),
                             ("retry", after_ms))

    def test_an_absurd_wait_is_cut(self):
        got, _ = run(error("ThrottlingException",
                           **{"x-amz-retry-after": "999999999999"}))
        self.assertEqual(got["kind"], "retry")
        self.assertLessEqual(got["after_ms"], 3600 * 1000)

    def test_a_page_of_somebody_else_is_told_as_one(self):
        got, _ = run(Reply(503, "<html>no", {"Content-Type": "text/html"}))
        self.assertEqual((got["kind"], got["err"]), ("retry", 503))
        self.assertIn("sqs answered 503 with text/html", got["text"])
        got, _ = run(Reply(404, "<html>no", {"Content-Type": "text/html"}))
        self.assertEqual((got["kind"], got["err"]), ("reject", 404))

    def test_what_no_other_request_mends_is_fatal(self):
        for code in ("UnrecognizedClientException", "InvalidClientTokenId",
                     "SignatureDoesNotMatch"):
            got, _ = run(error(code, 403))
            self.assertEqual((got["kind"], got["err"]), ("fatal", 78))

    def test_denied_is_for_the_caller_to_judge(self):
        got, _ = run(error("AccessDeniedException", 403))
        self.assertEqual((got["kind"], got["code"]),
                         ("reject", "AccessDeniedException"))

    def test_a_wrong_clock_is_corrected_once_and_kept(self):
        future = email.utils.formatdate(time.time() + 7200, usegmt=True)
        skewed = error("RequestExpired", Date=future)
        got, requests = run(skewed, Reply(200, "{}", {"Date": future}))
        self.assertEqual((got["kind"], len(requests)), ("none", 2))
        dates = [time.mktime(time.strptime(r.headers["X-Amz-Date"],
                                           "%Y%m%dT%H%M%SZ"))
                 for r in requests]
        self.assertAlmostEqual(dates[1] - dates[0], 7200, delta=60)
        got, requests = run(skewed)
        self.assertEqual((got["kind"], len(requests)), ("reject", 2))

    def test_a_clock_that_runs_away_is_followed_once(self):
        dates = [email.utils.formatdate(time.time() + hours * 3600,
                                        usegmt=True) for hours in range(1, 9)]
        got, requests = run(*[error("RequestExpired", Date=date)
                              for date in dates])
        self.assertEqual((got["kind"], len(requests)), ("reject", 2))

    def test_a_right_clock_is_no_reason_to_repeat(self):
        _, requests = run(error("SignatureDoesNotMatch", 403))
        self.assertEqual(len(requests), 1)

    def test_expired_keys_that_nobody_renews_are_told_with_their_source(self):
        got, requests = run(error("ExpiredTokenException", 403))
        self.assertEqual((got["kind"], len(requests)), ("retry", 1))
        self.assertGreater(got["after_ms"], 0)
        self.assertIn("environment", got["text"])

    def test_time_is_for_the_call_as_a_whole(self):
        def reply(_):
            time.sleep(5)
            return Reply(200, "{}")
        with Server(reply) as server, Caller(PROGRAM, server.url,
                                             **KEYS) as caller:
            began = time.monotonic()
            got = caller.call(timeout_ms=300)
            self.assertLess(time.monotonic() - began, 4.5)
        self.assertEqual(got["kind"], "retry")

    def test_a_wake_ends_one_call_and_no_more(self):
        for after_ms in (0, 200):
            hold = threading.Event()

            def reply(request):
                if request.body == "held":
                    hold.wait(60)
                return Reply(200, "{}")
            with Server(reply) as server, Caller(PROGRAM, server.url,
                                                 **KEYS) as caller:
                got = caller.call(body="held", wake_after_ms=after_ms,
                                  timeout_ms=50000)
                hold.set()
                self.assertEqual((got["kind"], got["err"]),
                                 ("retry", errno.ECANCELED))
                self.assertEqual(caller.call()["kind"], "none")

    def test_a_reply_over_the_limit_is_refused(self):
        got, _ = run(Reply(200, "x" * 70000))
        self.assertEqual(got["kind"], "reject")

    def test_a_redirect_is_not_followed(self):
        got, requests = run(Reply(302, "", {"Location": "/there"}))
        self.assertEqual((got["kind"], len(requests)), ("reject", 1))

    def test_the_secret_is_in_no_answer(self):
        for reply in (error("SignatureDoesNotMatch", 403), error("Odd"),
                      error("ExpiredToken", 403), Reply(500, "")):
            got, requests = run(reply)
            self.assertNotIn("hush-hush", str(got) + str(requests[0].headers))


class Endpoint(unittest.TestCase):
    def open_with(self, **env):
        with Caller(PROGRAM, None, **{**KEYS, **env}) as caller:
            return caller.call(timeout_ms=2000)

    def test_a_service_of_its_own_goes_before_the_general_one(self):
        with Server(lambda _: Reply(200, "{}")) as server:
            got = self.open_with(AWS_ENDPOINT_URL="http://127.0.0.1:1",
                                 AWS_ENDPOINT_URL_SQS=server.url + "/base/")
            self.assertEqual(got["kind"], "none")
            self.assertEqual(server.requests[0].path, "/base/")

    def test_what_is_no_url_is_fatal(self):
        for url in ("localhost:9324", "ftp://a", "http://", "http://a?b",
                    "http://me:secret@a"):
            got = self.open_with(AWS_ENDPOINT_URL=url)
            self.assertEqual((got["kind"], got["err"]), ("fatal", 78), url)
            self.assertNotIn("secret", got["text"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
