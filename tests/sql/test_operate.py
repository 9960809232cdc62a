"""reap, replay, cancel, why, status, show, fsck and prune."""
from fleet import USER, equal, fails, new_id, plan

ERROR = {"class": "broken", "text": "it broke"}


def reap(f, **request):
    rows = f.call("reap", **request)
    return rows[0][0], [head for head, _ in rows[1:]]


# --- reap ----------------------------------------------------------------------


def test_reap_makes_an_expired_lease_ready_and_rings_it(f):
    job, bells = f.planned(plan("a"))
    f.claim_one(bells["a"])
    equal(reap(f)[0]["moved"], 0)
    f.expire(job, "a")
    head, rings = reap(f)
    equal((head["moved"], [r["task"] for r in rings]),
          (1, [bells["a"]["task"]]))
    equal(f.task(job, "a", "state, losses, crashes"), ("ready", "1", "0"))
    equal(reap(f)[1], [])


def test_reap_rings_a_silent_task_after_30_s_then_60_s(f):
    job, _ = f.planned(plan("a"))
    for seconds, rung in [(29, 0), (2, 1), (31, 0), (30, 1), (119, 0), (2, 1)]:
        f.later(job, seconds)
        equal(len(reap(f)[1]), rung)


def test_reap_rings_after_5_s_when_the_broker_holds_nothing(f):
    job, _ = f.planned(plan("a"))
    f.later(job, 6)
    equal(reap(f)[1], [])
    equal(reap(f, depth={"reporter": 3, "charter": 0})[1], [])
    equal(len(reap(f, depth={"reporter": 0})[1]), 1)


def test_reap_rings_a_due_retry_whose_bell_is_lost_not_one_that_waits(f):
    job, bells = f.planned(plan("a"))
    f.settle_one(f.claim_one(bells["a"]), "retry", after_ms=100000,
                 error=ERROR)
    f.later(job, 60)
    equal(reap(f)[1], [])
    f.sql("update fleet.tasks set next_run_at = now() - interval '31 s' "
          "where state = 'retry_wait'")
    equal(len(reap(f)[1]), 1)


def test_reap_ends_what_is_past_its_deadline(f):
    job, bells = f.planned(plan("a"), plan("b"), plan("c", needs=["a"]))
    a = f.claim_one(bells["a"])
    f.pass_deadline(job)
    reap(f)
    equal((f.state(job, "a"), f.state(job, "b"), f.state(job, "c")),
          ("leased", "dead", "skipped"))
    equal(f.job(job)["status"], "running")
    f.expire(job, "a")
    reap(f)
    equal(f.state(job, "a"), "dead")
    assert "deadline: not finished in time" in f.job(job)["error_message"]
    equal(f.succeed(a)["verdict"], "stale")
    equal(f.violations(), [])


def test_reap_ends_a_cancelled_lease_that_nobody_holds(f):
    job, bells = f.planned(plan("a"))
    f.claim_one(bells["a"])
    f.call("cancel", job=job, by="test")
    reap(f)
    equal(f.state(job, "a"), "leased")
    f.expire(job, "a")
    reap(f)
    equal(f.state(job, "a"), "cancelled")
    assert f.run_row(job)["ended_at"]
    equal(f.violations(), [])


def test_job_of_a_deleted_user_is_cancelled(f):
    job, bells = f.planned(plan("a"), plan("b"))
    f.claim_one(bells["b"])
    f.sql(f"delete from users where clerk_user_id = '{USER}'")
    answer = f.verdict("reporter", job, bells["a"]["task"])
    equal((answer["verdict"], f.wake_ms), ("busy", 0))
    reap(f)
    equal(f.verdict("reporter", job, bells["a"]["task"])["verdict"],
          "cancelled")
    f.expire(job, "b")
    reap(f)
    equal(f.run_row(job)["state"], "cancelled")
    assert f.run_row(job)["ended_at"]


def test_reap_adopts_upstream_jobs_only_after_2_minutes_and_when_asked(f):
    old, new = new_id(), new_id()
    for job, age in [(old, 3), (new, 1)]:
        f.sql("insert into jobs (id, clerk_user_id, job_type, created_at) "
              f"values ('{job}', '{USER}', 'portfolio_analysis', "
              f"now() at time zone 'UTC' - {age} * interval '1 min')")
    reap(f)
    equal(f.value("select count(*) from fleet.runs"), "0")
    head, rings = reap(f, adopt=True)
    equal((head["moved"], [r["job"] for r in rings]), (1, [old]))


def test_reap_finds_everything_in_turns_when_there_is_too_much(f):
    for _ in range(3):
        f.submit()
    f.sql("update fleet.tasks set rung_at = now() - interval '1 h'")
    head, rings = reap(f, limit=2)
    equal(len(rings), 2)
    assert head["wake_ms"] <= 1000
    equal(len(reap(f, limit=2)[1]), 1)


# --- replay --------------------------------------------------------------------


def dead_branch(f):
    job, bells = f.planned(plan("a"), plan("b", "charter"),
                           plan("after", "bench", ["b"]))
    f.succeed(f.claim_one(bells["a"]), report_payload={"content": "kept"})
    run = f.claim_one(bells["b"])
    f.call("checkpoint", items=[{
        "task": run.task, "fence": run.fence, "ordinal": 0,
        "sha256": "ab" * 32, "answer": "bought"}])
    f.fail(run)
    equal(f.job(job)["status"], "failed")
    return job, run


def test_replay_runs_the_dead_branch_alone_and_completes_the_job(f):
    job, old = dead_branch(f)
    rows = f.call("replay", job=job, by="ops")
    equal(rows[0][0]["replayed"], 2)
    ((answer, _),) = rows[1:]
    equal((answer["verdict"], answer["task"]), ("replayed", old.task))
    reopened = f.job(job)
    equal((reopened["status"], reopened["error_message"],
           reopened["completed_at"]), ("running", None, None))
    equal((f.run_row(job)["generation"], f.run_row(job)["bad"]), (2, 0))
    equal(f.succeed(old)["verdict"], "stale")
    run = f.claim_one(answer["ring"][0])
    assert run.fence > old.fence
    equal((run.head["attempt"], run.head["checkpoints"]), (1, 1))
    (ring,) = f.succeed(run)["ring"]
    f.succeed(f.claim_one(ring))
    done = f.job(job)
    equal((done["status"], done["report_payload"]),
          ("completed", {"content": "kept"}))
    equal(f.sql("select generation, kind from fleet.events where kind in "
                "('job_failed', 'job_completed', 'job_reopened') order by at"),
          [["1", "job_failed"], ["2", "job_reopened"], ["2", "job_completed"]])
    equal(f.sql("select task_id, generation, by, fresh from fleet.replays"),
          [[old.task, "2", "ops", "f"]])
    equal(f.violations(), [])


def test_fresh_replay_drops_what_was_recorded(f):
    job, old = dead_branch(f)
    rows = f.call("replay", tasks=[old.task], by="ops", fresh=True)
    equal(f.claim_one(rows[1][0]["ring"][0]).head["checkpoints"], 0)


def test_replay_of_a_dead_planner_takes_a_new_snapshot_only_when_fresh(f):
    ring = f.submit(snapshot=True)["ring"][0]
    root = f.claim_one(ring)
    f.fail(root)
    again = f.claim_one(f.call("replay", job=root.job,
                               by="ops")[1][0]["ring"][0])
    equal(again.body, root.body)
    f.fail(again)
    fresh = f.claim_one(f.call("replay", job=root.job, by="ops",
                               fresh=True)[1][0]["ring"][0])
    assert fresh.body != root.body


def test_replay_leaves_a_running_job_and_what_succeeded_alone(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a = f.claim_one(bells["a"])
    f.fail(a)
    rows = f.call("replay", tasks=[a.task, new_id()], by="ops")
    equal(sorted(h["verdict"] for h, _ in rows[1:]), ["not_over", "unknown"])
    f.succeed(f.claim_one(bells["b"]))
    rows = f.call("replay", tasks=[bells["b"]["task"]], by="ops")
    equal(rows[1][0]["verdict"], "succeeded")
    equal(f.run_row(job)["state"], "failed")
    equal(f.violations(), [])


def test_replay_of_one_of_two_dead_branches_keeps_the_other_skipped(f):
    job, bells = f.planned(plan("a"), plan("b"), plan("join", "bench",
                                                      ["a", "b"]))
    for node in "ab":
        f.fail(f.claim_one(bells[node]))
    rows = f.call("replay", tasks=[bells["a"]["task"]], by="ops")
    equal((rows[0][0]["replayed"], f.state(job, "join")), (1, "skipped"))
    f.succeed(f.claim_one(rows[1][0]["ring"][0]))
    equal(f.job(job)["status"], "failed")
    rows = f.call("replay", job=job, by="ops")
    equal((rows[0][0]["replayed"], f.state(job, "join")), (2, "blocked"))
    equal(f.violations(), [])


def test_cancelled_job_can_be_replayed(f):
    job, bells = f.planned(plan("a"), plan("b", needs=["a"]))
    f.call("cancel", job=job, by="test")
    rows = f.call("replay", job=job, by="ops")
    equal([h["verdict"] for h, _ in rows[1:]], ["cancelled"] * 2)
    rows = f.call("replay", job=job, by="ops", cancelled=True)
    equal(rows[0][0]["replayed"], 2)
    equal((f.state(job, "a"), f.state(job, "b")), ("ready", "blocked"))
    rings = [r for h, _ in rows[1:] for r in h["ring"]]
    f.succeed(f.claim_one(f.succeed(f.claim_one(rings[0]))["ring"][0]))
    equal(f.job(job)["status"], "completed")
    equal(f.violations(), [])


# --- why, status, show ------------------------------------------------------------


def test_why_says_what_each_task_waits_for(f):
    job, bells = f.planned(plan("a"), plan("b", "charter"),
                           plan("c", needs=["a", "b"]), plan("d"), plan("e"))
    a = f.claim_one(bells["a"])
    f.settle_one(f.claim_one(bells["d"]), "retry", after_ms=9000, error=ERROR)
    f.fail(f.claim_one(bells["e"]), "no reason")
    f.later(job, 40)
    rows = {h["node"]: h for h in f.heads("why", job=job)}
    equal({n: r["waits_for"] for n, r in rows.items()},
          {"a": "worker", "b": "claim", "c": "needs", "d": "back-off",
           "e": "nothing"})
    assert a.owner in rows["a"]["detail"]
    assert "rung once, the last time 40 s ago: is a worker of charter" \
        in rows["b"]["detail"], rows["b"]
    equal(rows["c"]["detail"],
          "reporter (a) is leased, charter (b) is ready")
    assert rows["d"]["detail"].endswith("after broken: it broke")
    equal(rows["e"]["detail"], "broken: no reason (1 of 5 failures, 0 of 3 "
          "crashes, 0 of 10 lost leases)")
    f.expire(job, "a")
    assert "ended 1 s ago" in {h["node"]: h for h in f.heads(
        "why", job=job)}["a"]["detail"]
    equal(f.call("why", job=new_id())[0][0]["detail"], "no such job")


def test_status_tells_of_jobs_and_their_tasks(f):
    job, bells = f.planned(plan("a"), plan("b"))
    f.claim_one(bells["a"])
    (one,) = f.heads("status", job=job)
    equal((one["state"], one["status"], one["user"], one["generation"]),
          ("open", "running", USER, 1))
    equal({t["node"]: (t["state"], t["attempt"]) for t in one["tasks"]},
          {"plan": ("succeeded", 1), "a": ("leased", 1), "b": ("ready", 0)})
    for _ in range(3):
        f.submit()
    jobs = f.heads("status", user=USER, limit=3)
    equal(len(jobs), 3)
    rest = f.heads("status", user=USER, limit=3,
                   before=jobs[-1]["submitted"])
    equal([j["job"] for j in rest], [job])
    equal(f.heads("status", user="nobody"), [])
    f.call("cancel", job=job, by="test")
    (one,) = f.heads("status", job=job)
    equal((one["state"], one["status"]), ("cancelled", "failed"))


def test_status_reports_an_overdue_job_as_failed_though_nobody_is_alive(f):
    job, _ = f.planned(plan("a"))
    f.sql("update fleet.runs set deadline_at = now() - interval '2 min'")
    (one,) = f.heads("status", job=job)
    equal((one["status"], one["error"]), ("failed", "not finished in time"))
    equal(f.job(job)["status"], "running")


def test_show_gives_payloads_before_and_after_the_end_and_results(f):
    job, bells = f.planned(plan("a"), plan("b"))
    f.succeed(f.claim_one(bells["a"]), report_payload={"content": "x"},
              detail={"bands": "é" * 300000})
    for _ in range(2):
        rows = f.call("show", job=job, what="report_payload")
        equal([b for _, b in rows[1:]], ['{"content": "x"}'])
        if f.state(job, "b") == "ready":
            f.succeed(f.claim_one(bells["b"]))
    equal(f.job(job)["status"], "completed")
    text, page = "", 0
    while page is not None:
        rows = f.call("show", job=job, what="results", node="a",
                      **{"from": page})
        text += "".join(b for _, b in rows[1:])
        assert all(len(b.encode()) <= 49152 for _, b in rows[1:])
        page = rows[0][0]["next"]
    assert text.count("é") == 300000 and text.startswith("{")
    equal(f.call("show", job=job, what="charts_payload"),
          [({"verdict": "none", "next": None}, None)])


# --- fsck and prune ----------------------------------------------------------------

DAMAGE = [
    ("open count", "update fleet.runs set open = open + 1"),
    ("bad count", "update fleet.runs set bad = 7"),
    ("ended", "update fleet.runs set ended_at = now()"),
    ("status", "update jobs set status = 'completed'"),
    ("no ring", "update fleet.tasks set rung_at = null"),
    ("unmet", "update fleet.tasks set unmet = 3 where state = 'blocked'"),
    ("unmet", "update fleet.tasks set state = 'blocked' where node = 'a'"),
    ("lease", "update fleet.tasks set state = 'leased', lease_until = "
              "now() - interval '3 min' where node = 'a'"),
    ("result", "insert into fleet.results select id, job_id, 1, '{}' "
               "from fleet.tasks where node = 'a'"),
    ("orphan result", "insert into fleet.results select gen_random_uuid(), "
                      "job_id, 1, '{}' from fleet.runs"),
    ("orphan checkpoint", "insert into fleet.checkpoints values "
                          "(gen_random_uuid(), 1, 'x', 'y')"),
    ("orphan task", "insert into fleet.tasks (id, job_id, node, agent, state, "
                    "rung_at) values (gen_random_uuid(), gen_random_uuid(), "
                    "'x', 'x', 'ready', now())"),
    ("orphan run", "delete from users"),
]


def test_fsck_finds_and_mends_every_kind_of_damage(f):
    for rule, damage in DAMAGE:
        f.reset()
        job, _ = f.planned(plan("a"), plan("b", needs=["a"]))
        equal(f.violations(), [])
        f.sql(damage)
        found = {v["rule"] for v in f.violations()}
        assert rule in found, (rule, found)
        mended = f.call("fsck", repair=True)
        assert all(h["repaired"] for h, _ in mended[1:]), (rule, mended)
        equal(f.violations(), [])


def test_fsck_finds_a_join_that_did_not_fire_or_fired_twice(f):
    job, bells = f.planned(plan("a"))
    f.succeed(f.claim_one(bells["a"]))
    f.sql("insert into fleet.events select * from fleet.events "
          "where kind = 'job_completed'")
    equal([v["rule"] for v in f.violations()], ["join"])
    f.sql("delete from fleet.events where kind = 'job_completed'")
    equal([v["rule"] for v in f.violations()], ["join"])
    equal([h["repaired"] for h, _ in f.call("fsck", repair=True)[1:]], [True])
    f.sql("insert into fleet.events select * from fleet.events "
          "where kind = 'succeeded' and task_id = "
          f"'{bells['a']['task']}'")
    equal([v["rule"] for v in f.violations()], ["twice"])


def test_fsck_finds_a_run_whose_last_task_ended_unnoticed(f):
    job, bells = f.planned(plan("a"))
    f.sql("update fleet.tasks set state = 'dead' where node = 'a'")
    assert {"ended", "open count"} <= {v["rule"] for v in f.violations()}
    f.call("fsck", repair=True)
    equal(f.violations(), [])
    equal((f.job(job)["status"], f.run_row(job)["state"]),
          ("failed", "failed"))


def test_prune_forgets_what_is_old_and_over_and_nothing_else(f):
    old, bells = f.planned(plan("a"))
    f.succeed(f.claim_one(bells["a"]))
    going, _ = f.planned(plan("a"))
    f.sql("update fleet.runs set ended_at = '2020-01-01' "
          "where ended_at is not null")
    f.sql("update fleet.events set at = '2020-01-01' "
          f"where job_id = '{old}'")
    head = f.call("prune", before="2021-01-01", limit=1)[0][0]
    equal(head, {"runs": 1, "events": 1, "more": True})
    while head["more"]:
        head = f.call("prune", before="2021-01-01", limit=1)[0][0]
    for table in ("runs", "tasks", "results", "events"):
        equal(f.sql(f"select distinct job_id from fleet.{table}"), [[going]])
    equal(f.job(old)["status"], "completed")
    equal(f.verdict("planner", old, None)["verdict"], "succeeded")
    equal(f.violations(), [])
