"""Real servers and real workers for the end-to-end tests.

A test class has servers of its own (it may wipe and restart them); a test has a
clean database and queue. Only the Python standard library is used.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ALEX_BUILD", TOP / "build"))
SKIPPED = 77
USER = "e2e"
TABLES = ("fleet.runs, fleet.tasks, fleet.inputs, fleet.results, "
          "fleet.checkpoints, fleet.events, fleet.replays, "
          "fleet.dismissals")


class Servers:
    """A private PostgreSQL, migrated, and a private queue."""

    def __init__(self, broker="redis"):
        self.dir = tempfile.mkdtemp(prefix="alex-e2e.")
        self.broker = broker
        self.tool("start", "--only", f"postgres,{broker}")
        self.env = dict(os.environ)
        for line in self.tool("env").splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            self.env[name] = value.strip("'\"")
        self.alexctl("db", "migrate")
        self.sql(f"insert into users (clerk_user_id) values ('{USER}')")

    def tool(self, *arguments):
        done = subprocess.run([TOP / "tools/servers", *arguments, "--dir",
                               self.dir], text=True, capture_output=True)
        if done.returncode == 69:
            shutil.rmtree(self.dir, ignore_errors=True)
            print(f"SKIP: {done.stderr}", file=sys.stderr)
            sys.exit(SKIPPED)
        if done.returncode:
            raise RuntimeError(f"servers {arguments}: {done.stderr}")
        return done.stdout

    def close(self):
        self.tool("stop", "--remove")

    def alexctl(self, *words, **env):
        done = subprocess.run([BUILD / "tools/alexctl/alexctl", *words],
                              env={**self.env, **env}, text=True,
                              capture_output=True)
        if done.returncode:
            raise RuntimeError(f"alexctl {words}: {done.stderr}")
        return done.stdout

    def sql(self, query):
        """Rows as lists of text."""
        done = subprocess.run(["psql", "-qXAt", "-F", "\t", "-v",
                               "ON_ERROR_STOP=1", self.env["ALEX_STORE_URL"]],
                              input=query, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{query[:2000]}: {done.stderr}")
        return [row.split("\t") for row in done.stdout.splitlines()]

    def one(self, query):
        rows = self.sql(query)
        return rows[0][0] if rows else None

    def call(self, function, request):
        """Calls an engine function: its rows' heads."""
        text = json.dumps(request).replace("'", "''")
        return [json.loads(row[0]) for row in self.sql(
            f"select head from fleet.{function}('{text}'::jsonb)")]

    def redis(self, *commands):
        """One command a line; what redis-cli prints."""
        done = subprocess.run(["redis-cli", "--no-auth-warning", "-u",
                               self.env["ALEX_QUEUE_URL"]],
                              input="\n".join(commands) + "\n", text=True,
                              errors="replace", capture_output=True,
                              check=True)
        return done.stdout.splitlines()

    def forget(self):
        self.sql(f"truncate {TABLES}; delete from jobs")
        self.tool("wipe", self.broker)

    def ring(self, *bodies, queue="alex-bench"):
        quoted = [json.dumps(b) for b in bodies]
        self.redis(*(f"xadd {{{queue}}}:stream * b {b}" for b in quoted))

    def submit(self, *params, ring=True, **more):
        """A job of one bench task for each; their ids."""
        ids = [str(uuid.uuid4()) for _ in params]
        for first in range(0, len(ids), 100):
            self.call("submit", {"v": 1, "jobs": [
                {"job": job, "user": USER, "type": "bench", "agent": "bench",
                 "request": {}, "snapshot": False, "params": p, **more}
                for job, p in zip(ids[first:first + 100],
                                  params[first:first + 100])]})
        if ring:
            self.ring(*ids)
        return ids

    def task(self, job, node="plan"):
        """A task's row."""
        text = self.one(f"select row_to_json(t) from fleet.tasks t "
                        f"where job_id = '{job}' and node = '{node}'")
        return json.loads(text)

    def events(self, job, kind):
        return int(self.one(f"select count(*) from fleet.events where "
                            f"job_id = '{job}' and kind = '{kind}'"))

    def detail(self, job, node="plan"):
        text = self.one(
            f"select r.output -> 'detail' from fleet.results r join "
            f"fleet.tasks t on t.id = r.task_id where t.job_id = '{job}' and "
            f"t.node = '{node}'")
        return json.loads(text) if text else None

    def pending(self, queue="alex-bench"):
        """Messages that are still somebody's to deal with."""
        stream, delayed = self.redis(f"xlen {{{queue}}}:stream",
                                     f"zcard {{{queue}}}:delayed")
        return int(stream) + int(delayed)

    def dead_letters(self, queue="alex-bench"):
        return int(self.redis(f"xlen {{{queue}}}:dlq")[0])


class Worker:
    """One supervisor; a variable that is None is not set."""

    def __init__(self, servers, agent="bench", **env):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        defaults = {"ALEX_LOG": "json", "ALEX_ASK_DELAY": "on",
                    "ALEX_CONCURRENCY": "4", "ALEX_LEASE": "3s",
                    "ALEX_GRACE": "2s", "ALEX_HTTP_PORT": str(self.port)}
        self.log_path = tempfile.mktemp(dir=servers.dir, suffix=".log")
        # As deployed: no rights but the worker's, no secret but its own.
        inherited = {name: value for name, value in servers.env.items()
                     if not name.startswith("ALEX_")}
        inherited.update(ALEX_STORE_URL=servers.env["ALEX_WORKER_STORE_URL"],
                         ALEX_QUEUE_URL=servers.env["ALEX_QUEUE_URL"])
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BUILD / f"workers/alex-{agent}"],
                env={name: value for name, value in
                     {**inherited, **defaults, **env}.items()
                     if value is not None},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid

    def log(self):
        return Path(self.log_path).read_text(errors="replace")

    def get(self, path):
        """Status and body of its own page; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise RuntimeError(f"no metric {name}")

    def handlers(self):
        path = f"/proc/{self.pid}/task/{self.pid}/children"
        return [int(pid) for pid in Path(path).read_text().split()]

    def pss_kb(self):
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().split(
                "\n"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise RuntimeError("no Pss")

    def stop(self, number=signal.SIGTERM, timeout_s=15):
        """Its exit code and how long it took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        return code, time.monotonic() - started

    def kill(self):
        self.process.kill()
        self.process.wait()


class FleetCase(unittest.TestCase):
    broker = "redis"

    @classmethod
    def setUpClass(cls):
        cls.servers = Servers(cls.broker)
        cls.addClassCleanup(cls.servers.close)

    def setUp(self):
        self.servers.forget()
        self.workers = []

    def tearDown(self):
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        bad = result and (result.failures + result.errors)
        if bad and bad[-1][0] is self:
            self.show_logs()

    def show_logs(self):
        for worker in self.workers:
            print(f"--- log of {worker.pid}\n{worker.log()[-4000:]}",
                  file=sys.stderr)

    def worker(self, agent="bench", **env):
        worker = Worker(self.servers, agent, **env)
        self.workers.append(worker)
        return worker

    def wait(self, condition, limit_s=20, what="condition"):
        """Until condition() is true; its value."""
        ends = time.monotonic() + limit_s
        while time.monotonic() < ends:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        self.show_logs()
        self.fail(f"{what}: not within {limit_s} s")

    def wait_status(self, job, status="completed", limit_s=20):
        self.wait(lambda: self.servers.one(
            f"select status from jobs where id = '{job}'") == status,
            limit_s, f"job {job} {status}")

    def wait_state(self, job, state, limit_s=20, node="plan"):
        self.wait(lambda: self.servers.task(job, node)["state"] == state,
                  limit_s, f"task {node} of {job} {state}")

    def wait_open(self, count=0, limit_s=60):
        self.wait(lambda: int(self.servers.one(
            "select count(*) from fleet.runs where state = 'open'")) == count,
            limit_s, f"{count} jobs open")

    def wait_quiet(self, limit_s=10):
        """Every message has been dealt with."""
        self.wait(lambda: self.servers.pending() == 0, limit_s, "empty queue")


def main():
    for program in ("workers/alex-bench", "tools/alexctl/alexctl"):
        if not (BUILD / program).exists():
            print(f"SKIP: {BUILD / program} is not built", file=sys.stderr)
            sys.exit(SKIPPED)
    unittest.main(verbosity=2)
