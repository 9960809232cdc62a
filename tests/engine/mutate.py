#!/usr/bin/env python3
"""mutate.py [WORD...]: takes rules out of the engine, one at a time.

Each row of MUTATIONS is a rule, the text that is the rule, what it becomes,
and the test that must pass with the rule and fail without it.  WORDs choose
rows by their names.  Wants ALEX_TEST_POSTGRES; starts a private server when it
is not set.

Exit codes: 0 every mutation was noticed; 1 one was not, or no longer applies;
77 no PostgreSQL.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
SQL_DIR = TOP / "schemas/sql"
SKIPPED = 77
TEST_S = 60

Mutation = collections.namedtuple("Mutation", "rule file old new test")

MUTATIONS = [Mutation(*row) for row in (
    ("a replay looks at the fence it was told", "replay",
     "when t.fence <> (request -> 'fences' ->> f.at)::bigint then 'moved'",
     "when false then 'moved'",
     "mend.Replaying.test_death_that_was_replayed_since_it_was_listed_stays"),
    ("a replay locks the run first", "replay",
     "        order by job_id for no key update;\n    now", "    ;\n    now",
     "mend.Replaying.test_replay_that_waited_for_another_does_nothing"),
    ("a repeated batch gets its bells", "replay",
     "where p.task_id = t.id and p.batch = batch_id", "where false",
     "mend.Replaying.test_repeated_replay_gets_the_same_bells"),
    ("a lost input is no input", "dead",
     "where s.task_id = n.id))", "where s.task_id = n.id) and false)",
     "mend.Replaying.test_lost_input_is_seen_before_a_worker_fails_of_it"),
    ("who needs a lost result waits for it", "fsck",
     "t.state in ('blocked', 'ready')", "t.state = 'blocked'",
     "mend.Mending.test_task_without_its_result_runs_again_"
     "before_who_needs_it"),
    ("a planner does not plan twice", "fsck",
     "where c.job_id = t.job_id and c.parent = t.id));",
     "where false));",
     "mend.Mending.test_planner_without_its_result_is_left_and_says_so"),
    ("settle locks the run first", "settle",
     "order by job_id for no key update) r;", "order by job_id) r;",
     "together.Together.test_settle_that_waited_for_a_cancel_"
     "is_answered_cancelled"),
    ("a repeat goes before a duplicate", "claim",
     "from free order by id, again desc, ord", "from free order by id, ord",
     "once.Once.test_repeated_claim_beside_a_duplicate_keeps_its_run"),
    ("a nonce gets its run again", "claim",
     "(t.nonce = b.n and t.lease_owner = owner_id\n"
     "                       or t.lease_until",
     "(false\n                       or t.lease_until",
     "once.Once.test_repeated_claim_gets_the_same_run"),
    ("only the owner's nonce counts", "claim",
     "(t.nonce = b.n and t.lease_owner = owner_id", "(t.nonce = b.n",
     "once.Once.test_another_bell_does_not_share_a_lease"),
    ("an outcome is applied once", "settle",
     "and t.fence = g.fence and t.settled_fence < g.fence",
     "and t.fence = g.fence",
     "once.Once.test_repeated_interruption_leaves_the_ready_task_alone"),
    ("a repeat is told applied", "settle",
     "when t.fence = o.fence and t.settled_fence = o.fence", "when false",
     "once.Once.test_repeated_settle_gets_the_same_bells"),
    ("a repeat under a passed fence is not", "settle",
     "when t.fence = o.fence and t.settled", "when t.settled",
     "ends.Branches.test_replay_runs_the_dead_branch_alone_"
     "under_a_new_generation"),
    ("the fence decides", "settle",
     "and t.fence = g.fence and t.settled_fence < g.fence",
     "and t.settled_fence < g.fence",
     "once.Once.test_older_fence_of_the_same_owner_is_stale"),
    ("only the owner settles", "settle",
     "and t.lease_owner = owner_id and t.state in ('leased', 'ready')",
     "and t.state in ('leased', 'ready')",
     "once.Once.test_only_the_owner_settles"),
    ("what has ended stays ended", "settle",
     "and t.lease_owner = owner_id and t.state in ('leased', 'ready')",
     "and t.lease_owner = owner_id",
     "ends.Endings.test_late_success_does_not_revive_a_task_"
     "that_its_deadline_ended"),
    ("counters move by grouped counts", "advance",
     "select f.id, count(*) as n", "select f.id, 1 as n",
     "together.Together.test_two_outcomes_of_one_job_count_twice"),
    ("an optional need that died is met", "advance",
     "or not m.required and fleet.is_terminal(m.state)", "",
     "ends.Branches.test_dead_optional_need_frees_its_dependant"),
    ("what needs the dead is skipped", "advance",
     "where t.id = any(array(select id from below))", "where false",
     "ends.Branches.test_dead_required_need_skips_all_that_waits_for_it"),
    ("terminal verdicts ring", "claim",
     "where fleet.is_terminal(s.verdict)", "where false",
     "ends.Branches.test_terminal_verdict_rings_ready_dependants"),
    ("a retry is not claimed before it is due", "claim",
     "or t.state = 'retry_wait' and t.next_run_at <= now",
     "or t.state = 'retry_wait'",
     "bells.Verdicts.test_claim_takes_due_retries_and_expired_leases"),
    ("claim takes expired leases", "claim",
     "or t.lease_until <= now and t.losses < 9", "",
     "bells.Verdicts.test_claim_takes_due_retries_and_expired_leases"),
    ("an expired lease is no crash", "claim",
     "losses = t.losses + (p.lost", "crashes = t.crashes + (p.lost",
     "ends.Budgets.test_expired_lease_counts_as_loss_not_crash"),
    ("claims in flight are not handed back", "beat",
     "and t.nonce <> all(coalesce(flight, '{}'))", "",
     "bells.Beats.test_claims_in_flight_are_not_handed_back"),
    ("what is held is not handed back", "beat",
     "where h.task = t.id and h.fence = t.fence)", "where false)",
     "bells.Beats.test_beat_hands_back_what_is_not_held_uncharged"),
    ("the first answer wins", "checkpoint",
     "on conflict do nothing",
     "on conflict (task_id, ordinal, sha256) do update "
     "set answer = excluded.answer",
     "once.Once.test_first_stored_answer_wins"),
    ("a replay raises the fence", "replay",
     "fence = t.fence + 1,", "",
     "ends.Branches.test_settle_of_the_run_before_a_replay_is_stale"),
    ("instruments are locked in order", "learn",
     "order by symbol for no key update;", "order by random() "
     "for no key update;",
     "together.Crowd.test_random_order_batches_do_not_deadlock"),
    ("one reap at a time", "reap",
     "if not pg_try_advisory_xact_lock(hashtext('fleet.reap')) then",
     "if false then",
     "together.Together.test_a_second_reap_at_once_is_skipped"),
    ("workers see no tables", "../grants",
     "grant usage on schema fleet to alex_worker, alex_submitter;",
     "grant usage on schema fleet to alex_worker, alex_submitter;\n"
     "grant select on fleet.tasks to alex_worker;",
     "bounds.Roles.test_worker_role_can_do_nothing_else"),
    ("workers call no other functions", "../grants",
     "fleet.settle(jsonb), fleet.reap(jsonb)",
     "fleet.settle(jsonb), fleet.reap(jsonb), fleet.prune(jsonb)",
     "bounds.Roles.test_worker_role_can_do_nothing_else"),
)]


def run_test(name, sql_dir):
    """(passed, its output)."""
    program, test = name.split(".", 1)
    done = subprocess.run(
        [sys.executable, HERE / f"test_{program}.py", test],
        env={**os.environ, "ALEX_TEST_SQL_DIR": str(sql_dir)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=TEST_S)
    ran = re.search(r"^Ran 1 test in .*\n\n(OK|FAILED)", done.stdout,
                    re.MULTILINE)
    # A schema that does not even load would "fail" every test.
    if not ran or "RuntimeError: migrating" in done.stdout:
        raise RuntimeError(f"{name} did not run:\n{done.stdout}")
    return ran[1] == "OK", done.stdout


def survives(mutation):
    """None if the test notices, or why that can't be said."""
    with tempfile.TemporaryDirectory(prefix="alex-mutate.") as scratch:
        copy = Path(scratch, "sql")
        shutil.copytree(SQL_DIR, copy)
        file = copy / "functions" / f"{mutation.file}.sql"
        text = file.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            return (f"its text is {text.count(mutation.old)} times in "
                    f"{mutation.file}.sql: look for {mutation.old!r}")
        file.write_text(text.replace(mutation.old, mutation.new),
                        encoding="utf-8")
        if run_test(mutation.test, copy)[0]:
            return "SURVIVED"
    return None


def check(mutations):
    """Prints a row a mutation; how many were not noticed."""
    unnoticed = 0
    for test in sorted({m.test for m in mutations}):
        passed, output = run_test(test, SQL_DIR)
        if not passed:
            unnoticed += 1
            print(f"{test} fails on the engine as it is:\n{output}")
    for mutation in mutations:
        started = time.monotonic()
        why = survives(mutation)
        unnoticed += why is not None
        print(f"{why or 'noticed':9} {time.monotonic() - started:5.1f} s  "
              f"{mutation.rule:42} {mutation.test.rsplit('.', 1)[1]}",
              flush=True)
    return unnoticed


def with_server(work):
    """Does the work with a private server, if there is none to use."""
    if os.environ.get("ALEX_TEST_POSTGRES"):
        return work()
    tool = TOP / "tools/servers"
    with tempfile.TemporaryDirectory(prefix="alex-mutate.") as scratch:
        os.chmod(scratch, 0o755)
        where = ["--only", "postgres", "--dir", f"{scratch}/servers"]
        done = subprocess.run([tool, "start", *where])
        if done.returncode == 69:
            print("SKIP: PostgreSQL is not installed")
            sys.exit(SKIPPED)
        done.check_returncode()
        try:
            lines = subprocess.run([tool, "env", *where], text=True,
                                   stdout=subprocess.PIPE, check=True).stdout
            for name, url in re.findall(r"^export (\w+)=(.*)$", lines,
                                        re.MULTILINE):
                os.environ[name] = url.strip("'\"")
            return work()
        finally:
            subprocess.run([tool, "stop", *where, "--remove"], check=True)


def main(words):
    if {"-h", "--help"} & set(words):
        print(__doc__)
        return 0
    chosen = [m for m in MUTATIONS
              if not words or any(word in m.rule for word in words)]
    if not chosen:
        print(f"no rule is named like {words}")
        return 1
    unnoticed = with_server(lambda: check(chosen))
    print(f"{len(chosen)} mutations, {unnoticed} problems")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
