"""The problem of experiment 5.3: images of the digits 3 and 6, a narrow ReLU network, the log loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_dtype, check_positive_int
from etaflow.problem import datasets
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from etaflow._checks import FloatArray

DIGITS = (3, 6)
"""A 3 is labelled 0, a 6 is labelled 1."""

HIDDEN = (10, 10, 10)

FULL_SIDE = {"digits": 8, "mnist": 28}
"""The side of the images as they are published."""

DEFAULT_SIDE = {"digits": 2, "mnist": 14}
"""The side to which they are averaged. The thesis halves the side of MNIST, whose 12 049 images the network then cannot
quite fit. Scikit-learn's 364 images of 8 × 8 pixels it fits exactly, and of 4 × 4 too; the noise M of Theorem 4.8 vanishes
there, and with it what the experiment is about. Averaged to 2 × 2 they overlap as MNIST's do."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Images, labels and the objective on them.

    Attributes
    ----------
    source : {"digits", "mnist"}
        Where the images come from.
    side : int
        The side of the images that the network sees.
    originals : ndarray, shape (n, side', side')
        The images before they were averaged; for MNIST the averaged ones.
    objective : Objective
        The mean log loss of the network on the averaged images.
    """

    source: str
    side: int
    originals: npt.NDArray[np.float64]
    objective: Objective

    @property
    def images(self) -> FloatArray:
        """The images that the network sees, shape (n, side, side)."""
        return self.objective.x.reshape(-1, self.side, self.side)

    @property
    def labels(self) -> FloatArray:
        """The labels 0 and 1, shape (n,)."""
        return self.objective.y.reshape(-1)

    @property
    def words(self) -> str:
        """The data in one phrase."""
        full = FULL_SIDE[self.source]
        name = "MNIST's training set" if self.source == "mnist" else "scikit-learn's bundled digits"
        averaged = f" averaged to {self.side} × {self.side}" if self.side < full else ""
        return f"{name}, digits 3 and 6, images of {full} × {full} pixels{averaged}"


def check_side(size: object, source: str) -> int:
    """Return the side of the images that the network is to see.

    Parameters
    ----------
    size : int or None
        A divisor of the side of the images; None for the default.
    source : {"digits", "mnist"}
        Which images.

    Returns
    -------
    int
        The side.

    Raises
    ------
    ValueError
        If the images cannot be averaged to that side.

    Examples
    --------
    >>> check_side(None, "mnist")
    14
    """
    if size is None:
        return DEFAULT_SIDE[source]
    side, full = check_positive_int("size", size), FULL_SIDE[source]
    if full % side:
        raise ValueError(f"size must divide {full}, the side of the images (got {side})")
    return side


def load_problem(data: Path | None, size: int | None, dtype: npt.DTypeLike) -> Problem:
    """Read the images and set up the objective.

    Parameters
    ----------
    data : Path or None
        A folder with MNIST's IDX files; None for scikit-learn's digits.
    size : int or None
        The side that the images are averaged to; None for 14 (MNIST) or 2 (digits).
    dtype : {float64, float32}
        In which numbers.

    Returns
    -------
    Problem
        The problem.

    Raises
    ------
    ImportError
        If the bundled digits are wanted and scikit-learn is not installed.
    ValueError
        If a file is missing or damaged, or an argument is out of range.

    Examples
    --------
    >>> problem = load_problem(None, 8, "float64")
    >>> problem.objective.n, problem.objective.num_params
    (364, 881)
    """
    numbers = check_float_dtype(dtype)
    source = "digits" if data is None else "mnist"
    side = check_side(size, source)
    if data is None:
        x, y = datasets.digits(*DIGITS)
        originals = np.asarray(x, np.float64).reshape(-1, 8, 8)
        x = _averaged(originals, side)
    else:
        try:
            x, y = datasets.mnist(data, DIGITS, size=side)
        except ValueError as error:
            raise ValueError(f"data: {error}") from error
        originals = np.asarray(x, np.float64).reshape(-1, side, side)
    net = MLP([side * side, *HIDDEN, 1], activation="relu", output="logistic")
    objective = Objective(net, x.astype(numbers), y.astype(numbers), loss="log")
    return Problem(source, side, originals, objective)


def _averaged(images: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    block = images.shape[1] // side  # means over square blocks, as datasets.mnist takes them
    return np.ascontiguousarray(images.reshape(-1, side, block, side, block).mean(axis=(2, 4)).reshape(-1, side**2))
