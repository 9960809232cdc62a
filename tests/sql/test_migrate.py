"""Migrations: again, in place over upstream's database; and the plans that are
made when all tables are still empty."""
import json
import re
import subprocess
import tempfile

import fleet
from fleet import Fleet, Session, equal, plan

TABLES = ("users", "instruments", "accounts", "positions", "jobs")


def other_database(f, **more):
    return fleet.Database(f.database.server, f.database.schema,
                          name="alex_test_other", **more)


def test_migrating_again_changes_nothing(f):
    def shape():
        return f.sql("select p.oid::regprocedure::text, md5(prosrc) from "
                     "pg_proc p where pronamespace = 'fleet'::regnamespace "
                     "union all select table_schema || table_name || "
                     "column_name, data_type from information_schema.columns "
                     "where table_schema in ('public', 'fleet') order by 1")

    job, bells = f.planned(plan("a"))
    before = shape()
    f.database.migrate()
    equal(shape(), before)
    f.succeed(f.claim_one(bells["a"]))
    equal(f.job(job)["status"], "completed")


def test_upstream_database_is_upgraded_in_place(f):
    with other_database(f, migrate=False) as database:
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f",
                        fleet.HERE / "upstream.sql", database.url], check=True)
        old = Fleet(database)
        rows = {t: old.sql(f"select to_jsonb(t) from {t} t order by 1")
                for t in TABLES}
        columns = old.sql("select table_name, column_name, data_type, "
                          "column_default from information_schema.columns "
                          "where table_schema = 'public' order by 1, 2")
        for _ in range(2):
            database.migrate()
        for table in TABLES:
            now = [json.loads(r[0]) for r in old.sql(
                f"select to_jsonb(t) from {table} t order by 1")]
            for before, after in zip(rows[table], now):
                before = json.loads(before[0])
                equal({k: after[k] for k in before}, before)
            equal(len(now), len(rows[table]))
        now = old.sql("select table_name, column_name, data_type, "
                      "column_default from information_schema.columns "
                      "where table_schema = 'public' order by 1, 2")
        assert [c for c in now if c in columns] == columns
        equal(old.sql("select indexname from pg_indexes where "
                      "tablename = 'jobs' and indexdef like '%(status)%'"), [])
        equal(old.value("select count(*) from pg_trigger where tgname like "
                        "'update_%_updated_at'"), "5")
        pending = "550e8400-e29b-41d4-a716-446655440002"
        bells = old.bells((pending, None))
        run = old.claim("planner", bells)[bells[0]["n"]]
        (account,) = json.loads(run.body)["snapshot"]["accounts"]
        equal(account["positions"], [{"symbol": "SPY",
                                      "quantity": "100.00000000"}])
        old.succeed(run)
        equal(old.job(pending)["status"], "completed")
        equal(old.violations(), [])
        old.close()


def test_fresh_database_has_upstreams_tables_column_for_column(f):
    def shape(g):
        return g.sql(
            "select table_name, column_name, data_type, column_default, "
            "is_nullable, character_maximum_length, numeric_precision, "
            "numeric_scale from information_schema.columns where "
            "table_schema = 'public' and column_name not in ('price_source', "
            "'price_as_of', 'allocation_source', 'allocation_rationale', "
            "'import_key') order by 1, 2")

    with other_database(f, migrate=False) as database:
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f",
                        fleet.HERE / "upstream.sql", database.url], check=True)
        upstream = Fleet(database)
        equal(shape(f), shape(upstream))
        upstream.close()


def nodes(tree):
    yield tree
    for child in tree.get("Plans", []):
        yield from nodes(child)


def plans_of(text):
    """(query, plan) of each that auto_explain has printed."""
    decoder = json.JSONDecoder()
    for found in re.finditer(r"plan:\n", text):
        if text[found.end():found.end() + 1] == "{":
            entry, _ = decoder.raw_decode(text, found.end())
            yield entry["Query Text"], entry["Plan"]


class Explained(Session):
    """A session whose plans can be looked at."""

    def __init__(self, url, log):
        self.log = log
        self.process = subprocess.Popen(
            ["psql", "-qAtX", "--field-separator=\x1f", url], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        for setting in ("load 'auto_explain'",
                        "set auto_explain.log_nested_statements = on",
                        "set auto_explain.log_min_duration = 0",
                        "set auto_explain.log_format = json",
                        "set client_min_messages = log"):
            self.sql(setting)


def test_plans_made_on_empty_tables_find_rows_by_index(f):
    """A cached plan outlives the emptiness it was made in: one that scans, or
    that finds a task by its job, is what a fleet would then live with."""
    with other_database(f) as database, tempfile.TemporaryFile("w+") as log:
        g = Fleet(database)
        g.sql(f"insert into users (clerk_user_id) values ('{fleet.USER}')")
        g.session.close()
        g.session = Explained(database.url, log)
        g.sql, g.value = g.session.sql, g.session.value
        job, bells = g.planned(plan("tag", "tagger", required=False),
                               plan("a", needs=["tag"]), plan("b"))
        g.call("checkpoint", items=[{
            "task": bells["b"]["task"], "fence": 1, "ordinal": 0,
            "sha256": "ab" * 32, "answer": "x"}])
        run = g.claim_one(bells["b"])
        g.call("beat", owner=g.owner, lease_ms=60000,
               held=[{"task": run.task, "fence": 1}])
        g.call("read", task=run.task, fence=1, what="input", **{"from": 0})
        g.settle_one(run, "retry", error={"class": "x", "text": "y"})
        tag = g.claim_one(bells["tag"])
        (ring,) = g.fail(tag)["ring"]
        g.fail(tag)
        g.verdict("tagger", job, bells["tag"]["task"])
        g.succeed(g.claim_one(ring), report_payload={"content": "x"})
        g.expire(job, "b")
        g.come_due(job, "b")
        g.call("reap")
        g.fail(g.claim_one(bells["b"]))
        g.call("cancel", job=job, by="test")
        g.session.close()
        g.session = Session(database.url)
        log.seek(0)
        seen = check_plans(log.read())
        assert {"tasks", "runs", "jobs", "results", "checkpoints"} <= seen
        g.close()


def check_plans(text):
    """The tables whose scans were all fine."""
    seen = set()
    for query, tree in plans_of(text):
        if "fleet." not in query or query.startswith("select json_build"):
            continue
        for node in nodes(tree):
            table = node.get("Relation Name")
            kind = node["Node Type"]
            if table is None or "Scan" not in kind or table in ("events",):
                continue
            where = f"{kind} on {table} in: {query}"
            assert kind != "Seq Scan", where
            index = node if "Index Name" in node else node["Plans"][0]
            name, condition = index["Index Name"], index.get("Index Cond", "")
            assert condition or name == "runs_going", where
            per_task = ("free as materialized" in query
                        or "given as materialized" in query
                        or "seen as materialized" in query)
            assert not (per_task and name == "tasks_job_id"), where
            seen.add(table)
    return seen
