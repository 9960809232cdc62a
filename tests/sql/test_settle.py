"""Outcomes: what each charges, who may settle, and what a result may hold."""
import json

from fleet import Run, equal, fails, new_id, plan

ERROR = {"class": "broken", "text": "it broke"}


def charges(f, job, node):
    return f.task(job, node,
                  "failures, crashes, losses, interruptions, deferrals")


def test_repeated_settle_is_applied_once_and_answers_the_same(f):
    ring = f.submit()["ring"][0]
    root = f.claim_one(ring)
    outcome = root.outcome("succeeded", output={"plan": [plan("a")]})
    first, again = f.settle(outcome)[0], f.settle(outcome)[0]
    equal(again, first)
    equal((first["verdict"], len(first["ring"])), ("applied", 1))
    equal(f.run_row(root.job)["open"], 1)
    a = f.claim_one(first["ring"][0])
    f.succeed(a)
    equal(f.settle(outcome)[0]["ring"], [])
    equal(f.succeed(a)["verdict"], "applied")
    equal(f.value("select count(*) from fleet.events "
                  "where kind = 'succeeded'"), "2")


def test_repeated_retry_is_charged_once_and_stays_due_at_the_same_time(f):
    job, bells = f.planned(plan("a"))
    run = f.claim_one(bells["a"])
    first = f.settle_one(run, "retry", after_ms=30000, error=ERROR)
    again = f.settle_one(run, "retry", after_ms=30000, error=ERROR)
    equal(charges(f, job, "a"), ("1", "0", "0", "0", "0"))
    equal(again["verdict"], "applied")
    assert 29000 < again["again_ms"] <= first["again_ms"] <= 30000


def test_repeated_interruption_is_counted_once(f):
    job, bells = f.planned(plan("a"))
    run = f.claim_one(bells["a"])
    equal([f.settle_one(run, "interrupted")["verdict"] for _ in range(2)],
          ["applied", "applied"])
    equal(charges(f, job, "a"), ("0", "0", "0", "1", "0"))


def test_settle_of_an_older_fence_is_stale(f):
    job, bells = f.planned(plan("a"))
    old = f.claim_one(bells["a"])
    f.expire(job, "a")
    new = f.claim_one(bells["a"])
    answer = f.succeed(old, report_payload={"content": "old"})
    equal((answer["verdict"], answer["ring"]), ("stale", []))
    equal(f.state(job, "a"), "leased")
    f.succeed(new, report_payload={"content": "new"})
    equal(f.job(job)["report_payload"], {"content": "new"})


def test_settle_by_another_owner_with_the_same_fence_is_stale(f):
    job, bells = f.planned(plan("a"))
    run = f.claim_one(bells["a"])
    equal(f.other().succeed(run)["verdict"], "stale")
    equal(f.state(job, "a"), "leased")


def test_late_settle_of_a_lease_nobody_took_is_applied(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a, b = f.claim_one(bells["a"]), f.claim_one(bells["b"])
    f.expire(job, "a")
    equal(f.succeed(a)["verdict"], "applied")
    f.expire(job, "b")
    f.call("reap")
    equal(f.state(job, "b"), "ready")
    equal(f.succeed(b)["verdict"], "applied")
    equal(f.job(job)["status"], "completed")
    equal(f.violations(), [])


def test_fifth_failure_is_the_last(f):
    job, bells = f.planned(plan("a"))
    for failures in range(1, 6):
        answer = f.settle_one(f.claim_one(bells["a"]), "retry", error=ERROR)
        state = "dead" if failures == 5 else "retry_wait"
        equal((answer["state"], "again_ms" in answer),
              (state, failures < 5))
        f.come_due(job, "a")
    equal(charges(f, job, "a"), ("5", "0", "0", "0", "0"))
    equal(f.job(job)["error_message"], "reporter (a) died: broken: it broke")


def test_retries_wait_longer_each_time_and_at_least_as_asked(f):
    job, bells = f.planned(plan("a"))
    for failures in range(4):
        answer = f.settle_one(f.claim_one(bells["a"]), "retry", error=ERROR)
        base = 1000 * 2 ** failures
        assert 0.7 * base < answer["again_ms"] <= 1.25 * base, answer
        f.come_due(job, "a")
    answer = f.settle_one(f.claim_one(bells["a"]), "deferred", after_ms=70000)
    assert 69000 < answer["again_ms"] <= 70000


def test_third_crash_quarantines(f):
    job, bells = f.planned(plan("a"))
    for crashes in range(1, 4):
        answer = f.settle_one(f.claim_one(bells["a"]), "crashed", error=ERROR)
        state = "quarantined" if crashes == 3 else "retry_wait"
        equal(answer["state"], state)
        f.come_due(job, "a")
    equal(charges(f, job, "a"), ("0", "3", "0", "0", "0"))
    equal(f.verdict("reporter", job, bells["a"]["task"])["verdict"],
          "quarantined")
    equal(f.job(job)["status"], "failed")


def test_interrupted_and_deferred_charge_nothing(f):
    job, bells = f.planned(plan("a"))
    for _ in range(12):
        answer = f.settle_one(f.claim_one(bells["a"]), "interrupted")
        equal((answer["state"], answer["again_ms"]), ("ready", 0))
        f.settle_one(f.claim_one(bells["a"]), "deferred", after_ms=1)
        f.come_due(job, "a")
    equal(charges(f, job, "a"), ("0", "0", "0", "12", "12"))
    equal(f.claim_one(bells["a"]).head["attempt"], 1)


def test_past_its_deadline_a_task_is_not_tried_again(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a, b = f.claim_one(bells["a"]), f.claim_one(bells["b"])
    f.pass_deadline(job)
    equal(f.settle_one(a, "deferred", after_ms=5)["state"], "dead")
    equal(f.succeed(b)["state"], "succeeded")
    equal(f.job(job)["error_message"],
          "reporter (a) died: deadline: not finished in time")


def test_cancelled_by_the_worker_past_the_deadline_is_dead(f):
    job, bells = f.planned(plan("a"))
    run = f.claim_one(bells["a"])
    f.pass_deadline(job)
    equal(f.settle_one(run, "cancelled")["state"], "dead")
    equal(f.job(job)["status"], "failed")


def test_two_outcomes_of_one_job_in_a_batch_count_twice(f):
    job, bells = f.planned(plan("a"), plan("b"), plan("join", "bench",
                                                      ["a", "b"]))
    runs = [f.claim_one(bells[n]) for n in "ab"]
    answers = f.settle(*[r.outcome("succeeded", output={}) for r in runs])
    equal([a["verdict"] for a in answers], ["applied", "applied"])
    equal((f.run_row(job)["open"], f.state(job, "join")), (1, "ready"))
    equal(f.violations(), [])


def test_two_outcomes_of_one_task_in_a_batch_count_once(f):
    job, bells = f.planned(plan("a"), plan("b"))
    run = f.claim_one(bells["a"])
    answers = f.settle(run.outcome("succeeded", output={}),
                       run.outcome("dead", error=ERROR))
    equal([a["verdict"] for a in answers], ["applied", "applied"])
    equal(f.run_row(job)["open"], 1)
    equal(f.violations(), [])


def test_bad_value_in_one_result_changes_nothing_at_all(f):
    f.sql("insert into instruments (symbol, name) values ('SPY', 'S&P')")
    job, bells = f.planned(plan("a"), plan("b"))
    a, b = f.claim_one(bells["a"]), f.claim_one(bells["b"])
    good = a.outcome("succeeded", output={"report_payload": {"x": 1}})
    for state, output in [
            ("22P02", {"prices": [{"symbol": "SPY", "price": "much",
                                   "as_of": "2026-01-01", "source": "x"}]}),
            ("22001", {"instruments": [{"symbol": "S" * 21, "name": "x"}]})]:
        before = f.sql("select * from fleet.tasks order by id")
        fails(state, f.settle, good, b.outcome("succeeded", output=output))
        equal(f.sql("select * from fleet.tasks order by id"), before)
        equal(f.value("select count(*) from fleet.results"), "1")
        equal(f.run_row(job)["open"], 2)
    equal(f.settle(good)[0]["verdict"], "applied")


def test_prices_are_stored_and_an_older_one_never_replaces_a_newer(f):
    f.sql("insert into instruments (symbol, name) values ('SPY', 'S&P')")
    for price, as_of, expected in [
            ("450.2500", "2026-02-01T00:00:00Z", "450.2500"),
            ("440.0000", "2026-01-01T00:00:00Z", "450.2500"),
            ("460.0000", "2026-03-01T00:00:00Z", "460.0000")]:
        run = f.claim_one(f.submit()["ring"][0])
        f.succeed(run, prices=[
            {"symbol": "SPY", "price": price, "source": "file", "as_of": as_of},
            {"symbol": "GONE", "price": "1", "source": "file",
             "as_of": as_of}])
        equal(f.sql("select current_price, price_source from instruments"),
              [[expected, "file"]])


def test_classifications_are_stored_for_known_and_new_instruments(f):
    f.sql("insert into instruments (symbol, name, instrument_type) "
          "values ('B', 'old name', 'etf')")
    maps = {"allocation_asset_class": {"equity": 100},
            "allocation_regions": {"asia": 100},
            "allocation_sectors": {"other": 100}}
    run = f.claim_one(f.submit()["ring"][0])
    f.succeed(run, instruments=[
        {"symbol": "C", "name": "C Corp", "instrument_type": "stock", **maps,
         "source": "rule", "rationale": "a stock"},
        {"symbol": "B", "name": "B Fund", **maps, "source": "curated"}])
    equal(f.sql("select symbol, name, instrument_type, allocation_regions, "
                "allocation_source, allocation_rationale from instruments "
                "order by symbol"),
          [["B", "B Fund", "etf", '{"asia": 100}', "curated", ""],
           ["C", "C Corp", "stock", '{"asia": 100}', "rule", "a stock"]])


def test_payloads_of_a_job_stay_under_48_kb(f):
    job, bells = f.planned(plan("a"), plan("b"), plan("c"))
    a, b, c = [f.claim_one(bells[n]) for n in "abc"]
    f.succeed(a, report_payload={"content": "x" * 30000})
    answers = f.settle(
        b.outcome("succeeded", output={"charts_payload": {"x": "y" * 12000}}),
        c.outcome("succeeded", output={"retirement_payload": {"x": "fits"}}))
    equal([a["state"] for a in answers], ["dead", "succeeded"])
    done = f.job(job)
    assert done["error_message"].startswith(
        "reporter (b) died: payload_too_large: report, charts,"), done
    assert "40000" in done["error_message"]
    equal((done["charts_payload"], done["retirement_payload"]),
          (None, {"x": "fits"}))
    assert len(json.dumps(done).encode()) < 49152


def test_summary_holds_the_planners_and_how_each_agent_fared(f):
    ring = f.submit(snapshot=True)["ring"][0]
    root = f.claim_one(ring)
    f.succeed(root, summary_payload={"total_value": "5.00"},
              plan=[plan(f"n{i:03}", "bench", required=False)
                    for i in range(300)])
    ids = dict(f.sql("select id, node from fleet.tasks"))
    bells = f.bells(*[(root.job, t) for t in ids if ids[t] != "plan"])
    for i in range(0, 300, 100):
        runs = f.claim("bench", bells[i:i + 100]).values()
        f.settle(*[r.outcome("dead", error={"class": "x", "text": "why " * 99})
                   if r.head["node"] == "n250" else
                   r.outcome("succeeded", output={}) for r in runs])
    summary = f.job(root.job)["summary_payload"]
    equal(summary["total_value"], "5.00")
    agents = summary["agents"]
    equal((agents["n250"]["agent"], agents["n250"]["state"],
           agents["n250"]["attempts"]), ("bench", "dead", 1))
    assert len(agents["n250"]["error"]) <= 200
    assert 20 < len(agents) < 300 and len(json.dumps(agents)) < 8192


def test_plan_that_cannot_be_carried_out_kills_its_task_with_the_reason(f):
    deep = {"x": "y" * 70000}
    for bad, text in [
            ([plan("a"), plan("a")], "plan[1].node a is not unique"),
            ([plan("plan")], "plan[0].node plan is not unique"),
            ([plan("a", needs=["b"]), plan("b")],
             "plan[0].needs names what does not come before it"),
            ([plan("a", needs=["a"])],
             "plan[0].needs names what does not come before it"),
            ([plan('a"b')], "plan[0].node must be 1 to 59 of a-z 0-9 _ . -"),
            ([{"node": "a"}], "plan[0].agent is missing"),
            ([plan("a", params=deep)],
             "plan[0].params must be an object of at most 65000 bytes"),
            ([plan(f"n{i}") for i in range(1001)],
             "plan must be an array of at most 1000 items"),
            ({"a": 1}, "plan must be an array of at most 1000 items")]:
        run = f.claim_one(f.submit()["ring"][0])
        other = f.claim_one(f.submit()["ring"][0])
        answers = f.settle(run.outcome("succeeded", output={"plan": bad}),
                           other.outcome("succeeded",
                                         output={"plan": [plan("a")]}))
        equal([a["state"] for a in answers], ["dead", "succeeded"])
        equal(f.job(run.job)["error_message"],
              f"planner (plan) died: bad_plan: {text}")
    equal(f.violations(), [])


def test_plan_of_a_thousand_with_a_join_is_carried_out(f):
    fan = [plan(f"n{i}", "bench") for i in range(999)]
    job, bells = f.planned(*fan, plan("join", "bench",
                                      [p["node"] for p in fan]))
    equal(len(bells), 999)
    rings = []
    runs = f.bells(*bells.values())
    for i in range(0, 999, 100):
        taken = f.claim("bench", runs[i:i + 100]).values()
        for answer in f.settle(*[r.outcome("succeeded", output={})
                                 for r in taken]):
            rings += answer["ring"]
    # Each of the last batch carries the join's bell: one of them is enough.
    equal({r["task"] for r in rings}, {f.task_id(job, "join")})
    run = f.claim_one(rings[0])
    equal(len(json.loads(run.body)["needs"]), 999)
    f.succeed(run)
    equal(f.job(job)["status"], "completed")
    equal(f.violations(), [])


def test_task_that_is_no_root_may_plan_too(f):
    job, bells = f.planned(plan("a", "bench"))
    answer = f.succeed(f.claim_one(bells["a"]), plan=[plan("deep", "bench")])
    f.succeed(f.claim_one(answer["ring"][0]))
    equal(f.job(job)["status"], "completed")
    equal(f.violations(), [])


def test_free_answers_are_kept_with_the_result(f):
    run = f.claim_one(f.submit()["ring"][0])
    f.settle_one(run, "succeeded", output={}, answers=[
        {"ordinal": 0, "sha256": "ab" * 32, "answer": '{"x":1}'}])
    equal(f.sql("select task_id, ordinal, answer from fleet.checkpoints"),
          [[run.task, "0", '{"x":1}']])


def test_settle_of_a_cancelled_run_is_cancelled_and_has_no_effect(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a = f.claim_one(bells["a"])
    (head, _), = f.call("cancel", job=job, by="test")
    equal((head["verdict"], head["left"]), ("cancelled", 1))
    equal(f.state(job, "b"), "cancelled")
    done = f.job(job)
    equal((done["status"], done["error_message"]),
          ("failed", "cancelled by user"))
    for _ in range(2):
        answer = f.succeed(a, report_payload={"content": "late"})
        equal((answer["verdict"], answer["state"]), ("cancelled", "cancelled"))
    equal(f.job(job)["report_payload"], None)
    equal(f.run_row(job)["open"], 0)
    assert f.run_row(job)["ended_at"]
    equal(f.value("select count(*) from fleet.results"), "1")
    equal(f.call("cancel", job=job, by="test")[0][0]["verdict"], "already")
    equal(f.violations(), [])


def test_unknown_task_is_stale(f):
    run = Run(f.owner, {"job": new_id(), "task": new_id(), "fence": 1,
                        "n": new_id()}, None)
    equal(f.succeed(run)["verdict"], "stale")
