"""format.py ROOT: every C file is as clang-format writes it.

Versions 14 to 19 (Debian 12 and 13) agree about this project's .clang-format,
as long as nothing is named like a C++ keyword; with any other version, or
none, the lint is skipped (exit 77).  To repair: clang-format -i FILE.
"""

import pathlib
import re
import subprocess
import sys

import sources

VERSIONS = range(14, 20)
SKIP = 77


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(SKIP)


def require_version():
    try:
        run = subprocess.run(["clang-format", "--version"],
                             capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        skip("clang-format is not installed")
    match = re.search(r"version (\d+)", run.stdout)
    if not match or int(match.group(1)) not in VERSIONS:
        skip(f"clang-format 14 to 19 wanted, found {run.stdout.strip()}")


def problems(root):
    paths = [str(p) for p in sources.files(root, ".c", ".h")]
    if not paths:
        return []
    run = subprocess.run(
        ["clang-format", "--dry-run", *paths], cwd=pathlib.Path(root),
        capture_output=True, text=True, timeout=300)
    found = re.findall(r"^(\S+):(\d+):\d+: (?:warning|error):", run.stderr,
                       re.MULTILINE)
    if run.returncode != 0 and not found:
        return [run.stderr.strip()]
    first = {}
    for path, line in found:
        first.setdefault(path, line)
    return [f"{path}:{line}: from here on, not as clang-format writes it"
            for path, line in first.items()]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    require_version()
    sources.report(problems(sys.argv[1]))
