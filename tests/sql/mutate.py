#!/usr/bin/env python3
"""Shows that the tests of the engine can fail.

Usage: tests/sql/mutate.py [WORD ...]

Each row takes one rule out of a copy of the schema and runs the test that is
there for it, which must fail.  Rows that contain one of the WORDs, or all.
Prints TAP; needs ALEX_TEST_POSTGRES, as run.sh does.

Exit codes: 0 every test noticed; 1 one did not, or a rule is not where it was.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parents[1] / "schemas/sql"

# The rule; its file; its text; what stands there instead; who must notice.
MUTATIONS = [
    ("bells of one task in one call give one run", "functions/claim.sql",
     "select distinct on (id) * from free order by id, again desc, ord",
     "select * from free",
     "repeated_claim_gets"),
    ("a claim may be repeated", "functions/claim.sql",
     "and (t.nonce = b.n and t.lease_owner = owner_id\n"
     "                       or t.lease_until <= now",
     "and (t.lease_until <= now", "repeated_claim_gets"),
    ("claim does not wait for tasks", "functions/claim.sql",
     "for no key update of t skip locked", "for no key update of t",
     "claim_does_not_wait"),
    ("claim takes due retries", "functions/claim.sql",
     "or t.state = 'retry_wait' and t.next_run_at <= now\n", "\n",
     "due_retry"),
    ("claim takes expired leases", "functions/claim.sql",
     "or t.lease_until <= now and t.losses < 9", "",
     "expired_lease_is_taken"),
    ("a lost lease is no crash", "functions/claim.sql",
     "losses = t.losses + (p.lost", "crashes = t.crashes + (p.lost",
     "expired_lease_is_taken"),
    ("a task belongs to its job", "functions/claim.sql",
     "and t.job_id is not distinct from b.job and t.agent", "and t.agent",
     "under_another_job"),
    ("terminal verdicts carry bells", "functions/claim.sql",
     "where fleet.is_terminal(s.verdict)", "where false",
     "terminal_verdict_carries"),
    ("finished upstream jobs stay finished", "functions/adopt.sql",
     "and coalesce(j.status, 'pending') in ('pending', 'running')", "",
     "finished_upstream"),
    ("inputs of a claim are bounded together", "functions/claim.sql",
     "over (\n                          order by octet_length(u.b), ord) "
     "<= most_bytes", "over () > 0", "inputs_over_256"),
    ("no plan scans a table", "functions/claim.sql",
     "set enable_seqscan = off\n", "", "plans_made_on_empty"),
    ("no plan finds a task by its job", "functions/settle.sql",
     "t.job_id is not distinct from g.job", "t.job_id = g.job",
     "plans_made_on_empty"),
    ("the snapshot is taken once", "functions/claim.sql",
     "(select i.snapshot from fleet.inputs i\n"
     "                    where i.job_id = l.job_id)",
     "(select null)",
     "snapshot_is_taken_once"),
    ("the fence decides", "functions/settle.sql",
     "and t.fence = g.fence", "and t.fence >= g.fence", "older_fence"),
    ("the owner decides with the fence", "functions/settle.sql",
     "and t.lease_owner = owner_id and t.state in", "and t.state in",
     "another_owner"),
    ("a settle is applied once", "functions/settle.sql",
     "and t.settled_fence < g.fence", "", "repeated_interruption"),
    ("a lease nobody took is still its owner's", "functions/settle.sql",
     "and t.state in ('leased', 'ready')", "and t.state = 'leased'",
     "late_settle_of_a_lease"),
    ("outcomes of a cancelled run have no effect", "functions/settle.sql",
     "case when o.job = any(cancelled) then 'cancelled'",
     "case when false then null", "cancelled_run"),
    ("nothing is tried again past the deadline", "functions/settle.sql",
     "when o.job = any(late) then 'dead'\n", "\n", "past_its_deadline"),
    ("three crashes quarantine", "functions/settle.sql",
     "t.crashes < 2", "t.crashes < 3", "third_crash"),
    ("settle locks runs in order", "functions/settle.sql",
     "order by job_id for no key update) r", "for no key update) r",
     "settle_locks_runs"),
    ("settle locks runs before their tasks move", "functions/settle.sql",
     "          order by job_id for no key update) r", "          ) r",
     "settle_locks_runs"),
    ("bells of a reply are bounded", "functions/settle.sql",
     "        limit most_rings\n", "\n", "under_a_megabyte"),
    ("counters move by grouped counts", "functions/advance.sql",
     "sum(closed)::int", "max(closed)::int", "of_one_job_in_a_batch"),
    ("an optional task that failed counts as met", "functions/advance.sql",
     "or not m.required and fleet.is_terminal(m.state)", "",
     "optional_need"),
    ("planned tasks keep their job open", "functions/advance.sql",
     "select a, -1, 0 from unnest(added) a", "select a, 0, 0 "
     "from unnest(added) a", "planner_success_alone"),
    ("what a dead task feeds is skipped, and so on", "functions/advance.sql",
     "unnest(t.feeds) as f(id)\n", "unnest(t.feeds) as f(id) where false\n",
     "dead_branch_fails"),
    ("needs come before what needs them", "functions/plan.sql",
     ">= i.ord)", "> 100000)", "cannot_be_carried_out"),
    ("payloads are bounded", "functions/learn.sql",
     "most_bytes constant integer := 40000", "most_bytes constant integer "
     ":= 90000", "payloads_of_a_job"),
    ("an older price never replaces a newer", "functions/learn.sql",
     "and (i.price_as_of is null or i.price_as_of <= p.as_of)", "",
     "prices_are_stored"),
    ("beat does not wait for tasks", "functions/beat.sql",
     "          and t.state = 'leased'\n"
     "        for no key update of t skip locked",
     "          and t.state = 'leased'\n        for no key update of t",
     "beat_does_not_wait"),
    ("leases in flight are not handed back", "functions/beat.sql",
     "and t.nonce <> all(coalesce(flight, '{}'))", "", "beat_hands_back"),
    ("beat hands back what is not held", "functions/beat.sql",
     "set state = 'ready', since", "set state = 'leased', since",
     "beat_hands_back"),
    ("the first stored answer wins", "functions/checkpoint.sql",
     "on conflict do nothing", "on conflict (task_id, ordinal, sha256) "
     "do update set answer = excluded.answer", "first_stored_answer"),
    ("reap ends what is past its deadline", "functions/reap.sql",
     "else r.state <> 'open' or r.deadline_at <= now end\n        returning",
     "else r.state <> 'open' end\n        returning",
     "reap_ends_what_is_past"),
    ("reap rings again only what is silent", "functions/reap.sql",
     "<= clock_timestamp())", "> started)", "reap_rings_a_silent"),
    ("replay raises the fence", "functions/replay.sql",
     "fence = t.fence + 1, generation", "generation", "dead_branch_alone"),
    ("replay opens a generation", "functions/replay.sql",
     "set generation = r.generation + 1, state = 'open'",
     "set state = 'open'", "dead_branch_alone"),
    ("nobody else may call the functions", "grants.sql",
     "revoke all on all functions in schema fleet from public;", "",
     "roles_may_call"),
    ("wake_ms is null when no job is open", "functions/common.sql",
     "if exists (select from fleet.runs where ended_at is null) then",
     "if true then", "wake_says"),
]


def mutated(target, file, old, new):
    """None, or what is wrong with the mutation."""
    shutil.copytree(SCHEMA, target)
    path = target / file
    text = path.read_text()
    if old not in text:
        return f"{file} has no {old!r}"
    path.write_text(text.replace(old, new))
    return None


def notices(mutation):
    """None, or why nobody noticed."""
    _, file, old, new, test = mutation
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "sql"
        wrong = mutated(target, file, old, new)
        if wrong:
            return wrong
        done = subprocess.run(
            [sys.executable, HERE / "run.py", "--schema", target, test],
            text=True, capture_output=True)
    if done.returncode != 1 or "\nnot ok" not in done.stdout:
        return (f"{test} ended with {done.returncode}:\n{done.stdout}"
                f"{done.stderr}")
    return None


def main():
    if not os.environ.get("ALEX_TEST_POSTGRES"):
        print("1..0 # SKIP ALEX_TEST_POSTGRES is not set: tools/servers start")
        return 77
    words = sys.argv[1:]
    chosen = [m for m in MUTATIONS
              if not words or any(w in part for w in words for part in m)]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, mutation in enumerate(chosen, 1):
        why = notices(mutation)
        failed += why is not None
        print(f"{'not ' if why else ''}ok {number} - noticed without: "
              f"{mutation[0]}", flush=True)
        for line in (why or "").splitlines():
            print(f"# {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
