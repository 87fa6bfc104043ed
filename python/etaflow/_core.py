"""The compiled core: picks the build for this CPU and passes its names on.

The same sources are compiled up to three times, as whole extension modules: ``_core_base`` (x86-64-v2, or the
platform's default), ``_core_v3`` (AVX2 and FMA) and ``_core_v4`` (AVX-512). A tiny baseline extension asks the CPU
which of them it can run; the best one that is installed is imported. The environment variable ``ETAFLOW_ISA`` forces
one of ``base``, ``v3``, ``v4``.
"""

import os
from importlib import import_module
from importlib.util import find_spec

__all__ = [
    "Network",
    "Objective32",
    "Objective64",
    "activation",
    "build_info",
    "default_threads",
    "isa",
    "noise",
    "philox",
    "predict",
    "sample_indices",
    "vector_math",
]

_ISAS = ("base", "v3", "v4")  # every build runs wherever a later one does


def _choose(installed: tuple[str, ...], best: str, forced: str | None) -> str:
    """Name the build to import.

    Parameters
    ----------
    installed : tuple of str
        The builds that are there.
    best : str
        The best build that the CPU can run.
    forced : str or None
        The value of ``ETAFLOW_ISA``; None or empty is no wish.

    Returns
    -------
    str
        One of ``installed``.

    Raises
    ------
    ValueError
        If ``forced`` is no build's name.
    ImportError
        If the wish, or with none every build, is not installed or not for this CPU.

    Examples
    --------
    >>> _choose(("base", "v3", "v4"), "v3", None)
    'v3'
    >>> _choose(("base", "v3", "v4"), "v3", "base")
    'base'
    """
    if forced and forced not in _ISAS:
        raise ValueError(f"ETAFLOW_ISA must be one of {', '.join(_ISAS)} (got {forced!r})")
    runnable = _ISAS[: _ISAS.index(best) + 1]
    if forced and forced not in runnable:
        raise ImportError(f"ETAFLOW_ISA={forced}: this CPU cannot run that build, only {', '.join(runnable)}")
    if forced and forced not in installed:
        raise ImportError(f"ETAFLOW_ISA={forced}: that build is not installed, only {', '.join(installed) or 'none'}")
    choices = [name for name in runnable if name in installed]
    if not choices:
        raise ImportError(
            f"etaflow's compiled core is not installed for this CPU ({best}; installed: {', '.join(installed) or 'none'}): "
            "run `pip install .`, or `make dev` in a checkout"
        )
    return forced or choices[-1]


def _best_isa() -> str:
    try:
        cpu = import_module("etaflow._cpu")
    except ModuleNotFoundError:  # nothing is built; _choose says so
        return "base"
    best: str = cpu.best_isa()
    return best


_installed = tuple(name for name in _ISAS if find_spec(f"etaflow._core_{name}"))
_build = import_module(f"etaflow._core_{_choose(_installed, _best_isa(), os.environ.get('ETAFLOW_ISA'))}")

Network = _build.Network
Objective32 = _build.Objective32
Objective64 = _build.Objective64
activation = _build.activation
build_info = _build.build_info
default_threads = _build.default_threads
isa = _build.isa
noise = _build.noise
philox = _build.philox
predict = _build.predict
sample_indices = _build.sample_indices
vector_math = _build.vector_math
