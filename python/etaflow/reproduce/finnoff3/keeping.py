"""Datasets as plain arrays, for the files of phases, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    Arrays = dict[str, npt.NDArray[Any]]

DIMENSIONS = "dimensions of "
COORDINATES = "coordinates"


def to_arrays(data: xr.Dataset) -> Arrays:
    """Return a dataset as arrays by name; its attributes are not kept.

    Returns
    -------
    dict of str to ndarray
        Values, dimensions and the names of the coordinates.

    Examples
    --------
    >>> import xarray as xr
    >>> table = xr.Dataset({"B": ("time", [1.0, 2.0])}, {"time": [3.0, 4.0], "step": ("time", [5, 6])})
    >>> from_arrays(to_arrays(table)).identical(table)
    True
    """
    arrays: Arrays = {COORDINATES: np.array([str(name) for name in data.coords])}
    for name, variable in data.variables.items():
        arrays[str(name)] = variable.values
        arrays[f"{DIMENSIONS}{name}"] = np.array([str(one) for one in variable.dims], dtype=np.str_)
    return arrays


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> xr.Dataset:
    """Return the dataset that `to_arrays` took apart.

    Returns
    -------
    xarray.Dataset
        The dataset.
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    coordinates = arrays[COORDINATES].tolist()
    variables = {
        name: (tuple(arrays[f"{DIMENSIONS}{name}"].tolist()), values)
        for name, values in arrays.items()
        if f"{DIMENSIONS}{name}" in arrays
    }
    data = {name: value for name, value in variables.items() if name not in coordinates}
    return xr.Dataset(data, {name: variables[name] for name in coordinates})
