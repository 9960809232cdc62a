#!/usr/bin/env python3
"""Runs real workers on real servers, breaks things, and counts what was lost.

usage: tests/chaos/chaos.py [--queue redis|sqs|kafka] [--short] [--seed N]
                            [--times N] [--jobs N] [--build DIR] [FAULT ...]

Each fault (--list; default: all) is injected 20 times while analyses are
submitted, which makes 2,000 jobs and more a queue; then everything submitted
must complete. Printed for each fault: how often it was injected, jobs
submitted, lost (failed, gone or without a result), twice (an effect applied
again), stuck (not over 90 s after the last fault), recovery (from the last
fault to the end of the last job), fsck, and what tasks were charged.

Which fault hits what and when follows from the seed; how the processes
interleave does not. --short is for CI: each fault 5 times.

Examples:
  tests/chaos/chaos.py --queue redis
  tests/chaos/chaos.py --queue kafka --short
  tests/chaos/chaos.py --seed 7 --times 200 after_commit before_ack

Needs a build with crash points; without --build one is made in build-chaos.

Exit codes: 0 nothing lost, duplicated or stuck; 1 something was, or a fault
could not be injected as often; 64 usage; 69 the servers or programs could not
be started.
"""
import argparse
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from faults import FAULTS, Injector
from table import HEAD, Row, total
from world import BROKERS, TOP, UNAVAILABLE, Fleet, Servers, Submitter

TIMES, SHORT_TIMES = 20, 5
JOBS = 4
STUCK_S = 90
TRIES = 10  # To inject one fault that finds nothing to hit.


def make_build(build):
    """A build with crash points: never one that is used for anything else."""
    steps = [["ninja", "-C", build, "tools/alexctl/alexctl",
              *(f"workers/alex-{a}" for a in ("planner", "tagger", "reporter",
                                              "charter", "retirement"))]]
    if not (build / "build.ninja").exists():
        steps.insert(0, ["meson", "setup", build, TOP, "-Dfaults=true",
                         "-Dtests=disabled"])
    for step in steps:
        done = subprocess.run(step, text=True, capture_output=True)
        if done.returncode:
            print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
            sys.exit(UNAVAILABLE)


def wait_until_over(servers):
    """False when time is up."""
    ends = time.monotonic() + STUCK_S
    while time.monotonic() < ends:
        if servers.number("select count(*) from jobs where status in "
                          "('pending', 'running')") == 0:
            return
        time.sleep(0.1)


def run(servers, fleet, name, dice, times, jobs):
    """Injects one fault 'times' times among waves of jobs: its row."""
    inject, gap_s = FAULTS[name]
    started = time.monotonic()
    submitter = Submitter(servers, f"{name}.{dice.random()}")
    injector = Injector(servers, fleet, dice, lambda: submitter.wave(jobs))
    tries = times * TRIES
    while injector.done < times and tries > 0:
        # Before, during or after the fault, as the dice have it.
        if gap_s:
            injector.later(dice.uniform(0, gap_s), injector.wave)
            time.sleep(dice.uniform(0, gap_s))
        injector.done += inject(injector)
        tries -= 1
    servers.points.set_due("send_twice", 0)
    injector.settle_down()
    last_fault = time.time()
    ids = submitter.finish()
    wait_until_over(servers)
    return Row(servers, name, injector.done, times, ids, submitter.wrong,
               last_fault, time.monotonic() - started)


def run_all(servers, options, times):
    rows = []
    fleet = Fleet(servers, 2)
    try:
        for name in options.fault or FAULTS:
            if name == "broker_disk_full" and not servers.has_disk:
                print(f"{name:20} SKIP: only root can mount a small disk",
                      flush=True)
                continue
            dice = random.Random(f"{options.seed} {name}")
            rows.append(run(servers, fleet, name, dice, times, options.jobs))
            print(rows[-1], flush=True)
            if not rows[-1].passed() and options.stop:
                break
            servers.forget()
    finally:
        fleet.stop()
    return rows


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter,
        usage=argparse.SUPPRESS)
    parser.add_argument("--queue", choices=BROKERS, default="redis")
    parser.add_argument("--short", action="store_true",
                        help=f"each fault {SHORT_TIMES} times")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--times", type=int, help="how often each fault")
    parser.add_argument("--jobs", type=int, default=JOBS,
                        help=f"submitted for each fault ({JOBS})")
    parser.add_argument("--build", type=Path, default=TOP / "build-chaos")
    parser.add_argument("--stop", action="store_true",
                        help="at the first fault that did harm, data kept")
    parser.add_argument("--list", action="store_true", help="name the faults")
    parser.add_argument("fault", nargs="*", choices=[*FAULTS, []])
    parser.error = lambda message: (print(f"chaos: {message}; see --help",
                                          file=sys.stderr), sys.exit(64))
    return parser.parse_args()


def main():
    options = parse()
    # What was started is ended whoever ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.list:
        print(*FAULTS, sep="\n")
        return
    times = options.times or (SHORT_TIMES if options.short else TIMES)
    make_build(options.build.resolve())
    servers = Servers(options.build.resolve(), options.queue)
    print(f"queue {options.queue}, seed {options.seed}\n{HEAD}", flush=True)
    started = time.monotonic()
    passed, rows = False, []
    try:
        rows = run_all(servers, options, times)
        passed = all(row.passed() for row in rows)
        print(total(rows))
    finally:
        if not passed:
            print(f"kept for a look: {servers.dir} (tools/servers start --dir "
                  f"{servers.dir}; then umount {servers.disk}; rm -r)")
        servers.close(remove=passed)
    print(f"chaos: {sum(r.passed() for r in rows)} faults did no harm, "
          f"{sum(not r.passed() for r in rows)} did; "
          f"{time.monotonic() - started:.0f} s")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
