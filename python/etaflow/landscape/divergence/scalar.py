"""The smallest problems with diverging weights, one weight and one observation, and their exact flows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice, check_float_array, check_number
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class ScalarProblem:
    """One weight x, one observation (1, 1), and the flow ẋ = −f'(x) to +∞.

    Attributes
    ----------
    name : str
        ``tanh``, ``log`` or ``arctan``.
    law : str
        What x(t) tends to, in words.
    constant : float
        lim t·ẋ where x grows like log t; lim x/t^{1/4} for ``arctan``.
    """

    name: str
    law: str
    constant: float
    _clock: Callable[[float], float]
    _limit: Callable[[Array], Array]

    @property
    def objective(self) -> Objective:
        """The loss as an objective of one parameter."""
        output = "logistic" if self.name == "log" else self.name
        net = MLP([1, 1], output=output, bias=False)
        return Objective(net, [[1.0]], [1.0], loss="log" if self.name == "log" else "square")

    def time(self, x: float, x0: float = 0.0) -> float:
        """Return the time that the flow takes from `x0` to `x`, exactly.

        Parameters
        ----------
        x : float
            Where to.
        x0 : float, default 0
            Where from.

        Returns
        -------
        float
            Negative if x < x0.
        """
        return self._clock(check_number("x", x)) - self._clock(check_number("x0", x0))

    def position(self, t: npt.ArrayLike, x0: float = 0.0) -> Array:
        """Return x(t), the root of `time`.

        Parameters
        ----------
        t : array_like
            Times ≥ 0.
        x0 : float, default 0
            x(0).

        Returns
        -------
        ndarray
            Of the shape of `t`.

        Raises
        ------
        ValueError
            If a time is negative.
        """
        times, start = check_float_array("t", t), check_number("x0", x0)
        if (times < 0).any():
            raise ValueError(f"t must be >= 0 (got {times.min():g})")
        return np.array([self._root(float(one), start) for one in times.flat]).reshape(times.shape)

    def limit(self, t: npt.ArrayLike) -> Array:
        """Return the leading terms of x(t) as t → ∞, which no longer know x(0).

        Returns
        -------
        ndarray
            Of the shape of `t`.
        """
        return self._limit(np.asarray(t, np.float64))

    def _root(self, t: float, x0: float) -> float:
        from scipy.optimize import brentq  # noqa: PLC0415 - slow to import

        begin, step = self._clock(x0), 1.0
        while self._clock(x0 + step) - begin < t:
            step *= 1.5
        return float(brentq(lambda x: self._clock(x) - begin - t, x0, x0 + step, xtol=1e-14, rtol=1e-14))

    def __repr__(self) -> str:
        """Return the name and the law.

        Returns
        -------
        str
            One line.
        """
        return f"ScalarProblem({self.name}: {self.law})"


def scalar_problem(name: str) -> ScalarProblem:
    r"""Return one of the scalar problems whose growth is known exactly (Sontag & Sussmann 1988, section 3).

    ========== ==================== ======================================= ======================
    name       f(x)                 t as a function of x                    x for large t
    ========== ==================== ======================================= ======================
    ``tanh``   (1 − tanh x)²        32t = ½u² + 3u + 3 log u − 1/u + c,     ¼ log t + ¼ log 64
                                    u = e^{2x}
    ``log``    log(1 + e^{−x})      t = x + e^x + c                         log t
    ``arctan`` (1 − (2/π)arctan x)² t = ∫ (π²/8)(1 + s²)/arccot s ds        (32t/π²)^{1/4}
    ========== ==================== ======================================= ======================

    Time is that of `etaflow.flow`, ẋ = −f'(x), whose factor 2 the paper puts into its α: its ẋ = α(1 − θ)(1 − θ²) has α = 2 here.
    t·ẋ → ¼ for any α.

    Parameters
    ----------
    name : str
        ``tanh``, ``log`` or ``arctan``.

    Returns
    -------
    ScalarProblem
        With the objective, the exact flow and the constants.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> import etaflow as ef
    >>> problem = ef.divergence.scalar_problem("tanh")
    >>> path = ef.flow(problem.objective, [0.0], t=1e4)
    >>> float(abs(path.theta[0] - problem.position(1e4))) < 1e-7
    True
    """
    return _PROBLEMS[check_choice("name", name, _PROBLEMS)]


def sontag_approximation(t: npt.ArrayLike) -> Array:
    """Return 1 − 1/√(8t + 1), the solution of ẏ = 4(1 − y)³ with y(0) = 0 (Sontag & Sussmann 1988, section 3).

    It approximates y = tanh x near 1, in the paper's time with α = 1. Then x = tanh⁻¹ y = ½ log((1 + y)/(1 − y)) → ¼ log t + ¼ log 32:
    the ½ is missing in the paper, and so is the value ¼ of b in a + b log t.

    Parameters
    ----------
    t : array_like
        Times ≥ 0.

    Returns
    -------
    ndarray
        Of the shape of `t`.

    Examples
    --------
    >>> float(sontag_approximation(1.0)).__round__(3)
    0.667
    """
    times = np.asarray(t, np.float64)
    return np.asarray(-np.expm1(-np.log1p(8 * times) / 2))


def _tanh_clock(x: float) -> float:
    u = math.exp(2 * x)
    return (u * u / 2 + 3 * u + 6 * x - 1 / u) / 32


def _log_clock(x: float) -> float:
    return x + math.exp(x)


def _arctan_clock(x: float) -> float:
    from scipy.integrate import quad  # noqa: PLC0415 - slow to import

    value = quad(lambda s: math.pi**2 / 8 * (1 + s * s) / math.atan2(1, s), 0, x, epsabs=0, epsrel=1e-13, limit=200)
    return float(value[0])


_PROBLEMS = {
    "tanh": ScalarProblem("tanh", "¼·log t + ¼·log 64", 0.25, _tanh_clock, lambda t: np.log(64 * t) / 4),
    "log": ScalarProblem("log", "log t", 1.0, _log_clock, np.log),
    "arctan": ScalarProblem(
        "arctan",
        "(32·t/π²)^¼",
        (32 / math.pi**2) ** 0.25,
        _arctan_clock,
        lambda t: np.asarray((32 * t / math.pi**2) ** 0.25),
    ),
}
