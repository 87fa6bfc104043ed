"""Count the instructions of the hot loops with valgrind's callgrind and compare them with the counts on record.

    counts.py PROGRAM RECORD            fails where a count has grown, says where one has fallen
    counts.py PROGRAM RECORD --accept   writes the counts of today

Counts do not depend on the machine's speed or load, only on source and compiler: with another compiler, or without
valgrind, nothing is compared, and the reason is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

#: A count may grow by this factor.
LIMIT = 1.03
HEADER = """\
# Instructions per step, gradient or matrix of cpp/tests/counts/hot_loops.cpp, one thread, AVX2 build (v3).
# `make test` fails where one grows by more than {limit:.0%}; if that is meant, `make counts` writes this file anew.
"""


def output_of(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def count(program: str, name: str) -> float:
    """Return the instructions per unit of work."""
    with tempfile.TemporaryDirectory() as folder:
        instrument = ["valgrind", "--tool=callgrind", "--toggle-collect=measured"]
        command = [*instrument, f"--callgrind-out-file={folder}/out", program, name]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or collected is None or collected[1] == "0":
        sys.exit(f"callgrind could not count {name}:\n{run.stderr}")
    return int(collected[1]) / int(run.stdout)


def write(record: Path, compiler: str, counts: dict[str, float]) -> None:
    """Write the record."""
    lines = [f'compiler = "{compiler}"', "", "[counts]", *(f"{name} = {counts[name]:.1f}" for name in counts)]
    record.write_text(HEADER.format(limit=LIMIT - 1) + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


def compare(known: dict[str, float], counts: dict[str, float]) -> list[str]:
    """Print every count beside the one on record; return the names of those that have grown."""
    grown = []
    for name, now in counts.items():
        before = known.get(name)
        if before is None:
            print(f"{name:30} {now:14,.1f}  not on record")
            grown.append(name)
            continue
        change = now / before
        word = "GROWN" if change > LIMIT else "fallen: make counts records it" if change * LIMIT < 1 else ""
        print(f"{name:30} {now:14,.1f}  {change - 1:+.1%}  {word}".rstrip())
        if change > LIMIT:
            grown.append(name)
    return grown


def main() -> None:
    """Count and compare, or record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("record", type=Path)
    parser.add_argument("--accept", action="store_true", help="write the counts of today")
    options = parser.parse_args()
    reason = ""
    if not Path(options.program).exists():
        reason = "the AVX2 build is not among those compiled"
    elif shutil.which("valgrind") is None:
        reason = "valgrind is not installed"
    elif "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        reason = "this CPU has no AVX2"
    else:
        compiler = output_of(options.program, "--compiler").strip()
        known = tomllib.loads(options.record.read_text(encoding="utf-8")) if options.record.exists() else {}
        if not options.accept and compiler != known.get("compiler"):
            reason = f"the counts on record are of {known.get('compiler')}, this is {compiler}"
    if reason:
        print(f"instructions are not counted: {reason}")
        sys.exit(options.accept)
    names = output_of(options.program).split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(names, pool.map(lambda name: count(options.program, name), names), strict=True))
    if options.accept:
        write(options.record, compiler, counts)
    grown = compare(known.get("counts", {}), counts)
    if grown and not options.accept:
        sys.exit(f"more instructions than on record: {', '.join(grown)}; if that is meant, `make counts` accepts it")


if __name__ == "__main__":
    main()
