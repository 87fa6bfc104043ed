"""The formulas behind `etaflow.dynamics.schedules`, which checks their parameters and is the module to use."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class RobbinsMonro:
    """Whether a schedule meets the step-size conditions of Robbins and Monro.

    Under them the weighted mean of ‖∇f(θ_k)‖² goes to 0 in expectation (Fleischmann 2021, Theorem 4.9, eq. (4.23)).

    Attributes
    ----------
    sum_diverges : bool
        Σ α_k = ∞: the iterates can travel any distance.
    squares_converge : bool
        Σ α_k² < ∞: the noise dies out.
    reason : str
        The argument in words.
    """

    sum_diverges: bool
    squares_converge: bool
    reason: str

    @property
    def satisfied(self) -> bool:
        """The verdict: both conditions hold."""
        return self.sum_diverges and self.squares_converge

    def __bool__(self) -> bool:
        """Return the verdict.

        Returns
        -------
        bool
            Whether both conditions hold.
        """
        return self.satisfied

    def __str__(self) -> str:
        """Return the verdict, the two sums and the reason in one line.

        Returns
        -------
        str
            For example ``violated: Σ α_k = ∞ but Σ α_k² = ∞, since α_k is constant``.
        """
        verdict = "satisfied" if self.satisfied else "violated"
        joint = "and" if self.satisfied or not (self.sum_diverges or self.squares_converge) else "but"
        first = "Σ α_k = ∞" if self.sum_diverges else "Σ α_k < ∞"
        second = "Σ α_k² < ∞" if self.squares_converge else "Σ α_k² = ∞"
        return f"{verdict}: {first} {joint} {second}, since {self.reason}"


class Schedule(ABC):
    """A step-size schedule k ↦ α_k for k = 1, 2, …; made by the functions of this module."""

    kind: ClassVar[str]

    @overload
    def __call__(self, k: float) -> float: ...
    @overload
    def __call__(self, k: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]: ...
    def __call__(self, k: float | Sequence[float] | NDArray[Any]) -> float | NDArray[np.float64]:
        """Return α_k.

        Parameters
        ----------
        k : number or array_like
            Step numbers >= 1. Whole numbers in training; any real number for a plot.

        Returns
        -------
        float or ndarray of float64
            The step size, in the shape of `k`.

        Raises
        ------
        TypeError
            If `k` is not real.
        ValueError
            If some k is below 1 or not finite.
        """
        steps = np.asarray(k)
        if steps.dtype.kind not in "iuf" and steps.size:
            raise TypeError(f"k must be a number or an array of numbers (got {k!r})")
        steps = steps.astype(np.float64)
        valid = (steps >= 1) & np.isfinite(steps)
        if not valid.all():
            raise ValueError(f"k must be >= 1 and finite: steps count from 1 (got {steps[~valid].flat[0]:g})")
        alpha = self._evaluate(steps)
        return float(alpha) if steps.ndim == 0 else alpha

    @abstractmethod
    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return α_k for checked k of any shape."""

    @abstractmethod
    def robbins_monro(self) -> RobbinsMonro:
        """Decide Σ α_k = ∞ and Σ α_k² < ∞ from the formula, without adding numbers.

        Returns
        -------
        RobbinsMonro
            Both answers and the reason (Fleischmann 2021, eq. (4.23)).
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the schedule as a dictionary that JSON can hold; `from_dict` is the inverse.

        Returns
        -------
        dict
            ``{"kind": ..., and each parameter}``.

        Examples
        --------
        >>> Polynomial(0.1, gamma=0.5, beta=1.0).to_dict()
        {'kind': 'polynomial', 'alpha': 0.1, 'gamma': 0.5, 'beta': 1.0}
        """
        return {"kind": self.kind} | {name: _plain(value) for name, value in self._parameters()}

    def _parameters(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]

    def __repr__(self) -> str:
        """Return the call that makes the schedule.

        Returns
        -------
        str
            For example ``polynomial(0.1, gamma=0.5, beta=1.0)``.
        """
        (_, first), *others = self._parameters()
        arguments = [repr(first), *(f"{name}={value!r}" for name, value in others)]
        return f"{self.kind}({', '.join(arguments)})"


def _plain(value: object) -> object:
    if isinstance(value, Schedule):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, repr=False)
class Constant(Schedule):
    """α_k = α."""

    kind = "constant"
    alpha: float

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(k.shape, self.alpha)

    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(sum_diverges=True, squares_converge=False, reason=f"α_k = {self.alpha:g} for every k")


@dataclass(frozen=True, repr=False)
class Piecewise(Schedule):
    """α_k = alpha[number of thresholds <= k]."""

    kind = "piecewise"
    alpha: tuple[float, ...]
    thresholds: tuple[int, ...]

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        passed = np.searchsorted(self.thresholds, k, side="right")
        return np.array(self.alpha)[passed]

    def robbins_monro(self) -> RobbinsMonro:
        start = f" from step {self.thresholds[-1]} on" if self.thresholds else " for every k"
        return RobbinsMonro(sum_diverges=True, squares_converge=False, reason=f"α_k = {self.alpha[-1]:g}{start}")


@dataclass(frozen=True, repr=False)
class Exponential(Schedule):
    """α_k = α e^(−decay k)."""

    kind = "exponential"
    alpha: float
    decay: float

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.alpha * np.exp(-self.decay * k)

    def robbins_monro(self) -> RobbinsMonro:
        total = self.alpha * math.exp(-self.decay) / -math.expm1(-self.decay)
        reason = f"both are geometric series (Σ α_k = {total:g})"
        return RobbinsMonro(sum_diverges=False, squares_converge=True, reason=reason)


@dataclass(frozen=True, repr=False)
class Polynomial(Schedule):
    """α_k = α (β k + 1)^(−γ)."""

    kind = "polynomial"
    alpha: float
    gamma: float
    beta: float

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.alpha * (self.beta * k + 1) ** -self.gamma)

    def robbins_monro(self) -> RobbinsMonro:
        gamma = self.gamma
        if gamma <= 0.5:
            relation = f"{gamma!r} <= 1/2"
        elif gamma <= 1:
            relation = f"1/2 < {gamma!r} <= 1"
        else:
            relation = f"{gamma!r} > 1"
        return RobbinsMonro(
            sum_diverges=gamma <= 1, squares_converge=gamma > 0.5, reason=f"α_k ~ k^-{gamma!r} and {relation}"
        )


@dataclass(frozen=True, repr=False)
class SearchThenConverge(Schedule):
    """Darken and Moody: α near the start, then ατ/k or c/k."""

    kind = "search_then_converge"
    alpha: float
    tau: float
    c: float | None

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        s = k / self.tau
        if self.c is None:
            return np.asarray(self.alpha / (1 + s))
        # α (1 + r)/(1 + r + τ s²) with r = (c/α) s, divided through by 1 + r so that no large number meets another
        return np.asarray(self.alpha / (1 + self.tau * s * (s / (1 + self.c / self.alpha * s))))

    def robbins_monro(self) -> RobbinsMonro:
        limit = self.alpha * self.tau if self.c is None else self.c
        return RobbinsMonro(sum_diverges=True, squares_converge=True, reason=f"α_k ~ {limit:g}/k")


@dataclass(frozen=True, repr=False)
class Cosine(Schedule):
    """Half a cosine wave from α to `final` in `steps` steps."""

    kind = "cosine"
    alpha: float
    steps: int
    final: float

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        done = np.minimum((k - 1) / self.steps, 1.0)
        return np.asarray(self.final + (self.alpha - self.final) * np.cos(np.pi / 2 * done) ** 2 * (done < 1))

    def robbins_monro(self) -> RobbinsMonro:
        zero = self.final == 0
        return RobbinsMonro(
            sum_diverges=not zero, squares_converge=zero, reason=f"α_k = {self.final:g} after step {self.steps}"
        )


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """A schedule times a line that reaches 1 at k = `steps`."""

    kind = "warmup"
    schedule: Schedule
    steps: int
    start: float

    def _evaluate(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        share = np.minimum(k / self.steps, 1.0)
        return np.asarray((self.start * (1 - share) + share) * self.schedule(k))

    def robbins_monro(self) -> RobbinsMonro:
        inner = self.schedule.robbins_monro()
        reason = f"{inner.reason} (the first {self.steps} steps change neither)"
        return RobbinsMonro(inner.sum_diverges, inner.squares_converge, reason)
