"""Whatever is sent, received or run twice happens once."""
import uuid

import engine
from engine import bell, outcome, plan, rung, task_id


class Once(engine.EngineTest):
    def test_two_bells_of_one_task_run_once(self):
        job = self.submit()[0]
        bells = [bell(job, "plan"), bell(job), bell(job, "plan")]
        words = [v["verdict"] for v in self.a.claim(*bells)]
        self.assertEqual(sorted(words), ["busy", "busy", "run"])
        self.assertEqual(self.task(job, "plan", "fence"), "1")
        self.assertEqual(self.events(job, "claimed"), 1)

    def test_repeated_claim_gets_the_same_run(self):
        job = self.submit()[0]
        request = self.a.claiming([bell(job, "plan")])
        first, again = (self.a.call("claim", request)[1] for _ in "12")
        for head, _ in (first, again):
            self.assertEqual(head["verdict"], "run")
            self.assertGreater(head.pop("deadline_ms"), 3590000)
        self.assertEqual(again, first)
        self.assertIsNotNone(again[1])
        self.assertEqual(self.events(job, "claimed"), 1)
        self.assertEqual(self.task(job, "plan", "losses, fence"), ("0", "1"))

    def test_repeated_claim_after_the_lease_ended_is_charged_nothing(self):
        job = self.submit()[0]
        one = bell(job, "plan")
        first = self.a.claim(one)[0]
        self.expire(job)
        again = self.a.claim(one)[0]
        self.assertEqual((again["verdict"], again["fence"]),
                         ("run", first["fence"]))
        self.assertEqual(self.task(job, "plan", "losses"), "0")

    def test_repeated_claim_beside_a_duplicate_keeps_its_run(self):
        job = self.submit()[0]
        one = bell(job, "plan")
        first = self.a.claim(one)[0]
        self.expire(job)
        duplicate, again = self.a.claim(bell(job, "plan"), one)
        self.assertEqual(duplicate["verdict"], "busy")
        self.assertEqual((again["verdict"], again["fence"]),
                         ("run", first["fence"]))
        self.assertEqual(self.task(job, "plan", "losses"), "0")

    def test_another_bell_does_not_share_a_lease(self):
        job = self.submit()[0]
        one = bell(job, "plan")
        self.a.claim(one)
        for worker, received in ((self.a, bell(job, "plan")), (self.b, one)):
            verdict = worker.claim(received)[0]
            self.assertEqual(verdict["verdict"], "busy")
            self.assertLessEqual(verdict["until_ms"], engine.LEASE_MS)
            self.assertGreater(verdict["until_ms"], engine.LEASE_MS - 10000)

    def test_a_plan_under_a_lost_lease_does_not_spoil_the_next_ones(self):
        job = self.submit()[0]
        first = self.a.run(job)
        self.expire(job)
        second = self.a.run(job)
        planned = {"output": plan("report")}
        verdicts = self.a.settle(outcome(first, **planned),
                                 outcome(second, **planned))
        self.assertEqual([v["verdict"] for v in verdicts],
                         ["stale", "applied"])
        self.assertEqual(self.states(job),
                         {"plan": "succeeded", "report": "ready"})
        self.assertSound()

    def test_repeated_settle_gets_the_same_bells(self):
        job = self.submit()[0]
        done = outcome(self.a.run(job), output=plan("a", "b", "c<a,b"))
        first, again = (self.a.settle(done)[0] for _ in "12")
        self.assertEqual(first["verdict"], "applied")
        self.assertEqual(rung(first),
                         sorted(task_id(job, node) for node in "ab"))
        self.assertEqual(again, first)
        self.assertEqual(self.events(job, "succeeded"), 1)
        self.assertEqual(self.run_of(job, "open"), "3")
        self.assertSound()

    def test_repeated_retry_is_charged_once(self):
        job = self.submit()[0]
        failed = outcome(self.a.run(job), "retry", after_ms=20000)
        first, again = (self.a.settle(failed)[0] for _ in "12")
        for reply in (first, again):
            self.assertEqual((reply["verdict"], reply["state"]),
                             ("applied", "retry_wait"))
            self.assertLessEqual(reply["again_ms"], 20000)
            self.assertGreater(reply["again_ms"], 15000)
        self.assertEqual(self.task(job, "plan", "failures"), "1")

    def test_repeated_settle_rings_only_what_is_still_ready(self):
        job = self.job("a", "b<a")
        done = outcome(self.a.run(job, "a"))
        self.a.settle(done)
        self.b.finish(job, "b")
        again = self.a.settle(done)[0]
        self.assertEqual((again["verdict"], again["ring"]), ("applied", []))
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()

    def test_one_outcome_twice_in_a_batch_counts_once(self):
        job = self.job("a", "b")
        done = outcome(self.a.run(job, "a"))
        words = [r["verdict"] for r in self.a.settle(done, done)]
        self.assertEqual(words, ["applied", "applied"])
        self.assertEqual(self.run_of(job, "open"), "1")
        self.assertSound()

    def test_newer_fence_makes_older_stale(self):
        job = self.submit()[0]
        old = self.a.run(job)
        self.expire(job)
        new = self.b.run(job)
        self.assertEqual((old["fence"], new["fence"]), (1, 2))

        reply = self.a.end(old, output=plan("a"))
        self.assertEqual((reply["verdict"], reply["ring"]), ("stale", []))
        self.assertEqual(self.a.beat(old)[1]["verdict"], "lost")
        page = self.a.call("read", {"v": 1, "task": old["task"], "fence": 1,
                                    "what": "input", "from": 0})
        self.assertEqual([head["verdict"] for head, _ in page], ["lost"])
        stored = self.a.call("checkpoint", {"v": 1, "items": [
            {"task": old["task"], "fence": 1, "ordinal": 0,
             "sha256": "0" * 64, "answer": "late"}]})[1][0]
        self.assertEqual(stored["verdict"], "lost")

        self.assertEqual(self.task(job, "plan"), "leased")
        self.assertEqual(self.b.end(new)["verdict"], "applied")
        self.assertEqual(self.a.end(old)["verdict"], "stale")
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()

    def test_older_fence_of_the_same_owner_is_stale(self):
        job = self.submit()[0]
        old = self.a.run(job)
        self.expire(job)
        new = self.a.run(job)
        self.assertEqual(self.a.end(old)["verdict"], "stale")
        self.assertEqual(self.task(job, "plan"), "leased")
        self.assertEqual(self.a.end(new)["verdict"], "applied")

    def test_repeated_interruption_leaves_the_ready_task_alone(self):
        job = self.submit()[0]
        run = self.a.run(job)
        for _ in "12":
            reply = self.a.end(run, "interrupted")
            self.assertEqual((reply["verdict"], reply["state"]),
                             ("applied", "ready"))
        self.assertEqual(self.task(job, "plan", "interruptions"), "1")
        self.assertEqual(self.events(job, "interrupted"), 1)

    def test_only_the_owner_settles(self):
        job = self.submit()[0]
        run = self.a.run(job)
        self.assertEqual(self.b.end(run)["verdict"], "stale")
        self.assertEqual(self.task(job, "plan"), "leased")
        self.assertEqual(self.b.beat(run)[1]["verdict"], "lost")
        self.assertEqual(self.a.end(run)["verdict"], "applied")

    def test_late_settle_of_a_lease_nobody_took_is_applied(self):
        job = self.submit()[0]
        run = self.a.run(job)
        self.expire(job)
        self.reap()
        self.assertEqual(self.task(job, "plan"), "ready")
        self.assertEqual(self.a.end(run)["verdict"], "applied")
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()

    def test_a_data_error_leaves_nothing_behind(self):
        good_job, bad_job = sorted(self.submit(2))
        good, bad = self.a.run(good_job), self.a.run(bad_job)
        for symbol, name in (("A", "x" * 256), ("A" * 21, "x")):
            request = self.a.settling(
                outcome(good, output=plan("a")),
                outcome(bad, output={"instruments": [
                    {"symbol": symbol, "name": name}]}))
            self.assertRefused("22001", self.a.call, "settle", request)
            for job in (good_job, bad_job):
                self.assertEqual(self.states(job), {"plan": "leased"})
                self.assertEqual(self.events(job, "succeeded"), 0)
                self.assertEqual(self.run_of(job, "open"), "1")
        self.assertEqual(self.value("count(*) from fleet.results"), "0")
        self.assertEqual(self.value("count(*) from instruments"), "0")
        self.assertEqual(self.a.end(good)["verdict"], "applied")
        self.a.end(bad, "dead", error={"class": "data", "text": "too long"})
        self.assertEqual(self.run_of(bad_job), "failed")
        self.assertSound()

    def test_first_stored_answer_wins(self):
        job = self.submit()[0]
        run = self.a.run(job)

        def item(answer, sha256="a" * 64):
            return {"v": 1, "items": [
                {"task": run["task"], "fence": run["fence"], "ordinal": 0,
                 "sha256": sha256, "answer": answer}]}

        self.a.sql("begin")
        mine = self.a.call("checkpoint", item("mine"))[1]
        self.b.send_call("checkpoint", item("yours"))
        self.await_lock()
        self.a.sql("commit")
        yours = self.b.rows()[1]
        self.assertEqual((mine[0]["verdict"], mine[1]), ("applied", None))
        self.assertEqual((yours[0]["verdict"], yours[1]), ("applied", "mine"))
        other = self.b.call("checkpoint", item("third", "b" * 64))[1]
        self.assertEqual((other[0]["verdict"], other[1]), ("applied", None))

        self.a.end(run, "interrupted")
        rows = self.b.call("claim", self.b.claiming([bell(job)]))
        self.assertEqual(rows[1][0]["checkpoints"], 2)
        self.assertEqual([(head["sha256"][0], body)
                          for head, body in rows[2:]],
                         [("a", "mine"), ("b", "third")])

    def test_same_key_and_request_is_the_same_job(self):
        job = str(uuid.uuid4())

        def submit(**more):
            item = {"job": job, "user": engine.USER, "type": "bench",
                    "request": {"x": 1}, "snapshot": False, **more}
            return self.look.call("submit", {"v": 1, "jobs": [item]})[1][0]

        created = submit()
        self.assertEqual(created["verdict"], "created")
        self.assertEqual(rung(created), [task_id(job, "plan")])
        again = submit()
        self.assertEqual(again, {**created, "verdict": "existing"})
        self.assertEqual(submit(request={"x": 2})["verdict"], "conflict")
        self.assertEqual(submit(user="nobody")["verdict"], "conflict")
        self.assertEqual(self.value("count(*) from fleet.tasks"), "1")


if __name__ == "__main__":
    engine.main()
