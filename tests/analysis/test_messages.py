"""Messages that are no doorbell, or ring for nobody: nothing is lost by them."""
import json
import uuid

import analysis

def setUpModule():
    analysis.start()


def event(**data):
    return json.dumps({"specversion": "1.0", "type": "alex.bell",
                       "source": "alex", "id": str(uuid.uuid4()),
                       "data": {"v": 1, "agent": "planner", **data}}).encode()


class Messages(analysis.Case):
    def tearDown(self):
        super().tearDown()
        self.fleet.redis.call("del", "{alex-planner}:dlq",
                              "{alex-planner}:delayed")

    def dead_letter(self, body, reason):
        """A message that must end as a dead letter, while a job completes."""
        self.fleet.ring(body)
        self.analyse_simply()
        letter, = self.wait(self.fleet.dead_letters, what="dead letter")
        self.assertEqual(letter[b"b"], body)
        self.assertIn(reason, letter[b"reason"].decode())
        self.assert_quiet()

    def test_text_is_dead_lettered_as_it_came(self):
        self.dead_letter(b"Please analyse my portfolio.", "JSON")

    def test_empty_message_is_dead_lettered_as_it_came(self):
        self.dead_letter(b"", "JSON")

    def test_json_cut_short_is_dead_lettered_as_it_came(self):
        self.dead_letter(event(job=str(uuid.uuid4()))[:-3], "JSON")

    def test_json_of_another_program_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"Records": [{"eventSource": "aws:s3"}]}', "job_id")

    def test_event_of_another_program_is_dead_lettered_as_it_came(self):
        self.dead_letter(event(job=str(uuid.uuid4())).replace(
            b"alex.bell", b"com.example.order"), "type")

    def test_job_id_that_is_none_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"job_id": "../../etc/passwd"}', "job_id")

    def test_nul_byte_in_a_message_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"job_id": "\x00"}', "control character")

    def test_escaped_nul_in_a_message_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"job_id": "\\u0000"}', "U+0000")

    def test_invalid_utf8_in_a_message_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"job_id": "\xc3\x28"}', "UTF-8")

    def test_lone_surrogate_in_a_message_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"job_id": "\\ud800"}', "surrogate")

    def test_message_over_64_kb_is_dead_lettered_as_it_came(self):
        self.dead_letter(b'{"job_id": "' + b"x" * 70000 + b'"}', "large")

    def test_entry_of_another_shape_is_dead_lettered_as_it_came(self):
        self.fleet.redis.call("xadd", "{alex-planner}:stream", "*", "order",
                              "4711", "sum", "1\x00\xff")
        self.analyse_simply()
        letter, = self.wait(self.fleet.dead_letters, what="dead letter")
        self.assertEqual((letter[b"order"], letter[b"sum"]),
                         (b"4711", "1\x00\xff".encode()))
        self.assert_quiet()

    def test_all_bad_messages_at_once_leave_the_jobs_between_them_alone(self):
        bad = [b"", b"\x00", b"\xff" * 100, b"[" * 5000, b"x" * 100000,
               b'"\\ud800"', b"null", b"{}", b"1e400000", b"{\"a\":" * 4000]
        jobs = []
        for body in bad:
            self.fleet.ring(body)
            jobs.append(self.submit(self.user([
                {"name": "Main", "positions": {"SPY": 1, "BND": 1}}])))
        for job in jobs:
            self.ended(job)
        self.wait(lambda: len(self.fleet.dead_letters()) == len(bad))
        self.assertEqual(sorted(m[b"b"] for m in self.fleet.dead_letters()),
                         sorted(bad))
        self.assert_quiet()

    def put_off(self, body):
        """A message that must be tried again later; after how many seconds."""
        self.fleet.ring(body)
        (due_s, kept), = self.wait(self.fleet.put_off, 5, "put off")
        self.assertEqual(kept, body)
        self.assertEqual(self.fleet.open_messages(), 1)
        return due_s

    def test_bell_of_a_later_version_waits_for_a_worker_that_knows_it(self):
        self.put_off(event(job=str(uuid.uuid4()), v=7))
        for _ in range(3):
            self.analyse_simply()
            self.fleet.a_minute_later()
            (due_s, _), = self.wait(self.fleet.put_off)
            self.assertAlmostEqual(due_s, 60, delta=3)
        self.assertEqual(self.fleet.dead_letters(), [])

    def test_bell_of_an_unknown_job_is_put_off_once_and_then_acked(self):
        self.assertAlmostEqual(self.put_off(event(job=str(uuid.uuid4()))), 60,
                               delta=3)
        self.fleet.a_minute_later()
        self.assert_quiet()
        self.assertEqual(self.fleet.dead_letters(), [])
        self.analyse_simply()

    def test_bell_of_an_unknown_task_is_put_off_once_and_changes_nothing(self):
        job = self.analyse_simply()
        self.put_off(event(job=job.id, task=str(uuid.uuid4())))
        self.fleet.a_minute_later()
        self.assert_quiet()
        self.assertEqual(analysis.Job(self.fleet, job.id).row, job.row)

    def test_bell_at_the_wrong_agent_reaches_the_right_one(self):
        self.fleet.stop("reporter")
        job = self.submit(self.user([
            {"name": "Main", "positions": {"SPY": 1, "BND": 1}}]))
        task = self.ready(job, "report")
        self.wait(lambda: self.fleet.open_messages("reporter") == 1)
        self.fleet.redis.call("del", "{alex-reporter}:stream")
        self.fleet.ring(event(job=job, task=task["id"]))
        self.wait(lambda: self.fleet.open_messages("reporter") == 1)
        self.fleet.start("reporter")
        self.ended(job)

    def test_bell_of_a_completed_job_changes_nothing(self):
        job = self.analyse_simply()
        for _ in range(3):
            self.fleet.ring(event(job=job.id))
            self.fleet.ring(json.dumps({"job_id": job.id}).encode())
        self.assert_quiet()
        self.assertEqual(analysis.Job(self.fleet, job.id).row, job.row)


class UnknownJob(analysis.Case):
    def test_show_says_that_there_is_no_such_job(self):
        self.says_so("show")

    def test_show_json_says_that_there_is_no_such_job(self):
        self.says_so("show", "--json")

    def test_why_says_that_there_is_no_such_job(self):
        self.says_so("why")

    def test_why_json_says_that_there_is_no_such_job(self):
        self.says_so("why", "--json")

    def test_watch_says_that_there_is_no_such_job(self):
        self.says_so("watch")

    def test_watch_json_says_that_there_is_no_such_job(self):
        self.says_so("watch", "--json")

    def test_cancel_says_that_there_is_no_such_job(self):
        self.says_so("cancel")

    def says_so(self, *words):
        job = str(uuid.uuid4())
        self.assertEqual(self.fleet.alexctl(*words, job, code=65),
                         f"alexctl: there is no job {job}\n")
        self.assertIn("not a job id",
                      self.fleet.alexctl(*words, "job-1", code=64))


if __name__ == "__main__":
    analysis.main()
