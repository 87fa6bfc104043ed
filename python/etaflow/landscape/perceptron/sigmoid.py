"""The sigmoid θ of Sontag's perceptron, and the four properties that his theory asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[np.float64]

PROPERTIES = ("smooth", "strictly increasing", "odd", "limits ±1")

_GRID = np.concatenate([np.geomspace(1e-6, 1e-2, 60), np.linspace(0.0105, 8.0, 3200)])
_FAR = np.geomspace(8.0, 1e12, 200)
_ROUNDING = 64 * float(np.finfo(np.float64).eps)
_SMOOTH_STEP = 2e-4
_SATURATED = 2.0
"""From here on a θ that is 1 within rounding may stay so."""

_LIMIT = 1e-6
"""So near must θ(z) come to ±1 for some |z| ≤ 10¹²."""


@dataclass(frozen=True, eq=False)
class Sigmoid:
    """A sigmoid by name or of one's own.

    Attributes
    ----------
    name : str
        Its name.
    function : callable
        θ, elementwise on arrays.
    derivative : callable
        θ', elementwise.
    enclosed : {"tanh", "arctan", None}
        The function whose enclosures by intervals are known, if any: θ(z) is that function of ``scale``·z.
    scale : float
        A power of 2.
    """

    name: str
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    enclosed: str | None = None
    scale: float = 1.0

    def __call__(self, z: npt.ArrayLike) -> Array:
        """Return θ(z).

        Returns
        -------
        ndarray
            Of the shape of z.
        """
        return self.function(np.asarray(z, dtype=np.float64))

    def __repr__(self) -> str:
        """Return the name.

        Returns
        -------
        str
            One line.
        """
        return f"Sigmoid({self.name!r})"


SIGMOIDS = {
    "tanh": Sigmoid("tanh", np.tanh, lambda z: 1 / np.cosh(np.clip(z, -350, 350)) ** 2, "tanh"),
    "arctan": Sigmoid("arctan", lambda z: 2 / np.pi * np.arctan(z), lambda z: 2 / np.pi / (1 + np.square(z)), "arctan"),
    "logistic": Sigmoid(
        "logistic",
        lambda z: np.tanh(z / 2),
        lambda z: 0.5 / np.cosh(np.clip(z / 2, -350, 350)) ** 2,
        "tanh",
        0.5,
    ),
}
"""``logistic`` is 2/(1 + e⁻ᶻ) − 1, so that it has the limits ±1."""


@dataclass(frozen=True, eq=False, repr=False)
class Validation:
    """What `validate` found.

    Attributes
    ----------
    properties : dict of str to bool
        By the names of `PROPERTIES`.
    reasons : dict of str to str
        The same in words, with where and by how much.
    """

    properties: dict[str, bool]
    reasons: dict[str, str]

    @property
    def valid(self) -> bool:
        """Whether all properties hold."""
        return all(self.properties.values())

    def __repr__(self) -> str:
        """Return the properties that fail, with the reasons.

        Returns
        -------
        str
            One line.
        """
        failing = [self.reasons[name] for name, holds in self.properties.items() if not holds]
        return f"Validation({'; '.join(failing) or 'smooth, strictly increasing, odd, limits ±1'})"


def validate(theta: str | Sigmoid | Callable[[Array], Array]) -> Validation:
    """Test whether a function is a sigmoid in Sontag's sense: smooth, strictly increasing, odd, with limits ±1.

    The named sigmoids have the properties by their formulas. A function of one's own is evaluated at some 3500 points on either side of
    0: that can refute a property, with the place as evidence, and otherwise only support it. Smoothness is tested up to the third
    derivative: its differences over steps h and h/2 must agree as those of a smooth function do.

    Parameters
    ----------
    theta : {"tanh", "arctan", "logistic"}, Sigmoid or callable
        The function, elementwise on arrays of float64.

    Returns
    -------
    Validation
        Each property with its evidence.

    Raises
    ------
    TypeError
        If it is not a function, or does not map arrays elementwise.

    References
    ----------
    Sontag 1988, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> validate("arctan").valid
    True
    >>> validate(lambda z: np.clip(z, -1, 1))
    Validation(not smooth: its third differences near z = 1 do not settle; not strictly increasing: θ(1.002) = 1 and θ(1.005) = 1)
    """
    if isinstance(theta, str):
        name = check_choice("theta", theta, SIGMOIDS)
        return Validation(dict.fromkeys(PROPERTIES, True), dict.fromkeys(PROPERTIES, f"by the formula of {name}"))
    function = _elementwise(theta)
    points = np.concatenate([-_GRID[::-1], [0.0], _GRID])
    values = function(points)
    if not np.isfinite(values).all():
        raise TypeError(f"theta must give finite numbers (theta({points[~np.isfinite(values)][0]:g}) is not)")
    found = [
        _smooth(function),
        _increasing(points, values),
        _odd(function),
        _limits(function),
    ]
    properties = {name: not reason.startswith("not ") for name, reason in zip(PROPERTIES, found, strict=True)}
    return Validation(properties, dict(zip(PROPERTIES, found, strict=True)))


def as_sigmoid(theta: str | Sigmoid | Callable[[Array], Array]) -> Sigmoid:
    """Return the sigmoid that an argument means, after its validation.

    Parameters
    ----------
    theta : {"tanh", "arctan", "logistic"}, Sigmoid or callable
        A name, or a function of one's own, whose derivative is then taken by central differences.

    Returns
    -------
    Sigmoid
        The sigmoid.

    Raises
    ------
    TypeError
        If it is neither a name nor a function.
    ValueError
        If the name is unknown, or the function is not smooth, increasing and odd with limits ±1.
    """
    if isinstance(theta, str):
        return SIGMOIDS[check_choice("theta", theta, SIGMOIDS)]
    if isinstance(theta, Sigmoid) and theta.enclosed is not None:
        return theta
    verdict = validate(theta)
    if not verdict.valid:
        failing = "; ".join(verdict.reasons[name] for name, holds in verdict.properties.items() if not holds)
        raise ValueError(f"theta must be a smooth, strictly increasing, odd function with limits ±1 ({failing})")
    if isinstance(theta, Sigmoid):
        return theta
    function = _elementwise(theta)
    step = float(np.finfo(np.float64).eps) ** (1 / 3)
    return Sigmoid("own", function, lambda z: (function(z + step) - function(z - step)) / (2 * step))


def _elementwise(theta: object) -> Callable[[Array], Array]:
    if not callable(theta):
        raise TypeError(f"theta must be a name or a function (got {theta!r}, a {type(theta).__name__})")

    def function(z: Array) -> Array:
        values = np.asarray(theta(z), dtype=np.float64)
        if values.shape != z.shape:
            raise TypeError(f"theta must map arrays elementwise (shape {z.shape} gave {values.shape})")
        return values

    return function


def _smooth(function: Callable[[Array], Array]) -> str:
    # Third differences over h and h/2: for a smooth function they agree to O(h²), at a kink of θ, θ' or θ'' they do not.
    places, worst, where = np.concatenate([[0.0], _GRID[60:]]), 0.0, 0.0
    for step in (32 * _SMOOTH_STEP, 64 * _SMOOTH_STEP):
        coarse, fine = (_third(function, places, h) for h in (step, step / 2))
        blur = 8 * _ROUNDING / (step / 2) ** 3 * 1e-2
        gap = np.abs(coarse - fine) - 0.05 * (1 + np.abs(fine).max()) - blur
        if gap.max() > worst:
            worst, where = float(gap.max()), float(places[np.argmax(gap)])
    return (
        f"not smooth: its third differences near z = {where:.2g} do not settle" if worst > 0 else "differences settle"
    )


def _third(function: Callable[[Array], Array], z: Array, h: float) -> Array:
    return (function(z + 2 * h) - 2 * function(z + h) + 2 * function(z - h) - function(z - 2 * h)) / (2 * h**3)


def _increasing(points: Array, values: Array) -> str:
    saturated = 1 - np.abs(values[1:]) <= _ROUNDING  # where the next float below 1 is as near as θ can come
    flat = (np.diff(values) <= 0) & ~(saturated & (np.diff(values) == 0) & (np.abs(points[1:]) > _SATURATED))
    if not flat.any():
        return "increasing on the grid"
    k = int(np.argmax(flat & (points[:-1] >= 0))) if (flat & (points[:-1] >= 0)).any() else int(np.argmax(flat))
    pair = f"θ({points[k]:.4g}) = {values[k]:.6g} and θ({points[k + 1]:.4g}) = {values[k + 1]:.6g}"
    return f"not strictly increasing: {pair}"


def _odd(function: Callable[[Array], Array]) -> str:
    gap = np.abs(function(_GRID) + function(-_GRID))
    k = int(np.argmax(gap))
    if gap[k] <= _ROUNDING and abs(float(function(np.zeros(1))[0])) <= _ROUNDING:
        return "odd on the grid"
    k = k if gap[k] > _ROUNDING else 0
    return f"not odd: θ({_GRID[k]:.4g}) + θ({-_GRID[k]:.4g}) = {gap[k]:.3g}"


def _limits(function: Callable[[Array], Array]) -> str:
    right, left = function(_FAR), function(-_FAR)
    if max(np.abs(right[-1] - 1), np.abs(left[-1] + 1)) < _LIMIT and max(right.max(), -left.min()) <= 1:
        return "the limits ±1 are reached to 1e-6"
    ends = f"θ({_FAR[-1]:.0e}) = {right[-1]:.6g} and θ({-_FAR[-1]:.0e}) = {left[-1]:.6g}"
    return f"not with limits ±1: {ends}"
