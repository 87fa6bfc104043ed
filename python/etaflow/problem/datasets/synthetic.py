"""Made-up data: the circles of experiment 5.1, XOR, and targets that a known network makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import (
    FloatArray,
    check_choice,
    check_float_array,
    check_int,
    check_nonnegative_number,
    check_number,
    check_positive_int,
    check_positive_number,
    check_seed,
)
from etaflow.problem.datasets._support import Pair, as_pair, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "identity": lambda z: z,
    "logistic": lambda z: np.exp(-np.logaddexp(0.0, -z)),
    "tanh": np.tanh,
    "arctan": lambda z: 2 / np.pi * np.arctan(z),
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky_relu": lambda z: np.where(z >= 0, z, 0.1 * z),
    "softplus": lambda z: np.logaddexp(0.0, z),
    "gelu": lambda z: z * require("scipy.special", "scipy").ndtr(z),
    "sin": np.sin,
}


@dataclass(frozen=True, eq=False)
class SyntheticProblem:
    """Data y = g(x) + u with everything that made them.

    Attributes
    ----------
    name : str
        Which generator.
    x : ndarray, shape (n, d_0)
        Inputs, uniform on [−1, 1]^d_0.
    y : ndarray, shape (n,) or (n, m)
        Targets.
    g : callable
        The noiseless function: inputs (n, d_0) ↦ (n,) or (n, m).
    noise : float
        Standard deviation of the Gaussian noise u.
    parameters : mapping
        What g is made of, by name.
    """

    name: str
    x: FloatArray = field(repr=False)
    y: FloatArray = field(repr=False)
    g: Callable[[FloatArray], FloatArray] = field(repr=False)
    noise: float
    parameters: Mapping[str, Any] = field(repr=False)

    def sample(self, n: int, *, seed: int) -> Pair:
        """Draw fresh data from the same g with the same noise, for validation.

        Parameters
        ----------
        n : int
            Number of samples, >= 1.
        seed : int
            Seed of inputs and noise.

        Returns
        -------
        x : ndarray, shape (n, d_0)
            Inputs.
        y : ndarray, shape (n,) or (n, m)
            Targets.
        """
        inputs, errors = np.random.default_rng(check_seed(seed)).spawn(2)
        x = inputs.uniform(-1, 1, (check_positive_int("n", n), self.x.shape[1]))
        clean = self.g(x)
        return as_pair(x, clean + self.noise * errors.standard_normal(clean.shape), self.x.dtype)


def make_problem(
    name: str,
    g: Callable[[FloatArray], FloatArray],
    parameters: Mapping[str, Any],
    *,
    inputs: int,
    n: int,
    noise: float | None,
    streams: Sequence[np.random.Generator],
    dtype: npt.DTypeLike,
) -> SyntheticProblem:
    """Draw x and the noise from their own streams, so that the first rows do not depend on n.

    With ``noise=None`` its standard deviation is a tenth of that of g over the drawn inputs.

    Returns
    -------
    SyntheticProblem
        The data and what made them.
    """
    drawn = streams[0].uniform(-1, 1, (check_positive_int("n", n), inputs))
    clean = g(drawn)
    sigma = float(clean.std()) / 10 if noise is None else check_nonnegative_number("noise", noise)
    x, y = as_pair(drawn, clean + sigma * streams[1].standard_normal(clean.shape), dtype)
    return SyntheticProblem(name, x, y, g, sigma, parameters)


def circles(
    n: int = 100, *, noise: float = 0.35, factor: float = 0.0, seed: int = 0, dtype: npt.DTypeLike = np.float64
) -> Pair:
    """Return scikit-learn's two circles, by default those of the thesis's experiment 5.1: a noisy point in a noisy circle.

    Parameters
    ----------
    n : int, default 100
        Number of samples; half of them, rounded down, lie on the outer circle.
    noise : float, default 0.35
        Standard deviation of the Gaussian noise on each coordinate.
    factor : float, default 0.0
        Radius of the inner circle, 0 <= factor < 1; the outer one has radius 1. With 0 the inner circle is a point.
    seed : int, default 0
        ``random_state`` of `sklearn.datasets.make_circles`. The source does not state the one it used.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, 2)
        Points.
    y : ndarray, shape (n,)
        1 for the inner circle, 0 for the outer one.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If an argument is out of range.

    References
    ----------
    Fleischmann 2021, section 5.1 and figure 5.1.

    Examples
    --------
    >>> x, y = circles()
    >>> x.shape, int(y.sum())
    ((100, 2), 50)
    """
    check_int("n", n, minimum=2)
    check_nonnegative_number("noise", noise)
    if check_number("factor", factor, minimum=0) >= 1:
        raise ValueError(f"factor must be < 1 (got {factor:g})")
    check_int("seed", seed, 0, 2**32 - 1)
    make_circles = require("sklearn.datasets", "scikit-learn").make_circles
    x, y = make_circles(n, noise=float(noise), factor=float(factor), random_state=int(seed))
    return as_pair(x, y, dtype)


def xor(*, signed: bool = True, dtype: npt.DTypeLike = np.float64) -> Pair:
    """Return the four points of exclusive or.

    Parameters
    ----------
    signed : bool, default True
        Inputs and targets in {−1, 1}; otherwise in {0, 1}.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (4, 2)
        (0, 0), (0, 1), (1, 0), (1, 1), with −1 for 0 if signed.
    y : ndarray, shape (4,)
        1 where the two inputs differ.

    References
    ----------
    Sontag 1988, section 5, figure 5.

    Examples
    --------
    >>> xor()[1]
    array([-1.,  1.,  1., -1.])
    """
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    return as_pair(2 * x - 1, 2 * y - 1, dtype) if signed else as_pair(x, y, dtype)


def teacher(
    widths: Sequence[int],
    *,
    n: int = 500,
    activation: str = "tanh",
    output: str = "identity",
    noise: float | None = 0.0,
    scale: float = 2.0,
    seed: int = 0,
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Return data made by a random network, which a network of the same shape can fit exactly; see `teacher_problem`.

    Parameters
    ----------
    widths : sequence of int
        Layer widths d_0, …, d_L of the teacher.
    n : int, default 500
        Number of samples.
    activation, output : str, default "tanh" and "identity"
        Activation of all hidden layers, and of the output.
    noise : float or None, default 0.0
        Standard deviation of the Gaussian noise; None for a tenth of that of g.
    scale : float, default 2.0
        Size of the weights.
    seed : int, default 0
        Seed of weights, inputs and noise.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, d_0)
        Inputs, uniform on [−1, 1]^d_0.
    y : ndarray, shape (n,) or (n, d_L)
        Targets; (n,) if d_L = 1.

    Examples
    --------
    >>> x, y = teacher([5, 10, 1], n=200, seed=1)
    >>> x.shape, y.shape
    ((200, 5), (200,))
    """
    problem = teacher_problem(
        widths, n=n, activation=activation, output=output, noise=noise, scale=scale, seed=seed, dtype=dtype
    )
    return problem.x, problem.y


def teacher_problem(
    widths: Sequence[int],
    *,
    n: int = 500,
    activation: str = "tanh",
    output: str = "identity",
    noise: float | None = 0.0,
    scale: float = 2.0,
    seed: int = 0,
    relevant: int | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> SyntheticProblem:
    """Return data made by a random network, with the network.

    Weights and biases of layer l are drawn from N(0, scale²/d_{l−1}). The forward pass here is plain NumPy, independent of
    the compiled core.

    Parameters
    ----------
    widths : sequence of int
        Layer widths d_0, …, d_L of the teacher, at least two.
    n : int, default 500
        Number of samples.
    activation, output : str, default "tanh" and "identity"
        Activation of all hidden layers, and of the output: identity, logistic, tanh, arctan, relu, leaky_relu, softplus,
        gelu or sin.
    noise : float or None, default 0.0
        Standard deviation of the Gaussian noise; None for a tenth of that of g over the drawn inputs.
    scale : float, default 2.0
        Size of the weights, > 0.
    seed : int, default 0
        Seed of weights, inputs and noise, each from its own stream.
    relevant : int, optional
        How many of the inputs, the first ones, have any effect; all by default. The other weights of the first layer are 0.
    dtype : {float64, float32}, default float64
        The dtype of x and y.

    Returns
    -------
    SyntheticProblem
        `parameters` holds ``theta`` (d,), float64 in etaflow's order (layer by layer W (out × in, row by row), then b),
        ``widths``, ``activation`` and ``output``: ``MLP(widths, activation=…, output=…)`` with θ has loss 0 without noise.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> problem = teacher_problem([3, 4, 1], n=100, seed=1)
    >>> problem.parameters["theta"].shape
    (21,)
    >>> bool((problem.g(problem.x) == problem.y).all())
    True
    """
    sizes = [check_positive_int(f"widths[{i}]", width) for i, width in enumerate(widths)]
    if len(sizes) < 2:
        raise ValueError(f"widths must hold at least an input and an output width (got {sizes})")
    used = sizes[0] if relevant is None else check_int("relevant", relevant, 1, sizes[0])
    check_choice("activation", activation, _FUNCTIONS)
    check_choice("output", output, _FUNCTIONS)
    check_positive_number("scale", scale)
    weights, *streams = np.random.default_rng(check_seed(seed)).spawn(3)
    layers = []
    for fan_in, fan_out in zip([used, *sizes[1:-1]], sizes[1:], strict=True):
        drawn = weights.normal(0, scale / np.sqrt(fan_in), (fan_out, fan_in + 1))
        layers.append((drawn[:, :-1], drawn[:, -1]))
    layers[0] = (np.pad(layers[0][0], ((0, 0), (0, sizes[0] - used))), layers[0][1])
    theta = np.concatenate([part.ravel() for layer in layers for part in layer])
    parameters = {"theta": theta, "widths": tuple(sizes), "activation": activation, "output": output}

    def g(x: FloatArray) -> FloatArray:
        return _forward(layers, activation, output, check_float_array("x", x, shape=(None, sizes[0])))

    return make_problem("teacher", g, parameters, inputs=sizes[0], n=n, noise=noise, streams=streams, dtype=dtype)


def _forward(
    layers: Sequence[tuple[FloatArray, FloatArray]], activation: str, output: str, x: FloatArray
) -> FloatArray:
    # layers [(W, b), …]; the prediction is (n,) or (n, d_L)
    *hidden, (last, bias) = layers
    for W, b in hidden:
        x = _FUNCTIONS[activation](x @ W.T + b)
    y = _FUNCTIONS[output](x @ last.T + bias)
    return y[:, 0] if y.shape[1] == 1 else y
