"""What holds over every queue that is not Redis, which has tests of its own."""
import json
import time
import uuid

import fleet

AGENTS = ("planner", "tagger", "reporter", "charter", "retirement")
INVESTOR = "investor"
EXPORT = fleet.TOP / "tests/data/portfolios/household.csv"


class Foreign:
    """What holds over any queue; the worker is alex-bench."""

    def setUp(self):
        super().setUp()
        self.servers.alexctl("queue", "create", "--lease", "3s")
        self.broker_client = self.client(self.servers.env)

    def depth(self, queue="alex-bench"):
        queues = json.loads(self.servers.alexctl("queue", "ls", "--json"))
        return next(q for q in queues if q["queue"] == queue)

    def wait_drained(self, queue="alex-bench", dead=0, limit_s=60):
        """Every message was dealt with, 'dead' of them as dead letters; but for
        the bell that a submit leaves behind for half a minute later."""
        def drained():
            d = self.depth(queue)
            return (d["waiting"], d["in_flight"], d["dead"]) == (0, 0, dead)
        self.wait(drained, limit_s, f"{queue} drained, {dead} dead")

    def submit_and_ring(self, *params):
        jobs = self.servers.submit(*params, ring=False)
        self.broker_client.send("alex-bench", *jobs)
        return jobs

    def assert_works(self, worker, limit_s=60):
        """It lives, and does what comes now."""
        job, = self.submit_and_ring({"op": "noop"})
        self.wait_status(job, limit_s=limit_s)
        self.assertIsNone(worker.process.poll())

    def bell(self, **data):
        return json.dumps({
            "specversion": "1.0", "type": "alex.bell", "source": "alex",
            "id": "1", "data": {"v": 1, "agent": "bench", **data}})

    def dead_lettered(self, *bodies, says="dead"):
        self.broker_client.send("alex-bench", *bodies)
        worker = self.worker()
        self.assert_works(worker)
        self.wait_drained(dead=len(bodies))
        self.assertIn(says, worker.log())

    def start_agents(self, **env):
        for agent in AGENTS:
            self.worker(agent, ALEX_LEASE="10s", ALEX_CONCURRENCY="2", **env)

    def import_portfolio(self):
        self.servers.alexctl("db", "seed")
        self.servers.alexctl("import", EXPORT, "--user", INVESTOR, "--years",
                             "25", "--income", "90000")

    def assert_complete(self, job):
        """Every part of the analysis is in the row Alex's API reads."""
        self.wait_status(job, limit_s=90)
        self.assertEqual(self.servers.sql(
            "select (report_payload is not null, charts_payload is not null, "
            "retirement_payload is not null, summary_payload is not null) "
            f"from jobs where id = '{job}'"), [["(t,t,t,t)"]])

    def test_analysis_completes_and_leaves_nothing_behind(self):
        self.import_portfolio()
        self.start_agents()
        job = self.servers.alexctl("submit", "--user", INVESTOR).strip()
        self.assert_complete(job)
        for agent in AGENTS:
            self.wait_drained(f"alex-{agent}")

    def test_jobs_sent_before_and_during_a_restart_of_the_broker_complete(self):
        jobs = self.submit_and_ring(*[{"op": "sleep", "ms": 200}] * 20)
        worker = self.worker()
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.events where kind = 'succeeded'")) > 0)
        self.servers.tool("restart", self.servers.broker, "--hard")
        jobs += self.submit_and_ring({"op": "noop"}, {"op": "noop"})
        for job in jobs:
            self.wait_status(job, limit_s=90)
        self.assertEqual(self.servers.sql(
            "select task_id from fleet.events where kind = 'succeeded' "
            "group by 1 having count(*) > 1"), [])
        self.assertIsNone(worker.process.poll())

    def test_message_over_the_limit_is_dead_lettered(self):
        self.dead_lettered("x" * 70000, says="")

    def test_bell_of_a_later_version_is_kept_for_a_later_worker(self):
        self.broker_client.send("alex-bench", json.dumps(
            {**json.loads(self.bell(job=str(uuid.uuid4()))),
             "data": {"v": 99, "agent": "bench", "job": str(uuid.uuid4())}}))
        worker = self.worker()
        self.assert_works(worker)
        time.sleep(2)
        d = self.depth()
        self.assertEqual((d["waiting"] + d["in_flight"] + d["delayed"],
                          d["dead"]), (1, 0))

    def test_bell_of_another_agent_is_rung_where_it_belongs(self):
        job, = self.servers.submit({"op": "noop"}, ring=False)
        self.servers.sql("update fleet.tasks set agent = 'tagger'")
        self.broker_client.send("alex-bench", job)
        worker = self.worker()
        self.wait(lambda: self.depth("alex-tagger")["waiting"] == 1, 60)
        self.assert_works(worker)
        self.wait_drained()
