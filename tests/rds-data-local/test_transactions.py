"""Transactions and sessions: what lives how long, and whose it is."""
import threading
import time

import gateway
from gateway import value


class Transactions(gateway.GatewayCase):
    env = {"RDS_DATA_LOCAL_TRANSACTION_IDLE": "2s"}

    def setUp(self):
        self.run_sql("create table if not exists kept (n int primary key)")
        self.run_sql("truncate kept")

    def count(self):
        return self.one("select count(*) from kept")["longValue"]

    def end(self, how, transaction):
        return getattr(self.client, how)(transactionId=transaction,
                                         **self.where)["transactionStatus"]

    def test_commit_keeps_and_rollback_drops(self):
        transaction = self.begin()
        self.run_sql("insert into kept values (1)", transactionId=transaction)
        self.assertEqual(self.count(), 0)
        self.assertEqual(self.end("commit_transaction", transaction),
                         "Transaction Committed")
        self.assertEqual(self.count(), 1)
        transaction = self.begin()
        self.run_sql("insert into kept values (2)", transactionId=transaction)
        self.assertEqual(self.end("rollback_transaction", transaction),
                         "Rollback Complete")
        self.assertEqual(self.count(), 1)

    def test_transaction_that_ended_is_not_found(self):
        transaction = self.begin()
        self.end("commit_transaction", transaction)
        for how in ("commit_transaction", "rollback_transaction"):
            self.fails("TransactionNotFoundException", self.end, how,
                       transaction, status=404)
        self.fails("TransactionNotFoundException", self.run_sql, "select 1",
                   transactionId="never-was")

    def test_error_ends_the_transaction(self):
        transaction = self.begin()
        self.run_sql("insert into kept values (1)", transactionId=transaction)
        self.fails("DatabaseErrorException", self.run_sql, "select 1/0",
                   transactionId=transaction, text="SQLState: 22012")
        self.fails("TransactionNotFoundException", self.run_sql, "select 1",
                   transactionId=transaction,
                   text="aborted due to an error from a previous call")
        self.assertEqual(self.count(), 0)

    def test_idle_transaction_expires_and_frees_its_locks(self):
        transaction = self.begin()
        self.run_sql("insert into kept values (1)", transactionId=transaction)
        time.sleep(4.5)
        self.fails("TransactionNotFoundException", self.run_sql, "select 1",
                   transactionId=transaction, text="Transaction may be expired")
        self.run_sql("truncate kept")

    def test_call_keeps_a_transaction_alive(self):
        transaction = self.begin()
        for _ in range(4):
            time.sleep(1)
            self.run_sql("select 1", transactionId=transaction)
        self.end("commit_transaction", transaction)

    def test_one_statement_at_a_time(self):
        transaction = self.begin()
        slow = threading.Thread(target=self.run_sql,
                                args=("select pg_sleep(2)::text",),
                                kwargs={"transactionId": transaction})
        slow.start()
        time.sleep(0.7)
        self.fails("DatabaseErrorException", self.run_sql, "select 1",
                   transactionId=transaction, text="still running a query",
                   client=self.gateway.client())
        slow.join()
        self.end("commit_transaction", transaction)

    def test_other_database_is_refused_within_a_transaction(self):
        transaction = self.begin()
        self.fails("BadRequestException", self.run_sql, "select 1",
                   transactionId=transaction, database="postgres")

    def test_serialization_failure_shows_at_the_commit(self):
        def read_then_write():
            transaction = self.begin()
            self.run_sql("set transaction isolation level serializable",
                         transactionId=transaction)
            self.run_sql("select count(*) from kept",
                         transactionId=transaction)
            return transaction

        one, two = read_then_write(), read_then_write()
        self.run_sql("insert into kept values (1)", transactionId=one)
        self.run_sql("insert into kept values (2)", transactionId=two)
        self.end("commit_transaction", one)
        self.fails("DatabaseErrorException", self.end, "commit_transaction",
                   two, text="SQLState: 40001")


class Sessions(gateway.GatewayCase):
    env = {"RDS_DATA_LOCAL_CONNECTIONS": "1"}

    def test_nothing_of_a_session_outlives_its_call(self):
        self.run_sql("set search_path = nowhere")
        self.run_sql("create temp table passing (n int)")
        self.run_sql("prepare p as select 1")
        self.assertEqual(self.one("show search_path"),
                         {"stringValue": '"$user", public'})
        self.fails("DatabaseErrorException", self.run_sql,
                   "select * from passing", text="42P01")
        self.fails("DatabaseErrorException", self.run_sql, "execute p")

    def test_transaction_begun_by_hand_does_not_go_on(self):
        self.run_sql("create table if not exists hand (n int)")
        self.run_sql("begin")
        self.run_sql("insert into hand values (1)")
        self.run_sql("rollback")
        self.assertEqual(self.one("select count(*) from hand"),
                         {"longValue": 1})

    def test_times_are_utc(self):
        self.assertEqual(self.one("show timezone"), {"stringValue": "UTC"})

    def test_call_waits_for_a_connection(self):
        slow = threading.Thread(target=self.run_sql,
                                args=("select pg_sleep(1.5)::text",))
        slow.start()
        time.sleep(0.3)
        self.one("select 1", client=self.gateway.client())
        slow.join()

    def test_wrong_password_missing_secret_and_missing_database_are_told(self):
        where = dict(self.where)
        for secret, code in ((gateway.WRONG, "InvalidSecretException"),
                             (gateway.SECRET + "-unknown",
                              "InvalidSecretException")):
            where["secretArn"] = secret
            self.fails(code, self.client.execute_statement, sql="select 1",
                       database="alex", **where)
        self.fails("DatabaseErrorException", self.run_sql, "select 1",
                   database="nowhere", text="SQLState: 3D000")
        self.one("select 1")

    def test_passwords_are_nowhere_in_the_log(self):
        self.one("select 1")
        self.assertNotIn(self.server.password, self.gateway.log())


if __name__ == "__main__":
    gateway.main()
