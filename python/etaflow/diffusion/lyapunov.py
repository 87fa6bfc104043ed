"""The Lyapunov equation along a flow, Σ' = AΣ + ΣA + cR with A = −∇²f(θ̄(t)), and the propagator Φ' = AΦ.

A is symmetric, so that the stiff part of both is diagonal in the frame of its eigenvectors: there Σ_ab' = (λ_a + λ_b)·Σ_ab + N_ab with
N = EΣ + ΣE + cR, where E, what A has changed since the frame was made, is small. `collocation` takes the first term exactly; N is
found by iteration. A step is as long as A and R are smooth, whatever the condition of the Hessian, and a frame is made anew
only when E would slow the iteration down.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from etaflow.diffusion.collocation import NODES, STAGES, Weights, falling
from etaflow.diffusion.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

MIDDLE = STAGES // 2
FRAME_TOLERANCE = 1.0
"""How large E may be over a step, where it acts, before the frame is made anew; it decides about speed alone."""
FIRST_STEP = 0.3
"""The first step in units of 1/‖∇²f‖."""
ITERATIONS = 15
ITERATION_ERROR = 0.1
"""Of the error that a step may make, what may be left of the iteration."""
ROUNDING = 1e-14
"""Of an eigenvalue of Σ, relative to the trace."""
SHORTEST = 1e-13
"""The step, relative to the whole time, below which there is no solution to be followed."""


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A = −∇²f(θ̄(t)) and c·R(θ̄(t)) along a flow.

    Attributes
    ----------
    objective : Objective
        The objective f.
    flow : Flow
        Its flow from one start.
    factor : float
        c; with 0 there is no noise.
    """

    objective: Objective
    flow: Flow
    factor: float

    def at(self, times: Array) -> tuple[Array, Array]:
        """Return A and cR at the times.

        Returns
        -------
        rate : ndarray, shape (m, d, d)
            A.
        noise : ndarray, shape (m, d, d), or (m, 1, 1) of zeros without noise
            cR.
        """
        theta = np.ascontiguousarray(self.flow(times))
        rate = np.asarray(self.objective.hessian(theta), np.float64)
        np.negative(rate, out=rate)
        if self.factor == 0:
            return rate, np.zeros((len(times), 1, 1))
        noise = np.asarray(self.objective.gradient_covariance(theta), np.float64)
        if self.factor != 1:
            noise *= self.factor
        return rate, noise


@dataclass(eq=False)
class Integrator:
    """An adaptive integrator of Y' = AY + YA + cR (two-sided) or Y' = AY (one-sided).

    Attributes
    ----------
    coefficients : Coefficients
        A and cR.
    t : float
        Where the solution is.
    value : ndarray, shape (d, d), or (d, k) if one-sided
        Y(t); later on in the frame.
    rtol, atol : float
        The Frobenius norm of a step's error is to be at most rtol·‖Y‖ + atol. It is estimated by what the first term that N's
        polynomial lacks would add, if its terms go on falling as the last two do.
    two_sided : bool
        Which equation.
    statistics : Counter
        ``steps``, ``rejected``, ``evaluations`` of A and R, ``iterations`` and ``frames``.
    """

    coefficients: Coefficients
    t: float
    value: Array
    rtol: float
    atol: float = 0.0
    two_sided: bool = True
    statistics: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Evaluate A and R at the start."""
        rate, noise = self._evaluate(np.array([self.t]))
        self.rate, self.noise = rate[0], noise[0]
        self.frame = self._new_frame(self.rate)
        self.value = self.frame.enter(self.value)

    def reach(self, times: Array, report: Callable[[float], object] | None = None) -> Iterator[Array]:
        """Yield Y, in the original coordinates, at increasing times.

        Yields
        ------
        ndarray
            Y.

        Raises
        ------
        ArithmeticError
            If the step size vanishes.
        """
        first, last, place = self.t, float(times[-1]), 0
        h, span = self._first_step(last), last - first
        while place < len(times) and times[place] <= self.t:
            yield self.frame.leave(self.value)
            place += 1
        while self.t < last:
            length, end = _fit(h, self.t, last)
            if length < SHORTEST * span:
                raise ArithmeticError(
                    f"the covariance cannot be followed beyond t = {self.t:g}: it is not finite, or the Hessian jumps"
                )
            inside = times[place:][times[place:] < end]
            step = self._attempt(length, (inside - self.t) / length)
            h = length * step.growth
            self.statistics["steps" if step.accepted else "rejected"] += 1
            if not step.accepted:
                continue
            found = [*step.outputs, *([step.stages[-1]] if times[place + len(inside)] == end else [])]
            for value in found:
                yield self.frame.leave(value)
            place += len(found)
            self.t, self.value, self.rate, self.noise = end, step.stages[-1], step.rate[-1], step.noise[-1]
            self.excess, self.source = step.excess[-1], step.source[-1]
            if report is not None:
                report((self.t - first) / span)

    def _evaluate(self, times: Array) -> tuple[Array, Array]:
        self.statistics["evaluations"] += len(times)
        return self.coefficients.at(times)

    def _first_step(self, last: float) -> float:
        fastest = float(np.abs(self.frame.eigenvalues).max())
        return FIRST_STEP / fastest if fastest > 0 else last - self.t

    def _attempt(self, h: float, inside: Array) -> _Step:
        rate, noise = self._evaluate(self.t + h * NODES[1:])
        if self.frame.change(self.frame.excess(rate[MIDDLE - 1]), h) > FRAME_TOLERANCE:
            value = self.frame.leave(self.value)
            self.frame = self._new_frame(rate[MIDDLE - 1])
            self.value = self.frame.enter(value)
        step = _Step(self, h, inside, rate, noise)
        step.solve()
        return step

    def _new_frame(self, rate: Array) -> Frame:
        self.statistics["frames"] += 1
        frame = Frame.of(rate, two_sided=self.two_sided)
        self.excess, self.source = frame.excess(self.rate), frame.source(self.noise)
        return frame


@dataclass(eq=False)
class _Step:
    """One step of length h: Y (the stages) and N (the slopes) at the nodes, found by iteration; Y at the fractions `inside`."""

    owner: Integrator
    h: float
    inside: Array
    rate: Array
    noise: Array
    accepted: bool = False
    growth: float = 0.25
    excess: Array = field(init=False)
    source: Array = field(init=False)
    slopes: Array = field(init=False)
    stages: Array = field(init=False)
    outputs: list[Array] = field(default_factory=list)
    decay: float = 1.0

    def solve(self) -> None:
        """Find the stages, and judge them."""
        frame, start = self.owner.frame, self.owner.value
        self.excess = np.concatenate([self.owner.excess[None], frame.excess(self.rate)])
        self.source = np.concatenate([self.owner.source[None], frame.source(self.noise)])
        weights = [Weights.of(frame.rates, self.h, c) for c in NODES[1:]]
        first = frame.slope(self.excess[0], start, self.source[0])
        self.slopes = first + (self.source - self.source[0])
        base = [one.decay * start + one.integrals[0] * first for one in weights]
        self.stages = np.zeros((STAGES - 1, *start.shape))
        before = 0.0
        for iteration in range(ITERATIONS):
            self.owner.statistics["iterations"] += 1
            last = self.stages[-1].copy()
            for i, one in enumerate(weights):
                np.add(base[i], one.integrate(self.slopes, first=1), out=self.stages[i])
            change = float(np.linalg.norm(self.stages[-1] - last))
            if iteration and self._is_settled(change, min(change / before, 0.9) if iteration > 1 else 0.5):
                self._judge(weights[-1])
                return
            before = change
            self.slopes[1:] = frame.slope(self.excess[1:], self.stages, self.source[1:])

    def _is_settled(self, change: float, ratio: float) -> bool:
        return change * ratio / (1 - ratio) <= ITERATION_ERROR * self._allowed(self.stages[-1])

    def _allowed(self, value: Array) -> float:
        return self.owner.rtol * float(np.linalg.norm(value)) + self.owner.atol

    def _judge(self, end: Weights) -> None:
        # Where the step ends, errors of the polynomial cancel that do not inside: whoever looks there is owed the accuracy too.
        self.decay = falling(self.slopes)
        error = self._error(end, self.stages[-1])
        for c in self.inside:
            if error > 1:
                break
            weights = Weights.of(self.owner.frame.rates, self.h, c)
            value = weights.decay * self.owner.value + weights.integrate(self.slopes)
            error = max(error, self._error(weights, value))
            self.outputs.append(value)
        self.accepted = error <= 1
        self.growth = float(np.clip(0.9 * error ** (-1 / STAGES), 0.2, 5.0)) if error > 0 else 5.0

    def _error(self, weights: Weights, value: Array) -> float:
        error = self.decay * float(np.linalg.norm(weights.highest(self.slopes)))
        return error / self._allowed(value) if error > 0 else 0.0


def _fit(h: float, t: float, last: float) -> tuple[float, float]:
    # The step's length and end. The last step lands on the last time, and leaves no crumb for itself.
    rest = last - t
    if h >= rest:
        return rest, last
    length = rest / 2 if 2 * h > rest else h
    return length, t + length


def nearest_covariance(matrix: Array) -> Array:
    """Return the nearest symmetric positive semidefinite matrix; Σ is one, so that this only takes error away.

    Returns
    -------
    ndarray, shape (d, d)
        The matrix itself, made symmetric, unless it has eigenvalues below 0 by more than rounding.
    """
    symmetric = (matrix + matrix.T) / 2
    shifted = symmetric.copy()
    shifted[np.diag_indices_from(shifted)] += ROUNDING * max(float(np.trace(symmetric)), np.finfo(float).tiny)
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(symmetric)
        return np.asarray(vectors * values.clip(min=0) @ vectors.T)
    return symmetric
