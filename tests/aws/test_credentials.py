"""Where credentials come from, each source played by the test."""
import sys
import unittest
from urllib.parse import parse_qs

from world import Caller, Reply, Server, at, error, keys

PROGRAM = sys.argv.pop(1)
ROLE = "/latest/meta-data/iam/security-credentials/"
OK = Reply(200, "{}")


def sts(name, seconds=3600):
    return Reply(200, f"""<AssumeRoleWithWebIdentityResponse>
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{name}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>tok-{name}</SessionToken><Expiration>{at(seconds)}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>""", {"Content-Type": "text/xml"})


class Machine:
    """Plays an instance with a role, and the service."""

    def __init__(self, documents, service=None):
        self.documents = list(documents)
        self.service = service or (lambda request: OK)
        self.fails = 0

    def __call__(self, request):
        if request.path == "/latest/api/token":
            if self.fails:
                self.fails -= 1
                return Reply(500)
            good = request.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            return Reply(200, "session==") if good == "21600" else Reply(400)
        if request.path.startswith(ROLE):
            if request.headers["X-aws-ec2-metadata-token"] != "session==":
                return Reply(401)
            if request.path == ROLE:
                return Reply(200, "the-role\n")
            document = (self.documents.pop(0) if len(self.documents) > 1
                        else self.documents[0])
            return document if isinstance(document, Reply) else Reply(
                200, document)
        return self.service(request)


def expired_for(name):
    """A service that takes anybody's keys but these."""
    return lambda request: (
        error("ExpiredTokenException", 403)
        if f"Credential={name}/" in request.headers["Authorization"] else OK)


class Case(unittest.TestCase):
    def call(self, reply, files=(), calls=1, **env):
        """Answers of so many calls, and the server that got them."""
        with Server(reply) as server:
            env = {name: value.replace("{url}", server.url) if value else value
                   for name, value in env.items()}
            with Caller(PROGRAM, server.url, **env) as caller:
                for name, text in dict(files).items():
                    caller.write(name, text)
                answers = [caller.call() for _ in range(calls)]
            self.assertEqual(caller.status, 0)
            return answers, server

    def assert_keys(self, got, *names):
        answers, server = got
        self.assertEqual([a["text"] for a in answers if a["kind"] != "none"],
                         [])
        self.assertEqual(server.key_ids(), list(names))

    def assert_fails(self, got, kind, *words):
        (answer,), _ = got
        self.assertEqual((answer["kind"], answer["err"] == 78),
                         (kind, kind == "fatal"), answer["text"])
        for word in words:
            self.assertIn(word, answer["text"])


class Environment(Case):
    def test_it_goes_before_files_and_sends_its_token(self):
        files = {".aws/credentials":
                 "[default]\naws_access_key_id=F\naws_secret_access_key=s\n"}
        got = self.call(lambda _: OK, files, AWS_ACCESS_KEY_ID="E",
                        AWS_SECRET_ACCESS_KEY="s", AWS_SESSION_TOKEN="tok")
        self.assert_keys(got, "E")
        request = got[1].requests[0]
        self.assertEqual(request.headers["X-Amz-Security-Token"], "tok")
        self.assertIn(";x-amz-security-token;",
                      request.headers["Authorization"])

    def test_half_a_key_is_fatal(self):
        self.assert_fails(self.call(lambda _: OK, AWS_ACCESS_KEY_ID="E"),
                          "fatal", "AWS_SECRET_ACCESS_KEY is not")

    def test_a_key_that_would_begin_another_header_is_refused(self):
        got = self.call(lambda _: OK, AWS_ACCESS_KEY_ID="E",
                        AWS_SECRET_ACCESS_KEY="s",
                        AWS_SESSION_TOKEN="a\r\nEvil: 1")
        self.assert_fails(got, "fatal", "session token")
        self.assertEqual(got[1].requests, [])

    def test_without_any_source_each_is_named(self):
        self.assert_fails(
            self.call(lambda _: OK), "fatal", "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE", ".aws/credentials",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_DISABLED")


class Files(Case):
    def test_the_profile_is_found_among_others(self):
        files = {".aws/credentials":
                 "\ufeff# mine\r\n[default]\r\naws_access_key_id = D\r\n"
                 "aws_secret_access_key = s\r\n[ two ]\r\n; second\r\n"
                 "s3 =\r\n  max = 1\r\nAWS_ACCESS_KEY_ID=T\r\n"
                 "aws_secret_access_key=a=b/c+d\r\naws_session_token = t\r\n"}
        self.assert_keys(self.call(lambda _: OK, files), "D")
        self.assert_keys(self.call(lambda _: OK, files, AWS_PROFILE="two"),
                         "T")

    def test_config_gives_what_credentials_lack(self):
        files = {".aws/credentials": "[other]\naws_access_key_id=O\n",
                 ".aws/config": '[profile "two"]\naws_access_key_id=C\n'
                                "aws_secret_access_key=s\n"}
        self.assert_keys(self.call(lambda _: OK, files, AWS_PROFILE="two"),
                         "C")

    def test_the_profile_gives_the_region(self):
        files = {".aws/config": "[default]\nregion = eu-north-1\n"
                                "aws_access_key_id=C\n"
                                "aws_secret_access_key=s\n"}
        with Server(lambda _: OK) as server, Caller(
                PROGRAM, server.url, AWS_REGION=None) as caller:
            caller.write(".aws/config", files[".aws/config"])
            self.assertEqual(caller.call(region=None)["kind"], "none")
            self.assertIn("/eu-north-1/sqs/",
                          server.requests[0].headers["Authorization"])

    def test_a_malformed_line_is_named_and_not_shown(self):
        files = {".aws/credentials": "[default]\naws_access_key_id=D\n"
                                     "hush-hush\n"}
        got = self.call(lambda _: OK, files)
        self.assert_fails(got, "fatal", ".aws/credentials line 3")
        self.assertNotIn("hush", got[0][0]["text"])
        self.assert_fails(self.call(lambda _: OK,
                                    {".aws/config": "a = b\n"}),
                          "fatal", ".aws/config line 1")

    def test_a_profile_that_is_not_there_is_fatal(self):
        files = {".aws/credentials": "[default]\naws_access_key_id=D\n"
                                     "aws_secret_access_key=s\n"}
        self.assert_fails(self.call(lambda _: OK, files, AWS_PROFILE="nobody"),
                          "fatal", "no such profile nobody")

    def test_a_profile_of_another_kind_says_what_to_do(self):
        files = {".aws/config": "[profile s]\nsso_session = x\n"}
        self.assert_fails(self.call(lambda _: OK, files, AWS_PROFILE="s"),
                          "fatal", "sso_session", "export-credentials")

    def test_expired_keys_are_read_again_from_the_file(self):
        text = "[default]\naws_access_key_id=%s\naws_secret_access_key=s\n"
        with Server(expired_for("OLD")) as server, Caller(
                PROGRAM, server.url) as caller:
            path = caller.write(".aws/credentials", text % "OLD")
            first = caller.call()
            self.assertEqual(first["kind"], "retry")
            self.assertIn(path, first["text"])
            caller.write(".aws/credentials", text % "NEW")
            self.assertEqual(caller.call()["kind"], "none")
            self.assertEqual(server.key_ids(), ["OLD", "OLD", "NEW"])


class Web(Case):
    def setUp(self):
        self.env = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/a",
                    "AWS_WEB_IDENTITY_TOKEN_FILE": None}

    def web(self, reply, token="jwt.a+b/c==\n", calls=1):
        def all_of_it(request):
            return reply(request) if "Authorization" not in (
                request.headers) else OK
        with Server(all_of_it) as server:
            folder = Caller(PROGRAM, server.url)
            with folder:
                path = folder.write("token", token)
                env = {**self.env, "AWS_WEB_IDENTITY_TOKEN_FILE": path}
                with Caller(PROGRAM, server.url, **env) as caller:
                    answers = [caller.call() for _ in range(calls)]
            return answers, server

    def test_a_token_is_exchanged_unsigned_and_kept(self):
        got = self.web(lambda _: sts("W"), calls=2)
        self.assert_keys(got, "W", "W")
        first = got[1].requests[0]
        self.assertEqual(
            parse_qs(first.body, strict_parsing=True),
            {"Action": ["AssumeRoleWithWebIdentity"],
             "Version": ["2011-06-15"],
             "RoleArn": ["arn:aws:iam::123456789012:role/a"],
             "RoleSessionName": ["alex-fleet"],
             "WebIdentityToken": ["jwt.a+b/c=="]})
        self.assertEqual(len(got[1].requests), 3)

    def test_a_role_that_refuses_is_fatal(self):
        xml = ("<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not "
               "authorized</Message></Error></ErrorResponse>")
        self.assert_fails(self.web(lambda _: Reply(403, xml)), "fatal",
                          "web identity", "AccessDenied", "Not authorized")

    def test_a_clouded_view_of_the_issuer_is_asked_again(self):
        xml = ("<ErrorResponse><Error><Code>IDPCommunicationError</Code>"
               "</Error></ErrorResponse>")
        replies = [Reply(400, xml), sts("W")]
        self.assert_keys(self.web(lambda _: replies.pop(0)), "W")

    def test_a_reply_that_is_none_is_told(self):
        for body in ("", "<Credentials>", "<Credentials><AccessKeyId>a&b"
                     "</AccessKeyId></Credentials>", "{}"):
            self.assert_fails(self.web(lambda _: Reply(200, body)), "retry",
                              "web identity")

    def test_a_missing_token_is_fatal(self):
        self.assert_fails(self.call(lambda _: OK, AWS_ROLE_ARN="r",
                                    AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere"),
                          "fatal", "/nowhere")
        self.assert_fails(self.call(lambda _: OK,
                                    AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere"),
                          "fatal", "AWS_ROLE_ARN")


class Container(Case):
    FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

    def test_the_token_is_sent_and_read_again_at_each_refresh(self):
        names = iter(["ONE", "TWO"])
        with Server(None) as server, Caller(PROGRAM, server.url) as folder:
            path = folder.write("token", "first\n")

            def reply(request):
                if request.path != "/creds":
                    return expired_for("ONE")(request)
                folder.write("token", "second")
                return Reply(200, keys(next(names)))
            server.reply = reply
            env = {self.FULL: server.url + "/creds",
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path}
            with Caller(PROGRAM, server.url, **env) as caller:
                self.assertEqual(caller.call()["kind"], "none")
            self.assertEqual(server.key_ids(), ["ONE", "TWO"])
            self.assertEqual([r.headers["Authorization"]
                              for r in server.to("/creds")],
                             ["first", "second"])

    def test_plain_http_goes_to_this_machine_only(self):
        for url in ("http://127.0.0.1.evil.example/", "http://10.0.0.1/",
                    "http://localhost@evil.example/", "ftp://127.0.0.1/",
                    "http://[::2]/", "http://169.254.170.3/", "creds"):
            self.assert_fails(self.call(lambda _: OK, **{self.FULL: url}),
                              "fatal", self.FULL)

    def test_a_token_of_two_lines_is_refused(self):
        got = self.call(lambda _: OK, **{
            self.FULL: "{url}/creds",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nEvil: 1"})
        self.assert_fails(got, "fatal", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
        self.assertEqual(got[1].requests, [])

    def test_three_tries_then_it_is_told(self):
        got = self.call(lambda _: Reply(503), **{self.FULL: "{url}/creds"})
        self.assert_fails(got, "retry", "container", "503")
        self.assertEqual(len(got[1].requests), 3)

    def test_what_is_no_document_is_told(self):
        for body in ("", "[]", "{", '{"AccessKeyId":"a"}', '{"Code":"No"}',
                     '{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t",'
                     '"Expiration":"soon"}',
                     '{"AccessKeyId":"a b","SecretAccessKey":"s"}'):
            got = self.call(lambda _: Reply(200, body),
                            **{self.FULL: "{url}/creds"})
            self.assert_fails(got, "retry", "container")

    def test_expired_ones_are_replaced_before_they_are_used_again(self):
        documents = [keys("ONE", seconds=-5), keys("TWO")]
        got = self.call(lambda r: Reply(200, documents.pop(0))
                        if r.path == "/creds" else OK, calls=3,
                        **{self.FULL: "{url}/creds"})
        self.assert_keys(got, "ONE", "TWO", "TWO")


class Instance(Case):
    ENV = {"AWS_EC2_METADATA_DISABLED": None,
           "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}"}

    def test_a_session_then_the_role_then_its_keys(self):
        got = self.call(Machine([keys("I")]), calls=2, **self.ENV)
        self.assert_keys(got, "I", "I")
        self.assertEqual([(r.method, r.path) for r in got[1].requests],
                         [("PUT", "/latest/api/token"), ("GET", ROLE),
                          ("GET", ROLE + "the-role"), ("POST", "/"),
                          ("POST", "/")])

    def test_it_goes_through_no_proxy(self):
        got = self.call(Machine([keys("I")]), http_proxy="http://127.0.0.1:9",
                        no_proxy="", **{**self.ENV,
                                        "AWS_ENDPOINT_URL_SQS": None})
        self.assertEqual(len(got[1].to("/latest")), 3)

    def test_expired_ones_of_a_failing_machine_are_used_on(self):
        machine = Machine([keys("I", seconds=-60), Reply(500)])
        self.assert_keys(self.call(machine, calls=3, **self.ENV),
                         "I", "I", "I")

    def test_a_service_that_calls_them_expired_is_believed(self):
        machine = Machine([keys("OLD"), keys("NEW")], expired_for("OLD"))
        self.assert_keys(self.call(machine, **self.ENV), "OLD", "NEW")

    def test_keys_that_are_always_expired_are_renewed_once_a_call(self):
        documents = (keys(f"K{i}") for i in range(99))
        with Server(None) as server:
            server.reply = lambda r: (Reply(200, next(documents))
                                      if r.path == "/creds" else
                                      error("ExpiredTokenException", 403))
            with Caller(PROGRAM, server.url,
                        AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url +
                        "/creds") as caller:
                self.assertEqual(caller.call()["kind"], "retry")
            self.assertEqual(server.key_ids(), ["K0", "K1"])

    def test_a_hiccup_is_asked_again(self):
        machine = Machine([keys("I")])
        machine.fails = 2
        self.assert_keys(self.call(machine, **self.ENV), "I")

    def test_no_role_is_no_source(self):
        machine = Machine([Reply(404)])
        self.assert_fails(self.call(machine, **self.ENV), "fatal",
                          "no AWS credentials", "instance: it answers 404")


if __name__ == "__main__":
    unittest.main(verbosity=2)
