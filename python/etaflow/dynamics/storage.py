"""Files of runs: netCDF (one file) or Zarr (a folder), no pickle.

The root group is `Runs.data`, for every reader of xarray. The group ``state`` holds where the runs are and the arrays of
the plan; its attributes hold the rest of the plan as JSON, the fingerprint of the objective and a checksum of all arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.dynamics.objectives import Objectives, describe_net, restore_net
from etaflow.dynamics.plan import Plan
from etaflow.dynamics.runs import Runs

if TYPE_CHECKING:
    import xarray as xr

    from etaflow.dynamics.driver import Arrays

FORMAT = "etaflow runs 1"
ENGINES = {".nc": "h5netcdf", ".zarr": "zarr"}
NEEDS = {".nc": ("h5netcdf", "h5py"), ".zarr": ("zarr",)}
FOR_READERS = ("status", "steps_done")
"""Coordinates of `Runs.data` that follow from the state and are not stored."""


def check_target(name: str, path: object) -> Path:
    """Return the path to write to, with its ending and folder checked.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ImportError
        If the library that writes such files is not installed.
    TypeError
        If `path` is not a path.
    ValueError
        If the ending is unknown or the folder does not exist.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a path (got {path!r})")
    target = Path(path)
    if target.suffix not in ENGINES:
        raise ValueError(f"{name} must end in .nc (netCDF) or .zarr (got {str(target)!r})")
    if not target.parent.is_dir():
        raise ValueError(f"{name} must lie in a folder that exists (got {str(target)!r})")
    missing = [library for library in NEEDS[target.suffix] if find_spec(library) is None]
    if missing:
        raise ImportError(f'{name}={str(target)!r} needs {missing[0]}: pip install "etaflow[lab]"')
    return target


def check_checkpoint(path: object, source: Path | None) -> Path:
    """Return the path of a checkpoint: a netCDF file that is new, or the one the runs were loaded from.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        If it is not a netCDF file, or holds something already.
    """
    target = check_target("checkpoint", path)
    if target.suffix != ".nc":
        raise ValueError(f"checkpoint must end in .nc, a file that can be replaced in one moment (got {str(target)!r})")
    if target.exists() and (source is None or not source.exists() or not target.samefile(source)):
        raise ValueError(
            f"checkpoint {str(target)!r} exists already: "
            f"etaflow.load({str(target)!r}).resume(objective=...) goes on with it, or choose another name"
        )
    return target


def write(runs: Runs, target: Path) -> None:
    """Write the runs beside `target`, and put the new file into its place when it is complete.

    Parameters
    ----------
    runs : Runs
        What to write.
    target : Path
        A checked path; what is there is replaced.
    """
    root, state = _to_datasets(runs)
    engine: Any = ENGINES[target.suffix]
    parts: list[tuple[xr.Dataset, str | None, Any]] = [(root, None, "w"), (state, "state", "a")]
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        for data, group, mode in parts:
            if engine == "zarr":
                data.to_zarr(beside, group=group, mode=mode, zarr_format=2, consolidated=True)
            else:
                data.to_netcdf(beside, group=group, mode=mode, engine=engine)
        _replace(beside, target)
    finally:
        _remove(beside)


def read(path: object) -> Runs:
    """Read the runs from a file.

    Returns
    -------
    Runs
        What `write` wrote.

    Raises
    ------
    ImportError
        If the library that reads such files is not installed.
    ValueError
        If there is no such file, or it is damaged or holds something else.
    """
    source = check_target("path", path)
    if not source.exists():
        raise ValueError(f"path must name a file of runs ({str(source)!r} does not exist)")
    try:
        root, state = (_open(source, group) for group in (None, "state"))
        return _from_datasets(root, state, source)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise ValueError(f"path {str(source)!r} holds no complete file of etaflow runs ({error})") from error


def _to_datasets(runs: Runs) -> tuple[xr.Dataset, xr.Dataset]:
    import xarray as xr  # noqa: PLC0415 - slow to import

    root = runs.data.drop_vars(FOR_READERS)
    arrays = {**{f"state_{name}": array for name, array in runs.state.items()}, **runs.plan.arrays()}
    state = xr.Dataset({
        name: (tuple(f"{name}_{axis}" for axis in range(array.ndim)), array)
        for name, array in arrays.items()
        if array.size
    })
    fingerprint, validation = runs.objectives.fingerprints()
    about = {
        "plan": runs.plan.describe(),
        "net": describe_net(runs.net),
        "dtype": runs.theta.dtype.name,
        "fingerprint": fingerprint,
        "validation_fingerprint": validation,
    }
    state.attrs = {"format": FORMAT, "about": json.dumps(about), "checksum": _checksum(root, state, json.dumps(about))}
    return root, state


def _from_datasets(root: xr.Dataset, state: xr.Dataset, source: Path) -> Runs:
    if state.attrs.get("format") != FORMAT:
        raise ValueError(f"its format is {state.attrs.get('format')!r}, not {FORMAT!r}")
    if state.attrs["checksum"] != _checksum(root, state, state.attrs["about"]):
        raise ValueError("its checksum is wrong: the file is damaged")
    about = json.loads(state.attrs["about"])
    arrays = {str(name): np.ascontiguousarray(variable.values) for name, variable in state.data_vars.items()}
    plan = Plan.restore(about["plan"], {name: array for name, array in arrays.items() if not name.startswith("state_")})
    net = restore_net(about["net"])
    known = {"fingerprint": about["fingerprint"], "validation_fingerprint": about["validation_fingerprint"]}
    return Runs(
        plan,
        _read_only(_state(arrays, plan, np.dtype(about["dtype"]))),
        _read_only(_records(root, plan)),
        _read_only(
            {name: root[f"theta_{name}"].values for name in ("mean", "cov", "count")} if plan.moments.steps else {}
        ),
        Objectives(net, None, None, source=source, **known),
    )


def _state(arrays: Arrays, plan: Plan, dtype: np.dtype[Any]) -> Arrays:
    absent = {
        "slot1": np.zeros((0, 0), dtype),
        "slot2": np.zeros((0, 0), dtype),
        "rules": np.zeros((plan.runs, 0, 3)),
        "sums": np.zeros((plan.runs, 0)),
        "sup": np.zeros(plan.runs),
    }
    stored = {name.removeprefix("state_"): array for name, array in arrays.items() if name.startswith("state_")}
    return absent | stored


def _records(root: xr.Dataset, plan: Plan) -> Arrays:
    records: Arrays = {}
    for name, steps in plan.record.steps.items():
        union = root["step"].values
        values = root[name].values
        records[name] = values if name == "theta" else np.ascontiguousarray(values[:, np.searchsorted(union, steps)])
    if plan.has_own_clock:
        records["time"] = _own_times(root, plan)
    return records


def _own_times(root: xr.Dataset, plan: Plan) -> np.ndarray[Any, np.dtype[np.float64]]:
    times = np.full((plan.runs, plan.noted_steps.size), np.nan)
    for suffix in ("", "_theta", "_moments"):
        if f"step{suffix}" in root.coords:
            times[:, np.searchsorted(plan.noted_steps, root[f"step{suffix}"].values)] = root[f"time{suffix}"].values
    return times


def _open(source: Path, group: str | None) -> xr.Dataset:
    import xarray as xr  # noqa: PLC0415 - slow to import

    options: dict[str, Any] = {"mask_and_scale": False, "decode_times": False}
    with xr.open_dataset(source, engine=ENGINES[source.suffix], group=group, **options) as opened:
        return opened.load()


def _checksum(root: xr.Dataset, state: xr.Dataset, about: str) -> str:
    digest = hashlib.blake2b(about.encode(), digest_size=16)
    for data in (root, state):
        for name in sorted(map(str, data.variables)):
            values = np.ascontiguousarray(data.variables[name].values)
            digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
            digest.update(values.data)
    return digest.hexdigest()


def _replace(beside: Path, target: Path) -> None:
    if beside.is_dir():
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        if target.exists():
            target.replace(old)
        beside.replace(target)
        _remove(old)
        return
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read_only(arrays: Arrays) -> Arrays:
    for array in arrays.values():
        array.flags.writeable = False
    return arrays
