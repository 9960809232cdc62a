#!/usr/bin/env python3
"""The schemas by an independent validator: valid 2020-12 documents whose
examples hold.  Arguments: the schema files."""
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("SKIP: the Python package jsonschema is not installed")
    sys.exit(77)

folder = pathlib.Path(sys.argv[1]).parent
left_out = {
    str(path)
    for path in folder.glob("*.json")
    if "examples" in json.loads(path.read_text(encoding="utf-8"))
} - set(sys.argv[1:])
for path in left_out:
    print("FAIL", path, "has no row in tests/schemas/meson.build")
failures = len(left_out)
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for example in schema["examples"]:
            validator.validate(example)
        print("ok", path)
    except (jsonschema.ValidationError, jsonschema.SchemaError) as error:
        print("FAIL", path, error.json_path, error.message)
        failures += 1
sys.exit(failures > 0)
