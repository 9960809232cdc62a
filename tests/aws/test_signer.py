"""Our signatures against botocore's, on requests that nobody thought of."""
import datetime
import json
import random
import subprocess
import sys
import unittest
from unittest import mock
from urllib.parse import quote

try:
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
except ImportError:
    print("SKIP: botocore is not installed: apt-get install python3-botocore",
          file=sys.stderr)
    sys.exit(77)

SIGNER = sys.argv.pop(1)
TIME = "20150830T123600Z"
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CHARACTERS = ("abcXYZ019-._~ !$&'()*+,;=:@%/?#[]\"\\<>{}|^`"
              "\u00e9\u4e2d\U0001f600")


def sign(requests):
    """What our signer answers."""
    lines = "".join(json.dumps(r) + "\n" for r in requests)
    done = subprocess.run([SIGNER], input=lines, text=True,
                          capture_output=True, check=True)
    return done.stdout.splitlines()


def frozen_clock():
    """botocore's clock at TIME; older and newer ones ask in different ways."""
    now = datetime.datetime(2015, 8, 30, 12, 36, 0,
                            tzinfo=datetime.timezone.utc)
    if hasattr(botocore.auth, "get_current_datetime"):
        return mock.patch("botocore.auth.get_current_datetime",
                          lambda *args, **kwargs: now)
    clock = mock.Mock(wraps=datetime.datetime)
    clock.utcnow.return_value = now.replace(tzinfo=None)
    module = mock.Mock(wraps=datetime)
    module.datetime = clock
    return mock.patch("botocore.auth.datetime", clock if isinstance(
        botocore.auth.datetime, type) else module)


def theirs(request):
    """botocore's Authorization, for the same bytes."""
    url = f"https://{request['host']}{request['path']}"
    if request["query"]:
        url += "?" + request["query"]
    made = botocore.awsrequest.AWSRequest(
        method=request["method"], url=url, data=request["body"].encode())
    for name, value in request["headers"]:
        if name.lower() not in ("host", "x-amz-date", "x-amz-security-token"):
            made.headers.add_header(name, value)
    credentials = botocore.credentials.Credentials(
        request["access"], request["secret"], request["token"])
    auth = botocore.auth.SigV4Auth(credentials, request["service"],
                                   request["region"])
    patch = frozen_clock()
    patch.start()
    try:
        auth.add_auth(made)
    finally:
        patch.stop()
    return made.headers["Authorization"]


def word(dice, most, characters=CHARACTERS):
    return "".join(dice.choice(characters)
                   for _ in range(dice.randint(0, most)))


def random_path(dice):
    segments = [dice.choice(["", ".", "..", quote(word(dice, 12), safe="~"),
                             "model%3Av1%3A0", "a"])
                for _ in range(dice.randint(0, 5))]
    return "/" + "/".join(segments)


def random_query(dice):
    pairs = [quote(word(dice, 8), safe="~") + "=" +
             quote(word(dice, 8), safe="~") for _ in range(dice.randint(0, 5))]
    return "&".join(pair for pair in pairs if not pair.startswith("="))


def random_request(dice):
    host = dice.choice(["sqs.us-east-1.amazonaws.com", "127.0.0.1:5000"])
    token = dice.choice([None, None, "AQoDYXdzEPT//////////wEXAMPLE=="])
    headers = [["Host", host], ["X-Amz-Date", TIME]]
    if token:
        headers.append(["X-Amz-Security-Token", token])
    names = ["Content-Type", "x-amz-target", "X-Amz-Meta-A", "x-amz-meta-ab",
             "X-Custom", "my-header1"]
    for name in dice.sample(names, dice.randint(0, len(names))):
        value = " ".join(word(dice, 6, CHARACTERS[:40])
                         for _ in range(dice.randint(1, 4)))
        headers.append([name, f"  {value}  ".replace("\n", "")])
    dice.shuffle(headers)
    return {"method": dice.choice(["GET", "POST", "PUT", "DELETE"]),
            "path": random_path(dice), "query": random_query(dice),
            "headers": headers, "body": word(dice, 60), "host": host,
            "region": dice.choice(["us-east-1", "eu-central-2"]),
            "service": dice.choice(["sqs", "rds-data", "bedrock"]),
            "time": TIME, "access": ACCESS, "secret": SECRET, "token": token}


# Signatures that botocore made for these requests, with the keys and the time
# of Amazon's own test suite.
KNOWN = [
    ("bedrock", "bedrock-runtime.us-east-1.amazonaws.com",
     "/model/openai.gpt-oss-120b-1%3A0/converse", "{}",
     [["content-type", "application/json"]],
     "fe31c9456c7cdc161f455299504b1b760ef50bcc07e467c763167ed44a47aff7"),
    ("sqs", "sqs.us-east-1.amazonaws.com", "/",
     '{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/123456789012/q",'
     '"MessageBody":"hi"}',
     [["content-type", "application/x-amz-json-1.0"],
      ["x-amz-target", "AmazonSQS.SendMessage"],
      ["x-amz-security-token", "AQoDYXdzEPT//////////wEXAMPLE=="]],
     "ba8b559f625341a8bc6f7d8d4b3d0bcb32722bca21bb3ba84600012c225e8cf3"),
    ("rds-data", "rds-data.us-east-1.amazonaws.com", "/Execute", "{}",
     [["content-type", "application/json"]],
     "084183a62b32abed40852cdb030cb611720ded4563f37269938dbed4670b6246"),
]


class Signer(unittest.TestCase):
    def test_known_requests_have_known_signatures(self):
        requests = [{"method": "POST", "path": path, "query": "",
                     "headers": [["Host", host], ["X-Amz-Date", TIME],
                                 *headers],
                     "body": body, "region": "us-east-1", "service": service,
                     "time": TIME, "access": ACCESS, "secret": SECRET}
                    for service, host, path, body, headers, _ in KNOWN]
        for line, known in zip(sign(requests), KNOWN):
            self.assertEqual(line.rsplit("Signature=", 1)[1], known[-1])

    def test_random_requests_are_signed_as_botocore_signs_them(self):
        dice = random.Random(20150830)
        requests = [random_request(dice) for _ in range(1000)]
        answers = sign(requests)
        self.assertEqual(len(answers), len(requests))
        for request, answer in zip(requests, answers):
            self.assertEqual(answer, theirs(request), request)


if __name__ == "__main__":
    unittest.main(verbosity=2)
