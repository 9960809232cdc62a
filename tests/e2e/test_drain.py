"""SIGTERM: nothing is charged, and what is left is handed back at once."""
import os
import signal
import time

import fleet


class Drain(fleet.FleetCase):
    def charges(self):
        return [int(n) for n in self.servers.sql(
            "select sum(failures), sum(crashes), sum(losses) "
            "from fleet.tasks")[0]]

    def wait_leased(self, count):
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.tasks where state = 'leased'"))
            >= count)

    def test_idle_worker_stops_at_once(self):
        worker = self.worker(ALEX_GRACE="25s")
        self.wait(lambda: "working" in worker.log())
        time.sleep(0.5)
        code, took_s = worker.stop()
        self.assertEqual(code, 0)
        self.assertLess(took_s, 1)

    def test_running_tasks_may_end_within_the_grace(self):
        worker = self.worker(ALEX_GRACE="10s")
        jobs = self.servers.submit(*[{"op": "sleep", "ms": 1500}] * 4)
        self.wait_leased(4)
        time.sleep(0.3)
        code, took_s = worker.stop()
        self.assertEqual(code, 0)
        self.assertLess(took_s, 5)
        for job in jobs:
            self.assertEqual(self.servers.task(job)["state"], "succeeded")

    def test_rest_is_handed_back_within_a_second_of_the_grace(self):
        worker = self.worker(ALEX_GRACE="1s", ALEX_LEASE="60s")
        self.servers.submit(*[{"op": "sleep", "ms": 30000}] * 10)
        self.wait_leased(8)
        time.sleep(0.3)
        code, took_s = worker.stop()
        self.assertEqual(code, 0)
        self.assertGreater(took_s, 0.9)
        self.assertLess(took_s, 2)
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.tasks where state <> 'ready'")), 0)
        self.assertEqual(self.charges(), [0, 0, 0])
        # Nobody has to wait for a lease or a visibility time-out.
        self.assertEqual(self.servers.redis(
            "xpending {alex-bench}:stream fleet")[0], "0")
        self.assertEqual(self.servers.pending(), 10)

    def test_parked_tasks_are_handed_back_at_once(self):
        worker = self.worker(ALEX_GRACE="20s", ALEX_LEASE="60s")
        self.servers.submit(*[{"op": "ask", "delay_ms": 60000}] * 30)
        self.wait_leased(30)
        time.sleep(0.5)
        code, took_s = worker.stop()
        self.assertEqual(code, 0)
        self.assertLess(took_s, 2)
        self.assertEqual(self.charges(), [0, 0, 0])
        self.assertEqual(int(self.servers.one(
            "select count(*) from fleet.tasks where state <> 'ready'")), 0)

    def test_another_worker_goes_on_with_what_was_handed_back(self):
        first = self.worker(ALEX_GRACE="0s", ALEX_LEASE="60s")
        jobs = self.servers.submit(*[{"op": "sleep", "ms": 700}] * 12)
        self.wait_leased(8)
        first.stop()
        self.worker(ALEX_LEASE="60s")
        for job in jobs:
            self.wait_status(job)
        self.assertEqual(self.charges(), [0, 0, 0])
        self.wait_quiet()

    def test_second_signal_ends_at_once(self):
        worker = self.worker(ALEX_GRACE="30s")
        self.servers.submit({"op": "sleep", "ms": 30000})
        self.wait_leased(1)
        time.sleep(0.3)
        handlers = worker.handlers()
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        code, took_s = worker.stop(signal.SIGTERM)
        self.assertEqual(code, 128 + signal.SIGTERM)
        self.assertLess(took_s, 1)
        self.wait(lambda: not any(os.path.exists(f"/proc/{pid}/exe")
                                  for pid in handlers), 2,
                  "no handler outlives its supervisor")

    def test_store_that_hangs_does_not_delay_the_end(self):
        worker = self.worker(ALEX_GRACE="1s", ALEX_LEASE="60s")
        self.servers.submit(*[{"op": "sleep", "ms": 30000}] * 4)
        self.wait_leased(4)
        pids = [int(pid) for pid, in self.servers.sql(
            "select pid from pg_stat_activity where application_name = "
            "'alex-bench'")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            _, took_s = worker.stop()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        self.assertLess(took_s, 2.5)


if __name__ == "__main__":
    fleet.main()
