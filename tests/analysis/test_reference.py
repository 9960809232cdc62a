"""The reference user: every figure to the cent, and the same bytes each time."""
import json
import math
import random
import re
import subprocess
import uuid
from decimal import Decimal

import analysis
from analysis import AGENTS, BUILD

# Shares, seed prices and seed allocations, worked out by hand.
USER = "test_user_001"
TOTAL = Decimal("99437.50")
ACCOUNTS = {"401(k)": "95937.50", "Taxable Brokerage": "2500.00",
            "Roth IRA": "1000.00"}
HOLDINGS = {"SPY": "45025.00", "QQQ": "19275.00", "BND": "14500.00",
            "VEA": "7245.00", "GLD": "4892.50"}
CASH = {"Cash": "8500.00"}
CLASSES = {"Equity": "71545.00", "Fixed income": "14500.00",
           "Commodities": "4892.50"}
REGIONS = {"North America": "78800.00", "Global": "4892.50",
           "Europe": "4347.00", "Asia": "2535.75", "Oceania": "362.25"}
SECTORS = {
    "Technology": "22969.00", "Consumer discretionary": "9091.20",
    "Healthcare": "8264.65", "Communication": "7691.25",
    "Financials": "7157.35", "Treasury bonds": "6090.00",
    "Industrials": "5644.80", "Commodities": "4892.50",
    "Consumer staples": "4317.30", "Mortgage bonds": "3915.00",
    "Corporate bonds": "3480.00", "Energy": "2235.70", "Utilities": "1640.55",
    "Real estate": "1117.85", "Materials": "1029.85",
    "Government-related bonds": "1015.00", "Other": "385.50"}
TAXES = {"Tax-advantaged": "96937.50", "Taxable": "2500.00"}
# With upstream's assumptions: year, value and income of upstream's milestones,
# and the share of 200,000 simulated futures that last, with its error.
MILESTONES = {
    0: ("99437.50", None), 5: ("187897.24", None), 10: ("305112.35", None),
    15: ("460430.26", None), 20: ("666236.93", None),
    25: ("938944.61", None), 30: ("1033330.87", "37557.78"),
    35: ("1137205.20", "41333.23")}
SUCCESS_PCT, SUCCESS_SE_PCT = 4.48, 0.05

# Of the same 200,000 futures: at retirement, and how long the money lasts.
SPREAD = {"mean": 940132, "p10": 455493, "p50": 830705, "p90": 1554548}
YEARS_LASTED = 10.58


def setUpModule():
    analysis.start()


def decimals(values):
    return {name: Decimal(value) for name, value in values.items()}


class Reference(analysis.Case):
    job = None

    def setUp(self):
        super().setUp()
        if Reference.job is None:
            self.make_user()
            # With a key the job's id, and so its seed, is always the same.
            Reference.job = self.analyse(
                USER, "--idempotency-key", "reference", "--option",
                "assumptions=upstream-v1")

    def make_user(self):
        held = {"SPY": 100, "QQQ": 50, "BND": 200, "VEA": 150, "GLD": 25}
        self.user([
            {"id": "11111111-1111-4111-8111-111111111111", "name": "401(k)",
             "account_purpose": "Primary retirement savings", "cash": "5000",
             "cash_interest": "0.0450", "positions": held},
            {"id": "22222222-2222-4222-8222-222222222222", "name": "Roth IRA",
             "account_purpose": "Tax-free retirement savings", "cash": "1000",
             "cash_interest": "0.0400"},
            {"id": "33333333-3333-4333-8333-333333333333",
             "name": "Taxable Brokerage", "cash": "2500",
             "account_purpose": "General investment account",
             "cash_interest": "0.0350"}],
            USER, display_name="Test User", years_until_retirement=25,
            target_retirement_income="100000.00")

    def outputs(self, job):
        """What each task answered, by node, as stored."""
        return {row["node"]: row["output"] for row in self.fleet.rows(
            "select t.node, r.output::text as output from fleet.tasks t join "
            "fleet.results r on r.task_id = t.id where t.job_id = "
            f"'{job}'")}


class Figures(Reference):
    def chart_is(self, key, *values):
        expected = {}
        for some in values:
            expected.update(decimals(some))
        self.assertEqual(self.job.chart(key), expected)
        self.assertEqual(sum(expected.values()), TOTAL)

    def test_chart_of_asset_classes_has_every_figure(self):
        self.chart_is("asset_allocation", CLASSES, CASH)

    def test_chart_of_regions_has_every_figure(self):
        self.chart_is("geographic_exposure", REGIONS, CASH)

    def test_chart_of_sectors_has_every_figure(self):
        self.chart_is("sector_breakdown", SECTORS, CASH)

    def test_chart_of_holdings_has_every_figure(self):
        self.chart_is("top_holdings", HOLDINGS, CASH)

    def test_chart_of_accounts_has_every_figure(self):
        self.chart_is("account_split", ACCOUNTS)

    def test_chart_of_taxes_has_every_figure(self):
        self.chart_is("tax_advantaged", TAXES)

    def test_summary_has_the_total_and_the_counts(self):
        self.assertEqual(self.job.total, TOTAL)
        self.assertEqual(self.job.summary["accounts"], 3)
        self.assertEqual(self.job.summary["positions"], 5)
        self.assertEqual(self.job.summary["unpriced"], [])
        self.assertEqual(self.job.summary["data_quality"], [])

    def report_has(self, values, column):
        """A row of some table names each and has its figure."""
        rows = [analysis.table_cells(row)
                for row in analysis.table_rows(self.job.report)]
        for name, value in decimals(values).items():
            self.assertTrue(
                any(cells[0].replace("\\", "") == name and
                    len(cells) > column and cells[column] == f"${value:,}"
                    for cells in rows), f"{name} {value}")

    def test_report_has_every_asset_class(self):
        self.report_has({**CLASSES, **CASH}, 1)

    def test_report_has_every_region(self):
        self.report_has({**REGIONS, **CASH}, 1)

    def test_report_has_every_sector(self):
        self.report_has({**SECTORS, **CASH}, 1)

    def test_report_has_every_holding(self):
        self.report_has(HOLDINGS, 2)

    def test_report_has_every_account(self):
        self.report_has(ACCOUNTS, 3)

    def test_report_has_total_cash_and_invested(self):
        for figure in ("$99,437.50", "$90,937.50", "$8,500.00"):
            self.assertIn(figure, self.job.report)

    def test_terminal_output_has_the_total_and_every_holding(self):
        text = self.fleet.alexctl("show", self.job.id)
        for value in (TOTAL, *decimals(HOLDINGS).values()):
            self.assertIn(f"${value:,}", text)


class Projection(Reference):
    def setUp(self):
        super().setUp()
        self.detail = self.job.detail("retire")

    def test_value_at_retirement_is_upstreams_to_the_cent(self):
        self.assertEqual(self.detail["expected_value_at_retirement"],
                         Decimal("938944.61"))

    def test_milestones_are_upstreams_to_the_cent(self):
        found = {m["year"]: m for m in self.detail["milestones"]}
        for year, (value, income) in MILESTONES.items():
            self.assertEqual(found[year]["portfolio_value"], Decimal(value))
            if income:
                self.assertEqual(found[year]["annual_income"], Decimal(income))

    def test_success_rate_is_upstreams_within_three_standard_errors(self):
        rate, error = self.detail["success_rate_pct"], self.detail[
            "success_se_pct"]
        self.assertLess(abs(float(rate) - SUCCESS_PCT), 3 * math.hypot(
            float(error), SUCCESS_SE_PCT))
        # As of 10,000 throws of a coin that falls right this often.
        self.assertAlmostEqual(float(error), 100 * math.sqrt(
            0.0448 * 0.9552 / 10000), delta=0.02)

    def test_spread_at_retirement_is_upstreams_within_three_errors(self):
        spread = self.detail["at_retirement"]
        for name, value in SPREAD.items():
            # 200,000 futures know it better by the root of 20.
            error = float(spread["se"][name]) * math.sqrt(1 + 1 / 20)
            self.assertLess(abs(float(spread[name]) - value), 3 * error, name)

    def test_years_that_the_money_lasts_are_upstreams(self):
        error = float(self.detail["average_years_lasted_se"])
        self.assertLess(abs(float(self.detail["average_years_lasted"])
                            - YEARS_LASTED), 3 * math.sqrt(1 + 1 / 20) * error
                        + 0.005)

    def test_rule_of_four_and_its_gap_are_upstreams(self):
        self.assertEqual(self.detail["gap"], Decimal("96022.5"))
        self.assertIn("$3,978", self.job.retirement)
        self.assertIn("$3,977.50", self.job.report)

    def test_prose_of_the_projection_says_what_is_stored(self):
        rate = self.detail["success_rate_pct"]
        self.assertIn(f"{rate:.1f}%", self.job.retirement)
        self.assertIn("$938,945", self.job.retirement)

    def test_other_assumptions_give_another_projection(self):
        job = self.analyse(USER)
        self.assertNotEqual(
            job.detail("retire")["expected_value_at_retirement"],
            self.detail["expected_value_at_retirement"])


class SameBytes(Reference):
    def test_job_run_again_on_its_snapshot_stores_the_same_bytes(self):
        before, snapshot = self.outputs(self.job.id), self.snapshot()
        self.forget(self.job.id)
        again = self.on_snapshot(snapshot, "reference")
        self.assertEqual(again.id, self.job.id)
        self.assertEqual(self.outputs(again.id), before)
        for payload in ("report_payload", "charts_payload",
                        "retirement_payload"):
            self.assertEqual(again.row[payload], self.job.row[payload])

    def test_another_job_on_the_same_snapshot_stores_the_same_bytes(self):
        job = self.on_snapshot(self.snapshot(), str(uuid.uuid4()))
        self.assertNotEqual(job.id, self.job.id)
        self.assertEqual(self.outputs(job.id), self.outputs(self.job.id))

    def snapshot(self):
        return self.fleet.one("select snapshot from fleet.inputs where job_id "
                              f"= '{self.job.id}'")

    def on_snapshot(self, snapshot, key):
        """A job that is claimed with this snapshot of the portfolio."""
        self.fleet.stop("planner")
        job = self.submit(USER, "--idempotency-key", key, "--option",
                          "assumptions=upstream-v1")
        self.fleet.psql("insert into fleet.inputs (job_id, snapshot) values "
                        f"('{job}', {analysis.literal(snapshot)})")
        self.fleet.start("planner")
        return self.ended(job)

    def forget(self, job):
        """As if the job had never been."""
        self.fleet.psql(f"delete from jobs where id = '{job}';" + "".join(
            f"delete from fleet.{table} where job_id = '{job}';"
            for table in ("results", "inputs", "events", "tasks", "runs")))

    def test_another_job_draws_other_futures(self):
        other = self.analyse(USER, "--option", "assumptions=upstream-v1")
        self.assertNotEqual(other.detail("retire")["bands"],
                            self.job.detail("retire")["bands"])

    def test_agents_by_hand_print_what_their_workers_store_and_twice(self):
        for agent in AGENTS:
            self.fleet.stop(agent)
        self.instrument("HBQZ", 4, "Harbour Quay Bond Index Fund")
        job = self.submit(self.user([
            {"name": "Main", "positions": {"HBQZ": 1, "SPY": 1}}]))
        printed = {}
        for node, agent in (("plan", "planner"), ("tag", "tagger"),
                            ("report", "reporter"), ("chart", "charter"),
                            ("retire", "retirement")):
            hand = analysis.ByHand(self.fleet, self.ready(job, node))
            printed[node] = self.once(agent, hand.input)
            self.assertEqual(self.once(agent, hand.input), printed[node])
            self.assertEqual(hand.settle("interrupted")["state"], "ready")
            self.fleet.start(agent)
            if node in ("plan", "tag"):
                self.wait(lambda: node in self.outputs(job))
        self.ended(job)
        stored = self.outputs(job)
        self.assertEqual(set(stored), set(printed))
        for node, output in stored.items():
            self.assertEqual(analysis.exact(output),
                             analysis.exact(printed[node]), node)

    def once(self, agent, text):
        """What the agent prints for an input, run by hand."""
        words = [BUILD / f"workers/alex-{agent}", "--once"]
        if agent == "planner":
            path = self.fleet.dir / "answers.json"
            path.write_text(json.dumps([{"kind": "prices", "answer": {
                "source": "none", "as_of": None, "prices": {}}}]))
            words += ["--answers", path]
        done = subprocess.run(words, input=text.encode(), env={},
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout


class AddsUp(Reference):
    def test_portfolios_of_odd_fractions_add_up_to_the_cent(self):
        dice = random.Random(20251)
        symbols = self.fleet.one(
            "select json_agg(symbol order by symbol) from instruments")
        for _ in range(8):
            accounts = [
                {"name": f"Account {number % 2}",
                 "cash": f"{dice.uniform(0, 9999):.2f}",
                 "positions": {s: f"{dice.uniform(0, 50):.8f}"
                               for s in dice.sample(symbols, 9)}}
                for number in range(dice.randint(1, 4))]
            user = self.user(accounts)
            job = self.analyse(user)
            self.assert_adds_up(job)
            # Each position is rounded half up, once.
            self.assertEqual(job.total, self.fleet.one(
                "select (select sum(round(quantity * current_price, 2)) from "
                "positions p join accounts a on a.id = account_id join "
                "instruments using (symbol) where clerk_user_id = '{0}') + "
                "(select sum(cash_balance) from accounts where clerk_user_id "
                "= '{0}') as total".format(user)))

    def test_charts_of_every_job_so_far_add_up_to_its_total(self):
        jobs = self.fleet.rows("select id from jobs where status = 'completed' "
                               "and charts_payload is not null")
        self.assertGreater(len(jobs), 0)
        for row in jobs:
            self.assert_adds_up(analysis.Job(self.fleet, row["id"]))


class Prices(analysis.Case):
    def setUp(self):
        super().setUp()
        self.path = self.fleet.dir / f"prices{uuid.uuid4().hex}.csv"
        tail = "".join(re.findall("[a-f]", uuid.uuid4().hex)).upper()[:8]
        self.symbol, self.other = f"P{tail}", f"Q{tail}"
        for symbol in (self.symbol, self.other):
            self.instrument(symbol, None, allocation_asset_class={
                "equity": 100}, allocation_regions={"global": 100},
                allocation_sectors={"other": 100})
        self.user_id = self.user([{"name": "Main", "positions": {
            self.symbol: 3, self.other: 5}}])
        self.addCleanup(self.restart)

    def restart(self, **env):
        self.fleet.stop("planner")
        self.fleet.start("planner", **env)

    def prices_from(self, text):
        self.path.write_text(text)
        self.restart(ALEX_PRICES=f"file:{self.path}")

    def price(self, symbol):
        row, = self.fleet.rows("select current_price, price_source, "
                               "price_as_of::date::text as day from "
                               f"instruments where symbol = '{symbol}'")
        return row["current_price"], row["price_source"], row["day"]

    def test_prices_of_a_file_arrive_with_source_and_date(self):
        self.prices_from(f"symbol,price,as_of\n{self.symbol},12.3456,"
                         "2026-11-20\n")
        job = self.analyse(self.user_id)
        self.assertEqual(self.price(self.symbol),
                         (Decimal("12.3456"), "file", "2026-11-20"))
        self.assertEqual(job.total, Decimal("37.04"))
        self.assertEqual(job.detail("plan")["price_source"], "file")
        self.assert_adds_up(job)

    def test_price_that_the_file_does_not_have_is_not_made_up(self):
        self.prices_from(f"{self.symbol},1.00,2026-11-20\n")
        job = self.analyse(self.user_id)
        self.assertEqual(self.price(self.other), (None, None, None))
        self.assertEqual(job.summary["unpriced"], [self.other])

    def test_without_a_source_no_price_is_made_up_or_changed(self):
        before = self.fleet.rows("select symbol, current_price from "
                                 "instruments order by symbol")
        for _ in range(3):
            job = self.analyse(self.user_id)
            self.assertEqual(job.total, 0)
            self.assertEqual(job.summary["unpriced"],
                             [self.symbol, self.other])
        self.assertEqual(self.fleet.rows(
            "select symbol, current_price from instruments order by symbol"),
            before)

    def test_older_price_does_not_replace_a_newer_one(self):
        self.prices_from(f"{self.symbol},20.00,2026-11-20\n")
        self.analyse(self.user_id)
        self.prices_from(f"{self.symbol},10.00,2026-11-19\n")
        job = self.analyse(self.user_id)
        self.assertEqual(self.price(self.symbol),
                         (Decimal("20.0000"), "file", "2026-11-20"))
        self.assertEqual(job.total, Decimal("60.00"))

    def test_file_that_changes_is_read_again_without_a_restart(self):
        self.prices_from(f"{self.symbol},20.00,2026-11-20\n")
        self.analyse(self.user_id)
        self.path.write_text(f"{self.symbol},21.50,2026-11-21\n")
        job = self.analyse(self.user_id)
        self.assertEqual(job.total, Decimal("64.50"))

    def test_file_that_breaks_keeps_the_last_prices(self):
        self.prices_from(f"{self.symbol},20.00,2026-11-20\n")
        self.analyse(self.user_id)
        self.path.write_text(f"{self.symbol},free\n")
        job = self.analyse(self.user_id)
        self.assertEqual(job.total, Decimal("60.00"))


if __name__ == "__main__":
    analysis.main()
