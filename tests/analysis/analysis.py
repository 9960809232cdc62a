"""A whole fleet for the tests of analyses: servers, the five workers, alexctl.

One module has one fleet (start() in setUpModule), and each test users of its
own, so that tests don't disturb each other and need no clean slate. Only the
Python standard library is used.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import fleet  # noqa: E402

TOP, BUILD = fleet.TOP, fleet.BUILD
DATA = TOP / "tests/data/portfolios"
AGENTS = ("planner", "tagger", "reporter", "charter", "retirement")
PAYLOADS = ("report_payload", "charts_payload", "retirement_payload",
            "summary_payload")
CENT = Decimal("0.01")
DELAYED = """
local time, all = redis.call('TIME'), {}
for _, packed in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local due = redis.call('ZSCORE', KEYS[1], packed)
    local message = cmsgpack.unpack(packed)
    all[#all + 1] = {string.format('%.0f', due - time[1] * 1000), message[3],
                     message[4]}
end
return all"""
MINUTE_LATER = """
for _, packed in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local message = cmsgpack.unpack(packed)
    if message[3] > 0 or string.find(message[4], ARGV[1], 1, true) then
        redis.call('ZREM', KEYS[2], packed)
        redis.call('XADD', KEYS[1], '*', 'b', message[4], 't',
                   message[2] - 60000, 'n', message[3])
    end
end
return 0"""


def literal(value):
    """A value as SQL writes it."""
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def exact(text):
    """JSON whose numbers are decimals: cents stay cents."""
    return json.loads(text, parse_float=Decimal)


class Redis:
    """A connection of which the bytes sent and received are known."""

    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((at.hostname, at.port), 10)
        self.file = self.socket.makefile("rb")
        self.call("auth", at.username, at.password)

    def call(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(
                int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return rest

    def close(self):
        self.file.close()
        self.socket.close()


class Fleet:
    """Servers with a migrated and seeded database, and a worker an agent."""

    def __init__(self):
        self.servers = fleet.Servers()
        self.dir = Path(self.servers.dir)
        self.env = dict(self.servers.env, COLUMNS="100", TERM="dumb")
        self.workers = {}
        self.redis = Redis(self.env["ALEX_QUEUE_URL"])
        try:
            self.prepare()
            for agent in AGENTS:
                self.start(agent)
        except BaseException:
            self.close()
            raise

    def prepare(self):
        """The database, before there are workers."""
        self.alexctl("db", "seed")

    def start(self, agent, **env):
        defaults = {"ALEX_CONCURRENCY": "2", "ALEX_GRACE": "2s",
                    "ALEX_LOG": "text"}
        with open(self.dir / f"{agent}.log", "ab") as log:
            self.workers[agent] = subprocess.Popen(
                [BUILD / f"workers/alex-{agent}"],
                env={**self.env, **defaults, **env},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, agent):
        """SIGTERM; its exit code."""
        worker = self.workers.pop(agent)
        worker.send_signal(signal.SIGTERM)
        return worker.wait(15)

    def logs(self):
        return "".join(
            f"--- {agent}\n" + (self.dir / f"{agent}.log").read_text(
                errors="replace")[-2000:] for agent in AGENTS)

    def close(self):
        for worker in self.workers.values():
            worker.kill()
            worker.wait()
        self.redis.close()
        self.servers.close()

    def alexctl(self, *words, code=0):
        """What it prints; 'code' is the exit code it must end with."""
        done = subprocess.run(
            [BUILD / "tools/alexctl/alexctl", *map(str, words)], env=self.env,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        out, err = done.stdout.decode(), done.stderr.decode()
        if done.returncode != code:
            raise AssertionError(
                f"alexctl {' '.join(map(str, words))}: exit "
                f"{done.returncode}, expected {code}: {out}{err}")
        return out if code == 0 else out + err

    def psql(self, query, url=None):
        done = subprocess.run(
            ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1",
             url or self.env["ALEX_STORE_URL"]], input=query.encode(),
            capture_output=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{query[:2000]}: {done.stderr.decode()}")
        return done.stdout.decode()

    def rows(self, query, url=None):
        """Rows as dictionaries."""
        return exact(self.psql("select coalesce(json_agg(q), '[]') from "
                               f"({query}) q", url))

    def one(self, query):
        """The only column of the only row."""
        (row,) = self.rows(query)
        (value,) = row.values()
        return value

    def call(self, function, request, url=None):
        """Calls an engine function: its rows, each a head and a body."""
        return [(row["head"], row["body"]) for row in self.rows(
            f"select head::jsonb, body from fleet.{function}("
            f"{literal({'v': 1, **request})}::jsonb)", url)]

    def tasks(self, job):
        """Rows of a job's tasks, by node."""
        return {t["node"]: t for t in self.rows(
            f"select * from fleet.tasks where job_id = '{job}'")}

    def ring(self, body, agent="planner"):
        """Sends bytes as a message, as a foreign program would."""
        self.redis.call("xadd", f"{{alex-{agent}}}:stream", "*", "b", body)

    def bell(self, bell):
        """Rings a bell that the engine answered."""
        self.ring(json.dumps({
            "specversion": "1.0", "type": "alex.bell", "source": "alex",
            "id": str(uuid.uuid4()),
            "data": {"v": 1, "agent": bell["agent"], "job": bell["job"],
                     "task": bell["task"]}}), bell["agent"])

    def open_messages(self, agent="planner"):
        """How many are still somebody's to deal with."""
        return self.redis.call("xlen", f"{{alex-{agent}}}:stream") + len(
            self.put_off(agent))

    def put_off(self, agent="planner"):
        """Messages that were delivered and released: (due in s, body). What a
        submitter sends ahead of its commit is delayed too, but undelivered."""
        return [(due_s, body) for due_s, deliveries, body
                in self.delayed(agent) if deliveries > 0]

    def delayed(self, agent="planner"):
        """(due in s, deliveries, body) of each."""
        return [(int(ms) / 1000, deliveries, body)
                for ms, deliveries, body in self.redis.call(
                    "eval", DELAYED, 1, f"{{alex-{agent}}}:delayed")]

    def a_minute_later(self, agent="planner", job="no job"):
        """Messages put off for a minute are due, and a minute older; so is
        what was sent ahead for 'job'."""
        self.redis.call("eval", MINUTE_LATER, 2, f"{{alex-{agent}}}:stream",
                        f"{{alex-{agent}}}:delayed", job)

    def dead_letters(self, agent="planner"):
        """Fields of each, by name."""
        entries = self.redis.call("xrange", f"{{alex-{agent}}}:dlq", "-", "+")
        return [dict(zip(fields[::2], fields[1::2])) for _, fields in entries]


class ByHand:
    """One task held as a worker of its agent would hold it."""

    def __init__(self, fleet_, task):
        self.fleet = fleet_
        self.url = fleet_.env["ALEX_STORE_URL"].replace(
            "//postgres:", "//alex_worker:")
        self.owner = str(uuid.uuid4())
        _, (self.head, self.input) = self.call(
            "claim", agent=task["agent"], lease_ms=60000, bells=[
                {"n": str(uuid.uuid4()), "job": task["job_id"],
                 "task": task["id"]}])
        if self.head["verdict"] != "run":
            raise AssertionError(f"claim: {self.head}")

    def call(self, function, **request):
        return self.fleet.call(function, {"owner": self.owner, **request},
                               self.url)

    def settle(self, outcome, **more):
        """The engine's answer; rings whom it says."""
        _, (head, _) = self.call("settle", outcomes=[
            {"job": self.head["job"], "task": self.head["task"],
             "fence": self.head["fence"], "outcome": outcome, **more}])
        for bell in head["ring"]:
            self.fleet.bell(bell)
        return head


class Job:
    """What is stored of a job."""

    def __init__(self, fleet_, job):
        self.fleet = fleet_
        self.id = job
        (row,) = fleet_.rows(f"select * from jobs where id = '{job}'")
        self.row = row
        self.status, self.error = row["status"], row["error_message"]
        self.summary = row["summary_payload"]
        self.charts = row["charts_payload"]
        self.report = (row["report_payload"] or {}).get("content")
        self.retirement = (row["retirement_payload"] or {}).get("analysis")

    @property
    def total(self):
        return Decimal(self.summary["total_value"])

    def chart(self, key):
        """Values by name."""
        return {p["name"]: Decimal(p["value"])
                for p in self.charts[key]["data"]}

    def tasks(self):
        """Rows of its tasks, by node."""
        return self.fleet.tasks(self.id)

    def detail(self, node):
        return self.fleet.one(
            "select r.output -> 'detail' from fleet.results r join fleet.tasks"
            f" t on t.id = r.task_id where t.job_id = '{self.id}' and t.node ="
            f" '{node}'")

    def payload_bytes(self):
        return self.fleet.one("select " + " + ".join(
            f"coalesce(octet_length({p}::text), 0)" for p in PAYLOADS)
            + f" from jobs where id = '{self.id}'")


_fleet = None


def start(kind=Fleet):
    """For setUpModule: the module's fleet, stopped after its last test."""
    global _fleet
    _fleet = kind()
    unittest.addModuleCleanup(_fleet.close)


class Case(unittest.TestCase):
    """A test of the module's fleet. No worker may end, and none may lie."""

    maxDiff = None

    def setUp(self):
        self.fleet = _fleet
        self.before = {a: w.pid for a, w in self.fleet.workers.items()}
        self.addCleanup(self.show_logs_of_failure)

    def show_logs_of_failure(self):
        result = self._outcome.result
        bad = result.failures + result.errors
        if bad and bad[-1][0] is self:
            print(self.fleet.logs(), file=sys.stderr)

    def tearDown(self):
        ended = [a for a, w in self.fleet.workers.items()
                 if w.poll() is not None]
        self.assertEqual(ended, [], "workers that ended")

    @classmethod
    def tearDownClass(cls):
        _fleet.alexctl("db", "fsck")

    def wait(self, condition, limit_s=20, what="condition"):
        """Until condition() is true; its value."""
        ends = time.monotonic() + limit_s
        while not (value := condition()):
            if time.monotonic() > ends:
                self.fail(f"{what}: not within {limit_s} s")
            time.sleep(0.03)
        return value

    def user(self, accounts=(), user=None, **columns):
        """A new user; accounts are {"name", "cash", "positions": {symbol:
        quantity}, any other column}. Its id."""
        user = user or f"user_{uuid.uuid4().hex[:12]}"
        row = {"clerk_user_id": user, "years_until_retirement": 20,
               "target_retirement_income": 60000, **columns}
        sql = [f"insert into users ({', '.join(row)}) values "
               f"({', '.join(map(literal, row.values()))});"]
        for number, account in enumerate(accounts):
            sql += self.account_sql(user, number, **account)
        self.fleet.psql("begin;" + "".join(sql) + "commit;")
        return user

    @staticmethod
    def account_sql(user, number, name, cash=0, positions=(), **columns):
        row = {"id": columns.pop("id", str(uuid.uuid4())),
               "clerk_user_id": user, "account_name": name,
               "cash_balance": cash,
               "created_at": f"2025-09-13 18:{number // 60:02}:"
                             f"{number % 60:02}", **columns}
        yield (f"insert into accounts ({', '.join(row)}) values "
               f"({', '.join(map(literal, row.values()))});")
        for symbol, quantity in dict(positions).items():
            yield ("insert into positions (account_id, symbol, quantity) values"
                   f" ('{row['id']}', {literal(symbol)}, {quantity});")

    def instrument(self, symbol, price=None, name=None, **columns):
        """As upstream's API makes one for a symbol it has never seen."""
        row = {"symbol": symbol, "name": name or symbol,
               "current_price": price, **columns}
        self.fleet.psql(
            f"insert into instruments ({', '.join(row)}) values "
            f"({', '.join(map(literal, row.values()))}) "
            "on conflict do nothing")

    def submit(self, user, *words):
        return self.fleet.alexctl("submit", "--user", user, *words).strip()

    def ended(self, job, status="completed", limit_s=20):
        """The job, once it has this status."""
        def state():
            now = self.fleet.rows("select status, error_message from jobs "
                                  f"where id = '{job}'")[0]
            if status == "completed" and now["status"] == "failed":
                self.fail(f"job {job} failed: {now['error_message']}")
            return now["status"] == status
        self.wait(state, limit_s, f"job {job} {status}")
        return Job(self.fleet, job)

    def ready(self, job, node):
        """The task, once it waits for a worker."""
        return self.wait(lambda: (
            task := self.fleet.tasks(job).get(node, {"state": None}))["state"]
            == "ready" and task, 10, f"{node} of {job} ready")

    def analyse(self, user, *words):
        return self.ended(self.submit(user, *words))

    def analyse_simply(self):
        """A job that completes: the fleet is well."""
        return self.analyse(self.user([
            {"name": "Main", "cash": "12.34", "positions": {"SPY": 2,
                                                            "BND": 3}}]))

    def assert_adds_up(self, job):
        """Every chart of a job has its total, to the cent."""
        for key, chart in job.charts.items():
            values = [Decimal(p["value"]) for p in chart["data"]]
            self.assertEqual(sum(values), job.total, f"{job.id}: {key}")
            for value in values:
                self.assertEqual(value, value.quantize(CENT), key)

    def assert_quiet(self):
        """Every message has been dealt with, at the latest when it is due: a
        second bell of a task that somebody holds waits for the lease."""
        def quiet():
            for agent in AGENTS:
                self.fleet.a_minute_later(agent)
            return not any(map(self.fleet.open_messages, AGENTS))

        self.wait(quiet, 10, "no message left")


def table_cells(row):
    """The cells of a row of a markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def table_rows(report):
    return [line for line in report.split("\n") if line.startswith("| ")]


def main():
    for program in ("tools/alexctl/alexctl",
                    *(f"workers/alex-{agent}" for agent in AGENTS)):
        if not os.access(BUILD / program, os.X_OK):
            print(f"SKIP: {BUILD / program} is not built", file=sys.stderr)
            sys.exit(fleet.SKIPPED)
    unittest.main(verbosity=2)
