"""size.py ROOT: functions and files that no longer fit a head.

Functions of at most 60 lines, C files of at most 500, SQL files of at most
600.  Exit 1 lists what is longer.
"""

import pathlib
import sys

import sources

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = {".c": 500, ".h": 500, ".sql": 600}


def functions(lines):
    """(first line, size) of every body: the formatter puts a function's
    braces, and no others, alone at the start of a line."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.rstrip() == "}" and start is not None:
            yield start, number - start + 1
            start = None


def problems(root):
    for path in sources.files(root, *FILE_LINES_MAX):
        limit = FILE_LINES_MAX[path.suffix]
        whole = pathlib.Path(root, path)
        count = len(whole.read_text(encoding="utf-8").splitlines())
        if count > limit:
            yield f"{path}: {count} lines, limit {limit}"
        if path.suffix == ".sql":
            continue
        for start, size in functions(sources.code_lines(whole)):
            if size > FUNCTION_LINES_MAX:
                yield (f"{path}:{start}: function of {size} lines,"
                       f" limit {FUNCTION_LINES_MAX}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sources.report(list(problems(sys.argv[1])))
