"""Exports in, portfolios out: what is read is stored, what is not is named."""
import csv
import os
import re
import tempfile
from decimal import Decimal

import analysis
from analysis import DATA

# Those of broken/ that are read all the same, made safe.
READABLE = {"latin1.csv", "control_characters.csv"}
COUNTS = ("select (select count(*) from users) users, (select count(*) from "
          "accounts) accounts, (select count(*) from positions) positions, "
          "(select count(*) from instruments) instruments")
STORED = """
    select account_name, account_purpose, cash_balance, a.id, import_key,
           symbol, quantity, i.name, current_price, price_source, price_as_of
    from accounts a
    left join positions p on p.account_id = a.id
    left join instruments i using (symbol)
    where clerk_user_id = '{}' order by a.id, symbol"""


def setUpModule():
    analysis.start()


def money(text):
    return Decimal(text.replace("$", "").replace(",", ""))


def fidelity_rows(keep=lambda row: True):
    """Holdings and cash of fidelity.csv as its own columns state them."""
    with open(DATA / "fidelity.csv", encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["Symbol"] and keep(row):
                value = row["Current Value"] or ""
                # Rows of cash have one field less than their header.
                if not value.startswith(("$", "-$")):
                    value = row["Last Price Change"] or "0"
                if value.startswith(("$", "-$")):
                    yield row["Account Number"], money(value)


def is_option(row):
    return row["Symbol"].strip().startswith("-")


class Refused(analysis.Case):
    def refused(self, path, *words):
        before = self.fleet.rows(COUNTS)
        text = self.fleet.alexctl("import", path, "--user", "nobody", *words,
                                  code=65)
        self.assertEqual(self.fleet.rows(COUNTS), before)
        self.assertTrue(text.startswith("alexctl: "), text)
        return text

    def test_list_of_transactions_is_refused_and_says_what_was_expected(self):
        text = self.refused(DATA / "broken/transactions.csv")
        self.assertIn("symbol,quantity[,price]", text)
        self.assertIn("found: Run Date,Account", text)

    def test_every_broken_export_is_refused_and_stores_nothing(self):
        broken = sorted(p for p in (DATA / "broken").iterdir()
                        if p.name not in READABLE)
        self.assertGreater(len(broken), 5)
        for path in broken:
            with self.subTest(path.name):
                self.refused(path)

    def test_export_named_as_of_another_broker_is_refused(self):
        self.refused(DATA / "fidelity.csv", "--broker", "vanguard")

    def test_missing_file_is_refused_by_its_name(self):
        self.assertIn("/nowhere.csv", self.refused("/nowhere.csv"))

    def test_bad_number_among_good_rows_stores_none_of_them(self):
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write("symbol,quantity,price\nSPY,1,100\nBND,1,1x0\n")
            file.flush()
            self.assertIn("line 3", self.refused(file.name))


class Imported(analysis.Case):
    def setUp(self):
        super().setUp()
        # All users share the instruments, and the newest price wins.
        self.fleet.psql("update instruments set current_price = null, "
                        "price_source = null, price_as_of = null")

    def import_(self, path, user, *words):
        return analysis.exact(self.fleet.alexctl(
            "import", path, "--user", user, "--years", 25, "--income", 90000,
            "--json", *words))

    def test_rows_left_out_are_named_and_the_others_are_imported(self):
        answer = self.import_(DATA / "fidelity.csv", "half")
        self.assertEqual([(s["line"], s["what"]) for s in answer["skipped"]],
                         [(10, "-AAPL261218C300")])
        self.assertIn("option", answer["skipped"][0]["why"])
        text = self.fleet.alexctl("import", DATA / "fidelity.csv", "--user",
                                  "half")
        self.assertRegex(text, r"Left out:\n +line 10 .*-AAPL261218C300")
        stated = sum(v for _, v in fidelity_rows(lambda r: not is_option(r)))
        self.assertEqual(answer["total"], stated)
        self.assertEqual(self.analyse("half").total, stated)

    def test_importing_twice_changes_nothing(self):
        self.import_(DATA / "fidelity.csv", "twice")
        before = self.fleet.rows(STORED.format("twice"))
        counts = self.fleet.rows(COUNTS)
        self.assertGreater(len(before), 10)
        self.import_(DATA / "fidelity.csv", "twice")
        self.assertEqual(self.fleet.rows(STORED.format("twice")), before)
        self.assertEqual(self.fleet.rows(COUNTS), counts)

    def test_importing_for_one_user_changes_no_other(self):
        self.import_(DATA / "fidelity.csv", "first")
        before = self.fleet.rows(STORED.format("first"))
        self.import_(DATA / "fidelity.csv", "second")
        self.assertEqual(self.fleet.rows(STORED.format("first")), before)

    def test_dry_run_stores_nothing(self):
        before = self.fleet.rows(COUNTS)
        answer = self.import_(DATA / "schwab.csv", "dry", "--dry-run")
        self.assertFalse(answer["imported"])
        self.assertEqual(self.fleet.rows(COUNTS), before)

    def test_accounts_of_one_name_stay_two_in_report_and_charts(self):
        self.import_(DATA / "fidelity.csv", "namesakes")
        job = self.analyse("namesakes")
        totals = {}
        for number, value in fidelity_rows(lambda r: not is_option(r)):
            totals[number] = totals.get(number, 0) + value
        first, second, roth = (totals[f"Z1120000{n}"] for n in (1, 2, 3))
        self.assertEqual(job.chart("account_split"), {
            "Individual - TOD": first, "Individual - TOD (2)": second,
            "ROTH IRA": roth})
        rows = {cells[0]: cells[3] for cells in map(
            analysis.table_cells, analysis.table_rows(job.report))
            if len(cells) == 5}
        self.assertEqual(rows["Individual - TOD"], f"${first:,}")
        self.assertEqual(rows["Individual - TOD (2)"], f"${second:,}")
        self.assertEqual(job.summary["accounts"], 3)
        self.assert_adds_up(job)

    def test_accounts_are_reported_in_the_order_of_their_file(self):
        self.import_(DATA / "large.csv", "ordered")
        rows = map(analysis.table_cells,
                   analysis.table_rows(self.analyse("ordered").report))
        self.assertEqual([cells[0] for cells in rows
                          if re.fullmatch(r"Account \d", cells[0])],
                         [f"Account {number}" for number in range(10)])

    def test_quickstart_export_names_its_unpriced_and_unknown_holdings(self):
        self.import_(DATA / "fidelity.csv", "quick")
        job = self.analyse("quick")
        self.assertEqual(job.summary["unpriced"], ["LMNRW"])
        self.assertRegex(job.report, r"LMNRW \|[^|]*\| no price")
        self.assertIn("QXZR", job.report)

    def adds_up(self, name):
        """From the file to the charts there is one total."""
        answer = self.import_(DATA / name, name)
        job = self.analyse(name)
        self.assertEqual(job.total, answer["total"])
        self.assert_adds_up(job)

    def test_schwab_export_adds_up_from_file_to_charts(self):
        self.adds_up("schwab.csv")

    def test_vanguard_export_adds_up_from_file_to_charts(self):
        self.adds_up("vanguard.csv")

    def test_plain_export_adds_up_from_file_to_charts(self):
        self.adds_up("plain.csv")

    def test_readable_oddities_are_imported_without_what_is_odd(self):
        for name in READABLE:
            self.import_(DATA / "broken" / name, name)
            for row in self.fleet.rows(STORED.format(name)):
                self.assertTrue(row["name"].isprintable(), row)

    def test_file_read_from_a_pipe_is_imported(self):
        ours, theirs = os.pipe()
        os.write(theirs, b"SPY,2,100.00\n")
        os.close(theirs)
        try:
            answer = self.import_(f"/proc/{os.getpid()}/fd/{ours}", "piped")
        finally:
            os.close(ours)
        self.assertEqual(answer["total"], 200)


if __name__ == "__main__":
    analysis.main()
