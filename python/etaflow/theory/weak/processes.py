"""SGD's relatives by name, and how each of them is simulated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.diffusion.modified import modified_equation, svag
from etaflow.dynamics.descent import descend

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

KINDS = ("sgd", "flow", "order 1", "order 2", "gaussian", "isotropic", "svag")


@dataclass(frozen=True)
class Process:
    """A process that starts at θ_0 and is compared with SGD at the same times.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    parts : int
        l of SVAG(l); else 1.
    """

    kind: str
    parts: int = 1

    @property
    def name(self) -> str:
        """What the user calls it."""
        return f"svag {self.parts}" if self.kind == "svag" else self.kind

    @property
    def is_equation(self) -> bool:
        """Whether it is a stochastic differential equation, which is simulated in substeps."""
        return self.kind in {"order 1", "order 2"}


def parse_process(name: str, value: object) -> Process:
    """Return the process that a name means.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        For example ``"order 1"`` or ``"svag 4"``.

    Returns
    -------
    Process
        The process.

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If there is no such process.

    Examples
    --------
    >>> parse_process("approximations[0]", "svag 4")
    Process(kind='svag', parts=4)
    """
    known = ", ".join(f"'{kind}'" for kind in KINDS[:-1])
    expected = f"{name} must be one of {known} or 'svag l' with a number l >= 1"
    if not isinstance(value, str):
        raise TypeError(f"{expected} (got {value!r}, a {type(value).__name__})")
    fine = re.fullmatch(r"svag ([1-9]\d*)", value)
    if fine:
        return Process("svag", int(fine[1]))
    if value not in KINDS[:-1]:
        raise ValueError(f"{expected} (got {value!r})")
    return Process(value)


@dataclass(frozen=True, eq=False)
class Setting:
    """What all processes of one comparison have in common.

    Attributes
    ----------
    objective : Objective
        f.
    theta0 : ndarray, shape (d,)
        The start.
    t : float
        The end.
    batch_size : int
        |B|.
    sampling : str
        "iid" or "without_replacement".
    seed : int
        Of all runs.
    threads : int or None
        As in `descend`.
    """

    objective: Objective
    theta0: FloatArray
    t: float
    batch_size: int
    sampling: str
    seed: int
    threads: int | None


def simulate(
    setting: Setting,
    process: Process,
    *,
    step_size: float,
    substeps: int,
    runs: range,
    progress: bool | Callable[[float], Any] = False,
) -> tuple[FloatArray, Any]:
    """Return where runs of a process are at the end, and how each of them ended.

    Parameters
    ----------
    setting : Setting
        The problem.
    process : Process
        Which process; not the flow, of which nothing is random.
    step_size : float
        η.
    substeps : int
        Of an equation, per step of SGD.
    runs : range
        The run numbers.
    progress : bool or callable, default False
        As in `descend`.

    Returns
    -------
    theta : ndarray, shape (runs, d)
        The ends.
    status : ndarray of str, shape (runs,)
        As in `Runs`.
    """
    steps = round(setting.t / step_size)
    common: dict[str, Any] = {
        "step_size": step_size,
        "batch_size": setting.batch_size,
        "runs": runs,
        "seed": setting.seed,
        "threads": setting.threads,
        "progress": progress,
    }
    f, start = setting.objective, setting.theta0
    if process.kind == "svag":
        found = svag(f, start, l=process.parts, steps=steps, **common)
    elif process.is_equation:
        order = int(process.kind[-1])
        common |= {"sampling": setting.sampling, "substeps": substeps}
        found = modified_equation(f, start, t=steps * step_size, order=order, **common)
    else:
        noise = "sampling" if process.kind == "sgd" else process.kind
        found = descend(f, start, steps=steps, sampling=setting.sampling, gradient_noise=noise, **common)
    return found.theta, np.asarray(found.status)
