"""Doorbells: what claim answers, what comes back, what rings again and when."""
import uuid

import engine
from engine import LEASE_MS, bell, rung, task_id


class Verdicts(engine.EngineTest):
    def test_claim_takes_due_retries_and_expired_leases(self):
        job = self.submit()[0]
        self.a.end(self.a.run(job), "retry", after_ms=30000)
        verdict = self.a.claim(bell(job))[0]
        self.assertEqual(verdict["verdict"], "later")
        self.assertLessEqual(verdict["until_ms"], 30000)
        self.assertGreater(verdict["until_ms"], 20000)
        self.make_due(job)
        self.a.run(job)
        self.assertEqual(self.b.claim(bell(job))[0]["verdict"], "busy")
        self.expire(job)
        self.assertEqual(self.b.run(job)["fence"], 3)

    def test_blocked_bell_waits_for_its_needs(self):
        job = self.job("a", "b<a")
        verdict = self.a.claim(bell(job, "b"), agent="bench")[0]
        self.assertEqual(verdict["verdict"], "blocked")
        self.assertEqual(self.task(job, "b", "state, fence"), ("blocked", "0"))

    def test_bell_in_a_wrong_queue_rings_in_the_right_one(self):
        job = self.submit(trace="00-0af7651916cd43dd8448eb211c80319c-"
                                "b7ad6b7169203331-01")[0]
        verdict = self.a.claim(bell(job), agent="reporter")[0]
        self.assertEqual(verdict["verdict"], "wrong_agent")
        self.assertEqual(verdict["ring"], [{
            "agent": "planner", "job": job, "task": task_id(job, "plan"),
            "trace": "00-0af7651916cd43dd8448eb211c80319c-"
                     "b7ad6b7169203331-01"}])

    def test_unknown_job_and_task_are_unknown(self):
        job = self.submit()[0]
        words = [v["verdict"] for v in self.a.claim(
            bell(str(uuid.uuid4())), bell(job, "nonsense"))]
        self.assertEqual(words, ["unknown", "unknown"])

    def test_bare_job_bell_runs_the_root(self):
        job = self.submit(node="root")[0]
        verdict = self.a.claim(bell(job))[0]
        self.assertEqual((verdict["verdict"], verdict["task"],
                          verdict["node"]),
                         ("run", task_id(job, "root"), "root"))

    def upstream(self, status="pending", age="0 s"):
        job = str(uuid.uuid4())
        self.sql("insert into jobs (id, clerk_user_id, job_type, status, "
                 f"created_at) values ('{job}', '{engine.USER}', "
                 f"'portfolio_analysis', '{status}', "
                 f"now() - interval '{age}')")
        return job

    def test_upstream_job_is_adopted(self):
        job = self.upstream()
        for _ in "12":
            verdict = self.a.claim({**bell(job), "intake": True})[0]
            self.assertEqual((verdict["verdict"], rung(verdict)),
                             ("adopted", [task_id(job, "plan")]))
            self.assertEqual(self.task(job, "plan"), "ready")
        run = self.a.run(job)
        self.assertEqual(self.value("status from jobs"), "running")
        verdict = self.b.claim({**bell(job), "intake": True})[0]
        self.assertEqual((verdict["verdict"], verdict["ring"]),
                         ("adopted", []))
        self.a.end(run)
        self.assertEqual(self.value("status from jobs"), "completed")
        self.assertSound()

    def test_upstream_job_runs_without_an_intake(self):
        job = self.upstream()
        rows = self.a.call("claim", self.a.claiming([bell(job)]))
        head, body = rows[1]
        self.assertEqual((head["verdict"], head["task"]),
                         ("run", task_id(job, "plan")))
        self.assertIn(f'"user":"{engine.USER}"', body)
        self.assertSound()

    def test_upstream_job_that_is_over_is_not_adopted(self):
        for status, word in (("completed", "succeeded"), ("failed", "dead")):
            job = self.upstream(status)
            self.assertEqual(self.a.claim(bell(job))[0]["verdict"], word)
        self.assertEqual(self.value("count(*) from fleet.runs"), "0")

    def test_reap_adopts_what_upstream_never_announced(self):
        old, new = self.upstream(age="3 min"), self.upstream(age="1 min")
        self.assertEqual(self.reap()[1], [])
        head, rings = self.reap(adopt=True)
        self.assertEqual((head["moved"], rings), (1, [task_id(old, "plan")]))
        self.assertEqual(self.value(f"count(*) from fleet.runs "
                                    f"where job_id = '{new}'"), "0")


class Beats(engine.EngineTest):
    def test_beat_hands_back_what_is_not_held_uncharged(self):
        job = self.job("a", "b")
        held, lost = self.a.run(job, "a"), self.a.run(job, "b")
        others = self.b.run(self.submit()[0])
        head, verdict = self.a.beat(held)
        self.assertEqual((head["returned"], rung(head)), (1, [lost["task"]]))
        self.assertEqual(verdict["verdict"], "ok")
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "a": "leased", "b": "ready"})
        self.assertEqual(self.b.beat(others)[1]["verdict"], "ok")
        run = self.b.run(job, "b")
        self.assertEqual((run["attempt"], run["fence"], run["alone"]),
                         (1, 2, False))
        self.assertEqual(self.task(job, "b", "failures, crashes, losses"),
                         ("0", "0", "0"))
        self.assertEqual(self.a.end(lost)["verdict"], "stale")

    def test_claims_in_flight_are_not_handed_back(self):
        job = self.submit()[0]
        received = bell(job)
        self.a.claim(received)
        head = self.a.beat(flight=[str(uuid.uuid4()), received["n"]])[0]
        self.assertEqual((head["returned"], head["ring"]), (0, []))
        self.assertEqual(self.task(job, "plan"), "leased")
        self.assertEqual(self.a.beat()[0]["returned"], 1)
        self.assertEqual(self.task(job, "plan"), "ready")

    def test_a_handed_back_run_may_still_settle(self):
        job = self.submit()[0]
        run = self.a.run(job)
        self.a.beat()
        self.assertEqual(self.a.end(run)["verdict"], "applied")
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()


class Wakes(engine.EngineTest):
    def wakes(self, job=None):
        """wake_ms of every function that has one, by a worker with nothing."""
        unknown = str(uuid.uuid4())
        return [head["wake_ms"] for head in (
            self.b.call("claim", self.b.claiming([bell(job or unknown)]))[0][0],
            self.b.call("settle", self.b.settling())[0][0],
            self.b.beat()[0], self.reap()[0])]

    def test_idle_wake_is_null(self):
        self.assertEqual(self.wakes(), [None] * 4)
        job = self.submit()[0]
        run = self.a.run(job, lease_ms=600000)
        wakes = self.wakes(job)
        for wake in wakes[:3]:
            self.assertLessEqual(wake, 60000)
        self.assertGreater(wakes[3], 500000)
        self.a.end(run)
        self.assertEqual(self.wakes(), [None] * 4)

    def test_wake_is_due_when_a_lease_ends(self):
        job = self.submit()[0]
        head = self.a.call("claim", self.a.claiming(
            [bell(job)], lease_ms=20000))[0][0]
        self.assertLessEqual(head["wake_ms"], 20000)
        wake = self.reap()[0]["wake_ms"]
        self.assertLessEqual(wake, 20000)
        self.assertGreater(wake, 10000)
        self.expire(job)
        head, rings = self.reap()
        self.assertEqual((head["moved"], rings), (1, [task_id(job, "plan")]))

    def test_wake_is_due_with_a_retry(self):
        job = self.submit()[0]
        run = self.a.run(job)
        head = self.a.call("settle", self.a.settling(
            engine.outcome(run, "retry", after_ms=40000)))[0][0]
        self.assertLessEqual(head["wake_ms"], 40000)
        self.assertGreater(head["wake_ms"], 20000)

    def test_wake_is_due_with_a_deadline(self):
        self.job("a", deadline_ms=25000)
        wake = self.reap()[0]["wake_ms"]
        self.assertLessEqual(wake, 25000)
        self.assertGreater(wake, 10000)


class Rings(engine.EngineTest):
    def ages(self, job, seconds):
        self.set_task(job, "plan", "rung_at = clock_timestamp() "
                                   f"- interval '{seconds} s'")

    def test_reap_rings_lost_bells_with_backoff(self):
        job = self.submit(deadline_ms=86400000)[0]
        for wait in (30, 60, 120, 240, 480, 900, 900, 900):
            self.ages(job, wait - 3)
            head, rings = self.reap()
            self.assertEqual(rings, [], f"after {wait - 3} s")
            self.assertLessEqual(head["wake_ms"], 3000)
            self.ages(job, wait + 1)
            head, rings = self.reap()
            self.assertEqual((head["rung"], rings),
                             (1, [task_id(job, "plan")]), f"after {wait} s")

    def test_an_empty_queue_rings_at_once(self):
        job = self.submit()[0]
        self.ages(job, 2)
        self.assertEqual(self.reap(depth={"planner": 0})[1], [])
        self.ages(job, 6)
        self.assertEqual(self.reap(depth={"planner": 1, "bench": 0})[1], [])
        self.assertEqual(self.reap(depth={"planner": 0})[1],
                         [task_id(job, "plan")])

    def test_a_due_retry_is_rung(self):
        job = self.submit()[0]
        self.a.end(self.a.run(job), "retry", after_ms=600000)
        self.ages(job, 300)
        self.assertEqual(self.reap()[1], [])
        self.set_task(job, "plan", "next_run_at = clock_timestamp() "
                                   "- interval '31 s'")
        self.assertEqual(self.reap()[1], [task_id(job, "plan")])

    def test_a_held_task_is_not_rung(self):
        job = self.submit()[0]
        self.a.run(job, lease_ms=LEASE_MS)
        self.ages(job, 3600)
        self.assertEqual(self.reap(depth={"planner": 0})[1], [])


if __name__ == "__main__":
    engine.main()
