"""layers.py ROOT: who may include and call what.

A layer includes only what is below it; a library of somebody else is seen by
one folder; a few calls belong to a few files.  Exit 1 lists the offenders.
"""

import pathlib
import re
import sys

import sources

# Folder of common/ -> folders of common/ it may include, besides itself.
BELOW = {
    "base": [],
    "http": ["base"],
    "aws": ["base", "http"],
    "store": ["base", "http", "aws"],
    "queue": ["base", "http", "aws"],
    "llm": ["base", "http", "aws"],
    "portfolio": ["base"],
    "runtime": ["base", "http", "store", "queue", "llm", "portfolio"],
}
# A worker sees a handler's world and nothing of the supervisor's.
WORKER_FOLDERS = ["base", "portfolio"]
WORKER_HEADERS = ["runtime/worker.h"]

# Start of a system header -> the only folders that may include it.
OWNERS = {
    "curl/": ["common/http"],
    "microhttpd": ["common/http", "common/runtime"],
    "hiredis": ["common/queue"],
    "librdkafka/": ["common/queue"],
    "libpq": ["common/store", "tools/rds-data-local"],
    "openssl/": ["common/base", "common/aws", "common/queue",
                 "tools/rds-data-local"],
}

# Pattern in code -> what to do instead, and the files it is allowed in.
CALLS = [
    (r"\bgoto\b", "use _cleanup (base/cleanup.h)", []),
    (r"\b(secure_)?getenv\s*\(", "use a conf_row, or conf_env()",
     ["common/base/conf.c", "common/base/log.c"]),
    (r"\btypedef\s+(struct|union|enum)\b", "write the struct's name", []),
    (r"\bv?sprintf\s*\(", "unbounded: use snprintf() or buf_printf()",
     []),
    (r"\b(system|popen)\s*\(", "no shells", []),
]

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def may_include(path, header):
    """'path' includes "header" in quotes."""
    area, folder = path.parts[0], path.parts[1]
    target = header.split("/")[0]
    if target == folder or "/" not in header:
        return True
    if area == "common":
        return target in BELOW.get(folder, [])
    if area == "workers":
        return target in WORKER_FOLDERS or header in WORKER_HEADERS
    return area == "tools" and target in BELOW


def check_includes(root, path):
    text = pathlib.Path(root, path).read_text(encoding="utf-8")
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, header = match.groups()
        if kind == '"' and not may_include(path, header):
            yield f"{path}:{number}: may not include {header}"
        for start, owners in OWNERS.items():
            if (kind == "<" and header.startswith(start)
                    and "/".join(path.parts[:2]) not in owners):
                yield (f"{path}:{number}: only {', '.join(owners)} may include"
                       f" <{header}>")


def check_calls(root, path):
    lines = sources.code_lines(pathlib.Path(root, path))
    for pattern, advice, allowed in CALLS:
        if path.as_posix() in allowed:
            continue
        for number, line in enumerate(lines, 1):
            match = re.search(pattern, line)
            if match:
                yield f"{path}:{number}: '{match.group().strip()}': {advice}"


def problems(root):
    for path in sources.files(root, ".c", ".h"):
        if path.parts[0] == "tests":
            continue
        yield from check_includes(root, path)
        yield from check_calls(root, path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sources.report(list(problems(sys.argv[1])))
