"""What other programs do to a queue: SQS through boto3, Kafka through the C
library the fleet itself uses, and a front of SQS that can be told to fail."""
import ctypes
import http.server
import sys
import threading
import urllib.error
import urllib.request

import fleet

try:
    import boto3
except ImportError:
    boto3 = None


def want_boto3():
    if boto3 is None:
        print("SKIP: boto3 is missing; try: tools/setup --tests",
              file=sys.stderr)
        sys.exit(fleet.SKIPPED)


class Sqs:
    """A client as Alex's own API has one."""

    def __init__(self, env):
        region = env["ALEX_QUEUE_URL"].split("/")[2]
        self.client = boto3.client(
            "sqs", region_name=region, endpoint_url=env["AWS_ENDPOINT_URL_SQS"],
            aws_access_key_id="x", aws_secret_access_key="x")

    def create(self, name, **attributes):
        return self.client.create_queue(QueueName=name,
                                        Attributes=attributes)["QueueUrl"]

    def send(self, queue, *bodies):
        url = self.client.get_queue_url(QueueName=queue)["QueueUrl"]
        for body in bodies:
            self.client.send_message(QueueUrl=url, MessageBody=body)

    def receive(self, queue):
        """The bodies of up to ten messages, which stay."""
        url = self.client.get_queue_url(QueueName=queue)["QueueUrl"]
        got = self.client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1)
        return [message["Body"] for message in got.get("Messages", [])]

    def delete(self, queue):
        url = self.client.get_queue_url(QueueName=queue)["QueueUrl"]
        self.client.delete_queue(QueueUrl=url)


class Kafka:
    """librdkafka by hand: the fleet has it anyway."""

    POINTERS = ("conf_new", "new", "topic_new", "queue_new", "queue_poll",
                "DeleteTopic_new")

    def __init__(self, env):
        self.lib = ctypes.CDLL("librdkafka.so.1")
        self.brokers = env["ALEX_QUEUE_URL"].removeprefix("kafka://").encode()

    def call(self, function, *arguments):
        called = getattr(self.lib, f"rd_kafka_{function}")
        if function not in self.POINTERS:
            return called(*arguments)
        called.restype = ctypes.c_void_p
        return ctypes.c_void_p(called(*arguments))

    def open(self):
        conf = self.call("conf_new")
        text = ctypes.create_string_buffer(512)
        if self.call("conf_set", conf, b"bootstrap.servers", self.brokers, text,
                     512):
            raise RuntimeError(text.value)
        return self.call("new", 0, conf, text, 512)  # A producer.

    def send(self, queue, *bodies):
        handle = self.open()
        topic = self.call("topic_new", handle, queue.encode(), None)
        for body in bodies:
            body = body.encode() if isinstance(body, str) else body
            copy, any_partition = 2, -1
            if self.call("produce", topic, any_partition, copy, body,
                         ctypes.c_size_t(len(body)), None, ctypes.c_size_t(0),
                         None):
                raise RuntimeError("produce")
        if self.call("flush", handle, 15000):
            raise RuntimeError("flush: time-out")
        self.call("topic_destroy", topic)
        self.call("destroy", handle)

    def delete(self, queue):
        handle = self.open()
        replies = self.call("queue_new", handle)
        topic = self.call("DeleteTopic_new", queue.encode())
        self.call("DeleteTopics", handle, (ctypes.c_void_p * 1)(topic),
                  ctypes.c_size_t(1), None, replies)
        event = self.call("queue_poll", replies, 15000)
        if not event or self.call("event_error", event):
            raise RuntimeError(f"delete {queue}")
        self.call("event_destroy", event)
        self.call("DeleteTopic_destroy", topic)
        self.call("queue_destroy", replies)
        self.call("destroy", handle)


class Front:
    """Passes requests on to an SQS, or answers 'fault' (status, type, body)."""

    def __init__(self, behind):
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                size = int(self.headers.get("content-length", 0))
                status, kind, body = front.answer(self.headers,
                                                  self.rfile.read(size))
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.behind, self.fault, self.faults = behind, None, 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A worker that is killed leaves its long poll.
        self.server.handle_error = lambda *arguments: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, headers, body):
        if self.fault:
            self.faults += 1
            status, kind, text = self.fault
            return status, kind, text.encode()
        request = urllib.request.Request(
            self.behind, body, {name: headers[name] for name in headers
                                if name.lower() not in ("host", "connection")})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, reply.headers["content-type"], reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["content-type"], error.read()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
