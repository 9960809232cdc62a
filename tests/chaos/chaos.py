#!/usr/bin/env python3
"""Runs real workers on real servers, breaks things, and counts what was lost.

Usage: tests/chaos/chaos.py [--seed N] [--build DIR] [SCENARIO ...]

Scenarios (default: all):
  burst    1,000 jobs at once, two workers of each agent; engine calls per job
  kill     500 jobs under 200 kill -9 of random supervisors and handlers
  wipe     500 jobs while Redis is wiped (FLUSHALL) every few seconds, and kills
  restart  500 jobs while PostgreSQL is restarted every few seconds, and kills
  drain    SIGTERM to every worker in mid-run, again and again: charges nothing

A run is reproducible as far as the faults go: the seed decides which and when.
For each scenario it prints faults injected, jobs submitted, lost (neither
completed nor going on), duplicated (an effect applied twice), stuck (not
finished when time was up), and how long the last job took after the last fault.

Exit codes: 0 nothing lost, duplicated or stuck; 1 something was; 64 usage;
69 the servers or programs could not be started.
"""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
AGENTS = ["planner", "tagger", "reporter", "charter", "retirement"]
USER = "chaos"


class Servers:
    """A private PostgreSQL and Redis, with a migrated database and one user."""

    def __init__(self, build):
        self.build = build
        self.dir = TOP / ".servers" / "chaos"
        self.run("start", "--dir", str(self.dir))
        lines = self.run("env", "--dir", str(self.dir)).splitlines()
        self.env = dict(os.environ)
        for line in lines:
            if line.startswith("export "):
                name, value = line[len("export "):].split("=", 1)
                self.env[name] = value.strip("'\"")
        self.env["ALEX_ADMIN_STORE_URL"] = self.env["ALEX_STORE_URL"]
        self.env["ALEX_STORE_URL"] = self.env["ALEX_SUBMITTER_STORE_URL"]
        self.alexctl("db", "migrate")
        self.alexctl("db", "seed")
        self.sql("alter database alex set track_functions = 'pl'")
        self.alexctl("import", str(TOP / "tests/data/portfolios/household.csv"),
                     "--user", USER, "--years", "25", "--income", "90000")

    @staticmethod
    def run(*arguments):
        done = subprocess.run([TOP / "tools/servers", *arguments], text=True,
                              capture_output=True)
        if done.returncode:
            print(done.stdout, done.stderr, file=sys.stderr)
            sys.exit(69)
        return done.stdout

    def alexctl(self, *arguments, check=True):
        done = subprocess.run([self.build / "tools/alexctl/alexctl", *arguments],
                              env=self.env, text=True, capture_output=True)
        if check and done.returncode:
            raise RuntimeError(f"alexctl {' '.join(arguments)}: exit "
                               f"{done.returncode}: {done.stderr[-2000:]}")
        return done

    def sql(self, query):
        """Rows of a query as lists of text; waits out a restart."""
        url = self.env["ALEX_TEST_POSTGRES"].rsplit("/", 1)
        base = url[0] + "/alex"
        for _ in range(100):
            done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-c", query,
                                   base], text=True, capture_output=True)
            if done.returncode == 0:
                return [r.split("\t") for r in done.stdout.splitlines()]
            if "FATAL" not in done.stderr and "connect" not in done.stderr:
                raise RuntimeError(done.stderr)
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not come back: " + done.stderr)

    def wipe_queue(self):
        subprocess.run(["redis-cli", "-u", self.env["ALEX_TEST_REDIS"],
                        "--no-auth-warning", "flushall"],
                       check=True, capture_output=True)

    def stop(self):
        self.run("stop", "--dir", str(self.dir), "--remove")


class Fleet:
    """Worker processes, restarted when they die, as a platform would."""

    def __init__(self, servers, per_agent, lease):
        self.servers = servers
        self.lease = lease
        self.workers = {}
        self.log = open(servers.dir / "workers.log", "ab")
        for agent in AGENTS:
            for number in range(per_agent):
                self.start((agent, number))

    def start(self, key):
        agent = key[0]
        env = dict(self.servers.env, ALEX_LEASE=self.lease, ALEX_GRACE="2s",
                   ALEX_CONCURRENCY="2",
                   ALEX_STORE_URL=self.servers.env["ALEX_WORKER_STORE_URL"])
        program = self.servers.build / "workers" / f"alex-{agent}"
        self.workers[key] = subprocess.Popen([program], env=env,
                                             stdin=subprocess.DEVNULL,
                                             stdout=self.log, stderr=self.log)

    def restart_dead(self):
        for key, process in list(self.workers.items()):
            if process.poll() is not None:
                self.start(key)

    def handlers(self):
        """Children of the supervisors: pids."""
        found = []
        for process in self.workers.values():
            path = f"/proc/{process.pid}/task/{process.pid}/children"
            try:
                found += [int(p) for p in Path(path).read_text().split()]
            except OSError:
                pass
        return found

    def kill_one(self, dice):
        """kill -9 of a random supervisor (one in four) or handler."""
        handlers = self.handlers()
        if handlers and dice.random() < 0.75:
            victim = dice.choice(handlers)
        else:
            victim = dice.choice(list(self.workers.values())).pid
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def drain(self):
        """SIGTERM to all; how long until all had gone, in seconds."""
        started = time.monotonic()
        for process in self.workers.values():
            if process.poll() is None:
                process.terminate()
        for process in self.workers.values():
            process.wait(timeout=30)
        return time.monotonic() - started

    def stop(self):
        self.drain()
        self.log.close()


def submit(servers, count):
    """Submits 'count' jobs at once; their ids."""
    done = servers.alexctl("submit", "--user", USER, "--count", str(count),
                           "--json")
    jobs = [json.loads(line)["job"] for line in done.stdout.splitlines()]
    assert len(set(jobs)) == count, f"{count} submitted, {len(set(jobs))} ids"
    return jobs


def progress(servers):
    rows = servers.sql("select status, count(*) from jobs group by status")
    counts = {status: int(count) for status, count in rows}
    return counts.get("pending", 0) + counts.get("running", 0), counts


def wait_until_done(servers, fleet, limit_s, each=None):
    """Until no job is open or time is up; calls each() about every 100 ms."""
    ends = time.monotonic() + limit_s
    told = 0.0
    while time.monotonic() < ends:
        fleet.restart_dead()
        if each:
            each()
        left, counts = progress(servers)
        if left == 0:
            return counts
        if time.monotonic() - told > 5:
            told = time.monotonic()
            print(f"  {counts}", file=sys.stderr, flush=True)
        time.sleep(0.1)
    return progress(servers)[1]


# A task settled twice in one generation, or a job joined twice, shows as two
# events; fsck compares counters, rows and results.
DUPLICATES = """
  select count(*) from (
    select 1 from fleet.events where kind = 'succeeded'
      group by job_id, task_id, generation having count(*) > 1
    union all
    select 1 from fleet.events where kind in ('job_completed', 'job_failed')
      group by job_id, generation having count(*) > 1) twice"""
CHARGES = """select coalesce(sum(failures), 0), coalesce(sum(crashes), 0),
             coalesce(sum(losses), 0), coalesce(sum(interruptions), 0)
             from fleet.tasks"""


def verdict(servers, name, jobs, counts, faults, recovery_s, notes=""):
    """Prints the row of a scenario; True when nothing went wrong."""
    ids = ",".join(f"'{j}'" for j in jobs)
    known = int(servers.sql(
        f"select count(*) from jobs where id in ({ids})")[0][0])
    stuck = counts.get("pending", 0) + counts.get("running", 0)
    lost = len(jobs) - known + counts.get("failed", 0)
    twice = int(servers.sql(DUPLICATES)[0][0])
    fsck = servers.alexctl("db", "fsck", check=False)
    charges = [int(c) for c in servers.sql(CHARGES)[0]]
    print(f"{name:8} {faults:>24} {len(jobs):>6} {lost:>5} {twice:>6} "
          f"{stuck:>6} {recovery_s:>9.1f} "
          f"{'clean' if fsck.returncode == 0 else 'BAD':>6}  "
          f"failures {charges[0]} crashes {charges[1]} losses {charges[2]} "
          f"interruptions {charges[3]}{notes}", flush=True)
    if fsck.returncode:
        print(fsck.stdout, fsck.stderr)
    if counts.get("failed"):
        for row in servers.sql("select distinct error_message from jobs "
                               "where status = 'failed' limit 5"):
            print("  failed:", row[0])
    return lost == twice == stuck == 0 and fsck.returncode == 0


def forget(servers):
    servers.sql("delete from jobs")
    servers.sql("truncate fleet.runs, fleet.tasks, fleet.inputs, fleet.results,"
                " fleet.checkpoints, fleet.events, fleet.replays")
    servers.wipe_queue()


def burst(servers, _dice):
    servers.sql("select pg_stat_reset()")
    fleet = Fleet(servers, 2, "60s")
    started = time.monotonic()
    jobs = submit(servers, 1000)
    counts = wait_until_done(servers, fleet, 300)
    took = time.monotonic() - started
    fleet.stop()
    time.sleep(1.2)  # The statistics of an ended session arrive a little later.
    calls = {name: int(n) for name, n in servers.sql(
        "select funcname, calls from pg_stat_user_functions where schemaname ="
        " 'fleet' and funcname in ('submit', 'claim', 'read', 'beat',"
        " 'checkpoint', 'settle', 'reap')")}
    per_job = sum(calls.values()) / len(jobs)
    return verdict(servers, "burst", jobs, counts, "none", took,
                   f"; {per_job:.2f} engine calls a job {calls}")


def faulty(name, per_agent, fault, gap_s, kills):
    """A scenario: 500 jobs in waves while 'fault' happens every 'gap_s'."""

    def run(servers, dice):
        fleet = Fleet(servers, per_agent, "3s")
        done = {"kills": 0, name: 0}
        jobs, state = [], {"next": time.monotonic() + 0.3, "last": 0.0}
        other = {"next": time.monotonic() + gap_s}

        def each():
            now = time.monotonic()
            if done["kills"] < kills and now >= state["next"]:
                done["kills"] += fleet.kill_one(dice)
                state["next"] = now + dice.uniform(0.02, 0.25)
                state["last"] = time.monotonic()
            if fault and now >= other["next"] and done["kills"] < kills:
                fault(servers)
                done[name] += 1
                other["next"] = time.monotonic() + gap_s
                state["last"] = time.monotonic()

        counts = {}
        # Waves, so that faults meet every phase and not one long backlog.
        while len(jobs) < 500 or done["kills"] < kills:
            jobs += submit(servers, 50 if len(jobs) < 500 else 5)
            ends = time.monotonic() + kills / 200 * 2.0
            while time.monotonic() < ends:
                fleet.restart_dead()
                each()
                time.sleep(0.01)
        counts = wait_until_done(servers, fleet, 180, each)
        recovery = time.monotonic() - state["last"]
        fleet.stop()
        what = ", ".join(f"{n} {k}" for k, n in done.items() if n)
        return verdict(servers, name, jobs, counts, what, recovery)

    return run


def drain(servers, dice):
    fleet = Fleet(servers, 1, "30s")
    jobs, slowest, drains = [], 0.0, 0
    for _ in range(10):
        jobs += submit(servers, 50)
        time.sleep(dice.uniform(0.05, 0.4))
        slowest = max(slowest, fleet.drain())
        drains += 1
        fleet.restart_dead()
    started = time.monotonic()
    counts = wait_until_done(servers, fleet, 120)
    fleet.stop()
    fine = verdict(servers, "drain", jobs, counts, f"{drains} SIGTERM to all",
                   time.monotonic() - started, f"; slowest drain {slowest:.1f} s")
    charged = [int(c) for c in servers.sql(CHARGES)[0][:3]]
    if any(charged):
        print(f"  drain charged {charged}, expected nothing")
    return fine and not any(charged)


SCENARIOS = {
    "burst": burst,
    "kill": faulty("kill", 2, None, 1, 200),
    "wipe": faulty("wipe", 2, Servers.wipe_queue, 3, 100),
    "restart": faulty("restart", 2, lambda s: Servers.run(
        "restart", "postgres", "--dir", str(s.dir)), 4, 100),
    "drain": drain,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, []])
    options = parser.parse_args()
    names = options.scenario or list(SCENARIOS)
    servers = Servers(options.build.resolve())
    results = {}
    print(f"seed {options.seed}")
    print(f"{'scenario':8} {'faults':>24} {'jobs':>6} {'lost':>5} "
          f"{'twice':>6} {'stuck':>6} {'seconds':>9} {'fsck':>6}")
    try:
        for name in names:
            results[name] = SCENARIOS[name](servers, random.Random(
                f"{options.seed} {name}"))
            if not results[name]:
                break
            forget(servers)
    finally:
        if all(results.values()) and len(results) == len(names):
            servers.stop()
        else:
            print(f"kept for a look: {servers.dir} (tools/servers stop --dir "
                  f"{servers.dir} --remove)")
            Servers.run("stop", "--dir", str(servers.dir))
    passed = sum(results.values())
    print(f"chaos: {passed} passed, {len(names) - passed} failed")
    sys.exit(0 if passed == len(names) else 1)


if __name__ == "__main__":
    main()
