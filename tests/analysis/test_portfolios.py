"""Portfolios with something missing, too much or hostile: all are analysed."""
import csv
import os
import pty
import re
import subprocess
import threading
import unicodedata
import uuid
from decimal import Decimal

import analysis
from analysis import BUILD, DATA

HOSTILE = (
    "<script>alert(1)</script>",
    "**bold** _it_ `code` | pipe | <b>",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\x9b31m\x7f",
    "quote ' \" \\ `; drop table users; --",
    "line\nbreak\r\n# heading\n- item\n| a | b |",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff \u2028 \u2029",
    "%s %n {{x}} ${x} &lt;b&gt; &#60;",
    "# heading",
    "1. one",
    "~~~",
    "http://evil.example www.evil.example a@evil.example",
)
USER = "user_<b>'\"|\x1b[31m"
NEITHER_TEXT_NOR_NEWLINE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def setUpModule():
    analysis.start()


def stray_characters(text):
    """What could move a cursor or turn text around. A word joiner does neither:
    the report keeps readers with it from making a link out of a name."""
    return {c for c in text if c not in "\n\u2060"
            and unicodedata.category(c) in NEITHER_TEXT_NOR_NEWLINE}


class Missing(analysis.Case):
    def test_user_without_accounts_is_analysed_as_having_nothing(self):
        job = self.analyse(self.user())
        self.assertEqual(job.total, 0)
        self.assertEqual(job.summary["accounts"], 0)
        self.assertIn("$0.00", job.report)
        self.assertIn("Enter your accounts", job.report)
        self.assertEqual(job.charts or {}, {})

    def test_account_without_positions_is_analysed_as_its_cash(self):
        job = self.analyse(self.user([{"name": "Savings", "cash": "321.99"}]))
        self.assertEqual(job.total, Decimal("321.99"))
        self.assertIn("$321.99", job.report)
        self.assertIsNotNone(job.retirement)

    def test_one_position_is_reported_without_charts(self):
        job = self.analyse(self.user([
            {"name": "One", "positions": {"SPY": 1}}]))
        self.assertEqual(job.total, Decimal("450.25"))
        self.assertNotIn("chart", job.tasks())

    def complete(self, **columns):
        job = self.analyse(self.user(
            [{"name": "Main", "cash": 100, "positions": {"SPY": 1, "BND": 2}}],
            **columns))
        self.assertEqual(job.total, Decimal("695.25"))
        self.assert_adds_up(job)
        self.assertNotIn("null", job.report.lower())
        self.fleet.alexctl("show", job.id)
        return job

    def test_null_income_leaves_an_analysis_that_says_so(self):
        job = self.complete(target_retirement_income=None)
        self.assertIn("yearly income", job.report)
        self.assertIsNone(job.detail("retire")["plan"].get("target_income"))

    def test_null_years_leave_an_analysis_that_says_so(self):
        job = self.complete(years_until_retirement=None)
        self.assertIn("years until you retire", job.report)
        self.assertTrue(job.detail("retire")["plan"]["years_assumed"])

    def test_null_targets_leave_an_analysis_without_drift(self):
        job = self.complete(asset_class_targets=None, region_targets=None)
        self.assertNotIn("| Target |", job.report)

    def test_targets_that_are_none_leave_an_analysis_without_drift(self):
        job = self.complete(asset_class_targets={}, region_targets={"moon": 7})
        self.assertIn("moon", job.report)

    def test_targets_of_thirds_are_compared_as_percentages(self):
        job = self.complete(asset_class_targets={
            "equity": 66.66666666666667, "fixed_income": 33.33333333333333})
        self.assertIn("| Equity | 66.7% |", job.report)

    def test_no_goals_at_all_leave_out_only_the_projection(self):
        job = self.complete(years_until_retirement=None,
                            target_retirement_income=None,
                            asset_class_targets=None, region_targets=None,
                            display_name=None)
        self.assertNotIn("retire", job.tasks())
        self.assertIsNone(job.retirement)

    def test_unpriced_holding_counts_as_nothing_everywhere_and_is_named(self):
        self.instrument("NOPRICE", allocation_asset_class={"equity": 100},
                        allocation_regions={"global": 100},
                        allocation_sectors={"other": 100})
        job = self.analyse(self.user([
            {"name": "Main", "cash": 5, "positions": {"NOPRICE": 1000,
                                                      "SPY": 1}}]))
        self.assertEqual(job.total, Decimal("455.25"))
        self.assertEqual(job.summary["unpriced"], ["NOPRICE"])
        self.assert_adds_up(job)
        self.assertRegex(job.report, r"NOPRICE \|[^|]*\| no price")
        self.assertEqual(job.detail("retire")["plan"]["unpriced_holdings"], 1)
        self.assertIsNone(self.fleet.one(
            "select current_price from instruments where symbol = 'NOPRICE'"))

    def test_unknown_symbol_is_classified_stored_and_said_to_be_a_guess(self):
        self.instrument("ZQXJ", 10, "Zebra Quartz Copper Mining Inc",
                        instrument_type="stock")
        job = self.analyse(self.user([
            {"name": "Main", "positions": {"ZQXJ": 7, "SPY": 1}}]))
        self.assertEqual(job.total, Decimal("520.25"))
        self.assert_adds_up(job)
        self.assertEqual(job.tasks()["tag"]["state"], "succeeded")
        row, = self.fleet.rows("select * from instruments where symbol = "
                               "'ZQXJ'")
        for kind in ("asset_class", "regions", "sectors"):
            self.assertEqual(sum(row[f"allocation_{kind}"].values()), 100)
        self.assertTrue(row["allocation_source"])
        self.assertIn("ZQXJ", " ".join(
            line for line in job.report.split("\n") if "rule" in line))
        self.assertNotIn("Unclassified", job.chart("asset_allocation"))

    def test_symbol_that_says_nothing_is_analysed_too(self):
        self.instrument("QQ9.X-1", "3.3333", "QQ9.X-1")
        job = self.analyse(self.user([
            {"name": "Main", "positions": {"QQ9.X-1": "1.5", "SPY": 1}}]))
        self.assertEqual(job.total, Decimal("455.25"))
        self.assert_adds_up(job)

    def test_debts_and_short_sales_count_as_nothing_and_are_named(self):
        job = self.analyse(self.user([
            {"name": "Margin", "cash": -500, "positions": {"SPY": -3,
                                                           "BND": 2}}]))
        self.assertEqual(job.total, Decimal("145.00"))
        self.assert_adds_up(job)
        self.assertRegex(job.report, "(?i)negative|below zero|debt")


class Refused(analysis.Case):
    """What no analysis can make sense of: the job fails at once, not after
    five tries, and says which field is to blame."""

    def refused(self, user, *named):
        job = self.ended(self.submit(user), "failed")
        for text in named:
            self.assertIn(text, job.error)
        self.assertEqual(job.tasks()["plan"]["fence"], 1)
        self.analyse_simply()

    def test_years_out_of_range_fail_the_job_and_are_named(self):
        self.refused(self.user(years_until_retirement=500),
                     "years_until_retirement", "0 to 100", "500")

    def test_target_that_is_no_percentage_fails_the_job_and_is_named(self):
        self.refused(self.user(asset_class_targets={"equity": 120}),
                     "asset_class_targets", "equity", "100")

    def test_quantity_beyond_the_limit_fails_the_job_and_is_named(self):
        self.refused(self.user([{"name": "Main", "positions": {
            "SPY": "999999999999"}}]), "positions[0]: quantity", "90000000000")

    def test_more_accounts_than_the_limit_fail_the_job_and_are_named(self):
        self.refused(self.user([{"name": f"A{n}", "cash": 1}
                                for n in range(101)]), "accounts", "100")


class DeletedUser(analysis.Case):
    def submit_silently(self, user):
        """A job that nobody rings for."""
        job = str(uuid.uuid4())
        self.fleet.call("submit", {"jobs": [
            {"job": job, "user": user, "type": "portfolio_analysis",
             "request": {}}]})
        return job

    def gone(self, job):
        """The job has ended for the engine and is nobody's any more."""
        self.wait(lambda: self.fleet.rows(
            "select from fleet.runs r join fleet.tasks t on t.job_id = "
            f"r.job_id where r.job_id = '{job}' and r.state = 'cancelled' and "
            "r.ended_at is not null and t.state = 'cancelled'"), 10,
            "job of the deleted user cancelled")
        self.assertIn("there is no job",
                      self.fleet.alexctl("show", job, code=65))
        self.assert_quiet()
        self.analyse_simply()
        self.forget(job)

    def forget(self, job):
        self.assertIn(job, self.fleet.alexctl("db", "fsck", code=1))
        self.fleet.alexctl("db", "fsck", "--repair")

    def test_job_of_a_user_deleted_before_it_starts_is_cancelled(self):
        user = self.user([{"name": "Main", "positions": {"SPY": 1}}])
        job = self.submit_silently(user)
        self.fleet.psql(f"delete from users where clerk_user_id = '{user}'")
        self.fleet.ring(job.encode())
        self.gone(job)

    def test_job_of_a_user_deleted_while_it_runs_is_cancelled(self):
        self.fleet.stop("reporter")
        user = self.user([{"name": "Main", "positions": {"SPY": 1, "BND": 1}}])
        job = self.submit(user)
        self.ready(job, "report")
        self.fleet.psql(f"delete from users where clerk_user_id = '{user}'")
        self.fleet.start("reporter")
        self.gone(job)


class Large(analysis.Case):
    def test_five_hundred_positions_fit_their_row_and_add_up(self):
        user = f"user_{uuid.uuid4().hex[:12]}"
        self.fleet.alexctl("import", DATA / "large.csv", "--user", user,
                           "--years", 20, "--income", 90000)
        job = self.analyse(user)
        self.assertEqual(job.summary["positions"], 500)
        self.assertEqual(job.summary["accounts"], 10)
        self.assertEqual(job.total, self.stated_total())
        self.assert_adds_up(job)
        self.assertLess(job.payload_bytes(), 48 * 1024)
        self.assertIn(f"${job.total:,}", job.report)

    @staticmethod
    def stated_total():
        """The sum of what the file itself calls values."""
        with open(DATA / "large.csv", newline="") as file:
            return sum(Decimal(row["Current Value"].lstrip("$"))
                       for row in csv.DictReader(file) if row["Current Value"])


class Hostile(analysis.Case):
    job = None

    def setUp(self):
        super().setUp()
        if Hostile.job is None:
            Hostile.job = self.analyse_hostile()

    def analyse_hostile(self):
        accounts = []
        for number, name in enumerate(HOSTILE):
            symbol = f"{name[:14]}{number}".upper()
            self.instrument(symbol, 100, name)
            accounts.append({"name": name, "account_purpose": name,
                             "cash": number + 1,
                             "positions": {symbol: 1, "SPY": 1}})
        return self.analyse(self.user(accounts, USER,
                                      display_name=" ".join(HOSTILE)[:255]))

    def test_every_hostile_account_and_holding_is_counted(self):
        count = len(HOSTILE)
        self.assertEqual(self.job.total, sum(range(1, count + 1)) + count * (
            100 + Decimal("450.25")))
        self.assert_adds_up(self.job)

    def test_names_come_out_as_text_in_the_report(self):
        report = self.job.report
        self.assertEqual(stray_characters(report), set())
        self.assertNotRegex(report, r"(?<!\\)<[a-zA-Z/!]")
        self.assertNotRegex(report, r"(?<!\\)\]\(")
        self.assertNotRegex(report, r"(?<!\\)~~~")
        for link in ("://", "www.", "@evil"):
            self.assertNotIn(link, report)

    def test_names_break_no_table_of_the_report(self):
        table = None
        for line in self.job.report.split("\n"):
            if not line.startswith("|"):
                table = None
                continue
            cells = len(analysis.table_cells(line))
            self.assertEqual(cells, table or cells, line)
            table = cells

    def test_names_make_no_heading_of_the_report(self):
        headings = [line for line in self.job.report.split("\n")
                    if line.startswith("#")]
        for heading in headings:
            self.assertRegex(heading, r"^#{1,2} [A-Z][a-z ]+$")

    def test_names_in_charts_are_text_and_unlike_each_other(self):
        for key, chart in self.job.charts.items():
            names = [p["name"] for p in chart["data"]]
            self.assertEqual(len(set(names)), len(names), key)
            self.assertEqual(stray_characters("".join(names)), set(), key)
            for point in chart["data"]:
                self.assertRegex(point["color"], "^#[0-9A-F]{6}$")

    def test_output_of_alexctl_moves_no_cursor(self):
        for words in (["show", self.job.id], ["jobs"], ["why", self.job.id],
                      ["watch", self.job.id]):
            text = self.fleet.alexctl(*words)
            self.assertEqual(stray_characters(text), set(), words)

    def test_terminal_shows_no_escape_of_a_name(self):
        text = self.on_terminal("show", self.job.id)
        self.assertNotIn(b"\x1b]", text)
        self.assertNotIn(b"\x1b[2J", text)
        self.assertNotIn(b"\x9b", text.replace(b"\xe2\x9b", b""))
        plain = re.sub(rb"\x1b\[[0-9;]*[mK]", b"", text).decode()
        self.assertEqual(stray_characters(plain.replace("\r\n", "\n")), set())

    def on_terminal(self, *words):
        """What alexctl writes to a terminal."""
        ours, theirs = pty.openpty()
        done = subprocess.Popen(
            [BUILD / "tools/alexctl/alexctl", *words], stdin=theirs,
            stdout=theirs, stderr=theirs,
            env={**self.fleet.env, "TERM": "xterm-256color"})
        os.close(theirs)
        text = []

        def read():
            try:
                while some := os.read(ours, 65536):
                    text.append(some)
            except OSError:  # The other end is closed.
                pass

        reader = threading.Thread(target=read)
        reader.start()
        self.assertEqual(done.wait(20), 0)
        reader.join(20)
        os.close(ours)
        return b"".join(text)

    def test_json_of_alexctl_holds_the_names_as_they_are(self):
        job = analysis.exact(self.fleet.alexctl("show", self.job.id, "--json"))
        self.assertEqual(job["job"]["user"], USER)
        self.assertEqual(job["charts_payload"], self.job.charts)

    def test_hostile_user_id_reaches_submit_and_jobs(self):
        jobs = analysis.exact(self.fleet.alexctl(
            "jobs", "--user", USER, "--json"))
        self.assertEqual([j["job"] for j in jobs], [self.job.id])


if __name__ == "__main__":
    analysis.main()
