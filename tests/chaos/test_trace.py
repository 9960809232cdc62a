"""test_trace.py BUILD true|false: crash points are in every program of a build
with -Dfaults=true, and no trace of them in any other."""
import sys
from pathlib import Path

build, wanted = Path(sys.argv[1]), sys.argv[2] == "true"
programs = [build / "tools/alexctl/alexctl",
            *(p for p in build.glob("workers/alex-*") if p.is_file())]
wrong = [str(p) for p in programs
         if (b"ALEX_FAULTS" in p.read_bytes()) is not wanted]
for path in wrong:
    print(path, "has no crash points" if wanted else "has crash points")
sys.exit(bool(wrong) or len(programs) < 2)
