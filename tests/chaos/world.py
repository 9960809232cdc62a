"""The servers, the fleet and the submitter that the faults happen to."""
import http.server
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from proxy import Proxy

TOP = Path(__file__).resolve().parents[2]
AGENTS = ["planner", "tagger", "reporter", "charter", "retirement"]
USER = "chaos"
LEASE_S = 3
UNAVAILABLE = 69
# As enum fault_point of common/base/fault.h.
POINTS = ["after_receive", "after_claim", "mid_handler", "after_checkpoint",
          "before_commit", "after_commit", "before_ring", "after_ring",
          "before_ack", "submitter_insured", "submitter_committed",
          "stop_holding", "stop_settling", "send_twice"]
DEADLY = POINTS[:-3]
BROKERS = {"redis": "redis", "sqs": "elasticmq", "kafka": "kafka"}
# ElasticMQ keeps what it forgot until it is restarted.
DISK_MIB = {"redis": 64, "sqs": 3072, "kafka": 512}
TABLES = ("fleet.runs, fleet.tasks, fleet.inputs, fleet.results, "
          "fleet.checkpoints, fleet.events, fleet.replays")


class Points:
    """The file through which processes are told where to die."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8 * len(POINTS)))
        path.chmod(0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def _cell(self, point):
        return 8 * POINTS.index(point)

    def set_due(self, point, count):
        self.map[self._cell(point):self._cell(point) + 4] = struct.pack(
            "=I", count)

    def due(self, point):
        return struct.unpack_from("=I", self.map, self._cell(point))[0]

    def taken(self, point):
        return struct.unpack_from("=I", self.map, self._cell(point) + 4)[0]


class Quotes(http.server.BaseHTTPRequestHandler):
    """Stands in for a provider of prices that wants to be paid: its answers
    are stored as checkpoints."""

    def do_GET(self):
        body = json.dumps({"tickers": [{"ticker": "SPY", "min": {"c": 662.63}}]})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body.encode())
        except OSError:
            pass  # Who asked has been killed.

    def log_message(self, *_):
        pass


class Servers:
    """A private PostgreSQL and broker, each behind a proxy, with a migrated
    database and one user's portfolio."""

    def __init__(self, build, queue):
        self.build = build
        self.queue = queue
        self.broker = BROKERS[queue]
        self.dir = Path(tempfile.mkdtemp(prefix="alex-chaos."))
        self.dir.chmod(0o755)
        # A broker that names its own address is told the proxy's.
        self.queue_proxy = Proxy(0)
        os.environ["ALEX_KAFKA_ADVERTISED"] = str(self.queue_proxy.port)
        self.tool("start", "--only", "postgres")
        self.disk = self.dir / "data" / self.broker
        self.has_disk = self.mount_disk()
        self.start_broker()
        self.env = self.read_env()
        self.direct = self.env["ALEX_TEST_POSTGRES"].rsplit("/", 1)[0] + "/alex"
        self.interpose()
        self.admin_env = dict(self.env, ALEX_ADMIN_STORE_URL=self.direct)
        self.points = Points(self.dir / "points")
        self.env["ALEX_FAULTS"] = str(self.points.path)
        self.serve_quotes()
        self.alexctl("db", "migrate", admin=True)
        self.alexctl("db", "seed", admin=True)
        self.create_queues()
        self.alexctl("import", str(TOP / "tests/data/portfolios/household.csv"),
                     "--user", USER, "--years", "25", "--income", "90000")

    # --- the servers themselves

    def tool(self, *arguments):
        done = subprocess.run([TOP / "tools/servers", *arguments, "--dir",
                               self.dir], text=True, capture_output=True)
        if done.returncode:
            print(f"tools/servers {' '.join(arguments)}: {done.stderr}",
                  file=sys.stderr)
            sys.exit(UNAVAILABLE)
        return done.stdout

    def mount_disk(self):
        """A disk of the broker's own, small enough to be filled."""
        self.disk.mkdir()
        size = f"size={DISK_MIB[self.queue]}m"
        return subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs",
                               self.disk], capture_output=True).returncode == 0

    def start_broker(self):
        self.tool("start", "--only", self.broker)
        self.follow_broker()

    def restart(self, server):
        self.tool("restart", server, "--hard")
        self.follow_broker()

    def follow_broker(self):
        """Its port is another if the one it had was still taken."""
        port = (self.dir / f"{self.broker}.port").read_text()
        self.queue_proxy.target = int(port)

    def wipe(self):
        if self.queue == "redis":
            self.tool("wipe", "redis")
            return
        self.tool("stop", "--only", self.broker, "--hard")
        for item in self.disk.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        self.start_broker()
        self.create_queues()

    def create_queues(self):
        self.alexctl("queue", "create", "--lease", f"{LEASE_S}s",
                     "--agent", ",".join(AGENTS), admin=True, tries=20)

    def read_env(self):
        env = dict(os.environ)
        text = self.tool("env", "--queue", self.queue, "--only",
                         "postgres," + self.broker)
        for line in text.splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            env[name] = value.strip("'\"")
        return env

    def interpose(self):
        """Everybody but this harness goes through the proxies."""
        port = int(re.search(r":(\d+)/", self.direct).group(1))
        self.store_proxy = Proxy(port)
        for name in ("ALEX_WORKER_STORE_URL", "ALEX_SUBMITTER_STORE_URL"):
            self.env[name] = self.env[name].replace(
                f":{port}/", f":{self.store_proxy.port}/")
        self.env["ALEX_STORE_URL"] = self.env["ALEX_SUBMITTER_STORE_URL"]
        name = ("AWS_ENDPOINT_URL_SQS" if self.queue == "sqs" else
                "ALEX_QUEUE_URL")
        port = re.search(r":(\d+)(/|$)", self.env[name]).group(1)
        self.env[name] = self.env[name].replace(f":{port}",
                                                f":{self.queue_proxy.port}")

    def serve_quotes(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quotes)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.env.update(
            ALEX_PRICES="polygon", ALEX_POLYGON_KEY="none",
            ALEX_POLYGON_PLAN="paid",
            ALEX_POLYGON_URL=f"http://127.0.0.1:{server.server_port}")

    def close(self, remove):
        self.tool("stop", "--hard", "--keep")
        if remove:
            if self.has_disk:
                subprocess.run(["umount", "-l", self.disk], check=False)
            self.tool("stop", "--remove")

    # --- what is asked of them

    def alexctl(self, *arguments, admin=False, check=True, tries=1):
        env = self.admin_env if admin else self.env
        for left in reversed(range(tries)):
            done = subprocess.run(
                [self.build / "tools/alexctl/alexctl", *arguments], env=env,
                text=True, capture_output=True, timeout=120)
            if done.returncode == 0 or not check:
                return done
            time.sleep(0.5 if left else 0)
        raise RuntimeError(f"alexctl {' '.join(arguments)}: exit "
                           f"{done.returncode}: {done.stderr[-2000:]}")

    def sql(self, query):
        """Rows of a query as lists of text; waits out a restart."""
        for _ in range(200):
            done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-v",
                                   "ON_ERROR_STOP=1", self.direct],
                                  input=query, text=True, capture_output=True)
            if done.returncode == 0:
                return [r.split("\t") for r in done.stdout.splitlines()]
            if done.returncode != 2:  # 2: the connection, not the statement.
                raise RuntimeError(done.stderr)
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not come back: " + done.stderr)

    def number(self, query):
        return float(self.sql(query)[0][0] or 0)

    def forget(self):
        self.sql(f"delete from jobs; truncate {TABLES}")


class Fleet:
    """Worker processes, restarted when they die, as a platform would."""

    def __init__(self, servers, per_agent):
        self.servers = servers
        self.workers = {}
        self.stopping = False
        self.log = open(servers.dir / "workers.log", "ab")
        for agent in AGENTS:
            for number in range(per_agent):
                self.start((agent, number))
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()

    def start(self, key):
        env = dict(self.servers.env, ALEX_LEASE=f"{LEASE_S}s", ALEX_GRACE="2s",
                   ALEX_CONCURRENCY="2",
                   ALEX_STORE_URL=self.servers.env["ALEX_WORKER_STORE_URL"])
        self.workers[key] = subprocess.Popen(
            [self.servers.build / "workers" / f"alex-{key[0]}"], env=env,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def keep(self):
        while not self.stopping:
            for key, process in list(self.workers.items()):
                if process.poll() is not None and not self.stopping:
                    self.start(key)
            time.sleep(0.05)

    def supervisor(self, dice):
        return dice.choice(list(self.workers.values()))

    def stopped(self):
        """Those that SIGSTOP has hit."""
        return [p for p in list(self.workers.values()) if p.poll() is None and
                Path(f"/proc/{p.pid}/stat").read_text().rsplit(")", 1)[1][1]
                == "T"]

    def handlers(self):
        """Children of the supervisors: pids."""
        found = []
        for process in list(self.workers.values()):
            path = f"/proc/{process.pid}/task/{process.pid}/children"
            try:
                found += [int(p) for p in Path(path).read_text().split()]
            except OSError:
                pass
        return found

    def stop(self):
        self.stopping = True
        self.keeper.join()
        for process in self.workers.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.workers.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                print("a worker did not stop within 30 s", file=sys.stderr)
        self.log.close()


class Submitter:
    """Submits waves of jobs beside the faults; what fails is submitted again
    under the same key, so that each wave is exactly 'count' jobs."""

    def __init__(self, servers, name):
        self.servers = servers
        self.name = name
        self.waves = []
        self.jobs = []
        self.tries = 0
        self.wrong = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def wave(self, count):
        with self.changed:
            self.waves.append(count)
            self.changed.notify()

    def finish(self):
        """All jobs that were submitted, once they all are."""
        self.wave(0)
        self.thread.join(timeout=180)
        if self.thread.is_alive():
            self.wrong.append("the submitter did not get through in 180 s")
        return self.jobs

    def run(self):
        number = 0
        while True:
            with self.changed:
                while not self.waves:
                    self.changed.wait()
                count = self.waves.pop(0)
            if count == 0:
                return
            number += 1
            self.submit(f"{self.name}.{number}", count)

    def submit(self, key, count):
        dice = random.Random(key)
        while True:
            self.tries += 1
            done = self.servers.alexctl(
                "submit", "--user", USER, "--count", str(count), "--json",
                "--idempotency-key", key, check=False)
            if done.returncode == 0:
                self.jobs += self.printed(key, count, done.stdout)
                return
            if done.returncode == -signal.SIGKILL:
                # Nobody rings again for what a dead submitter has committed.
                created = self.created()
                if created:
                    self.jobs += created
                    return
            elif done.returncode not in (UNAVAILABLE, 75):  # "Try again."
                self.wrong.append(f"submit: exit {done.returncode}: "
                                  f"{done.stderr[-300:]}")
                return
            time.sleep(dice.uniform(0.05, 0.2))

    def printed(self, key, count, output):
        ids = {json.loads(line)["job"] for line in output.splitlines()}
        if len(ids) != count:
            self.wrong.append(f"{len(ids)} ids for {count} jobs of {key}")
        return ids

    def created(self):
        """Jobs in the database that we do not know of yet."""
        rows = self.servers.sql("select id from jobs")
        return {row[0] for row in rows} - set(self.jobs)
