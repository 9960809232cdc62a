"""Bounds: sizes, shapes, permissions, plans of queries, and what fsck sees."""
import uuid

import engine
from engine import bell, outcome, plan, task_id

WORKER = {"claim", "read", "beat", "checkpoint", "settle", "reap"}
SUBMITTER = {"submit", "cancel", "status", "show", "why", "portfolio"}
OPERATOR = {"replay", "fsck", "prune", "seed"}
KB = 1024


class Sizes(engine.EngineTest):
    def read_all(self, run):
        """A run's input, page by page; checks the bounds of every reply."""
        pages, start = [], 0
        while start is not None:
            rows = self.a.call("read", {
                "v": 1, "task": run["task"], "fence": run["fence"],
                "what": "input", "from": start})
            sizes = [len(body.encode()) for _, body in rows[1:]]
            self.assertLessEqual(max(sizes), 48 * KB)
            self.assertLessEqual(sum(sizes), 480 * KB)
            pages += [body for _, body in rows[1:]]
            self.assertEqual(rows[0][0]["verdict"], "ok")
            start = rows[0][0]["next"]
        return "".join(pages)

    def with_large_inputs(self, count, size):
        """Jobs whose node 'a' has what its planner found, 'size' bytes."""
        jobs = self.submit(count)
        for number, job in enumerate(jobs):
            found = chr(0xe4) * (size // 4) + str(number) * (size // 2)
            self.a.end(self.a.run(job), output={
                **plan("a<plan"), "detail": {"text": found}})
        return jobs

    def claim_all(self, jobs):
        rows = self.a.call("claim", self.a.claiming(
            [bell(job, "a") for job in jobs], "bench"))
        return {head["job"]: (head, body) for head, body in rows[1:]}

    def test_large_inputs_do_not_ride_in_claims_reply(self):
        jobs = self.with_large_inputs(8, 150000)
        rode = self.claim_all(jobs)
        sizes = [len(str(head)) + len((body or "").encode())
                 for head, body in rode.values()]
        self.assertLess(sum(sizes), KB * KB)
        for number, job in enumerate(jobs):
            head, body = rode[job]
            self.assertEqual(head["verdict"], "run")
            text = self.read_all(head)
            self.assertEqual(len(text.encode()), head["input_bytes"])
            self.assertIn(chr(0xe4) * 37500 + str(number) * 75000, text)
            self.assertIn(body, (None, text))
            again = self.read_all(head)
            self.assertEqual(again, text)

    def test_no_row_of_a_claim_passes_64_kb(self):
        for job in self.with_large_inputs(1, 150000):
            head, body = self.claim_all([job])[job]
            self.assertLessEqual(len((body or "").encode()), 64 * KB)

    def test_small_inputs_ride_and_are_what_read_gives(self):
        jobs = self.with_large_inputs(3, 8000)
        for head, body in self.claim_all(jobs).values():
            self.assertEqual(self.read_all(head), body)

    def test_a_retry_sees_the_same_portfolio(self):
        job = self.submit(snapshot=True)[0]
        first = self.a.call("claim", self.a.claiming([bell(job)]))[1]
        self.sql("insert into accounts (clerk_user_id, account_name) "
                 f"values ('{engine.USER}', 'opened later')")
        self.a.end(first[0], "interrupted")
        again = self.b.call("claim", self.b.claiming([bell(job)]))[1]
        self.assertEqual(again[1], first[1])
        self.assertNotIn("opened later", again[1])

    def test_payloads_over_48_kb_die_alone(self):
        large, small = sorted(self.submit(2))
        replies = self.a.settle(
            outcome(self.a.run(large),
                    output={"report_payload": {"x": "y" * 48 * KB}}),
            outcome(self.a.run(small),
                    output={"report_payload": {"x": "y" * 20 * KB}}))
        self.assertEqual([r["state"] for r in replies], ["dead", "succeeded"])
        self.assertEqual(self.task(large, "plan", "error ->> 'class'"),
                         "payload_too_large")
        self.assertEqual(
            self.value(f"length(report_payload ->> 'x') from jobs "
                       f"where id = '{small}'"), str(20 * KB))
        self.assertSound()

    def test_payloads_of_a_job_count_together(self):
        job = self.job("a", "b", "c")
        settled = [self.a.end(self.a.run(job, node), output={
            key: {"x": "y" * 25 * KB}})["state"] for node, key in (
                ("a", "report_payload"), ("b", "charts_payload"))]
        self.assertEqual(settled, ["succeeded", "dead"])
        self.a.end(self.a.run(job, "c"), output={
            "retirement_payload": {"x": "y" * 8 * KB}})
        bytes_in_row = int(self.value(
            "octet_length(concat(report_payload, charts_payload, "
            f"retirement_payload, summary_payload)) from jobs "
            f"where id = '{job}'"))
        self.assertGreater(bytes_in_row, 33 * KB)
        self.assertLess(bytes_in_row, 48 * KB)
        self.assertSound()


class Shapes(engine.EngineTest):
    def test_unknown_version_is_FL001(self):
        for function in WORKER | SUBMITTER | OPERATOR:
            for version in ({}, {"v": 0}, {"v": 2}, {"v": "1"}, {"v": None}):
                with self.subTest(function=function, version=version):
                    self.assertRefused("FL001", self.look.call, function,
                                       version)

    def test_malformed_requests_are_FL002_naming_the_field(self):
        some = str(uuid.uuid4())
        claim = {"owner": some, "agent": "bench", "lease_ms": 60000,
                 "bells": []}
        settle = {"owner": some, "outcomes": []}
        ended = {"job": some, "task": some, "fence": 1,
                 "outcome": "succeeded", "output": {}}
        beat = {"owner": some, "lease_ms": 60000, "held": []}
        item = {"task": some, "fence": 1, "ordinal": 0, "sha256": "0" * 64,
                "answer": ""}
        job = {"job": some, "user": "u", "type": "bench", "request": {}}

        def outcomes(**change):
            return {**settle, "outcomes": [ended, {**ended, **change}]}

        for function, request, field in (
                ("claim", {**claim, "owner": "x"}, "owner"),
                ("claim", {**claim, "agent": None}, "agent"),
                ("claim", {**claim, "lease_ms": 10}, "lease_ms"),
                ("claim", {**claim, "lease_ms": "soon"}, "lease_ms"),
                ("claim", {**claim, "bells": None}, "bells"),
                ("claim", {**claim, "bells": [bell(some)] * 101}, "bells"),
                ("claim", {**claim, "bells": [{"n": some}]}, "bells[0].job"),
                ("claim", {**claim, "bells": [bell(some), {"job": some}]},
                 "bells[1].n"),
                ("read", {"task": some, "fence": 1, "what": "all",
                          "from": 0}, "what"),
                ("beat", {**beat, "owner": 1}, "owner"),
                ("beat", {**beat, "held": [{"task": some}]}, "held[0].fence"),
                ("beat", {**beat, "flight": "x"}, "flight"),
                ("checkpoint", {"items": []}, "items"),
                ("checkpoint", {"items": [{**item, "sha256": "0"}]},
                 "items[0].sha256"),
                ("checkpoint", {"items": [
                    item, {**item, "answer": "x" * (KB * KB + 1)}]},
                 "items[1].answer"),
                ("settle", {**settle, "owner": None}, "owner"),
                ("settle", {"owner": some}, "outcomes"),
                ("settle", {**settle, "outcomes": [ended] * 101}, "outcomes"),
                ("settle", outcomes(outcome="won"), "outcomes[1].outcome"),
                ("settle", outcomes(task="x"), "outcomes[1].task"),
                ("settle", outcomes(fence=0), "outcomes[1].fence"),
                ("settle", outcomes(output=[]), "outcomes[1].output"),
                ("settle", outcomes(after_ms=-1), "outcomes[1].after_ms"),
                ("settle", outcomes(error="bad"), "outcomes[1].error"),
                ("reap", {"limit": 0}, "limit"),
                ("reap", {"depth": 3}, "depth"),
                ("submit", {}, "jobs"),
                ("submit", {"jobs": [job, {**job, "type": "magic"}]},
                 "jobs[1].type"),
                ("submit", {"jobs": [{**job, "deadline_ms": 1}]},
                 "jobs[0].deadline_ms"),
                ("cancel", {"job": some}, "by"),
                ("status", {"job": 7}, "job"),
                ("show", {"job": some, "what": "all"}, "what"),
                ("why", {}, "job"),
                ("portfolio", {"user": {}}, "user.clerk_user_id"),
                ("replay", {"job": some}, "by"),
                ("fsck", {"repair": "yes"}, "repair"),
                ("prune", {"before": "never"}, "before"),
                ("seed", {"instruments": [{}]}, "instruments[0]."),
        ):
            with self.subTest(function=function, field=field):
                text = self.assertRefused("FL002", self.look.call, function,
                                          {"v": 1, **request})
                self.assertIn(f"fleet.{function}: {field}", text)


class Roles(engine.EngineTest):
    def assertMayOnlyCall(self, role, allowed):
        functions = self.sql(
            "select proname, pg_get_function_identity_arguments(oid), "
            f"has_function_privilege('{role}', oid, 'execute') "
            "from pg_proc where pronamespace = 'fleet'::regnamespace")
        self.assertEqual({name for name, _, may in functions if may == "t"},
                         allowed)
        tables = [row[0] for row in self.sql(
            "select oid::regclass from pg_class where relkind in "
            "('r', 'p', 'v', 'S') and relnamespace in "
            "('fleet'::regnamespace, 'public'::regnamespace)")]
        self.assertIn("fleet.tasks", tables)
        self.assertIn("users", tables)

        self.a.sql(f"set session authorization {role}")
        for table in tables:
            for statement in ("select from {}", "delete from {}",
                              "truncate {}", "insert into {} default values"):
                with self.subTest(table=table, statement=statement):
                    self.assertRefused("42501", self.a.sql,
                                       statement.format(table))
        for statement in ("create table fleet.mine (x int)",
                          "create table public.mine (x int)",
                          "create role mine", "set role postgres",
                          "copy (select 1) to program 'true'"):
            with self.subTest(statement=statement):
                self.assertRefused("42501", self.a.sql, statement)
        for function in (WORKER | SUBMITTER | OPERATOR) - allowed:
            with self.subTest(function=function):
                self.assertRefused("42501", self.a.call, function, {"v": 1})

    def test_worker_role_can_do_nothing_else(self):
        job = self.submit(snapshot=True)[0]
        self.assertMayOnlyCall("alex_worker", WORKER)
        run = self.a.run(job)
        self.assertEqual(self.a.beat(run)[1]["verdict"], "ok")
        self.a.call("read", {"v": 1, "task": run["task"], "fence": 1,
                             "what": "input", "from": 0})
        self.a.call("checkpoint", {"v": 1, "items": [
            {"task": run["task"], "fence": 1, "ordinal": 0,
             "sha256": "0" * 64, "answer": "x"}]})
        reply = self.a.end(run, output={
            **plan("a"), "report_payload": {"x": 1}, "prices": [],
            "instruments": [{"symbol": "S", "name": "S"}]})
        self.assertEqual(reply["verdict"], "applied")
        self.reap(self.a)

    def test_submitter_role_can_do_nothing_else(self):
        self.assertMayOnlyCall("alex_submitter", SUBMITTER)
        self.a.call("portfolio", {"v": 1, "user": {"clerk_user_id": "u2"}})
        job = self.submit(session=self.a)[0]
        self.assertEqual(self.run_of(job), "open")
        for function in ("status", "why"):
            self.assertEqual(len(self.a.call(
                function, {"v": 1, "job": job})), 2)
        self.a.call("show", {"v": 1, "job": job, "what": "report_payload"})
        head = self.a.call("cancel", {"v": 1, "job": job, "by": "me"})[0][0]
        self.assertEqual(head["verdict"], "cancelled")

    def test_functions_trust_no_search_path(self):
        """As owner's code they must not find what a caller has made."""
        self.assertEqual(self.sql(
            "select proname from pg_proc where prosecdef "
            "and pronamespace = 'fleet'::regnamespace and not exists ("
            "select from unnest(proconfig) c where c like 'search_path=%"
            "pg_temp')"), [])


class Plans(engine.EngineTest):
    def work(self, jobs):
        """Five tasks through every function of a worker, in one session."""
        worker = self.a
        worker.sql("begin")
        runs = worker.claim(*(bell(job, "n1") for job in jobs), agent="bench")
        if jobs:
            self.assertEqual({r["verdict"] for r in runs}, {"run"})
        worker.beat(*runs)
        for run in runs:
            worker.call("read", {"v": 1, "task": run["task"], "fence": 1,
                                 "what": "input", "from": 0})
        one = runs[0]["task"] if runs else str(uuid.uuid4())
        worker.call("checkpoint", {"v": 1, "items": [
            {"task": one, "fence": 1, "ordinal": 0, "sha256": "0" * 64,
             "answer": "x"}]})
        worker.settle(*(outcome(run, output={"report_payload": {}})
                        for run in runs))
        touched = {row[0]: (int(row[1]), int(row[2])) for row in worker.sql(
            "select relname, seq_scan, coalesce(seq_tup_read, 0) + "
            "coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables")}
        worker.sql("commit")
        return touched

    def test_plans_made_on_empty_tables_use_indexes(self):
        """5 tasks of 5 jobs with 400 tasks each: reading a job's tasks, or a
        table, to find one costs hundreds of rows and more."""
        self.sql("truncate " + ", ".join(engine.TABLES) + " cascade")
        self.sql(f"insert into users (clerk_user_id) values "
                 f"('{engine.USER}')")
        for _ in range(7):
            self.work([])
        jobs = self.submit(25)
        nodes = [f"n{i}" for i in range(400)]
        for job in jobs[:5]:
            self.b.end(self.b.run(job), output=plan(*nodes))
        self.b.sql("insert into fleet.events (job_id, generation, kind) "
                   "select gen_random_uuid(), 1, 'x' "
                   "from generate_series(1, 5000)")
        # Its leases look for their like in the runs that are open.
        self.sql("update fleet.runs set ended_at = now() where "
                 "not exists (select from fleet.tasks t "
                 "where t.job_id = runs.job_id and t.node = 'n1')")
        touched = self.work(jobs[:5])
        beats = 5 * 401
        for table, most in (("runs", 200), ("jobs", 200), ("tasks",
                            400 + beats), ("inputs", 50), ("results", 50),
                            ("checkpoints", 50), ("events", 0)):
            with self.subTest(table=table):
                scans, rows = touched.get(table, (0, 0))
                self.assertEqual(scans, 0)
                self.assertLessEqual(rows, most)


class Fsck(engine.EngineTest):
    def test_fsck_sees(self):
        """Each thing broken by hand is named, and mended where it can be."""
        for rule, column, mends, breaking in (
                ("open count", "runs", True, "open = open + 1"),
                ("bad count", "runs", True, "bad = bad + 1"),
                ("ended", "runs", True, "ended_at = now()"),
                ("ended", "runs", True, "state = 'completed'"),
                ("no ring", "a", True, "rung_at = null"),
                ("unmet", "b", True, "unmet = 2"),
                ("unmet", "b", True, "unmet = 0"),
                ("needs", "b", False, "needs = '{a,nobody}'"),
                ("result", "a", True, "state = 'succeeded'"),
                ("orphan task", "b", True, "job_id = gen_random_uuid()"),
                ("root", "runs", True, "root_task = gen_random_uuid()")):
            with self.subTest(rule=rule, breaking=breaking):
                job = self.job("a", "b<a")
                self.assertSound()
                if column == "runs":
                    self.sql(f"update fleet.runs set {breaking} "
                             f"where job_id = '{job}'")
                else:
                    self.set_task(job, column, breaking)
                self.assertSees(rule, mends)
            self.empty()

    def test_fsck_sees_a_lease_that_ended_long_ago(self):
        job = self.submit()[0]
        self.a.run(job)
        self.set_task(job, "plan", "lease_until = now() - interval '3 min'")
        self.assertSees("lease", mends=True)
        self.assertEqual(self.task(job, "plan"), "ready")

    def test_fsck_sees_a_job_that_never_joined(self):
        job = self.submit()[0]
        self.a.finish(job, "plan")
        self.sql("delete from fleet.events where kind = 'job_completed'")
        self.assertSees("join", mends=True)

    def test_fsck_sees_a_join_or_an_effect_that_happened_twice(self):
        for rule, kind in (("join", "job_completed"), ("twice", "succeeded")):
            job = self.submit()[0]
            self.a.finish(job, "plan")
            self.sql("insert into fleet.events select * from fleet.events "
                     f"where kind = '{kind}' and job_id = '{job}'")
            self.assertSees(rule, mends=False)
            self.empty()

    def test_fsck_sees_what_alexs_own_table_says(self):
        job = self.submit()[0]
        self.a.finish(job, "plan")
        self.sql("update jobs set status = 'running'")
        self.assertSees("status", mends=True)
        self.assertEqual(self.value("status from jobs"), "completed")
        self.sql("delete from jobs")
        self.assertSees("orphan run", mends=True)

    def test_fsck_sees_rows_that_belong_to_nothing(self):
        self.sql("insert into fleet.results values (gen_random_uuid(), "
                 "gen_random_uuid(), 1, '{}')")
        self.assertSees("orphan result", mends=True)
        self.sql("insert into fleet.checkpoints values (gen_random_uuid(), "
                 "0, 'x', 'y')")
        self.assertSees("orphan checkpoint", mends=True)

    def test_fsck_mends_a_join_that_was_missed(self):
        """As if two settles had not seen each other's end."""
        job = self.job("a", "b", "c<a,b")
        self.a.finish(job, "a", "b")
        self.set_task(job, "c", "state = 'blocked', unmet = 1")
        self.assertSees("unmet", mends=True)
        self.a.finish(job, "c")
        self.assertEqual(self.run_of(job), "completed")
        self.assertSound()

    def assertSees(self, rule, mends):
        head, found = self.fsck()
        self.assertIn(rule, {f["rule"] for f in found})
        self.assertEqual(head["violations"], len(found))
        self.fsck(repair=True)
        left = {f["rule"] for f in self.fsck()[1]}
        self.assertEqual(rule in left, not mends, left)
        if mends:
            self.assertEqual(left, set())


if __name__ == "__main__":
    engine.main()
