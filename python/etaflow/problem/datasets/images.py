"""Images of handwritten digits: scikit-learn's 8 × 8 ones, which need no file, and MNIST from its IDX files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_choice, check_positive_int
from etaflow.problem.datasets._support import Pair, as_pair, check_classes, check_dtype, require, select_classes
from etaflow.problem.datasets.idx import MissingFileError, check_path, read_idx

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_PREFIXES = {"train": "train", "test": "t10k"}


def digits(*which: int, dtype: npt.DTypeLike = np.float64) -> Pair:
    """Return scikit-learn's bundled images of handwritten digits, 8 × 8 pixels scaled to [0, 1].

    Parameters
    ----------
    *which : int
        The digits to take, at least two of 0 … 9. A sample's label is the place of its digit in this list: in
        ``digits(3, 6)`` a 3 is labelled 0 and a 6 is labelled 1. Without arguments all ten, each with itself as label.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, 64)
        Pixels row by row, divided by 16.
    y : ndarray, shape (n,)
        Labels, as floating-point numbers.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If a digit is out of range, named twice, or alone.

    References
    ----------
    The test set of: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI repository.

    Examples
    --------
    >>> x, y = digits(3, 6)
    >>> x.shape, int(y.sum())
    ((364, 64), 181)
    """
    classes = check_classes("which", which, 10) if which else list(range(10))
    check_dtype(dtype)
    images, labels = require("sklearn.datasets", "scikit-learn").load_digits(return_X_y=True)
    rows, y = select_classes(labels, classes)
    return as_pair(images[rows] / 16, y, dtype)


def mnist(
    path: str | os.PathLike[str],
    digits: Sequence[int] | None = (3, 6),
    *,
    size: int = 14,
    split: str = "train",
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Read MNIST from a folder with its IDX files; the default is the training set of the thesis's experiment 5.3.

    Parameters
    ----------
    path : str or Path
        The folder with ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` (``t10k-…`` for the test set), each
        plain or with ``.gz``.
    digits : sequence of int or None, default (3, 6)
        The digits to take, in the order of their labels: a 3 is labelled 0, a 6 is labelled 1. None: all ten, each with
        itself as label.
    size : int, default 14
        Side of the images: 28 or a divisor of 28. Smaller images are means over square blocks of pixels.
    split : {"train", "test"}, default "train"
        Which part.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, size²)
        Grey values in [0, 1], row by row; samples in the file's order. n = 12 049 for the defaults.
    y : ndarray, shape (n,)
        Labels, as floating-point numbers.

    Raises
    ------
    ValueError
        If a file is missing, truncated or not what its name says, or an argument is out of range.

    References
    ----------
    Fleischmann 2021, section 5.3 and figure 5.7.

    Examples
    --------
    >>> x, y = mnist("data")  # doctest: +SKIP
    >>> x.shape  # doctest: +SKIP
    (12049, 196)
    """
    classes = list(range(10)) if digits is None else check_classes("digits", digits, 10)
    if 28 % check_positive_int("size", size):
        raise ValueError(f"size must divide 28 (got {size})")
    prefix = _PREFIXES[check_choice("split", split, _PREFIXES)]
    check_dtype(dtype)
    labels_file = _find(path, f"{prefix}-labels-idx1-ubyte")
    images_file = _find(path, f"{prefix}-images-idx3-ubyte")
    labels, images = read_idx(labels_file), read_idx(images_file)
    if labels.dtype != np.uint8 or labels.ndim != 1 or (labels > 9).any():
        raise ValueError(f"{labels_file}: expected digits 0 … 9, one per image (got {labels.dtype} {labels.shape})")
    if images.dtype != np.uint8 or images.shape != (len(labels), 28, 28):
        raise ValueError(
            f"{images_file}: expected {len(labels)} uint8 images of 28 × 28, one per label in {labels_file.name}"
            f" (got {images.dtype} {images.shape})"
        )
    rows, y = select_classes(labels, classes)
    return as_pair(_grey_values(images[rows], size), y, dtype)


def _grey_values(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float64]:
    # (n, 28, 28) bytes → means over blocks of side 28/size, scaled to [0, 1]: (n, size²), rounded once
    n, block = len(images), 28 // size
    sums: npt.NDArray[np.uint32] = images.reshape(n, size, block, size, block).sum(axis=(2, 4), dtype=np.uint32)
    return np.asarray(sums.reshape(n, size**2) / (255.0 * block**2))


def _find(folder: str | os.PathLike[str], name: str) -> Path:
    if not check_path(folder).is_dir():
        raise MissingFileError(f"path must be the folder that holds {name}[.gz] (got {str(folder)!r})")
    for file in (Path(folder, name), Path(folder, f"{name}.gz")):
        if file.is_file():
            return file
    raise MissingFileError(
        f"path must be a folder that holds {name} or {name}.gz (got {str(folder)!r}, without either)"
    )
