#!/usr/bin/env python3
"""Tests of the SQL engine, against a real PostgreSQL.

Usage: tests/sql/run.sh [--schema DIR] [--list] [NAME ...]

Makes a database of its own on the server of ALEX_TEST_POSTGRES (a superuser;
tools/servers env prints one), runs every test whose name contains one of the
NAMEs, and drops it again.  Prints TAP.

  --schema DIR  the schema to test (default: schemas/sql)
  --list        only list the tests

Exit codes: 0 all passed; 1 some failed; 64 usage; 77 no server to test with.
"""
import argparse
import os
import sys
import traceback
from pathlib import Path

import fleet
import test_contract
import test_life
import test_migrate
import test_operate
import test_parallel
import test_portfolio
import test_settle

TOP = Path(__file__).resolve().parents[2]
MODULES = [test_life, test_settle, test_parallel, test_contract, test_operate,
           test_portfolio, test_migrate]


def tests(names):
    found = [test for module in MODULES
             for name, test in vars(module).items() if name.startswith("test_")]
    return [t for t in found
            if not names or any(name in t.__name__ for name in names)]


def run(test, database):
    """None, or why the test failed."""
    f = fleet.Fleet(database)
    try:
        f.reset()
        test(f)
    except Exception:
        return traceback.format_exc()
    finally:
        f.close()
    return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--schema", type=Path, default=TOP / "schemas/sql")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = tests(options.names)
    if options.list:
        print("\n".join(t.__name__ for t in chosen))
        return 0
    if not chosen:
        print(f"no test is called {' or '.join(options.names)}",
              file=sys.stderr)
        return 64
    server = os.environ.get("ALEX_TEST_POSTGRES")
    if not server:
        print("1..0 # SKIP ALEX_TEST_POSTGRES is not set: tools/servers start")
        return 77
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    with fleet.Database(server, options.schema) as database:
        for number, test in enumerate(chosen, 1):
            why = run(test, database)
            failed += why is not None
            print(f"{'not ' if why else ''}ok {number} - {test.__name__}",
                  flush=True)
            for line in (why or "").splitlines():
                print(f"# {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
