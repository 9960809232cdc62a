"""Requests that are not what they should be, failures on demand, signatures."""
import json
import socket
import time

import botocore
import gateway

GOOD = {"resourceArn": gateway.CLUSTER, "secretArn": gateway.SECRET,
        "database": "alex", "sql": "select 1"}


class Malformed(gateway.GatewayCase):
    def refused(self, body, kind, path="/Execute", text=""):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        status, found, reply = self.gateway.post(path, body)
        self.assertEqual((status, found), (400, kind), reply)
        self.assertIn(text, json.loads(reply)["message"])

    def test_bytes_that_are_no_json_object_are_a_bad_request(self):
        for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"sql":"\0"}',
                     b'{"sql":"\\u0000"}', b"[" * 100000):
            self.refused(body, "BadRequestException")

    def test_wrong_types_are_named(self):
        for key, wrong in (("sql", 5), ("resourceArn", []),
                           ("parameters", {}), ("parameters", [5]),
                           ("includeResultMetadata", "yes"),
                           ("resultSetOptions", "x"), ("database", {})):
            self.refused({**GOOD, key: wrong}, "BadRequestException", text=key)

    def test_members_of_the_union_are_checked(self):
        for field in ({}, {"longValue": "5"}, {"longValue": 1.5},
                      {"booleanValue": 1}, {"stringValue": None},
                      {"blobValue": "***"}, {"isNull": False},
                      {"stringValue": "a", "longValue": 1},
                      {"doubleValue": "x"}):
            self.refused({**GOOD, "parameters": [{"name": "x",
                                                  "value": field}]},
                         "BadRequestException", text="'x'")

    def test_lengths_and_words_of_the_model_are_checked(self):
        for key, wrong in (("sql", ""), ("resourceArn", "short"),
                           ("secretArn", "x" * 101), ("database", "d" * 65),
                           ("formatRecordsAs", "XML")):
            self.refused({**GOOD, key: wrong}, "ValidationException", text=key)
        for missing in ("resourceArn", "secretArn", "sql"):
            self.refused({k: v for k, v in GOOD.items() if k != missing},
                         "ValidationException", text=missing)
        self.refused({k: GOOD[k] for k in ("resourceArn", "secretArn")},
                     "ValidationException", "/CommitTransaction",
                     "transactionId")

    def test_unknown_members_are_ignored(self):
        status, _, _ = self.gateway.post("/Execute", json.dumps(
            {**GOOD, "later": [{}]}).encode())
        self.assertEqual(status, 200)

    def test_unknown_paths_and_methods_are_not_found(self):
        self.assertEqual(self.gateway.post("/ExecuteSql", b"{}")[0], 404)
        self.assertEqual(self.gateway.post("/Execute", None, "GET")[0], 404)

    def test_slow_and_silent_clients_do_not_stop_others(self):
        idle = [socket.create_connection(("127.0.0.1", self.gateway.port))
                for _ in range(60)]
        for number, client in enumerate(idle):
            client.sendall(b"POST /Execute HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Length: 1000\r\n\r\n{"[:20 + number])
        began = time.monotonic()
        self.one("select 1")
        self.assertLess(time.monotonic() - began, 5)
        for client in idle:
            client.close()

    def test_measures_are_served(self):
        self.one("select 1")
        status, _, body = self.gateway.post("/metrics", None, "GET")
        self.assertEqual(status, 200)
        self.assertIn(b'rds_data_local_call_seconds_count{operation='
                      b'"ExecuteStatement"}', body)


class Faults(gateway.GatewayCase):
    def test_resuming_database_says_so_for_its_time(self):
        self.gateway.faults({"do": "resume", "ms": 1500})
        self.fails("DatabaseResumingException", self.run_sql, "select 1",
                   text="is resuming after being auto-paused", status=400)
        time.sleep(1.7)
        self.one("select 1")

    def test_errors_strike_as_often_as_asked(self):
        self.gateway.faults({"do": "error", "type": "ServiceUnavailableError",
                             "count": 2, "match": "1"})
        self.one("select 2")
        for _ in range(2):
            self.fails("ServiceUnavailableError", self.run_sql, "select 1",
                       status=503)
        self.one("select 1")

    def test_connection_dropped_before_leaves_nothing_after_leaves_all(self):
        self.run_sql("create table dropped (n int)")
        for deed, rows in (("drop_before", 0), ("drop_after", 1)):
            self.gateway.faults({"do": deed, "match": "insert", "count": 1})
            with self.assertRaises(botocore.exceptions.HTTPClientError):
                self.run_sql("insert into dropped values (1)",
                             client=self.gateway.client())
            self.assertEqual(self.one("select count(*) from dropped"),
                             {"longValue": rows})

    def test_delay_delays(self):
        self.gateway.faults({"do": "delay", "ms": 700})
        began = time.monotonic()
        self.one("select 1")
        self.assertGreaterEqual(time.monotonic() - began, 0.7)

    def test_rule_that_makes_no_sense_is_refused(self):
        for rule in ({"do": "explode"}, {"do": "error", "type": "X"}, 5):
            status, kind, _ = self.gateway.post(
                "/_control/faults", json.dumps({"rules": [rule]}).encode(),
                "PUT")
            self.assertEqual((status, kind), (400, "BadRequestException"))


class Closed(gateway.GatewayCase):
    env = {"RDS_DATA_LOCAL_CONTROL": "off"}

    def tearDown(self):
        pass

    def test_faults_cannot_be_made_unless_allowed(self):
        status, _, _ = self.gateway.post("/_control/faults", b'{"rules":[]}',
                                         "PUT")
        self.assertEqual(status, 404)


class Signed(gateway.GatewayCase):
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "right",
           "AWS_SESSION_TOKEN": "session/+="}

    def one_as(self, **keys):
        return self.one("select 1", client=self.gateway.client(
            **{"key": "AKIDEXAMPLE", "secret": "right",
               "token": "session/+=", **keys}))

    def test_signature_of_botocore_is_accepted(self):
        self.assertEqual(self.one_as(), {"longValue": 1})

    def test_wrong_secret_key_and_session_are_refused(self):
        for keys, code in (({"secret": "wrong"}, "InvalidSignatureException"),
                           ({"key": "OTHER"}, "UnrecognizedClientException"),
                           ({"token": "else"}, "UnrecognizedClientException"),
                           ({"token": None}, "UnrecognizedClientException")):
            self.fails(code, self.one_as, **keys, status=403)

    def test_unsigned_request_is_refused(self):
        status, kind, _ = self.gateway.post("/Execute",
                                            json.dumps(GOOD).encode())
        self.assertEqual((status, kind), (403, "AccessDeniedException"))

    def test_signature_of_another_body_or_time_is_refused(self):
        kept = {}

        def keep(request, **_):
            kept.update(request.headers.items())

        client = self.gateway.client("AKIDEXAMPLE", "right", "session/+=")
        client.meta.events.register("before-send.rds-data.*", keep)
        self.one("select 1", client=client)
        headers = {k: v.decode() if isinstance(v, bytes) else v
                   for k, v in kept.items() if k.lower() != "content-length"}
        status, kind, _ = self.gateway.post(
            "/Execute", json.dumps({**GOOD, "sql": "select 2"}).encode(),
            headers=headers)
        self.assertEqual((status, kind), (403, "InvalidSignatureException"))
        headers["X-Amz-Date"] = "20150830T123600Z"
        status, kind, _ = self.gateway.post(
            "/Execute", json.dumps(GOOD).encode(), headers=headers)
        self.assertEqual((status, kind), (403, "InvalidSignatureException"))


if __name__ == "__main__":
    gateway.main()
