"""Your own data: CSV, NPZ, Parquet and IDX files, read into (x, y) with errors that name the file and the place."""

from __future__ import annotations

import io
import os
import re
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_choice, check_float_array
from etaflow.problem.datasets._support import Pair, as_pair, check_dtype, require
from etaflow.problem.datasets.frames import Columns, frame_to_pair
from etaflow.problem.datasets.idx import check_file, read_bytes, read_idx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PathLike: TypeAlias = "str | os.PathLike[str]"
_FORMATS = ".csv, .tsv (each also with .gz), .npz, .parquet or an IDX file (…-idx3-ubyte[.gz])"


def read(
    path: PathLike,
    *,
    target: Columns | PathLike | None = None,
    features: Sequence[str | int] | str | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    r"""Read (x, y) from a file whose name tells the format; see the reader of each format for more options.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.tsv`` (each also with ``.gz``), ``.npz``, ``.parquet``, or an IDX file like ``train-images-idx3-ubyte.gz``.
    target : str or int or sequence, or path
        CSV, TSV, Parquet: the column or columns to predict. NPZ: the name of the array y, "y" by default. IDX: the path of
        the file with the labels.
    features : sequence, optional
        CSV, TSV, Parquet: the columns of x, all others by default. NPZ: the name of the array x, "x" by default.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, d_0)
        Inputs. IDX images are flattened row by row and not scaled.
    y : ndarray, shape (n,) or (n, m)
        Targets.

    Raises
    ------
    ValueError
        If there is no file, its format is unknown, or its content is not what the arguments say.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "points.csv")
    ...     _ = file.write_text("height,weight,age\n1.5,60,30\n1.8,80,40\n")
    ...     read(file, target="age")
    (array([[ 1.5, 60. ],
           [ 1.8, 80. ]]), array([30., 40.]))
    """
    name = check_file(path).name.lower()
    table: dict[str, Any] = {"target": target, "features": features, "dtype": dtype}
    if re.search(r"\.csv(\.gz)?$", name):
        return read_csv(path, **table)
    if re.search(r"\.tsv(\.gz)?$", name):
        return read_csv(path, delimiter="\t", **table)
    if name.endswith(".parquet"):
        return read_parquet(path, **table)
    if name.endswith(".npz"):
        return read_npz(
            path, x=_array_name("features", features, "x"), y=_array_name("target", target, "y"), dtype=dtype
        )
    if re.search(r"idx\d?(-ubyte)?(\.gz)?$", name):
        return _read_idx_pair(path, target, dtype)
    raise ValueError(f"path must end with {_FORMATS} (got {str(path)!r})")


def _array_name(argument: str, value: object, default: str) -> str:
    if value is None:
        return default
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be the name of an array in the NPZ file (got {value!r})")
    return value


def _read_idx_pair(path: PathLike, target: object, dtype: npt.DTypeLike) -> Pair:
    if not isinstance(target, str | os.PathLike):
        raise TypeError(f"target must be the path of the IDX file with the labels (got {target!r})")
    x, y = read_idx(path), read_idx(target)
    if x.ndim < 2 or y.ndim > 2:
        raise ValueError(
            f"{path} must hold samples of numbers and {target} labels (got shapes {x.shape} and {y.shape})"
        )
    return _checked_pair(x.reshape(len(x), -1), y, f"{path}", f"{target}", dtype)


def _checked_pair(x: object, y: object, x_name: str, y_name: str, dtype: npt.DTypeLike) -> Pair:
    inputs = check_float_array(x_name, x, ndim=2)
    targets = check_float_array(y_name, y, ndim=(1, 2))
    if len(inputs) != len(targets) or inputs.size == 0 or targets.size == 0:
        raise ValueError(
            f"{x_name} and {y_name} must hold the same number of samples, at least one"
            f" (got shapes {inputs.shape} and {targets.shape})"
        )
    return as_pair(inputs, targets, dtype)


def read_csv(
    path: PathLike,
    *,
    target: Columns | None = None,
    features: Sequence[str | int] | None = None,
    delimiter: str = ",",
    header: bool = True,
    missing: str = "error",
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    r"""Read numeric columns of a CSV file, plain or gzip.

    Parameters
    ----------
    path : str or Path
        The file, in UTF-8.
    target : str or int, or a sequence of them
        The column or columns to predict: a name, or a position (negative ones count from the end). One column gives y of
        shape (n,), a sequence gives (n, m).
    features : sequence of str or int, optional
        The columns of x, in this order; by default all but the targets, in the file's order.
    delimiter : str, default ","
        What separates the fields.
    header : bool, default True
        Whether the first line holds the names; if not, the columns are called "0", "1", ….
    missing : {"error", "drop"}, default "error"
        Rows with an empty field or NA, NaN, null, … in a used column: raise, or leave them out.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, d_0)
        Inputs. True and False become 1 and 0.
    y : ndarray, shape (n,) or (n, m)
        Targets.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If there is no file, it is truncated or ragged, a column is unknown or not numeric, or values are missing.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "points.csv")
    ...     _ = file.write_text("a,b,c\n1,2,3\n4,,6\n")
    ...     read_csv(file, target="c", missing="drop")
    (array([[1., 2.]]), array([3.]))
    """
    check_dtype(dtype)
    check_choice("missing", missing, ("error", "drop"))
    return frame_to_pair(csv_frame(path, delimiter, header=header), path, target, features, missing, dtype)


def csv_frame(path: PathLike, delimiter: str = ",", *, header: bool = True) -> Any:
    """Read a CSV file, plain or gzip, into a pandas data frame.

    Returns
    -------
    pandas.DataFrame
        Every column; numbers are correctly rounded.

    Raises
    ------
    ValueError
        If there is no file, or it is empty, truncated, ragged or not UTF-8.
    """
    data, complete = read_bytes(path)
    if not complete:
        raise ValueError(f"{path}: truncated: the gzip stream breaks off after {len(data)} bytes of text")
    pandas = require("pandas", "pandas")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # rows longer than the header
            frame = pandas.read_csv(
                io.BytesIO(data),
                sep=delimiter,
                header=0 if header else None,
                index_col=False,
                low_memory=False,
                **_exact_floats(pandas),
            )
    except (ValueError, pandas.errors.ParserWarning) as error:
        raise ValueError(f"{path}: not a table in CSV form ({str(error).strip()})") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if header and all(re.fullmatch(r"[-+.\deE]+", name) for name in frame.columns):
        raise ValueError(f"{path}: the first line holds numbers, not names: pass header=False")
    return frame


def _exact_floats(pandas: Any) -> dict[str, str]:
    # correctly rounded decimals are an option up to pandas 2 and the default since
    return {"float_precision": "round_trip"} if int(pandas.__version__.split(".")[0]) < 3 else {}


def read_parquet(
    path: PathLike,
    *,
    target: Columns | None = None,
    features: Sequence[str | int] | None = None,
    missing: str = "error",
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Read numeric columns of a Parquet file; the arguments mean what they mean in `read_csv`.

    Parameters
    ----------
    path : str or Path
        The file.
    target : str or int, or a sequence of them
        The column or columns to predict.
    features : sequence of str or int, optional
        The columns of x; by default all but the targets.
    missing : {"error", "drop"}, default "error"
        What to do with rows that have a null or NaN in a used column.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, d_0)
        Inputs.
    y : ndarray, shape (n,) or (n, m)
        Targets.

    Raises
    ------
    ImportError
        If pyarrow or pandas is not installed.
    ValueError
        If there is no file, it is damaged, a column is unknown or not numeric, or values are missing.
    """
    check_dtype(dtype)
    check_choice("missing", missing, ("error", "drop"))
    file = check_file(path)
    parquet = require("pyarrow.parquet", "pyarrow")
    require("pandas", "pandas")
    try:
        frame = parquet.read_table(file).to_pandas()
    except (ValueError, OSError) as error:  # pyarrow's own errors are these
        raise ValueError(f"{path}: not a Parquet file, or a damaged one ({error})") from error
    frame.columns = [str(name) for name in frame.columns]
    return frame_to_pair(frame, path, target, features, missing, dtype)


def read_npz(path: PathLike, *, x: str = "x", y: str = "y", dtype: npt.DTypeLike = np.float64) -> Pair:
    """Read two arrays of an NPZ file; pickled objects are refused.

    Parameters
    ----------
    path : str or Path
        The file, as `numpy.savez` or `numpy.savez_compressed` writes it.
    x, y : str, default "x" and "y"
        Names of the arrays: x is (n, d_0), y is (n,) or (n, m).
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, d_0)
        Inputs.
    y : ndarray, shape (n,) or (n, m)
        Targets.

    Raises
    ------
    TypeError
        If an array holds no real numbers.
    ValueError
        If there is no file, it is damaged, an array is missing, or shapes do not fit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "points.npz")
    ...     np.savez(file, x=[[1.0, 2.0]], y=[3])
    ...     read_npz(file)
    (array([[1., 2.]]), array([3.]))
    """
    check_dtype(dtype)
    file = check_file(path)
    inputs, targets = _npz_arrays(file, {"x": x, "y": y})
    return _checked_pair(inputs, targets, f"{path}: {x}", f"{path}: {y}", dtype)


def _npz_arrays(file: Path, names: dict[str, str]) -> list[Any]:
    try:
        with zipfile.ZipFile(file) as archive:
            known = [entry.removesuffix(".npy") for entry in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{file}: not an NPZ file, or a truncated one ({error})") from error
    for argument, name in names.items():
        check_choice(f"{file}: {argument}", name, known)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in names.values()]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file}: an array cannot be read ({error})") from error
