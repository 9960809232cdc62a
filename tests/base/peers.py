"""Checks common/base against Python's own json, uuid, hashlib and jsonschema.

    peers.py PEER NAME      PEER is the program made of peer.c; NAME is one of
                            check, canonical, uuid, schema

Questions are random but the same in every run.  Exit 77 means skipped.
"""

import hashlib
import json
import math
import random
import subprocess
import sys
import uuid

SKIP = 77
rng = random.Random(20260101)


def ask(peer, questions):
    """The peer's answers, one line a question."""
    text = "".join(json.dumps(q) + "\n" for q in questions)
    run = subprocess.run(
        [peer], input=text.encode(), capture_output=True, timeout=60)
    if run.returncode != 0:
        sys.exit(f"peer failed: {run.stderr.decode()[:500]}")
    answers = run.stdout.decode().splitlines()
    assert len(answers) == len(questions)
    return answers


def compare(peer, questions, wants):
    wrong = [
        (q, want, got)
        for q, want, got in zip(questions, wants, ask(peer, questions))
        if got != want
    ]
    for question, want, got in wrong[:5]:
        print(f"{json.dumps(question)[:2000]}\n  want {want}\n  got  {got}")
    print(f"{len(questions)} questions, {len(wrong)} answers differ")
    return 1 if wrong else 0


# Random values ------------------------------------------------------------

KEYS = ["a", "b", "c", "name", "", "\u00e9", "\U0001f4b0"]
WORDS = ["", "a", "ab", "abc", "vti", "VTI", "\u20ac\u20ac", "x\n\"\\/",
         "\U0001f4b0\U0001f4b0\U0001f4b0"]
NUMBERS = [0, 1, 2, 3, -1, 5, 1.0, 2.5, -0.5, 100, 1e-7, 1e20, 0.1, -0.0,
           2**53 + 1, -(2**63), 1 / 3]


def value(depth=3):
    kind = rng.randrange(8 if depth else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind in (1, 2, 3):
        return rng.choice(NUMBERS)
    if kind in (4, 5):
        return rng.choice(WORDS)
    if kind == 6:
        return [value(depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): value(depth - 1) for _ in range(rng.randrange(4))}


# check --------------------------------------------------------------------

MUTANTS = [b"\x00", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\\u0000",
           b"\\ud800", b"\\ud83d\\udcb0", b"\\udc00", b"\\x", b"\n", b",", b"]",
           b"}", b"[", b"{", b'"', b"0", b"1e1000", b"1e1001", b"1e-400000",
           b"-", b".", b"e", b"nul", b"NaN", b"Infinity", b" ", b"/", b"'",
           b"1" * 1001, b"[" * 49, b"\xef\xbb\xbf", b"\xf4\x90\x80\x80",
           b"\x7f", b"\x1f"]


def number(text):
    mantissa, _, exponent = text.lower().partition("e")
    digits = exponent.lstrip("+-")
    if exponent and (len(digits) > 4 or int(digits) > 1000):
        raise ValueError("exponent")
    if sum(c.isdigit() for c in mantissa) > 1000:
        raise ValueError("digits")
    return 0


def constant(text):
    raise ValueError(text)


def walk(v, depth):
    """Rejects what Python's reader accepts and the database does not."""
    if isinstance(v, (list, tuple)) and depth == 48:
        raise ValueError("depth")
    if isinstance(v, str):
        if any(c == "\0" or 0xD800 <= ord(c) <= 0xDFFF for c in v):
            raise ValueError("character")
    elif isinstance(v, list):
        for item in v:
            walk(item, depth + 1)
    elif isinstance(v, tuple):
        for key, item in v:
            walk(key, depth)
            walk(item, depth + 1)


def is_json(data):
    try:
        walk(json.loads(data.decode("utf-8", "strict"), parse_int=number,
                        parse_float=number, parse_constant=constant,
                        object_pairs_hook=tuple), 0)
        return True
    except (ValueError, RecursionError):
        return False


def mutated():
    text = json.dumps(value(), ensure_ascii=rng.random() < 0.5,
                      indent=rng.choice([None, 1]))
    data = text.encode()
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(data) + 1)
        cut = rng.choice([0, 0, 1, 3])
        data = data[:at] + rng.choice(MUTANTS) + data[at + cut:]
    return data


def test_check(peer):
    documents = [mutated() for _ in range(20000)]
    verdicts = [is_json(d) for d in documents]
    assert 4000 < sum(verdicts) < 16000, sum(verdicts)
    answers = ask(peer, [{"op": "check", "bytes": d.hex()} for d in documents])
    wrong = [(d, want, got) for d, want, got
             in zip(documents, verdicts, answers) if want != (got == "ok")]
    for document, want, got in wrong[:5]:
        print(f"{document!r}\n  Python accepts: {want}\n  got {got}")
    print(f"{len(documents)} documents, {len(wrong)} verdicts differ")
    return 1 if wrong else 0


# canonical ----------------------------------------------------------------

def normal(v):
    """Equal numbers as equal text, in the order of UTF-8 bytes."""
    if isinstance(v, float) and v == math.trunc(v) and abs(v) <= 2**53:
        return int(v)
    if isinstance(v, list):
        return [normal(i) for i in v]
    if isinstance(v, dict):
        return {k: normal(v[k]) for k in sorted(v, key=str.encode)}
    return v


def test_canonical(peer):
    """Same bytes as Python's writer, up to the spelling of fractions."""
    values = [value(4) for _ in range(5000)]
    answers = ask(peer, [{"op": "canonical", "value": v} for v in values])
    for v, got in zip(values, answers):
        want = normal(v)
        text = json.dumps(want, ensure_ascii=False, separators=(",", ":"))
        again = json.dumps(json.loads(got), ensure_ascii=False,
                           separators=(",", ":"))
        if again != text or " " in got:
            print(f"value {v!r}\n  want {text}\n  got  {got}")
            return 1
    print(f"{len(values)} values agree")
    return 0


# uuid ---------------------------------------------------------------------

def test_uuid(peer):
    names = [rng.randbytes(rng.randrange(200)) for _ in range(500)]
    spaces = [uuid.UUID(bytes=rng.randbytes(16)) for _ in names]
    wants = []
    for space, name in zip(spaces, names):
        digest = hashlib.sha1(space.bytes + name).digest()
        wants.append(f"{uuid.UUID(bytes=digest[:16], version=5)} "
                     f"{hashlib.sha256(name).hexdigest()}")
    return compare(peer, [
        {"op": "uuid", "namespace": str(s), "bytes": n.hex()}
        for s, n in zip(spaces, names)], wants)


# schema -------------------------------------------------------------------

TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"]
PATTERNS = ["^a", "b", "^[A-Z]{1,3}$", "^(a|ab)$", "[0-9]"]


def schema(depth=3):
    if rng.random() < 0.05:
        return rng.random() < 0.7
    makers = {
        "type": lambda: rng.choice(
            [rng.choice(TYPES), rng.sample(TYPES, rng.randrange(1, 4))]),
        "enum": lambda: [value(1) for _ in range(rng.randrange(1, 6))],
        "const": lambda: value(1),
        "minimum": lambda: rng.choice([-1, 0, 1, 2.5]),
        "maximum": lambda: rng.choice([0, 1, 2.5, 50]),
        "minLength": lambda: rng.randrange(3),
        "maxLength": lambda: rng.randrange(4),
        "minItems": lambda: rng.randrange(2),
        "maxItems": lambda: rng.randrange(4),
        "minProperties": lambda: rng.randrange(2),
        "maxProperties": lambda: rng.randrange(4),
        "pattern": lambda: rng.choice(PATTERNS),
        "required": lambda: rng.sample(KEYS, rng.randrange(1, 3)),
        "propertyNames": lambda: {"enum": rng.sample(KEYS, 4)},
        "$ref": lambda: "#/$defs/" + rng.choice(["one", "two"]),
        "title": lambda: "t",
    }
    if depth:
        makers |= {
            "properties": lambda: {
                k: schema(depth - 1) for k in rng.sample(KEYS, 3)},
            "additionalProperties": lambda: schema(depth - 1),
            "items": lambda: schema(depth - 1),
            "anyOf": lambda: [
                schema(depth - 1) for _ in range(rng.randrange(1, 4))],
        }
    names = rng.sample(sorted(makers), rng.randrange(1, 4))
    return {name: makers[name]() for name in names}


def whole_schema():
    top = schema()
    while not isinstance(top, dict):
        top = schema()
    top["$defs"] = {"one": {"type": rng.choice(TYPES)},
                    "two": {"maxLength": 2, "maximum": 2, "maxItems": 2}}
    return top


def test_schema(peer):
    try:
        import jsonschema
    except ImportError:
        print("SKIP: the Python package 'jsonschema' is not installed")
        return SKIP
    schemas = [whole_schema() for _ in range(2500)]
    questions, verdicts = [], []
    for s in schemas:
        validator = jsonschema.Draft202012Validator(s)
        for _ in range(4):
            v = value()
            questions.append({"op": "validate", "schema": s, "value": v})
            verdicts.append(validator.is_valid(v))
    assert 2000 < sum(verdicts) < 8000, sum(verdicts)
    wrong = []
    for q, want, got in zip(questions, verdicts, ask(peer, questions)):
        if want != (got == "ok") or got.startswith("fatal"):
            wrong.append((q, want, got))
    for question, want, got in wrong[:5]:
        print(f"{json.dumps(question)}\n  jsonschema: {want}\n  got {got}")
    print(f"{len(questions)} values, {len(wrong)} verdicts differ")
    return 1 if wrong else 0


TESTS = {"check": test_check, "canonical": test_canonical, "uuid": test_uuid,
         "schema": test_schema}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in TESTS:
        sys.exit(__doc__)
    sys.exit(TESTS[sys.argv[2]](sys.argv[1]))
