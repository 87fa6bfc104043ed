"""The laws of growth that are compared, and their most likely parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.divergence.blocks import RHO, floor, whiten

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow.landscape.divergence.blocks import Blocks

    Array = npt.NDArray[np.float64]
    Grid = dict[str, Array]

CONVERGING, LOG, POWER, TRANSIENT = "converging", "log", "power", "transient"

SLOWEST = 0.1
"""The smallest exponent p of growth like t^p: over two decades of time smaller ones look like log t."""

FASTEST = 0.5
"""The largest p of growth that lasts: f falls by ∫‖θ'‖² dt, so ‖θ(t)‖ = o(√t) along a gradient flow with f bounded below."""

SLOWEST_APPROACH = 0.25
"""The smallest p of an approach like t^−p whose limit counts as seen: over two decades half as much is then still to come as was seen."""

ZOOMS, POINTS = 14, 9
"""The grid is refined so often, with so many points for each parameter, twice as fine each time."""


@dataclass(frozen=True, eq=False)
class Model:
    """A law w(t) = a + b·g(t; parameters).

    Attributes
    ----------
    name : str
        In words.
    kind : str
        What it says of the path: ``converging``, ``log``, ``power`` or ``transient``.
    formula : str
        The law.
    shape : callable
        g: times ``(n,)`` and parameters ``(G, 1)`` to ``(G, n)``.
    grid : callable
        From first and last time to the values of each parameter that are tried, in the order of `shape`'s arguments.
    """

    name: str
    kind: str
    formula: str
    shape: Callable[..., Array]
    grid: Callable[[float, float], Grid]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted law.

    Attributes
    ----------
    model : Model
        The law.
    a, b : float
        Level and factor.
    parameters : dict of str to float
        The others.
    rho : float
        The correlation of neighbouring residuals.
    bic : float
        Bayesian information criterion, −2·log likelihood + k·log n.
    b_error : float
        The standard error of b, with what the other parameters leave open in linear approximation.
    size : int
        n.
    """

    model: Model
    a: float
    b: float
    parameters: dict[str, float]
    rho: float
    bic: float
    b_error: float
    size: int

    def at(self, times: npt.ArrayLike) -> Array:
        """Return the fitted law at times.

        Returns
        -------
        ndarray
            Of the shape of `times`.
        """
        t = np.asarray(times, np.float64)
        return np.asarray(self.a + self.b * self.model.shape(t, *self.parameters.values()))

    def __str__(self) -> str:
        """Return the law with its numbers.

        Returns
        -------
        str
            For example ``a + b·log(t + s) with a = 1.2, b = 0.25, s = 0``.
        """
        numbers = {"a": self.a, "b": self.b} | self.parameters
        if "b" not in self.model.formula:
            del numbers["b"]
        return f"{self.model.formula} with " + ", ".join(f"{name} = {value:.4g}" for name, value in numbers.items())


def _shifts(first: float, last: float, most: float) -> Array:
    early = -first * np.array([0.5, 0.2, 0.05, 0.01])  # the law may also begin after time 0
    return np.concatenate([early, [0.0], np.geomspace(last * 1e-5, last * most, 16)])


MODELS = (
    Model("constant", CONVERGING, "a", np.zeros_like, lambda _first, _last: {}),
    Model(
        "exponential approach",
        CONVERGING,
        "a + b·exp(−c·t)",
        lambda t, c: np.exp(-c * t),
        lambda first, last: {"c": np.geomspace(0.3 / last, 30 / first, 60)},
    ),
    Model(
        "power approach",
        CONVERGING,
        "a + b·(t + s)^−p",
        lambda t, p, s: (t + s) ** -p,
        lambda first, last: {"p": np.geomspace(SLOWEST_APPROACH, 4, 16), "s": _shifts(first, last, 2)},
    ),
    Model(
        "logarithm",
        LOG,
        "a + b·log(t + s)",
        lambda t, s: np.log(t + s),
        lambda first, last: {"s": _shifts(first, last, 1 / 3)},
    ),
    Model(
        "square root of the logarithm",
        LOG,
        "a + b·log(1 + t/r)^½",
        lambda t, r: np.log1p(t / r) ** (1 / 2),
        lambda _first, last: {"r": np.geomspace(last * 1e-12, last / 10, 45)},
    ),
    Model(
        "cube root of the logarithm",
        LOG,
        "a + b·log(1 + t/r)^⅓",
        lambda t, r: np.log1p(t / r) ** (1 / 3),
        lambda _first, last: {"r": np.geomspace(last * 1e-12, last / 10, 45)},
    ),
    Model(
        "power",
        POWER,
        "a + b·(t + s)^p",
        lambda t, p, s: (t + s) ** p,
        lambda first, last: {"p": np.geomspace(SLOWEST, FASTEST, 16), "s": _shifts(first, last, 1 / 3)},
    ),
    Model(
        "approach out of sight",
        TRANSIENT,
        "a + b·(t + s)^−p",
        lambda t, p, s: (t + s) ** -p,
        lambda first, last: {"p": np.geomspace(0.05, 0.98 * SLOWEST_APPROACH, 8), "s": _shifts(first, last, 1 / 3)},
    ),
    Model(
        "faster than can last",
        TRANSIENT,
        "a + b·t^p",
        lambda t, p: t**p,
        lambda _first, _last: {"p": np.geomspace(1.05 * FASTEST, 2, 24)},
    ),
)
"""All of them have a free level a, so that where a path comes from decides nothing."""


def fit(model: Model, blocks: Blocks) -> Fit | None:
    """Fit one law by the likelihood of Gaussian errors whose neighbours are correlated (AR(1)).

    a and b come from least squares for every point of a grid of the other parameters, which is refined about the best.

    Parameters
    ----------
    model : Model
        The law.
    blocks : Blocks
        The data.

    Returns
    -------
    Fit or None
        None if no parameters let the law say what its kind says within these times.
    """
    axes = model.grid(float(blocks.times[0]), float(blocks.times[-1]))
    best = _best_of(model, blocks, axes)
    if best is None:
        return None
    widths = {name: 2 * _spacing(name, values) for name, values in axes.items()}
    for zoom in range(ZOOMS if axes else 0):
        near = {
            name: _around(name, axes[name], best["parameters"][name], width / 2**zoom) for name, width in widths.items()
        }
        found = _best_of(model, blocks, near)
        best = found if found is not None and found["score"] < best["score"] else best
    return _finished(model, blocks, best)


def _spacing(name: str, values: Array) -> float:
    unit = values[values > 0].min()  # shifts are spaced like logarithms, but through 0
    coordinates = np.arcsinh(values / unit) if name == "s" else np.log(values)
    return float(np.diff(coordinates).max())


def _around(name: str, values: Array, centre: float, width: float) -> Array:
    steps, unit = np.linspace(-width, width, POINTS), values[values > 0].min()
    moved = unit * np.sinh(np.arcsinh(centre / unit) + steps) if name == "s" else centre * np.exp(steps)
    return np.unique(np.clip(moved, values[0], values[-1]))


def _best_of(model: Model, blocks: Blocks, axes: Grid) -> dict[str, Any] | None:
    mesh = [one.reshape(-1, 1) for one in np.meshgrid(*axes.values(), indexing="ij")]
    shapes = np.atleast_2d(model.shape(blocks.times, *mesh))
    spread = np.ptp(shapes, axis=1)
    allowed = (spread > 0) & _reaches(model, blocks, shapes) if mesh else np.ones(1, bool)
    if not allowed.any():
        return None
    scores, rhos = _scores(shapes, blocks.values)
    scores[~allowed] = np.inf
    at = int(np.argmin(scores))
    parameters = {name: float(one[at, 0]) for name, one in zip(axes, mesh, strict=True)}
    return {"score": float(scores[at]), "rho": float(rhos[at]), "parameters": parameters}


def _reaches(model: Model, blocks: Blocks, shapes: Array) -> npt.NDArray[np.bool_]:
    # Whether the limit is not farther, in units of the way made here, than that of the slowest approach.
    if model.kind != CONVERGING:
        return np.ones(len(shapes), bool)
    farthest = 1 / ((blocks.times[-1] / blocks.times[0]) ** SLOWEST_APPROACH - 1)
    return np.asarray(shapes[:, -1] <= 1.000001 * farthest * (shapes[:, 0] - shapes[:, -1]))  # g tends to 0


def _scores(shapes: Array, values: Array) -> tuple[Array, Array]:
    # −2·log likelihood, a and b and the error's variance at their best, for each shape at its best correlation.
    n, lowest = len(values), floor(values)
    scores, rhos = np.full(len(shapes), np.inf), np.zeros(len(shapes))
    scale = np.ptp(shapes, axis=1, keepdims=True)
    centred = (shapes - shapes.mean(axis=1, keepdims=True)) / np.where(scale > 0, scale, 1)
    offset = values - values.mean()
    for rho in RHO:
        one, g, w = whiten(np.ones(n), rho), whiten(centred, rho), whiten(offset, rho)
        g = g - np.outer(g @ one, one) / (one @ one)
        w = w - (w @ one) / (one @ one) * one
        norm = (g**2).sum(axis=1)
        b = np.where(norm > 0, (g @ w) / np.where(norm > 0, norm, 1), 0.0)
        rss = np.maximum(((w - b[:, None] * g) ** 2).sum(axis=1), lowest)
        score = n * np.log(rss / n) - np.log(1 - rho**2)
        better = score < scores
        scores[better], rhos[better] = score[better], rho
    return scores, rhos


def _finished(model: Model, blocks: Blocks, best: dict[str, Any]) -> Fit:
    n, rho, parameters = len(blocks), best["rho"], best["parameters"]
    columns = [np.ones(n)] + ([model.shape(blocks.times, *parameters.values())] if parameters else [])
    x, w = whiten(np.stack(columns), rho).T, whiten(blocks.values, rho)
    scale = np.linalg.norm(x, axis=0)
    solution = np.linalg.lstsq(x / scale, w, rcond=None)[0] / scale
    rss = max(float(((w - x @ solution) ** 2).sum()), floor(blocks.values))
    count = len(columns) + len(parameters) + 2  # and the error's variance and correlation
    a, b = float(solution[0]), float(solution[1]) if parameters else 0.0
    error = _error_of_b(model, blocks, parameters, columns, b, rho) * (rss / max(n - count, 1)) ** 0.5
    return Fit(model, a, b, parameters, rho, best["score"] + count * np.log(n), error, n)


def _error_of_b(
    model: Model, blocks: Blocks, parameters: dict[str, float], columns: list[Array], b: float, rho: float
) -> float:
    # in units of the residuals' standard deviation, from the derivatives by all parameters
    if not parameters:
        return 0.0
    slopes = []
    for name, value in parameters.items():
        step = 1e-4 * (blocks.times[0] if name == "s" else value)
        ends = [model.shape(blocks.times, *(parameters | {name: value + sign * step}).values()) for sign in (1, -1)]
        slopes.append(b * (ends[0] - ends[1]) / (2 * step))
    x = whiten(np.stack(columns + slopes), rho).T
    scale = np.linalg.norm(x, axis=0)
    scale = np.where(scale > 0, scale, 1)
    return float(np.linalg.pinv((x / scale).T @ (x / scale))[1, 1] ** 0.5 / scale[1])
