"""The result of `fluctuations`: a Gaussian law at each of several times."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import (
    check_float_array,
    check_int,
    check_number,
    check_positive_int,
    check_positive_number,
    check_seed,
)
from etaflow.diffusion.lyapunov import Coefficients, Integrator
from etaflow.diffusion.memory import dense_bytes
from etaflow.diffusion.randomized import Modes, estimate_trace, top_modes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import xarray as xr
    from scipy.sparse.linalg import LinearOperator

    from etaflow.diffusion.covariance_operator import CovariancePath
    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

SAMPLES = 16
"""Vectors of the trace's estimate."""
RESIDUAL = 1e-4
"""Of a mode, relative to the largest variance; the error of a variance is of the order of its square."""
SAME_TIME = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Fluctuations:
    """N(0, Σ(t)), the limit law of (θ^η − θ̄)/√η, at several times.

    Made by `fluctuations`. Without matrices (``method="operator"``) everything that would need one raises a ValueError.

    Attributes
    ----------
    objective : Objective
        The objective f.
    flow : Flow
        Its flow θ̄.
    times : ndarray, shape (m,)
        The times.
    noise_factor : float
        c: the covariance of a step's gradient estimate is c·R.
    rtol, atol : float
        What was asked for.
    matrices : ndarray, shape (m, d, d), or None
        Σ at the times.
    path : CovariancePath or None
        The mesh of the products, without matrices.
    status : str
        ``finished`` or ``interrupted``.
    statistics : dict
        Of the integrator: ``steps``, ``evaluations``, … .
    """

    objective: Objective
    flow: Flow
    times: Array
    noise_factor: float
    rtol: float
    atol: float
    matrices: Array | None = None
    path: CovariancePath | None = None
    status: str = "finished"
    statistics: dict[str, Any] = field(default_factory=dict)

    @property
    def num_params(self) -> int:
        """The number d of parameters."""
        return self.objective.num_params

    @property
    def covariance(self) -> Array:
        """Σ at the times, shape (m, d, d); symmetric and positive semidefinite to rounding.

        Raises
        ------
        ValueError
            If the method was ``operator``.
        """
        if self.matrices is None:
            size = dense_bytes(self.num_params, len(self.times)) / 1e9
            raise ValueError(
                f'the covariance of {self.num_params} parameters is not there as a matrix (method="operator"): method="dense" would '
                f"take {size:.3g} GB; use operator(), modes(), variance() or trace"
            )
        return self.matrices

    def covariance_at(self, time: float | None = None) -> Array:
        """Return Σ at one of the times, by default the last.

        Returns
        -------
        ndarray, shape (d, d)
            Σ.
        """
        return np.asarray(self.covariance[self._place("time", time)])

    @property
    def std(self) -> Array:
        """The standard deviations of θ̃, shape (m, d), in units of a parameter over √η."""
        return np.asarray(np.sqrt(np.einsum("taa->ta", self.covariance).clip(min=0)))

    def predicted_std(self, step_size: float) -> Array:
        """Return the standard deviations of SGD's parameters around the flow: √η·std.

        Parameters
        ----------
        step_size : float
            η.

        Returns
        -------
        ndarray, shape (m, d)
            In units of a parameter.
        """
        return float(np.sqrt(check_positive_number("step_size", step_size))) * self.std

    @cached_property
    def mean_shift(self) -> Array:
        """The m of E θ^η = θ̄ + η·m + o(η) at the times, shape (m, d): Euler's error, and the curvature of ∇f over the fluctuations.

        Raises
        ------
        ValueError
            If an activation has a kink, or there are no matrices.
        """
        from etaflow.diffusion.mean_shift import has_third_derivatives, shift_with_noise  # noqa: PLC0415 - which imports this

        if not has_third_derivatives(self.objective.net):
            raise ValueError(
                f"mean_shift needs three derivatives, but an activation of {self.objective.net!r} has a kink"
            )
        _ = self.covariance
        return np.asarray(shift_with_noise(self.objective, self.flow, self.times, self.noise_factor), np.float64)

    def rms_distance(self, step_size: float) -> Array:
        """Return √E‖θ^η − θ̄‖² at the times, how far SGD is from the flow: √(η·tr Σ + η²·‖m‖²) with the shift m of the mean.

        Parameters
        ----------
        step_size : float
            η.

        Returns
        -------
        ndarray, shape (m,)
            In units of θ.
        """
        eta = check_positive_number("step_size", step_size)
        return np.asarray(np.sqrt(eta * self.trace + eta**2 * np.sum(self.mean_shift**2, axis=1)))

    @property
    def correlation(self) -> Array:
        """The correlations of the parameters, shape (m, d, d); NaN with a parameter that does not fluctuate."""
        std = self.std
        scale = std[:, :, None] * std[:, None, :]
        return np.divide(self.covariance, scale, out=np.full_like(scale, np.nan), where=scale > 0)

    @property
    def trace(self) -> Array:
        """Σ's trace, E‖θ̃‖², shape (m,): without matrices estimated, see `trace_error`."""
        return self._traces[0]

    @property
    def trace_error(self) -> Array:
        """One standard deviation of the error of `trace`, shape (m,); 0 with matrices."""
        return self._traces[1]

    @cached_property
    def _traces(self) -> tuple[Array, Array]:
        if self.matrices is not None:
            return np.einsum("taa->t", self.matrices), np.zeros(len(self.times))
        found = np.array([
            estimate_trace(self._product(t), self._quadratic(t), self.num_params, samples=SAMPLES, seed=0)
            for t in self.times
        ])
        return found[:, 0], found[:, 1]

    def variance(self, directions: npt.ArrayLike, time: float | None = None) -> Array:
        """Return vᵀΣv, the variance of vᵀθ̃.

        Parameters
        ----------
        directions : array_like, shape (d,) or (k, d)
            The v, of any length: for example ∂h/∂θ of a prediction.
        time : float, optional
            One of the times, by default the last.

        Returns
        -------
        scalar or ndarray, shape (k,)
            The variances.
        """
        rows = check_float_array("directions", directions, dtype=np.float64, ndim=(1, 2))
        if rows.shape[-1] != self.num_params:
            raise ValueError(
                f"directions must have {self.num_params} numbers on their last axis (got shape {rows.shape})"
            )
        found = self._quadratic(self._time("time", time))(np.asarray(np.atleast_2d(rows).T, np.float64))
        return np.asarray(found[0] if rows.ndim == 1 else found)

    def modes(self, k: int, time: float | None = None) -> Modes:
        """Return the k directions in which θ̃ fluctuates most.

        Parameters
        ----------
        k : int
            How many.
        time : float, optional
            One of the times, by default the last.

        Returns
        -------
        Modes
            ``variance (k,)``, falling; ``direction (k, d)``, unit vectors; ``residual (k,)``, which bounds the error of a variance.
        """
        count = check_int("k", k, minimum=1, maximum=self.num_params)
        place = self._place("time", time)
        if self.matrices is None:
            product = self._product(self.times[place])
            return top_modes(product, self.num_params, count, tolerance=RESIDUAL, seed=0)
        values, vectors = np.linalg.eigh(self.matrices[place])
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        residual = np.linalg.norm(self.matrices[place] @ vectors - vectors * values, axis=0)
        return Modes(values, vectors.T, residual)

    def two_time(self, t: float, s: float) -> Array:
        """Return Cov(θ̃(t), θ̃(s)) = Φ(t, s)·Σ(s) for t ≥ s, its transpose for the times swapped.

        Parameters
        ----------
        t, s : float
            Two of the times.

        Returns
        -------
        ndarray, shape (d, d)
            Row i, column j: the covariance of θ̃_i(t) and θ̃_j(s).
        """
        late, early = self._time("t", t), self._time("s", s)
        if late < early:
            return self.two_time(s, t).T
        return self._carried(early, late, self.covariance_at(early))

    def propagator(self, t: float, s: float) -> Array:
        """Return Φ(t, s): a fluctuation x at time s is Φx at time t, on the average. Φ' = AΦ, Φ(s, s) = I.

        Parameters
        ----------
        t, s : float
            Two of the times, t ≥ s; s may be 0.

        Returns
        -------
        ndarray, shape (d, d)
            Φ.
        """
        late, early = self._time("t", t), 0.0 if s == 0 else self._time("s", s)
        if late < early:
            raise ValueError(f"t must be >= s (got t = {late:g}, s = {early:g})")
        _ = self.covariance
        return self._carried(early, late, np.eye(self.num_params))

    def operator(self, t: float | None = None, s: float | None = None) -> LinearOperator:
        """Return Σ(t), or Cov(θ̃(t), θ̃(s)), as an operator that multiplies vectors.

        Parameters
        ----------
        t : float, optional
            One of the times, by default the last.
        s : float, optional
            Another one; by default t.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of shape (d, d).
        """
        from scipy.sparse.linalg import aslinearoperator  # noqa: PLC0415 - slow to import

        first = self._time("t", t)
        second = first if s is None else self._time("s", s)
        if self.path is not None:
            return self.path.operator(first, second)
        return aslinearoperator(self.covariance_at(first) if first == second else self.two_time(first, second))

    def sample(self, size: int, *, time: float | None = None, seed: int = 0) -> Array:
        """Draw θ̃ ~ N(0, Σ): θ̄ + √η·θ̃ is where SGD may be. `simulate_linear_sde` draws whole paths.

        Parameters
        ----------
        size : int
            How many.
        time : float, optional
            One of the times, by default the last.
        seed : int, default 0
            The seed.

        Returns
        -------
        ndarray, shape (size, d)
            The draws.
        """
        count, rng = check_positive_int("size", size), np.random.default_rng(check_seed(seed))
        values, vectors = np.linalg.eigh(self.covariance_at(time))
        return np.asarray(rng.standard_normal((count, len(values))) * np.sqrt(values.clip(min=0)) @ vectors.T)

    @cached_property
    def data(self) -> xr.Dataset:
        """The law as an `xarray.Dataset`: ``mean`` θ̄, ``trace``, and with matrices ``std`` and ``covariance``."""
        import xarray as xr  # noqa: PLC0415 - slow to import

        variables: dict[str, Any] = {
            "mean": (("time", "parameter"), self.flow(self.times)),
            "trace": ("time", self.trace),
        }
        if self.matrices is None:
            variables["trace_error"] = ("time", self.trace_error)
        else:
            variables["std"] = (("time", "parameter"), self.std)
            variables["covariance"] = (("time", "parameter", "parameter_"), self.matrices)
        attributes = {"noise_factor": self.noise_factor, "description": repr(self)}
        return xr.Dataset(variables, {"time": self.times}, attributes)

    def _place(self, name: str, time: float | None) -> int:
        if time is None:
            return len(self.times) - 1
        value = check_number(name, time)
        place = int(np.argmin(np.abs(self.times - value)))
        if abs(self.times[place] - value) > SAME_TIME * self.times[-1]:
            raise ValueError(f"{name} must be one of the times {self.times} (got {value:g})")
        return place

    def _time(self, name: str, time: float | None) -> float:
        return float(self.times[self._place(name, time)])

    def _product(self, t: float) -> Callable[[Array], Array]:
        return partial(self._known_path.multiply, t)

    def _quadratic(self, t: float) -> Callable[[Array], Array]:
        if self.matrices is None:
            return partial(self._known_path.quadratic, t)
        covariance = self.covariance_at(t)
        return lambda columns: np.einsum("ak,ak->k", columns, covariance @ columns)

    @property
    def _known_path(self) -> CovariancePath:
        assert self.path is not None, "without matrices there is a path"
        return self.path

    def _carried(self, start: float, end: float, columns: Array) -> Array:
        coefficients = Coefficients(self.objective, self.flow, 0.0)
        integrator = Integrator(coefficients, start, columns, self.rtol, two_sided=False)
        return next(integrator.reach(np.array([end])))

    def __repr__(self) -> str:
        """Return the law in one line.

        Returns
        -------
        str
            How many parameters and times.
        """
        times = f"t = {self.times[0]:g}"
        if len(self.times) > 1:
            times = f"{len(self.times)} times from {self.times[0]:g} to {self.times[-1]:g}"
        way = "operator" if self.matrices is None else "dense"
        return f"Fluctuations({self.num_params} parameters at {times}, noise factor {self.noise_factor:g}: {way}, {self.status})"
