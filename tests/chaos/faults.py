"""The faults: what each does, once, to servers, fleet or submitter.

A fault is one row of FAULTS.  Its function injects it a single time and returns
true, or false when there was nothing to hit; the caller submits jobs meanwhile
and tries again.
"""
import os
import signal
import subprocess
import threading
import time

from world import DEADLY, LEASE_S

# Holds the row that the settle which ends a job writes last, until that settle
# waits for it, and then ends its session: in the middle of a join.
KILL_JOIN = """
do $$
declare
    victim integer;
    job uuid;
begin
    for i in 1..60 loop
        select r.job_id into job from fleet.runs r
            where r.state = 'open' and r.open = 1 and 1 < (
                select count(*) from fleet.tasks t where t.job_id = r.job_id)
            limit 1;
        if found then
            perform 1 from public.jobs j where j.id = job for update;
            for k in 1..60 loop
                perform pg_stat_clear_snapshot();
                select a.pid into victim from pg_stat_activity a
                    where pg_backend_pid() = any (pg_blocking_pids(a.pid))
                    limit 1;
                exit when found;
                perform pg_sleep(0.005);
            end loop;
            if victim is not null then
                perform pg_terminate_backend(victim, 1000);
                raise exception 'hit';
            end if;
            raise exception 'missed';
        end if;
        perform pg_sleep(0.005);
    end loop;
end $$"""
KILL_BACKEND = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where usename in ('alex_worker', 'alex_submitter')
    order by state = 'active' desc, md5(pid::text || '{seed}') limit 1"""
# Calls whose replies are lost in turn.
CALLS = [b"claim", b"settle", b"submit", b"settle", b"checkpoint", b"beat"]


class Injector:
    """What the faults share: the world, the dice, how often each was done."""

    def __init__(self, servers, fleet, dice, wave):
        self.servers = servers
        self.fleet = fleet
        self.dice = dice
        self.wave = wave  # Submits some jobs, beside what happens here.
        self.done = 0
        self.timers = []
        self.stopped = set()  # By us, and due to go on.

    def wait(self, condition, limit_s):
        ends = time.monotonic() + limit_s
        while time.monotonic() < ends:
            if condition():
                return True
            time.sleep(0.01)
        return False

    def later(self, seconds, function, *arguments):
        timer = threading.Timer(seconds, function, arguments)
        timer.start()
        self.timers.append(timer)

    def settle_down(self):
        for timer in self.timers:
            timer.join()

    def spare(self):
        """Waits until one more crash can't use up a task's budget: that is
        the engine's rule, not a loss."""
        self.wait(lambda: self.servers.number(
            "select count(*) from fleet.tasks where (crashes >= 2 or"
            " losses >= 7) and state in ('ready', 'leased', 'retry_wait')"
        ) == 0, 60)


def at_point(point):
    def inject(world):
        points = world.servers.points
        before = points.taken(point)
        world.spare()
        points.set_due(point, 1)
        world.wave()
        hit = world.wait(lambda: points.taken(point) > before, 3)
        points.set_due(point, 0)
        return hit or points.taken(point) > before
    return inject


def twice(world):
    """From the first time on everything is sent twice; counts messages."""
    points = world.servers.points
    before = points.taken("send_twice")
    points.set_due("send_twice", 1 << 30)
    return world.wait(lambda: points.taken("send_twice") > before, 2)


def kill(world):
    """kill -9 of a random supervisor (one in three) or handler."""
    world.spare()
    handlers = world.fleet.handlers()
    if handlers and world.dice.random() < 0.67:
        victim = world.dice.choice(sorted(handlers))
    else:
        victim = world.fleet.supervisor(world.dice).pid
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def terminate(world):
    process = world.fleet.supervisor(world.dice)
    if process.poll() is not None:
        return False
    process.terminate()
    return True


def go_on(world, process):
    world.stopped.discard(process)
    process.send_signal(signal.SIGCONT)


def pause(point):
    """SIGSTOP beyond the lease: its tasks are somebody else's when it wakes."""
    def inject(world):
        if not at_point(point)(world):
            return False
        fresh = []
        world.wait(lambda: fresh.extend(
            p for p in world.fleet.stopped() if p not in world.stopped)
            or fresh, 5)
        for process in fresh:
            world.stopped.add(process)
            world.later(LEASE_S + world.dice.uniform(0.2, 2), go_on, world,
                        process)
        return bool(fresh)
    return inject


def kill_join(world):
    try:
        world.servers.sql(KILL_JOIN)
    except RuntimeError as error:
        return "hit" in str(error)
    return False


def kill_backend(world):
    rows = world.servers.sql(KILL_BACKEND.format(seed=world.dice.random()))
    return bool(rows)


def lose_reply(world):
    proxy = world.servers.store_proxy
    call = CALLS[world.done % len(CALLS)]
    before = proxy.lost
    # The name of the prepared statement, in a Bind.
    proxy.lose = b"\0" + call + b"\0"
    hit = world.wait(lambda: proxy.lost > before, 2)
    proxy.lose = None
    return hit or proxy.lost > before


def cut(which):
    def inject(world):
        proxy = getattr(world.servers, which)
        before = proxy.cuts
        proxy.halve = True
        if not world.wait(lambda: proxy.cuts > before, 0.5):
            proxy.halve = False
            proxy.cut()
        return True
    return inject


def hole(which):
    def inject(world):
        proxy = getattr(world.servers, which)
        proxy.set_hole(True)
        beyond_lease = world.done % 10 == 4
        time.sleep(LEASE_S + 1 if beyond_lease else world.dice.uniform(0.3, 1.5))
        proxy.set_hole(False)
        return True
    return inject


def restart_store(world):
    world.servers.restart("postgres")
    return True


def restart_broker(world):
    world.servers.restart(world.servers.broker)
    return True


def wipe_broker(world):
    world.servers.wipe()
    return True


def fill_disk(world):
    """Not a byte is left for a while."""
    path = world.servers.disk / "filler"
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    time.sleep(world.dice.uniform(0.5, 1.5))
    path.unlink()
    if world.servers.queue != "redis":
        # A broker on Java gives up for good when it can't write.
        world.servers.restart(world.servers.broker)
    return True


# Name -> what injects it, and within how many seconds jobs come with it (0: it
# sees to that itself).
FAULTS = {
    **{name: (at_point(name), 0) for name in DEADLY},
    "during_join": (kill_join, 0.1),
    "reply_lost": (lose_reply, 0.2),
    "kill": (kill, 0.4),
    "stop_holding": (pause("stop_holding"), 0),
    "stop_settling": (pause("stop_settling"), 0),
    "sigterm": (terminate, 0.3),
    "sent_twice": (twice, 0.3),
    "backend_killed": (kill_backend, 0.3),
    "store_cut": (cut("store_proxy"), 0.3),
    "store_hole": (hole("store_proxy"), 0.5),
    "store_restart": (restart_store, 0.7),
    "broker_cut": (cut("queue_proxy"), 0.3),
    "broker_hole": (hole("queue_proxy"), 0.5),
    "broker_restart": (restart_broker, 0.7),
    "broker_wiped": (wipe_broker, 0.7),
    "broker_disk_full": (fill_disk, 0.7),
}
