"""How often training a network of leaky ReLUs reaches loss zero, and whether it ends in poor local minima, as the data grow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import (
    check_float_array,
    check_nonnegative_number,
    check_number,
    check_positive_int,
    check_probability,
    check_seed,
)
from etaflow._intervals import proportion_interval
from etaflow.dynamics.progress import Progress
from etaflow.landscape.linear_networks.perturbed import PerturbedNets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

KINDS = ("zero", "poor", "kink", "unfinished")
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)

NOTHING = 1e-12
"""A loss below this share of the mean squared target counts as zero."""

NEAR = 1e-6
"""A pre-activation below this share of ‖w_k‖·‖x_i‖ counts as on the kink, and an output weight below this share of the largest as 0."""

FLAT = 1e-7
"""A gradient with respect to v below this share of its bound counts as 0."""

STEP_SIZE = 0.03


@dataclass(frozen=True, eq=False, repr=False)
class SoudryCarmon:
    """Where training ended, by the size of the data, made by `soudry_carmon`.

    Attributes
    ----------
    data : xarray.Dataset
        Over ``ratio`` = n/(d_0·d_1): ``n``; the counts ``zero``, ``poor``, ``kink`` and ``unfinished`` of the trials; the share of ``zero`` as
        ``success`` with the ends ``low`` and ``high`` of its Clopper–Pearson interval; and ``rank_deficient``: of the poor minima, how many
        have features of a rank below n, which the theorem's perturbation rules out.
    trials : int
        How many for each size.
    perturbed : bool
        Whether the activations were perturbed, as the theorem assumes.
    """

    data: Any
    trials: int
    perturbed: bool

    @property
    def contradictions(self) -> int:
        """The number of differentiable local minima above 0 with n <= d_0·d_1: none, says the theorem, if the activations are perturbed."""
        within = self.data["ratio"].values <= 1
        return int(self.data["poor"].values[within].sum())

    def __repr__(self) -> str:
        """Return the success rates and the number of poor minima.

        Returns
        -------
        str
            One line.
        """
        rates = ", ".join(
            f"{100 * float(share):.0f} % at {float(ratio):g}"
            for ratio, share in zip(self.data["ratio"].values, self.data["success"].values, strict=True)
        )
        how = "perturbed" if self.perturbed else "unperturbed"
        return f"SoudryCarmon({how}: loss 0 in {rates} of d_0·d_1; {self.contradictions} poor differentiable minima up to 1)"


def soudry_carmon(
    *,
    inputs: int = 5,
    hidden: int = 4,
    ratios: Sequence[float] = RATIOS,
    trials: int = 100,
    perturbed: bool = True,
    slope: float = 0.1,
    noise: float = 0.5,
    iterations: int = 3000,
    seed: int = 0,
    level: float = 0.95,
    progress: bool | Callable[[float], Any] = False,
) -> SoudryCarmon:
    """Train networks of leaky ReLUs on random labels (Soudry and Carmon 2016, Theorem 4; Fleischmann 2021, Theorem 3.6).

    The theorem: with n <= d_0·d_1 observations all *differentiable* local minima have loss 0, for almost all noise on the inputs and almost
    all perturbations of the activations. Every trial has data, perturbations and a start of its own: inputs are corners of the cube
    {−1, 1}^{d_0} with Gaussian noise, labels −1 or 1 by chance. It is trained by Adam and then by Levenberg–Marquardt steps, and its end is

    - ``zero``: the loss is 0 but for rounding;
    - ``poor``: a differentiable local minimum above 0. As long as no unit changes its side for any observation, the prediction is linear in
      the products v_k of output weight and input weights, and the loss convex in them: where its gradient with respect to v is 0, and no
      pre-activation is, the end is a local minimum for certain;
    - ``kink``: some pre-activation is 0, so that the loss is not differentiable there, and the theorem is silent;
    - ``unfinished``: none of these.

    Parameters
    ----------
    inputs, hidden : int, default 5 and 4
        d_0 and d_1.
    ratios : sequence of float, default 0.25 to 2
        n/(d_0·d_1); n is rounded, and the ratio is then that of n.
    trials : int, default 100
        For each n.
    perturbed : bool, default True
        Whether each unit's activation is multiplied by a Gaussian number of its own for each observation, as the theorem assumes.
    slope : float, default 0.1
        Of the leaky ReLU below 0.
    noise : float, default 0.5
        The standard deviation of the noise on the inputs.
    iterations : int, default 3000
        Of Adam.
    seed : int, default 0
        Of all random numbers, for NumPy's default generator.
    level : float, default 0.95
        The confidence level of the intervals.
    progress : bool or callable, default False
        True for a progress bar (tqdm); or a function that is given the part that is done.

    Returns
    -------
    SoudryCarmon
        The counts and success rates; after Ctrl-C those of the sizes that were finished.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import etaflow as ef
    >>> ef.linear_networks.soudry_carmon(inputs=3, hidden=2, ratios=[0.5, 2], trials=10, iterations=500)
    SoudryCarmon(perturbed: loss 0 in 90 % at 0.5, 0 % at 2 of d_0·d_1; 0 poor differentiable minima up to 1)
    """
    width, units = check_positive_int("inputs", inputs), check_positive_int("hidden", hidden)
    count, steps = check_positive_int("trials", trials), check_positive_int("iterations", iterations)
    tilt, spread = check_number("slope", slope), check_nonnegative_number("noise", noise)
    share, key = check_probability("level", level), check_seed(seed)
    wanted = check_float_array("ratios", ratios, dtype=np.float64, ndim=1, integers=True)
    if len(wanted) == 0 or (wanted <= 0).any():
        raise ValueError(f"ratios must hold at least one number, all above 0 (got {list(ratios)})")
    sizes = np.unique(np.maximum(np.rint(wanted * width * units).astype(int), 1))
    rows: list[dict[str, int]] = []
    try:
        with Progress(progress, len(sizes)) as bar:
            for place, n in enumerate(sizes):
                shape = (count, int(n), width, units)
                nets, start = _draw(np.random.default_rng([key, int(n)]), shape, perturbed, tilt, spread)
                rows.append(_judge(nets, _train(nets, start, steps)))
                if bar.report is not None:
                    bar.report((place + 1) / len(sizes))
    except KeyboardInterrupt:
        if not rows:
            raise
        warnings.warn(f"interrupted after {len(rows)} of {len(sizes)} sizes", RuntimeWarning, stacklevel=2)
        sizes = sizes[: len(rows)]
    return SoudryCarmon(_table(sizes, width * units, rows, count, share), count, perturbed)


def _draw(
    generator: np.random.Generator, shape: tuple[int, int, int, int], perturbed: bool, slope: float, noise: float
) -> tuple[PerturbedNets, Array]:
    trials, n, width, units = shape
    corners = generator.choice([-1.0, 1.0], size=(trials, n, width))
    x = corners + noise * generator.standard_normal((trials, n, width))
    y = generator.choice([-1.0, 1.0], size=(trials, n))
    gain = generator.standard_normal((trials, n, units)) if perturbed else np.ones((trials, n, units))
    first = generator.standard_normal((trials, units * width)) * np.sqrt(2 / width)
    last = generator.standard_normal((trials, units)) * np.sqrt(2 / units)
    return PerturbedNets(x, y, gain, slope), np.concatenate([first, last], axis=1)


def _train(nets: PerturbedNets, start: Array, iterations: int) -> Array:
    ends = nets.anneal(start, iterations=iterations, step_size=STEP_SIZE)
    enough = NOTHING * 1e-3 * (nets.y**2).mean(axis=1)
    return nets.fit(ends, iterations=iterations // 10 + 100, enough=enough)


def _judge(nets: PerturbedNets, theta: Array) -> dict[str, int]:
    first, last = nets.split(theta)
    zero = nets.values(theta) <= NOTHING * (nets.y**2).mean(axis=1)
    lengths = np.linalg.norm(first, axis=2)[:, None, :] * np.linalg.norm(nets.x, axis=2)[:, :, None]
    kink = (np.abs(nets.preactivations(theta)) <= NEAR * lengths).any(axis=(1, 2))
    residuals, features = nets.residuals(theta)[0], nets.features(theta)
    slopes = np.linalg.norm(residuals[:, None, :] @ features, axis=(1, 2))
    flat = slopes <= FLAT * np.linalg.norm(residuals, axis=1) * np.linalg.norm(features, axis=(1, 2))
    used = (np.abs(last) > NEAR * np.abs(last).max(axis=1, keepdims=True)).all(axis=1)
    poor = ~zero & ~kink & flat & used
    deficient = np.linalg.matrix_rank(features) < nets.y.shape[1]
    counts = {"zero": zero, "poor": poor, "kink": kink & ~zero, "unfinished": ~(zero | poor | kink)}
    return {name: int(one.sum()) for name, one in counts.items()} | {"rank_deficient": int((poor & deficient).sum())}


def _table(sizes: npt.NDArray[np.int64], product: int, rows: list[dict[str, int]], trials: int, level: float) -> Any:
    import xarray as xr  # noqa: PLC0415 - slow to import

    intervals = [proportion_interval(row["zero"], trials, level=level) for row in rows]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns |= {"n": sizes, "success": [row["zero"] / trials for row in rows]}
    columns |= {"low": [low for low, _ in intervals], "high": [high for _, high in intervals]}
    return xr.Dataset({name: ("ratio", values) for name, values in columns.items()}, {"ratio": sizes / product})
