"""alexctl db against a real PostgreSQL: migrate, status, seed, fsck.

Wants ALEX_TEST_POSTGRES, the URL of a superuser of a private server, and the
program as its argument.  Every test has a database of its own.
"""
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid

SERVER = os.environ.get("ALEX_TEST_POSTGRES")
ALEXCTL = sys.argv.pop(1) if len(sys.argv) > 1 else "alexctl"

# The tables of an Alex that has run for a while, with the rows of one user.
UPSTREAM = """
create extension "uuid-ossp";
create table users (clerk_user_id varchar(255) primary key,
    display_name varchar(255), years_until_retirement integer,
    target_retirement_income decimal(12,2),
    asset_class_targets jsonb default '{"equity": 70, "fixed_income": 30}',
    region_targets jsonb default '{"north_america": 50, "international": 50}',
    created_at timestamp default now(), updated_at timestamp default now());
create table instruments (symbol varchar(20) primary key,
    name varchar(255) not null, instrument_type varchar(50),
    current_price decimal(12,4), allocation_regions jsonb default '{}',
    allocation_sectors jsonb default '{}',
    allocation_asset_class jsonb default '{}',
    created_at timestamp default now(), updated_at timestamp default now());
create table accounts (id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id)
        on delete cascade,
    account_name varchar(255) not null, account_purpose text,
    cash_balance decimal(12,2) default 0,
    cash_interest decimal(5,4) default 0,
    created_at timestamp default now(), updated_at timestamp default now());
create table positions (id uuid primary key default uuid_generate_v4(),
    account_id uuid references accounts(id) on delete cascade,
    symbol varchar(20) references instruments(symbol),
    quantity decimal(20,8) not null, as_of_date date default current_date,
    created_at timestamp default now(), updated_at timestamp default now(),
    unique(account_id, symbol));
create table jobs (id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id)
        on delete cascade,
    job_type varchar(50) not null, status varchar(20) default 'pending',
    request_payload jsonb, report_payload jsonb, charts_payload jsonb,
    retirement_payload jsonb, summary_payload jsonb, error_message text,
    started_at timestamp, completed_at timestamp,
    created_at timestamp default now(), updated_at timestamp default now());
create index idx_jobs_status on jobs(status);
insert into users values ('test_user_001', 'Test User', 25, 100000);
insert into instruments (symbol, name, instrument_type, current_price)
    values ('SPY', 'SPDR S&P 500 ETF Trust', 'etf', 450.25);
insert into accounts (id, clerk_user_id, account_name, cash_balance)
    values ('11111111-1111-4111-8111-111111111111', 'test_user_001',
            '401(k)', 5000);
insert into positions (account_id, symbol, quantity)
    values ('11111111-1111-4111-8111-111111111111', 'SPY', 100);
insert into jobs (clerk_user_id, job_type, status)
    values ('test_user_001', 'portfolio_analysis', 'completed');
"""


def sql(url, text):
    done = subprocess.run(
        ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", url, "-c", text],
        capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout.strip()


class Database(unittest.TestCase):
    def setUp(self):
        self.name = "alexctl_" + uuid.uuid4().hex[:12]
        sql(SERVER, f"create database {self.name}")
        parts = urllib.parse.urlsplit(SERVER)
        self.url = parts._replace(path="/" + self.name).geturl()

    def tearDown(self):
        sql(SERVER, f"drop database {self.name} with (force)")

    def start(self, *words):
        return subprocess.Popen(
            [ALEXCTL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "ALEX_STORE_URL": self.url})

    def alexctl(self, *words, code=0):
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, err)
        return out, err

    def sql(self, text):
        return sql(self.url, text)

    def functions(self):
        return int(self.sql("select count(*) from pg_proc p join pg_namespace "
                            "n on n.oid = pronamespace where nspname = 'fleet'"))

    def test_empty_database_becomes_current(self):
        self.alexctl("db", "status", code=1)
        self.alexctl("db", "migrate")
        out, _ = self.alexctl("db", "status", "--json")
        status = json.loads(out)
        self.assertEqual(status["version"], status["newest"])
        self.assertEqual(set(status["files"].values()), {"applied"})
        self.assertGreater(self.functions(), 10)

    def test_second_migrate_applies_nothing(self):
        self.alexctl("db", "migrate")
        before = self.sql("select json_agg(m order by name) "
                          "from fleet.migrations m")
        out, _ = self.alexctl("db", "migrate", "--json")
        self.assertEqual(json.loads(out)["applied"], [])
        self.assertEqual(before, self.sql("select json_agg(m order by name) "
                                          "from fleet.migrations m"))

    def test_two_at_once_both_succeed_and_apply_once(self):
        both = [self.start("db", "migrate", "--json") for _ in range(2)]
        applied = []
        for process in both:
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, err)
            applied += json.loads(out)["applied"]
        files = self.sql("select count(*) from fleet.migrations")
        self.assertEqual(len(applied) - applied.count("grants.sql"),
                         int(files) - 1)
        self.assertEqual(len(set(applied)), int(files))

    def test_upstream_database_is_upgraded_in_place(self):
        self.sql(UPSTREAM)
        rows = ("select (select json_agg(u) from users u), "
                "(select json_agg(a.id) from accounts a), "
                "(select json_agg(p.quantity) from positions p), "
                "(select json_agg(j.status) from jobs j)")
        before = self.sql(rows)
        self.alexctl("db", "migrate")
        self.assertEqual(before, self.sql(rows))
        self.alexctl("db", "fsck")

    def test_newer_database_is_refused_and_left_alone(self):
        self.alexctl("db", "migrate")
        self.sql("insert into fleet.migrations (version, name, sha256) "
                 "values (999, '999_later.sql', 'x')")
        self.sql("update fleet.migrations set sha256 = 'x' where version = 0")
        _, err = self.alexctl("db", "migrate", code=78)
        self.assertIn("version 999", err)
        self.assertEqual(self.sql("select count(*) from fleet.migrations "
                                  "where sha256 <> 'x'"),
                         self.sql("select count(*) from fleet.migrations "
                                  "where version between 1 and 998"))

    def test_changed_numbered_file_is_refused(self):
        self.alexctl("db", "migrate")
        self.sql("update fleet.migrations set sha256 = 'x' where version = 1")
        _, err = self.alexctl("db", "migrate", code=78)
        self.assertIn("001_alex.sql", err)

    def test_changed_function_is_made_again_and_granted(self):
        self.alexctl("db", "migrate")
        self.sql("drop function fleet.cancel(jsonb)")
        self.sql("update fleet.migrations set sha256 = 'x' "
                 "where name in ('functions/cancel.sql', 'grants.sql')")
        out, _ = self.alexctl("db", "migrate", "--json")
        self.assertEqual(json.loads(out)["applied"],
                         ["functions/cancel.sql", "grants.sql"])
        self.assertEqual(self.sql(
            "select has_function_privilege('alex_submitter', "
            "'fleet.cancel(jsonb)', 'execute')"), "t")

    def test_file_that_fails_leaves_nothing_of_itself(self):
        self.sql("create table positions (id uuid primary key)")
        self.alexctl("db", "migrate", code=70)
        self.assertEqual(self.sql("select to_regclass('public.users')"), "")

    def test_locked_table_is_waited_for_without_blocking_others(self):
        self.sql(UPSTREAM)
        holder = subprocess.Popen(
            ["psql", "-XqAt", self.url], stdin=subprocess.PIPE, text=True)
        holder.stdin.write("begin; lock table jobs in share mode;\n")
        holder.stdin.flush()
        time.sleep(1)
        migrate = self.start("db", "migrate")
        time.sleep(5)
        self.assertIsNone(migrate.poll())
        holder.stdin.write("commit;\n")
        holder.stdin.close()
        out, err = migrate.communicate(timeout=60)
        self.assertEqual(migrate.returncode, 0, err)
        self.assertIn("trying again", err)
        holder.wait()

    def test_seed_twice_keeps_a_newer_price(self):
        self.alexctl("db", "migrate")
        out, _ = self.alexctl("db", "seed")
        self.assertIn("22 instruments", out)
        self.assertEqual(self.sql("select count(*) from instruments"), "22")
        self.sql("update instruments set current_price = 700, price_source = "
                 "'test', price_as_of = now() where symbol = 'SPY'")
        self.alexctl("db", "seed")
        self.assertEqual(self.sql("select current_price from instruments "
                                  "where symbol = 'SPY'"), "700.0000")

    def test_fsck_finds_and_repairs_a_wrong_counter(self):
        self.alexctl("db", "migrate")
        self.alexctl("db", "fsck")
        self.sql("insert into users (clerk_user_id) values ('anna')")
        job = str(uuid.uuid4())
        self.sql("select fleet.submit('{\"v\":1,\"jobs\":[{\"job\":\"" + job +
                 "\",\"user\":\"anna\",\"type\":"
                 "\"portfolio_analysis\",\"request\":{}}]}')")
        self.sql("update fleet.runs set open = 5")
        out, _ = self.alexctl("db", "fsck", code=1)
        self.assertIn(job, out)
        self.alexctl("db", "fsck", "--repair")
        self.alexctl("db", "fsck")


if __name__ == "__main__":
    if not SERVER:
        print("SKIP: ALEX_TEST_POSTGRES is not set; tools/servers start && "
              "eval \"$(tools/servers env)\"")
        sys.exit(77)
    unittest.main(verbosity=2)
