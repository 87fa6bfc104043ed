"""Tables of measurements: two species of iris, and the houses of California."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import FloatArray, check_choice, check_nonnegative_int, check_positive_int, check_seed
from etaflow.problem.datasets._support import Pair, as_pair, check_dtype, require
from etaflow.problem.datasets.files import csv_frame
from etaflow.problem.datasets.frames import numeric_columns
from etaflow.problem.datasets.idx import check_path
from etaflow.problem.datasets.scaling import standardize

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

_IRIS = ("setosa", "versicolor", "virginica")
_RAW = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
)
_PRICE = "median_house_value"


def iris_pair(
    positive: str = "versicolor",
    negative: str = "virginica",
    *,
    signed: bool = True,
    standardized: bool = False,
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Return two species of Fisher's irises: by default f = 1 for versicolor and f = −1 for virginica.

    Parameters
    ----------
    positive, negative : {"setosa", "versicolor", "virginica"}
        The two species.
    signed : bool, default True
        Labels 1 and −1; otherwise 1 and 0, as the log loss needs.
    standardized : bool, default False
        Whether the inputs are standardised over these 100 flowers.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (100, 4)
        Sepal length, sepal width, petal length and petal width in cm; in scikit-learn's order of samples.
    y : ndarray, shape (100,)
        Labels.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If a species is unknown, or both are the same.

    References
    ----------
    Kawaguchi, slides on "Deep Learning without Poor Local Minima", supervised learning; Fisher 1936.

    Examples
    --------
    >>> x, y = iris_pair("versicolor", "virginica")
    >>> x[y == 1].mean(axis=0).round(3)
    array([5.936, 2.77 , 4.26 , 1.326])
    """
    check_choice("positive", positive, _IRIS)
    check_choice("negative", negative, _IRIS)
    if positive == negative:
        raise ValueError(f"positive and negative must be different species (got {positive!r} twice)")
    check_dtype(dtype)
    x, species = require("sklearn.datasets", "scikit-learn").load_iris(return_X_y=True)
    rows = np.isin(species, [_IRIS.index(positive), _IRIS.index(negative)])
    y = np.where(species[rows] == _IRIS.index(positive), 1.0, -1.0 if signed else 0.0)
    return as_pair(standardize(x[rows])[0] if standardized else x[rows], y, dtype)


def california_housing(
    path: str | os.PathLike[str],
    n: int | None = None,
    *,
    features: str = "sklearn",
    standardized: bool = True,
    missing: str = "impute",
    seed: int = 42,
    skip: int = 10,
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Read the California housing table of 1990 from its CSV file, by default as the thesis's experiment 5.2 uses it.

    Parameters
    ----------
    path : str or Path
        ``california_housing.csv``, plain or gzip, or the folder that holds it. Columns longitude, latitude,
        housing_median_age, total_rooms, total_bedrooms, population, households, median_income, median_house_value; others
        are left aside.
    n : int, optional
        Size of a random subset, drawn with replacement as ``default_rng(seed).integers(rows, size=skip + n)[skip:]``.
        By default all rows in the file's order.
    features : {"sklearn", "raw"}, default "sklearn"
        "sklearn": MedInc, HouseAge, AveRooms, AveBedrms, Population, AveOccup, Latitude, Longitude. "raw": the eight
        numeric input columns as the file names them, in the order above.
    standardized : bool, default True
        Whether inputs and target are standardised over the *whole* table, before the subset is drawn.
    missing : {"impute", "drop"}, default "impute"
        In this file 207 blocks lack total_bedrooms. "impute" fills in the median of bedrooms per household, times the
        block's households, which keeps all 20 640 rows and so the row numbers; "drop" leaves 20 433 rows.
    seed : int, default 42
        Seed of the subset.
    skip : int, default 10
        Random row numbers that are drawn and discarded first, as in the thesis's code. Its three sets come from one
        stream, if each was drawn after the smaller ones: skip 10, 110, 1110 for n = 100, 1000, 10 000.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, 8)
        Inputs.
    y : ndarray, shape (n,)
        Median house value in 100 000 dollars, or standardised.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If there is no file, it is truncated or lacks a column, or an argument is out of range.

    Notes
    -----
    scikit-learn's own copy (`sklearn.datasets.fetch_california_housing`) has the same blocks and the same formulas
    (averages are per household) but no missing bedrooms; only AveBedrms of the 207 blocks, and its mean and scale,
    can differ.

    References
    ----------
    Fleischmann 2021, section 5.2; that the whole table was standardised and ten indices were discarded is in the author's
    code, not in the text. Pace and Barry 1997, Sparse spatial autoregressions.

    Examples
    --------
    >>> x, y = california_housing("data", n=100)  # doctest: +SKIP
    >>> x.shape  # doctest: +SKIP
    (100, 8)
    """
    check_choice("features", features, ("sklearn", "raw"))
    check_choice("missing", missing, ("impute", "drop"))
    check_dtype(dtype)
    count = None if n is None else check_positive_int("n", n)
    first, generator = check_nonnegative_int("skip", skip), np.random.default_rng(check_seed(seed))
    x, y = _housing(_housing_file(path), missing, features)
    if standardized:
        x, y = standardize(x)[0], standardize(y)[0]
    if count is not None:
        rows = generator.integers(len(x), size=first + count)[first:]
        x, y = x[rows], y[rows]
    return as_pair(x, y, dtype)


def _housing_file(path: str | os.PathLike[str]) -> Path:
    file = check_path(path)
    if file.is_dir():
        names = ("california_housing.csv", "california_housing.csv.gz")
        return next((file / name for name in names if (file / name).is_file()), file / names[0])
    return file


def _housing(path: str | os.PathLike[str], missing: str, features: str) -> tuple[FloatArray, FloatArray]:
    # x (n, 8) in the chosen features and y (n,) in 100 000 dollars
    table = numeric_columns(csv_frame(path), path, [*_RAW, _PRICE])
    columns = dict(zip((*_RAW, _PRICE), table.T, strict=True))
    bedrooms, households = columns["total_bedrooms"], columns["households"]
    unknown = np.isnan(bedrooms)
    if missing == "impute":
        ratio = np.median(bedrooms[~unknown] / households[~unknown])
        columns["total_bedrooms"] = np.where(unknown, ratio * households, bedrooms)
    else:
        columns = {name: column[~unknown] for name, column in columns.items()}
    for name, column in columns.items():
        if np.isnan(column).any():
            raise ValueError(f"{path}: column {name!r} must have no missing values (got {int(np.isnan(column).sum())})")
    inputs = _sklearn_features(columns) if features == "sklearn" else [columns[name] for name in _RAW]
    return np.column_stack(inputs), columns[_PRICE] / 100_000


def _sklearn_features(raw: Mapping[str, FloatArray]) -> list[FloatArray]:
    households = raw["households"]
    return [
        raw["median_income"],
        raw["housing_median_age"],
        raw["total_rooms"] / households,
        raw["total_bedrooms"] / households,
        raw["population"],
        raw["population"] / households,
        raw["latitude"],
        raw["longitude"],
    ]
