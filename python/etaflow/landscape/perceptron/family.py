"""What becomes of the minima of E(x) = (1 − θ(x))² + (1 + θ(ax))² as a grows."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice, check_float_array, check_positive_number
from etaflow.landscape.perceptron.all_minima import minima
from etaflow.landscape.perceptron.infinity import tail
from etaflow.landscape.perceptron.problem import case
from etaflow.landscape.perceptron.sigmoid import SIGMOIDS

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

RANGE = (Fraction(1, 64), Fraction(64))


def bifurcation(theta: str = "tanh", a: npt.ArrayLike | None = None) -> xr.Dataset:
    """Return every local minimum and maximum of case 3 for each a.

    Parameters
    ----------
    theta : {"tanh", "arctan", "logistic"}, default "tanh"
        The sigmoid.
    a : array_like, shape (k,), optional
        The numbers a > 0; by default 49 from 1/16 to 16, evenly on a logarithmic scale.

    Returns
    -------
    xarray.Dataset
        Along ``a``: ``count``, the number of local minima; ``left`` and ``right``, whether one is at −∞ and +∞; ``complete``, whether all is
        proved. Along ``a`` and ``branch``: ``minimum`` and ``maximum``, the finite ones in order, and NaN; ``value``, E at the minima.

    Raises
    ------
    ValueError
        If the sigmoid has no enclosures, or some a is not positive.

    References
    ----------
    Sontag 1988, section 2, the third case.

    Examples
    --------
    >>> bifurcation("tanh", [0.5, 1.0, 2.0, 2.01])["count"].values.tolist()
    [1, 1, 1, 2]
    >>> bifurcation("arctan", [6.0, 8.0])["count"].values.tolist()
    [1, 2]
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    check_choice("theta", theta, SIGMOIDS)
    numbers = (
        np.geomspace(1 / 16, 16, 49)
        if a is None
        else check_float_array("a", a, dtype=np.float64, integers=True, ndim=1)
    )
    if not (numbers > 0).all():
        raise ValueError(f"a must be > 0 (got {numbers[numbers <= 0][0]:g})")
    columns = ("minimum", "maximum", "value")
    table = {name: np.full((len(numbers), 3), np.nan) for name in columns}
    ends = np.zeros((len(numbers), 2), dtype=bool)
    counts, proved = np.zeros(len(numbers), dtype=int), np.zeros(len(numbers), dtype=bool)
    for k, number in enumerate(numbers.tolist()):
        found = minima(case(3, number, theta))
        finite = sorted((one for one in found if not one.at_infinity), key=lambda one: float(one.x[0]))
        ways = [float(one.direction[0]) for one in found if one.direction is not None]
        tops = [zero.box.middle[0] for zero in found.blocks[0].stationary if zero.kind == "maximum"]
        for name, values in zip(
            columns, ([one.x[0] for one in finite], tops, [one.value for one in finite]), strict=True
        ):
            table[name][k, : len(values)] = values
        ends[k] = -1.0 in ways, 1.0 in ways
        counts[k], proved[k] = found.count, found.complete
    return xr.Dataset(
        {
            "count": ("a", counts),
            "left": ("a", ends[:, 0]),
            "right": ("a", ends[:, 1]),
            "complete": ("a", proved),
            **{name: (("a", "branch"), values) for name, values in table.items()},
        },
        coords={"a": numbers, "branch": [0, 1, 2]},
    )


def threshold(theta: str = "tanh", *, side: str = "right", halvings: int = 40) -> tuple[Fraction, Fraction] | None:
    """Enclose the a at which the limit at infinity becomes a local minimum of case 3, by exact comparisons.

    For tanh it is 2 on the right side and 1/2 on the left: at +∞ the error of the first output falls like 4e^{−4x}, that of the second rises like
    8e^{−2ax}.

    Parameters
    ----------
    theta : {"tanh", "arctan", "logistic"}, default "tanh"
        The sigmoid.
    side : {"right", "left"}, default "right"
        x → +∞ or −∞.
    halvings : int, default 40
        Of the interval from 1/64 to 64.

    Returns
    -------
    (Fraction, Fraction) or None
        The last a without the minimum and the first with it. None if there is none with it, as for arctan.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> [round(float(a), 9) for a in threshold("tanh")]
    [2.0, 2.0]
    >>> threshold("arctan") is None
    True
    """
    sigmoid = SIGMOIDS[check_choice("theta", theta, SIGMOIDS)]
    way = 1 if check_choice("side", side, ("right", "left")) == "right" else -1
    enclosed, scale = str(sigmoid.enclosed), Fraction(sigmoid.scale)

    def there(a: Fraction) -> bool:
        return tail([way * scale, -way * scale * a], enclosed).sign < 0

    without, with_it = RANGE if way > 0 else RANGE[::-1]
    if not there(with_it):
        return None
    for _ in range(halvings):
        middle = (without + with_it) / 2
        without, with_it = (without, middle) if there(middle) else (middle, with_it)
    return without, with_it


def fold(theta: str = "arctan", low: float = 6.0, high: float = 8.0, *, tolerance: float = 1e-7) -> tuple[float, float]:
    """Enclose the a at which a finite minimum of case 3 and a maximum are born together, by proved counts on either side.

    Parameters
    ----------
    theta : {"tanh", "arctan", "logistic"}, default "arctan"
        The sigmoid.
    low, high : float, default 6 and 8
        Where to look: the numbers of finite minima must differ.
    tolerance : float, default 1e-7
        How narrow the result should be. It stays wider if the counts nearer to the fold cannot be proved.

    Returns
    -------
    low, high : float
        The proved number of finite minima differs between them.

    Raises
    ------
    ValueError
        If the numbers of minima at both ends are the same, or not proved.

    Examples
    --------
    >>> [round(a, 4) for a in fold("arctan", tolerance=1e-5)]
    [7.282, 7.282]
    """
    ends = check_positive_number("low", low), check_positive_number("high", high)
    width = check_positive_number("tolerance", tolerance)
    below, above = (_finite_count(theta, a) for a in ends)
    if below is None or above is None or below == above:
        raise ValueError(f"low and high must enclose a change of the number of finite minima (got {below} and {above})")
    left, right = ends
    while right - left > width:
        middle = 0.5 * (left + right)
        count = _finite_count(theta, middle)
        if count == below:
            left = middle
        elif count == above:
            right = middle
        else:
            break
    return left, right


def _finite_count(theta: str, a: float) -> int | None:
    found = minima(case(3, a, theta))
    return sum(not one.at_infinity for one in found) if found.complete else None
