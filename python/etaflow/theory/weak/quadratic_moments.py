"""First and second moments of SGD and its relatives on quadratic problems, exactly: the moments close."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array, check_positive_int, check_positive_number
from etaflow.diffusion.noise import noise_factor
from etaflow.theory.constants.bound import in_float64
from etaflow.theory.weak.processes import Process, parse_process

if TYPE_CHECKING:
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

LARGEST = 24
"""So many parameters at most: the second moments are a vector of (d + 1)² numbers, and its propagator a square matrix."""


@dataclass(frozen=True, eq=False)
class Moments:
    """The first two moments of θ at a time.

    Attributes
    ----------
    mean : ndarray, shape (d,)
        E θ.
    second : ndarray, shape (d, d)
        E θθᵀ.
    """

    mean: Array
    second: Array

    @property
    def covariance(self) -> Array:
        """Cov θ, shape (d, d)."""
        return np.asarray(self.second - np.outer(self.mean, self.mean))

    @property
    def extended(self) -> Array:
        """E uuᵀ of u = (θ, 1), shape (d + 1, d + 1)."""
        return np.block([[self.second, self.mean[:, None]], [self.mean[None, :], np.ones((1, 1))]])


def exact_moments(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    step_size: float,
    process: str = "sgd",
    batch_size: int = 1,
    sampling: str = "iid",
    substeps: int | None = None,
) -> Moments:
    r"""Return E θ and E θθᵀ of a process on a quadratic problem, without simulation.

    With ∇L_i(θ) = A_iθ − b_i for every observation, u = (θ, 1) and S = E uuᵀ, the covariance of the gradient has the
    expectation E R(θ) = (1/n)Σ_i B_iSB_iᵀ, B_i = (A_i − Ā, b̄ − b_i), which is linear in S. So one step of SGD maps S to

    (I + ηF)S(I + ηF)ᵀ + η²c·E R,   F = (−∇²f, b̄),

    with c of `noise_factor`; the equation of order 1 has dS/dt = FS + SFᵀ + ηc·E R, that of order 2 the same with
    (I + (η/2)∇²f)F for F (Li, Tai & E 2017, section 3, in one dimension). Both are solved by matrix functions.

    Parameters
    ----------
    objective : Objective
        Linear regression: no hidden layer, identity output, square loss; up to 24 parameters. float32 is taken to float64.
    theta0 : array_like, shape (d,)
        The start.
    t : float
        The time, a multiple of `step_size`.
    step_size : float
        η.
    process : str, default "sgd"
        ``"sgd"``; its twins ``"gaussian"`` (the same two moments) and ``"isotropic"`` noise; ``"flow"``; the modified
        equations ``"order 1"`` and ``"order 2"``; ``"svag l"`` with a number l.
    batch_size : int, default 1
        |B|.
    sampling : {"iid", "without_replacement"}, default "iid"
        How batches are drawn; SVAG's are always drawn with replacement.
    substeps : int, optional
        For an equation: its Euler–Maruyama simulation with so many steps in one of SGD, instead of the equation.

    Returns
    -------
    Moments
        The moments at time t, exact up to rounding.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If the problem is not quadratic or too large, or an argument has a wrong value.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [2.0]], [1.0, 1.0])
    >>> end = ef.theory.exact_moments(f, [0.0], t=0.1, step_size=0.1)
    >>> end.mean.round(12), end.covariance.round(12)  # θ_1 is 0.2 or 0.4
    (array([0.3]), array([[0.01]]))
    """
    problem = check_quadratic(objective)
    start = check_float_array("theta0", theta0, shape=(problem.num_params,)).astype(np.float64)
    end, eta = check_positive_number("t", t), check_positive_number("step_size", step_size)
    steps = round(end / eta)
    if steps < 1 or abs(steps * eta - end) > 1e-9 * end:
        raise ValueError(f"t must be a multiple of step_size={eta:g} (got {end:g} = {end / eta:g} steps)")
    law = QuadraticLaw(problem, noise_factor(problem, batch_size, sampling))
    parts = None if substeps is None else check_positive_int("substeps", substeps)
    return law.at(parse_process("process", process), start, steps, eta, parts)


def check_quadratic(objective: object) -> Objective:
    """Return the objective in float64 if it is quadratic and small.

    Returns
    -------
    Objective
        The objective.

    Raises
    ------
    ValueError
        If it is not, which says why.
    """
    problem = in_float64(objective)
    net = problem.net
    linear = net.activations[-1].name == "identity"
    if len(net.shapes) > 1 or not linear or problem.loss != "square":
        raise ValueError(
            "exact moments need a quadratic objective: no hidden layer, identity output and the square loss "
            f'(got {net!r}, loss="{problem.loss}")'
        )
    if problem.num_params > LARGEST:
        raise ValueError(f"exact moments need at most {LARGEST} parameters (got {problem.num_params})")
    return problem


@dataclass(frozen=True, eq=False)
class QuadraticLaw:
    """How the moments of θ move on a quadratic problem.

    Attributes
    ----------
    objective : Objective
        The problem, checked.
    factor : float
        c of the noise.
    """

    objective: Objective
    factor: float

    def at(self, process: Process, start: Array, steps: int, step_size: float, substeps: int | None = None) -> Moments:
        """Return the moments after `steps` steps of SGD, or at the same time.

        Returns
        -------
        Moments
            The moments.
        """
        d = self.objective.num_params
        begin = np.append(start, 1.0)
        end = self._propagator(process, steps, step_size, substeps) @ np.outer(begin, begin).ravel()
        second = end.reshape(d + 1, d + 1)
        return Moments(0.5 * (second[:d, d] + second[d, :d]), 0.5 * (second[:d, :d] + second[:d, :d].T))

    def _propagator(self, process: Process, steps: int, eta: float, substeps: int | None) -> Array:
        from scipy.linalg import expm  # noqa: PLC0415 - SciPy is slow to import

        noise = self.factor * (self._isotropic if process.kind == "isotropic" else self._noise)
        if process.kind in {"flow", "order 1", "order 2"}:
            drift = self._drift
            if process.kind == "order 2":
                drift = drift - eta / 2 * drift @ drift  # −∇²f in the first rows makes this (I + (η/2)∇²f)·F
            if substeps is None or process.kind == "flow":
                one = np.eye(len(drift))
                diffusion = eta * noise if process.is_equation else 0.0
                return np.asarray(expm(steps * eta * (np.kron(drift, one) + np.kron(one, drift) + diffusion)))
            parts = substeps
        else:
            drift, parts = self._drift, process.parts
        # A part of a step has the noise of variance η²c/parts, as a part of a Brownian path has.
        once = np.eye(len(drift)) + eta / parts * drift
        step = np.kron(once, once) + eta**2 / parts * noise
        return np.asarray(np.linalg.matrix_power(step, steps * parts))

    @cached_property
    def _affine(self) -> Array:  # (A_i, −b_i) for every observation, (n, d, d + 1)
        d = self.objective.num_params
        at = self.objective.sample_gradients(np.vstack([np.eye(d), np.zeros((1, d))]))  # (d + 1, n, d)
        columns = np.concatenate([at[:d] - at[d], at[d:]])
        return np.moveaxis(columns, 0, 2)

    @cached_property
    def _drift(self) -> Array:  # F, with a row of zeros, (d + 1, d + 1)
        d, affine = self.objective.num_params, self._affine
        total = affine.sum(axis=0) if self.objective.reduction == "sum" else affine.mean(axis=0)
        total[:, :d] += 2 * self.objective.l2 * np.eye(d)
        return np.vstack([-total, np.zeros((1, d + 1))])

    @cached_property
    def _centred(self) -> Array:  # B_i, with a row of zeros, (n, d + 1, d + 1)
        affine = self._affine - self._affine.mean(axis=0)
        return np.concatenate([affine, np.zeros((len(affine), 1, affine.shape[2]))], axis=1)

    @cached_property
    def _noise(self) -> Array:  # The matrix of S ↦ (1/n)Σ B_iSB_iᵀ on vectors of (d + 1)² numbers
        centred = self._centred
        n, size, _ = centred.shape
        flat = centred.reshape(n, -1)
        products = (flat.T @ flat / n).reshape(size, size, size, size)
        return np.asarray(products.transpose(0, 2, 1, 3).reshape(size**2, size**2))

    @cached_property
    def _isotropic(self) -> Array:  # The same with a multiple of the identity of the same trace
        d = self.objective.num_params
        identity = np.diag(np.append(np.ones(d), 0.0)).ravel()
        return np.outer(identity, identity @ self._noise) / d
