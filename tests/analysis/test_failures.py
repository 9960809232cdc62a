"""Submitters that die, branches that die, keys used twice: what holds then."""
import json
import os
import signal
import subprocess
import time
import uuid

import analysis
from analysis import BUILD, DATA


def setUpModule():
    analysis.start()


class Case(analysis.Case):
    def simple_user(self):
        return self.user([{"name": "Main", "cash": 10,
                           "positions": {"SPY": 2, "BND": 3}}])


class Keys(Case):
    def submit_json(self, user, *words):
        return json.loads(self.submit(user, "--json", *words))

    def test_same_key_and_request_give_the_same_job_once(self):
        user = self.simple_user()
        first = self.submit_json(user, "--idempotency-key", "monday")
        again = self.submit_json(user, "--idempotency-key", "monday")
        self.assertEqual(first["verdict"], "created")
        self.assertEqual(again, {"job": first["job"], "verdict": "existing"})
        self.ended(first["job"])
        later = self.submit_json(user, "--idempotency-key", "monday")
        self.assertEqual(later, again)
        self.assert_quiet()
        self.assertEqual({t["fence"] for t in self.fleet.tasks(
            first["job"]).values()}, {1})
        self.assertEqual(self.jobs_of(user), 1)

    def test_same_key_with_another_request_is_a_conflict(self):
        user = self.simple_user()
        job = self.analyse(user, "--idempotency-key", "monday")
        text = self.fleet.alexctl(
            "submit", "--user", user, "--idempotency-key", "monday",
            "--option", "assumptions=upstream-v1", code=65)
        self.assertIn(job.id, text)
        self.assertIn("another", text)
        self.assertEqual(self.jobs_of(user), 1)
        self.assertEqual(analysis.Job(self.fleet, job.id).row, job.row)

    def test_same_key_of_another_user_is_another_job(self):
        first = self.submit(self.simple_user(), "--idempotency-key", "monday")
        second = self.submit(self.simple_user(), "--idempotency-key", "monday")
        self.assertNotEqual(first, second)
        self.ended(first)
        self.ended(second)

    def test_submitting_for_nobody_is_refused(self):
        text = self.fleet.alexctl("submit", "--user", "nobody", code=65)
        self.assertIn("no user 'nobody'", text)

    def test_type_that_does_not_exist_is_refused(self):
        user = self.simple_user()
        text = self.fleet.alexctl("submit", "--user", user, "--type", "tea",
                                  code=64)
        self.assertIn("retirement_projection", text)
        self.assertEqual(self.jobs_of(user), 0)

    def test_every_type_of_the_api_is_analysed(self):
        user = self.simple_user()
        for kind in ("portfolio_analysis", "rebalance_recommendation",
                     "retirement_projection", "risk_assessment",
                     "tax_optimization", "instrument_research"):
            self.assertEqual(self.analyse(user, "--type", kind).row["job_type"],
                             kind)

    def test_user_that_cannot_be_is_a_usage_error(self):
        for user in ("", "x" * 256, b"\xff".decode(errors="surrogateescape")):
            for command in (["submit"], ["jobs"],
                            ["import", DATA / "plain.csv"]):
                self.assertIn("--user", self.fleet.alexctl(
                    *command, "--user", user, code=64))

    def test_options_that_are_too_long_are_a_usage_error(self):
        self.fleet.alexctl("submit", "--user", self.simple_user(), "--option",
                           "note=" + "x" * 70000, code=64)

    def test_assumptions_that_do_not_exist_fail_the_job_and_are_named(self):
        job = self.ended(self.submit(self.simple_user(), "--option",
                                     "assumptions=wishful"), "failed")
        self.assertIn("retirement", job.error)
        self.assertIn("wishful", job.error)
        self.assertIsNotNone(job.report)

    def jobs_of(self, user):
        return self.fleet.one("select count(*) as n from jobs where "
                              f"clerk_user_id = '{user}'")


class DeadSubmitter(Case):
    def test_submitter_killed_after_its_commit_has_rung_before_it(self):
        user = self.simple_user()
        with self.jobs_locked():
            ctl = subprocess.Popen(
                [BUILD / "tools/alexctl/alexctl", "submit", "--user", user,
                 "--idempotency-key", "killed"], env=self.fleet.env,
                stdout=subprocess.DEVNULL)
            # Its call waits for the lock; nobody is left to hear the answer.
            self.wait(lambda: self.fleet.one(
                "select count(*) as n from pg_stat_activity where wait_event_"
                "type = 'Lock' and query like '%fleet.submit%'") == 1)
            os.kill(ctl.pid, signal.SIGKILL)
            ctl.wait()
        (row,) = self.wait(lambda: self.fleet.rows(
            f"select id from jobs where clerk_user_id = '{user}'"), 5)
        job = row["id"]
        self.assertEqual(self.fleet.tasks(job)["plan"]["state"], "ready")
        self.assertEqual(self.fleet.open_messages(), 0)
        (due_s,) = [due_s for due_s, _, body in self.fleet.delayed()
                    if job.encode() in body]
        self.assertLess(due_s, 31)
        self.fleet.a_minute_later(job=job)
        self.ended(job)
        self.assertEqual(self.submit(user, "--idempotency-key", "killed"), job)

    def jobs_locked(self):
        """While this is open nobody can write jobs."""
        psql = subprocess.Popen(
            ["psql", "-qXAt", self.fleet.env["ALEX_STORE_URL"]], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        psql.stdin.write("begin; lock table jobs in exclusive mode; "
                         "select 'locked';\n")
        psql.stdin.flush()
        self.assertEqual(psql.stdout.readline(), "locked\n")
        return psql

    def test_job_that_nobody_rang_for_is_found_by_reap(self):
        # What submitters send ahead counts as a bell that is on its way.
        self.fleet.redis.call("del", "{alex-planner}:delayed")
        job = str(uuid.uuid4())
        self.fleet.call("submit", {"jobs": [
            {"job": job, "user": self.simple_user(),
             "type": "portfolio_analysis", "request": {}}]})
        started = time.monotonic()

        def reaped():
            self.fleet.alexctl("reap")
            return analysis.Job(self.fleet, job).status == "completed"

        # An empty queue's bell counts as lost after 5 s.
        self.wait(reaped, 10)
        self.assertGreater(time.monotonic() - started, 3)


class DeadBranch(Case):
    def setUp(self):
        super().setUp()
        self.fleet.stop("reporter")
        self.addCleanup(self.have_reporter)

    def have_reporter(self):
        if "reporter" not in self.fleet.workers:
            self.fleet.start("reporter")

    def dead_report(self, **error):
        """A job whose report died, and nothing else."""
        job = self.submit(self.simple_user())
        hand = analysis.ByHand(self.fleet, self.ready(job, "report"))
        self.wait(lambda: {t["state"] for t in self.fleet.tasks(job).values()}
                  == {"succeeded", "leased"})
        head = hand.settle("dead", error={
            "class": "bad_result", "text": "the report is no report", **error})
        self.assertEqual(head["state"], "dead")
        self.hand = hand
        return self.ended(job, "failed")

    def replay(self, job):
        """Replays what died, and rings for it."""
        _, *rows = self.fleet.call("replay", {"job": job.id, "by": "test"})
        for head, _ in rows:
            for bell in head["ring"]:
                self.fleet.bell(bell)
        return [head["verdict"] for head, _ in rows]

    def test_job_is_failed_and_names_the_branch_and_the_reason(self):
        job = self.dead_report()
        self.assertIn("reporter", job.error)
        self.assertIn("the report is no report", job.error)
        self.assertIsNone(job.report)

    def test_other_branches_of_a_failed_job_are_stored_and_shown(self):
        job = self.dead_report()
        self.assert_adds_up(job)
        self.assertGreaterEqual(len(job.charts), 4)
        self.assertIn("## ", job.retirement)
        text = self.fleet.alexctl("show", job.id)
        self.assertIn("The job is failed: reporter", text)
        self.assertIn("There is no report.", text)
        self.assertIn("Asset classes", text)
        self.assertIn("Milestones", text)
        shown = analysis.exact(self.fleet.alexctl("show", job.id, "--json"))
        self.assertEqual(shown["charts_payload"], job.charts)
        self.assertIsNone(shown["report_payload"])

    def test_summary_says_how_each_agent_fared(self):
        agents = self.dead_report().summary["agents"]
        self.assertEqual({node: a["state"] for node, a in agents.items()},
                         {"plan": "succeeded", "report": "dead",
                          "chart": "succeeded", "retire": "succeeded"})
        self.assertIn("no report", agents["report"]["error"])

    def test_watch_of_a_failed_job_ends_in_1_and_why_gives_the_reason(self):
        job = self.dead_report()
        self.assertIn("failed", self.fleet.alexctl("watch", job.id, code=1))
        why = self.fleet.alexctl("why", job.id)
        self.assertIn("reporter (report)", why)
        self.assertIn("the report is no report", why)

    def test_replay_runs_the_dead_branch_alone_and_completes_the_job(self):
        job = self.dead_report()
        before = job.tasks()
        self.fleet.start("reporter")
        self.assertEqual(self.replay(job), ["replayed"])
        done = self.ended(job.id)
        self.assertIsNone(done.error)
        self.assertIn(f"${done.total:,}", done.report)
        self.assertEqual((done.charts, done.retirement, done.total),
                         (job.charts, job.retirement, job.total))
        after = done.tasks()
        for node in ("plan", "chart", "retire"):
            self.assertEqual(after[node], before[node])
        self.assertGreater(after["report"]["fence"], before["report"]["fence"])
        self.assertEqual(self.fleet.rows(
            "select t.node, count(*) from fleet.events e join fleet.tasks t on "
            f"t.id = e.task_id where e.job_id = '{job.id}' and kind = 'claimed'"
            " group by 1 order by 1"), [
                {"node": "chart", "count": 1}, {"node": "plan", "count": 1},
                {"node": "report", "count": 2}, {"node": "retire", "count": 1}])

    def test_replayed_report_is_the_one_that_the_first_try_would_have_been(self):
        job = self.dead_report()
        done = subprocess.run([BUILD / "workers/alex-reporter", "--once"],
                              input=self.hand.input.encode(), env={},
                              capture_output=True, check=True)
        self.fleet.start("reporter")
        self.replay(job)
        self.assertEqual(self.ended(job.id).row["report_payload"],
                         json.loads(done.stdout)["report_payload"])

    def test_replay_twice_runs_the_branch_once(self):
        job = self.dead_report()
        self.fleet.start("reporter")
        self.assertEqual(self.replay(job), ["replayed"])
        self.ended(job.id)
        self.assertEqual(self.replay(job), [])
        self.assert_quiet()
        self.assertEqual(analysis.Job(self.fleet, job.id).status, "completed")

    def test_worker_that_had_the_branch_before_replay_changes_nothing(self):
        job = self.dead_report()
        self.replay(job)
        self.hand.settle("succeeded", output={
            "report_payload": {"content": "stale", "agent": "reporter",
                               "generated_at": "2025-09-13T18:54:50.101010"},
            "detail": {"words": 1, "recommendations": []}})
        self.assertEqual(self.fleet.tasks(job.id)["report"]["state"], "ready")
        self.fleet.start("reporter")
        self.assertNotEqual(self.ended(job.id).report, "stale")

    def test_error_text_of_a_branch_cannot_break_the_terminal(self):
        job = self.dead_report(text="\x1b[31m<b>|`\n" + "x" * 3000)
        for words in (["show", job.id], ["why", job.id], ["jobs"]):
            text = self.fleet.alexctl(*words)
            self.assertNotIn("\x1b", text)
        self.assertLess(len(job.error), 1000)

    def test_cancelled_job_is_failed_by_its_user_and_keeps_its_results(self):
        job = self.submit(self.simple_user())
        self.ready(job, "report")
        self.wait(lambda: {t["state"] for t in self.fleet.tasks(job).values()}
                  == {"succeeded", "ready"})
        self.fleet.alexctl("cancel", job)
        done = self.ended(job, "failed")
        self.assertEqual(done.error, "cancelled by user")
        self.assert_adds_up(done)
        self.fleet.start("reporter")
        self.assert_quiet()
        self.assertEqual(analysis.Job(self.fleet, job).row, done.row)

    def test_optional_branch_that_dies_costs_only_what_it_would_add(self):
        self.fleet.start("reporter")
        self.fleet.stop("tagger")
        self.addCleanup(self.fleet.start, "tagger")
        self.instrument("XQZW", 10, "Xylo Quartz")
        job = self.submit(self.user([
            {"name": "Main", "positions": {"XQZW": 1, "SPY": 1}}]))
        analysis.ByHand(self.fleet, self.ready(job, "tag")).settle(
            "dead", error={"class": "model", "text": "no answer"})
        done = self.ended(job)
        self.assert_adds_up(done)
        self.assertEqual(done.chart("asset_allocation")["Unclassified"], 10)
        self.assertIn("XQZW", done.report)


if __name__ == "__main__":
    analysis.main()
