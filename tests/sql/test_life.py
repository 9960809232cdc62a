"""A job's life: submitted, planned, carried out, joined; and what claim says."""
import json

from fleet import Run, USER, equal, fails, new_id, plan

FAN = [plan("a"), plan("b", "charter"), plan("join", "bench", ["a", "b"])]


def test_job_completes_when_all_required_tasks_succeeded(f):
    job, bells = f.planned(*FAN)
    equal(f.job(job)["status"], "running")
    answer = f.succeed(f.claim_one(bells["a"]), report_payload={"content": "x"})
    equal(answer["ring"], [])
    answer = f.succeed(f.claim_one(bells["b"]), charts_payload={"pie": {}})
    (ring,) = answer["ring"]
    equal(ring["agent"], "bench")
    equal(f.job(job)["status"], "running")
    f.succeed(f.claim_one(ring))
    done = f.job(job)
    equal((done["status"], done["error_message"]), ("completed", None))
    equal((done["report_payload"], done["charts_payload"]),
          ({"content": "x"}, {"pie": {}}))
    assert done["completed_at"] >= done["started_at"]
    equal(f.violations(), [])


def test_planner_success_alone_does_not_end_the_job(f):
    job, _ = f.planned(plan("a"))
    equal((f.run_row(job)["state"], f.run_row(job)["open"]), ("open", 1))


def test_dead_branch_fails_the_job_at_its_last_task_and_is_named(f):
    job, bells = f.planned(plan("a"), plan("b", "charter"),
                           plan("after_b", "bench", ["b"]),
                           plan("later", "bench", ["after_b"]))
    f.fail(f.claim_one(bells["b"]), "no colours left")
    equal(f.state(job, "after_b"), "skipped")
    equal(f.state(job, "later"), "skipped")
    equal(f.job(job)["status"], "running")
    f.succeed(f.claim_one(bells["a"]), report_payload={"content": "kept"})
    done = f.job(job)
    equal((done["status"], done["error_message"]),
          ("failed", "charter (b) died: broken: no colours left"))
    equal(done["report_payload"], {"content": "kept"})
    equal(f.violations(), [])


def test_dead_optional_need_counts_as_met(f):
    job, bells = f.planned(plan("tag", "tagger", required=False),
                           plan("a", needs=["tag"]))
    answer = f.fail(f.claim_one(bells["tag"]))
    (ring,) = answer["ring"]
    run = f.claim_one(ring)
    equal(json.loads(run.body)["needs"], {"tag": None})
    f.succeed(run)
    equal(f.job(job)["status"], "completed")
    equal(f.violations(), [])


def test_terminal_verdict_carries_the_bells_of_ready_dependants(f):
    job, bells = f.planned(plan("tag", "tagger", required=False),
                           plan("a", needs=["tag"]))
    f.fail(f.claim_one(bells["tag"]))
    again = f.verdict("tagger", job, bells["tag"]["task"])
    equal(again["verdict"], "dead")
    equal([r["task"] for r in again["ring"]], [f.task_id(job, "a")])
    root = f.verdict("planner", job, None)
    equal((root["verdict"], [r["task"] for r in root["ring"]]),
          ("succeeded", []))


def test_planner_bell_rings_children_its_first_bells_missed(f):
    job, bells = f.planned(plan("a"), plan("b"))
    again = f.verdict("planner", job, None)
    equal(sorted(r["task"] for r in again["ring"]),
          sorted(b["task"] for b in bells.values()))


def test_claim_answers_every_state(f):
    job, bells = f.planned(plan("a"), plan("b", needs=["a"]))
    a, b = bells["a"]["task"], f.task_id(job, "b")
    equal(f.verdict("reporter", job, b)["verdict"], "blocked")
    wrong = f.verdict("charter", job, a)
    equal((wrong["verdict"], wrong["ring"]), ("wrong_agent", [bells["a"]]))
    run = f.claim_one(bells["a"])
    busy = f.verdict("reporter", job, a)
    equal(busy["verdict"], "busy")
    assert 59000 < busy["until_ms"] <= 60000, busy
    f.settle_one(run, "retry", after_ms=30000,
                 error={"class": "x", "text": "y"})
    later = f.verdict("reporter", job, a)
    equal(later["verdict"], "later")
    assert 29000 < later["until_ms"] <= 30000, later
    equal(f.verdict("reporter", new_id(), None)["verdict"], "unknown")
    equal(f.verdict("reporter", job, new_id())["verdict"], "unknown")


def test_bell_of_a_task_under_another_job_is_unknown(f):
    job, bells = f.planned(plan("a"))
    other, _ = f.planned(plan("a"))
    equal(f.verdict("reporter", other, bells["a"]["task"])["verdict"],
          "unknown")
    equal(f.state(job, "a"), "ready")


def test_two_bells_of_one_task_in_one_claim_give_one_run(f):
    ring = f.submit()["ring"][0]
    bells = f.bells(ring, ring, (ring["job"], None))
    answers = f.claim("planner", bells)
    runs = [a for a in answers.values() if isinstance(a, Run)]
    equal(len(runs), 1)
    equal([a["verdict"] for a in answers.values() if not isinstance(a, Run)],
          ["busy", "busy"])


def test_repeated_claim_gets_the_same_run_and_charges_nothing(f):
    ring = f.submit()["ring"][0]
    bells = f.bells(ring, ring)
    first = f.claim("planner", bells)
    again = f.claim("planner", bells)
    (n,) = [n for n, a in first.items() if isinstance(a, Run)]
    equal(again[n].fence, first[n].fence)
    equal(again[n].body, first[n].body)
    equal([a["verdict"] for a in again.values() if not isinstance(a, Run)],
          ["busy"])
    for order in (bells, bells[::-1]):
        f.expire(ring["job"], "plan")
        equal(f.claim("planner", order)[n].fence, first[n].fence)
    equal(f.task(ring["job"], "plan", "losses, crashes, failures"),
          ("0", "0", "0"))
    equal(f.value("select count(*) from fleet.events where kind = 'claimed'"),
          "1")


def test_claim_with_another_nonce_of_the_same_owner_is_busy(f):
    ring = f.submit()["ring"][0]
    f.claim_one(ring)
    equal(f.verdict("planner", ring["job"], ring["task"])["verdict"], "busy")


def test_claim_takes_a_due_retry_itself(f):
    job, bells = f.planned(plan("a"))
    run = f.claim_one(bells["a"])
    f.settle_one(run, "retry", error={"class": "x", "text": "y"})
    f.come_due(job, "a")
    again = f.claim_one(bells["a"])
    equal((again.fence, again.head["attempt"]), (2, 2))


def test_expired_lease_is_taken_by_claim_and_counts_as_a_loss(f):
    job, bells = f.planned(plan("a"))
    for losses in range(3):
        run = f.claim_one(bells["a"])
        equal((run.fence, run.head["alone"]), (losses + 1, losses >= 2))
        f.expire(job, "a")
    equal(f.task(job, "a", "losses, crashes, failures"), ("2", "0", "0"))


def test_tenth_lost_lease_is_the_last(f):
    job, bells = f.planned(plan("a"))
    for _ in range(9):
        f.claim_one(bells["a"])
        f.expire(job, "a")
        f.call("reap")
    f.claim_one(bells["a"])
    f.expire(job, "a")
    equal(f.verdict("reporter", job, bells["a"]["task"])["verdict"], "busy")
    equal(f.wake_ms, 0)
    f.call("reap")
    equal(f.verdict("reporter", job, bells["a"]["task"])["verdict"], "dead")
    assert "reporter (a) died: lost: " in f.job(job)["error_message"]
    equal(f.violations(), [])


def test_snapshot_is_taken_once_and_every_claim_gets_the_same_bytes(f):
    f.sql("insert into instruments (symbol, name, current_price) "
          "values ('SPY', 'S&P', 450.25)")
    f.sql("insert into accounts (id, clerk_user_id, account_name, "
          "cash_balance) values (uuid_generate_v4(), "
          f"'{USER}', 'Ada''s \"401k\"', 5000)")
    f.sql("insert into positions (account_id, symbol, quantity) "
          "select id, 'SPY', 100 from accounts")
    ring = f.submit(snapshot=True, request={"options": {"x": 1}})["ring"][0]
    first = f.claim_one(ring)
    f.sql("update instruments set current_price = 1")
    f.expire(first.job, "plan")
    second = f.claim_one(ring)
    equal(first.body, second.body)
    given = json.loads(first.body)
    equal(given["job"], {"id": first.job, "user": USER,
                         "type": "portfolio_analysis",
                         "request": {"options": {"x": 1}}})
    snapshot = given["snapshot"]
    (account,) = snapshot["accounts"]
    equal((account["name"], account["cash_balance"], account["positions"]),
          ('Ada\'s "401k"', "5000.00",
           [{"symbol": "SPY", "quantity": "100.00000000"}]))
    equal(snapshot["instruments"]["SPY"]["current_price"], "450.2500")
    assert 0 <= snapshot["seed"] < 2 ** 53
    equal(first.head["input_bytes"], len(first.body.encode()))
    f.succeed(second, plan=[plan("a", needs=["plan"])], prices=[],
              detail={"found": 1.50}, summary_payload={"hidden": True})
    a = f.claim_one({"job": first.job, "task": f.task_id(first.job, "a"),
                     "agent": "reporter"})
    child = json.loads(a.body)
    equal(child["snapshot"], snapshot)
    equal(child["needs"], {"plan": {"detail": {"found": 1.5}, "prices": []}})


def test_seed_depends_on_the_job_alone(f):
    job = new_id()
    seeds = []
    for _ in range(2):
        f.reset()
        ring = f.submit(job, snapshot=True)["ring"][0]
        seeds.append(json.loads(f.claim_one(ring).body)["snapshot"]["seed"])
    equal(seeds[0], seeds[1])
    ring = f.submit(snapshot=True)["ring"][0]
    assert json.loads(f.claim_one(ring).body)["snapshot"]["seed"] != seeds[0]


def test_upstream_job_is_adopted_at_claim(f):
    job = new_id()
    f.sql("insert into jobs (id, clerk_user_id, job_type, request_payload) "
          f"values ('{job}', '{USER}', 'portfolio_analysis', "
          "'{\"analysis_type\": \"portfolio\"}')")
    bells = f.bells((job, None))
    run = f.claim("planner", bells)[bells[0]["n"]]
    equal(json.loads(run.body)["job"]["request"],
          {"analysis_type": "portfolio"})
    assert json.loads(run.body)["snapshot"]["accounts"] == []
    f.succeed(run, plan=[plan("a")])
    equal(f.job(job)["status"], "running")
    equal(f.violations(), [])


def test_intake_bell_is_adopted_and_rings_the_planner(f):
    job = new_id()
    f.sql("insert into jobs (id, clerk_user_id, job_type) "
          f"values ('{job}', '{USER}', 'portfolio_analysis')")
    bells = [{"n": new_id(), "job": job, "intake": True}]
    for _ in range(2):
        answer = f.claim("planner", bells)[bells[0]["n"]]
        equal((answer["verdict"], [r["agent"] for r in answer["ring"]]),
              ("adopted", ["planner"]))
    f.claim_one(answer["ring"][0])
    equal(f.claim("planner", bells)[bells[0]["n"]]["ring"], [])
    equal(f.value("select count(*) from fleet.tasks"), "1")


def test_finished_upstream_job_is_not_run_again(f):
    for status, verdict in [("completed", "succeeded"), ("failed", "dead")]:
        job = new_id()
        f.sql("insert into jobs (id, clerk_user_id, job_type, status) values "
              f"('{job}', '{USER}', 'portfolio_analysis', '{status}')")
        equal(f.verdict("planner", job, None)["verdict"], verdict)
    equal(f.value("select count(*) from fleet.runs"), "0")


def test_submit_again_is_existing_and_rings_an_unclaimed_root(f):
    job = new_id()
    equal(f.submit(job)["verdict"], "created")
    again = f.submit(job)
    equal((again["verdict"], len(again["ring"])), ("existing", 1))
    f.claim_one(again["ring"][0])
    equal(f.submit(job)["ring"], [])
    equal(f.value("select count(*) from fleet.tasks"), "1")


def test_submit_of_another_request_under_the_same_job_is_a_conflict(f):
    job = new_id()
    f.submit(job)
    f.sql("insert into users (clerk_user_id) values ('other')")
    for more in [{"request": {"x": 1}}, {"agent": "reporter"},
                 {"type": "bench"}, {"user": "other"}]:
        again = f.submit(job, **more)
        equal((again["verdict"], again["ring"]), ("conflict", []))
    equal(f.job(job)["request_payload"], {})


def test_submit_for_an_unknown_user_creates_nothing(f):
    equal(f.submit(user="nobody")["verdict"], "no_user")
    equal(f.value("select count(*) from jobs"), "0")
    equal(f.value("select count(*) from fleet.runs"), "0")


def test_normal_analysis_writes_its_jobs_row_three_times(f):
    f.sql("create table writes (n int)")
    f.sql("create function count_write() returns trigger language plpgsql as "
          "$$ begin insert into writes values (1); return null; end $$")
    f.sql("create trigger count_writes after insert or update on jobs "
          "for each row execute function count_write()")
    try:
        job, bells = f.planned(plan("a"), plan("b"), plan("c"))
        for node in "abc":
            f.succeed(f.claim_one(bells[node]), report_payload={"by": node})
        equal(f.value("select count(*) from writes"), "3")
    finally:
        f.sql("drop trigger count_writes on jobs; "
              "drop function count_write; drop table writes")


def test_bad_job_type_is_refused_by_name(f):
    text = fails("FL002", f.submit, type="lottery")
    assert text.startswith("fleet.submit: jobs[0].type must be portfolio_"), text
