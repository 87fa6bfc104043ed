"""One backpropagation, layer by layer, for teaching (Fleischmann 2021, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice, check_int, check_ndim

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

NOTATIONS = ("fleischmann", "kawaguchi")

_SHOWN_UNITS = 12


@dataclass(frozen=True, repr=False, eq=False)
class BackpropTrace:
    """The quantities of one backpropagation.

    Entry ℓ of each tuple belongs to layer ℓ = 0, …, L; layer 0 is the input and has neither z nor δ (empty arrays).

    Attributes
    ----------
    i : int
        The observation.
    loss : float
        Its loss L_i(θ).
    notation : {"fleischmann", "kawaguchi"}
        Kawaguchi's slides write s for z, and put the node x_0 = 1 in front of x in every layer but the last
        (not if the network has no biases).
    bias : bool
        Whether the network has biases.
    z : tuple of ndarray
        The pre-activations z^(ℓ) = W^(ℓ) x^(ℓ−1) + b^(ℓ), shape (d_ℓ,).
    x : tuple of ndarray
        The outputs x^(ℓ) = σ^(ℓ)(z^(ℓ)), shape (d_ℓ,), with x_0 = 1 in front in Kawaguchi's notation.
    delta : tuple of ndarray
        δ^(ℓ) = ∂L_i/∂z^(ℓ) (eqs. (4.3) and (4.6)), shape (d_ℓ,).
    """

    i: int
    loss: float
    notation: str
    bias: bool
    z: tuple[FloatArray, ...]
    x: tuple[FloatArray, ...]
    delta: tuple[FloatArray, ...]

    @property
    def s(self) -> tuple[FloatArray, ...]:
        """The pre-activations by the slides' letter."""
        return self.z

    @property
    def partials(self) -> tuple[FloatArray, ...]:
        """The partial derivatives of L_i by the weights of layers 1, …, L, in the notation's layout.

        Fleischmann: ∂L/∂ω_{i,j} = δ_i x_j (eq. (4.4)), shape (d_ℓ, d_{ℓ−1}), without the biases (they are δ, eq.
        (4.5)). Kawaguchi: ∂E/∂w_{ij} = δ_j x_i, shape (d_{ℓ−1} + 1, d_ℓ), row 0 the biases.
        """
        pairs = zip(self.x[:-1], self.delta[1:], strict=True)
        if self.notation == "kawaguchi":
            return tuple(np.outer(x, delta) for x, delta in pairs)
        return tuple(np.outer(delta, x) for x, delta in pairs)

    @property
    def gradient(self) -> FloatArray:
        """∇L_i(θ) in the order of θ, shape (d,), put together from x and δ."""
        parts = []
        for x, delta in zip(self.x[:-1], self.delta[1:], strict=True):
            inputs = x[1:] if self.notation == "kawaguchi" and self.bias else x
            parts.append(np.outer(delta, inputs).ravel())
            parts.append(delta[: len(delta) * self.bias])
        return np.concatenate(parts)

    @property
    def _letters(self) -> tuple[str, ...]:
        return ("layer", "unit", "s" if self.notation == "kawaguchi" else "z", "x", "δ")

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for layer, (z, x, delta) in enumerate(zip(self.z, self.x, self.delta, strict=True)):
            extra = len(x) - max(len(z), len(delta)) if layer else int(self.notation == "kawaguchi" and self.bias)
            for place, value in enumerate(x[:_SHOWN_UNITS]):
                unit = place - extra
                inner = layer > 0 and unit >= 0
                cells = (f"{z[unit]:.6g}" if inner else "", f"{value:.6g}", f"{delta[unit]:.6g}" if inner else "")
                yield (str(layer), str(unit + 1), *cells)
            if len(x) > _SHOWN_UNITS:
                yield (str(layer), "…", "", f"({len(x) - _SHOWN_UNITS} more)", "")

    def _title(self) -> str:
        return f"backpropagation of observation {self.i}: loss {self.loss:.6g}"

    def __repr__(self) -> str:
        """Return the table as text.

        Returns
        -------
        str
            One line per unit, of at most 12 units per layer.
        """
        rows = [self._letters, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{letter}</th>" for letter in self._letters)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._rows())
        return f"<table><caption>{escape(self._title())}</caption><tr>{head}</tr>{body}</table>"


def trace(objective: Objective, theta: npt.ArrayLike, i: int, notation: str = "fleischmann") -> BackpropTrace:
    """Return the trace of observation i: see `Objective.backprop_trace`.

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : array_like, shape (d,)
        The parameters of one run.
    i : int
        Which observation, 0 <= i < n.
    notation : {"fleischmann", "kawaguchi"}, default "fleischmann"
        The letters.

    Returns
    -------
    BackpropTrace
        The table.

    Raises
    ------
    TypeError
        If `i` is not an integer.
    ValueError
        If `i` or the notation is unknown, or `theta` holds several runs.
    """
    letters = check_choice("notation", notation, NOTATIONS)
    observation = check_int("i", i, minimum=0, maximum=objective.n - 1)
    parameters = objective.check_theta(theta)
    check_ndim("theta", parameters, 1)
    layers = objective.core.backprop_trace(parameters, observation)
    z, x, delta = (tuple(column.astype(objective.dtype) for column in columns) for columns in zip(*layers, strict=True))
    if letters == "kawaguchi" and objective.net.bias:
        x = (*(np.concatenate([np.ones(1, objective.dtype), states]) for states in x[:-1]), x[-1])
    loss = float(objective.losses(parameters)[observation])
    return BackpropTrace(observation, loss, letters, objective.net.bias, z, x, delta)
