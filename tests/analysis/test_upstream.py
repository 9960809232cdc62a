"""An existing Alex database, upgraded in place, and jobs of Alex's own API."""
import json
import re
import uuid
from decimal import Decimal

import analysis

# As Alex's own migration makes them.
TABLES = """
create extension if not exists "uuid-ossp";
create table users (
    clerk_user_id varchar(255) primary key,
    display_name varchar(255),
    years_until_retirement integer,
    target_retirement_income decimal(12,2),
    asset_class_targets jsonb default '{"equity": 70, "fixed_income": 30}',
    region_targets jsonb
        default '{"north_america": 50, "international": 50}',
    created_at timestamp default now(), updated_at timestamp default now());
create table instruments (
    symbol varchar(20) primary key,
    name varchar(255) not null,
    instrument_type varchar(50),
    current_price decimal(12,4),
    allocation_regions jsonb default '{}',
    allocation_sectors jsonb default '{}',
    allocation_asset_class jsonb default '{}',
    created_at timestamp default now(), updated_at timestamp default now());
create table accounts (
    id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id)
        on delete cascade,
    account_name varchar(255) not null,
    account_purpose text,
    cash_balance decimal(12,2) default 0,
    cash_interest decimal(5,4) default 0,
    created_at timestamp default now(), updated_at timestamp default now());
create table positions (
    id uuid primary key default uuid_generate_v4(),
    account_id uuid references accounts(id) on delete cascade,
    symbol varchar(20) references instruments(symbol),
    quantity decimal(20,8) not null,
    as_of_date date default current_date,
    created_at timestamp default now(), updated_at timestamp default now(),
    unique (account_id, symbol));
create table jobs (
    id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id)
        on delete cascade,
    job_type varchar(50) not null,
    status varchar(20) default 'pending',
    request_payload jsonb, report_payload jsonb, charts_payload jsonb,
    retirement_payload jsonb, summary_payload jsonb,
    error_message text,
    created_at timestamp default now(),
    started_at timestamp, completed_at timestamp,
    updated_at timestamp default now());
create index idx_accounts_user on accounts(clerk_user_id);
create index idx_positions_account on positions(account_id);
create index idx_positions_symbol on positions(symbol);
create index idx_jobs_user on jobs(clerk_user_id);
create index idx_jobs_status on jobs(status);
create function update_updated_at_column() returns trigger as $$
begin new.updated_at = now(); return new; end $$ language plpgsql;
create trigger update_users_updated_at before update on users
    for each row execute function update_updated_at_column();
create trigger update_instruments_updated_at before update on instruments
    for each row execute function update_updated_at_column();
create trigger update_accounts_updated_at before update on accounts
    for each row execute function update_updated_at_column();
create trigger update_positions_updated_at before update on positions
    for each row execute function update_updated_at_column();
create trigger update_jobs_updated_at before update on jobs
    for each row execute function update_updated_at_column();
"""
USER = "user_2xKq8d"
INTAKE = "analysis-jobs"  # Of the queue that the API writes to.
FINISHED = "550e8400-e29b-41d4-a716-446655440002"
STUCK = "550e8400-e29b-41d4-a716-446655440003"
CHARTS = {"asset_allocation": {
    "title": "Asset classes", "type": "pie", "description": "By class",
    "data": [{"name": "Equity", "value": 71545.0, "color": "#3B82F6"}]}}
DATA = f"""
insert into users values ('{USER}', 'Ann', 25, 100000.00,
    '{{"equity": 70, "fixed_income": 30}}',
    '{{"north_america": 50, "international": 50}}',
    '2025-09-13 18:00:00', '2025-09-13 18:00:00');
insert into instruments (symbol, name, instrument_type, current_price,
    allocation_asset_class, allocation_regions, allocation_sectors) values
    ('SPY', 'SPDR S&P 500 ETF Trust', 'etf', 450.25, '{{"equity": 100}}',
     '{{"north_america": 100}}', '{{"technology": 40, "other": 60}}'),
    ('BND', 'Vanguard Total Bond Market ETF', 'bond_fund', 72.50,
     '{{"fixed_income": 100}}', '{{"north_america": 100}}',
     '{{"treasury": 50, "corporate": 50}}'),
    ('BRK.B', 'BRK.B - User Added', 'etf', null, '{{"fixed_income": 100}}',
     '{{"north_america": 100}}', '{{"other": 100}}');
insert into accounts (id, clerk_user_id, account_name, account_purpose,
                      cash_balance, created_at) values
    ('11111111-1111-4111-8111-111111111111', '{USER}', '401(k)', 'Retirement',
     5000.00, '2025-09-13 18:00:00'),
    ('22222222-2222-4222-8222-222222222222', '{USER}', 'Brokerage', null,
     null, '2025-09-13 18:00:01');
insert into positions (account_id, symbol, quantity, as_of_date) values
    ('11111111-1111-4111-8111-111111111111', 'SPY', 100, '2025-09-13'),
    ('11111111-1111-4111-8111-111111111111', 'BND', 200, '2025-09-13'),
    ('22222222-2222-4222-8222-222222222222', 'BRK.B', 3, '2025-09-13');
insert into jobs values ('{FINISHED}', '{USER}', 'portfolio_analysis',
    'completed', '{{"analysis_type": "portfolio", "options": {{}}}}',
    '{{"content": "# Old report\\n\\nBy hand.", "agent": "reporter",
       "generated_at": "2025-09-13T18:54:50.101010"}}',
    '{json.dumps(CHARTS)}',
    '{{"analysis": "## Old readiness", "agent": "retirement",
       "generated_at": "2025-09-13T18:55:20.202020"}}', null, null,
    '2025-09-13 18:54:12.12', '2025-09-13 18:54:13.4',
    '2025-09-13 18:55:31.9', '2025-09-13 18:55:31.9');
insert into jobs (id, clerk_user_id, job_type, status, started_at) values
    ('{STUCK}', '{USER}', 'portfolio_analysis', 'running',
     '2025-09-13 19:00:00');
"""
TOTAL = Decimal("64525.00")  # 5,000 + 100 x 450.25 + 200 x 72.50
NAMES = ("users", "instruments", "accounts", "positions", "jobs")
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"


class Upstream(analysis.Fleet):
    def prepare(self):
        self.servers.sql("create database upstream")
        url = self.env["ALEX_STORE_URL"].removesuffix("/alex") + "/upstream"
        self.env["ALEX_STORE_URL"] = url
        self.env["ALEX_INTAKE_QUEUE"] = "alex-" + INTAKE
        self.psql(TABLES)
        self.psql(DATA)
        self.old = {name: self.table(name) for name in NAMES}
        self.alexctl("db", "migrate")
        self.migrated = {name: self.table(name) for name in NAMES}

    def table(self, name):
        return self.rows(f"select * from {name} order by 1")

    def insert_job(self, user=USER, **columns):
        """As Alex's API writes one; its id."""
        row = {"clerk_user_id": user, "job_type": "portfolio_analysis",
               "request_payload": {"analysis_type": "portfolio",
                                   "options": {}}, **columns}
        return self.psql(
            f"insert into jobs ({', '.join(row)}) values "
            f"({', '.join(map(analysis.literal, row.values()))}) "
            "returning id").strip()


def setUpModule():
    analysis.start(Upstream)


class Upgraded(analysis.Case):
    def test_no_row_of_the_old_database_was_changed(self):
        for name in NAMES:
            for old, new in zip(self.fleet.old[name],
                                self.fleet.migrated[name], strict=True):
                self.assertEqual({c: new[c] for c in old}, old)

    def test_jobs_have_the_columns_that_the_api_knows_and_no_others(self):
        self.assertEqual(set(self.fleet.migrated["jobs"][0]),
                         set(self.fleet.old["jobs"][0]))

    def test_finished_job_shows_as_before(self):
        text = self.fleet.alexctl("show", FINISHED)
        for part in ("Old report", "By hand.", "Old readiness", "$71,545.00"):
            self.assertIn(part, text)

    def test_bell_of_a_finished_job_changes_nothing(self):
        before = analysis.Job(self.fleet, FINISHED).row
        self.fleet.ring(json.dumps({"job_id": FINISHED}).encode())
        self.assert_quiet()
        self.assertEqual(analysis.Job(self.fleet, FINISHED).row, before)
        self.assertEqual(self.fleet.tasks(FINISHED), {})

    def test_job_that_was_left_running_is_finished_when_rung_for(self):
        self.fleet.ring(json.dumps({"job_id": STUCK}).encode())
        self.assertEqual(self.ended(STUCK).total, TOTAL)

    def test_old_data_is_analysed(self):
        job = self.analyse(USER)
        self.assertEqual(job.total, TOTAL)
        self.assertEqual(job.summary["unpriced"], ["BRK.B"])
        self.assert_adds_up(job)

    def test_placeholder_of_the_api_is_classified_after_all(self):
        self.analyse(USER)
        row, = self.fleet.rows("select * from instruments where symbol = "
                               "'BRK.B'")
        self.assertEqual(row["allocation_asset_class"], {"equity": 100})
        self.assertTrue(row["allocation_source"])

    def test_triggers_of_the_old_database_still_work(self):
        row, = self.fleet.rows("select updated_at > '2026-01-01' as fresh from "
                               f"jobs where id = '{self.analyse(USER).id}'")
        self.assertTrue(row["fresh"])


class Api(analysis.Case):
    def message(self, body, agent=INTAKE):
        """The job of a message that the API might send; '%s' is its id."""
        job = self.fleet.insert_job()
        self.fleet.ring(body.replace("%s", job).encode(), agent)
        done = self.ended(job)
        self.assertEqual(done.total, TOTAL)
        self.assertEqual(done.row["request_payload"],
                         {"analysis_type": "portfolio", "options": {}})
        self.assert_quiet()
        return done

    def test_message_of_the_api_completes_its_job(self):
        self.message('{"job_id": "%s", "clerk_user_id": "' + USER + '", '
                     '"analysis_type": "portfolio", "options": {}}')

    def test_bare_job_id_completes_its_job(self):
        self.message("%s")

    def test_message_into_our_own_queue_completes_its_job(self):
        self.message("%s", "planner")

    def test_message_that_is_no_job_is_dead_lettered_beside_its_queue(self):
        self.fleet.ring(b"<html>", INTAKE)
        self.wait(lambda: self.fleet.dead_letters(INTAKE), 5, "dead letter")
        self.assertEqual(self.fleet.dead_letters(INTAKE)[0][b"b"], b"<html>")

    def test_job_id_as_json_alone_completes_its_job(self):
        self.message('{"job_id": "%s"}')

    def test_message_of_the_test_tools_completes_its_job(self):
        self.message('{"job_id": "%s", "timestamp": 1757789652.1}')

    def test_message_sent_three_times_runs_its_job_once(self):
        job = self.fleet.insert_job()
        for _ in range(3):
            self.fleet.ring(json.dumps({"job_id": job}).encode(), INTAKE)
        self.ended(job)
        self.assert_quiet()
        self.wait(lambda: self.fleet.open_messages(INTAKE) == 0, 5, "acks")
        self.assertEqual({t["fence"] for t in self.fleet.tasks(job).values()},
                         {1})

    def test_message_that_overtakes_its_commit_is_not_lost(self):
        job = str(uuid.uuid4())
        self.fleet.ring(json.dumps({"job_id": job}).encode())
        self.wait(self.fleet.put_off, 5, "put off")
        self.fleet.insert_job(id=job)
        self.fleet.a_minute_later()
        self.ended(job)

    def test_job_without_a_request_is_analysed(self):
        job = self.fleet.insert_job(request_payload=None)
        self.fleet.ring(job.encode())
        self.assertEqual(self.ended(job).total, TOTAL)

    def test_job_that_nobody_announced_is_taken_up_by_a_worker(self):
        job = self.fleet.insert_job()
        self.fleet.psql("update jobs set created_at = now() at time zone 'UTC'"
                        f" - interval '3 minutes' where id = '{job}'")
        self.fleet.stop("planner")
        self.fleet.start("planner")
        self.assertEqual(self.ended(job).total, TOTAL)


class Shapes(analysis.Case):
    job = None

    def setUp(self):
        super().setUp()
        if Shapes.job is None:
            Shapes.job = self.analyse(USER)

    def payload(self, column, text, agent):
        payload = self.job.row[column]
        self.assertEqual(set(payload), {text, "generated_at", "agent"})
        self.assertEqual(payload["agent"], agent)
        self.assertRegex(payload["generated_at"], TIME)
        self.assertIsInstance(payload[text], str)
        return payload[text]

    def test_report_payload_has_the_api_shape(self):
        self.assertTrue(self.payload("report_payload", "content",
                                     "reporter").startswith("# "))

    def test_report_has_the_sections_that_readers_know(self):
        content = self.payload("report_payload", "content", "reporter")
        for section in ("Executive summary", "Composition", "Diversification",
                        "Risk", "Retirement readiness", "Recommendations",
                        "Conclusion"):
            self.assertIn(f"\n## {section}\n", content)
        advice = re.findall(r"^\d\. ", content, re.MULTILINE)
        self.assertIn(len(advice), range(5, 8))

    def test_retirement_payload_has_the_api_shape(self):
        self.assertTrue(self.payload("retirement_payload", "analysis",
                                     "retirement").startswith("## "))

    def test_charts_payload_has_the_api_shape(self):
        charts = self.job.charts
        self.assertIn(len(charts), range(4, 7))
        self.assertLessEqual({"asset_allocation", "geographic_exposure",
                              "sector_breakdown", "top_holdings"}, set(charts))
        for key, chart in charts.items():
            self.assertRegex(key, "^[a-z]+(_[a-z]+)*$")
            self.assertEqual(set(chart),
                             {"title", "type", "description", "data"})
            self.assertIn(chart["type"],
                          ("pie", "bar", "donut", "horizontalBar"))
            self.assertGreater(len(chart["data"]), 0)
            for point in chart["data"]:
                self.assertEqual(set(point), {"name", "value", "color"})
                self.assertIsInstance(point["name"], str)
                self.assertIsInstance(point["value"], (Decimal, int))
                self.assertRegex(point["color"], "^#[0-9A-F]{6}$")

    def test_colours_of_a_chart_tell_its_points_apart(self):
        for key, chart in self.job.charts.items():
            colours = [point["color"] for point in chart["data"]]
            self.assertEqual(len(set(colours)), len(colours), key)

    def test_row_of_the_job_says_how_it_went_in_the_api_words(self):
        row = self.job.row
        self.assertEqual(row["status"], "completed")
        self.assertIsNone(row["error_message"])
        self.assertLessEqual(row["created_at"], row["started_at"])
        self.assertLessEqual(row["started_at"], row["completed_at"])

    def test_times_of_the_row_are_utc_without_a_zone(self):
        off_s = self.fleet.one(
            "select abs(extract(epoch from completed_at - (now() at time zone "
            f"'UTC'))) as s from jobs where id = '{self.job.id}'")
        self.assertLess(off_s, 120)
        self.assertNotRegex(self.job.row["completed_at"], r"[Z+]")

    def test_row_fits_what_the_data_api_can_answer(self):
        self.assertLess(self.job.payload_bytes(), 48 * 1024)


if __name__ == "__main__":
    analysis.main()
