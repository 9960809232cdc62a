"""What a handler may answer, and what happens to one that answers otherwise."""
import fleet


class Results(fleet.FleetCase):
    def dies_alone(self, params, says, state="dead"):
        """Its task ends with 'says' in the error; its neighbours succeed."""
        self.worker()
        bad, *good = self.servers.submit(params, *[{"op": "noop"}] * 20)
        for job in good:
            self.wait_status(job)
        self.wait_status(bad, "failed", 30)
        task = self.servers.task(bad)
        self.assertEqual(task["state"], state)
        self.assertIn(says, str(task["error"]))
        self.wait_quiet(15)
        return task

    def raw(self, output):
        return {"op": "raw", "hex": output.hex()}

    def test_result_with_nul_dies_alone(self):
        self.dies_alone(self.raw(b'{"detail":{"a":"x\0y"}}'), "bad_result")

    def test_result_with_escaped_nul_dies_alone(self):
        self.dies_alone(self.raw(b'{"detail":{"a":"\\u0000"}}'), "bad_result")

    def test_result_with_invalid_utf8_dies_alone(self):
        self.dies_alone(self.raw(b'{"detail":{"a":"\xff"}}'), "bad_result")

    def test_result_with_lone_surrogate_dies_alone(self):
        self.dies_alone(self.raw(b'{"detail":{"a":"\\ud800"}}'), "bad_result")

    def test_result_with_number_beyond_numeric_dies_alone(self):
        self.dies_alone(self.raw(b'{"detail":{"a":1e400000}}'), "bad_result")

    def test_result_outside_the_schema_dies_alone(self):
        task = self.dies_alone(
            self.raw(b'{"detail":{},"report_payload":{"content":"mine"}}'),
            "report_payload")
        self.assertEqual(task["crashes"], 0)

    def test_result_that_is_not_json_dies_alone(self):
        self.dies_alone(self.raw(b"Segmentation fault"), "bad_result")

    def test_plan_the_engine_refuses_dies_alone(self):
        self.dies_alone(self.raw(
            b'{"detail":{},"plan":[{"node":"a","agent":"bench","needs":["b"],'
            b'"required":true,"params":{}},{"node":"b","agent":"bench",'
            b'"needs":["a"],"required":true,"params":{}}]}'), "plan")

    def test_batch_the_engine_refuses_is_halved_down_to_the_culprit(self):
        self.servers.sql("alter table fleet.results add constraint poison "
                         "check (output::text not like '%poison%')")
        self.addCleanup(self.servers.sql,
                        "alter table fleet.results drop constraint poison")
        jobs = self.servers.submit(*[{"op": "noop"}] * 40, self.raw(
            b'{"detail":{"a":"poison"}}'), *[{"op": "noop"}] * 40)
        self.worker()
        self.wait_open(0)
        self.wait_quiet()
        states = [self.servers.task(job)["state"] for job in jobs]
        self.assertEqual(states, ["succeeded"] * 40 + ["dead"] +
                         ["succeeded"] * 40)
        self.assertEqual(self.servers.task(jobs[40])["error"]["class"], "data")

    def test_result_of_three_mebibytes_is_stored_whole(self):
        self.worker()
        job, = self.servers.submit({"op": "oversize", "bytes": 3 << 20})
        self.wait_status(job, limit_s=30)
        self.assertEqual(len(self.servers.detail(job)["filler"]), 3 << 20)

    def test_result_over_four_mebibytes_dies_alone(self):
        self.dies_alone({"op": "oversize", "bytes": 5 << 20}, "4194304")

    def test_garbage_frame_is_a_crash_of_its_sender_alone(self):
        task = self.dies_alone({"op": "garbage"}, "frame", "quarantined")
        self.assertEqual(task["crashes"], 3)

    def test_frame_over_the_limit_is_a_crash_of_its_sender_alone(self):
        self.dies_alone({"op": "garbage", "hex": "00ffffff06"}, "16777215",
                        "quarantined")

    def test_throttled_task_waits_without_being_charged(self):
        self.worker()
        job, = self.servers.submit({"op": "retry", "code": 429,
                                    "after_ms": 300})
        self.wait(lambda: self.servers.events(job, "claimed") >= 4, 15)
        task = self.servers.task(job)
        self.assertEqual((task["failures"], task["crashes"], task["losses"]),
                         (0, 0, 0))

    def test_failing_task_is_dead_after_five_tries(self):
        self.worker()
        job, = self.servers.submit({"op": "retry", "text": "no luck"})
        self.servers.sql("update fleet.tasks set failures = 3")
        self.wait_status(job, "failed", 60)
        task = self.servers.task(job)
        self.assertEqual((task["state"], task["failures"]), ("dead", 5))
        self.assertIn("no luck", str(task["error"]))

    def test_progress_of_a_watched_job_is_told_before_the_next_beat(self):
        self.worker(ALEX_LEASE="60s")
        job, = self.servers.submit({"op": "progress", "percent": 42,
                                    "text": "adding", "ms": 8000}, ring=False)
        self.servers.call("status", {"v": 1, "job": job, "watch": True})
        self.servers.ring(job)
        self.wait(lambda: (self.servers.task(job)["progress"] or {}).get(
            "percent") == 42, 4, "progress")
        self.assertEqual(self.servers.task(job)["state"], "leased")


if __name__ == "__main__":
    fleet.main()
