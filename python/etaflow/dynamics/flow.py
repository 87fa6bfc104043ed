"""The gradient flow θ̄' = −∇f(θ̄), which SGD follows as its step size tends to 0."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import (
    check_choice,
    check_float_array,
    check_nonnegative_number,
    check_positive_int,
    check_positive_number,
)
from etaflow.dynamics import stiff
from etaflow.dynamics.flow_path import CorePiece, Path, Piece
from etaflow.dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

METHODS = ("auto", "explicit", "stiff", *stiff.SOLVERS)
STIFF_STEPS = 2000
"""Stability costs more evaluations to the end than so many steps of the pair 5(4), and an implicit method takes over."""

MAX_DENSE = 1500
"""The most parameters for which a Hessian is factorised again and again without being asked for."""


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """Gradient flows: call it with times to get θ̄.

    Attributes
    ----------
    objective : Objective
        f.
    theta0 : ndarray, shape (d,) or (runs, d)
        The starts.
    theta : ndarray, shape (d,) or (runs, d)
        Where the flows ended.
    t : float or ndarray, shape (runs,)
        When they ended.
    status : str or ndarray of str, shape (runs,)
        ``finished`` at the time asked for; ``stopped`` by `stop_when`; ``diverged`` (θ̄ or its speed is not finite);
        ``exhausted`` after `max_steps`; ``failed``, no step is small enough; ``interrupted`` by Ctrl-C.
    statistics : dict of str to ndarray
        Per start ``evaluations`` of the gradient, accepted ``steps``, ``rejected`` ones, ``jacobians`` (Hessians) and the
        final ``grad_norm``; ``seconds`` for all together.
    paths : tuple of Path
        The integrators' pieces of each flow.
    """

    objective: Objective
    theta0: FloatArray
    theta: FloatArray
    t: Any
    status: Any
    statistics: dict[str, Any]
    paths: tuple[Path, ...]

    @property
    def mesh(self) -> npt.NDArray[np.float64]:
        """The times between the integrator's steps, of a flow from one start.

        Raises
        ------
        ValueError
            If there are several starts.
        """
        if self.theta0.ndim > 1:
            raise ValueError(
                f"mesh is that of one start; paths[i].mesh has one for each (got {len(self.paths)} starts)"
            )
        return self.paths[0].mesh

    def __call__(self, times: npt.ArrayLike) -> FloatArray:
        """Return θ̄ at the times, by the integrator's own interpolation.

        Parameters
        ----------
        times : float or array_like, shape (m,)
            Between 0 and the end of every flow.

        Returns
        -------
        ndarray, shape (d,), (m, d), (runs, d) or (runs, m, d)
            θ̄.

        Raises
        ------
        ValueError
            If a time is negative, NaN or after the end of a flow.
        """
        wanted = np.asarray(times, np.float64)
        if wanted.ndim > 1:
            raise ValueError(f"times must be a number or one-dimensional (got shape {wanted.shape})")
        end = float(np.min(self.t))
        outside = ~((wanted >= 0) & (wanted <= end))
        if outside.any():
            raise ValueError(f"times must be between 0 and {end:g}, where the flow ends (got {wanted[outside][0]:g})")
        rows = np.stack([path.at(np.atleast_1d(wanted)) for path in self.paths])
        rows = rows if wanted.ndim else rows[:, 0]
        return rows if self.theta0.ndim > 1 else rows[0]

    def __repr__(self) -> str:
        """Return the flows in one line.

        Returns
        -------
        str
            How many, until when, and how they ended.
        """
        names, counts = np.unique(np.atleast_1d(self.status), return_counts=True)
        ends = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
        steps = int(np.sum(self.statistics["steps"]))
        return (
            f"Flow({len(self.paths)} start{'s' * (len(self.paths) > 1)}, t = {np.max(self.t):g}, {steps} steps: {ends})"
        )


def flow(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    method: str = "auto",
    stop_when: tuple[str, float] | None = None,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
    max_steps: int = 1_000_000,
) -> Flow:
    r"""Solve θ̄' = −∇f(θ̄), θ̄(0) = θ_0, with an error controlled by the tolerances (Finnoff 1992, section 3).

    Step n of gradient descent or SGD with step size η corresponds to the time t = nη.

    Parameters
    ----------
    objective : Objective
        f.
    theta0 : array_like, shape (d,) or (runs, d)
        One start or many, which are integrated in parallel.
    t : float
        The time of the end; `math.inf` with `stop_when`.
    rtol, atol : float, default 1e-8 and 1e-10
        The error of a step in every parameter is at most about atol + rtol·\|θ̄\|. Float32 objectives should have
        rtol >= 1e-6.
    method : str, default "auto"
        ``explicit``: in the core, Dormand & Prince's pair 5(4), and where stability, not accuracy, would decide how long its
        steps are, methods of order 4 with 5 to 20 stages that are stable for h·λ up to 6 to 138 (λ the largest curvature; built
        like those of Abdulle 2002). ``stiff``: SciPy's Radau with the exact Hessian. ``auto`` begins explicitly and goes on with
        ``stiff`` where stability would cost more evaluations than 2 000 steps of the pair, and d <= 1 500. Or one of SciPy's solvers by name: ``Radau``, ``BDF``, ``LSODA``, ``RK45``, ``DOP853``.
    stop_when : ("grad_norm", value), optional
        Ends a flow where ‖∇f‖ has fallen to the value.
    threads : int, optional
        By default the objective's; they change no bit.
    progress : bool or callable, default False
        A bar, or a function that is given the part of the work that is done.
    max_steps : int, default 1 000 000
        Accepted steps per start.

    Returns
    -------
    Flow
        ``flow(times)`` is θ̄ at any time. A flow that does not reach its end has a status, not an exception.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or SciPy's solvers are asked for in float32.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])
    >>> path = ef.flow(f, [0.0], t=1.0)  # θ̄' = 2(1 − θ̄)
    >>> path([0.0, 0.5, 1.0])[:, 0].round(6)
    array([0.      , 0.632121, 0.864665])
    """
    starts = check_float_array("theta0", theta0, dtype=objective.dtype, ndim=(1, 2))
    objective.check_theta(starts)
    end, limit = _check_end(t, stop_when), _check_event(stop_when)
    rtol, atol = check_positive_number("rtol", rtol), check_nonnegative_number("atol", atol)
    kind, most = check_choice("method", method, METHODS), check_positive_int("max_steps", max_steps)
    if objective.dtype != np.float64 and kind not in {"auto", "explicit"}:
        raise ValueError(f"method must be 'auto' or 'explicit' for a {objective.dtype} objective (got {method!r})")
    begin = time.perf_counter()
    rows = np.atleast_2d(starts)
    bar = Progress(progress, 1)
    numbers: dict[str, Any] = {"rtol": rtol, "atol": atol, "grad_norm": limit, "max_steps": most}
    implicit = objective.dtype == np.float64 and objective.num_params <= MAX_DENSE
    with bar:
        if kind in {"auto", "explicit"}:
            limited = float(STIFF_STEPS) if kind == "auto" and implicit else 0.0
            workers = objective.threads if threads is None else check_positive_int("threads", threads)
            parts = objective.core.flow(
                np.ascontiguousarray(rows), end, **numbers, stiff_steps=limited, threads=workers, progress=bar.up_to(1)
            )
            paths = [_from_core(part) for part in parts]
        else:
            norms = np.linalg.norm(objective.gradient(rows), axis=1)
            paths = [Path(row, 0.0, float(norm), "stiff") for row, norm in zip(rows, norms, strict=True)]
        solver = kind if kind in stiff.SOLVERS else "Radau"
        report = bar.up_to(1) or (lambda _: None)
        for i, path in enumerate(paths):
            if path.status == "stiff" and path.grad_norm <= limit:
                path.status = "stopped"
            elif path.status == "stiff":
                done = partial(_report, report, i, len(paths), end)
                stiff.go_on(path, objective, solver=solver, end=end, report=done, **numbers)
                if path.status == "interrupted":
                    break
    for path in paths:
        path.status = "interrupted" if path.status == "stiff" else path.status
    return _collect(objective, starts, paths, time.perf_counter() - begin)


def _report(report: Callable[[float], Any], i: int, paths: int, end: float, now: float) -> None:
    report((i + (now / end if math.isfinite(end) else 0.0)) / paths)


def _from_core(part: dict[str, Any]) -> Path:
    pieces: list[Piece] = [CorePiece(part["mesh"], part["coefficients"])] if len(part["mesh"]) > 1 else []
    return Path(
        part["theta"],
        part["time"],
        part["grad_norm"],
        part["status"],
        pieces,
        part["evaluations"],
        len(part["mesh"]) - 1,
        part["rejected"],
    )


def _collect(objective: Objective, starts: FloatArray, paths: list[Path], seconds: float) -> Flow:
    def per_start(values: list[Any]) -> Any:
        array = np.array(values)
        return array if starts.ndim > 1 else array[0]

    statistics: dict[str, Any] = {
        name: per_start([getattr(path, name) for path in paths])
        for name in ("evaluations", "steps", "rejected", "jacobians", "grad_norm")
    }
    ends = per_start([path.time for path in paths])
    return Flow(
        objective,
        starts,
        per_start([path.theta for path in paths]),
        ends if starts.ndim > 1 else float(ends),
        per_start([path.status for path in paths]) if starts.ndim > 1 else paths[0].status,
        statistics | {"seconds": seconds},
        tuple(paths),
    )


def _check_end(t: Any, stop_when: object) -> float:
    end = float(t) if isinstance(t, int | float | np.floating) and math.isinf(t) else None
    if end is None:
        return check_nonnegative_number("t", t)
    if end < 0 or stop_when is None:
        raise ValueError(f"t must be finite and >= 0, or infinite with stop_when (got {t!r})")
    return end


def _check_event(stop_when: Any) -> float:
    if stop_when is None:
        return -1.0
    if not isinstance(stop_when, tuple | list) or len(stop_when) != 2:
        raise TypeError(f'stop_when must be ("grad_norm", value) (got {stop_when!r})')
    check_choice("stop_when[0]", stop_when[0], ("grad_norm",))
    return check_nonnegative_number("stop_when[1]", stop_when[1])
