"""Stiff stretches of a flow: SciPy's implicit solvers with the exact Hessian as their Jacobian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.dynamics.flow_path import SolverPiece

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.dynamics.flow_path import Path
    from etaflow.problem.objective import Objective

SOLVERS = ("Radau", "BDF", "LSODA", "RK45", "DOP853")
IMPLICIT = ("Radau", "BDF", "LSODA")
BISECTIONS = 40


def go_on(
    path: Path,
    objective: Objective,
    *,
    solver: str,
    end: float,
    rtol: float,
    atol: float,
    grad_norm: float,
    max_steps: int,
    report: Callable[[float], Any],
) -> None:
    """Continue the path to the time `end` with one of SciPy's solvers.

    Parameters
    ----------
    path : Path
        Where it goes on; changed in place.
    objective : Objective
        f, in float64.
    solver : str
        One of `SOLVERS`.
    end : float
        When it ends, possibly infinite.
    rtol, atol : float
        Tolerances.
    grad_norm : float
        It ends where ‖∇f‖ has fallen to this.
    max_steps : int
        Accepted steps in all.
    report : callable
        Is given the time after each step.
    """
    from scipy import integrate  # noqa: PLC0415 - slow to import

    def slope(_: float, theta: FloatArray) -> FloatArray:
        return -objective.gradient(theta)

    def jacobian(_: float, theta: FloatArray) -> FloatArray:
        return -objective.hessian(theta)

    options = {"jac": jacobian} if solver in IMPLICIT else {}
    stepper = getattr(integrate, solver)(slope, path.time, path.theta, end, rtol=rtol, atol=atol, **options)
    mesh: list[float] = [path.time]
    interpolants: list[Any] = []
    path.status = "interrupted"
    try:
        while path.status == "interrupted":
            message = stepper.step()
            if stepper.status == "failed" or not np.isfinite(stepper.y).all():
                path.status = "failed" if message and np.isfinite(stepper.y).all() else "diverged"
                break
            mesh.append(float(stepper.t))
            interpolants.append(stepper.dense_output())
            path.theta, path.time = stepper.y.copy(), mesh[-1]
            path.steps += 1
            path.grad_norm = float(np.linalg.norm(objective.gradient(path.theta)))
            if path.grad_norm <= grad_norm:
                _stop_inside(path, objective, mesh, interpolants[-1], grad_norm)
            elif stepper.status == "finished":
                path.status = "finished"
            elif path.steps >= max_steps:
                path.status = "exhausted"
            report(path.time)
    except KeyboardInterrupt:
        path.status = "interrupted"
    path.evaluations += int(stepper.nfev)
    path.jacobians += int(stepper.njev)
    if interpolants:
        path.pieces.append(SolverPiece(np.array(mesh), interpolants))


def _stop_inside(path: Path, objective: Objective, mesh: list[float], theta_at: Any, grad_norm: float) -> None:
    low, high = mesh[-2], mesh[-1]
    for _ in range(BISECTIONS):
        if high - low <= 1e-9 * high:
            break
        middle = (low + high) / 2
        if np.linalg.norm(objective.gradient(theta_at(middle))) <= grad_norm:
            high = middle
        else:
            low = middle
    if high < mesh[-1]:
        path.theta, path.time = np.asarray(theta_at(high)), high
        path.grad_norm = float(np.linalg.norm(objective.gradient(path.theta)))
    path.status = "stopped"
