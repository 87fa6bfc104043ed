"""The four data generators of Finnoff 1992, section 6: y = g(x¹, …, xʲ) + u with irrelevant further inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from etaflow._checks import FloatArray, check_choice, check_float_array, check_positive_number, check_seed
from etaflow.problem.datasets.synthetic import SyntheticProblem, make_problem, teacher_problem

if TYPE_CHECKING:
    from etaflow.problem.datasets._support import Pair

Model: TypeAlias = tuple[Callable[[FloatArray], FloatArray], Mapping[str, Any]]

_NAMES = ("additive", "product", "rbf", "network")
_INPUTS = 10


def finnoff(
    name: str,
    *,
    n: int = 500,
    noise: float | None = None,
    sigma: float = 0.7,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Return data of one of Finnoff's four models; `finnoff_problem` also returns what made them.

    Parameters
    ----------
    name : {"additive", "product", "rbf", "network"}
        The model g; see `finnoff_problem`.
    n : int, default 500
        Number of samples T.
    noise : float, optional
        Standard deviation of u; by default a tenth of that of g over the drawn inputs.
    sigma : float, default 0.7
        Width of the radial basis functions; only used by "rbf".
    seed : int, default 0
        Seed of parameters, inputs and noise.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, 10)
        Inputs, uniform on [−1, 1]^10.
    y : ndarray, shape (n,)
        Targets.

    Examples
    --------
    >>> x, y = finnoff("product", noise=0.0)
    >>> bool(np.allclose(y, x[:, 0] * x[:, 1] * x[:, 2]))
    True
    """
    problem = finnoff_problem(name, n=n, noise=noise, sigma=sigma, seed=seed, dtype=dtype)
    return problem.x, problem.y


def finnoff_problem(
    name: str,
    *,
    n: int = 500,
    noise: float | None = None,
    sigma: float = 0.7,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float64,
) -> SyntheticProblem:
    """Return data of one of Finnoff's four models with the noiseless g and its parameters.

    ========== =============================================== ==========================================
    name       g                                               parameters
    ========== =============================================== ==========================================
    additive   Σ_{k=1}^5 sin(α^k x^k)                          alpha = (1, 2, 3, 4, 5)
    product    ∏_{k=1}^3 x^k                                   none
    rbf        Σ_{l=1}^8 (−1)^l exp(−‖α^l − x‖²/(2σ²))         alpha (8, 5), uniform on [−1, 1]; sigma
               with the first 5 inputs
    network    a 10-10-1 tanh network with linear output,      theta (121,), widths, activation, output
               whose weights from inputs 6 … 10 are 0;
               the others: `teacher_problem` with scale 3
    ========== =============================================== ==========================================

    There are always K = 10 inputs, uniform on [−1, 1]; those that g does not use are irrelevant.

    Parameters
    ----------
    name : {"additive", "product", "rbf", "network"}
        The model.
    n : int, default 500
        Number of samples T.
    noise : float, optional
        Standard deviation of the Gaussian u; by default a tenth of that of g over the drawn inputs.
    sigma : float, default 0.7
        Width σ of the radial basis functions, > 0; only used by "rbf".
    seed : int, default 0
        Seed of parameters, inputs and noise, each from its own stream.
    dtype : {float64, float32}, default float64
        The dtype of x and y.

    Returns
    -------
    SyntheticProblem
        x, y, g, noise and parameters.

    Raises
    ------
    ValueError
        If the name is unknown or a number is out of range.

    Notes
    -----
    Erratum: the paper prints exp(+Σ(α − x)²/(2σ²)); a radial basis function has the minus sign. The paper leaves α of
    the first model, σ, T, the noise and the fourth model open (it refers to Finnoff, Hergert and Zimmermann 1992): the
    values here are ours. Targets of the additive model reach beyond ±1, so that a tanh output, as the paper has it, cannot
    fit them; take an identity output.

    References
    ----------
    Finnoff 1992, Diffusion approximations for the constant learning rate backpropagation algorithm, section 6.

    Examples
    --------
    >>> problem = finnoff_problem("additive", n=100)
    >>> problem.x.shape, problem.parameters["alpha"]
    ((100, 10), array([1., 2., 3., 4., 5.]))
    """
    check_choice("name", name, _NAMES)
    width = check_positive_number("sigma", sigma)
    if name == "network":
        problem = teacher_problem((_INPUTS, 10, 1), relevant=5, scale=3.0, n=n, noise=noise, seed=seed, dtype=dtype)
        return replace(problem, name=name)
    drawn, *streams = np.random.default_rng(check_seed(seed)).spawn(3)
    g, parameters = _rbf(drawn, width) if name == "rbf" else _FIXED[name]()
    return make_problem(name, _checked(g), parameters, inputs=_INPUTS, n=n, noise=noise, streams=streams, dtype=dtype)


def _checked(g: Callable[[FloatArray], FloatArray]) -> Callable[[FloatArray], FloatArray]:
    def checked(x: FloatArray) -> FloatArray:
        return g(check_float_array("x", x, shape=(None, _INPUTS)))

    return checked


def _additive() -> Model:
    alpha = np.arange(1.0, 6.0)
    return lambda x: np.sin(alpha * x[:, :5]).sum(axis=1), {"alpha": alpha}


def _product() -> Model:
    return lambda x: x[:, :3].prod(axis=1), {}


def _rbf(generator: np.random.Generator, sigma: float) -> Model:
    alpha = generator.uniform(-1, 1, (8, 5))
    sign = (-1.0) ** np.arange(1, 9)

    def g(x: FloatArray) -> FloatArray:
        distance = ((x[:, None, :5] - alpha) ** 2).sum(axis=2)  # (n, 8)
        return np.asarray(np.exp(-distance / (2 * sigma**2)) @ sign)

    return g, {"alpha": alpha, "sigma": sigma}


_FIXED: dict[str, Callable[[], Model]] = {"additive": _additive, "product": _product}
