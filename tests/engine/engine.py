"""The engine on a real server, with several sessions at once.

Wants ALEX_TEST_POSTGRES, the URL of a superuser of a private server.  The
schema comes from ALEX_TEST_SQL_DIR (default: schemas/sql), so that a mutated
copy can be tested.  Only psql and the standard library are used.
"""
import json
import os
import select
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid
from pathlib import Path

SERVER = os.environ.get("ALEX_TEST_POSTGRES")
SQL_DIR = Path(os.environ.get("ALEX_TEST_SQL_DIR") or
               Path(__file__).resolve().parents[2] / "schemas/sql")
USER = "user_1"
LEASE_MS = 60000
ANSWER_S = 30
SKIPPED = 77
TABLES = ("fleet.runs", "fleet.tasks", "fleet.inputs", "fleet.results",
          "fleet.checkpoints", "fleet.events", "fleet.replays",
          "fleet.dismissals", "jobs",
          "positions", "accounts", "instruments", "users")


def database_url(name):
    return urllib.parse.urlsplit(SERVER)._replace(path="/" + name).geturl()


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Refused(Exception):
    """A statement failed: its SQLSTATE and what the server said."""

    def __init__(self, sqlstate, text):
        super().__init__(f"{sqlstate}: {text}")
        self.sqlstate = sqlstate
        self.text = text


class Session:
    """One connection, held by a psql of its own; statements may stay open."""

    def __init__(self, url):
        # What survives a power cut is not asked here, so nothing waits for it.
        self.psql = subprocess.Popen(
            ["psql", "-qXAt", "-F", "\t", url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PGOPTIONS": "-c synchronous_commit=off"})
        self.unread = b""
        self.statements = 0

    def close(self):
        self.psql.stdin.close()
        self.psql.stdout.close()
        self.psql.wait(ANSWER_S)

    def send(self, statement):
        """Does not wait: answer() does."""
        self.statements += 1
        self.psql.stdin.write((
            f"{statement};\n\\echo end-{self.statements} "
            ":SQLSTATE :LAST_ERROR_MESSAGE\n").encode())
        self.psql.stdin.flush()

    def answer(self):
        """The lines of what was sent last."""
        end = f"end-{self.statements} ".encode()
        limit = time.monotonic() + ANSWER_S
        while not (b"\n" + self.unread).split(b"\n" + end)[1:] \
                or not self.unread.endswith(b"\n"):
            left = limit - time.monotonic()
            if not select.select([self.psql.stdout], [], [], max(0, left))[0]:
                raise TimeoutError(f"no answer in {ANSWER_S} s")
            piece = os.read(self.psql.stdout.fileno(), 1 << 20)
            if not piece:
                raise ConnectionError("psql has ended")
            self.unread += piece
        *lines, last = self.unread.decode().removesuffix("\n").split("\n")
        self.unread = b""
        _, sqlstate, text = last.split(" ", 2)
        if sqlstate != "00000":
            raise Refused(sqlstate, text)
        return lines

    def sql(self, statement):
        self.send(statement)
        return [line.split("\t") for line in self.answer()]

    def send_call(self, function, request):
        self.send(f"select to_json(array[head::text, body]) from "
                  f"fleet.{function}({quoted(json.dumps(request))}::jsonb)")

    def rows(self):
        """(head, body) of each row of the call sent last."""
        return [(json.loads(head), body)
                for head, body in map(json.loads, self.answer())]

    def call(self, function, request):
        self.send_call(function, request)
        return self.rows()


class Worker(Session):
    """A supervisor: an owner with a session."""

    def __init__(self, url):
        super().__init__(url)
        self.owner = str(uuid.uuid4())

    def claiming(self, bells, agent="planner", lease_ms=LEASE_MS):
        return {"v": 1, "owner": self.owner, "agent": agent,
                "lease_ms": lease_ms, "bells": bells}

    def claim(self, *bells, agent="planner", lease_ms=LEASE_MS):
        """The verdict on each bell."""
        rows = self.call("claim", self.claiming(bells, agent, lease_ms))
        verdict = {head["n"]: head for head, _ in rows[1:]
                   if "verdict" in head}
        return [verdict[received["n"]] for received in bells]

    def run(self, job, node="plan", agent=None, lease_ms=LEASE_MS):
        """Claims one task that must be free; its run."""
        agent = agent or ("planner" if node == "plan" else "bench")
        verdict = self.claim(bell(job, node), agent=agent,
                             lease_ms=lease_ms)[0]
        if verdict["verdict"] != "run":
            raise AssertionError(f"claim of {node} answered {verdict}")
        return verdict

    def settling(self, *outcomes):
        return {"v": 1, "owner": self.owner, "outcomes": list(outcomes)}

    def settle(self, *outcomes):
        """What was answered to each outcome."""
        rows = self.call("settle", self.settling(*outcomes))
        reply = {(head["task"], head["fence"]): head for head, _ in rows[1:]}
        if len(rows) != 1 + len(outcomes):
            raise AssertionError(f"{len(outcomes)} outcomes, rows: {rows}")
        return [reply[o["task"], o["fence"]] for o in outcomes]

    def end(self, run, word="succeeded", **more):
        return self.settle(outcome(run, word, **more))[0]

    def finish(self, job, *nodes):
        for node in nodes:
            self.end(self.run(job, node))

    def beat(self, *held, flight=(), lease_ms=LEASE_MS):
        """Rows: the beat's own head, then a verdict for each run held."""
        rows = self.call("beat", {
            "v": 1, "owner": self.owner, "lease_ms": lease_ms,
            "held": [{"task": run["task"], "fence": run["fence"]}
                     for run in held], "flight": list(flight)})
        return [head for head, _ in rows]


def task_id(job, node):
    return str(uuid.uuid5(uuid.UUID(job), node))


def bell(job, node=None):
    """A doorbell as received; without a node it names only the job."""
    task = {"task": task_id(job, node)} if node else {}
    return {"n": str(uuid.uuid4()), "job": job, **task}


def outcome(run, word="succeeded", **more):
    if word == "succeeded":
        more.setdefault("output", {})
    elif word in ("retry", "dead", "crashed"):
        more.setdefault("error", {"class": "test", "text": word})
    return {"job": run["job"], "task": run["task"], "fence": run["fence"],
            "outcome": word, **more}


def plan(*nodes):
    """'c<a,b' is node c that needs a and b; 'a?' is optional."""
    items = []
    for text in nodes:
        node, _, needs = text.partition("<")
        items.append({"node": node.rstrip("?"), "agent": "bench",
                      "needs": needs.split(",") if needs else [],
                      "required": not node.endswith("?"), "params": {}})
    return {"plan": items}


def rung(reply):
    """The tasks of a reply's doorbells."""
    return sorted(b["task"] for b in reply["ring"])


class Database:
    """One for the program, migrated once; every test finds it empty."""
    name = f"alex_engine_{os.getpid()}"
    made = False

    @classmethod
    def server(cls, statement):
        session = Session(SERVER)
        session.sql(statement)
        session.close()

    @classmethod
    def make(cls):
        cls.made = True
        cls.server(f"create database {cls.name}")
        unittest.addModuleCleanup(cls.server,
                                  f"drop database {cls.name} with (force)")
        files = [*sorted(SQL_DIR.glob("[0-9][0-9][0-9]_*.sql")),
                 *sorted((SQL_DIR / "functions").glob("*.sql")),
                 SQL_DIR / "grants.sql"]
        arguments = [part for file in files for part in ("-f", str(file))]
        environment = {**os.environ,
                       "PGOPTIONS": "-c client_min_messages=warning"}
        # Roles are the server's: other tests that begin now alter them too.
        for _ in range(5):
            done = subprocess.run(
                ["psql", "-qX1", "-v", "ON_ERROR_STOP=1", *arguments,
                 database_url(cls.name)], env=environment, timeout=60,
                capture_output=True, text=True)
            if "concurrently updated" not in done.stderr:
                break
            time.sleep(0.2)
        if done.returncode:
            raise RuntimeError(f"migrating {SQL_DIR}: {done.stderr}")

    def __init__(self):
        if not self.made:
            self.make()
        self.sessions = []

    def close(self):
        for session in self.sessions:
            session.close()

    def session(self, kind=Session):
        self.sessions.append(kind(database_url(self.name)))
        return self.sessions[-1]


class EngineTest(unittest.TestCase):
    """A test has an empty fleet with one user, a session to look with, and
    workers a and b."""

    def setUp(self):
        self.db = Database()
        self.addCleanup(self.db.close)
        self.look = self.db.session()
        self.a = self.db.session(Worker)
        self.b = self.db.session(Worker)
        self.empty()

    def empty(self):
        for table in TABLES:
            self.sql(f"delete from {table}")
        self.sql(f"insert into users (clerk_user_id) values ('{USER}')")

    def sql(self, statement):
        return self.look.sql(statement)

    def value(self, expression):
        rows = self.sql(f"select {expression}")
        return rows[0][0] if rows else None

    def submit(self, count=1, session=None, **more):
        """New jobs with a root task 'plan' of the planner; their ids."""
        jobs = [str(uuid.uuid4()) for _ in range(count)]
        (session or self.look).call("submit", {"v": 1, "jobs": [
            {"job": job, "user": USER, "type": "bench", "request": {},
             "snapshot": False, **more} for job in jobs]})
        return jobs

    def job(self, *nodes, **more):
        """A job whose planner has planned these nodes."""
        job = self.submit(**more)[0]
        self.a.end(self.a.run(job), output=plan(*nodes))
        return job

    def task(self, job, node, columns="state"):
        """One task's columns as text: a value, or a tuple of several."""
        row = self.sql(f"select {columns} from fleet.tasks "
                       f"where id = '{task_id(job, node)}'")[0]
        return row[0] if len(row) == 1 else tuple(row)

    def states(self, job):
        return dict(self.sql("select node, state from fleet.tasks "
                             f"where job_id = '{job}'"))

    def run_of(self, job, columns="state"):
        row = self.sql(f"select {columns} from fleet.runs "
                       f"where job_id = '{job}'")[0]
        return row[0] if len(row) == 1 else tuple(row)

    def set_task(self, job, node, change):
        self.sql(f"update fleet.tasks set {change} "
                 f"where id = '{task_id(job, node)}'")

    def expire(self, job, node="plan"):
        """As if the lease's time had passed."""
        self.set_task(job, node, "lease_until = clock_timestamp() "
                                 "- interval '1 ms'")

    def make_due(self, job, node="plan"):
        """As if the back-off had passed."""
        self.set_task(job, node, "next_run_at = clock_timestamp() "
                                 "- interval '1 ms'")

    def pass_deadline(self, job):
        self.sql("update fleet.runs set deadline_at = clock_timestamp() "
                 f"- interval '1 ms' where job_id = '{job}'")

    def reap(self, session=None, **more):
        """Its own head and the tasks it rings."""
        rows = (session or self.look).call("reap", {"v": 1, **more})
        return rows[0][0], sorted(head["task"] for head, _ in rows[1:])

    def events(self, job, kind):
        return int(self.value(f"count(*) from fleet.events where kind = "
                              f"'{kind}' and job_id = '{job}'"))

    def await_lock(self):
        """Until the one who was sent a call waits for an open transaction."""
        limit = time.monotonic() + 5
        while self.value(
                "count(*) from pg_stat_activity where datname = "
                "current_database() and wait_event_type = 'Lock'") != "1":
            if time.monotonic() > limit:
                self.fail("nothing waits for the open transaction")
            time.sleep(0.01)

    def fsck(self, **more):
        """Its own head and what it found."""
        rows = self.look.call("fsck", {"v": 1, **more})
        return rows[0][0], [head for head, _ in rows[1:]]

    def assertSound(self):
        self.assertEqual(self.fsck()[1], [])

    def assertRefused(self, sqlstate, call, *arguments):
        with self.assertRaises(Refused) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.sqlstate, sqlstate,
                         caught.exception.text)
        return caught.exception.text


def main():
    if not SERVER:
        print("SKIP: ALEX_TEST_POSTGRES is not set; tools/servers start && "
              "eval \"$(tools/servers env)\"")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
