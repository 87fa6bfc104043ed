"""From a data frame to (x, y): which columns, are they numbers, is a value missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from etaflow._checks import FloatArray, check_choice, check_float_array, check_int
from etaflow.problem.datasets._support import Pair, as_pair, require

if TYPE_CHECKING:
    import os

Columns: TypeAlias = "str | int | Sequence[str | int]"
"""One column, or several: names or positions."""


def frame_to_pair(
    frame: Any,
    path: str | os.PathLike[str],
    target: Columns | None,
    features: Sequence[str | int] | None,
    missing: str,
    dtype: npt.DTypeLike,
) -> Pair:
    """Return the chosen columns of a data frame as x and y.

    Returns
    -------
    (ndarray, ndarray)
        x of shape (n, d_0) and y of shape (n,) for one target or (n, m) for a sequence of targets.

    Raises
    ------
    ValueError
        If a column is unknown, chosen twice or not numeric, a value is missing, or no row is left.
    """
    known = list(frame.columns)
    if len(set(known)) < len(known):
        raise ValueError(f"{path}: column names must differ (got {known})")
    if target is None:
        raise ValueError(f"target must name the column to predict: one of {', '.join(map(repr, known))} (got None)")
    targets = _columns(path, "target", target, known)
    inputs = [name for name in known if name not in targets]
    if features is not None:
        inputs = _columns(path, "features", features, known)
    used = inputs + targets
    if not inputs or not targets or len(set(used)) < len(used):
        raise ValueError(
            f"features and target must be different columns, one or more each (got {inputs} and {targets})"
        )
    table = numeric_columns(frame, path, used, hint="; choose columns with features=[…]")
    table = _without_missing(table, path, used, missing)
    y = table[:, len(inputs) :]
    return as_pair(table[:, : len(inputs)], y[:, 0] if isinstance(target, str | int) else y, dtype)


def _columns(path: str | os.PathLike[str], argument: str, columns: object, known: list[str]) -> list[str]:
    if isinstance(columns, Iterable) and not isinstance(columns, str):
        return [name for column in columns for name in _columns(path, argument, column, known)]
    if isinstance(columns, str):
        return [check_choice(f"{path}: {argument}", columns, known)]
    return [known[check_int(f"{path}: {argument}", columns, -len(known), len(known) - 1)]]


def numeric_columns(frame: Any, path: str | os.PathLike[str], names: list[str], hint: str = "") -> FloatArray:
    """Return columns of a data frame as float64, NaN where a value is missing.

    Returns
    -------
    ndarray of float64, shape (n, len(names))
        The columns in the order of `names`.

    Raises
    ------
    ValueError
        If a column is missing, not numeric or infinite, or there is no row.
    """
    pandas = require("pandas", "pandas")
    if len(frame) == 0:
        raise ValueError(f"{path}: holds no rows")
    table = np.empty((len(frame), len(names)))
    for j, name in enumerate(names):
        check_choice(f"{path}: column", name, frame.columns)
        column = frame[name]
        if column.isna().all():
            table[:, j] = np.nan
            continue
        if not pandas.api.types.is_numeric_dtype(column.dtype):
            bad = column.notna() & pandas.to_numeric(column.astype(str), errors="coerce").isna()
            row = int(np.argmax(bad.to_numpy()))
            raise ValueError(
                f"{path}: column {name!r} is not numeric (data row {row + 1} holds {column.iloc[row]!r}){hint}"
            )
        table[:, j] = check_float_array(f"{path}: column {name!r}", column.to_numpy(), finite=False)
        if np.isinf(table[:, j]).any():
            row = int(np.argmax(np.isinf(table[:, j])))
            raise ValueError(f"{path}: column {name!r} must be finite (data row {row + 1} holds {table[row, j]})")
    return table


def _without_missing(table: FloatArray, path: str | os.PathLike[str], names: list[str], missing: str) -> FloatArray:
    gaps = np.isnan(table)
    if not gaps.any():
        return table
    if missing == "error":
        counts = gaps.sum(axis=0)
        columns = ", ".join(f"{name!r} {count}" for name, count in zip(names, counts, strict=True) if count)
        rows = np.flatnonzero(gaps.any(axis=1)) + 1
        listed = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
        raise ValueError(
            f"{path}: values are missing ({columns}) in {len(rows)} data rows: {listed}; missing='drop' leaves those rows out"
        )
    kept = table[~gaps.any(axis=1)]
    if len(kept) == 0:
        raise ValueError(f"{path}: every row lacks a value in one of {', '.join(map(repr, names))}")
    return kept
