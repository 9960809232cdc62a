"""Dead letters: found, explained, and replayed so that only what died runs."""
import json
import subprocess
import uuid

import fleet

INVESTOR = "investor"
EXPORT = fleet.TOP / "tests/data/portfolios/household.csv"
KNOWN = ("planner", "tagger", "charter", "retirement")


class DeadLetters(fleet.FleetCase):
    def wait(self, condition, limit_s=90, what="condition"):
        return super().wait(condition, max(limit_s, 90), what)

    def alexctl(self, *words, code=0):
        """What it prints; it must end with this code."""
        done = subprocess.run(
            [fleet.BUILD / "tools/alexctl/alexctl", *words],
            env=self.servers.env, text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def verdicts(self, *words):
        """By id, what a replay would meet."""
        return {item["id"]: item["verdict"] for item in json.loads(
            self.servers.alexctl("dlq", "replay", "--dry-run", "--json",
                                 *words))}

    def count(self, what, **where):
        condition = " and ".join(f"{k} = '{v}'" for k, v in where.items())
        return int(self.servers.one(
            f"select count(*) from {what} where {condition or 'true'}"))

    def died(self, count, text="boom"):
        """Jobs whose only task died, though it would now succeed."""
        jobs = self.servers.submit(*[{"op": "noop"}] * count, ring=False)
        self.servers.sql(
            "update fleet.tasks set state = 'dead', fence = 1, failures = 1, "
            f"error = '{{\"class\": \"test\", \"text\": \"{text}\"}}' "
            "where state = 'ready'; "
            "update fleet.runs set open = 0, bad = 1, state = 'failed', "
            "ended_at = clock_timestamp() where state = 'open'; "
            "insert into fleet.events (job_id, generation, kind) "
            "select job_id, 1, 'job_failed' from fleet.runs r "
            "where not exists (select from fleet.events e where "
            "e.job_id = r.job_id and e.kind = 'job_failed'); "
            "update jobs set status = 'failed' where status = 'pending'")
        return jobs

    def task_ids(self, jobs, node="plan"):
        return [str(uuid.uuid5(uuid.UUID(job), node)) for job in jobs]

    def assert_sound(self):
        self.alexctl("db", "fsck")

    def claims(self):
        """{(job, node): how often it was claimed}."""
        return {(job, node): int(n) for job, node, n in self.servers.sql(
            "select t.job_id, t.node, (select count(*) from fleet.events e "
            "where e.task_id = t.id and e.kind = 'claimed') "
            "from fleet.tasks t")}


class Analyses(DeadLetters):
    """Ten analyses whose reporter died of a snapshot that was damaged."""

    def setUp(self):
        super().setUp()
        self.alexctl("db", "seed")
        self.alexctl("import", str(EXPORT), "--user", INVESTOR, "--years", "20",
                     "--income", "60000")
        self.jobs = self.alexctl("submit", "--user", INVESTOR, "--count",
                                 "10").split()
        for agent in KNOWN:
            self.worker(agent)
        self.wait(lambda: self.count("fleet.tasks", state="ready",
                                     agent="reporter") == 10
                  and self.count("fleet.tasks", state="succeeded",
                                 agent="retirement") == 10
                  and self.count("fleet.tasks", state="succeeded",
                                 agent="charter") == 10, 90, "all but reporter")
        self.damage()
        self.worker("reporter")
        for job in self.jobs:
            self.wait_status(job, "failed", 60)

    def damage(self):
        self.servers.sql(
            "create table if not exists intact as select * from fleet.inputs; "
            "update fleet.inputs set snapshot = '{\"accounts\":7}'")

    def mend(self):
        self.servers.sql("update fleet.inputs i set snapshot = o.snapshot "
                         "from intact o where o.job_id = i.job_id; "
                         "drop table intact")

    def test_only_the_dead_branches_run_again_and_the_jobs_complete(self):
        dead = set(self.task_ids(self.jobs, "report"))
        self.assertEqual(self.verdicts(), dict.fromkeys(dead, "would_run"))
        before = self.claims()

        out = self.alexctl("dlq", "replay", "--canary", "2", "--stop-if-fail",
                           "50", code=1)
        self.assertIn("2 of 2 of the canary failed", out)
        self.assertEqual(self.count("fleet.replays"), 2)
        self.mend()

        self.alexctl("dlq", "replay", "--canary", "2", "--stop-if-fail", "50")
        for job in self.jobs:
            self.wait_status(job, "completed", 60)
        again = {key: n - before[key] for key, n in self.claims().items()}
        reports = [again.pop((job, "report")) for job in self.jobs]
        self.assertEqual(sorted(reports), [1] * 8 + [2] * 2)
        self.assertEqual(set(again.values()), {0})
        self.assertEqual(int(self.servers.one(
            "select count(*) from jobs where report_payload is not null and "
            "charts_payload is not null and retirement_payload is not null "
            "and error_message is null")), 10)
        self.assertIn("no dead letters", self.alexctl("dlq", "ls"))
        self.assertEqual(self.verdicts(), dict.fromkeys(dead, "succeeded"))
        self.assert_sound()


class Replays(DeadLetters):
    def test_two_replays_at_once_run_each_death_once(self):
        jobs = self.died(150)
        command = [fleet.BUILD / "tools/alexctl/alexctl", "dlq", "replay",
                   "--rate", "100"]
        both = [subprocess.Popen(command, env=self.servers.env, text=True,
                                 stdout=subprocess.PIPE) for _ in range(2)]
        said = "".join(one.communicate(timeout=60)[0] for one in both)
        self.assertEqual([one.returncode for one in both], [0, 0], said)
        self.assertEqual(self.count("fleet.replays"), len(jobs))
        self.worker()
        self.wait_open(0)
        self.assertEqual(self.count("jobs", status="completed"), len(jobs))
        self.assertEqual(set(self.claims().values()), {1})
        self.assert_sound()

    def test_stopped_replay_goes_on_where_it_was(self):
        jobs = self.died(40)
        self.worker()
        stopped = subprocess.Popen(
            [fleet.BUILD / "tools/alexctl/alexctl", "dlq", "replay", "--rate",
             "2"], env=self.servers.env, stdout=subprocess.DEVNULL)
        self.wait(lambda: self.count("fleet.replays") >= 2)
        stopped.kill()
        stopped.wait()
        self.assertLess(self.count("fleet.replays"), len(jobs))
        self.alexctl("dlq", "replay")
        self.wait(lambda: self.count("jobs", status="completed") == len(jobs),
                  60, "all completed")
        self.assertEqual(self.count("fleet.replays"), len(jobs))
        self.assertEqual(set(self.claims().values()), {1})

    def test_replay_that_dies_before_it_rings_is_rung_all_the_same(self):
        job, = self.died(1)
        task, = self.task_ids([job])
        self.servers.call("replay", {"v": 1, "tasks": [task], "by": "test"})
        self.worker()
        self.wait_status(job, limit_s=60)

    def test_dry_run_has_a_verdict_for_each_and_changes_nothing(self):
        runs, done, stopped, late, gone = self.died(5)
        self.worker()
        self.alexctl("dlq", "replay", "--job", done)
        self.wait_status(done)
        self.servers.sql(
            f"update fleet.runs set state = 'cancelled' where job_id = "
            f"'{stopped}'; update fleet.tasks set error = "
            f"'{{\"class\":\"deadline\"}}' where job_id = '{late}'; "
            "insert into fleet.tasks (id, job_id, node, agent, state) values "
            f"(gen_random_uuid(), '{gone}', 'x', 'bench', 'succeeded'); "
            f"update fleet.tasks set needs = '{{x}}' where job_id = '{gone}' "
            "and node = 'plan'")
        ids = self.task_ids([runs, done, stopped, late, gone])
        expected = dict(zip(ids, ("would_run", "succeeded", "cancelled",
                                  "deadline", "invalid_input")))
        self.assertEqual(self.verdicts(), expected)
        self.assertEqual(self.count("fleet.replays"), 1)
        self.assertEqual(self.verdicts("--cancelled")[ids[2]], "would_run")
        self.assertEqual(self.verdicts("--extend", "1h")[ids[3]], "would_run")
        out = self.alexctl("dlq", "replay", "--dry-run")
        for words in ("would run", "already succeeded", "job cancelled",
                      "deadline passed", "input no longer valid"):
            self.assertIn(words, out)
        self.alexctl("dlq", "replay", "--extend", "1h", "--cancelled")
        for job in (runs, stopped, late):
            self.wait_status(job)

    def test_filters_choose_what_they_say(self):
        first, second = self.died(1, "HTTP 503") + self.died(1, "bad schema")
        one, other = self.task_ids([first, second])
        for words, chosen in ((("--error-like", "http 5%"), {one}),
                              (("--error-like", "schema"), {other}),
                              (("--error-class", "test"), {one, other}),
                              (("--error-class", "tes"), set()),
                              (("--job", second), {other}),
                              (("--user", fleet.USER), {one, other}),
                              (("--user", "nobody"), set()),
                              (("--agent", "reporter"), set()),
                              (("--since", "1h"), {one, other}),
                              (("--older", "1h"), set()),
                              (("--id", one), {one}),
                              (("--kind", "message"), set())):
            self.assertEqual(set(self.verdicts(*words)), chosen, words)
        self.alexctl("dlq", "ls", "--since", "soon", code=64)

    def test_canary_that_is_well_lets_the_others_follow(self):
        jobs = self.died(6)
        self.worker()
        out = self.alexctl("dlq", "replay", "--canary", "2")
        self.assertIn("canary: 2 of 2 ended, 0 failed", out)
        for job in jobs:
            self.wait_status(job)

    def test_canary_without_a_worker_ends_with_75_and_keeps_the_others(self):
        self.died(4)
        out = self.alexctl("dlq", "replay", "--canary", "1", "--wait", "1s",
                           code=75)
        self.assertIn("0 of 1", out)
        self.assertEqual(self.count("fleet.replays"), 1)

    def test_dead_tasks_of_one_job_go_together(self):
        job, = self.servers.submit({"op": "fan", "width": 5, "child":
                                    {"op": "reject"}})
        self.worker()
        self.wait_status(job, "failed")
        self.servers.sql("update fleet.tasks set params = '{\"op\":\"noop\"}' "
                         "where state = 'dead'")
        self.alexctl("dlq", "replay", "--rate", "1", "--canary", "1")
        self.wait_status(job)
        self.assertEqual(self.count("fleet.replays"), 5)

    def test_lineage_tells_each_death_and_who_replayed_it(self):
        job, = self.servers.submit({"op": "reject"})
        task, = self.task_ids([job])
        self.worker()
        self.wait_status(job, "failed")
        self.alexctl("dlq", "replay", "--by", "anna", "--canary", "1", code=1)
        shown = json.loads(self.servers.alexctl("dlq", "show", task, "--json"))
        self.assertEqual([(r["by"], r["class"]) for r in shown["lineage"]],
                         [("anna", shown["class"])])
        self.assertEqual(self.verdicts("--max-replays", "0"),
                         {task: "replayed_before"})
        self.assertEqual(self.verdicts("--max-replays", "1"),
                         {task: "would_run"})

    def test_dismissed_death_is_not_listed_until_it_dies_again(self):
        job, = self.servers.submit({"op": "reject"})
        task, = self.task_ids([job])
        self.worker()
        self.wait_status(job, "failed")
        self.alexctl("dlq", "purge", code=64)
        self.assertIn(task, self.alexctl("dlq", "ls"))
        self.alexctl("dlq", "purge", "--yes")
        self.assertNotIn(task, self.alexctl("dlq", "ls"))
        self.assertIn(task, self.alexctl("dlq", "ls", "--dismissed"))
        self.alexctl("dlq", "purge", "--undo", "--yes")
        self.assertIn(task, self.alexctl("dlq", "ls"))
        self.alexctl("dlq", "purge", "--yes")
        self.alexctl("dlq", "replay", "--id", task, "--canary", "1", code=1)
        self.assertIn(task, self.alexctl("dlq", "ls"))


class Why(DeadLetters):
    """Every state names what the job waits for."""

    def assert_why(self, job, *says):
        self.wait(lambda: all(words in self.alexctl("why", job)
                              for words in says), what=f"why says {says}")

    def test_blocked_task_names_its_child_and_a_lease_its_owner_and_age(self):
        job, = self.servers.submit({"op": "fan", "width": 1, "join": True,
                                    "child": {"op": "sleep", "ms": 60000}})
        self.worker(ALEX_LEASE="30s")
        self.wait(lambda: self.count("fleet.tasks", job_id=job, node="plan.0",
                                     state="leased"))
        owner = self.servers.task(job, "plan.0")["lease_owner"]
        self.assert_why(job, "bench (plan.join) has waited for others",
                        "bench (plan.0) is leased",
                        f"worker {owner} has had it for", "lease for another",
                        "0 of 5 failures")

    def test_lease_of_a_dead_worker_is_said_to_have_ended(self):
        job, = self.servers.submit({"op": "sleep", "ms": 60000})
        worker = self.worker(ALEX_LEASE="1s")
        self.wait_state(job, "leased")
        worker.kill()
        self.assert_why(job, "the lease of worker", "ended", "reap")

    def test_back_off_says_until_when_and_after_what(self):
        job, = self.servers.submit({"op": "retry", "after_ms": 600000})
        self.worker()
        self.wait_state(job, "retry_wait")
        self.assert_why(job, "next try in", "UTC", "1 of 5 failures")

    def test_doorbell_that_was_never_rung_is_named(self):
        job, = self.servers.submit({"op": "noop"}, ring=False)
        self.assert_why(job, "doorbell is lost", "alexctl reap")
        self.servers.sql("update fleet.tasks set rung_at = null")
        self.assert_why(job, "its doorbell has not been rung")

    def test_queue_that_nobody_takes_from_is_named(self):
        job, = self.servers.submit({"op": "noop"})
        self.assert_why(job, "no worker is alive, start alex-bench")

    def test_dead_branch_has_its_error_and_how_to_replay_it(self):
        job, = self.servers.submit({"op": "reject", "text": "no such luck"})
        task, = self.task_ids([job])
        self.worker()
        self.wait_status(job, "failed")
        self.assert_why(job, "no such luck", "1 of 5 failures",
                        f"alexctl dlq replay --id {task}")


class Messages(DeadLetters):
    def put_aside(self, body, queue="alex-bench"):
        self.servers.redis(f"xadd {{{queue}}}:dlq * b {json.dumps(body)} "
                           "reason test")

    def listed(self):
        return {m["id"]: m["state"] for m in json.loads(self.servers.alexctl(
            "dlq", "ls", "--json", "--kind", "message"))}

    def test_unparseable_message_is_shown_with_its_bytes_and_stays(self):
        self.servers.redis(
            'xadd {alex-bench}:stream * b "no \\x1b[31mbell"')
        worker = self.worker()
        self.wait(lambda: self.servers.dead_letters() == 1)
        (one, state), = self.listed().items()
        self.assertEqual(state, "unparseable")
        out = self.alexctl("dlq", "show", one)
        self.assertIn("no \\x1b[31mbell", out)
        self.assertEqual(self.verdicts(), {one: "invalid_input"})
        self.alexctl("dlq", "replay")
        self.assertEqual(list(self.listed()), [one])
        self.alexctl("dlq", "purge", "--older", "1h", "--yes")
        self.assertEqual(list(self.listed()), [one])
        self.alexctl("dlq", "purge", "--id", one, "--yes")
        self.assertEqual(self.listed(), {})
        self.assertIsNone(worker.process.poll())

    def test_doorbell_the_broker_put_aside_is_sent_again_and_its_job_runs(self):
        job, other = self.servers.submit({"op": "noop"}, {"op": "noop"},
                                         ring=False)
        self.servers.sql("update fleet.tasks set rung_at = clock_timestamp() "
                         "+ interval '1 hour'")
        self.put_aside(job)
        self.put_aside(other)
        self.worker()
        self.assertEqual(set(self.listed().values()), {"doorbell"})
        self.alexctl("dlq", "replay", "--job", job)
        self.wait_status(job)
        self.assertEqual(len(self.listed()), 1)
        self.alexctl("dlq", "replay")
        self.wait_status(other)
        self.assertEqual(self.servers.dead_letters(), 0)


if __name__ == "__main__":
    fleet.main()
