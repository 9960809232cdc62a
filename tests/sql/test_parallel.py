"""Several sessions at once: joins, locks, and workers in random order."""
import random
import threading
import time

from fleet import Run, SqlError, equal, new_id, plan

FAN = [plan("a"), plan("b"), plan("join", "bench", ["a", "b"])]


def blocked(f):
    """Sessions that wait for a lock of another."""
    f.sql("select pg_stat_clear_snapshot()")
    return int(f.value("select count(*) from pg_stat_activity "
                       "where wait_event_type = 'Lock' "
                       "and datname = current_database()"))


def wait_until_blocked(f):
    for _ in range(200):
        if blocked(f):
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


def test_overlapping_settles_of_siblings_make_their_join_ready(f):
    job, bells = f.planned(*FAN)
    a = f.claim_one(bells["a"])
    g = f.other()
    b = g.claim_one(bells["b"])
    f.sql("begin")
    f.succeed(a)
    g.send("settle", {"owner": g.owner,
                      "outcomes": [b.outcome("succeeded", output={})]})
    wait_until_blocked(f)
    f.sql("commit")
    (_, _), (answer, _) = g.received()
    equal([r["task"] for r in answer["ring"]], [f.task_id(job, "join")])
    equal((f.state(job, "join"), f.run_row(job)["open"]), ("ready", 1))
    equal(f.violations(), [])


def test_overlapping_last_settles_end_the_job_once(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a = f.claim_one(bells["a"])
    g = f.other()
    b = g.claim_one(bells["b"])
    f.sql("begin")
    f.succeed(a)
    g.send("settle", {"owner": g.owner,
                      "outcomes": [b.outcome("succeeded", output={})]})
    wait_until_blocked(f)
    f.sql("commit")
    g.received()
    equal(f.job(job)["status"], "completed")
    equal(f.value("select count(*) from fleet.events "
                  "where kind = 'job_completed'"), "1")


def test_settle_locks_runs_in_the_order_of_their_ids(f):
    low, high = sorted([new_id(), new_id()])
    runs = [f.claim_one(f.submit(job)["ring"][0]) for job in (high, low)]
    lock = "select job_id from fleet.runs where job_id = '{}' for update"
    f.sql("begin")
    f.sql(lock.format(low))
    g, h = f.other(), f.other()
    g.send("settle", {"owner": f.owner, "outcomes": [
        r.outcome("succeeded", output={}) for r in runs]})
    wait_until_blocked(f)
    equal(h.sql(lock.format(high) + " nowait"), [[high]])
    equal(h.state(low, "plan"), "leased")
    f.sql("commit")
    equal([head["verdict"] for head, _ in g.received()[1:]],
          ["applied", "applied"])


def test_claim_does_not_wait_for_a_task_that_is_being_claimed(f):
    ring = f.submit()["ring"][0]
    f.sql("begin")
    f.claim_one(ring)
    g = f.other()
    answer = g.verdict("planner", ring["job"], ring["task"])
    equal((answer["verdict"], answer["until_ms"]), ("busy", 100))
    f.sql("commit")


def test_beat_does_not_wait_for_a_task_that_is_being_settled(f):
    _, bells = f.planned(plan("a"), plan("b"))
    a, b = f.claim_one(bells["a"]), f.claim_one(bells["b"])
    f.sql("begin")
    f.succeed(a)
    g = f.other()
    g.owner = f.owner
    answers = g.heads("beat", owner=f.owner, lease_ms=60000, held=[
        {"task": r.task, "fence": r.fence} for r in (a, b)])
    equal([x["verdict"] for x in answers], ["ok", "ok"])
    f.sql("commit")


def test_cancel_waits_for_a_settle_and_does_not_undo_it(f):
    job, bells = f.planned(plan("a"), plan("b"))
    a = f.claim_one(bells["a"])
    f.sql("begin")
    f.succeed(a)
    g = f.other()
    g.send("cancel", {"job": job, "by": "test"})
    wait_until_blocked(f)
    f.sql("commit")
    equal(g.received()[0][0]["verdict"], "cancelled")
    equal((f.state(job, "a"), f.state(job, "b")), ("succeeded", "cancelled"))
    equal(f.violations(), [])


def test_second_reap_at_the_same_time_is_skipped(f):
    f.sql("begin")
    equal(f.call("reap")[0][0]["skipped"], False)
    equal(f.other().call("reap")[0][0]["skipped"], True)
    f.sql("commit")


class Worker(threading.Thread):
    """Claims and settles in random order until all is done: repeats calls,
    settles in mixed batches, sometimes lets go, crashes or cancels."""

    def __init__(self, f, bells, lock, seed):
        super().__init__()
        self.f, self.bells, self.lock = f.other(), bells, lock
        self.dice = random.Random(seed)
        self.errors = []

    def take(self):
        with self.lock:
            self.dice.shuffle(self.bells)
            taken = self.bells[:12]
            del self.bells[:12]
        return taken

    def put(self, rings):
        with self.lock:
            self.bells += [r for r in rings for _ in range(2)]

    def work(self, taken):
        bells = self.f.bells(*taken)
        answers = self.f.claim("bench", bells)
        if self.dice.random() < 0.2:
            answers = self.f.claim("bench", bells)
        outcomes, again = [], []
        for ring, bell in zip(taken, bells):
            answer = answers[bell["n"]]
            if isinstance(answer, Run):
                outcomes.append(self.outcome(answer))
            elif answer["verdict"] in ("busy", "later"):
                again.append(ring)
            else:
                self.put(answer.get("ring", []))
        self.dice.shuffle(outcomes)
        replies = self.f.settle(*outcomes)
        if self.dice.random() < 0.2:
            replies = self.f.settle(*outcomes)
        for reply in replies:
            self.put(reply["ring"])
        self.put(again + [r for r in taken])

    def outcome(self, run):
        chance = self.dice.random()
        if chance < 0.05:
            return run.outcome("interrupted")
        if chance < 0.10:
            return run.outcome("deferred", after_ms=0)
        if run.head["node"] == "plan":
            return run.outcome("succeeded", output={"plan": [
                plan("a", "bench"), plan("b", "bench", required=False),
                plan("c", "bench"),
                plan("join", "bench", ["a", "b", "c"])]})
        if run.head["node"] == "b" and chance < 0.5:
            return run.outcome("dead", error={"class": "x", "text": "y"})
        return run.outcome("succeeded", output={
            "prices": [{"symbol": s, "price": "1.5", "source": "x",
                        "as_of": "2026-01-01T00:00:00Z"}
                       for s in self.dice.sample("ABCDEF", 4)]})

    def run(self):
        try:
            idle = 0
            while idle < 100:
                taken = self.take()
                if taken:
                    self.work(taken)
                done = self.f.value("select not exists (select from "
                                    "fleet.runs where ended_at is null)")
                if done == "t":
                    return
                idle = 0 if taken else idle + 1
                time.sleep(0 if taken else 0.05)
        except (SqlError, AssertionError) as error:
            self.errors.append(error)


def test_sixteen_workers_in_random_order_never_deadlock_and_lose_nothing(f):
    f.sql("insert into instruments (symbol, name) "
          "select s, s from unnest(string_to_array('A,B,C,D,E,F', ',')) s")
    bells = []
    for _ in range(60):
        bells += f.submit(agent="bench", type="bench")["ring"] * 2
    lock = threading.Lock()
    workers = [Worker(f, bells, lock, seed) for seed in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert not worker.is_alive()
    equal([str(e) for w in workers for e in w.errors], [])
    equal(f.sql("select status, count(*) from jobs group by 1"),
          [["completed", "60"]])
    equal(f.value("select count(*) from fleet.events "
                  "where kind = 'job_completed'"), "60")
    equal(f.value("select sum(failures + crashes + losses) from fleet.tasks "
                  "where node <> 'b'"), "0")
    equal(f.violations(), [])
    equal(f.value("select deadlocks from pg_stat_database "
                  "where datname = current_database()"), "0")


def test_two_submits_of_the_same_job_at_once_create_it_once(f):
    job = new_id()
    f.sql("begin")
    equal(f.submit(job)["verdict"], "created")
    g = f.other()
    g.send("submit", {"jobs": [{"job": job, "user": "user_1",
                                "type": "portfolio_analysis", "request": {},
                                "snapshot": False}]})
    wait_until_blocked(f)
    f.sql("commit")
    equal(g.received()[1][0]["verdict"], "existing")
    equal(f.value("select count(*) from fleet.tasks"), "1")
