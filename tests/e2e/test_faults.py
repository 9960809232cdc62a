"""Processes, leases, queue and store that go away in mid-run: nothing is lost,
no effect happens twice."""
import os
import signal
import time

import fleet


class Faults(fleet.FleetCase):
    def assert_exactly_once(self, jobs):
        self.assertEqual(self.servers.sql(
            "select job_id, task_id from fleet.events where kind = 'succeeded' "
            "group by 1, 2 having count(*) > 1"), [])
        self.assertEqual(int(self.servers.one(
            "select count(*) from jobs where status = 'completed'")),
            len(jobs))

    def test_kill_of_the_supervisor_loses_nothing(self):
        first = self.worker(ALEX_LEASE="2s")
        jobs = self.servers.submit(*[{"op": "sleep", "ms": 200}] * 20)
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.tasks where state = 'leased'")) >= 4)
        first.kill()
        self.worker(ALEX_LEASE="2s")
        self.wait_open(0, 40)
        self.assert_exactly_once(jobs)
        self.assertEqual(int(self.servers.one(
            "select sum(crashes + failures) from fleet.tasks")), 0)

    def test_handlers_do_not_outlive_a_killed_supervisor(self):
        worker = self.worker()
        self.servers.submit({"op": "sleep", "ms": 30000})
        handlers = self.wait(worker.handlers)
        worker.kill()
        self.wait(lambda: not any(os.path.exists(f"/proc/{pid}/exe")
                                  for pid in handlers), 3)

    def test_suspended_supervisor_has_no_second_effect(self):
        sleeper = self.worker(ALEX_LEASE="2s", ALEX_CONCURRENCY="2")
        jobs = self.servers.submit(*[{"op": "sleep", "ms": 800}] * 4)
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.tasks where state = 'leased'")) >= 2)
        os.kill(sleeper.pid, signal.SIGSTOP)
        self.worker(ALEX_LEASE="2s")
        self.wait_open(0, 30)
        os.kill(sleeper.pid, signal.SIGCONT)
        more = self.servers.submit(*[{"op": "noop"}] * 20)
        self.wait_open(0, 30)
        self.assert_exactly_once(jobs + more)
        self.wait_quiet(15)
        self.assertIsNone(sleeper.process.poll())

    def test_lost_lease_kills_the_handler(self):
        worker = self.worker(ALEX_LEASE="2s", ALEX_CONCURRENCY="1")
        job, = self.servers.submit({"op": "sleep", "ms": 30000})
        self.wait_state(job, "leased")
        before = self.wait(worker.handlers)
        self.servers.sql("update fleet.tasks set fence = fence + 1, "
                         "lease_owner = gen_random_uuid()")
        self.wait(lambda: not set(before) & set(worker.handlers()), 5)
        self.assertIn("lease lost", worker.log())
        self.assertEqual(self.servers.events(job, "crashed"), 0)

    def test_wiped_queue_loses_no_task(self):
        self.worker(ALEX_CONCURRENCY="2", ALEX_LEASE="60s")
        jobs = self.servers.submit(*[{"op": "sleep", "ms": 100}] * 40)
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.tasks where state = 'succeeded'")) >= 4)
        self.servers.redis("flushall")
        self.wait_open(0, 30)
        self.assert_exactly_once(jobs)

    def test_restarted_store_loses_no_result(self):
        self.worker(ALEX_LEASE="6s")
        jobs = self.servers.submit(*[{"op": "sleep", "ms": 100}] * 60)
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.tasks where state = 'succeeded'")) >= 4)
        self.servers.tool("restart", "postgres", "--hard")
        self.wait_open(0, 60)
        self.assert_exactly_once(jobs)
        self.assertEqual(int(self.servers.one(
            "select sum(crashes + failures) from fleet.tasks")), 0)

    def test_restarted_queue_loses_no_task(self):
        self.worker()
        jobs = self.servers.submit(*[{"op": "fan", "width": 4,
                                      "join": True}] * 30)
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.tasks where state = 'succeeded'")) >= 4)
        self.servers.tool("restart", "redis", "--hard")
        self.wait_open(0, 90)
        self.assert_exactly_once(jobs)

    def test_store_that_is_away_costs_a_held_task_nothing(self):
        self.worker(ALEX_LEASE="30s")
        job, = self.servers.submit({"op": "sleep", "ms": 1000})
        self.wait_state(job, "leased")
        self.servers.tool("stop", "--only", "postgres", "--keep")
        time.sleep(2)
        self.servers.tool("start")
        self.wait_status(job, limit_s=30)
        self.assertEqual(self.servers.events(job, "claimed"), 1)
        self.wait_quiet()

    def test_wrong_password_is_said_and_ends_with_70(self):
        url = self.servers.env["ALEX_WORKER_STORE_URL"]
        head, tail = url.split("@", 1)
        worker = self.worker(ALEX_STORE_URL=f"{head}x@{tail}",
                             ALEX_GRACE="1s")
        self.assertEqual(worker.process.wait(10), 70)
        self.assertIn("password", worker.log())
        self.assertNotIn(head.rsplit(":", 1)[1], worker.log())


if __name__ == "__main__":
    fleet.main()
