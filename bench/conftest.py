"""The bench's session: the machine is measured first, the results are written down last."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ETAFLOW_NUM_THREADS"):
    os.environ.pop(_name, None)  # read when a library is loaded: they would choose slower kernels, or fewer threads
sys.path.insert(0, str(Path(__file__).parent))
# isort: split

from kit import machine, report  # noqa: E402
from kit.race import Absent, Contender, Result, run_race  # noqa: E402
from kit.works import WORKS  # noqa: E402

collect_ignore = ["kit", "peers"]  # no tests there, and the peers may not be installed

_entries: list[dict[str, Any]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --results."""
    default = Path(__file__).parent / "results"
    parser.addoption("--results", type=Path, default=default, help="the folder for JSON and table (bench/results)")


@cache
def _peak() -> machine.Peak:
    return machine.measure_peak()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the peers warn."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture
def race(benchmark: Any) -> Callable[..., Result]:
    """Return the function that runs a race for a key of WORKS and notes its end."""

    def run(key: str, ours: Contender, peers: list[Contender | Absent], flops: float | None = None) -> Result:
        benchmark.group = WORKS[key].group
        result = run_race(WORKS[key], benchmark, ours, peers, flops)
        entry = report.record(key, result, _peak())
        benchmark.extra_info.update({
            name: entry[name] for name in ("goal", "goal_score", "gflops", "part_of_fma_peak")
        })
        _entries.append(entry)
        return result

    return run


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results."""
    if _entries:
        report.write(session.config.getoption("--results"), _entries, machine.describe(_peak()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the results."""
    if not _entries:
        return
    terminalreporter.section("etaflow and its peers")
    for entry in _entries:
        for line in report.lines(entry):
            terminalreporter.line(line)
    terminalreporter.line(f"written to {config.getoption('--results')}")
