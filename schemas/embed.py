#!/usr/bin/env python3
"""Turns a file into C: schemas/json/bell.json becomes embed_bell, a
NUL-terminated array of its bytes.  Use: embed.py INPUT OUTPUT"""
import pathlib
import re
import sys

source, target = map(pathlib.Path, sys.argv[1:])
symbol = "embed_" + re.sub(r"\W", "_", source.stem)
signed = [b - 256 if b > 127 else b for b in source.read_bytes() + b"\0"]
lines = [
    ",".join(map(str, signed[i : i + 20])) for i in range(0, len(signed), 20)
]
target.write_text(
    f"extern const char {symbol}[];\n"
    f"const char {symbol}[] = {{\n" + ",\n".join(lines) + "};\n"
)
