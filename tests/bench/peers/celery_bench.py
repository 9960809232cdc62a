"""celery_bench.py CASE COUNT: what Celery does with the cases of
tests/bench/run.  Prints one JSON object of figures.  REDIS_URL: a Redis nobody
else uses.  Starts its own worker: 8 processes, acks late, as a fleet that loses
no task must."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import celery
import redis

app = celery.Celery("celery_bench", broker=os.environ["REDIS_URL"],
                    backend=os.environ["REDIS_URL"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=50,
                broker_connection_retry_on_startup=True,
                worker_hijack_root_logger=False, redis_max_connections=50)
DONE = "bench-done"
server = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.task(ignore_result=True)
def noop():
    server.incr(DONE)


@app.task
def child():
    return 0


@app.task(ignore_result=True)
def join(results):
    server.incr(DONE)


def await_done(number):
    while int(server.get(DONE) or 0) < number:
        time.sleep(0.005)
    server.delete(DONE)


def start_worker():
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_bench", "worker",
         "--concurrency=8", "--without-gossip", "--without-mingle",
         "--without-heartbeat", "--loglevel=ERROR"],
        cwd=Path(__file__).parent, env={**os.environ, "C_FORCE_ROOT": "1"},
        stdout=subprocess.DEVNULL)
    noop.delay()
    await_done(1)
    return worker


def chords(count, width):
    for _ in range(count):
        celery.chord([child.s() for _ in range(width)])(join.s())


def measure(part, count):
    worker = start_worker()
    try:
        before = time.monotonic()
        if part == "noop":
            with app.producer_pool.acquire() as producer:
                for _ in range(count):
                    noop.apply_async(producer=producer)
            await_done(count)
            return count / (time.monotonic() - before)
        if part == "fan":
            chords(count, 8)
            await_done(count)
            return count / (time.monotonic() - before)
        chords(1, 999)
        await_done(1)
        return 1000 / (time.monotonic() - before)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    server.flushdb()
    print(json.dumps({sys.argv[1]: measure(sys.argv[1], int(sys.argv[2]))}))
