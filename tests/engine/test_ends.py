"""How tasks and jobs end: budgets, deadlines, cancel, dead branches, replay."""
import engine
from engine import LEASE_MS, bell, outcome, plan, rung, task_id


class Budgets(engine.EngineTest):
    def charges(self, job, node="plan"):
        return tuple(int(n) for n in self.task(
            job, node, "failures, crashes, losses"))

    def lose(self, worker, job):
        """One more lease ends; the run that was lost."""
        run = worker.run(job)
        self.expire(job)
        return run

    def test_expired_lease_counts_as_loss_not_crash(self):
        job = self.submit()[0]
        self.lose(self.a, job)
        run = self.b.run(job)
        self.assertEqual(self.charges(job), (0, 0, 1))
        self.assertEqual((run["attempt"], run["fence"]), (2, 2))
        self.assertEqual(self.events(job, "lost"), 1)

    def test_loss_is_charged_once_whoever_finds_it(self):
        job = self.submit()[0]
        self.lose(self.a, job)
        head, rings = self.reap()
        self.assertEqual((head["moved"], rings), (1, [task_id(job, "plan")]))
        self.b.run(job)
        self.assertEqual(self.charges(job), (0, 0, 1))
        self.assertEqual(self.events(job, "lost"), 1)

    def test_third_crash_quarantines(self):
        job = self.submit()[0]
        for crash in (1, 2):
            reply = self.a.end(self.a.run(job), "crashed")
            self.assertEqual(reply["state"], "retry_wait")
            self.assertLessEqual(reply["again_ms"], 1000)
            self.assertEqual(self.charges(job), (0, crash, 0))
            self.make_due(job)
        reply = self.a.end(self.a.run(job), "crashed")
        self.assertEqual(reply["state"], "quarantined")
        self.assertEqual(self.charges(job), (0, 3, 0))
        self.assertEqual(self.run_of(job), "failed")
        self.assertEqual(self.a.claim(bell(job))[0]["verdict"], "quarantined")
        self.assertSound()

    def test_fifth_failure_is_death(self):
        job = self.submit()[0]
        for failure in range(1, 5):
            reply = self.a.end(self.a.run(job), "retry")
            self.assertEqual(reply["state"], "retry_wait")
            mean_ms = 1000 * 2 ** (failure - 1)
            self.assertLessEqual(reply["again_ms"], 1.25 * mean_ms)
            self.assertGreater(reply["again_ms"], 0.75 * mean_ms - 700)
            self.assertEqual(self.charges(job), (failure, 0, 0))
            self.make_due(job)
        reply = self.a.end(self.a.run(job), "retry",
                           error={"class": "http", "text": "the fifth"})
        self.assertEqual(reply["state"], "dead")
        self.assertEqual(self.run_of(job), "failed")
        status, error = self.sql("select status, error_message from jobs")[0]
        self.assertEqual(status, "failed")
        self.assertIn("http: the fifth", error)
        self.assertSound()

    def test_after_ms_outlasts_the_back_off(self):
        job = self.submit()[0]
        reply = self.a.end(self.a.run(job), "retry", after_ms=90000)
        self.assertLessEqual(reply["again_ms"], 90000)
        self.assertGreater(reply["again_ms"], 80000)

    def test_tenth_loss_is_death_and_the_third_run_is_alone(self):
        job = self.submit()[0]
        alone = [self.lose((self.a, self.b)[loss % 2], job)["alone"]
                 for loss in range(10)]
        self.assertEqual(alone, [False, False] + [True] * 8)
        rows = self.a.call("claim", self.a.claiming([bell(job)]))
        self.assertEqual(rows[1][0]["verdict"], "busy")
        self.assertEqual(rows[0][0]["wake_ms"], 0)
        self.reap()
        self.assertEqual(self.task(job, "plan", "state, losses"),
                         ("dead", "10"))
        self.assertEqual(self.a.claim(bell(job))[0]["verdict"], "dead")
        self.assertEqual(self.run_of(job), "failed")
        self.assertSound()

    def test_deferred_and_interrupted_charge_nothing(self):
        job = self.submit()[0]
        for word in ("deferred", "interrupted") * 12:
            run = self.a.run(job)
            self.assertEqual((run["attempt"], run["alone"]), (1, False))
            reply = self.a.end(run, word, after_ms=5000)
            if word == "deferred":
                self.assertEqual(reply["state"], "retry_wait")
                self.assertLessEqual(reply["again_ms"], 5000)
                self.assertGreater(reply["again_ms"], 1000)
                self.make_due(job)
            else:
                self.assertEqual((reply["state"], reply["again_ms"]),
                                 ("ready", 0))
        self.assertEqual(self.charges(job), (0, 0, 0))
        self.assertEqual(self.a.end(self.a.run(job))["state"], "succeeded")
        self.assertSound()


class Branches(engine.EngineTest):
    def test_dead_optional_need_frees_its_dependant(self):
        job = self.job("a?", "b<a")
        reply = self.a.end(self.a.run(job, "a"), "dead")
        self.assertEqual((reply["state"], rung(reply)),
                         ("dead", [task_id(job, "b")]))
        self.b.finish(job, "b")
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()

    def test_dead_required_need_skips_all_that_waits_for_it(self):
        job = self.job("a", "b<a", "c<b", "d", "e<d,c")
        reply = self.a.end(self.a.run(job, "a"), "dead")
        self.assertEqual(reply["ring"], [])
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "a": "dead", "b": "skipped", "c": "skipped",
            "d": "ready", "e": "skipped"})
        self.assertEqual(self.run_of(job, "state, open"), ("open", "1"))
        self.b.end(self.b.run(job, "d"), output={"report_payload": {"x": 1}})
        self.assertEqual(self.run_of(job), "failed")
        self.assertEqual(self.sql(
            "select status, report_payload from jobs"),
            [["failed", '{"x": 1}']])
        self.assertSound()

    def test_terminal_verdict_rings_ready_dependants(self):
        job = self.job("a?", "b<a", "c?", "d<c", "e<c")
        self.a.settle(outcome(self.a.run(job, "a"), "dead"),
                      outcome(self.a.run(job, "c")))
        verdict = self.b.claim(bell(job, "a"), agent="bench")[0]
        self.assertEqual((verdict["verdict"], rung(verdict)),
                         ("dead", [task_id(job, "b")]))
        verdict = self.b.claim(bell(job, "c"), agent="bench")[0]
        self.assertEqual(verdict["verdict"], "succeeded")
        self.assertEqual(rung(verdict),
                         sorted(task_id(job, node) for node in "de"))
        self.b.run(job, "d")
        verdict = self.b.claim(bell(job, "c"), agent="bench")[0]
        self.assertEqual(rung(verdict), [task_id(job, "e")])

    def test_a_plan_that_cannot_be_carried_out_dies_alone(self):
        circle = plan("a<b", "b<a")
        double = plan("a", "a")
        stranger = plan("a<nobody")
        itself = plan("plan")
        bad = self.submit(4)
        good = self.submit()[0]
        outcomes = [outcome(self.a.run(job), output=output)
                    for job, output in zip([good, *bad], [
                        plan("a"), circle, double, stranger, itself])]
        states = [r["state"] for r in self.a.settle(*outcomes)]
        self.assertEqual(states, ["succeeded"] + ["dead"] * 4)
        for job in bad:
            self.assertEqual(self.states(job), {"plan": "dead"})
        self.assertSound()

    def test_replay_runs_the_dead_branch_alone_under_a_new_generation(self):
        job = self.job("a", "b", "c<a", "d<b")
        self.b.finish(job, "a", "c")
        dead = self.b.run(job, "b")
        self.b.end(dead, "dead")
        self.assertEqual(self.run_of(job, "state, generation"),
                         ("failed", "1"))

        rows = self.look.call("replay", {
            "v": 1, "tasks": [task_id(job, "b")], "by": "test"})
        self.assertEqual(rows[0][0]["replayed"], 2)
        self.assertEqual((rows[1][0]["verdict"], rung(rows[1][0])),
                         ("replayed", [task_id(job, "b")]))
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "a": "succeeded", "b": "ready",
            "c": "succeeded", "d": "blocked"})
        self.assertEqual(self.run_of(job, "state, generation, open, bad"),
                         ("open", "2", "2", "0"))
        self.assertEqual(self.sql("select status, error_message is null, "
                                  "completed_at is null from jobs"),
                         [["running", "t", "t"]])
        self.assertEqual(self.b.end(dead)["verdict"], "stale")
        self.assertEqual(self.task(job, "b"), "ready")
        self.assertSound()

        again = self.a.run(job, "b")
        self.assertGreater(again["fence"], dead["fence"])
        self.assertEqual(again["attempt"], 1)
        self.assertEqual(rung(self.a.end(again)), [task_id(job, "d")])
        self.a.finish(job, "d")
        self.assertEqual(self.run_of(job, "state, generation"),
                         ("completed", "2"))
        self.assertEqual(self.sql(
            "select kind, generation from fleet.events where kind in "
            "('job_completed', 'job_failed') order by generation"),
            [["job_failed", "1"], ["job_completed", "2"]])
        self.assertEqual(self.sql(
            "select count(*) from fleet.events where kind = 'claimed' "
            f"and task_id in ('{task_id(job, 'a')}', '{task_id(job, 'c')}')"),
            [["2"]])
        self.assertSound()


    def test_settle_of_the_run_before_a_replay_is_stale(self):
        job = self.submit()[0]
        old = self.a.run(job)
        self.look.call("cancel", {"v": 1, "job": job, "by": "test"})
        self.expire(job)
        self.reap()
        head = self.look.call("replay", {"v": 1, "job": job, "by": "test",
                                         "cancelled": True})[0]
        self.assertEqual(head[0]["replayed"], 1)
        self.assertEqual(self.a.end(old)["verdict"], "stale")
        self.assertEqual(self.task(job, "plan"), "ready")
        self.a.finish(job, "plan")
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()


class Endings(engine.EngineTest):
    def test_deadline_ends_every_job(self):
        job = self.job("ready", "leased", "waiting", "blocked<leased")
        run = self.a.run(job, "leased")
        self.a.end(self.a.run(job, "waiting"), "retry", after_ms=3600000)
        self.pass_deadline(job)
        self.assertEqual(self.a.beat(run)[1]["verdict"], "cancel")
        verdict = self.b.claim(bell(job, "ready"), agent="bench")[0]
        self.assertEqual(verdict["verdict"], "busy")

        self.reap()
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "ready": "dead", "waiting": "dead",
            "blocked": "skipped", "leased": "leased"})
        self.assertEqual(self.run_of(job, "state, open"), ("open", "1"))
        self.assertEqual(self.a.end(run, "interrupted")["state"], "dead")
        self.assertEqual(self.run_of(job, "state, open"), ("failed", "0"))
        status, error = self.sql("select status, error_message from jobs")[0]
        self.assertEqual(status, "failed")
        self.assertIn("deadline", error)
        self.assertSound()

    def test_deadline_ends_a_job_whose_worker_is_gone(self):
        job = self.submit()[0]
        self.a.run(job)
        self.pass_deadline(job)
        self.reap()
        self.assertEqual(self.task(job, "plan"), "leased")
        self.expire(job)
        self.reap()
        self.assertEqual(self.task(job, "plan"), "dead")
        self.assertEqual(self.run_of(job), "failed")
        self.assertSound()

    def test_late_success_does_not_revive_a_task_that_its_deadline_ended(
            self):
        job = self.submit()[0]
        run = self.a.run(job)
        self.expire(job)
        self.pass_deadline(job)
        self.reap()
        self.assertEqual(self.a.end(run)["verdict"], "stale")
        self.assertEqual(self.task(job, "plan"), "dead")
        self.assertEqual(self.run_of(job), "failed")
        self.assertSound()

    def test_success_past_the_deadline_counts(self):
        job = self.submit()[0]
        run = self.a.run(job)
        self.pass_deadline(job)
        self.assertEqual(self.a.end(run)["state"], "succeeded")
        self.assertEqual(self.run_of(job), "completed")

    def test_cancelled_job_refuses_late_settle(self):
        job = self.job("a", "b<a", "c")
        run = self.a.run(job, "a")
        asked = {"v": 1, "job": job, "by": "test"}
        head = self.look.call("cancel", asked)[0][0]
        self.assertEqual((head["verdict"], head["left"]), ("cancelled", 1))
        self.assertEqual(self.sql("select status, error_message from jobs"),
                         [["failed", "cancelled by user"]])
        self.assertEqual(self.a.beat(run)[1]["verdict"], "cancel")
        reply = self.a.end(run, output={"report_payload": {"late": True}})
        self.assertEqual((reply["verdict"], reply["ring"]), ("cancelled", []))
        self.assertEqual(self.a.end(run)["verdict"], "cancelled")
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "a": "cancelled", "b": "cancelled",
            "c": "cancelled"})
        self.assertEqual(self.run_of(job, "state, open"), ("cancelled", "0"))
        self.assertEqual(self.value("report_payload is null from jobs"), "t")
        self.assertEqual(self.look.call("cancel", asked)[0][0]["verdict"],
                         "already")
        self.assertSound()

    def test_cancelled_job_ends_without_its_worker(self):
        job = self.submit()[0]
        self.a.run(job)
        self.look.call("cancel", {"v": 1, "job": job, "by": "test"})
        self.expire(job)
        self.reap()
        self.assertEqual(self.task(job, "plan"), "cancelled")
        self.assertEqual(self.value("ended_at is not null from fleet.runs"),
                         "t")
        self.assertSound()

    def test_deleted_user_cancels_the_job(self):
        job = self.job("a", "b<a")
        run = self.a.run(job, "a")
        self.sql(f"delete from users where clerk_user_id = '{engine.USER}'")
        rows = self.b.call("claim", self.b.claiming([bell(job, "b")], "bench"))
        self.assertNotEqual(rows[1][0]["verdict"], "run")
        self.reap()
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "a": "leased", "b": "cancelled"})
        self.assertEqual(self.a.beat(run)[1]["verdict"], "cancel")
        self.assertEqual(self.a.end(run)["verdict"], "cancelled")
        verdict = self.b.claim(bell(job, "b"), agent="bench")[0]
        self.assertEqual(verdict["verdict"], "cancelled")
        self.assertEqual(self.run_of(job, "state, open"), ("cancelled", "0"))
        self.assertIsNone(self.reap()[0]["wake_ms"])

    def test_beat_extends_what_is_held_until_the_lease_asked_for(self):
        job = self.submit()[0]
        run = self.a.run(job)
        self.set_task(job, "plan",
                      "lease_until = clock_timestamp() + interval '1 s'")
        self.assertEqual(self.a.beat(run)[1]["verdict"], "ok")
        left = self.value("date_part('epoch', lease_until - "
                          "clock_timestamp()) * 1000 from fleet.tasks")
        self.assertLessEqual(float(left), LEASE_MS)
        self.assertGreater(float(left), LEASE_MS - 10000)


if __name__ == "__main__":
    engine.main()
