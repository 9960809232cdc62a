"""alexctl's commands against real servers, without workers: what they write,
print and exit with.

Wants ALEX_TEST_POSTGRES, ALEX_TEST_REDIS and the program and the folder of
exports as arguments.
"""
import json
import os
import subprocess
import sys
import unittest
import urllib.parse
import uuid

SERVER = os.environ.get("ALEX_TEST_POSTGRES")
# A database of the broker's that no other test uses.
BROKER = os.environ.get("ALEX_TEST_REDIS", "").rpartition("/")[0]
BROKER += "/9" if BROKER else ""
ALEXCTL, EXPORTS = sys.argv[1:3]
del sys.argv[1:3]
NOBODY = "00000000-0000-4000-8000-000000000000"


def sql(url, text):
    return subprocess.run(
        ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", url, "-c", text],
        capture_output=True, text=True, timeout=60, check=True).stdout.strip()


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = "alexctl_" + uuid.uuid4().hex[:12]
        sql(SERVER, f"create database {cls.database}")
        parts = urllib.parse.urlsplit(SERVER)
        cls.url = parts._replace(path="/" + cls.database).geturl()
        cls.run_program("db", "migrate")
        cls.run_program("db", "seed")

    @classmethod
    def tearDownClass(cls):
        sql(SERVER, f"drop database {cls.database} with (force)")

    @classmethod
    def run_program(cls, *words, **environment):
        known = {**os.environ, "ALEX_STORE_URL": cls.url,
                 "ALEX_QUEUE_URL": BROKER, **environment}
        return subprocess.run([ALEXCTL, *words], capture_output=True,
                              text=True, timeout=120, check=False, env=known)

    def alexctl(self, *words, code=0, **environment):
        done = self.run_program(*words, **environment)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def setUp(self):
        self.user = "user-" + uuid.uuid4().hex[:8]

    def import_file(self, name, *words):
        return self.alexctl("import", os.path.join(EXPORTS, name), "--user",
                            self.user, *words)

    def portfolio(self):
        return sql(self.url, f"""
            select coalesce(string_agg(distinct account_name || ' ' ||
                   cash_balance || ' ' || symbol || ' ' || quantity, '; '), '')
            from accounts a left join positions p on p.account_id = a.id
            where clerk_user_id = '{self.user}'""")

    def total(self):
        return sql(self.url, f"""
            select (select sum(cash_balance) from accounts
                    where clerk_user_id = '{self.user}')
                 + (select sum(round(quantity * coalesce(current_price, 0), 2))
                    from positions p join accounts a on a.id = account_id
                    join instruments using (symbol)
                    where clerk_user_id = '{self.user}')""")

    def test_imported_portfolio_is_worth_what_the_file_says(self):
        out = json.loads(self.import_file("fidelity.csv", "--json"))
        self.assertEqual(out["total"], 143689.81)
        self.assertEqual(self.total(), "143689.81")

    def test_importing_twice_changes_nothing(self):
        self.import_file("schwab.csv")
        before = self.portfolio()
        self.import_file("schwab.csv")
        self.assertEqual(self.portfolio(), before)
        self.assertEqual(before.count("SWTSX"), 1)

    def test_accounts_of_one_name_stay_two(self):
        self.import_file("fidelity.csv")
        self.assertEqual(sql(self.url, "select count(*) from accounts where "
                             f"clerk_user_id = '{self.user}' and "
                             "account_name = 'Individual - TOD'"), "2")

    def test_account_numbers_stay_out_of_the_database(self):
        self.import_file("fidelity.csv")
        dump = sql(self.url, "select string_agg(a::text, '') from accounts a")
        self.assertNotIn("Z1120000", dump)

    def test_dry_run_and_broken_files_import_nothing(self):
        self.import_file("vanguard.csv", "--dry-run")
        self.alexctl("import", os.path.join(EXPORTS, "broken/bad_number.csv"),
                     "--user", self.user, code=65)
        self.assertEqual(self.portfolio(), "")
        self.alexctl("import", "/nonexistent.csv", code=65)

    def test_goals_are_kept_unless_given(self):
        self.import_file("plain.csv", "--years", "25", "--income", "90000")
        self.import_file("plain.csv")
        self.assertEqual(
            sql(self.url, "select years_until_retirement || ' ' || "
                "target_retirement_income from users where "
                f"clerk_user_id = '{self.user}'"), "25 90000.00")

    def submit(self, *words, code=0):
        return self.alexctl("submit", "--user", self.user, *words,
                            code=code).strip()

    def test_same_key_is_the_same_job_and_another_request_a_conflict(self):
        self.import_file("plain.csv")
        job = self.submit("--idempotency-key", "k")
        self.assertEqual(self.submit("--idempotency-key", "k"), job)
        text = self.submit("--idempotency-key", "k", "--option", "a=b",
                           code=65)
        self.assertIn("use a new key", text)
        self.assertNotEqual(self.submit(), job)
        options = self.submit("--option", "assumptions=upstream-v1")
        self.assertEqual(json.loads(sql(
            self.url, "select request_payload from jobs where id = "
            f"'{options}'")), {"analysis_type": "portfolio",
                               "options": {"assumptions": "upstream-v1"}})

    def test_submit_of_nobody_is_refused(self):
        self.assertIn("import a portfolio first", self.submit(code=65))

    def test_many_jobs_in_one_command_are_all_there(self):
        self.import_file("plain.csv")
        jobs = self.submit("--count", "250").split()
        self.assertEqual(len(set(jobs)), 250)
        self.assertEqual(sql(self.url, "select count(*) from jobs where "
                             f"clerk_user_id = '{self.user}'"), "250")

    def test_both_doorbells_are_rung(self):
        self.import_file("plain.csv")
        before = self.depth()
        self.submit()
        after = self.depth()
        self.assertEqual(after["waiting"], before["waiting"] + 1)
        self.assertEqual(after["delayed"], before["delayed"] + 1)

    def depth(self):
        queues = json.loads(self.alexctl("queue", "ls", "--json"))
        return next(q for q in queues if q["queue"] == "alex-planner")

    def test_job_from_submit_to_cancelled(self):
        self.import_file("plain.csv")
        job = self.submit()
        self.assertIn("waited for a worker", self.alexctl("why", job))
        text = self.alexctl("watch", job, "--timeout", "1", code=75)
        self.assertIn(f"alexctl why {job}", text)
        self.assertEqual(self.alexctl("cancel", job).strip(), "cancelled")
        self.assertIn("already", self.alexctl("cancel", job))
        self.assertIn("cancelled", self.alexctl("watch", job, code=1))
        self.assertIn("cancelled", self.alexctl("show", job))
        listed = json.loads(self.alexctl("jobs", "--user", self.user,
                                         "--json"))
        self.assertEqual([(j["job"], j["state"]) for j in listed],
                         [(job, "cancelled")])

    def test_unknown_jobs_are_named(self):
        for command in ("watch", "show", "why", "cancel"):
            self.assertIn(NOBODY, self.alexctl(command, NOBODY, code=65))
            self.alexctl(command, "not-an-id", code=64)

    def test_reap_answers(self):
        self.assertIn("tasks moved", self.alexctl("reap"))

    def test_queue_create_says_which_queues_and_refuses_names_none_can_have(
            self):
        made = json.loads(self.alexctl("queue", "create", "--json", "--agent",
                                       "tagger,planner", "--intake", "jobs"))
        self.assertEqual([q["queue"] for q in made],
                         ["alex-tagger", "alex-planner", "jobs"])
        for words in (["--agent", "Planner"], ["--intake", "a b"]):
            self.assertIn("a-z", self.alexctl("queue", "create", *words,
                                              code=65))
        for words in (["--lease", "0s"], ["--lease", "2h"], ["--lease", "3"],
                      ["--partitions", "0"], ["--agent", "a" * 60]):
            self.assertIn("--", self.alexctl("queue", "create", *words,
                                             code=64))

    def test_text_of_others_cannot_steer_the_terminal(self):
        self.import_file("plain.csv")
        job = self.submit()
        self.alexctl("cancel", job)
        sql(self.url, "update jobs set error_message = E'a\\x1b[2Jb' "
            f"where id = '{job}'")
        for words in (["jobs"], ["watch", job], ["show", job]):
            out = self.run_program(*words).stdout
            self.assertIn("a\\x1b[2Jb", out)
            self.assertNotIn("\x1b", out)

    def test_configuration_and_outages_have_their_exit_codes(self):
        self.assertIn("ALEX_STORE_URL", self.alexctl(
            "jobs", code=78, ALEX_STORE_URL=""))
        self.assertIn("ALEX_QUEUE_URL", self.alexctl(
            "queue", "ls", code=78, ALEX_QUEUE_URL=""))
        self.alexctl("jobs", code=78, ALEX_STORE_URL="gopher://x")
        secret = "postgres://u:geheim@127.0.0.1:1/alex"
        text = self.alexctl("jobs", code=69, ALEX_STORE_URL=secret)
        self.assertNotIn("geheim", text)
        self.alexctl("queue", "ls", code=69,
                     ALEX_QUEUE_URL="redis://127.0.0.1:1/0")

    def test_every_command_has_help_and_refuses_nonsense(self):
        names = [line[2:14].strip() for line in
                 self.alexctl("--help").splitlines()
                 if line.startswith("  ") and line[2:3].islower()]
        self.assertGreater(len(names), 10)
        for name in names:
            help_text = self.alexctl(*name.split(), "--help")
            self.assertIn("Examples:", help_text)
            self.assertIn(f"alexctl {name}", help_text)
            self.alexctl(*name.split(), "--nonsense", code=64)
        self.alexctl(code=64)
        self.alexctl("frobnicate", code=64)


if __name__ == "__main__":
    if not SERVER or not BROKER:
        print("SKIP: ALEX_TEST_POSTGRES or ALEX_TEST_REDIS is not set; "
              "tools/servers start && eval \"$(tools/servers env)\"")
        sys.exit(77)
    unittest.main(verbosity=2)
