"""Checks of arguments: every message names the argument, its value and what was expected."""

from __future__ import annotations

import difflib
import math
import numbers
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Sized

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.int64]

FLOAT_DTYPES = (np.dtype(np.float64), np.dtype(np.float32))
SEED_LIMIT = 2**64


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`, else suggest the nearest name.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What the caller gave.
    choices : iterable of str
        The accepted names.

    Returns
    -------
    str
        The value itself.

    Raises
    ------
    TypeError
        If the value is not a string.
    ValueError
        If the value is not among the choices.

    Examples
    --------
    >>> check_choice("loss", "squares", ["square", "log"])
    Traceback (most recent call last):
    ValueError: loss must be one of 'square', 'log' (got 'squares'; did you mean 'square'?)
    """
    known = list(choices)
    expected = f"{name} must be one of {', '.join(map(repr, known))}"
    if not isinstance(value, str):
        raise TypeError(f"{expected} (got {value!r}, a {type(value).__name__})")
    if value not in known:
        near = difflib.get_close_matches(value.lower(), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{expected} (got {value!r}{hint})")
    return str(value)


def check_int(name: str, value: object, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return `value` as an int if it is a whole number between `minimum` and `maximum` (both included).

    A float is refused even if it has no fraction: a count that was computed as 3.0 is usually a mistake.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What the caller gave: a Python or NumPy integer.
    minimum, maximum : int, optional
        The limits.

    Returns
    -------
    int
        The value as a Python int.

    Raises
    ------
    TypeError
        If the value is not an integer.
    ValueError
        If the value is out of the limits.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer (got {value!r}, a {type(value).__name__})")
    number = int(value)
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be >= {minimum} (got {number})")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be <= {maximum} (got {number})")
    return number


def check_positive_int(name: str, value: object) -> int:
    """Return `value` as an int >= 1.

    Returns
    -------
    int
        The value as a Python int.
    """
    return check_int(name, value, minimum=1)


def check_nonnegative_int(name: str, value: object) -> int:
    """Return `value` as an int >= 0.

    Returns
    -------
    int
        The value as a Python int.
    """
    return check_int(name, value, minimum=0)


def check_seed(seed: object) -> int:
    """Return `seed` as an int with 0 <= seed < 2**64, the range of a Philox key.

    Returns
    -------
    int
        The seed as a Python int.
    """
    return check_int("seed", seed, minimum=0, maximum=SEED_LIMIT - 1)


def check_number(name: str, value: object, *, above: float | None = None, minimum: float | None = None) -> float:
    """Return `value` as a finite float, optionally > `above` or >= `minimum`.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What the caller gave: a real number (0-d arrays and bools are refused).
    above : float, optional
        The value must be greater than this.
    minimum : float, optional
        The value must not be less than this.

    Returns
    -------
    float
        The value as a Python float.

    Raises
    ------
    TypeError
        If the value is not a real number.
    ValueError
        If it is NaN, infinite or out of the limits.

    Examples
    --------
    >>> check_number("step_size", -0.1, above=0)
    Traceback (most recent call last):
    ValueError: step_size must be > 0 (got -0.1)
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number (got {value!r}, a {type(value).__name__})")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite (got {number})")
    if above is not None and not number > above:
        raise ValueError(f"{name} must be > {above:g} (got {number:g})")
    if minimum is not None and not number >= minimum:
        raise ValueError(f"{name} must be >= {minimum:g} (got {number:g})")
    return number


def check_positive_number(name: str, value: object) -> float:
    """Return `value` as a finite float > 0.

    Returns
    -------
    float
        The value as a Python float.
    """
    return check_number(name, value, above=0)


def check_nonnegative_number(name: str, value: object) -> float:
    """Return `value` as a finite float >= 0.

    Returns
    -------
    float
        The value as a Python float.
    """
    return check_number(name, value, minimum=0)


def check_probability(name: str, value: object) -> float:
    """Return `value` as a float strictly between 0 and 1.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What the caller gave: a real number.

    Returns
    -------
    float
        The value as a Python float.

    Raises
    ------
    ValueError
        If it is not between 0 and 1.

    Examples
    --------
    >>> check_probability("level", 95)
    Traceback (most recent call last):
    ValueError: level must be between 0 and 1 (got 95)
    """
    number = check_number(name, value)
    if not 0 < number < 1:
        raise ValueError(f"{name} must be between 0 and 1 (got {number:g})")
    return number


def check_run_numbers(runs: object, name: str = "runs") -> IntArray:
    """Return the run numbers that `runs` means: 0, …, runs − 1 for a number, its members for a range.

    Parameters
    ----------
    runs : int or range
        How many runs, or which ones; run r has the same random numbers in every ensemble with the same seed.
    name : str, default "runs"
        The argument's name, for the message.

    Returns
    -------
    ndarray of int64, shape (runs,)
        The numbers, all >= 0.

    Raises
    ------
    TypeError
        If `runs` is neither an integer nor a range.
    ValueError
        If there is no run or one has a negative number.

    Examples
    --------
    >>> check_run_numbers(3), check_run_numbers(range(200, 202))
    (array([0, 1, 2]), array([200, 201]))
    """
    if not isinstance(runs, range):
        return np.arange(check_positive_int(name, runs), dtype=np.int64)
    if len(runs) == 0:
        raise ValueError(f"{name} must hold at least one run number (got the empty {runs!r})")
    if min(runs) < 0:
        raise ValueError(f"{name} must hold run numbers >= 0 (got {runs!r})")
    return np.array(runs, dtype=np.int64)


def check_same_length(first_name: str, first: Sized, second_name: str, second: Sized) -> int:
    """Return the common length of two arguments.

    Returns
    -------
    int
        The length.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(
            f"{first_name} and {second_name} must have the same length (got {len(first)} and {len(second)})"
        )
    return len(first)


def check_finite(name: str, array: FloatArray) -> None:
    """Raise a ValueError that says where the first NaN or Inf of `array` is.

    Raises
    ------
    ValueError
        If an entry is not finite.
    """
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.unravel_index(int(np.argmin(finite)), array.shape)
        raise ValueError(f"{name} must be finite ({position(name, bad)} is {array[bad]})")


def check_float_array(
    name: str,
    value: object,
    *,
    dtype: npt.DTypeLike | None = None,
    ndim: int | Sequence[int] | None = None,
    shape: Sequence[int | None] | None = None,
    integers: bool = False,
    finite: bool = True,
) -> FloatArray:
    """Return `value` as a C-contiguous float64 or float32 array, without a silent change of dtype.

    Lists and tuples of numbers, and integer or boolean arrays, become float64 (integers beyond 2**53 that float64
    cannot hold are refused), or `dtype` if that is given and they are lists or `integers` is set. An array that is already float64 or float32 keeps its dtype; it is copied only if it is
    not C-contiguous.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array_like
        What the caller gave.
    dtype : dtype, optional
        The only accepted dtype. A float array of the other dtype is a TypeError that says how to convert.
    ndim : int or sequence of int, optional
        The accepted numbers of dimensions.
    shape : sequence of int or None, optional
        The only accepted shape; None stands for any length.
    integers : bool, default False
        Whether an integer or boolean array is accepted where `dtype` is given.
    finite : bool, default True
        Whether NaN and Inf are refused.

    Returns
    -------
    ndarray of float64 or float32
        The array.

    Raises
    ------
    TypeError
        For object, string, complex, float16 and longdouble arrays, ragged lists, or the wrong float dtype.
    ValueError
        For a wrong shape, NaN or Inf, or integers that float64 cannot hold.

    Examples
    --------
    >>> check_float_array("x", [1, 2])
    array([1., 2.])
    >>> check_float_array("x", [1.0, float("nan")])
    Traceback (most recent call last):
    ValueError: x must be finite (x[1] is nan)
    """
    array = _numeric(name, value)
    wanted = None if dtype is None else np.dtype(dtype)
    if array.dtype.kind in "iub" and (wanted is None or integers or not isinstance(value, np.ndarray | np.generic)):
        array = _from_integers(name, array, np.dtype(float) if wanted is None else wanted)
    if wanted is not None and array.dtype != wanted:
        raise TypeError(f"{name} must be {wanted} (got {array.dtype}); convert with np.asarray({name}, np.{wanted})")
    if array.dtype not in FLOAT_DTYPES:
        raise TypeError(f"{name} must be float64 or float32 (got {array.dtype})")
    if ndim is not None:
        check_ndim(name, array, ndim)
    if shape is not None:
        _check_shape(name, array, shape)
    if finite:
        check_finite(name, array)
    return np.asarray(array, order="C")


def check_float_dtype(dtype: npt.DTypeLike | None, name: str = "dtype") -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype if it is float64 or float32.

    Returns
    -------
    numpy.dtype
        The dtype.

    Raises
    ------
    TypeError
        If it is another one.
    """
    message = f"{name} must be float64 or float32 (got {dtype!r})"
    if dtype is None:  # which NumPy reads as float64
        raise TypeError(message)
    try:
        known = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(message) from error
    if known not in FLOAT_DTYPES:
        raise TypeError(message)
    return known


def check_ndim(name: str, array: npt.NDArray[Any], ndim: int | Sequence[int]) -> None:
    """Raise a ValueError unless `array` has one of the accepted numbers of dimensions.

    Raises
    ------
    ValueError
        If it has another number of dimensions.
    """
    accepted = [ndim] if isinstance(ndim, int) else list(ndim)
    if array.ndim not in accepted:
        expected = " or ".join(map(str, accepted))
        plural = "" if accepted == [1] else "s"
        raise ValueError(f"{name} must have {expected} dimension{plural} (got shape {array.shape})")


def position(name: str, index: Sequence[Any]) -> str:
    """Return how Python writes the entry of `name` at `index`.

    Returns
    -------
    str
        For example ``x[3, 1]``.

    Examples
    --------
    >>> position("x", (3, 1))
    'x[3, 1]'
    """
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if len(index) else name


def _numeric(name: str, value: object) -> npt.NDArray[Any]:
    if hasattr(value, "toarray"):
        raise TypeError(f"{name} must be a dense array (got a {type(value).__name__}); convert with {name}.toarray()")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers (got {type(value).__name__}: {error})") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of real numbers (got dtype {array.dtype})")
    if np.ma.is_masked(value):
        raise TypeError(f"{name} must have no masked entries (got a masked array)")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _from_integers(name: str, array: npt.NDArray[Any], dtype: np.dtype[Any]) -> FloatArray:
    converted: FloatArray = array.astype(dtype)
    limit = 2 ** (np.finfo(dtype).nmant + 1)
    if array.size and max(abs(int(array.max())), abs(int(array.min()))) > limit:
        for index in np.ndindex(array.shape):
            if int(converted[index]) != int(array[index]):
                raise ValueError(f"{position(name, index)} = {array[index]} is not a {dtype} number")
    return converted


def _check_shape(name: str, array: npt.NDArray[Any], shape: Sequence[int | None]) -> None:
    matches = array.ndim == len(shape) and all(
        want in {None, got} for want, got in zip(shape, array.shape, strict=True)
    )
    if not matches:
        sizes = ["any" if size is None else str(size) for size in shape]
        expected = f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
        raise ValueError(f"{name} must have shape {expected} (got {array.shape})")
