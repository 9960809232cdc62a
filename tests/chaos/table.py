"""What a run came to: lost, duplicated, stuck, and how long it took to heal."""

# A task settled twice in one generation, or a job joined twice, shows as two
# events; fsck compares counters, rows and results.
DUPLICATES = """
  select count(*) from (
    select 1 from fleet.events where kind = 'succeeded'
      group by job_id, task_id, generation having count(*) > 1
    union all
    select 1 from fleet.events where kind in ('job_completed', 'job_failed')
      group by job_id, generation having count(*) > 1) twice"""
# Of a household: planner, reporter, charter, retirement, with the tagger or not.
HOLLOW = """
  select count(*) from jobs where status = 'completed' and (
    report_payload is null or charts_payload is null or
    retirement_payload is null)"""
CHARGES = """
  select coalesce(sum(failures), 0), coalesce(sum(crashes), 0),
    coalesce(sum(losses), 0), coalesce(sum(interruptions), 0) from fleet.tasks"""
HEAD = (f"{'fault':20} {'times':>6} {'jobs':>6} {'lost':>5} {'twice':>6} "
        f"{'stuck':>6} {'recovery':>9} {'took':>6} {'fsck':>6}  charged")


class Row:
    """The verdict on the jobs of one fault, read from the database."""

    def __init__(self, servers, name, times, wanted, jobs, wrong, last_fault,
                 took_s):
        self.name = name
        self.times = times
        self.took_s = took_s
        self.jobs = len(jobs)
        self.notes = list(wrong)
        counts = {status: int(count) for status, count in servers.sql(
            "select status, count(*) from jobs group by status")}
        known = {row[0] for row in servers.sql("select id from jobs")}
        failed = counts.get("failed", 0)
        hollow = int(servers.number(HOLLOW))
        self.lost = len(set(jobs) - known) + failed + hollow
        self.stuck = counts.get("pending", 0) + counts.get("running", 0)
        # A job nobody submitted is one too many.
        self.twice = int(servers.number(DUPLICATES)) + len(known - set(jobs))
        self.recovery_s = max(0.0, servers.number(
            "select extract(epoch from max(ended_at)) from fleet.runs")
            - last_fault)
        fsck = servers.alexctl("db", "fsck", admin=True, check=False)
        self.clean = fsck.returncode == 0
        if not self.clean:
            self.notes.append(fsck.stdout[-1500:] + fsck.stderr[-500:])
        self.charges = [int(c) for c in servers.sql(CHARGES)[0]]
        if failed:
            self.notes += [row[0] for row in servers.sql(
                "select distinct error_message from jobs where "
                "status = 'failed' limit 5")]
        if times < wanted:
            self.notes.append(f"only {times} of {wanted} faults")

    def passed(self):
        return (self.lost == self.twice == self.stuck == 0 and self.clean
                and not self.notes)

    def __str__(self):
        line = (f"{self.name:20} {self.times:>6} {self.jobs:>6} {self.lost:>5} "
                f"{self.twice:>6} {self.stuck:>6} {self.recovery_s:>7.1f} s "
                f"{self.took_s:>4.0f} s "
                f"{'clean' if self.clean else 'BAD':>6}  "
                + " ".join(f"{word} {n}" for word, n in zip(
                    ("failures", "crashes", "losses", "interruptions"),
                    self.charges) if n))
        return "\n".join([line.rstrip(), *(f"  ! {n}" for n in self.notes)])


def total(rows):
    """The last line of a queue's table."""
    return (f"{'all':20} {sum(r.times for r in rows):>6} "
            f"{sum(r.jobs for r in rows):>6} {sum(r.lost for r in rows):>5} "
            f"{sum(r.twice for r in rows):>6} {sum(r.stuck for r in rows):>6} "
            f"{max((r.recovery_s for r in rows), default=0):>7.1f} s")
