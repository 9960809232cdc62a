"""Writes the database's files into a C source: python3 embed.py ROOT OUT DEPFILE

The order is the order they run in: numbered files, functions by name, grants.
Folders are in the depfile too, so that a new file makes the build run this.
"""
import pathlib
import sys

root, out, depfile = sys.argv[1:]
schemas = pathlib.Path(root)
sql = schemas / "sql"
files = sorted(sql.glob("[0-9][0-9][0-9]_*.sql"))
files += sorted((sql / "functions").glob("*.sql"))
files += [f for f in [sql / "grants.sql"] if f.exists()]
seed = schemas / "instruments.json"


def array(name, path):
    data = path.read_bytes() + b"\0"
    lines = [
        ",".join(str(b) for b in data[i : i + 24])
        for i in range(0, len(data), 24)
    ]
    return f"static const char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


text = '#include "alexctl/db_files.h"\n\n'
for number, path in enumerate(files):
    text += array(f"file_{number}", path)
text += "const struct db_file db_files[] = {\n"
for number, path in enumerate(files):
    name = path.relative_to(sql).as_posix()
    text += f'    {{"{name}", file_{number}, sizeof(file_{number}) - 1}},\n'
text += "};\nconst size_t db_file_count = sizeof(db_files) / sizeof(db_files[0]);\n"
text += array("seed", seed)
text += "const char *const db_seed = seed;\n"
text += "const size_t db_seed_size = sizeof(seed) - 1;\n"
pathlib.Path(out).write_text(text)
needs = [*files, seed, sql, sql / "functions"]
pathlib.Path(depfile).write_text(
    f"{out}: " + " ".join(str(f).replace(" ", "\\ ") for f in needs) + "\n"
)
