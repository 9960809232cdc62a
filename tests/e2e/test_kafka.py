"""The fleet over Kafka, where messages are acked once they are claimed."""
import brokers
import fleet
import queues


class OverKafka(queues.Foreign, fleet.FleetCase):
    broker, client = "kafka", brokers.Kafka

    def test_empty_and_binary_messages_are_dead_lettered(self):
        self.dead_lettered("", bytes(range(256)), b"\0", "[1,2,3]")

    def test_topic_deleted_under_the_consumer_loses_no_job(self):
        worker = self.worker()
        self.assert_works(worker)
        self.broker_client.delete("alex-bench")
        job, = self.servers.submit({"op": "noop"}, ring=False)
        self.wait_status(job, limit_s=120)
        self.assert_works(worker, 120)


if __name__ == "__main__":
    fleet.main()
