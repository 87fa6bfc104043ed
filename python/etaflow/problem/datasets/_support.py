"""What the loaders share: optional packages, the dtype of the answer, class labels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from etaflow._checks import FLOAT_DTYPES, FloatArray, check_int

if TYPE_CHECKING:
    from collections.abc import Sequence

Pair: TypeAlias = tuple[FloatArray, FloatArray]
"""(x, y): inputs (n, d_0) and targets (n,) or (n, m)."""


def require(module: str, package: str) -> Any:
    """Import an optional module, or say how to get it.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'this needs {package}: pip install "etaflow[lab]"') from error


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return `dtype` as float64 or float32.

    Returns
    -------
    dtype
        The NumPy dtype.

    Raises
    ------
    TypeError
        If it is another dtype.
    """
    wanted = np.dtype(dtype)
    if wanted not in FLOAT_DTYPES:
        raise TypeError(f"dtype must be float64 or float32 (got {wanted})")
    return wanted


def as_pair(x: npt.NDArray[Any], y: npt.NDArray[Any], dtype: npt.DTypeLike) -> Pair:
    """Return x and y C-contiguous in the wanted dtype.

    Returns
    -------
    (ndarray, ndarray)
        The arrays.

    Raises
    ------
    ValueError
        If a finite value overflows float32.
    """
    wanted = check_dtype(dtype)
    return _converted("x", x, wanted), _converted("y", y, wanted)


def _converted(name: str, array: npt.NDArray[Any], dtype: np.dtype[Any]) -> FloatArray:
    if array.size and array.dtype.itemsize > dtype.itemsize:
        largest = float(np.abs(array).max())
        if np.isfinite(largest) and largest > float(np.finfo(dtype).max):
            raise ValueError(f"{name} holds {largest:g}, which overflows {dtype}: use dtype=np.float64")
    return np.ascontiguousarray(array, dtype)


def check_classes(name: str, classes: Sequence[int], count: int) -> list[int]:
    """Return class numbers that are checked to be at least two, distinct and below `count`.

    Returns
    -------
    list of int
        The classes; a sample's label will be its class's place in this list.

    Raises
    ------
    ValueError
        If there are fewer than two, or one twice, or one out of range.
    """
    numbers = [check_int(f"{name}[{i}]", value, 0, count - 1) for i, value in enumerate(classes)]
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        raise ValueError(f"{name} must hold at least two different classes (got {numbers})")
    return numbers


def select_classes(labels: npt.NDArray[Any], classes: Sequence[int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[Any]]:
    """Return which samples belong to the classes, in their order, and the place of each one's class.

    Returns
    -------
    (ndarray of intp, ndarray of int64)
        Row numbers and new labels 0 … len(classes) − 1.
    """
    place = np.full(int(labels.max()) + 1 if labels.size else 1, -1)
    place[[c for c in classes if c < place.size]] = [i for i, c in enumerate(classes) if c < place.size]
    rows = np.flatnonzero(place[labels] >= 0)
    return rows, place[labels[rows]]
