"""The machine: its CPU, its peak of fused multiply-adds in this session, and how many threads everybody gets."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How often the peak is measured at a time: on a busy machine most tries are disturbed.
TRIES = 40
_LIBRARIES = ("etaflow", "numpy", "scipy", "scikit-learn", "numba", "torch", "jax", "jaxlib")
_CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True)
class Peak:
    """The best rate of floating-point operations that this machine showed, in FLOP/s.

    Attributes
    ----------
    how : str
        How it was measured.
    rates : dict of (str, int) to float
        By dtype and number of threads.
    """

    how: str
    rates: dict[tuple[str, int], float]

    def or_better(self, other: Peak) -> Peak:
        """Return the better of two measurements, rate by rate."""
        return Peak(self.how, {key: max(rate, other.rates[key]) for key, rate in self.rates.items()})


def measure_peak() -> Peak:
    """Measure the FMA peak of one thread and of two; with no C compiler, the rate of NumPy's matrix product instead."""
    with tempfile.TemporaryDirectory() as folder:
        rates_of = _compiled_peak(Path(folder))
        how = "chains of fused multiply-adds (bench/kit/fma_peak.c)" if rates_of else "NumPy's GEMM, 1024 cubed"
        rates = {}
        for dtype in ("float64", "float32"):
            work = rates_of[dtype] if rates_of else _gemm(dtype)
            for count in (1, 2):
                with threads(count, blas=1):
                    rates[dtype, count] = max(_rate(work, count) for _ in range(TRIES))
    return Peak(how, rates)


def _rate(work: Callable[[], float], count: int) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        operations = sum(pool.map(lambda _: work(), range(count)))
    return operations / (time.perf_counter() - start)


def _compiled_peak(folder: Path) -> dict[str, Callable[[], float]] | None:
    source, library = Path(__file__).with_name("fma_peak.c"), folder / "fma_peak.so"
    options = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
    wide = ["-mprefer-vector-width=512"] if platform.machine() in {"x86_64", "AMD64"} else []
    command = [os.environ.get("CC", "cc"), *options, *wide, str(source), "-o", str(library)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        functions = ctypes.CDLL(str(library))
    except (OSError, subprocess.SubprocessError):
        return None
    works: dict[str, Callable[[], float]] = {}
    for dtype in ("float64", "float32"):
        function = functions[f"peak_{dtype}"]
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_long]
        works[dtype] = partial(function, 2_000_000)
    return works


def _gemm(dtype: str) -> Callable[[], float]:
    a = np.ones((1024, 1024), dtype)

    def work() -> float:
        a @ a
        return 2.0 * 1024**3

    return work


@contextmanager
def threads(count: int, *, blas: int | None = None) -> Iterator[None]:
    """Give every library `count` threads, and this process with all its threads `count` CPUs.

    The CPUs matter for libraries that do not let their threads be counted (XLA). `blas` is for peers that share their
    work over Python threads themselves.
    """
    inner = count if blas is None else blas
    torch, numba = sys.modules.get("torch"), sys.modules.get("numba")
    if torch is not None:
        torch.set_num_threads(inner)
    if numba is not None:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    with _blas_threads(inner):
        _pin(_CPUS[:count])
        try:
            yield
        finally:
            _pin(_CPUS)


def settle(nap: float = 0.004, at_most: int = 100) -> None:
    """Wait until no thread of this process works: after a turn some wait for more in a loop (OpenBLAS's for 0.1 s)."""
    for _ in range(at_most):
        before = time.process_time()
        time.sleep(nap)
        if time.process_time() - before < nap / 8:
            return


def _blas_threads(count: int) -> Any:
    if find_spec("threadpoolctl") is None:  # it comes with scikit-learn
        return nullcontext()
    return import_module("threadpoolctl").threadpool_limits(count, user_api="blas")


def _pin(cpus: list[int]) -> None:
    if not cpus:
        return
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cpus)


def describe(peak: Peak) -> dict[str, Any]:
    """Return what a reader must know of the machine and the software, as plain values."""
    return {
        "cpu": _cpu_name(),
        "cpus": len(_CPUS) or os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "core": _core.build_info(),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "blas": _blas(),
        "peak": {
            "how": peak.how,
            "gflops": {f"{dtype}, {count} threads": rate / 1e9 for (dtype, count), rate in peak.rates.items()},
        },
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(name: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def _blas() -> str:
    if find_spec("threadpoolctl") is None:
        return "unknown"
    found = [one for one in import_module("threadpoolctl").threadpool_info() if one["user_api"] == "blas"]
    return ", ".join(sorted({f"{one['internal_api']} {one['version']} ({one.get('architecture')})" for one in found}))
