"""selftest.py: each lint finds what it is for, and nothing in good code."""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
SKIP = 77
GOOD = "int\nmain(void)\n{\n    return 0;\n}\n"
LONG = "int\nmain(void)\n{\n" + "    ;\n" * 59 + "}\n"

# Lint, file, its text, what the report must contain ("" means no problem).
CASES = [
    ("layers", "common/base/a.c", '#include "base/b.h"\n' + GOOD, ""),
    ("layers", "common/base/a.c", '#include "http/client.h"\n',
     "a.c:1: may not include http/client.h"),
    ("layers", "common/store/a.c", '#include "queue/queue.h"\n',
     "may not include queue/queue.h"),
    ("layers", "common/runtime/a.c", '#include "aws/sigv4.h"\n',
     "may not include aws/sigv4.h"),
    ("layers", "common/runtime/a.c", '#include "tagger/tagger.h"\n',
     "may not include tagger/tagger.h"),
    ("layers", "workers/tagger/a.c",
     '#include "base/err.h"\n#include "portfolio/snapshot.h"\n'
     '#include "runtime/worker.h"\n#include "tagger/rules.h"\n', ""),
    ("layers", "workers/tagger/a.c", '#  include "runtime/handlers.h"\n',
     "may not include runtime/handlers.h"),
    ("layers", "workers/tagger/a.c", '#include "planner/plan.h"\n',
     "may not include planner/plan.h"),
    ("layers", "workers/tagger/a.c", '#include "store/store.h"\n',
     "may not include store/store.h"),
    ("layers", "tools/alexctl/a.c", '#include "store/store.h"\n', ""),
    ("layers", "tools/alexctl/a.c", "#include <libpq-fe.h>\n",
     "only common/store, tools/rds-data-local may include <libpq-fe.h>"),
    ("layers", "common/store/a.c", "#include <libpq-fe.h>\n", ""),
    ("layers", "common/queue/a.c", "#include <curl/curl.h>\n",
     "only common/http may include <curl/curl.h>"),
    ("layers", "workers/tagger/a.c", "#include <hiredis/hiredis.h>\n",
     "only common/queue may include"),
    ("layers", "common/base/conf.c", 'x = getenv("A");\n', ""),
    ("layers", "common/base/a.c", 'x = getenv("A");\n', "a.c:1: 'getenv('"),
    ("layers", "common/base/a.c", "/* goto\n getenv() */ \"goto\"; //goto\n", ""),
    ("layers", "common/base/a.c", "/*\n*/ goto out;\n", "a.c:2: 'goto'"),
    ("layers", "common/base/a.h", "typedef struct a a;\n", "'typedef struct'"),
    ("layers", "tools/x/a.c", "sprintf (a, b);\n", "unbounded"),
    ("size", "common/base/a.c", GOOD, ""),
    ("size", "common/base/a.c", LONG.replace("    ;\n", "", 1), ""),
    ("size", "common/base/a.c", LONG, "a.c:3: function of 61 lines, limit 60"),
    ("size", "tests/base/a.c", LONG, "function of 61 lines"),
    ("size", "common/base/a.h", "\n" * 500, ""),
    ("size", "common/base/a.h", "\n" * 501, "a.h: 501 lines, limit 500"),
    ("size", "schemas/sql/a.sql", "\n" * 600, ""),
    ("size", "schemas/sql/a.sql", "\n" * 601, "a.sql: 601 lines, limit 600"),
    ("format", "common/base/a.c", GOOD, ""),
    ("format", "common/base/a.c", "int main(void) { return 0; }\n", "a.c:1: "),
    ("format", "common/base/a.h", "int  a;\n", "a.h:1: "),
]


def run(lint, name, text):
    """Exit code and output of the lint on a tree of that one file."""
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True)
        path.write_text(text)
        style = HERE.parent.parent / ".clang-format"
        pathlib.Path(root, ".clang-format").write_text(style.read_text())
        done = subprocess.run([sys.executable, HERE / f"{lint}.py", root],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


def main():
    failures = 0
    for lint, name, text, want in CASES:
        code, output = run(lint, name, text)
        if code == SKIP:
            print(f"SKIP: {lint}: {output.strip()}")
        elif code != (1 if want else 0) or want not in output:
            failures += 1
            print(f"{lint} on {name}: exit {code}, wanted {want!r}\n{output}")
    print(f"{len(CASES)} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
