"""Messages of every kind, and what becomes of each."""
import json
import time
import uuid

import fleet

BELL = {"specversion": "1.0", "type": "alex.bell", "source": "alex",
        "id": "1", "data": {"v": 1}}


class Messages(fleet.FleetCase):
    def bell(self, **data):
        return json.dumps({**BELL, "data": {"v": 1, "agent": "bench", **data}})

    def dead_bodies(self):
        return [line for line in
                self.servers.redis("xrange {alex-bench}:dlq - +")]

    def test_messages_that_are_no_bells_are_dead_lettered_bytes_intact(self):
        bad = ["garbage", "{}", '{"job_id":"not-a-uuid"}', "[1,2,3]",
               '{"specversion":"1.0","type":"com.other.event","source":"x",'
               '"id":"1","data":{}}']
        job, = self.servers.submit({"op": "noop"}, ring=False)
        self.servers.ring(*bad, job)
        self.worker()
        self.wait_status(job)
        self.wait(lambda: self.servers.dead_letters() == len(bad))
        self.wait_quiet()
        dead = self.dead_bodies()
        for body in bad:
            self.assertIn(body, dead)

    def test_oversize_message_is_dead_lettered(self):
        self.servers.ring("x" * 70000)
        self.worker()
        self.wait(lambda: self.servers.dead_letters() == 1)
        self.wait_quiet()

    def test_bell_of_a_later_version_waits_for_a_later_worker(self):
        self.servers.ring(json.dumps({**BELL, "data": {
            "v": 99, "agent": "bench", "job": str(uuid.uuid4())}}))
        self.worker()
        self.wait(lambda: self.servers.redis("zcard {alex-bench}:delayed")
                  == ["1"])
        self.assertEqual(self.servers.dead_letters(), 0)

    def test_unknown_job_is_released_once_for_a_minute_then_acked(self):
        self.servers.ring(self.bell(job=str(uuid.uuid4())))
        worker = self.worker()
        self.wait(lambda: self.servers.redis("zcard {alex-bench}:delayed")
                  == ["1"])
        due = float(self.servers.redis(
            "zrange {alex-bench}:delayed 0 0 withscores")[1])
        self.assertAlmostEqual(due / 1000 - time.time(), 60, delta=5)
        # The same message, had it been sent over a minute ago.
        long_ago = int((time.time() - 61) * 1000)
        self.servers.redis("del {alex-bench}:delayed",
                           "xadd {alex-bench}:stream * b "
                           f"{json.dumps(self.bell(job=str(uuid.uuid4())))} "
                           f"t {long_ago} n 1")
        self.wait_quiet()
        self.assertIn("unknown job", worker.log())
        self.assertEqual(self.servers.dead_letters(), 0)

    def test_bell_of_another_agent_is_rung_where_it_belongs(self):
        job, = self.servers.submit({"op": "noop"}, ring=False)
        self.servers.sql("update fleet.tasks set agent = 'other'")
        self.servers.ring(job)
        self.worker()
        self.wait_quiet()
        self.wait(lambda: self.servers.redis("xlen {alex-other}:stream")
                  == ["1"])

    def test_bell_of_a_finished_task_rings_its_ready_dependants(self):
        worker = self.worker()
        job, = self.servers.submit({"op": "fan", "width": 3})
        self.wait_status(job)
        self.wait_quiet()
        worker.kill()
        # As if the fan's settle had committed and its bells had been lost.
        self.servers.sql("update fleet.tasks set state = 'ready', "
                         "lease_owner = null where node like 'plan.%'; "
                         "update fleet.runs set state = 'open', open = 3; "
                         "update jobs set status = 'running'; "
                         "delete from fleet.results where task_id in (select "
                         "id from fleet.tasks where node like 'plan.%')")
        self.servers.ring(job)
        self.worker()
        self.wait_status(job)

    def test_queued_doubles_of_a_running_task_are_not_lost(self):
        job, = self.servers.submit({"op": "sleep", "ms": 1500}, ring=False)
        self.servers.ring(job, job, job)
        self.worker(ALEX_LEASE="2s")
        self.wait_status(job)
        self.assertEqual(self.servers.events(job, "claimed"), 1)
        self.wait_quiet(15)


if __name__ == "__main__":
    fleet.main()
