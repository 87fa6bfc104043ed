"""The multilayer perceptron: its shape, its parameters and its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from etaflow import _core
from etaflow._checks import (
    check_finite,
    check_float_array,
    check_float_dtype,
    check_int,
    check_run_numbers,
    check_seed,
)
from etaflow.problem.activations import Activation, ActivationSpec, parse_activation, parse_hidden, shown
from etaflow.problem.initialisation import Scheme, draw, parse_scheme, run_generator
from etaflow.problem.observations import check_inputs
from etaflow.problem.orders import finnoff_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from etaflow._checks import FloatArray, IntArray

    Layer = tuple[FloatArray, FloatArray | None]


@dataclass(frozen=True, init=False, repr=False)
class MLP:
    """A fully connected feed-forward network.

    Layer ℓ computes x^(ℓ) = σ^(ℓ)(W^(ℓ) x^(ℓ−1) + b^(ℓ)) (Fleischmann 2021, eq. (2.4)). The parameter vector θ holds
    W^(1) (row-major, out × in), b^(1), W^(2), b^(2), …: the order in which PyTorch flattens the same network, with
    d = Σ d_ℓ (d_{ℓ−1} + 1) entries.

    Parameters
    ----------
    widths : sequence of int
        d_0, …, d_L: the numbers of inputs, of units in every hidden layer, and of outputs. Two widths make a
        perceptron without a hidden layer (Sontag and Sussmann 1988).
    activation : str, (str, float), (str, dict) or a list of them, default "tanh"
        One activation for all hidden layers, or one per hidden layer: see `Activation` for the names. A parameter is
        given as ``("leaky_relu", 0.01)`` or ``("relu", {"at_zero": 0})``.
    output : str, (str, float) or (str, dict), default "identity"
        The activation of the output layer.
    bias : bool, default True
        Whether the layers have bias vectors.

    Attributes
    ----------
    widths : tuple of int
        d_0, …, d_L.
    activations : tuple of Activation
        One per layer 1, …, L; the last one is the output's.
    bias : bool
        Whether the layers have bias vectors.

    Raises
    ------
    TypeError
        If a width is not an integer, or a specification is of the wrong form.
    ValueError
        If a width is below 1, there are fewer than two, or a name is unknown.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([64, 10, 10, 1], activation="relu", output="logistic")
    >>> net
    MLP([64, 10, 10, 1], activation='relu', output='logistic')
    >>> net.num_params
    771
    """

    widths: tuple[int, ...]
    activations: tuple[Activation, ...]
    bias: bool

    def __init__(
        self,
        widths: Iterable[int],
        *more: Never,
        activation: ActivationSpec | Sequence[ActivationSpec] = "tanh",
        output: ActivationSpec = "identity",
        bias: bool = True,
    ) -> None:
        if more:
            raise TypeError(
                f"widths must be one sequence, such as MLP([2, 4, 1]), and the rest named, such as bias=False (got {(widths, *more)!r})"
            )
        if isinstance(widths, str | bytes) or not hasattr(widths, "__iter__"):
            raise TypeError(f"widths must be a sequence of integers (got {widths!r})")
        checked = tuple(check_int(f"widths[{layer}]", width, 1, 2**31 - 1) for layer, width in enumerate(widths))
        if len(checked) < 2:
            raise ValueError(
                f"widths must name the inputs and the outputs at least: two integers (got {list(checked)})"
            )
        if not isinstance(bias, bool | np.bool_):
            raise TypeError(f"bias must be True or False (got {bias!r})")
        hidden = parse_hidden(activation, len(checked) - 2)
        activations = (*hidden, parse_activation("output", output))
        self.__dict__.update(widths=checked, activations=activations, bias=bool(bias))  # the dataclass is frozen

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shape (out, in) of every layer's weight matrix."""
        return tuple(zip(self.widths[1:], self.widths[:-1], strict=True))

    @cached_property
    def num_params(self) -> int:
        """The number d of parameters."""
        return sum(rows * (columns + self.bias) for rows, columns in self.shapes)

    @cached_property
    def core(self) -> _core.Network:
        """The compiled network."""
        activations = [(activation.name, activation.parameter) for activation in self.activations]
        return _core.Network(list(self.widths), activations, self.bias)

    def check_theta(self, theta: object, dtype: npt.DTypeLike | None = None, *, finite: bool = True) -> FloatArray:
        """Return `theta` as a C-contiguous array of shape (d,) or (runs, d).

        Parameters
        ----------
        theta : array_like, shape (d,) or (runs, d)
            The parameters.
        dtype : dtype, optional
            The only accepted dtype.
        finite : bool, default True
            Whether NaN and Inf are refused.

        Returns
        -------
        ndarray of float64 or float32
            The same numbers.

        Raises
        ------
        TypeError
            If `theta` is not a float array, or of another dtype.
        ValueError
            If it has another length than the network needs, no rows, or NaN or Inf.
        """
        array = check_float_array("theta", theta, dtype=dtype, ndim=(1, 2), finite=False)
        if array.shape[-1] != self.num_params:
            raise ValueError(
                f"theta must hold {self.num_params} parameters on its last axis, as {self!r} needs (got shape {array.shape})"
            )
        if array.shape[0] == 0:
            raise ValueError(f"theta must hold at least one run (got shape {array.shape})")
        if finite:
            check_finite("theta", array)
        return array

    def layers(self, theta: FloatArray) -> list[Layer]:
        """Return the weights and biases of every layer as views of `theta`: writing to them writes to it.

        Parameters
        ----------
        theta : ndarray, shape (d,) or (runs, d)
            The parameters, C-contiguous.

        Returns
        -------
        list of (W, b)
            W of shape (out, in) or (runs, out, in); b of shape (out,) or (runs, out), None without bias.

        Examples
        --------
        >>> import etaflow as ef
        >>> net = ef.MLP([2, 1])
        >>> import numpy as np
        >>> net.layers(np.array([1.0, 2.0, 3.0]))
        [(array([[1., 2.]]), array([3.]))]
        """
        array = self.check_theta(theta, finite=False)
        leading = array.shape[:-1]
        found: list[Layer] = []
        start = 0
        for rows, columns in self.shapes:
            end = start + rows * columns
            weights = array[..., start:end].reshape(*leading, rows, columns)
            start = end + rows * self.bias
            found.append((weights, array[..., end:start] if self.bias else None))
        return found

    def flatten(self, layers: Sequence[Layer]) -> FloatArray:
        """Return the parameter vector of these weights and biases: the inverse of `layers`.

        Parameters
        ----------
        layers : sequence of (W, b)
            One pair per layer; W of shape (out, in) or (runs, out, in), b of shape (out,) or (runs, out), None without
            bias. All must be of one dtype.

        Returns
        -------
        ndarray, shape (d,) or (runs, d)
            A new array.

        Raises
        ------
        TypeError
            If the layers differ in dtype.
        ValueError
            If the number of layers or a shape is wrong.
        """
        if len(layers) != len(self.shapes):
            raise ValueError(f"layers must hold {len(self.shapes)} pairs (W, b), one per layer (got {len(layers)})")
        parts: list[FloatArray] = []
        dtype, leading = None, None
        for number, ((weights, bias), (rows, columns)) in enumerate(zip(layers, self.shapes, strict=True)):
            matrix = check_float_array(f"layers[{number}][0]", weights, dtype=dtype, ndim=(2, 3), finite=False)
            dtype = matrix.dtype
            leading = matrix.shape[:-2] if leading is None else leading
            matrix = check_float_array(f"layers[{number}][0]", matrix, shape=(*leading, rows, columns), finite=False)
            parts.append(matrix.reshape(*leading, rows * columns))
            if (bias is None) == self.bias:
                raise ValueError(
                    f"layers[{number}][1] must be {'a bias vector' if self.bias else 'None'} (got {bias!r})"
                )
            if bias is not None:
                name = f"layers[{number}][1]"
                parts.append(check_float_array(name, bias, dtype=dtype, shape=(*leading, rows), finite=False))
        return np.concatenate(parts, axis=-1)

    def predict(self, theta: npt.ArrayLike, x: npt.ArrayLike) -> FloatArray:
        """Return the network's outputs h(x, θ) (Fleischmann 2021, eq. (2.5)).

        Parameters
        ----------
        theta : array_like, shape (d,) or (runs, d)
            The parameters. Their dtype decides: float64 or float32.
        x : array_like, shape (n, d_0)
            The inputs, of the same dtype; integers are converted.

        Returns
        -------
        ndarray, shape (n, d_L) or (runs, n, d_L)
            The outputs.

        Raises
        ------
        TypeError
            If `theta` or `x` is not a float array, or their dtypes differ.
        ValueError
            If a shape is wrong, or there is NaN or Inf.

        Examples
        --------
        >>> import etaflow as ef
        >>> net = ef.MLP([2, 1])
        >>> net.predict([1.0, 2.0, 3.0], [[1, 1], [0, 2]])
        array([[6.],
               [7.]])
        """
        parameters = self.check_theta(theta)
        inputs = check_inputs(self, x, parameters.dtype)
        outputs: FloatArray = _core.predict(self.core, np.atleast_2d(parameters), inputs)
        return outputs[0] if parameters.ndim == 1 else outputs

    def init(
        self,
        seed: int,
        runs: int | range | None = None,
        scheme: Scheme = "glorot_uniform",
        *,
        dtype: npt.DTypeLike = np.float64,
    ) -> FloatArray:
        """Draw starts.

        Run r has the same start in every ensemble with that seed: its numbers come from NumPy's Philox generator with
        the key (seed, r) and the counter (0, 3, 0, 0), a stream that `descend` does not use.

        Parameters
        ----------
        seed : int
            The seed, 0 <= seed < 2**64.
        runs : int or range, optional
            How many starts, or the run numbers; by default the one start of run 0.
        scheme : str or (str, float), default "glorot_uniform"
            For the weights, with zero biases: "glorot_uniform", "glorot_normal" (variance 2/(fan_in + fan_out)),
            "he_uniform" or "he_normal" (variance 2/fan_in). For all parameters, biases too: ``("uniform", a)`` from
            U(−a, a), as in the thesis's experiment 5.1, ``("normal", s)`` from N(0, s²), or ``("constant", c)``.
        dtype : dtype, default float64
            float64 or float32; a float32 start is the rounded float64 start.

        Returns
        -------
        ndarray, shape (d,) without `runs`, else (runs, d)
            The starts.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If the seed is out of range, the scheme unknown, or there is no run.

        Examples
        --------
        >>> import etaflow as ef
        >>> net = ef.MLP([2, 3, 1])
        >>> import numpy as np
        >>> np.array_equal(net.init(seed=7, runs=range(5, 8))[0], net.init(seed=7, runs=6)[5])
        True
        """
        checked_seed = check_seed(seed)
        numbers: IntArray = check_run_numbers(1 if runs is None else runs)
        parse_scheme(scheme)
        kind = check_float_dtype(dtype)
        starts = np.empty((len(numbers), self.num_params), dtype=kind)
        for row, run in zip(starts, numbers, strict=True):
            row[:] = draw(run_generator(checked_seed, int(run)), self.shapes, self.bias, scheme)
        return starts[0] if runs is None else starts

    def finnoff_order(self) -> IntArray:
        """Return the permutation into Finnoff's order θ = (γ; β) (Finnoff 1992, section 2).

        ``theta[..., net.finnoff_order()]`` holds γ^u_1, …, γ^u_{q+1} for every output u, then β^j_1, …, β^j_{h+1} for
        every hidden unit j; the last entry of each group is the bias.

        Returns
        -------
        ndarray of int64, shape (d,)
            The position in our order of each entry of Finnoff's.

        Raises
        ------
        ValueError
            If the network does not have exactly one hidden layer and biases.

        Examples
        --------
        >>> import etaflow as ef
        >>> ef.MLP([2, 1, 1]).finnoff_order()
        array([3, 4, 0, 1, 2])
        """
        return finnoff_order(self)

    def from_finnoff_order(self) -> IntArray:
        """Return the permutation from Finnoff's order (γ; β) into ours, the inverse of `finnoff_order`.

        Returns
        -------
        ndarray of int64, shape (d,)
            The position in Finnoff's order of each entry of ours.

        Examples
        --------
        >>> import etaflow as ef
        >>> ef.MLP([2, 1, 1]).from_finnoff_order()
        array([2, 3, 4, 0, 1])
        """
        return np.argsort(finnoff_order(self)).astype(np.int64)

    def __repr__(self) -> str:
        """Return the call that makes the network.

        Returns
        -------
        str
            For example ``MLP([2, 1], output='tanh')``.
        """
        *hidden, output = self.activations
        parts = [str(list(self.widths))]
        if hidden:
            parts.append(f"activation={shown(hidden)}")
        parts.append(f"output={output.spec!r}")
        if not self.bias:
            parts.append("bias=False")
        return f"MLP({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle makes the network again: from its arguments, without the compiled network.

        Returns
        -------
        tuple
            The function and its arguments.
        """
        *hidden, output = self.activations
        return partial(MLP, activation=hidden, output=output, bias=self.bias), (self.widths,)
