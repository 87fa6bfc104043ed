"""A constant of a theorem, as an interval: observed from below, proved from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from etaflow._checks import FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Bound:
    """A constant for one network and data: lower ≤ constant ≤ upper.

    Attributes
    ----------
    name : str
        What it is called in the source, for example ``"K"``.
    lower : float
        A value that was attained, at `theta`.
    upper : float
        A value that is proved never to be exceeded, up to rounding (which it allows for); infinite if there is none.
    status : str
        ``"proved"`` if there is such a constant; ``"fails"`` if there is none, with a witness; ``"open"`` if neither
        was found.
    reason : str
        Why, in a sentence.
    theta : ndarray, shape (d,), or (2, d) for two points between which a difference quotient was taken
        Where `lower` was attained: the witness, if there is no constant.
    observation : int or None
        For which observation; None for the mean field.
    exponent : float or None
        The measured power with which the quantity grows along the witness (of ‖θ‖, or of the distance of two points), where
        there is one.
    proved_exponent : float or None
        The power that it is proved not to exceed.
    mean_field : Bound or None
        The same for the mean field h = −∇f.
    """

    name: str
    lower: float
    upper: float
    status: str
    reason: str
    theta: FloatArray
    observation: int | None = None
    exponent: float | None = None
    proved_exponent: float | None = None
    mean_field: Bound | None = None

    @property
    def holds(self) -> bool:
        """Whether there is such a constant."""
        return self.status == "proved"

    def __repr__(self) -> str:
        """Return the interval and the verdict.

        Returns
        -------
        str
            One line.
        """
        measured = "" if self.exponent is None else f", measured power {self.exponent:.2f}"
        return f"Bound({self.name} in [{self.lower:.6g}, {self.upper:.6g}], {self.status}{measured}: {self.reason})"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 - only notebooks need it

        rows = [self, *([self.mean_field] if self.mean_field is not None else [])]
        cells = "".join(
            f"<tr><td>{escape(row.name)}</td><td>{row.lower:.6g}</td><td>{row.upper:.6g}</td>"
            f"<td>{row.status}</td><td>{escape(row.reason)}</td></tr>"
            for row in rows
        )
        head = "<tr><th></th><th>observed</th><th>proved</th><th>status</th><th>why</th></tr>"
        return f"<table>{head}{cells}</table>"


def in_float64(objective: object) -> Objective:
    """Return the objective in float64, in which the constants are computed.

    Parameters
    ----------
    objective : Objective
        The objective.

    Returns
    -------
    Objective
        Itself, or the same problem with its data converted.

    Raises
    ------
    TypeError
        If it is not an Objective.
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective (got {objective!r}, a {type(objective).__name__})")
    return (
        objective if objective.dtype == np.float64 else _part(objective, slice(None), objective.reduction, objective.l2)
    )


def step_scale(objective: Objective) -> int:
    """Return the factor of ∇L_i in the direction of an SGD step with |B| = 1: n if f is a sum, else 1.

    Returns
    -------
    int
        The factor.
    """
    return objective.n if objective.reduction == "sum" else 1


def single(objective: Objective, i: int) -> Objective:
    """Return the objective whose gradient, times `step_scale`, is the direction of an SGD step on observation i.

    The direction is ∇L_i + 2·l2·θ, and n·∇L_i + 2·l2·θ if f is a sum.

    Parameters
    ----------
    objective : Objective
        The objective, in float64.
    i : int
        Which observation.

    Returns
    -------
    Objective
        The objective of that observation alone.
    """
    return _part(objective, slice(i, i + 1), "mean", objective.l2 / step_scale(objective))


def _part(objective: Objective, rows: slice, reduction: str, l2: float) -> Objective:
    x, y = objective.x[rows].astype(np.float64), objective.y[rows].astype(np.float64)
    threads = objective.threads or None
    return Objective(objective.net, x, y, loss=objective.loss, reduction=reduction, l2=l2, threads=threads)
