#!/usr/bin/env bash
# Brings a database to the newest schema with psql, as 'alexctl db migrate' does.
# Usage: tests/sql/apply.sh CONNINFO [SCHEMA_DIR]
set -euo pipefail
sql=${2:-$(dirname "$0")/../../schemas/sql}
files=()
for file in "$sql"/[0-9][0-9][0-9]_*.sql "$sql"/functions/*.sql "$sql/grants.sql"
do
    files+=(-f "$file")
done
PGOPTIONS='-c client_min_messages=warning' \
    psql -qX -v ON_ERROR_STOP=1 -1 "${files[@]}" "$1"
