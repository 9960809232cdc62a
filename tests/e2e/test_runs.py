"""Runs of a task, and what each way to end one leads to."""
import os
import signal
import time

import fleet


class Runs(fleet.FleetCase):
    def test_job_is_completed_once_and_its_message_acked(self):
        self.worker()
        job, = self.servers.submit({"op": "noop"})
        self.wait_status(job)
        self.wait_quiet()
        self.assertEqual(self.servers.events(job, "succeeded"), 1)
        self.assertEqual(self.servers.dead_letters(), 0)

    def test_fan_out_of_eight_joins_once(self):
        self.worker()
        job, = self.servers.submit({"op": "fan", "width": 8, "join": True})
        self.wait_status(job)
        self.assertEqual(self.servers.events(job, "succeeded"), 10)
        self.assertEqual(self.servers.events(job, "job_completed"), 1)
        self.wait_quiet()

    def test_every_bell_twice_runs_nothing_twice(self):
        jobs = self.servers.submit(*[{"op": "noop"}] * 50)
        self.servers.ring(*jobs)
        self.worker(ALEX_LEASE="1s")
        self.wait_open(0)
        self.wait_quiet()
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.events where kind = 'succeeded'")), 50)

    def test_crash_is_quarantined_after_three_and_neighbours_are_fine(self):
        worker = self.worker()
        bad, = self.servers.submit({"op": "crash", "signal": 11})
        good = self.servers.submit(*[{"op": "sleep", "ms": 50}] * 20)
        for job in good:
            self.wait_status(job)
        self.wait_status(bad, "failed", 30)
        task = self.servers.task(bad)
        self.assertEqual(task["state"], "quarantined")
        self.assertEqual((task["crashes"], task["losses"], task["failures"]),
                         (3, 0, 0))
        self.assertIn("signal 11", str(task["error"]))
        self.wait_quiet()
        # The message itself came back after each crash but the last.
        self.assertGreaterEqual(
            worker.metric('alex_messages_total{end="released"}'), 2)
        self.assertEqual(int(self.servers.one(
            "select sum(crashes + losses + failures) from fleet.tasks "
            f"where job_id <> '{bad}'")), 0)

    def test_killed_handlers_charge_only_their_own_tasks(self):
        worker = self.worker(ALEX_CONCURRENCY="2")
        running = self.servers.submit(*[{"op": "sleep", "ms": 1500}] * 2)
        waiting = self.servers.submit(*[{"op": "noop"}] * 5)
        for job in running:
            self.wait_state(job, "leased")
        self.wait(lambda: len(worker.handlers()) == 2)
        self.wait(lambda: "working" in worker.log())
        time.sleep(0.5)
        for pid in worker.handlers():
            os.kill(pid, signal.SIGKILL)
        for job in running + waiting:
            self.wait_status(job)
        self.assertEqual([self.servers.task(j)["crashes"] for j in running],
                         [1, 1])
        self.assertEqual([self.servers.task(j)["crashes"] for j in waiting],
                         [0] * 5)

    def test_secrets_are_neither_in_the_environment_nor_in_the_log(self):
        worker = self.worker(ALEX_LOG_LEVEL="debug")
        job, = self.servers.submit({"op": "probe"})
        self.wait_status(job)
        secret = self.servers.env["ALEX_STORE_URL"].split("@")[0].split(":")[-1]
        with open(f"/proc/{worker.pid}/environ", "rb") as environ:
            self.assertNotIn(secret.encode(), environ.read())
        for handler in worker.handlers():
            with open(f"/proc/{handler}/environ", "rb") as environ:
                self.assertEqual(environ.read().strip(b"\0"), b"")
        self.assertNotIn(secret, worker.log())
        self.assertNotIn(secret, str(self.servers.detail(job)))

    def test_rejected_input_dies_with_its_text_and_no_retry(self):
        self.worker()
        job, = self.servers.submit({"op": "reject"})
        self.wait_status(job, "failed")
        task = self.servers.task(job)
        self.assertEqual(task["state"], "dead")
        self.assertEqual(self.servers.events(job, "claimed"), 1)
        self.assertIn("rejected", str(task["error"]))
        self.wait_quiet()

    def test_deadline_kills_the_handler_and_the_task_is_dead(self):
        worker = self.worker(ALEX_CONCURRENCY="1")
        job, = self.servers.submit({"op": "sleep", "ms": 60000},
                                   deadline_ms=1500)
        self.wait_state(job, "leased")
        before = self.wait(worker.handlers)
        self.wait_status(job, "failed", 10)
        self.wait(lambda: not set(before) & set(worker.handlers()), 5,
                  "the handler is gone")
        self.assertIn("deadline", str(self.servers.task(job)["error"]) +
                      self.servers.one("select error_message from jobs"))

    def test_long_task_keeps_its_lease_and_its_message(self):
        first = self.worker(ALEX_LEASE="1s")
        job, = self.servers.submit({"op": "sleep", "ms": 5000})
        self.wait_state(job, "leased")
        second = self.worker(ALEX_LEASE="1s")
        self.wait_status(job)
        self.wait_quiet()
        self.assertEqual(self.servers.events(job, "claimed"), 1)
        self.assertEqual(self.servers.events(job, "lost"), 0)
        self.assertEqual(second.metric('alex_messages_total{end="released"}'),
                         0)
        self.assertEqual(first.metric('alex_messages_total{end="acked"}'), 1)

    def test_idle_worker_leaves_the_engine_alone(self):
        worker = self.worker(ALEX_LEASE="1s")
        job, = self.servers.submit({"op": "noop"})
        self.wait_status(job)
        self.wait_quiet()
        calls = [f'alex_engine_call_seconds_count{{function="{name}"}}'
                 for name in ("claim", "beat", "settle", "reap")]
        before = [worker.metric(name) for name in calls]
        time.sleep(4)
        after = [worker.metric(name) for name in calls]
        self.assertEqual(after[:3], before[:3])
        self.assertLessEqual(after[3] - before[3], 1)

    def test_cancel_kills_the_handler_within_a_beat(self):
        worker = self.worker(ALEX_CONCURRENCY="1", ALEX_LEASE="3s")
        job, = self.servers.submit({"op": "sleep", "ms": 60000})
        self.wait_state(job, "leased")
        before = self.wait(worker.handlers)
        self.servers.call("cancel", {"v": 1, "job": job, "by": "test"})
        self.wait(lambda: not set(before) & set(worker.handlers()), 3,
                  "the handler is gone")
        self.wait_state(job, "cancelled", 3)
        self.wait_quiet()

    def test_task_to_be_alone_runs_beside_nothing(self):
        self.worker(ALEX_CONCURRENCY="4")
        others = self.servers.submit(*[{"op": "sleep", "ms": 300}] * 8,
                                     ring=False)
        alone, = self.servers.submit({"op": "sleep", "ms": 3000}, ring=False)
        self.servers.sql("update fleet.tasks set losses = 2 where job_id = "
                         f"'{alone}'")
        self.servers.ring(*others[:4], alone, *others[4:])
        self.wait_open(0)
        end = self.ended(alone)
        beside = [job for job in others if end - 2 < self.ended(job) < end]
        self.assertEqual(beside, [])

    def ended(self, job):
        return float(self.servers.one(
            "select extract(epoch from at) from fleet.events "
            f"where job_id = '{job}' and kind = 'succeeded'"))


class Health(fleet.FleetCase):
    def test_ready_while_receiving_and_not_while_draining(self):
        worker = self.worker(ALEX_GRACE="5s")
        self.wait(lambda: worker.get("/ready")[0] == 200)
        self.assertEqual(worker.get("/live")[0], 200)
        self.assertEqual(worker.get("/elsewhere")[0], 404)
        job, = self.servers.submit({"op": "sleep", "ms": 3000})
        self.wait_state(job, "leased")
        worker.process.terminate()
        self.wait(lambda: worker.get("/ready")[0] == 503)
        self.assertEqual(worker.get("/live")[0], 200)

    def test_metrics_count_what_was_done(self):
        worker = self.worker()
        good = self.servers.submit(*[{"op": "noop"}] * 3)
        bad, = self.servers.submit({"op": "reject"})
        for job in good:
            self.wait_status(job)
        self.wait_status(bad, "failed")
        self.wait_quiet()
        for name, value in {'alex_tasks_total{outcome="succeeded"}': 3,
                            'alex_tasks_total{outcome="dead"}': 1,
                            "alex_runs_total": 4,
                            "alex_run_seconds_count": 4,
                            "alex_in_flight": 0}.items():
            self.assertEqual(worker.metric(name), value, name)
        # Reaping may have rung some twice.
        self.assertGreaterEqual(
            worker.metric('alex_messages_total{end="acked"}'), 4)

    def test_not_ready_while_the_queue_is_away(self):
        worker = self.worker()
        self.wait(lambda: worker.get("/ready")[0] == 200)
        self.servers.tool("stop", "--only", "redis", "--keep")
        self.wait(lambda: worker.get("/ready")[0] == 503)
        self.servers.tool("start")
        self.wait(lambda: worker.get("/ready")[0] == 200)


if __name__ == "__main__":
    fleet.main()
