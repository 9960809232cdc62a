"""Damage is found, mended, and the job then completes; deaths are replayed once,
whoever asks how often."""
import json
import uuid

import engine
from engine import plan, rung, task_id

PLAN = plan("a", "b<a", "c<a,b")


class Mending(engine.EngineTest):
    def planned(self, *finished):
        """A job with tasks a, b (needs a) and c (needs both)."""
        job = self.submit()[0]
        self.a.end(self.a.run(job), output=PLAN)
        self.a.finish(job, *finished)
        self.assertSound()
        return job

    def mend(self, job, rule):
        """Finds what breaks this rule, mends it; the rows of fsck."""
        self.assertIn(rule, {row["rule"] for row in self.fsck()[1]})
        head, rows = self.fsck(repair=True)
        self.assertEqual([r for r in rows if not r["repaired"]], [])
        self.assertEqual(head["repaired"], len(rows))
        self.assertSound()
        return head

    def work(self, job):
        """Runs what is ready until the job is over."""
        for _ in range(20):
            ready = [row[0] for row in self.sql(
                "select node from fleet.tasks where state = 'ready' "
                f"and job_id = '{job}' order by node")]
            if not ready:
                break
            for node in ready:
                self.a.end(self.a.run(job, node),
                           output=PLAN if node == "plan" else {})

    def assertCompletes(self, job):
        self.work(job)
        self.assertEqual(self.run_of(job), "completed")
        self.assertEqual(self.value(f"status from jobs where id = '{job}'"),
                         "completed")
        self.assertSound()

    def check(self, rule, damage, *finished):
        job = self.planned(*finished)
        self.sql(damage.format(job=job, **{n: task_id(job, n)
                                           for n in ("plan", "a", "b", "c")}))
        self.mend(job, rule)
        self.assertCompletes(job)
        return job

    def test_wrong_count_of_open_tasks_is_counted_again(self):
        self.check("open count", "update fleet.runs set open = 9")

    def test_wrong_count_of_failures_is_counted_again(self):
        self.check("bad count", "update fleet.runs set bad = 1")

    def test_run_that_says_it_ended_goes_on(self):
        self.check("ended", "update fleet.runs set state = 'completed', "
                   "ended_at = clock_timestamp()")

    def test_job_that_says_it_completed_goes_on(self):
        self.check("status", "update jobs set status = 'completed'")

    def test_ready_task_without_a_ring_is_rung(self):
        self.check("no ring", "update fleet.tasks set rung_at = null "
                   "where id = '{a}'")

    def test_lease_that_nobody_ended_is_ended(self):
        self.check("lease", "update fleet.tasks set state = 'leased', "
                   "fence = 1, lease_until = clock_timestamp() - interval "
                   "'1 h' where id = '{a}'")

    def test_task_that_waits_for_too_many_waits_for_what_it_needs(self):
        self.check("unmet", "update fleet.tasks set unmet = 7 "
                   "where id = '{c}'")

    def test_task_that_waits_for_nothing_becomes_ready(self):
        self.check("unmet", "update fleet.tasks set state = 'blocked', "
                   "unmet = 1 where id = '{b}'", "a")

    def test_task_that_is_gone_is_made_again_from_its_plan(self):
        job = self.check("needs", "delete from fleet.tasks where id = '{a}'")
        self.assertEqual(self.events(job, "succeeded"), 4)

    def test_task_that_is_gone_with_its_result_runs_again(self):
        self.check("needs", "delete from fleet.tasks where id = '{a}'", "a")

    def test_task_without_its_result_runs_again_before_who_needs_it(self):
        job = self.planned("a")
        self.sql("delete from fleet.results where task_id = "
                 f"'{task_id(job, 'a')}'")
        head = self.mend(job, "result")
        self.assertEqual(rung(head), [task_id(job, "a")])
        self.assertEqual(self.task(job, "b"), "blocked")
        self.assertCompletes(job)

    def test_completed_job_without_a_result_completes_again(self):
        job = self.planned("a", "b", "c")
        self.sql("delete from fleet.results where task_id = "
                 f"'{task_id(job, 'c')}'")
        self.mend(job, "result")
        self.assertEqual(self.states(job)["b"], "succeeded")
        self.assertCompletes(job)
        self.assertEqual(self.run_of(job, "generation"), "2")

    def test_result_of_a_task_that_has_not_succeeded_goes(self):
        self.check("result", "insert into fleet.results (task_id, job_id, "
                   "fence, output) values ('{a}', '{job}', 1, '{{}}')")

    def test_result_of_no_task_goes(self):
        self.check("orphan result", "insert into fleet.results (task_id, "
                   "job_id, fence, output) values (gen_random_uuid(), "
                   "'{job}', 1, '{{}}')")

    def test_answer_of_no_task_goes(self):
        self.check("orphan checkpoint", "insert into fleet.checkpoints values "
                   "(gen_random_uuid(), 0, 'x', 'y')")

    def test_run_that_is_gone_is_made_again_from_its_tasks(self):
        self.check("orphan task", "delete from fleet.runs", "a")

    def test_run_of_a_completed_job_that_is_gone_is_made_again(self):
        job = self.planned("a", "b", "c")
        self.sql("delete from fleet.runs")
        self.mend(job, "orphan task")
        self.assertEqual(self.run_of(job), "completed")

    def test_root_that_is_not_the_runs_is_found_again(self):
        self.check("root", "update fleet.runs set root_task = "
                   "gen_random_uuid()")

    def test_run_without_any_task_starts_anew(self):
        job = self.submit()[0]
        self.sql("delete from fleet.tasks")
        self.mend(job, "root")
        self.assertCompletes(job)

    def test_run_of_a_job_that_is_gone_goes(self):
        job = self.planned()
        self.sql("delete from jobs")
        self.mend(job, "orphan run")
        self.assertEqual(self.value("count(*) from fleet.tasks"), "0")

    def test_end_that_nobody_noticed_is_joined(self):
        job = self.planned("a", "b", "c")
        self.sql("delete from fleet.events where kind = 'job_completed'")
        self.mend(job, "join")
        self.assertEqual(self.events(job, "job_completed"), 1)

    def test_history_is_not_mended_and_says_so(self):
        job = self.planned("a", "b", "c")
        self.sql("insert into fleet.events select * from fleet.events "
                 "where kind in ('job_completed', 'succeeded')")
        head, rows = self.fsck(repair=True)
        self.assertEqual({r["rule"] for r in rows}, {"join", "twice"})
        self.assertEqual(head["repaired"], 0)
        for row in rows:
            self.assertIn("nothing mends", row["advice"])
        self.assertEqual(self.run_of(job), "completed")

    def test_planner_without_its_result_is_left_and_says_so(self):
        job = self.planned("a")
        self.sql("delete from fleet.results where task_id = "
                 f"'{task_id(job, 'plan')}'")
        row, = self.fsck(repair=True)[1]
        self.assertEqual((row["rule"], row["repaired"]), ("result", False))
        self.assertIn("submit it again", row["advice"])

    def test_need_that_no_plan_knows_keeps_its_task_waiting(self):
        job = self.planned("a", "b")
        self.sql("update fleet.tasks set state = 'blocked', unmet = 1, "
                 f"needs = '{{a,b,x}}' where id = '{task_id(job, 'c')}'")
        row, = self.fsck(repair=True)[1]
        self.assertEqual((row["rule"], row["repaired"]), ("needs", False))
        self.assertEqual(self.task(job, "c"), "blocked")


class Replaying(engine.EngineTest):
    def dead(self, *nodes):
        """A job of which these nodes died."""
        job = self.job(*nodes)
        for node in nodes:
            if "<" not in node:
                self.a.end(self.a.run(job, node), "dead")
        self.assertEqual(self.run_of(job), "failed")
        return job

    def listed(self, **filters):
        rows = self.look.call("dead", {"v": 1, **filters})
        return [head for head, _ in rows[1:]]

    def replay(self, deaths, session=None, **more):
        """Verdict of each, in the order of the deaths."""
        request = {"v": 1, "tasks": [d["task"] for d in deaths],
                   "fences": [d["fence"] for d in deaths], "by": "test",
                   **more}
        rows = (session or self.look).call("replay", request)
        by_task = {head["task"]: head for head, _ in rows[1:]}
        return [by_task[d["task"]] for d in deaths]

    def test_death_that_was_replayed_since_it_was_listed_stays(self):
        job = self.dead("a")
        deaths = self.listed()
        self.assertEqual(self.replay(deaths)[0]["verdict"], "replayed")
        self.a.end(self.a.run(job, "a"), "dead")
        self.assertEqual(self.replay(deaths)[0]["verdict"], "moved")
        self.assertEqual(self.task(job, "a"), "dead")
        self.assertEqual(self.value("count(*) from fleet.replays"), "1")

    def test_replay_that_waited_for_another_does_nothing(self):
        self.dead("a")
        deaths = self.listed()
        self.a.send("begin")
        self.a.answer()
        self.assertEqual(self.replay(deaths, self.a)[0]["verdict"], "replayed")
        self.b.send_call("replay", {
            "v": 1, "tasks": [deaths[0]["task"]],
            "fences": [deaths[0]["fence"]], "by": "b"})
        self.await_lock()
        self.a.sql("commit")
        self.assertEqual(self.b.rows()[1][0]["verdict"], "moved")
        self.assertEqual(self.value("count(*) from fleet.replays"), "1")
        self.assertSound()

    def test_repeated_replay_gets_the_same_bells(self):
        self.dead("a")
        deaths, batch = self.listed(), str(uuid.uuid4())
        first = self.replay(deaths, batch=batch)
        self.assertEqual(rung(first[0]), [deaths[0]["task"]])
        self.assertEqual(self.replay(deaths, batch=batch), first)
        self.assertEqual(self.value("count(*) from fleet.replays"), "1")

    def test_deadline_is_as_long_as_before_or_as_asked_for(self):
        job = self.dead("a")
        self.replay(self.listed())
        left = "extract(epoch from deadline_at - clock_timestamp())"
        self.assertAlmostEqual(float(self.run_of(job, left)), 3600, delta=60)
        self.pass_deadline(job)
        self.reap()
        death, = self.listed()
        self.assertEqual((death["class"], death["verdict"]),
                         ("deadline", "deadline"))
        self.assertEqual(self.replay([death])[0]["verdict"], "deadline")
        self.assertEqual(self.replay([death], extend_ms=7200000)[0]["verdict"],
                         "replayed")
        self.assertAlmostEqual(float(self.run_of(job, left)), 7200, delta=60)
        self.a.finish(job, "a")
        self.assertEqual(self.run_of(job), "completed")

    def test_lost_input_is_seen_before_a_worker_fails_of_it(self):
        job = self.job("a", "b<a")
        self.a.finish(job, "a")
        self.a.end(self.a.run(job, "b"), "dead")
        self.assertEqual(self.listed()[0]["verdict"], "would_run")
        self.sql("delete from fleet.results where task_id = "
                 f"'{task_id(job, 'a')}'")
        death, = self.listed()
        self.assertEqual(death["verdict"], "invalid_input")
        self.assertEqual(self.replay([death])[0]["verdict"], "invalid_input")

    def test_task_that_needs_a_dead_one_waits_for_its_replay(self):
        job = self.job("a", "b<a")
        self.a.finish(job, "a")
        self.a.end(self.a.run(job, "b"), "dead")
        self.set_task(job, "a", "state = 'dead'")
        self.sql("update fleet.runs set bad = 2")
        both = {d["node"]: d for d in self.listed()}
        self.assertEqual(self.replay([both["b"]])[0]["verdict"], "needs")
        self.assertEqual({r["verdict"] for r in self.replay(both.values())},
                         {"replayed"})
        self.assertEqual(self.states(job)["b"], "blocked")

    def test_pages_of_deaths_are_disjoint_and_complete(self):
        jobs = [self.dead("a", "b", "c") for _ in range(4)]
        seen, after = [], None
        while True:
            rows = self.look.call("dead", {"v": 1, "limit": 5,
                                           "after": after})
            seen += [head["task"] for head, _ in rows[1:]]
            after = rows[0][0]["next"]
            if after is None:
                break
        self.assertEqual(sorted(seen), sorted(
            task_id(job, node) for job in jobs for node in "abc"))

    def test_filters_see_the_death_a_replay_was_for(self):
        job = self.dead("a")
        self.replay(self.listed())
        self.a.finish(job, "a")
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.listed(replayed=True, **{"class": "other"}), [])
        seen, = self.listed(replayed=True, **{"class": "test"})
        self.assertEqual((seen["verdict"], seen["replays"]), ("succeeded", 1))

    def test_dismissed_death_comes_back_with_the_next(self):
        job = self.dead("a")
        task = task_id(job, "a")
        request = {"v": 1, "tasks": [task], "by": "test"}
        self.assertEqual(self.look.call("dismiss", request)[1][0]["verdict"],
                         "dismissed")
        self.assertEqual(self.listed(), [])
        death, = self.listed(dismissed=True)
        self.assertTrue(death["dismissed"])
        self.replay([death])
        self.a.end(self.a.run(job, "a"), "dead")
        self.assertEqual([d["task"] for d in self.listed()], [task])

    def test_detail_has_the_lineage_oldest_first(self):
        job = self.dead("a")
        for by in ("anna", "bert"):
            self.replay(self.listed(), by=by)
            self.a.end(self.a.run(job, "a"), "dead")
        shown, = self.listed(detail=True)
        self.assertEqual([(r["by"], r["class"]) for r in shown["lineage"]],
                         [("anna", "test"), ("bert", "test")])
        self.assertEqual(json.loads(shown["params"]), {})


if __name__ == "__main__":
    engine.main()
