"""A private PostgreSQL with an rds-data-local in front, and boto3 as its client."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ALEX_BUILD", TOP / "build"))
SKIPPED = 77
CLUSTER = "arn:aws:rds:us-east-1:000000000000:cluster:alex"
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:owner"
WRONG = "arn:aws:secretsmanager:us-east-1:000000000000:secret:wrong"

try:
    import boto3
    import botocore
except ImportError:
    print("SKIP: boto3 is not installed: apt-get install python3-boto3",
          file=sys.stderr)
    sys.exit(SKIPPED)


class Server:
    """One PostgreSQL."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="alex-rds.")
        self.tool("start")
        for line in self.tool("env").splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            if name == "ALEX_STORE_URL":
                self.url = value.strip("'\"")
        self.password = self.url.split(":")[2].split("@")[0]
        self.port = self.url.split(":")[3].split("/")[0]
        self.secrets = Path(self.dir, "secrets.json")
        self.secrets.write_text(json.dumps({
            SECRET: {"username": "postgres", "password": self.password},
            WRONG: {"username": "postgres", "password": "wrong"}}))

    def tool(self, command):
        done = subprocess.run(
            [TOP / "tools/servers", command, "--dir", self.dir, "--only",
             "postgres", *(["--remove"] if command == "stop" else [])],
            text=True, capture_output=True)
        if done.returncode == 69:
            print(f"SKIP: {done.stderr}", file=sys.stderr)
            sys.exit(SKIPPED)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def close(self):
        self.tool("stop")


class Gateway:
    """One rds-data-local."""

    def __init__(self, server, **env):
        self.log_path = tempfile.mktemp(dir=server.dir, suffix=".log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BUILD / "tools/rds-data-local/rds-data-local"],
                env={"PATH": os.environ["PATH"],
                     **{n: v for n, v in os.environ.items() if "SAN_" in n},
                     "RDS_DATA_LOCAL_PORT": "0",
                     "RDS_DATA_LOCAL_PGPORT": server.port,
                     "RDS_DATA_LOCAL_SECRETS": str(server.secrets),
                     "RDS_DATA_LOCAL_CONTROL": "on", **env},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.port = self.wait_for_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def wait_for_port(self):
        ends = time.monotonic() + 20
        while time.monotonic() < ends and self.process.poll() is None:
            for line in self.log().splitlines():
                if '"listening"' in line:
                    return json.loads(line)["port"]
            time.sleep(0.02)
        raise RuntimeError("rds-data-local does not listen: " + self.log())

    def log(self):
        return Path(self.log_path).read_text(errors="replace")

    def client(self, key="key", secret="secret", token=None):
        return boto3.client(
            "rds-data", endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id=key, aws_secret_access_key=secret,
            aws_session_token=token,
            config=botocore.config.Config(retries={"max_attempts": 0},
                                          read_timeout=90))

    def post(self, path, body, method="POST", headers=None):
        """Status, type of the error and body of a bare request."""
        request = urllib.request.Request(
            self.url + path, data=body, method=method,
            headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, None, reply.read()
        except urllib.error.HTTPError as error:
            return (error.code, error.headers.get("x-amzn-ErrorType"),
                    error.read())

    def faults(self, *rules):
        status, _, body = self.post("/_control/faults", json.dumps(
            {"rules": rules}).encode(), "PUT")
        assert status == 200, body

    def close(self):
        """SIGTERM; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def value(name, hint=None, **field):
    found = {"name": name, "value": field}
    if hint:
        found["typeHint"] = hint
    return found


class GatewayCase(unittest.TestCase):
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.gateway = Gateway(cls.server, **cls.env)
        cls.addClassCleanup(cls.gateway.close)
        cls.client = cls.gateway.client()
        cls.where = {"resourceArn": CLUSTER, "secretArn": SECRET}

    def tearDown(self):
        self.gateway.faults()
        self.assertIsNone(self.gateway.process.poll(), "the server died: "
                          + self.gateway.log()[-2000:])

    def run_sql(self, sql, *parameters, client=None, **more):
        more.setdefault("database", "alex")
        return (client or self.client).execute_statement(
            sql=sql, parameters=list(parameters), **self.where, **more)

    def records(self, sql, *parameters, **more):
        return self.run_sql(sql, *parameters, **more)["records"]

    def one(self, sql, *parameters, **more):
        """The only field."""
        records = self.records(sql, *parameters, **more)
        self.assertEqual((len(records), len(records[0])), (1, 1))
        return records[0][0]

    def begin(self):
        return self.client.begin_transaction(database="alex", **self.where)[
            "transactionId"]

    def fails(self, code, call, *args, text="", status=None, **more):
        """The error that call() must end with."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(*args, **more)
        found = caught.exception.response
        self.assertEqual(found["Error"]["Code"], code, found["Error"])
        self.assertIn(text, found["Error"]["Message"])
        if status:
            self.assertEqual(found["ResponseMetadata"]["HTTPStatusCode"],
                             status)
        return found


def main():
    if not (BUILD / "tools/rds-data-local/rds-data-local").exists():
        print("SKIP: rds-data-local is not built", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
