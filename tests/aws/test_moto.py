"""Signatures and sources of credentials against moto, which verifies the one and
serves the other.  SKIP (77) where there is no moto: tools/servers fetches it."""
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from world import Caller

PROGRAM = sys.argv.pop(1)
STARTS_WITHIN_S = 120
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TRUST_ALL = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Federated": "*"},
     "Action": "sts:AssumeRoleWithWebIdentity"}]})


def find_moto():
    default = "/var/cache" if os.geteuid() == 0 else os.path.expanduser(
        "~/.cache")
    cache = os.environ.get("XDG_CACHE_HOME") or default
    fetched = glob.glob(f"{cache}/alex-fleet/moto-*/bin/moto_server")
    for program in [*fetched, shutil.which("moto_server")]:
        if program and subprocess.run([program, "--help"], check=False,
                                      capture_output=True).returncode == 0:
            return program
    print("SKIP: no moto_server: tools/servers fetch --only moto",
          file=sys.stderr)
    sys.exit(77)


MOTO = find_moto()


class Moto:
    """One that verifies signatures after so many calls."""

    def __init__(self, free_calls=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        env = dict(os.environ)
        if free_calls is not None:
            env["INITIAL_NO_AUTH_ACTION_COUNT"] = str(free_calls)
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [MOTO, "-H", "127.0.0.1", "-p", str(port)], env=env,
            stdout=self.log, stderr=self.log)
        end = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("moto does not start")

    def iam(self, action, **fields):
        """One call of IAM; its reply."""
        form = {"Action": action, "Version": "2010-05-08", **fields}
        request = urllib.request.Request(
            self.url, urllib.parse.urlencode(form).encode(), {
                "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/"
                "us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.read().decode()

    def user(self):
        """Keys of a user that may do everything."""
        self.iam("CreateUser", UserName="u")
        xml = self.iam("CreateAccessKey", UserName="u")
        self.iam("PutUserPolicy", UserName="u", PolicyName="p",
                 PolicyDocument=ALLOW_ALL)
        return {"AWS_ACCESS_KEY_ID":
                re.search("<AccessKeyId>(.*?)<", xml).group(1),
                "AWS_SECRET_ACCESS_KEY":
                re.search("<SecretAccessKey>(.*?)<", xml).group(1)}

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.process.kill()
        self.process.wait()
        self.log.close()


def create_queue(caller):
    return caller.call(target="AmazonSQS.CreateQueue",
                       body=json.dumps({"QueueName": "q"}))


class Verified(unittest.TestCase):
    def test_a_right_signature_is_accepted_and_a_wrong_one_refused(self):
        with Moto(free_calls=3) as moto:
            good = moto.user()
            wrong = {**good, "AWS_SECRET_ACCESS_KEY": "x" * 40}
            nobody = {**good, "AWS_ACCESS_KEY_ID": "AKIANOBODY"}
            with Caller(PROGRAM, moto.url, **good) as caller:
                got = create_queue(caller)
                self.assertEqual((got["kind"], got["status"]), ("none", 200),
                                 got["text"])
            for keys, code in ((wrong, "SignatureDoesNotMatch"),
                               (nobody, "InvalidClientTokenId")):
                with Caller(PROGRAM, moto.url, **keys) as caller:
                    got = create_queue(caller)
                self.assertEqual((got["kind"], got["err"], got["code"]),
                                 ("fatal", 78, code))

    def test_keys_of_a_role_sign_with_their_token(self):
        with Moto(free_calls=3) as moto, Caller(PROGRAM, moto.url) as folder:
            xml = moto.iam("CreateRole", RoleName="r",
                           AssumeRolePolicyDocument=TRUST_ALL)
            moto.iam("PutRolePolicy", RoleName="r", PolicyName="p",
                     PolicyDocument=ALLOW_ALL)
            path = folder.write("token", "jwt.of.the.platform")
            env = {"AWS_ROLE_ARN": re.search("<Arn>(.*?)<", xml).group(1),
                   "AWS_WEB_IDENTITY_TOKEN_FILE": path}
            with Caller(PROGRAM, moto.url, **env) as caller:
                got = create_queue(caller)
            self.assertEqual((got["kind"], got["status"]), ("none", 200),
                             got["text"])


class Instance(unittest.TestCase):
    def test_keys_of_an_instance_are_found(self):
        with Moto() as moto, Caller(
                PROGRAM, moto.url, AWS_EC2_METADATA_DISABLED=None,
                AWS_EC2_METADATA_SERVICE_ENDPOINT=moto.url) as caller:
            got = create_queue(caller)
        self.assertEqual((got["kind"], got["status"]), ("none", 200),
                         got["text"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
