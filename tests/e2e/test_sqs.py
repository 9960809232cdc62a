"""The fleet over SQS: analyses complete, messages of Alex's own API are taken,
and what SQS may answer costs a clear line in the log."""
import json

import brokers
import fleet
import queues

INTAKE = "alex-analysis-jobs"


class OverSqs(queues.Foreign, fleet.FleetCase):
    broker, client = "elasticmq", brokers.Sqs

    def setUp(self):
        super().setUp()
        self.front = brokers.Front(self.servers.env["AWS_ENDPOINT_URL_SQS"])
        self.addCleanup(self.front.close)

    def test_messages_of_alexs_api_become_complete_analyses(self):
        self.import_portfolio()
        self.broker_client.create(INTAKE, VisibilityTimeout="910",
                                  ReceiveMessageWaitTimeSeconds="10")
        jobs = [self.servers.one(
            "insert into jobs (clerk_user_id, job_type, request_payload) "
            f"values ('{queues.INVESTOR}', 'portfolio_analysis', "
            "'{\"analysis_type\":\"portfolio\",\"options\":{}}') returning id")
            for _ in range(2)]
        self.broker_client.send(INTAKE, json.dumps(
            {"job_id": jobs[0], "clerk_user_id": queues.INVESTOR,
             "analysis_type": "portfolio", "options": {}}), jobs[1])
        self.start_agents(ALEX_INTAKE_QUEUE=INTAKE)
        for job in jobs:
            self.assert_complete(job)
        self.wait(lambda: not self.broker_client.receive(INTAKE), 30,
                  "intake empty")

    def test_message_that_is_no_bell_keeps_its_bytes_as_a_dead_letter(self):
        body = '{"job_id": "gr\u00fc\u00dfe \u20ac"}'
        self.dead_lettered(body)
        self.assertEqual(self.broker_client.receive("alex-bench-dlq"), [body])

    def during(self, status, kind, text, says):
        """The front answers this; the log says so; then it is well again."""
        self.front.fault = status, kind, text
        job, = self.submit_and_ring({"op": "noop"})
        worker = self.worker(AWS_ENDPOINT_URL_SQS=self.front.url)
        self.wait(lambda: says in worker.log() or
                  worker.process.poll() is not None, 30, says)
        self.assertIn(says, worker.log())
        self.assertNotIn("<html", worker.log())
        self.front.fault = None
        if worker.process.poll() is not None:
            # Only new settings help; whoever starts it again has given them.
            self.assertEqual(worker.process.poll(), 78)
            worker = self.worker(AWS_ENDPOINT_URL_SQS=self.front.url)
        self.wait_status(job, limit_s=90)
        self.assert_works(worker)

    def test_error_page_in_html_is_said_and_survived(self):
        self.during(502, "text/html",
                    "<html><body><h1>Bad Gateway</h1></body></html>", "502")

    def test_page_in_html_that_claims_success_is_survived(self):
        self.during(200, "text/html", "<html>Please log in</html>", "SQS")

    def test_throttling_is_survived(self):
        self.during(400, "application/x-amz-json-1.0",
                    '{"__type":"com.amazonaws.sqs#RequestThrottled",'
                    '"message":"Rate exceeded"}', "Throttled")

    def test_expired_credentials_are_said_and_lose_nothing(self):
        self.during(403, "application/x-amz-json-1.0",
                    '{"__type":"com.amazon.coral.service#ExpiredTokenException"'
                    ',"message":"The security token included in the request is '
                    'expired"}', "xpired")

    def test_malformed_credentials_file_ends_with_78_and_is_not_quoted(self):
        path = self.servers.dir + "/credentials"
        with open(path, "w", encoding="ascii") as file:
            file.write("[default\naws_secret_access_key geheim\n")
        worker = self.worker(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                             AWS_SHARED_CREDENTIALS_FILE=path,
                             AWS_EC2_METADATA_DISABLED="true", ALEX_GRACE="1s")
        self.assertEqual(worker.process.wait(60), 78)
        self.assertIn(path, worker.log())
        self.assertNotIn("geheim", worker.log())

    def test_queue_deleted_under_the_worker_is_named_and_loses_no_job(self):
        worker = self.worker()
        self.assert_works(worker)
        self.broker_client.delete("alex-bench")
        job, = self.servers.submit({"op": "noop"}, ring=False)
        self.wait(lambda: "queue create" in worker.log(), 60, "what to do")
        self.assertIn("alex-bench", worker.log())
        self.servers.alexctl("queue", "create", "--lease", "3s")
        self.wait_status(job, limit_s=120)
        self.assert_works(worker)


if __name__ == "__main__":
    brokers.want_boto3()
    fleet.main()
