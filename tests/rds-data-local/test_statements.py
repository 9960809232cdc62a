"""ExecuteStatement and BatchExecuteStatement: types in, types out, and limits."""
import json
import time

import gateway
from gateway import value


class Parameters(gateway.GatewayCase):
    def test_each_member_of_the_union_arrives_as_its_type(self):
        for field, want in (({"stringValue": "é"}, "text"),
                            ({"longValue": -2 ** 63}, "bigint"),
                            ({"doubleValue": 0.1}, "double precision"),
                            ({"booleanValue": True}, "boolean"),
                            ({"blobValue": b"\0\xff"}, "bytea")):
            self.assertEqual(
                self.records("select pg_typeof(:x)::text, :x",
                             value("x", **field)),
                [[{"stringValue": want}, field]])

    def test_null_is_null_of_the_type_that_is_wanted(self):
        self.assertEqual(self.one("select :x::int + 1", value("x", isNull=True)),
                         {"isNull": True})

    def test_hints_make_types(self):
        for hint, text, want in (
                ("UUID", "a4c6c0fe-0000-4000-8000-000000000001", "uuid"),
                ("JSON", '{"a":[1]}', "json"), ("DATE", "2026-02-28", "date"),
                ("TIME", "23:59:58.123", "time without time zone"),
                ("TIMESTAMP", "2026-02-28 23:59:58",
                 "timestamp without time zone"),
                ("DECIMAL", "12345678901234567890.5", "numeric")):
            self.assertEqual(
                self.records("select pg_typeof(:x)::text, :x",
                             value("x", hint, stringValue=text)),
                [[{"stringValue": want}, {"stringValue": text}]])

    def test_text_that_needs_a_cast_on_aurora_needs_it_here(self):
        self.run_sql("create table if not exists casts (id uuid, d jsonb)")
        text = value("x", stringValue="a4c6c0fe-0000-4000-8000-000000000001")
        self.fails("DatabaseErrorException", self.run_sql,
                   "insert into casts (id) values (:x)", text,
                   text="is of type uuid but expression is of type text")
        self.run_sql("insert into casts (id) values (:x::uuid)", text)
        self.run_sql("insert into casts (d) values (:x)",
                     value("x", "JSON", stringValue="{}"))

    def test_timestamps_want_the_documented_form(self):
        for text in ("2026-02-28T23:59:58", "2026-02-28 23:59:58Z",
                     "2026-02-28"):
            self.fails("BadRequestException", self.run_sql, "select :x",
                       value("x", "TIMESTAMP", stringValue=text),
                       text="TIMESTAMP")

    def test_array_parameters_are_refused(self):
        self.fails("BadRequestException", self.run_sql, "select :x",
                   value("x", arrayValue={"longValues": [1]}),
                   text="rray parameters are not supported")

    def test_name_used_twice_is_given_once_and_surplus_ones_are_ignored(self):
        self.assertEqual(self.records("select :x || :x", value("x",
                                      stringValue="a"),
                                      value("y", stringValue="b")),
                         [[{"stringValue": "aa"}]])

    def test_missing_parameter_is_named(self):
        self.fails("BadRequestException", self.run_sql, "select :nobody",
                   text="Cannot find parameter: nobody")

    def test_colons_in_texts_comments_casts_and_slices_stay(self):
        self.assertEqual(
            self.records("select ':a', $$:b$$, /* :c */ (array[1,2,3])[2:3], "
                         "'1'::int -- :d"),
            [[{"stringValue": ":a"}, {"stringValue": ":b"},
              {"arrayValue": {"longValues": [2, 3]}}, {"longValue": 1}]])


class Results(gateway.GatewayCase):
    def test_types_come_back_in_their_member(self):
        for sql, want in (
                ("true", {"booleanValue": True}), ("1::int2", {"longValue": 1}),
                ("2::int8", {"longValue": 2}), ("1.5::real", {"doubleValue": 1.5}),
                ("1.50::numeric", {"stringValue": "1.50"}),
                ("'x'::char(3)", {"stringValue": "x  "}),
                ("'{\"a\":1}'::jsonb", {"stringValue": '{"a": 1}'}),
                ("'\\x00ff'::bytea", {"blobValue": b"\0\xff"}),
                ("''::bytea", {"blobValue": b""}),
                ("'10.0.0.1'::inet", {"stringValue": "10.0.0.1"}),
                ("null", {"isNull": True}),
                ("'2026-03-01 12:00:00.5+02'::timestamptz",
                 {"stringValue": "2026-03-01 10:00:00.5"}),
                ("array['a','b c','d\"e',null]", {"arrayValue": {
                    "stringValues": ["a", "b c", 'd"e', None]}}),
                ("array[true]", {"arrayValue": {"booleanValues": [True]}}),
                ("'{}'::int[]", {"arrayValue": {"longValues": []}})):
            self.assertEqual(self.one(f"select {sql}"), want, sql)

    def test_enum_is_a_string(self):
        self.run_sql("create type mood as enum ('sad', 'ok')")
        self.assertEqual(self.one("select 'ok'::mood"), {"stringValue": "ok"})

    def test_unsupported_types_are_refused_until_cast(self):
        for sql in ("point(1,2)", "array[[1,2],[3,4]]", "'1 day'::interval"):
            self.fails("UnsupportedResultException", self.run_sql,
                       f"select {sql}")
            self.assertIn("stringValue", self.one(f"select ({sql})::text"))

    def test_options_choose_how_numbers_come_back(self):
        got = self.records("select 5::int8, 1.25::numeric, 7::numeric",
                           resultSetOptions={"longReturnType": "STRING",
                                             "decimalReturnType":
                                             "DOUBLE_OR_LONG"})
        self.assertEqual(got, [[{"stringValue": "5"}, {"doubleValue": 1.25},
                                {"longValue": 7}]])

    def test_formatted_records_are_one_text_of_json(self):
        got = self.run_sql("select 1 as a, 'x' as b, null as c, "
                           "'{\"k\":1}'::jsonb as d", formatRecordsAs="JSON")
        self.assertEqual(json.loads(got["formattedRecords"]),
                         [{"a": 1, "b": "x", "c": None, "d": '{"k": 1}'}])
        self.assertNotIn("records", got)

    def test_formatted_records_want_labels_that_differ(self):
        self.fails("ValidationException", self.run_sql,
                   "select 1 as a, 2 as a", formatRecordsAs="JSON")

    def test_columns_are_described_when_asked(self):
        self.run_sql("create table described (id serial primary key, "
                     "name varchar(20), price numeric(12,4), tags text[])")
        self.assertNotIn("columnMetadata", self.run_sql(
            "select * from described"))
        got = self.run_sql("select id as key, name, price, tags, 1 + 1 "
                           "from described", includeResultMetadata=True)[
            "columnMetadata"]
        wanted = ("label", "name", "typeName", "type", "nullable", "tableName",
                  "isAutoIncrement", "precision", "scale")
        self.assertEqual([tuple(c[k] for k in wanted) for c in got[:3]], [
            ("key", "id", "int4", 4, 0, "described", True, 10, 0),
            ("name", "name", "varchar", 12, 1, "described", False, 20, 0),
            ("price", "price", "numeric", 2, 1, "described", False, 12, 4)])
        self.assertEqual((got[3]["typeName"], got[3]["type"],
                          got[3]["arrayBaseColumnType"]), ("_text", 2003, 12))
        self.assertEqual((got[4]["name"], got[4]["nullable"]), ("?column?", 2))

    def test_writes_say_how_many_rows_and_generate_no_fields(self):
        self.run_sql("create table counted (n int)")
        got = self.run_sql("insert into counted select generate_series(1, 3)")
        self.assertEqual((got["numberOfRecordsUpdated"],
                          got["generatedFields"]), (3, []))
        self.assertEqual(self.records("delete from counted where n > 1 "
                                      "returning n"),
                         [[{"longValue": 2}], [{"longValue": 3}]])


class Batches(gateway.GatewayCase):
    def batch(self, sets, sql="insert into batched values (:n)", **more):
        return self.client.batch_execute_statement(
            sql=sql, database="alex", **self.where,
            parameterSets=[[value("n", longValue=n)] for n in sets], **more)

    def setUp(self):
        self.run_sql("create table if not exists batched (n int primary key)")
        self.run_sql("truncate batched")

    def count(self):
        return self.one("select count(*) from batched")["longValue"]

    def test_each_set_is_run_and_answered_without_counts(self):
        self.assertEqual(self.batch([1, 2, 3])["updateResults"],
                         [{"generatedFields": []}] * 3)
        self.assertEqual(self.count(), 3)

    def test_no_set_is_no_statement(self):
        self.assertEqual(self.batch([])["updateResults"], [])
        self.assertEqual(self.count(), 0)

    def test_failing_set_leaves_nothing_behind(self):
        self.fails("DatabaseErrorException", self.batch, [1, 2, 1],
                   text="SQLState: 23505")
        self.assertEqual(self.count(), 0)

    def test_batch_may_be_part_of_a_transaction(self):
        transaction = self.begin()
        self.batch([1, 2], transactionId=transaction)
        self.client.rollback_transaction(transactionId=transaction,
                                         **self.where)
        self.assertEqual(self.count(), 0)


class Limits(gateway.GatewayCase):
    env = {"RDS_DATA_LOCAL_STATEMENT": "1500ms"}

    def test_row_over_64_kb_is_refused_and_one_of_64_kb_is_not(self):
        self.assertEqual(len(self.one("select repeat('x', 65536)")[
            "stringValue"]), 65536)
        self.fails("UnsupportedResultException", self.run_sql,
                   "select repeat('x', 65537)")

    def test_reply_over_1_mib_is_refused(self):
        self.fails("UnsupportedResultException", self.run_sql,
                   "select repeat('x', 60000) from generate_series(1, 18)")

    def test_request_over_4_mib_is_refused(self):
        body = b'{"sql":"' + b"x" * (4 * 1024 * 1024 - 10) + b'"}'
        self.assertEqual(len(body), 4 * 1024 * 1024)
        self.assertEqual(self.gateway.post("/Execute", body)[0], 400)
        status, kind, _ = self.gateway.post("/Execute", body + b" ")
        self.assertEqual((status, kind), (413, "RequestEntityTooLargeException"))

    def test_sql_over_65536_characters_is_refused(self):
        self.run_sql("select 1 " + " " * 65527)
        self.fails("ValidationException", self.run_sql,
                   "select 1 " + " " * 65528, text="'sql'")

    def test_several_statements_are_refused(self):
        self.fails("ValidationException", self.run_sql, "select 1; select 2",
                   text="Multistatements aren't supported")
        self.one("select 1; -- and no more;")

    def test_slow_statement_times_out_and_says_on_which_connection(self):
        began = time.monotonic()
        found = self.fails("StatementTimeoutException", self.run_sql,
                           "select pg_sleep(20)")
        self.assertLess(time.monotonic() - began, 10)
        self.assertGreater(found["dbConnectionId"], 0)
        self.one("select 1")

    def test_statement_may_go_on_after_its_time_out(self):
        self.run_sql("create table late (n int)")
        self.fails("StatementTimeoutException", self.run_sql,
                   "with x as materialized (select pg_sleep(3)) insert into "
                   "late select 1 from x", continueAfterTimeout=True)
        ends = time.monotonic() + 20
        while self.one("select count(*) from late") == {"longValue": 0}:
            self.assertLess(time.monotonic(), ends, "it did not go on")
            time.sleep(0.2)

    def test_copy_is_refused(self):
        self.fails("UnsupportedResultException", self.run_sql,
                   "copy (select 1) to stdout")
        self.one("select 1")


if __name__ == "__main__":
    gateway.main()
