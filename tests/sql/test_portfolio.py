"""Imports of a user's accounts, and the seed of instruments."""
import json
from pathlib import Path

from fleet import USER, equal, fails

SEED = Path(__file__).resolve().parents[2] / "schemas/instruments.json"
MAPS = ("allocation_asset_class", "allocation_regions", "allocation_sectors")


def account(key, name="Brokerage", positions=(("SPY", "1.5"),), **more):
    return {"key": key, "name": name, "cash_balance": "10.25",
            "positions": [{"symbol": s, "quantity": q} for s, q in positions],
            **more}


def instrument(symbol, **more):
    return {"symbol": symbol, "name": f"{symbol} Fund",
            "instrument_type": "etf", **more}


def load(f, accounts=(), instruments=(), **user):
    rows = f.call("portfolio", user={"clerk_user_id": USER, **user},
                  accounts=list(accounts), instruments=list(instruments))
    return rows[0][0]


def positions(f):
    return f.sql("select a.import_key, p.symbol, p.quantity from positions p "
                 "join accounts a on a.id = p.account_id order by 1, 2")


def test_import_twice_is_the_same_as_once(f):
    both = [account("k1"), account("k2", positions=[("SPY", "2")])]
    for created in (1, 0):
        report = load(f, both, [instrument("SPY", price="450.2500",
                                           price_source="fidelity",
                                           price_as_of="2026-11-20")])
        equal((report["accounts"], report["positions"],
               report["instruments_created"]), (2, 2, created))
        equal(positions(f), [["k1", "SPY", "1.50000000"],
                             ["k2", "SPY", "2.00000000"]])
    equal(f.sql("select account_name, cash_balance, count(*) from accounts "
                "group by 1, 2"), [["Brokerage", "10.25", "2"]])


def test_import_replaces_the_positions_of_its_accounts_only(f):
    spies = [instrument("SPY"), instrument("BND")]
    load(f, [account("k1"), account("k2")], spies)
    load(f, [account("k1", name="Renamed", positions=[("BND", "7")])])
    equal(positions(f), [["k1", "BND", "7.00000000"],
                         ["k2", "SPY", "1.50000000"]])
    equal(f.value("select account_name from accounts "
                  "where import_key = 'k1'"), "Renamed")


def test_same_key_of_another_user_is_another_account(f):
    load(f, [account("k1")], [instrument("SPY")])
    f.call("portfolio", user={"clerk_user_id": "user_2"},
           accounts=[account("k1", name="Mine")])
    equal(f.sql("select clerk_user_id, account_name from accounts order by 1"),
          [[USER, "Brokerage"], ["user_2", "Mine"]])


def test_new_instrument_has_no_allocation_and_the_price_of_the_export(f):
    load(f, [], [instrument("NEW", price="3.5", price_source="schwab",
                            price_as_of="2026-11-20T21:00:00Z"),
                 instrument("BARE")])
    equal(f.sql(f"select symbol, {', '.join(MAPS)}, current_price, "
                "price_source from instruments order by 1"),
          [["BARE", "{}", "{}", "{}", "", ""],
           ["NEW", "{}", "{}", "{}", "3.5000", "schwab"]])


def test_price_of_a_known_instrument_changes_only_for_a_newer_one(f):
    def price(amount, as_of):
        load(f, [], [instrument("SPY", price=amount, price_source="x",
                                price_as_of=as_of)])
        return f.value("select current_price from instruments")

    f.sql("insert into instruments (symbol, name) values ('SPY', 'kept')")
    equal(price("1", "2026-11-02"), "1.0000")
    equal(price("2", "2026-11-01"), "1.0000")
    equal(price("3", "2026-11-03"), "3.0000")
    equal(price("4", None), "3.0000")
    equal(f.value("select name from instruments"), "kept")


def test_import_that_fails_changes_nothing(f):
    load(f, [account("k1")], [instrument("SPY")])
    fails("23503", load, f, [account("k1", name="Half"),
                             account("k2", positions=[("GONE", "1")])])
    fails("23505", load, f, [account("k1", positions=[("SPY", "1"),
                                                      ("SPY", "2")])])
    equal(positions(f), [["k1", "SPY", "1.50000000"]])
    equal(f.value("select account_name from accounts"), "Brokerage")
    text = fails("FL002", load, f, [account("k1", positions=[("SPY", "-1")])])
    equal(text, "fleet.portfolio: accounts[0].positions[0].quantity must be "
                "decimal text from 0 to 999999999999")


def test_import_creates_its_user_and_keeps_what_it_does_not_say(f):
    f.sql("delete from users")
    equal(load(f, display_name="Ada",
               years_until_retirement=20)["user_created"], True)
    equal(load(f, target_retirement_income="90000",
               asset_class_targets={"equity": 100})["user_created"], False)
    equal(f.sql("select display_name, years_until_retirement, "
                "target_retirement_income, asset_class_targets, "
                "region_targets->>'international' from users"),
          [["Ada", "20", "90000.00", '{"equity": 100}', "50"]])


def test_accounts_of_an_import_keep_its_order_in_the_snapshot(f):
    load(f, [account("z", "First", []), account("a", "Second", [])])
    run = f.claim_one(f.submit(snapshot=True)["ring"][0])
    equal([a["name"] for a in json.loads(run.body)["snapshot"]["accounts"]],
          ["First", "Second"])


def test_seed_loads_22_instruments_that_each_add_up(f):
    file = json.loads(SEED.read_text())
    equal(f.call("seed", instruments=file["instruments"])[0][0],
          {"instruments": 22})
    equal(f.value("select count(*) from instruments"), "22")
    for column in MAPS:
        equal(f.sql("select distinct (select sum(value::numeric) from "
                    f"jsonb_each_text({column})) from instruments"),
              [["100"]])
    equal(f.sql("select current_price, price_source, allocation_source, "
                "allocation_regions from instruments where symbol = 'VEA'"),
          [["48.3000", "seed", "seed",
            '{"asia": 35, "europe": 60, "oceania": 5}']])


def test_seeding_again_leaves_what_others_wrote(f):
    file = json.loads(SEED.read_text())
    f.sql("insert into instruments (symbol, name, current_price, "
          "allocation_regions, allocation_sectors, allocation_asset_class) "
          "values ('QQQ', 'mine', 1, '{\"asia\": 100}', '{\"other\": 100}', "
          "'{\"equity\": 100}'), ('IWM', 'bare', null, '{}', '{}', '{}')")
    f.call("seed", instruments=file["instruments"])
    f.sql("update instruments set current_price = 2, price_source = 'file' "
          "where symbol = 'SPY'")
    f.call("seed", instruments=file["instruments"])
    equal(f.sql("select symbol, name, current_price, allocation_source "
                "from instruments where symbol in ('IWM', 'QQQ', 'SPY') "
                "order by 1"),
          [["IWM", "iShares Russell 2000 ETF", "205.7500", "seed"],
           ["QQQ", "mine", "1.0000", ""],
           ["SPY", "SPDR S&P 500 ETF Trust", "2.0000", "seed"]])
