"""Several sessions at the same time."""
import collections
import random
import threading
import time

import engine
from engine import Worker, bell, outcome, plan, rung, task_id


class Together(engine.EngineTest):
    def test_siblings_settled_at_once_free_their_dependant(self):
        job = self.job("a", "b", "c<a,b")
        run_a, run_b = self.a.run(job, "a"), self.b.run(job, "b")
        self.a.sql("begin")
        first = self.a.end(run_a)
        self.b.send_call("settle", self.b.settling(outcome(run_b)))
        self.await_lock()
        self.a.sql("commit")
        last = self.b.rows()[1][0]
        self.assertEqual((first["verdict"], first["ring"]), ("applied", []))
        self.assertEqual((last["verdict"], rung(last)),
                         ("applied", [task_id(job, "c")]))
        self.b.finish(job, "c")
        self.assertEqual(self.run_of(job, "state, open"), ("completed", "0"))
        self.assertSound()

    def test_two_outcomes_of_one_job_count_twice(self):
        job = self.job("a", "b", "c<a,b")
        replies = self.a.settle(outcome(self.a.run(job, "a")),
                                outcome(self.a.run(job, "b")))
        self.assertEqual(self.run_of(job, "open"), "1")
        self.assertEqual(self.task(job, "c", "unmet, state"), ("0", "ready"))
        self.assertEqual([rung(r) for r in replies], [[task_id(job, "c")]] * 2)
        self.b.finish(job, "c")
        self.assertEqual(self.run_of(job, "state, open"), ("completed", "0"))
        self.assertSound()

    def test_claim_waits_for_nobody(self):
        job = self.submit()[0]
        self.a.sql("begin")
        self.a.run(job)
        started = time.monotonic()
        verdict = self.b.claim(bell(job))[0]
        self.assertLess(time.monotonic() - started, 3)
        self.a.sql("commit")
        self.assertEqual(verdict["verdict"], "busy")
        self.assertSound()

    def test_settle_that_waited_for_a_cancel_is_answered_cancelled(self):
        job = self.job("a", "b<a")
        run = self.a.run(job, "a")
        self.b.sql("begin")
        self.b.call("cancel", {"v": 1, "job": job, "by": "test"})
        self.a.send_call("settle", self.a.settling(outcome(run)))
        self.await_lock()
        self.b.sql("commit")
        reply = self.a.rows()[1][0]
        self.assertEqual((reply["verdict"], reply["ring"]), ("cancelled", []))
        self.assertEqual(self.states(job), {
            "plan": "succeeded", "a": "cancelled", "b": "cancelled"})
        self.assertEqual(self.run_of(job, "state, open"), ("cancelled", "0"))
        self.assertSound()

    def test_a_second_reap_at_once_is_skipped(self):
        self.submit()
        self.a.sql("begin")
        self.assertFalse(self.reap(self.a)[0]["skipped"])
        head, rings = self.reap(self.b)
        self.a.sql("commit")
        self.assertTrue(head["skipped"])
        self.assertEqual((head["moved"], rings), (0, []))
        self.assertIsNotNone(head["wake_ms"])


class Crowd(engine.EngineTest):
    """Workers in threads, each with a session; what goes wrong in one fails
    the test."""

    def run_crowd(self, size, work):
        wrong = []
        workers = [self.db.session(Worker) for _ in range(size)]

        def guarded(number, worker):
            try:
                work(number, worker)
            except Exception as error:
                wrong.append(f"worker {number}: {error!r}")

        threads = [threading.Thread(target=guarded, args=numbered)
                   for numbered in enumerate(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_random_order_batches_do_not_deadlock(self):
        jobs = self.submit(12)
        nodes = [f"n{i}" for i in range(80)]
        deadlocks = ("deadlocks from pg_stat_database "
                     "where datname = current_database()")
        for job in jobs:
            self.a.end(self.a.run(job), output=plan(
                *nodes, *(f"{node}-b<{node}" for node in nodes)))
        stop = time.monotonic() + 6
        settled = collections.Counter()

        def work(number, worker):
            dice = random.Random(number)
            while time.monotonic() < stop:
                runs = [v for v in worker.claim(*(
                    bell(dice.choice(jobs), dice.choice(nodes))
                    for _ in range(8)), agent="bench") if v["verdict"] == "run"]
                dice.shuffle(runs)
                outcomes = [outcome(run, *dice.choices(
                    ["succeeded", "interrupted"], [1, 2])) for run in runs]
                for one in outcomes:
                    if one["outcome"] == "succeeded":
                        one["output"] = {"instruments": [
                            {"symbol": s, "name": s}
                            for s in dice.sample("ABCDEFGH", 4)]}
                for reply in worker.settle(*outcomes):
                    settled[reply["verdict"]] += 1
                if number == 0:
                    worker.call("reap", {"v": 1})
                if number == 1:
                    worker.beat()

        known = int(self.value(deadlocks))
        self.run_crowd(16, work)
        self.assertGreater(settled["applied"], 300)
        self.assertEqual(set(settled), {"applied"})
        for session in self.db.sessions[3:]:
            session.close()
        del self.db.sessions[3:]
        self.assertEqual(int(self.value(deadlocks)), known)
        self.assertSound()

    def test_join_fires_once_under_duplicates(self):
        """Every bell is delivered twice and every settle sent twice."""
        jobs = {job for _ in range(4) for job in self.submit(50)}
        leaves = [f"n{i}" for i in range(8)]
        spread = plan(*leaves, "join<" + ",".join(leaves))
        queues = {"planner": [], "bench": []}
        lock = threading.Lock()
        stop = time.monotonic() + 45
        over = collections.Counter()

        def deliver(rings, copies=2):
            with lock:
                for ring in rings * copies:
                    queues[ring["agent"]].append(ring)

        def receive(agent, dice):
            with lock:
                queue = queues[agent]
                dice.shuffle(queue)
                taken, queue[:] = queue[:40], queue[40:]
            return {b["n"]: (ring, b) for ring in taken
                    for b in [bell(ring["job"]) | {"task": ring["task"]}]}

        def work_once(worker, agent, dice):
            received = receive(agent, dice)
            if not received:
                return False
            verdicts = worker.claim(*(b for _, b in received.values()),
                                    agent=agent)
            for verdict in verdicts:
                if verdict["verdict"] == "busy":
                    deliver([received[verdict["n"]][0]], 1)
                deliver(verdict.get("ring", []))
            outcomes = [
                outcome(v, output=spread if v["node"] == "plan" else {})
                for v in verdicts if v["verdict"] == "run"]
            for reply in worker.settle(*outcomes):
                over[reply["verdict"]] += 1
                deliver(reply["ring"])
            for reply in worker.settle(*outcomes):
                over[reply["verdict"]] += 1
            return True

        def work(number, worker):
            dice = random.Random(number)
            while time.monotonic() < stop:
                worked = [work_once(worker, agent, dice) for agent in queues]
                if not any(worked):
                    time.sleep(0.02)
                    with lock:
                        if over["applied"] >= 2 * 10 * len(jobs):
                            return

        deliver([{"agent": "planner", "job": job, "task": task_id(job, "plan")}
                 for job in jobs])
        self.run_crowd(8, work)
        self.assertEqual(over, {"applied": 2 * 10 * len(jobs)})
        self.assertEqual(self.sql(
            "select count(*), count(distinct job_id) from fleet.events "
            "where kind = 'job_completed'"), [["200", "200"]])
        self.assertEqual(self.sql(
            "select state, sum(open), sum(bad) from fleet.runs group by 1"),
            [["completed", "0", "0"]])
        self.assertEqual(self.value("count(*) from fleet.events "
                                    "where kind = 'claimed'"), "2000")
        self.assertEqual(self.sql("select distinct status from jobs"),
                         [["completed"]])
        self.assertSound()


if __name__ == "__main__":
    engine.main()
