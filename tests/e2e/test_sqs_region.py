"""A fleet that looks for its queue in another region."""
import fleet


class Region(fleet.FleetCase):
    """The one that keeps regions apart."""

    broker = "moto"

    def test_wrong_region_is_said_and_right_once_it_has_the_queue(self):
        self.servers.alexctl("queue", "create", "--agent", "bench")
        job, = self.servers.submit({"op": "noop"}, ring=False)
        url = self.servers.env["ALEX_QUEUE_URL"].replace("us-east", "eu-west")
        worker = self.worker(ALEX_QUEUE_URL=url)
        self.wait(lambda: "queue create" in worker.log(), 60, "what to do")
        self.assertIn("alex-bench", worker.log())
        self.assertIn("eu-west-1", worker.log())
        self.servers.alexctl("queue", "create", "--agent", "bench",
                             ALEX_QUEUE_URL=url)
        self.wait_status(job, limit_s=120)
        self.assertIsNone(worker.process.poll())


if __name__ == "__main__":
    fleet.main()
