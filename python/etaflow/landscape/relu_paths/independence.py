"""A test whether the A_ij of the paths are independent Bernoulli variables of one rate ρ, as the slides on Kawaguchi 2016 assume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice, check_positive_int, check_probability, check_seed
from etaflow.landscape.relu_paths.routes import routes, sample
from etaflow.landscape.relu_paths.values import LIMIT

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow._checks import IntArray
    from etaflow.problem.network import MLP

    Array = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

OVER = ("data", "networks")

TESTED = 300
"""So many routes, drawn at random, are compared with each other; all of them count for ρ̂."""

SAME_RATE, BETWEEN, WITH_INPUT = "same rate", "between paths", "with the input"


@dataclass(frozen=True, eq=False, repr=False)
class Dependence:
    """What `dependence` measured.

    Attributes
    ----------
    rho : float
        ρ̂, the share of ones among the routes' A. (`rate` weighs a route by its paths.)
    rates : ndarray, shape (R,)
        By route, its share of ones.
    units : ndarray of int64, shape (R, number of ReLU layers)
        The routes, by their unit in every layer of ReLUs.
    samples : int
        Over how many observations or networks.
    over : str
        ``data`` or ``networks``.
    p_values : dict of str to float
        Of permutation tests, exact at any level: ``same rate`` of all routes, independence ``between paths``, and over data also ``with the input``.
    level : float
        What the smallest p-value, times the number of tests (Bonferroni), is compared with.
    correlation : xarray.Dataset
        By ``shared``, the number of ReLUs that two routes have in common: ``mean`` of the correlation of A over ``pairs`` pairs.
    input_correlation : ndarray, shape (tested routes, d_0), or None
        The correlation of A_j with X_i, over data; NaN for routes that are always on or off.
    """

    rho: float
    rates: Array
    units: IntArray
    samples: int
    over: str
    p_values: dict[str, float]
    level: float
    correlation: xr.Dataset
    input_correlation: Array | None

    @property
    def rejected(self) -> bool:
        """Whether independent Bernoulli variables of one rate are rejected at the level."""
        return min(self.p_values.values()) * len(self.p_values) <= self.level

    def __repr__(self) -> str:
        """Return ρ̂, the p-values and the verdict.

        Returns
        -------
        str
            One line.
        """
        values = ", ".join(f"{name}: p = {value:.2g}" for name, value in self.p_values.items())
        verdict = "rejected" if self.rejected else "not rejected"
        kind = "observations" if self.over == "data" else "networks"
        return (
            f"Dependence(ρ̂ = {self.rho:.3g} over {self.samples} {kind} and {len(self.rates)} routes; "
            f"independent Bernoulli variables {verdict} at level {self.level:g}: {values})"
        )


def dependence(
    net: MLP,
    theta: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    over: str = "data",
    level: float = 0.05,
    permutations: int = 199,
    seed: int = 0,
) -> Dependence:
    """Measure the activation variables A_ij and test the assumption that they are independent Bernoulli variables of one mean ρ.

    Paths through the same ReLUs have equal A, so one of each is taken, a *route*: this leaves the assumption its best case. Three permutation tests,
    each exact at any level under the assumption: of equal rates (given their total the ones are spread evenly; the variance of the
    routes' shares); of independence between routes (each route's values permuted by themselves; the variance of the number of
    active routes); and, over data, of independence of the input (the inputs permuted; the sum of squared correlations of A_j and X_i).

    Parameters
    ----------
    net : MLP
        With ReLUs.
    theta : array_like, shape (d,) or (runs, d)
        The network; for ``over="networks"`` many, as ``net.init(seed, runs)`` draws them.
    x : array_like, shape (n, d_0)
        The data, independent observations; one of them for ``over="networks"``.
    over : {"data", "networks"}, default "data"
        What A is random over.
    level : float, default 0.05
        The probability of a rejection, at most, where the assumption holds.
    permutations : int, default 199
        Of each test.
    seed : int, default 0
        Of the permutations, and of the 300 routes that are compared if there are more.

    Returns
    -------
    Dependence
        ρ̂, correlations and the tests.

    Raises
    ------
    ValueError
        If there is no ReLU, fewer than 10 samples, or θ and x do not fit.

    Examples
    --------
    Two layers of random ReLUs: routes that share a unit are dependent.

    >>> import etaflow as ef
    >>> net = ef.MLP([2, 3, 3, 1], activation="relu", bias=False)
    >>> found = ef.relu_paths.dependence(net, net.init(seed=0, runs=500), [[1.0, -0.5]], over="networks")
    >>> found.rejected, found.p_values["between paths"]
    (True, 0.005)
    """
    varied, alpha = check_choice("over", over, OVER), check_probability("level", level)
    repeats, generator = check_positive_int("permutations", permutations), np.random.default_rng(check_seed(seed))
    units = routes(net)
    number = len(units) * len(np.atleast_2d(np.asarray(x if varied == "data" else theta)))
    if number > LIMIT:
        raise ValueError(
            f"net has {len(units):,} routes, which give {number:,} activation variables: at most {LIMIT:,} are held"
        )
    active, inputs = sample(net, theta, x, varied, units)
    if len(active) < 10:
        raise ValueError(f"{'x' if varied == 'data' else 'theta'} must hold at least 10 samples (got {len(active)})")
    chosen = np.sort(generator.permutation(len(units))[:TESTED])
    tested = active[:, chosen]
    p_values = {
        SAME_RATE: _same_rate(active, repeats, generator),
        BETWEEN: _between(tested, repeats, generator),
    }
    with_input = None
    if inputs is not None:
        with_input = _correlations(tested.astype(float), inputs)
        p_values[WITH_INPUT] = _with_input(tested, inputs, repeats, generator)
    rates = active.mean(axis=0)
    shared = _by_shared_units(tested, units[chosen], net)
    return Dependence(float(rates.mean()), rates, units, len(active), varied, p_values, alpha, shared, with_input)


def _same_rate(active: Bools, repeats: int, generator: np.random.Generator) -> float:
    counts = active.sum(axis=0)
    drawn = generator.multivariate_hypergeometric(
        np.full(active.shape[1], len(active)), int(counts.sum()), repeats, method="marginals"
    )
    return _p_value(float((counts.astype(float) ** 2).sum()), (drawn.astype(float) ** 2).sum(axis=1))


def _between(active: Bools, repeats: int, generator: np.random.Generator) -> float:
    bits = active.astype(np.uint8)
    drawn = [_spread(generator.permuted(bits, axis=0)) for _ in range(repeats)]
    return _p_value(_spread(bits), np.array(drawn))


def _spread(bits: npt.NDArray[np.uint8]) -> float:
    return float((bits.sum(axis=1, dtype=np.int64).astype(float) ** 2).sum())


def _with_input(active: Bools, inputs: Array, repeats: int, generator: np.random.Generator) -> float:
    a, b = _standardized(active.astype(float)), _standardized(inputs)
    drawn = [float(((a.T @ b[generator.permutation(len(b))]) ** 2).sum()) for _ in range(repeats)]
    return _p_value(float(((a.T @ b) ** 2).sum()), np.array(drawn))


def _p_value(statistic: float, drawn: Array) -> float:
    as_large = drawn >= statistic * (1 - 1e-12)
    return float((1 + as_large.sum()) / (1 + len(drawn)))


def _standardized(columns: Array) -> Array:
    centred = columns - columns.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    return np.asarray(np.where(length > 0, centred / np.where(length > 0, length, 1), 0.0))  # constant: correlation 0


def _correlations(first: Array, second: Array) -> Array:
    found = _standardized(first).T @ _standardized(second)
    found[np.ptp(first, axis=0) == 0] = np.nan
    return np.asarray(found)


def _by_shared_units(active: Bools, units: IntArray, net: MLP) -> xr.Dataset:
    import xarray as xr  # noqa: PLC0415 - slow to import

    correlation = _correlations(active.astype(float), active.astype(float))
    above = np.triu_indices(len(units), 1)
    widths = np.array([width for width, one in zip(net.widths[1:], net.activations, strict=True) if one.name == "relu"])
    common = ((units[:, None] == units[None]) & (units < widths)[:, None]).sum(axis=2)[above]
    values = correlation[above]
    known = np.isfinite(values) & np.isfinite(correlation.T[above])
    numbers = np.arange(units.shape[1])
    pairs = [int((known & (common == number)).sum()) for number in numbers]
    means = [
        float(values[known & (common == number)].mean()) if count else np.nan
        for number, count in zip(numbers, pairs, strict=True)
    ]
    return xr.Dataset({"mean": ("shared", means), "pairs": ("shared", pairs)}, {"shared": numbers})
