"""The observations (x_i, y_i) and what each loss asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice, check_finite, check_float_array, check_same_length, position

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.network import MLP

LOSSES = ("square", "log", "softmax")

# Only with these outputs are the losses fused with the output activation, and so exact for any logit.
_FUSED_OUTPUT = {"log": "logistic", "softmax": "identity"}


def check_loss(loss: object, net: MLP) -> str:
    """Return the loss's name if the network's output suits it.

    Returns
    -------
    str
        The name.

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If the name is unknown or the output does not suit it.
    """
    name = check_choice("loss", loss, LOSSES)
    output = net.activations[-1].name
    if name in _FUSED_OUTPUT and output != _FUSED_OUTPUT[name]:
        raise ValueError(f'loss="{name}" needs a network with output="{_FUSED_OUTPUT[name]}" (got output="{output}")')
    if name == "softmax" and net.widths[-1] < 2:
        raise ValueError(f'loss="softmax" needs one output per class, at least 2 (got {net!r})')
    return name


def check_inputs(net: MLP, x: object, dtype: npt.DTypeLike | None = None, *, name: str = "x") -> FloatArray:
    """Return `x` as a C-contiguous array of shape (n, d_0) with n >= 1.

    Parameters
    ----------
    net : MLP
        The network.
    x : array_like, shape (n, d_0)
        The inputs.
    dtype : dtype, optional
        The only accepted float dtype; integers are converted to it.
    name : str, default "x"
        The argument's name, for the message.

    Returns
    -------
    ndarray of float64 or float32
        The same numbers.

    Raises
    ------
    TypeError
        If `x` is not a float array, or of another dtype.
    ValueError
        If there is no row, the number of columns is not d_0, or there is NaN or Inf.
    """
    array = check_float_array(name, x, ndim=2, dtype=dtype, integers=True, finite=False)
    if len(array) == 0:
        raise ValueError(f"{name} must hold at least one observation (got shape {array.shape})")
    if array.shape[1] != net.widths[0]:
        raise ValueError(
            f"{name} must have {net.widths[0]} columns, one per input of {net!r} (got shape {array.shape})"
        )
    check_finite(name, array)
    return array


def check_observations(net: MLP, x: object, y: object, loss: str) -> tuple[FloatArray, FloatArray]:
    """Return inputs and targets as read-only copies of one dtype, which x decides.

    Parameters
    ----------
    net : MLP
        The network.
    x : array_like, shape (n, d_0)
        The inputs. A float32 array decides for float32, everything else for float64.
    y : array_like, shape (n,) or (n, d_L)
        The targets; (n,) if there is one output. For "softmax" the labels, (n,) or (n, 1).
    loss : str
        The loss's name.

    Returns
    -------
    x : ndarray, shape (n, d_0)
        The inputs.
    y : ndarray, shape (n, d_L), for "softmax" (n, 1)
        The targets in the dtype of x.

    Raises
    ------
    TypeError
        If x or y is not an array of real numbers, or y would have to be rounded to the dtype of x.
    ValueError
        If a shape is wrong, there is no observation, a value is NaN or Inf or too large for the dtype, or a label is
        not one that the loss knows.
    """
    inputs = check_inputs(net, x)
    columns = 1 if loss == "softmax" else net.widths[-1]
    targets = check_float_array("y", y, ndim=(1, 2))
    check_same_length("x", inputs, "y", targets)
    given = targets.shape
    if targets.ndim == 1 and columns == 1:
        targets = targets[:, None]
    if targets.ndim != 2 or targets.shape[1] != columns:
        expected = f"({len(inputs)},) or ({len(inputs)}, 1)" if columns == 1 else f"({len(inputs)}, {columns})"
        raise ValueError(f'y must have shape {expected} for {net!r} and loss="{loss}" (got {given})')
    if loss in {"log", "softmax"}:
        _check_labels(targets, given, 2 if loss == "log" else net.widths[-1], loss)
    return _frozen(inputs), _frozen(_same_dtype(targets, given, inputs.dtype))


def _check_labels(targets: FloatArray, given: tuple[int, ...], classes: int, loss: str) -> None:
    known = (targets == np.floor(targets)) & (targets >= 0) & (targets < classes)
    if not known.all():
        first = np.unravel_index(int(np.argmin(known)), targets.shape)
        expected = "0 or 1" if loss == "log" else f"integers from 0 to {classes - 1}, one per output"
        where = position("y", first[: len(given)])
        raise ValueError(f'labels y must be {expected} for loss="{loss}" ({where} is {targets[first]:g})')


def _same_dtype(targets: FloatArray, given: tuple[int, ...], dtype: np.dtype[np.floating]) -> FloatArray:
    limit = np.finfo(dtype).max
    large = np.abs(targets) > limit
    if large.any():
        first = np.unravel_index(int(np.argmax(large)), targets.shape)
        where = position("y", first[: len(given)])
        raise ValueError(
            f"y must be within the range ±{limit:.8g} of {dtype}, the dtype of x ({where} is {targets[first]:g})"
        )
    converted: FloatArray = targets.astype(dtype)
    exact = converted == targets
    if not exact.all():
        first = np.unravel_index(int(np.argmin(exact)), targets.shape)
        where = position("y", first[: len(given)])
        raise TypeError(
            f"y must be {dtype} like x (got {targets.dtype}, and {where} = {targets[first]!r} is not a {dtype} number); "
            f"convert with y.astype(np.{dtype}) or x.astype(np.{targets.dtype})"
        )
    return converted


def _frozen(array: FloatArray) -> FloatArray:
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
