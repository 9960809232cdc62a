"""The engine as its tests see it: sessions of psql, and calls of functions.

A test is a function of a Fleet on an empty database.  Time passes by moving
the times in the rows: a test that sleeps proves less and takes longer.
"""
import json
import os
import subprocess
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
END = "--end-of-answer--"
USER = "user_1"


class SqlError(Exception):
    def __init__(self, state, text):
        super().__init__(f"{state}: {text}")
        self.state = state
        self.text = text


class Session:
    """One connection: a psql that stays."""

    def __init__(self, url):
        self.process = subprocess.Popen(
            ["psql", "-qAtX", "--field-separator=\x1f", url], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)

    def send(self, sql):
        """Starts a statement; the answer is fetched with result()."""
        self.process.stdin.write(
            f"{sql};\n\\echo {END} :SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n")
        self.process.stdin.flush()

    def result(self):
        rows = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith(END):
                state = line.split()[-1]
                text = self.process.stdout.readline().strip()
                if state != "00000":
                    raise SqlError(state, text)
                return rows
            rows.append(line.split("\x1f"))
        raise SqlError("08006", "the session ended")

    def sql(self, sql):
        self.send(sql)
        return self.result()

    def value(self, sql):
        rows = self.sql(sql)
        return rows[0][0] if rows else None

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Database:
    """A database with the schema, for as long as it is entered."""

    def __init__(self, server, schema, name="alex_test_sql", migrate=True):
        self.server = server
        self.schema = schema
        self.name = f"{name}_{os.getpid()}"
        self.url = f"{server.rsplit('/', 1)[0]}/{self.name}"
        self.migrates = migrate

    def admin(self, *statements):
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", self.server,
                        *(a for s in statements for a in ("-c", s))],
                       check=True)

    def migrate(self):
        subprocess.run([HERE / "apply.sh", self.url, str(self.schema)],
                       check=True, capture_output=True, text=True)

    def __enter__(self):
        self.admin("set client_min_messages = error",
                   f"drop database if exists {self.name} with (force)",
                   f"create database {self.name}")
        if self.migrates:
            self.migrate()
        return self

    def __exit__(self, *_):
        self.admin(f"drop database {self.name} with (force)")


def new_id():
    return str(uuid.uuid4())


class Run:
    """A task somebody has claimed."""

    def __init__(self, owner, head, body):
        self.owner = owner
        self.head = head
        self.job, self.task = head["job"], head["task"]
        self.fence, self.n = head["fence"], head["n"]
        self.body = body
        self.checkpoints = []

    def outcome(self, outcome, **more):
        return {"job": self.job, "task": self.task, "fence": self.fence,
                "outcome": outcome, **more}


class Fleet:
    """Calls of the engine on a session of their own, as one owner."""

    def __init__(self, database):
        self.database = database
        self.session = Session(database.url)
        self.others = []
        self.owner = new_id()
        self.sql = self.session.sql
        self.value = self.session.value

    def other(self):
        """A second session: the same engine, another owner."""
        self.others.append(Fleet(self.database))
        return self.others[-1]

    def close(self):
        for other in self.others:
            other.close()
        self.session.close()

    def reset(self):
        self.sql("truncate users, accounts, positions, jobs, instruments, "
                 "fleet.runs, fleet.tasks, fleet.inputs, fleet.results, "
                 "fleet.checkpoints, fleet.events, fleet.replays, "
                 "fleet.dismissals")
        self.sql(f"insert into users (clerk_user_id) values ('{USER}')")

    # --- calls --------------------------------------------------------------

    def send(self, function, request):
        text = json.dumps({"v": 1, **request})
        assert "$q$" not in text
        self.session.send(
            "select json_build_array(head::json, to_json(body)) "
            f"from fleet.{function}($q${text}$q$::jsonb)")

    def received(self):
        return [tuple(json.loads(r[0])) for r in self.session.result()]

    def call(self, function, **request):
        """Rows of (head, body); the first is the reply's own."""
        self.send(function, request)
        return self.received()

    def heads(self, function, **request):
        """The heads of the items."""
        return [head for head, _ in self.call(function, **request)[1:]]

    # --- what a submitter and a supervisor do ---------------------------------

    def submit(self, job=None, **more):
        item = {"job": job or new_id(), "user": USER,
                "type": "portfolio_analysis", "request": {},
                "snapshot": False, **more}
        return self.heads("submit", jobs=[item])[0]

    def bells(self, *rings):
        """Bells for tasks: of a ring, or pairs of a job and a task."""
        pairs = [(r["job"], r["task"]) if isinstance(r, dict) else r
                 for r in rings]
        return [{"n": new_id(), "job": job, **({"task": task} if task else {})}
                for job, task in pairs]

    def claim(self, agent, bells, lease_ms=60000):
        """{nonce: Run, or the head of another verdict}."""
        rows = self.call("claim", owner=self.owner, agent=agent,
                         lease_ms=lease_ms, bells=bells)
        self.wake_ms = rows[0][0]["wake_ms"]
        answers = {}
        for head, body in rows[1:]:
            if head.get("verdict") == "run":
                answers[head["n"]] = Run(self.owner, head, body)
            elif "ordinal" in head:
                answers[head["n"]].checkpoints.append((head, body))
            else:
                answers[head["n"]] = head
        assert set(answers) == {b["n"] for b in bells}, (answers, bells)
        return answers

    def claim_one(self, ring):
        """The Run of a bell that must be there to claim."""
        bells = self.bells(ring)
        answer = self.claim(ring["agent"], bells)[bells[0]["n"]]
        assert isinstance(answer, Run), answer
        return answer

    def verdict(self, agent, *pair):
        bells = self.bells(pair)
        return self.claim(agent, bells)[bells[0]["n"]]

    def settle(self, *outcomes):
        return self.heads("settle", owner=self.owner, outcomes=list(outcomes))

    def settle_one(self, run, outcome, **more):
        return self.settle(run.outcome(outcome, **more))[0]

    def succeed(self, run, **output):
        return self.settle_one(run, "succeeded", output=output)

    def fail(self, run, text="it broke"):
        return self.settle_one(run, "dead",
                               error={"class": "broken", "text": text})

    def planned(self, *plan, **submitted):
        """Submits a job, carries out its plan's first step: (job, bells by
        node)."""
        ring = self.submit(**submitted)["ring"][0]
        root = self.claim_one(ring)
        answer = self.succeed(root, plan=list(plan))
        assert answer["verdict"] == "applied", answer
        nodes = dict(self.sql("select id, node from fleet.tasks "
                              f"where job_id = '{root.job}'"))
        return root.job, {nodes[r["task"]]: r for r in answer["ring"]}

    def task_id(self, job, node):
        return self.value(f"select id from fleet.tasks where job_id = '{job}' "
                          f"and node = '{node}'")

    # --- looking --------------------------------------------------------------

    def task(self, job, node, columns):
        """Columns of a task, as text."""
        rows = self.sql(f"select {columns} from fleet.tasks "
                        f"where job_id = '{job}' and node = '{node}'")
        return rows[0][0] if len(rows[0]) == 1 else tuple(rows[0])

    def state(self, job, node):
        return self.task(job, node, "state")

    def job(self, job):
        (row,) = self.sql(f"select to_json(j) from jobs j where id = '{job}'")
        return json.loads(row[0])

    def run_row(self, job):
        (row,) = self.sql("select to_json(r) from fleet.runs r "
                          f"where job_id = '{job}'")
        return json.loads(row[0])

    def violations(self):
        return self.heads("fsck")

    # --- time -----------------------------------------------------------------

    def expire(self, job, node):
        """The lease of a task ends."""
        self.sql("update fleet.tasks set lease_until = now() - interval '1 s' "
                 f"where job_id = '{job}' and node = '{node}'")

    def come_due(self, job, node):
        self.sql("update fleet.tasks set next_run_at = now() - interval '1 s' "
                 f"where job_id = '{job}' and node = '{node}'")

    def pass_deadline(self, job):
        self.sql("update fleet.runs set deadline_at = now() - interval '1 s' "
                 f"where job_id = '{job}'")

    def later(self, job, seconds):
        """All bells of a job were rung that much earlier."""
        self.sql(f"update fleet.tasks set rung_at = rung_at - {seconds} "
                 f"* interval '1 s' where job_id = '{job}'")


def plan(node, agent="reporter", needs=(), **more):
    return {"node": node, "agent": agent, "needs": list(needs), **more}


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def fails(state, call, *arguments, **named):
    """The text of the error with this SQLSTATE."""
    try:
        call(*arguments, **named)
    except SqlError as error:
        equal(error.state, state)
        return error.text
    raise AssertionError(f"no error, expected {state}")
