"""Dead letters over SQS and Kafka: what lies in a queue of dead letters is
listed, sent again if it is a doorbell, and removed by its name."""
import json
import sys

import brokers
import fleet


class OverBroker:
    def setUp(self):
        super().setUp()
        self.servers.alexctl("queue", "create", "--lease", "3s")
        self.broker_client = self.client(self.servers.env)

    def listed(self):
        return {m["id"]: m["state"] for m in json.loads(self.servers.alexctl(
            "dlq", "ls", "--json", "--kind", "message", "--agent", "bench"))}

    def put_aside(self, body):
        self.broker_client.send("alex-bench-dlq", body)

    def test_doorbell_put_aside_is_replayed_and_other_bytes_purged(self):
        job, = self.servers.submit({"op": "noop"}, ring=False)
        # So that nobody rings but the replay.
        self.servers.sql("update fleet.tasks set rung_at = clock_timestamp() "
                         "+ interval '1 hour'")
        self.put_aside(job)
        self.broker_client.send("alex-bench-dlq", "no \u009b31mbell")
        self.wait(lambda: len(self.listed()) == 2, 60, "two dead letters")
        listed = self.listed()
        bell, other = sorted(listed, key=listed.get)
        self.assertEqual((listed[bell], listed[other]),
                         ("doorbell", "unparseable"))
        self.assertIn("\\u{9b}31m", self.servers.alexctl("dlq", "show", other))
        self.worker()
        self.servers.alexctl("dlq", "replay", "--agent", "bench")
        self.wait_status(job, limit_s=90)
        self.wait(lambda: list(self.listed()) == [other], 60, "one left")
        self.servers.alexctl("dlq", "purge", "--id", other, "--yes")
        self.wait(lambda: not self.listed(), 60, "none left")


class OverSqs(OverBroker, fleet.FleetCase):
    broker, client = "elasticmq", brokers.Sqs

    def put_aside(self, body):
        """As SQS does it: received too often."""
        client = self.broker_client.client
        url = client.get_queue_url(QueueName="alex-bench")["QueueUrl"]
        policy = json.loads(client.get_queue_attributes(
            QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"][
                "RedrivePolicy"])
        client.set_queue_attributes(QueueUrl=url, Attributes={
            "RedrivePolicy": json.dumps({**policy, "maxReceiveCount": "1"})})
        self.broker_client.send("alex-bench", body)

        def moved():
            self.broker_client.receive("alex-bench")
            return self.listed()
        self.wait(moved, 60, "moved by SQS")
        client.set_queue_attributes(QueueUrl=url, Attributes={
            "RedrivePolicy": json.dumps(policy)})


class OverKafka(OverBroker, fleet.FleetCase):
    broker, client = "kafka", brokers.Kafka


if __name__ == "__main__":
    if "OverSqs" in sys.argv:
        brokers.want_boto3()
    fleet.main()
