"""Asks that take long: tasks wait without a process, answers are kept."""
import os
import sys
import time

import fleet


class Asks(fleet.FleetCase):
    def assert_small(self, worker, limit_mib):
        """The supervisor's memory; a sanitizer's would not be its own."""
        pss_kb = worker.pss_kb()
        print(f"{pss_kb} kB", end=" ", file=sys.stderr)
        if os.environ.get("ALEX_SANITIZE", "none") == "none":
            self.assertLess(pss_kb, limit_mib * 1024)

    def test_five_hundred_suspended_tasks_on_eight_handlers(self):
        worker = self.worker(ALEX_CONCURRENCY="8", ALEX_LEASE="10s")
        self.servers.submit(*[{"op": "ask", "delay_ms": 10000}] * 500)
        self.wait(lambda: worker.metric("alex_parked") == 500, 20,
                  "all wait at once")
        self.assertLessEqual(len(worker.handlers()), 8)
        self.assert_small(worker, 16)
        self.wait_open(0, 60)
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.events where kind = 'succeeded'")), 500)
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.events where kind = 'claimed'")), 500)
        self.wait_quiet()

    def test_answers_come_in_the_order_asked(self):
        self.worker()
        job, = self.servers.submit({"op": "ask", "delay_ms": 50, "count": 5})
        self.wait_status(job)
        self.assertEqual(self.servers.detail(job)["answers"], [0, 1, 2, 3, 4])
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.checkpoints")), 5)

    def test_stored_answers_are_not_asked_again_after_a_kill(self):
        first = self.worker(ALEX_LEASE="2s")
        job, = self.servers.submit({"op": "ask", "delay_ms": 1000, "count": 3})
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.checkpoints")) >= 2)
        first.kill()
        kept = self.servers.sql("select ordinal, sha256, xmin from "
                                "fleet.checkpoints order by ordinal")
        self.worker(ALEX_LEASE="2s")
        self.wait_status(job)
        now = self.servers.sql("select ordinal, sha256, xmin from "
                               "fleet.checkpoints order by ordinal")
        self.assertEqual(now[:len(kept)], kept)
        self.assertEqual(len(now), 3)
        self.assertEqual(self.servers.detail(job)["answers"], [0, 1, 2])

    def test_stored_answers_too_large_for_a_claim_are_read_in_pages(self):
        first = self.worker(ALEX_LEASE="2s")
        job, = self.servers.submit({"op": "ask", "delay_ms": 1000, "count": 3})
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.checkpoints")) == 2)
        first.kill()
        self.servers.sql("update fleet.checkpoints set answer = "
                         "concat('\"', repeat('\u00fc', 200000), '\"')")
        second = self.worker(ALEX_LEASE="2s")
        self.wait_status(job)
        self.assertEqual(second.metric("alex_paid_answers_total"), 1)
        answers = self.servers.detail(job)["answers"]
        self.assertEqual(answers, ["\u00fc" * 200000] * 2 + [2])

    def test_ask_that_nobody_answers_is_rejected(self):
        self.worker(ALEX_ASK_DELAY="off")
        job, = self.servers.submit({"op": "ask", "delay_ms": 10})
        self.wait_status(job, "failed")
        self.assertIn("delay", str(self.servers.task(job)["error"]))

    def test_large_inputs_of_parked_tasks_are_read_again(self):
        # 12 MB together: more than a supervisor keeps while they wait.
        worker = self.worker(ALEX_LEASE="10s")
        filler = "x" * 60000
        self.servers.submit(*[{"op": "ask", "delay_ms": 25000,
                               "filler": filler}] * 200)
        self.wait(lambda: worker.metric("alex_parked") == 200, 30)
        reads = 'alex_engine_call_seconds_count{function="read"}'
        before = worker.metric(reads)
        self.assert_small(worker, 24)
        self.wait_open(0, 60)
        self.assertGreater(worker.metric(reads) - before, 40)
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.events where kind = 'claimed'")), 200)

    def test_cancel_of_a_parked_task_ends_it(self):
        self.worker(ALEX_LEASE="2s")
        job, = self.servers.submit({"op": "ask", "delay_ms": 60000})
        self.wait_state(job, "leased")
        time.sleep(0.5)
        self.servers.call("cancel", {"v": 1, "job": job, "by": "test"})
        self.wait_state(job, "cancelled", 5)
        self.wait_quiet()


if __name__ == "__main__":
    fleet.main()
