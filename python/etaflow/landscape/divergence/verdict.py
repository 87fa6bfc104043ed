"""Whether a path is converging, growing like log t, growing like a power, or it is too early to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_int, check_number, check_probability
from etaflow.landscape.divergence.assessment import UNDECIDED, assess
from etaflow.landscape.divergence.blocks import FEWEST, Blocks, drift, in_blocks
from etaflow.landscape.divergence.models import LOG, POWER
from etaflow.landscape.divergence.result import Growth
from etaflow.landscape.divergence.tails import at_most_logarithmic, no_finite_end
from etaflow.landscape.divergence.trajectory import minimising, one, series

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.divergence.assessment import Assessment
    from etaflow.landscape.divergence.models import Fit
    from etaflow.landscape.divergence.trajectory import Path, Trajectory
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

WINDOW, BLOCKS = 100.0, 40
"""The last two decades of time, in so many blocks."""


def growth(
    trajectory: Trajectory,
    *,
    of: str | int | npt.ArrayLike = "drift",
    run: int | None = None,
    window: float = WINDOW,
    blocks: int = BLOCKS,
    level: float = 0.95,
    objective: Objective | None = None,
) -> Growth:
    """Decide how the weights move at the end of a path: small steps alone may hide a logarithmic divergence.

    Laws are fitted to block means over the last two decades of time, with errors whose neighbours are correlated: a constant,
    a + b·e^{−ct} and a + b·(t+s)^{−p} with p ≥ ¼ (converging); a + b·log(t + s) and a + b·log(1 + t/r)^q with q = ½ or ⅓, as networks of two or three
    homogeneous layers have (log); a + b·(t+s)^p with 0.1 ≤ p ≤ ½ (power); and what lasts for a while only: faster growth, slower approaches. A kind is named only if it is decisively more likely than every other (BIC lower by 6)
    *and* its law, fitted to the early part, predicts the late part best. The last decade, if it decides by itself, has the last word, and if it contradicts the whole window nothing
    is decided. What cannot be told apart is ``undecided``.

    Parameters
    ----------
    trajectory : Runs, Flow or (t, θ)
        Runs with θ on record (``record={"theta": stride}``), a flow, or arrays: t ``(m,)`` and θ ``(m,)``, ``(m, d)`` or ``(runs, m, d)``.
    of : str, int or array_like, shape (d,), default "drift"
        What is followed: ``drift``, ⟨u, θ⟩ along the direction u in which the weights move most; ``norm`` ‖θ‖, in which a large start hides the growth; ``distance`` ‖θ − θ(0)‖; a parameter by its number; or ⟨u, θ⟩ for a direction u.
    run : int, optional
        Which run, if there are several.
    window : float, default 100
        The factor of time, before the end, that is judged; its square root is the last part that is judged by itself.
    blocks : int, default 40
        Into how many blocks of log t it is divided.
    level : float, default 0.95
        Of the interval of the slope.
    objective : Objective, optional
        What is minimised, if the trajectory is arrays or comes from a file; other runs and flows know it.

    Returns
    -------
    Growth
        The kind with its evidence.

    Raises
    ------
    TypeError
        If the trajectory is none of these.
    ValueError
        If θ is not on record, the points are too few, or an argument is out of range.

    Notes
    -----
    Sontag & Sussmann (1988, section 3) watch t·[w(t+1) − w(t)]; see `log_rule`.

    - What the loss proves comes first. Where all observations are separated and the loss falls with every margin, no point is stationary and nothing converges. A perceptron, or
      a homogeneous network there, grows like log t at most if the loss falls exponentially, so that a power is a transient.
    - Along a gradient flow with f bounded below ∫‖θ'‖² dt is finite, so that ‖θ‖ = o(√t): faster growth is a transient too, ``undecided``.
    - A limit counts only if at most half as much is still to come as two decades show (t^−¼). A slower approach, if that is the best law, is ``undecided``; growth slower than t^0.1 looks like log t.
    - A constant is preferred to weak trends: then the kind is ``converging`` only if log growth at the end of the slope's interval would change the value by less than 1 % in ten times the time.
    - A path that changes its law later cannot be foreseen. Ill-conditioned problems stay in stretches that look like powers for decades.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0]], [1.0])
    >>> path = ef.flow(f, [0.0], t=1e6)
    >>> found = ef.divergence.growth(path)
    >>> found.kind, round(found.slope, 3)
    ('log', 0.25)
    """
    factor = check_number("window", window, above=1)
    count = check_int("blocks", blocks, FEWEST)
    certainty = check_probability("level", level)
    path = minimising(one(trajectory, run, fewest=FEWEST), objective)
    return judge(path, of, factor, count, certainty)


def judge(path: Path, of: Any, window: float, blocks: int, level: float) -> Growth:
    """Return the verdict on one path; see `growth`.

    Returns
    -------
    Growth
        The verdict.
    """
    values = series(path, of)
    known = path.objective if isinstance(of, str) else None  # single weights may converge where the path does not
    endless = known is not None and no_finite_end(known, path.theta[-1])
    whole = _assess(path, values, window, blocks, endless)
    try:
        late = _assess(path, values, window**0.5, blocks, endless)
    except ValueError:  # too few points for a judgement of their own
        late = None
    kind, reason, chosen = whole.kind, whole.reason, whole
    if late is not None and late.kind != UNDECIDED and not late.without_trend:
        kind, reason, chosen = late.kind, f"in the last part, {late.reason}", late
    elif late is not None and kind != UNDECIDED and late.contradicts(kind):
        kind, reason = (
            UNDECIDED,
            f"{reason}; but the last part of the window contradicts it: {late.fits[0]} is more likely there",
        )
    if kind == POWER and path.objective is not None and at_most_logarithmic(path.objective, path.theta[-1]):
        kind = UNDECIDED
        reason += "; but with this loss the weights grow no faster than log t in the end: a transient, run longer"
    if endless and kind in {LOG, POWER}:
        reason += "; all observations are separated, where this loss has no stationary point"
    slope = _slope(chosen.fits, level)
    means = chosen.means
    return Growth(
        kind, reason, tuple(chosen.fits), chosen.held_out, *slope, level, means.times, means.values, _name(of)
    )


def _assess(path: Path, values: Array, window: float, blocks: int, endless: bool) -> Assessment:
    means = in_blocks(path.times, values, window=window, blocks=blocks)
    size = float(np.linalg.norm(np.atleast_2d(means.values.T), axis=0).mean())
    followed = Blocks(means.times, means.values @ drift(means)) if values.ndim == 2 else means
    return assess(followed, size, endless=endless)


def _slope(fits: list[Fit], level: float) -> tuple[float, float, float]:
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    fit = next(fit for fit in fits if fit.model.name == "logarithm")
    half = float(t.ppf((1 + level) / 2, fit.size - 3)) * fit.b_error
    return fit.b, fit.b - half, fit.b + half


def _name(of: Any) -> str:
    if isinstance(of, str):
        return of
    return f"parameter {int(of)}" if np.ndim(of) == 0 else "direction"
