"""The bench's session: the machine is measured first, the results are written down last."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# Read when a library is loaded: they would choose slower kernels, or fewer threads.
_DISTURBING = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ETAFLOW_NUM_THREADS")
_SET = [name for name in _DISTURBING if os.environ.pop(name, None) is not None]
if _SET and "numpy" in sys.modules:
    raise pytest.UsageError(
        f"a plugin of pytest loaded NumPy under {', '.join(_SET)}: unset them before (env -u NAME …)"
    )
sys.path.insert(0, str(Path(__file__).parent))
# isort: split

from kit import machine, report  # noqa: E402
from kit.race import Absent, Contender, Result, run_race  # noqa: E402
from kit.works import WORKS  # noqa: E402

collect_ignore = ["kit", "peers"]  # no tests there, and the peers may not be installed

_PEAK = pytest.StashKey[machine.Peak]()
_RESULTS = pytest.StashKey[dict[str, Result]]()
_ENTRIES = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --results."""
    default = Path(__file__).parent / "results"
    parser.addoption("--results", type=Path, default=default, help="the folder for JSON and table (bench/results)")


@pytest.fixture(scope="session")
def peak() -> machine.Peak:
    """Measure the peak before the races; it is measured again after them, and the better number counts."""
    return machine.measure_peak()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the peers warn."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture
def race(benchmark: Any, peak: machine.Peak, request: pytest.FixtureRequest) -> Callable[..., Result]:
    """Return the function that runs a race for a key of WORKS and notes its end."""

    def run(key: str, ours: Contender, peers: list[Contender | Absent], flops: float | None = None) -> Result:
        work = WORKS[key]
        benchmark.group = work.group
        result = run_race(work, benchmark, ours, peers, flops)
        benchmark.extra_info.update(goal=work.goal, unit=work.unit, reached=work.score(result.ours.best))
        request.config.stash.setdefault(_RESULTS, {})[key] = result
        request.config.stash[_PEAK] = peak
        return result

    return run


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results."""
    stash = session.config.stash
    if _RESULTS not in stash:
        return
    best = stash[_PEAK].or_better(machine.measure_peak())
    entries = [report.record(key, result, best) for key, result in stash[_RESULTS].items()]
    report.write(session.config.getoption("--results"), entries, machine.describe(best))
    stash[_ENTRIES] = entries


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the results."""
    if _ENTRIES not in config.stash:
        return
    terminalreporter.section("etaflow and its peers")
    for entry in config.stash[_ENTRIES]:
        for line in report.lines(entry):
            terminalreporter.line(line)
    terminalreporter.line(f"written to {config.getoption('--results')}")
