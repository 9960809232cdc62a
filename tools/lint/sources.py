"""What the lints share: the project's files, and C without its comments."""

import pathlib
import re
import sys

FOLDERS = ["common", "workers", "tools", "tests", "schemas"]

_NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def files(root, *suffixes):
    """Paths below the project's folders, relative to 'root', sorted."""
    for folder in FOLDERS:
        for path in sorted(pathlib.Path(root, folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root)


def code_lines(path):
    """The lines of a C file with comments and literals blanked."""
    text = path.read_text(encoding="utf-8")
    return _NOT_CODE.sub(
        lambda m: " " + "\n" * m.group().count("\n"), text).split("\n")


def report(problems):
    """Prints them and ends the program: 1 if there are any."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)
