#!/usr/bin/env bash
# Tests of the SQL engine: see run.py --help.  Needs ALEX_TEST_POSTGRES, a
# superuser of a private server (tools/servers env); without it, exit 77.
exec python3 "$(dirname "$0")/run.py" "$@"
