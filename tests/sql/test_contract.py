"""Leases, pages, bounds of replies, what requests must be, and who may call."""
import hashlib
import json
import time

from fleet import Run, Session, SqlError, USER, equal, fails, new_id, plan

KB = 1024


def beat(f, held=(), flight=(), lease_ms=60000, **more):
    rows = f.call("beat", owner=f.owner, lease_ms=lease_ms, flight=list(flight),
                  held=[{"task": r.task, "fence": r.fence, **more}
                        for r in held])
    return rows[0][0], [head for head, _ in rows[1:]]


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


# --- beat --------------------------------------------------------------------


def test_beat_extends_exactly_what_it_names(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a, b = f.claim_one(bells["a"]), f.claim_one(bells["b"])
    f.expire(job, "a")
    f.expire(job, "b")
    _, answers = beat(f, [a], [b.n], progress={"percent": 50})
    equal([(x["task"], x["verdict"]) for x in answers], [(a.task, "ok")])
    equal(f.task(job, "a", "lease_until > now() + interval '59 s', progress"),
          ("t", '{"percent": 50}'))
    equal(f.task(job, "b", "lease_until < now(), state"), ("t", "leased"))


def test_beat_hands_back_uncharged_what_is_neither_held_nor_in_flight(f):
    job, bells = f.planned(plan("a"), plan("b"), plan("c"))
    a, b, c = [f.claim_one(bells[n]) for n in "abc"]
    head, _ = beat(f, [a], [b.n])
    equal((head["returned"], [r["task"] for r in head["ring"]]), (1, [c.task]))
    equal((f.state(job, "a"), f.state(job, "b"), f.state(job, "c")),
          ("leased", "leased", "ready"))
    equal(f.task(job, "c", "failures, crashes, losses"), ("0", "0", "0"))
    equal(beat(f, [a], [b.n])[0]["returned"], 0)
    equal(f.claim_one(bells["c"]).fence, 2)


def test_beat_read_late_hands_back_nothing_claimed_since(f):
    job, bells = f.planned(plan("a"))
    f.claim_one(bells["a"])
    request = {"owner": f.owner, "lease_ms": 60000, "held": []}
    equal(f.call("beat", **request, older_ms=60000)[0][0]["returned"], 0)
    f.sql("update fleet.tasks set claimed_at = now() - interval '61 s'")
    equal(f.call("beat", **request, older_ms=60000)[0][0]["returned"], 1)


def test_progress_that_is_too_long_or_no_object_fails_no_beat(f):
    job, bells = f.planned(plan("a"))
    a = f.claim_one(bells["a"])
    beat(f, [a], progress={"percent": 1})
    for progress in ({"x": "y" * 5000}, 7, "text"):
        equal([x["verdict"] for x in beat(f, [a], progress=progress)[1]],
              ["ok"])
        equal(f.task(job, "a", "progress"), '{"percent": 1}')


def test_beat_leaves_the_leases_of_others_alone(f):
    job, bells = f.planned(plan("a"))
    f.other().claim_one(bells["a"])
    equal(beat(f)[0]["returned"], 0)
    equal(f.state(job, "a"), "leased")


def test_settle_in_flight_is_applied_though_beat_handed_its_task_back(f):
    _, bells = f.planned(plan("a"))
    a = f.claim_one(bells["a"])
    equal(beat(f)[0]["returned"], 1)
    equal(f.succeed(a)["verdict"], "applied")
    equal(f.violations(), [])


def test_beat_says_lost_for_a_task_that_was_taken_or_settled(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a, b = f.claim_one(bells["a"]), f.claim_one(bells["b"])
    f.expire(job, "a")
    f.other().claim_one(bells["a"])
    f.succeed(b)
    equal([x["verdict"] for x in beat(f, [a, b])[1]], ["lost", "lost"])


def test_beat_says_cancel_for_a_cancelled_or_overdue_job(f):
    job, bells = f.planned(plan("a"), plan("b"))
    late, rings = f.planned(plan("a"))
    a, c = f.claim_one(bells["a"]), f.claim_one(rings["a"])
    f.call("cancel", job=job, by="test")
    f.pass_deadline(late)
    equal([x["verdict"] for x in beat(f, [a, c])[1]], ["cancel", "cancel"])


def test_watched_job_is_watched_for_ten_seconds(f):
    job, bells = f.planned(plan("a"))
    a = f.claim_one(bells["a"])
    equal([x["watched"] for x in beat(f, [a])[1]], [False])
    f.call("status", job=job, watch=True)
    equal([x["watched"] for x in beat(f, [a])[1]], [True])
    f.sql("update fleet.runs set watched_until = now() - interval '1 s'")
    equal([x["watched"] for x in beat(f, [a])[1]], [False])


# --- checkpoints ---------------------------------------------------------------


def test_first_stored_answer_wins_and_comes_back_with_the_claim(f):
    job, bells = f.planned(plan("a"))
    old = f.claim_one(bells["a"])

    def store(run, answer, ordinal=0, request="r"):
        return f.call("checkpoint", items=[{
            "task": run.task, "fence": run.fence, "ordinal": ordinal,
            "sha256": sha(request), "answer": answer}])[1]

    equal(store(old, "first")[0]["verdict"], "applied")
    equal(store(old, "first")[1], None)
    equal(store(old, "second")[1], "first")
    equal(store(old, "other", request="s")[0]["verdict"], "applied")
    f.expire(job, "a")
    new = f.claim_one(bells["a"])
    equal(new.head["checkpoints"], 2)
    equal(sorted((h["ordinal"], h["sha256"], b) for h, b in new.checkpoints),
          sorted([(0, sha("r"), "first"), (0, sha("s"), "other")]))
    equal(store(old, "late", ordinal=1)[0]["verdict"], "lost")
    equal(f.value("select count(*) from fleet.checkpoints"), "2")


# --- pages and bounds ------------------------------------------------------------


def read_all(f, run, what):
    """All pages of 'what', and the most one call and one row had of bytes."""
    pages, page, row_bytes, call_bytes = [], 0, 0, 0
    while page is not None:
        rows = f.call("read", task=run.task, fence=run.fence, what=what,
                      **{"from": page})
        equal(rows[0][0]["verdict"], "ok")
        page = rows[0][0]["next"]
        sizes = [len(body.encode()) for _, body in rows[1:]]
        row_bytes = max([row_bytes, *sizes])
        call_bytes = max(call_bytes, sum(sizes))
        pages += rows[1:]
    return pages, row_bytes, call_bytes


def test_inputs_over_256_kb_together_are_left_to_read_in_pages(f):
    bells, sizes = [], [900 * KB] + [40 * KB] * 8
    for size in sizes:
        ring = f.submit()["ring"][0]
        f.sql(f"update jobs set request_payload = jsonb_build_object('pad', "
              f"repeat('xyz€', {size} / 6)) where id = '{ring['job']}'")
        bells.append(ring)
    runs = f.claim("planner", f.bells(*bells)).values()
    inline = [r for r in runs if r.body is not None]
    equal(len(inline), 6)
    assert sum(len(r.body.encode()) for r in inline) <= 256 * KB
    for run in runs:
        pages, row_bytes, call_bytes = read_all(f, run, "input")
        text = "".join(body for _, body in pages)
        equal(len(text.encode()), run.head["input_bytes"])
        equal(json.loads(text)["job"]["id"], run.job)
        assert run.body in (None, text)
        assert row_bytes <= 48 * KB and call_bytes <= 480 * KB
        equal([h["from"] for h, _ in pages],
              [sum(len(b) for _, b in pages[:i]) for i in range(len(pages))])
        equal({h["total_chars"] for h, _ in pages}, {len(text)})


def test_read_changes_nothing_and_an_old_fence_is_lost(f):
    job, bells = f.planned(plan("a"))
    old = f.claim_one(bells["a"])
    before = f.sql("select * from fleet.tasks order by id")
    f.call("read", task=old.task, fence=1, what="input", **{"from": 0})
    equal(f.sql("select * from fleet.tasks order by id"), before)
    f.expire(job, "a")
    f.claim_one(bells["a"])
    (head, _), = f.call("read", task=old.task, fence=1, what="input",
                        **{"from": 0})
    equal(head, {"verdict": "lost", "next": None})


def test_checkpoints_that_do_not_fit_the_claim_are_read_in_pages(f):
    job, bells = f.planned(plan("a"))
    run = f.claim_one(bells["a"])
    answers = {i: f"{i}" + "é" * 300000 for i in range(3)}
    answers[3] = ""
    for i, text in answers.items():
        f.call("checkpoint", items=[{
            "task": run.task, "fence": 1, "ordinal": i, "sha256": sha(str(i)),
            "answer": text}])
    f.expire(job, "a")
    run = f.claim_one(bells["a"])
    equal((run.head["checkpoints"], len(run.checkpoints)), (4, 0))
    pages, row_bytes, call_bytes = read_all(f, run, "checkpoints")
    found = {}
    for head, body in pages:
        equal(head["from"], len(found.get(head["ordinal"], "")))
        found[head["ordinal"]] = found.get(head["ordinal"], "") + body
    equal(found, answers)
    assert row_bytes <= 48 * KB and call_bytes <= 480 * KB


def test_reply_of_a_call_that_changes_state_stays_under_a_megabyte(f):
    bells, outcomes = [], []
    for _ in range(5):
        run = f.claim_one(f.submit()["ring"][0])
        bells.append((run.job, run.task))
        outcomes.append(run.outcome("succeeded", output={"plan": [
            plan(f"a-rather-long-name-of-a-node-{i}", "reporter")
            for i in range(1000)]}))
    rows = f.call("settle", owner=f.owner, outcomes=outcomes)
    assert len(json.dumps(rows)) < 1024 * KB
    equal(sum(len(h["ring"]) for h, _ in rows[1:]), 2000)
    rows = f.call("claim", owner=f.owner, agent="planner", lease_ms=1000,
                  bells=f.bells(*bells))
    equal(sum(len(h["ring"]) for h, _ in rows[1:]), 2000)
    assert len(json.dumps(rows)) < 1024 * KB
    f.sql("update fleet.tasks set rung_at = now() - interval '31 s'")
    rung = 0
    for _ in range(5):
        rows = f.call("reap")
        equal(rows[0][0]["rung"], 1000)
        assert rows[0][0]["wake_ms"] <= 30000
        rung += len(rows) - 1
    equal(rung, 5000)


def test_wake_says_when_to_reap_and_null_when_no_job_is_open(f):
    wakes = []
    rows = f.call("submit", jobs=[{
        "job": new_id(), "user": USER, "type": "bench", "request": {},
        "snapshot": False, "agent": "bench"}])
    wakes.append(rows[0][0]["wake_ms"])
    run = f.claim_one(rows[1][0]["ring"][0])
    wakes.append(f.wake_ms)
    request = {"owner": f.owner, "outcomes": [run.outcome(
        "retry", after_ms=20000, error={"class": "x", "text": "y"})]}
    wakes.append(f.call("settle", **request)[0][0]["wake_ms"])
    assert [0 < w <= limit for w, limit in
            zip(wakes, (30000, 60000, 20000))] == [True] * 3, wakes
    f.claim_one(f.submit(deadline_ms=5000)["ring"][0])
    assert 4000 < f.wake_ms <= 5000, f.wake_ms
    f.sql("delete from fleet.runs where deadline_ms = 5000")
    reap = f.call("reap")[0][0]["wake_ms"]
    assert 40000 < reap <= 50000, reap
    f.come_due(run.job, "plan")
    run = f.claim_one({"job": run.job, "task": run.task, "agent": "bench"})
    request["outcomes"] = [run.outcome("succeeded", output={})]
    for call in (f.call("settle", **request), f.call("reap"),
                 f.call("claim", owner=f.owner, agent="bench", lease_ms=1000,
                        bells=[]), f.call("beat", owner=f.owner, held=[],
                                          lease_ms=1000)):
        equal(call[0][0]["wake_ms"], None)


# --- requests ----------------------------------------------------------------


def test_requests_are_refused_naming_the_field(f):
    job, owner = new_id(), new_id()
    bell = {"n": new_id(), "job": job}
    outcome = {"job": job, "task": job, "fence": 1, "outcome": "succeeded"}
    claim = {"owner": owner, "agent": "a", "lease_ms": 1000, "bells": []}
    submit = {"job": job, "user": "u", "type": "bench", "request": {}}
    for function, request, text in [
            ("claim", {**claim, "owner": "me"}, "owner must be a uuid"),
            ("claim", {**claim, "agent": None}, "agent is missing"),
            ("claim", {**claim, "lease_ms": 10},
             "lease_ms must be a whole number from 1000 to 3600000"),
            ("claim", {**claim, "bells": None}, "bells is missing"),
            ("claim", {**claim, "bells": [bell] * 101},
             "bells must have 0 to 100 items"),
            ("claim", {**claim, "bells": [bell, {**bell, "job": "x"}]},
             "bells[1].job must be a uuid"),
            ("claim", {**claim, "bells": [{"job": job}]},
             "bells[0].n is missing"),
            ("settle", {"owner": owner, "outcomes": [outcome, 3]},
             "outcomes[1] must be an object"),
            ("settle", {"owner": owner,
                        "outcomes": [{**outcome, "fence": "x"}]},
             "outcomes[0].fence must be a whole number from 1 to 1e18"),
            ("settle", {"owner": owner,
                        "outcomes": [{**outcome, "outcome": "lost"}]},
             "outcomes[0].outcome must be succeeded or retry or "),
            ("settle", {"owner": owner, "outcomes": [{**outcome,
                                                      "output": [1]}]},
             "outcomes[0].output must be an object of "),
            ("settle", {"outcomes": []}, "owner is missing"),
            ("beat", {"owner": owner, "lease_ms": 1000, "held": [{}]},
             "held[0].task is missing"),
            ("checkpoint", {"items": [{"task": job, "fence": 1, "ordinal": 1,
                                       "sha256": "AB", "answer": ""}]},
             "items[0].sha256 must be a sha256"),
            ("read", {"task": job, "fence": 1, "what": "all", "from": 0},
             "what must be input or checkpoints"),
            ("submit", {"jobs": [{**submit, "trace": 'x"y'}]},
             "jobs[0].trace must be 1 to 64 of 0-9 a-f -"),
            ("submit", {"jobs": [{**submit, "deadline_ms": 1}]},
             "jobs[0].deadline_ms must be a whole number "),
            ("submit", {"jobs": [{**submit, "agent": "No Name"}]},
             "jobs[0].agent must be 1 to 59 of a-z 0-9 _ -"),
            ("submit", {"jobs": [{**submit, "user": ""}]},
             "jobs[0].user must be text of 1 to 255 characters"),
            ("reap", {"limit": 1001}, "limit must be a whole number "),
            ("cancel", {"job": job}, "by is missing"),
            ("status", {"job": "x"}, "job must be a uuid"),
            ("replay", {"by": "me", "tasks": ["x"]},
             "tasks[0] must be a uuid")]:
        try:
            found = fails("FL002", f.call, function, **request)
        except AssertionError as error:
            raise AssertionError(f"{function} {text}: {error}") from None
        assert found.startswith(f"fleet.{function}: {text}"), found


def test_unknown_version_is_refused_by_every_function(f):
    for function in ("submit claim read beat checkpoint settle reap cancel "
                     "status show why portfolio replay dead dismiss "
                     "fsck prune "
                     "seed").split():
        for version in ("2", "null", '"1"'):
            text = fails("FL001", f.sql, f"select * from fleet.{function}("
                         f"'{{\"v\": {version}}}')")
            assert text.startswith(f"fleet.{function}: version "), text


# --- roles ---------------------------------------------------------------------

WORKER = {"claim", "read", "beat", "checkpoint", "settle", "reap"}
SUBMITTER = {"submit", "cancel", "status", "show", "why", "portfolio"}


def test_roles_may_call_their_functions_and_nothing_else(f):
    functions = f.sql("select p.proname, p.oid::regprocedure from pg_proc p "
                      "where pronamespace = 'fleet'::regnamespace")
    assert len(functions) > 30
    for role, allowed in [("alex_worker", WORKER),
                          ("alex_submitter", SUBMITTER), ("public", set())]:
        may = {name for name, signature in functions if f.value(
            f"select has_function_privilege('{role}', '{signature}', "
            "'execute')") == "t"}
        equal(may, allowed)
    tables = f.sql("select format('%I.%I', schemaname, tablename) from "
                   "pg_tables where schemaname in ('fleet', 'public')")
    for role in ("alex_worker", "alex_submitter"):
        for (table,) in tables:
            equal(f.value(f"select has_table_privilege('{role}', '{table}', "
                          "'select, insert, update, delete, truncate')"), "f")
        equal(f.value(f"select has_schema_privilege('{role}', 'fleet', "
                      "'create')"), "f")
        equal(f.value(f"select has_schema_privilege('{role}', 'public', "
                      "'create')"), "f")


def test_worker_role_can_work_and_has_a_time_limit(f):
    job, bells = f.planned(plan("a"))
    w = f.other()
    w.sql("set session authorization alex_worker")
    run = w.claim_one(bells["a"])
    equal(w.succeed(run)["verdict"], "applied")
    fails("42501", w.sql, "select * from fleet.tasks")
    fails("42501", w.sql, "select * from jobs")
    fails("42501", w.call, "submit", jobs=[])
    fails("42501", w.sql, "select fleet.publish('{}')")
    equal(f.sql("select rolname, rolconfig from pg_roles where rolname in "
                "('alex_worker', 'alex_submitter') order by 1"),
          [["alex_submitter", "{statement_timeout=20s}"],
           ["alex_worker", "{statement_timeout=20s}"]])


def test_functions_of_roles_do_not_follow_the_callers_search_path(f):
    w = f.other()
    w.sql("set session authorization alex_worker")
    w.sql("create temp table runs (job_id uuid, ended_at timestamptz)")
    w.sql("create temp table users (clerk_user_id text)")
    w.sql("insert into runs values (gen_random_uuid())")
    equal(w.call("claim", owner=w.owner, agent="a", lease_ms=1000,
                 bells=[])[0][0]["wake_ms"], None)
    settings = f.sql(
        "select proname, proconfig::text from pg_proc where prosecdef and "
        "pronamespace = 'fleet'::regnamespace")
    equal(len(settings), 18)
    for name, config in settings:
        assert 'search_path=fleet, public, pg_temp' in config, name
        assert "lock_timeout=5s" in config, name
