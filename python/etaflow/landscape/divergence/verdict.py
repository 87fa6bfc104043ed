"""Whether a path is converging, growing like log t, growing like a power, or it is too early to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_int, check_number, check_probability
from etaflow.landscape.divergence import models
from etaflow.landscape.divergence.blocks import FEWEST, in_blocks
from etaflow.landscape.divergence.models import CONVERGING, LOG, MODELS, POWER, TRANSIENT
from etaflow.landscape.divergence.trajectory import one, series

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow.landscape.divergence.blocks import Blocks
    from etaflow.landscape.divergence.models import Fit
    from etaflow.landscape.divergence.trajectory import Path, Trajectory

UNDECIDED = "undecided"

WINDOW, BLOCKS = 100.0, 40
"""The last two decades of time, in so many blocks."""

DECISIVE = 6.0
"""A difference of BIC that counts: odds of about 20 to 1 ("strong" in Kass & Raftery 1995)."""

SPLIT = 0.6
"""The part of the window, in log t, that the laws are fitted to before they predict the rest."""

NEGLIGIBLE = 0.01
"""A path without a trend counts as converged if ten times the time could change it by no more than this part of it."""


@dataclass(frozen=True, eq=False, repr=False)
class Growth:
    """What `growth` found.

    Attributes
    ----------
    kind : str
        ``converging``, ``log``, ``power`` or ``undecided``.
    reason : str
        Why, in words, with the numbers.
    fits : tuple of Fit
        The fitted laws, the most likely first.
    held_out : dict of str to float
        By law: the root mean square error with which it predicts the late part of the window from the early part.
    slope, slope_low, slope_high : float
        b of a + b·log(t + s), which t·[w(t+1) − w(t)] tends to if the path grows like log t, and its interval.
    level : float
        The interval's confidence level.
    times, values : ndarray, shape (n,)
        The block means that were judged.
    """

    kind: str
    reason: str
    fits: tuple[Fit, ...]
    held_out: dict[str, float]
    slope: float
    slope_low: float
    slope_high: float
    level: float
    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    @property
    def best(self) -> Fit:
        """The most likely law."""
        return self.fits[0]

    @property
    def data(self) -> xr.Dataset:
        """The laws beside each other: by ``law`` its ``kind``, ``bic`` above the best one's, ``held_out`` and ``formula``."""
        import xarray as xr  # noqa: PLC0415 - slow to import

        lowest = self.best.bic
        return xr.Dataset(
            {
                "kind": ("law", [one.model.kind for one in self.fits]),
                "bic_above_best": ("law", [one.bic - lowest for one in self.fits]),
                "held_out": ("law", [self.held_out.get(one.model.name, np.nan) for one in self.fits]),
                "formula": ("law", [str(one) for one in self.fits]),
            },
            {"law": [one.model.name for one in self.fits]},
        )

    def __repr__(self) -> str:
        """Return kind and reason.

        Returns
        -------
        str
            One line.
        """
        return f"Growth({self.kind}: {self.reason})"

    def __str__(self) -> str:
        """Return kind, reason and the table of laws.

        Returns
        -------
        str
            A few lines.
        """
        rows = [f"{'law':22} {'ΔBIC':>8} {'held out':>9}"]
        for fit in self.fits:
            held = self.held_out.get(fit.model.name, np.nan)
            rows.append(f"{fit.model.name:22} {fit.bic - self.best.bic:8.1f} {held:9.2g}  {fit}")
        return "\n".join([f"{self.kind}: {self.reason}", *rows])


def growth(
    trajectory: Trajectory,
    *,
    of: str | int | npt.ArrayLike = "norm",
    run: int | None = None,
    window: float = WINDOW,
    blocks: int = BLOCKS,
    level: float = 0.95,
) -> Growth:
    """Decide how the weights move at the end of a path: small steps alone may hide a logarithmic divergence.

    Seven laws are fitted to block means over the last decades of time, with errors whose neighbours are correlated: a constant,
    a + b·e^{−ct} and a + b·(t+s)^{−p} (converging), a + b·log(t + s) and a + b·log(1 + t/s)^q with q = ½ or ⅓, as networks of
    two or three homogeneous layers have (log), a + b·(t+s)^p with 0.1 ≤ p ≤ ½ (power), and faster ones. A kind is named only
    if it is decisively more likely than every other kind (BIC lower by 6) *and* its law, fitted to the early part of the window,
    predicts the late part best. What cannot be told apart is ``undecided``; so is growth faster than √t, which no gradient flow
    of a function bounded below keeps up, and a limit that is farther than twice the way made in the window.

    Parameters
    ----------
    trajectory : Runs, Flow or (t, θ)
        Runs with θ on record (``record={"theta": stride}``), a flow, or arrays: t ``(m,)`` and θ ``(m,)``, ``(m, d)`` or ``(runs, m, d)``.
    of : str, int or array_like, shape (d,), default "norm"
        What is followed: ``norm`` ‖θ‖; ``distance`` ‖θ − θ(0)‖; a parameter by its number; or ⟨u, θ⟩ for a direction u.
    run : int, optional
        Which run, if there are several.
    window : float, default 100
        The factor of time, before the end, that is judged.
    blocks : int, default 40
        Into how many blocks of log t it is divided.
    level : float, default 0.95
        Of the interval of the slope.

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
    Sontag & Sussmann (1988, section 3) watch t·[w(t+1) − w(t)]; see `log_rule`. A constant is preferred to weak trends: then the
    kind is ``converging`` only if log growth with the upper end of the slope's interval changes the value by less than 1 % in ten times the time.
    The distances of noise in SGD runs count as Gaussian with one correlation; a path that changes its law later cannot be foreseen.

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
    return judge(one(trajectory, run, fewest=FEWEST), of, factor, count, certainty)


def judge(path: Path, of: Any, window: float, blocks: int, level: float) -> Growth:
    """Return the verdict on one path; see `growth`.

    Returns
    -------
    Growth
        The verdict.
    """
    means = in_blocks(path.times, series(path, of), window=window, blocks=blocks)
    fits = sorted((fit for model in MODELS if (fit := models.fit(model, means)) is not None), key=lambda fit: fit.bic)
    held_out = _held_out(means)
    slope, low, high = _slope(fits, level)
    kind, reason = _decide(fits, held_out, (low, high), means)
    return Growth(kind, reason, tuple(fits), held_out, slope, low, high, level, means.times, means.values)


def _held_out(means: Blocks) -> dict[str, float]:
    early, late = means.until(float(means.times[0] * (means.times[-1] / means.times[0]) ** SPLIT))
    errors = {}
    for model in MODELS:
        fit = models.fit(model, early)
        if fit is not None:
            errors[model.name] = float(np.sqrt(np.mean((fit.at(late.times) - late.values) ** 2)))
    return errors


def _slope(fits: list[Fit], level: float) -> tuple[float, float, float]:
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    fit = next(fit for fit in fits if fit.model.name == "logarithm")
    half = float(t.ppf((1 + level) / 2, fit.size - 3)) * fit.b_error
    return fit.b, fit.b - half, fit.b + half


def _decide(fits: list[Fit], held_out: dict[str, float], slope: tuple[float, float], means: Blocks) -> tuple[str, str]:
    best = fits[0]
    rival = next(fit for fit in fits if fit.model.kind != best.model.kind)
    lead = rival.bic - best.bic
    constant = next(fit for fit in fits if fit.model.name == "constant")
    if constant.bic - best.bic < DECISIVE:
        return _without_trend(slope, means)
    if lead < DECISIVE:
        return (
            UNDECIDED,
            f"{best} is most likely, but {rival} is only {lead:.1f} of BIC behind: {DECISIVE:g} would count",
        )
    predictor = min(held_out, key=held_out.__getitem__)
    predicts = next(model for model in MODELS if model.name == predictor)
    if predicts.kind != best.model.kind:
        return UNDECIDED, (
            f"{best} fits best, by {lead:.1f} of BIC, but the law {predicts.formula} ({predicts.kind}) "
            "predicts the late part from the early part better"
        )
    evidence = (
        f"{best}, ahead of every other kind by {lead:.1f} of BIC, and it predicts the late part from the early one with an error of "
        f"{held_out[predictor]:.1g}"
    )
    if best.model.kind == TRANSIENT:
        return UNDECIDED, f"{evidence}; but growth faster than √t cannot last along a gradient flow: run longer"
    return best.model.kind, evidence


def _without_trend(slope: tuple[float, float], means: Blocks) -> tuple[str, str]:
    change = max(abs(end) for end in slope) * float(np.log(10))
    size = float(np.abs(means.values).mean())
    bound = f"growth like log t of up to {change:.2g} in ten times the time, of {size:.3g}"
    if change <= NEGLIGIBLE * size:
        return CONVERGING, f"no trend beyond the noise; it would hide no more than {bound}"
    return UNDECIDED, f"no trend beyond the noise, which could hide {bound}"


__all__ = ["CONVERGING", "LOG", "POWER", "UNDECIDED", "Growth", "growth"]
