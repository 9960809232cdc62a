"""Writes schemas/sql into a C source: python3 embed.py FOLDER OUT DEPFILE

In the order the files run: numbered ones, functions by name, grants.  Folders
are in the depfile too, so that a new file makes the build run this again.
"""
import pathlib
import sys

folder, out, depfile = sys.argv[1:]
sql = pathlib.Path(folder)
files = sorted(sql.glob("[0-9][0-9][0-9]_*.sql"))
files += sorted((sql / "functions").glob("*.sql"))
files += [f for f in [sql / "grants.sql"] if f.exists()]


def array(name, path):
    data = [b - 256 if b > 127 else b for b in path.read_bytes() + b"\0"]
    lines = [
        ",".join(map(str, data[i : i + 20])) for i in range(0, len(data), 20)
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
pathlib.Path(out).write_text(text)
needs = [f for f in [*files, sql, sql / "functions"] if f.exists()]
pathlib.Path(depfile).write_text(
    f"{out}: " + " ".join(str(f).replace(" ", "\\ ") for f in needs) + "\n"
)
