"""All critical points of full rank of a network with one hidden layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any, overload

from etaflow._checks import check_int, check_positive_int
from etaflow.landscape.linear_networks.critical import build
from etaflow.landscape.linear_networks.point import CriticalPoint
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LIMIT = 10_000
"""So many points are listed without being asked for more."""


@dataclass(frozen=True, eq=False, repr=False)
class CriticalPoints(Sequence[CriticalPoint]):
    """The C(m, p) critical points of full rank, made by `critical_points`: a sequence, by increasing loss.

    Attributes
    ----------
    points : tuple of CriticalPoint
        The points.
    eigenvalues : ndarray, shape (m,)
        λ_1 > … > λ_m.
    total : float
        tr(YYᵀ), the loss of the zero map.
    """

    points: tuple[CriticalPoint, ...]
    eigenvalues: npt.NDArray[np.float64]
    total: float

    @property
    def data(self) -> Any:
        """An `xarray.Dataset` with the loss, index and nullity of every point, by ``gamma``."""
        import xarray as xr  # noqa: PLC0415 - slow to import

        names = ["{" + ", ".join(map(str, one.gamma)) + "}" for one in self.points]
        columns = {
            name: ("gamma", [getattr(one, name) for one in self.points]) for name in ("value", "index", "nullity")
        }
        return xr.Dataset(columns, {"gamma": names})

    def __len__(self) -> int:
        """Return C(m, p).

        Returns
        -------
        int
            How many points there are.
        """
        return len(self.points)

    @overload
    def __getitem__(self, place: int) -> CriticalPoint: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[CriticalPoint, ...]: ...

    def __getitem__(self, place: int | slice) -> CriticalPoint | tuple[CriticalPoint, ...]:
        """Return a point, or some.

        Returns
        -------
        CriticalPoint or tuple of CriticalPoint
            The first is the global minimum.
        """
        return self.points[place]

    def __repr__(self) -> str:
        """Return how many there are and where the losses lie.

        Returns
        -------
        str
            One line.
        """
        low, high = self.points[0].value, self.points[-1].value
        return f"CriticalPoints({len(self)}: one global minimum, {len(self) - 1} saddles, loss {low:.6g} to {high:.6g})"


def critical_points(x: npt.ArrayLike, y: npt.ArrayLike, p: int, *, limit: int = LIMIT) -> CriticalPoints:
    """Return all critical points of full rank of Σ‖y_i − W_2 W_1 x_i‖², one for each orbit W_2·C, C⁻¹·W_1.

    There is one for each set Γ of p of the m = d_y eigenvectors of Σ (Baldi and Hornik 1989, Fact 4; Fleischmann 2021, Theorem 3.5).

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs.
    y : array_like, shape (n, d_y) or (n,)
        The targets.
    p : int
        The width of the hidden layer, at most d_y.
    limit : int, default 10 000
        The most points to list.

    Returns
    -------
    CriticalPoints
        By increasing loss; the first is the global minimum, the others are strict saddles.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If p is beyond d_y, the data fail a condition of the theorem (the message says which), or there are more points than the limit.

    See Also
    --------
    iterate_critical_points : yields them one by one, however many there are.

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> x = np.diag([1.0, 2.0, 3.0])
    >>> points = ef.linear_networks.critical_points(x, x, 2)
    >>> points
    CriticalPoints(3: one global minimum, 2 saddles, loss 1 to 9)
    >>> [(point.gamma, point.index, point.nullity) for point in points]
    [((1, 2), 0, 4), ((1, 3), 1, 4), ((2, 3), 2, 4)]
    """
    data, width = _check(x, y, p)
    most, count = check_positive_int("limit", limit), comb(data.outputs, width)
    if count > most:
        raise ValueError(
            f"p must give at most limit = {most} critical points (got C({data.outputs}, {width}) = {count} for p = {width}); "
            "iterate_critical_points(x, y, p) yields them one by one"
        )
    points = sorted(_iterate(data, width), key=lambda one: one.value)
    return CriticalPoints(tuple(points), data.eigenvalues, data.total)


def iterate_critical_points(x: npt.ArrayLike, y: npt.ArrayLike, p: int) -> Iterator[CriticalPoint]:
    """Yield the critical points that `critical_points` lists, one by one, in the lexicographic order of Γ.

    Parameters
    ----------
    x, y : array_like
        The data, as for `critical_points`.
    p : int
        The width of the hidden layer, at most d_y.

    Returns
    -------
    iterator of CriticalPoint
        The first is the global minimum. The arguments are checked at once.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If p is beyond d_y, or the data fail a condition of the theorem.

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> x = np.diag(np.arange(1.0, 41.0))
    >>> points = ef.linear_networks.iterate_critical_points(x, x, 20)  # of 137 846 528 820
    >>> next(points).index, next(points).gamma[-2:]
    (0, (19, 21))
    """
    return _iterate(*_check(x, y, p))


def _check(x: npt.ArrayLike, y: npt.ArrayLike, p: int) -> tuple[Regression, int]:
    data = Regression.of(x, y)
    width = check_int("p", p, 1, data.outputs)
    data.require_theorem("Theorem 3.5 (Baldi and Hornik)")
    return data, width


def _iterate(data: Regression, width: int) -> Iterator[CriticalPoint]:
    for gamma in combinations(range(1, data.outputs + 1), width):
        yield build(data, (width,), gamma, full=True)
