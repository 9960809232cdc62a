"""A service, STS, a container's and a machine's metadata in one HTTP server
that says what the test wants, and a program that calls them."""
import collections
import datetime
import http.server
import json
import os
import subprocess
import tempfile
import threading

Request = collections.namedtuple("Request", "method path headers body")
Reply = collections.namedtuple("Reply", "status body headers",
                               defaults=("", {}))
TIMEOUT_S = 60


def at(seconds):
    """The time in so many seconds, as AWS writes it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ")


def keys(name, seconds=3600, token="tok"):
    """Credentials as metadata services write them."""
    return json.dumps({"Code": "Success", "AccessKeyId": name,
                       "SecretAccessKey": "secret-of-" + name,
                       "Token": f"{token}-{name}", "Expiration": at(seconds)})


def error(code, status=400, **headers):
    body = json.dumps({"__type": "com.amazonaws.sqs#" + code,
                       "message": "because"})
    return Reply(status, body, {"Content-Type": "application/x-amz-json-1.0",
                                **headers})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers,
                          self.rfile.read(size).decode())
        with self.server.lock:
            self.server.requests.append(request)
            reply = self.server.reply(request)
        self.send_response_only(reply.status)
        headers = {"Date": self.date_time_string(), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body.encode())))
        self.end_headers()
        self.wfile.write(reply.body.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, reply):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests = []
        self.reply = reply
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=[0.02],
                         daemon=True).start()

    def to(self, prefix):
        """Requests whose path begins so."""
        return [r for r in self.requests if r.path.startswith(prefix)]

    def key_ids(self):
        """Who signed the calls to the service, in order."""
        return [r.headers["Authorization"].split("Credential=")[1]
                .split("/")[0] for r in self.requests
                if r.headers["Authorization"] and "x-amz-date" in r.headers]

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.shutdown()
        self.server_close()


class Caller:
    """The program 'caller', alone in an environment of the test's making."""

    def __init__(self, program, url, **env):
        self.home = tempfile.TemporaryDirectory()
        plain = {"HOME": self.home.name, "AWS_REGION": "eu-west-1",
                 "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}
        plain.update({name: value for name, value in os.environ.items()
                      if name in ("PATH", "LD_LIBRARY_PATH") or
                      name.endswith("SAN_OPTIONS")})
        plain.update(env)
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={k: v for k, v in plain.items() if v is not None})

    def call(self, **more):
        asked = {"service": "sqs", "region": "eu-west-1", "path": "/",
                 "target": "AmazonSQS.Try", "body": "{}",
                 "timeout_ms": 20000, **more}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def write(self, name, text):
        """A file in the home folder."""
        path = os.path.join(self.home.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.process.stdin.close()
        self.status = self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        self.home.cleanup()
