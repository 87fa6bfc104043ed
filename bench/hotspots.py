"""Where the time of a hot loop goes: a table of the functions of the core in which one thread is found.

    python bench/hotspots.py                        the names of the loops
    python bench/hotspots.py gradient chain-step    a table for each
    python bench/hotspots.py gradient --lines 10    and the ten source lines that take longest

Linux's perf looks some ten thousand times a second where the program is, by the CPU's clock, and addr2line says in which
function that is, those inlined included: the kernels are templates within one another, so that perf's own report shows one
name. The loops are those of cpp/tests/counts/hot_loops.cpp, compiled for this CPU (`make dev TESTS=ON`).

Every look counts for the innermost function of cpp/core, but

- single instructions, the functions of SMALL, are part of their caller;
- a lambda is part of the function where it is written, and so is what only carries it out: a function that is given one;
- what functions of one file of WHOLE do for each other is one row, that of the outermost: tanh with its polynomials.

Code of others (Eigen, the C library, the system's kernel) has rows of its own where it is not inlined into ours. A
time is the share of the looks in the best time of a unit (step, gradient, matrix). A look falls on the line that
waits for a result, seldom on the line that computes it: lines say less than functions.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build/dev/cpp/tests/hot_loops_native"
#: Files whose functions are part of whoever calls them.
SMALL = {"simd.hpp"}
#: Files whose functions are part of the first of them that is called.
WHOLE = {
    "activation.hpp",
    "loss.hpp",
    "normal_tail.hpp",
    "philox.hpp",
    "philox_vector.hpp",
    "vector_math.hpp",
    "vector_trigonometry.hpp",
}
#: Rows with a smaller share are added up.
LEAST = 0.005
#: Looks per second: a prime, so as not to march in step with a loop.
FREQUENCY = 9973


class Frame(NamedTuple):
    """A function and the line that is being executed in it, of the file `path`."""

    function: str
    path: str
    line: int

    @property
    def file(self) -> str:
        """Return the name of a file of the core, or nothing for code of others."""
        return Path(self.path).name if "/cpp/core/" in self.path else ""

    @property
    def is_lambda(self) -> bool:
        """Return whether this is a lambda, or a function object."""
        return "operator()" in self.function

    @property
    def is_given_a_lambda(self) -> bool:
        """Return whether the types of the function's arguments name a lambda."""
        return "lambda" in self.function or ("Ul" in self.function and self.function.startswith("_Z"))


class Row(NamedTuple):
    """A function, and the file it is written in."""

    function: str
    file: str


class Look(NamedTuple):
    """Where the program was: an address, and what perf knows of it."""

    address: str
    symbol: str
    module: str


def fail(message: str) -> NoReturn:
    """End with a message."""
    print(message.strip(), file=sys.stderr)
    raise SystemExit(2)


def output_of(*command: str | Path, given: str = "") -> str:
    """Return what a command prints, or end with its complaint."""
    run = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
    if run.returncode != 0:
        fail(run.stderr or f"{command[0]} failed with exit code {run.returncode}")
    return run.stdout


# --- names --------------------------------------------------------------------------------------------------------


def short_name(function: str) -> str:
    """Return a function's name without namespaces, arguments, template arguments, and lambdas within it.

    >>> short_name("void etaflow::(anonymous namespace)::f<3>(int, T*)::{lambda(auto:1)#2}::operator()() const")
    'f'
    """
    if function.startswith("_Z"):  # too deep for the demangler: _ZN7etaflow5sweepI…
        return mangled_name(function)
    text = re.sub(r"\(anonymous namespace\)::|->", "", function).replace("operator()", "operator")
    depth, kept = 0, ""
    for letter in text:
        depth -= letter in ">)}]"
        if depth < 0:  # the first of template arguments, whose end this is
            break
        if depth == 0 and letter not in ">)}]<({[":
            kept += letter
        depth += letter in "<({["
    enclosing = kept.split("::::")[0].removesuffix(" const").removesuffix("::operator").removesuffix("::")
    return (enclosing.split("::")[-1].split() or [function])[-1]


def mangled_name(symbol: str) -> str:
    """Return the name of a mangled function without its namespaces.

    >>> mangled_name("_ZN7etaflow12_GLOBAL__N_15sweepIdEEvi")
    'sweep'
    """
    rest = re.sub("^_ZZ*N?[KVRO]*", "", symbol)
    name = ""
    while length := re.match(r"\d+", rest):
        end = length.end() + int(length[0])
        name, rest = rest[length.end() : end], rest[end:]
    return name or symbol


def row_of(chain: list[Frame]) -> Row:
    """Return the row for which the functions at an address count, which are given from the innermost one."""
    ours = [frame for frame in without_helpers(chain) if frame.file]
    if not ours:
        return row_of_others(chain)
    first = ours[0]
    same = takewhile(lambda frame: frame.file == first.file, ours if first.file in WHOLE else [first])
    return Row(short_name(list(same)[-1].function), first.file)


def without_helpers(chain: list[Frame]) -> Iterator[Frame]:
    """Yield the functions that are not part of their caller."""
    in_lambda = False
    for frame in chain:
        if frame.file in SMALL:
            continue
        if frame.is_lambda:
            in_lambda = True
        elif not (in_lambda and frame.is_given_a_lambda):
            in_lambda = False
            yield frame


def row_of_others(chain: list[Frame]) -> Row:
    """Return the row of code of others, or of a lambda that was not inlined into the function where it is written."""
    outermost = chain[-1]
    for frame in chain:
        if frame.file and frame.file not in SMALL:
            if not frame.function.startswith("operator()"):
                return Row(short_name(frame.function), frame.file)
            if outermost.is_given_a_lambda and not outermost.is_lambda:  # for_each<f(int)::{lambda(int)#1}>(…)
                return Row(short_name(outermost.function.partition("<")[2] or outermost.function), frame.file)
    library = "Eigen" if "/Eigen/" in outermost.path else Path(outermost.path).name
    return Row(short_name(outermost.function), outermost.file or library)


def line_of(chain: list[Frame]) -> tuple[str, int] | None:
    """Return the innermost line of the core outside SMALL, as path and number."""
    return next(((frame.path, frame.line) for frame in chain if frame.file and frame.file not in SMALL), None)


def parse_chains(text: str) -> dict[str, list[Frame]]:
    """Return the functions at every address, from the innermost one, of what `addr2line -a -f -i` printed."""
    chains: dict[str, list[Frame]] = {}
    function = ""
    for line in text.splitlines():
        if re.fullmatch(r"0x[0-9a-f]+", line):
            chains[line.removeprefix("0x").lstrip("0")] = chain = []
        elif not function:
            function = line
        else:
            path, _, number = line.partition(" (discriminator")[0].rpartition(":")
            chain.append(Frame(function, path, int(number) if number.isdecimal() else 0))
            function = ""
    return chains


def parse_looks(text: str) -> Counter[Look]:
    """Count the looks in what `perf script -F ip,sym,dso` printed."""
    found = re.findall(r"^\s*([0-9a-f]+) (.*) \((.*)\)$", text, re.MULTILINE)
    return Counter(Look(*fields) for fields in found)


# --- looking ------------------------------------------------------------------------------------------------------


def look(name: str, seconds: float) -> tuple[float, Counter[Look]]:
    """Run a loop for some seconds; return the nanoseconds of a unit and where the program was."""
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/perf.data"
        record = ["perf", "record", "-q", "-N", "-e", "cpu-clock", "-F", str(FREQUENCY), "-o", data]
        nanoseconds = float(output_of(*record, "--", PROGRAM, name, str(seconds)))
        return nanoseconds, parse_looks(output_of("perf", "script", "-i", data, "-F", "ip,sym,dso"))


def resolve(looks: Counter[Look]) -> dict[str, list[Frame]]:
    """Return the functions at every address of the program."""
    addresses = sorted({look.address for look in looks if look.module == str(PROGRAM)})
    # GNU's addr2line answers for an inlined function that it meets first with the name of the function around it: it is
    # asked everything twice, and the second answer counts.
    asked = "\n".join(addresses * 2) + "\n"
    return parse_chains(output_of("addr2line", "-a", "-f", "-i", "-C", "-e", PROGRAM, given=asked))


def tally(looks: Counter[Look], chains: dict[str, list[Frame]]) -> tuple[Counter[Row], Counter[tuple[str, int]]]:
    """Count the looks by row and by line, without those at the preparation of the work."""
    rows: Counter[Row] = Counter()
    lines: Counter[tuple[str, int]] = Counter()
    for at, count in looks.items():
        chain = chains.get(at.address, [])
        if chain and all(frame.path == "??" for frame in chain):
            chain = []
        if not chain:
            kernel = at.module.startswith("[")
            rows[Row("system" if kernel else at.symbol, at.module if kernel else Path(at.module).name)] += count
        elif not chain[-1].path.endswith("/hot_loops.cpp"):
            rows[row_of(chain)] += count
            line = line_of(chain)
            lines.update({line: count} if line else {})
    return rows, lines


# --- printing -----------------------------------------------------------------------------------------------------


def duration(nanoseconds: float) -> str:
    """Return a time in words.

    >>> duration(12345.6)
    '12.3 µs'
    """
    units = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
    power, unit = next((size, unit) for size, unit in units if nanoseconds >= 0.9995 * size or unit == "ns")
    return f"{nanoseconds / power:#.3g} {unit}".replace(". ", " ")


def table(rows: Counter[Row], nanoseconds: float) -> list[str]:
    """Return the table of the functions."""
    total = rows.total()
    large = [(row, count) for row, count in rows.most_common() if count >= LEAST * total]
    others = total - sum(count for _, count in large)
    large += [(Row("others", ""), others)] if others else []
    return [
        f"{count / total:8.1%} {duration(count / total * nanoseconds):>9}  {row.function:32} {row.file}".rstrip()
        for row, count in large
    ]


def source_lines(lines: Counter[tuple[str, int]], total: int, wanted: int) -> list[str]:
    """Return the hottest lines with their text."""
    result = []
    for (path, number), count in lines.most_common(wanted):
        text = Path(path).read_text(encoding="utf-8").splitlines()[number - 1].strip() if number else ""
        result.append(f"{count / total:8.1%}  {f'{Path(path).name}:{number}':26} {text:.80}".rstrip())
    return result


def main() -> None:
    """Print the names or the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--lines", type=int, default=0, metavar="N", help="also print the N hottest lines")
    parser.add_argument("--seconds", type=float, default=2, help="how long each loop runs (2)")
    options = parser.parse_args()
    if not PROGRAM.exists():
        fail(f"{PROGRAM.relative_to(ROOT)} is not built: make dev TESTS=ON")
    known = output_of(PROGRAM).split()
    for name in options.names:
        if name not in known:
            fail(f"there is no loop {name}: {', '.join(known)}")
    for tool, package in (("perf", "linux-perf or linux-tools"), ("addr2line", "binutils")):
        if options.names and shutil.which(tool) is None:
            fail(f"{tool} is not installed (package {package})")
    if not options.names:
        print("\n".join(known))
    for name in options.names:
        nanoseconds, looks = look(name, options.seconds)
        rows, lines = tally(looks, resolve(looks))
        print(f"{name}: {duration(nanoseconds)} a unit, one thread, {rows.total()} looks")
        print(*table(rows, nanoseconds), *source_lines(lines, rows.total(), options.lines), "", sep="\n", flush=True)


if __name__ == "__main__":
    main()
