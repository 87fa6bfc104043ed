"""Three points that show a network's objective not to be convex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim
from etaflow.landscape.symmetry_groups import flips, join, rearrange, split
from etaflow.landscape.verdict.derivatives import enclosable
from etaflow.landscape.verdict.values import enclose_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.landscape.symmetry_groups import Layers
    from etaflow.problem.objective import Objective


@dataclass(frozen=True, eq=False)
class NonconvexityWitness:
    """Two points and their middle, where f is larger than the mean of the two.

    Attributes
    ----------
    first, middle, second : ndarray, shape (d,)
        The points: floats whose middle is a float too.
    excess : float
        A proved lower bound of f(middle) − (f(first) + f(second))/2, positive.
    how : str
        How the second came from the first, in words.
    """

    first: FloatArray
    middle: FloatArray
    second: FloatArray
    excess: float
    how: str

    def __repr__(self) -> str:
        """Return the excess and how it came about.

        Returns
        -------
        str
            One line.
        """
        return f"NonconvexityWitness(f is {self.excess:.3g} above the chord in the middle, after {self.how})"


def nonconvexity_witness(objective: Objective, theta: npt.ArrayLike) -> NonconvexityWitness | None:
    """Prove that f is not convex (Fleischmann 2021, section 3.2), by a symmetry of the network.

    Two units of a hidden layer that change places, or one that changes its signs, leave f as it is. In the middle
    between θ and its image these units are the same, or nothing: if f is larger there, no convex function could be so.
    The loss is enclosed in ball arithmetic, and θ is rounded so that the middle is exact.

    Parameters
    ----------
    objective : Objective
        The objective, without gelu units.
    theta : array_like, shape (d,)
        Where to begin: best a trained point, at which the units differ.

    Returns
    -------
    NonconvexityWitness or None
        The one with the largest excess; None if no exchange or flip shows it at this θ, as always without hidden layers.

    Raises
    ------
    TypeError
        If `theta` is of another dtype than the objective.
    ValueError
        If `theta` is not one point, or the network has gelu units, whose rounding is not known.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 2, 1], activation="relu"), [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0])
    >>> nonconvexity_witness(f, [1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 0.0])  # |x|; in the middle both units are 0
    NonconvexityWitness(f is 0.667 above the chord in the middle, after units 0 and 1 of layer 1 changed places)
    """
    place = objective.check_theta(theta)
    check_ndim("theta", place, 1)
    if not enclosable(objective):
        raise ValueError("objective must be of a network without gelu units, which have no enclosure here")
    first = _with_room(np.asarray(place, np.float64))
    best, base = None, enclose_value(objective, first)
    for how, layers in _images(objective, split(objective.net, first)):
        second = join(objective.net, layers)
        middle = (first + second) / 2
        ends = base[1] / 2 + enclose_value(objective, second)[1] / 2
        excess = float(np.nextafter(enclose_value(objective, middle)[0] - ends, -np.inf)) * (1 - 1e-12)
        if excess > (0.0 if best is None else best.excess):
            best = NonconvexityWitness(first, middle, second, excess, how)
    return best


def _with_room(theta: FloatArray) -> FloatArray:
    # Multiples of 2^-40 of the largest entry: sums and halves of two are floats.
    step = 2.0 ** (np.floor(np.log2(max(float(np.abs(theta).max()), 1e-300))) - 40)
    return np.asarray(np.round(theta / step) * step)


def _images(objective: Objective, layers: Layers) -> Iterator[tuple[str, Layers]]:
    for layer, activation in enumerate(objective.net.activations[:-1]):
        width = objective.net.widths[layer + 1]
        for j in range(width):
            for i in range(j):
                order = np.arange(width)
                order[[i, j]] = j, i
                how = f"units {i} and {j} of layer {layer + 1} changed places"
                yield how, rearrange(layers, layer, order, np.ones(width))
            if flips(objective.net, activation) and activation.name != "logistic":
                sign = np.where(np.arange(width) == j, -1.0, 1.0)
                how = f"the signs of unit {j} of layer {layer + 1} changed"
                yield how, rearrange(layers, layer, np.arange(width), sign)
