"""Enclosures of the gradient of E, divided by one of its rows so that nothing underflows however far the weights are.

∇E(x) = −2 Σ_i b_i w(b_i·x) with the pull w = (1 − θ)θ' > 0. Far out every pull is tiny, and only their ratios matter: the functions
here enclose G = Σ_i b_i w(z_i)/w(z_k) over boxes, with k the row of the largest pull at the box's middle, and the Jacobian of G. G
has the same zeros as ∇E, and at a zero ∇²E = −2 w(z_k) ∂G.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.intervals import Interval, complement_of_arctan, exp, log1p, tanh

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

_TWO_OVER_PI = Interval(np.float64(0.6366197723675813), np.float64(0.6366197723675814))  # type: ignore[arg-type]
_BLUR = 1e-10
"""Far more than what sums of positive products lose to rounding."""

_ANGLES = (np.arange(24) + 0.5) * np.pi / 24
_OPPOSED = math.cos(math.radians(160))
MOST_DIRECTIONS = 400

_LEAST = math.log(6.75) * (1 - 1e-12)
"""min −log(w/8) for tanh, at tanh z = −1/3: log 2 + 3·log 1.5."""


@dataclass(frozen=True, eq=False)
class Pulls:
    """Rows and their sigmoid.

    Attributes
    ----------
    rows : Interval
        The rows b_i after the reduction to y = e, shape (n, m), none of them zero, scaled by the sigmoid's scale.
    enclosed : {"tanh", "arctan"}
        The sigmoid.
    """

    rows: Interval
    enclosed: str

    @cached_property
    def fan(self) -> Array:
        """Directions v of which one shows that G is not 0, shape (fan, m).

        For two weights: evenly spread ones, those across each row, and those between rows that almost oppose each other, along whose
        valley all others fail.
        """
        rows = self.rows.middle
        if rows.shape[1] == 1:
            return np.ones((1, 1))
        units = rows / np.linalg.norm(rows, axis=1)[:, None]
        one, other = np.nonzero(np.triu(units @ units.T < _OPPOSED))
        spread = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
        across = np.column_stack([-rows[:, 1], rows[:, 0]])
        return np.concatenate([spread, across, units[one] + units[other]])[:MOST_DIRECTIONS]

    def gradient(self, boxes: Interval) -> tuple[Interval, Interval]:
        """Enclose G and its Jacobian over boxes.

        Parameters
        ----------
        boxes : Interval
            Shape (N, m).

        Returns
        -------
        value : Interval
            G, shape (N, m).
        jacobian : Interval
            ∂G_v/∂x_u, shape (N, m, m).
        """
        inputs, largest, ratios = self._terms(boxes)
        falls = self._falls(inputs)  # (N, n)
        own = np.arange(len(largest)), largest
        terms = ratios[:, :, None] * self.rows  # (N, n, m)
        slope = (falls * -1.0)[:, :, None] * self.rows
        lead = falls[own][:, None, None] * self.rows[largest][:, None, :]
        jacobian = (terms[:, :, :, None] * (slope + lead)[:, :, None, :]).sum(axis=1)
        return terms.sum(axis=1), jacobian

    def value(self, boxes: Interval) -> Interval:
        """Enclose G alone.

        Parameters
        ----------
        boxes : Interval
            Shape (N, m).

        Returns
        -------
        Interval
            Shape (N, m).
        """
        return (self._terms(boxes)[2][:, :, None] * self.rows).sum(axis=1)

    def may_vanish(self, boxes: Interval) -> tuple[npt.NDArray[np.bool_], Array]:
        """Return on which boxes G may vanish, by the signs of G·v for a fan of directions v.

        Parameters
        ----------
        boxes : Interval
            Shape (N, m).

        Returns
        -------
        possible : ndarray of bool, shape (N,)
            False is a proof that it does not.
        reach : ndarray, shape (N,)
            By how much the input of the row that pulls most varies over the box.
        """
        inputs, largest, ratios = self._terms(boxes)
        along = (self.rows[:, None, :] * self.fan).sum(axis=2)  # (n, fan)
        up, down = np.maximum(along.high, 0.0), np.maximum(-along.low, 0.0)
        surely_up, surely_down = np.maximum(along.low, 0.0), np.maximum(-along.high, 0.0)
        with np.errstate(invalid="ignore", over="ignore"):
            least = (ratios.low @ surely_up) * (1 - _BLUR) - (ratios.high @ down) * (1 + _BLUR)
            most = (ratios.high @ up) * (1 + _BLUR) - (ratios.low @ surely_down) * (1 - _BLUR)
        reach = inputs.width[np.arange(len(largest)), largest]
        return np.asarray(~((least > 0) | (most < 0)).any(axis=1)), np.asarray(reach)

    def inputs(self, boxes: Interval) -> Interval:
        """Return z_i = b_i·x over boxes.

        Returns
        -------
        Interval
            Shape (N, n).
        """
        return (boxes[:, None, :] * self.rows).sum(axis=2)

    def errors(self, boxes: Interval) -> Interval:
        """Enclose 1 − θ(z_i) over boxes.

        Returns
        -------
        Interval
            Shape (N, n), within [0, 2].
        """
        z = self.inputs(boxes)
        if self.enclosed == "arctan":
            found = complement_of_arctan(z) * _TWO_OVER_PI
        else:
            found = Interval.of(2.0) / (exp(z * 2.0) + 1.0)
        return Interval(np.clip(found.low, 0.0, 2.0), np.clip(found.high, 0.0, 2.0))

    def _terms(self, boxes: Interval) -> tuple[Interval, npt.NDArray[np.intp], Interval]:
        # z_i, the row k, and w(z_i)/w(z_k).
        inputs = self.inputs(boxes)
        largest = np.argmin(self._cost(boxes.middle @ self.rows.middle.T), axis=1)
        return inputs, largest, self._ratios(boxes, inputs, largest)

    def _cost(self, z: Array) -> Array:
        # −log of the pull, up to a constant; in floats, as it only chooses a row.
        if self.enclosed == "arctan":
            return np.asarray(np.log1p(z**2) - np.log(np.arctan2(1.0, z)))
        return np.asarray(np.where(z > 0, 4 * z, -2 * z) + 3 * np.log1p(np.exp(-2 * np.abs(z))))

    def _falls(self, z: Interval) -> Interval:
        # −w'/w
        if self.enclosed == "tanh":
            return tanh(z) * 3.0 + 1.0
        one_plus = z.square() + 1.0
        return Interval.of(1.0) / (complement_of_arctan(z) * one_plus) + z * 2.0 / one_plus

    def _ratios(self, boxes: Interval, z: Interval, largest: npt.NDArray[np.intp]) -> Interval:
        own = np.arange(len(largest)), largest
        if self.enclosed == "arctan":
            pulls = complement_of_arctan(z) / (z.square() + 1.0)
            found = pulls / pulls[own][:, None]
        else:
            slopes, rest = self._costs(z)
            mine = slopes[own][:, None, :]  # (N, 1, m)
            linear = ((mine - slopes) * boxes[:, None, :]).sum(axis=2)
            found = exp(linear + (rest[own][:, None] - rest))
        found.low[own] = found.high[own] = 1.0
        return found

    def _costs(self, z: Interval) -> tuple[Interval, Interval]:
        # −log(w/8) as a linear function of x plus a small rest: 4z + 3 log(1 + e^−2z) or −2z + 3 log(1 + e^2z).
        positive, negative = z.low >= 0, z.high <= 0
        factor = np.where(positive, 4.0, np.where(negative, -2.0, 0.0))
        slopes = self.rows * factor[:, :, None]
        nearest = np.where(positive, z.low, np.where(negative, -z.high, 0.0))
        size = Interval(nearest, z.magnitude)
        rest = log1p(exp(size * -2.0)) * 3.0
        ends = [_cost_of_tanh(Interval.of(end)).high for end in (z.low, z.high)]
        either = positive | negative
        low = np.where(either, rest.low, _LEAST)
        high = np.where(either, rest.high, np.maximum(ends[0], ends[1]))
        return slopes, Interval(low, high)


def _cost_of_tanh(z: Interval) -> Interval:
    size = Interval.of(z.magnitude)
    return size * np.where(z.low >= 0, 4.0, 2.0) + log1p(exp(size * -2.0)) * 3.0
