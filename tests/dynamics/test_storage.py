"""Files of runs: everything comes back, damaged and foreign files are refused, checkpoints survive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

import etaflow as ef
from etaflow.dynamics import storage
from problems import Case

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case((2, 3, 1), n=13)
OTHER = Case((2, 3, 1), n=14)
VALIDATION = Case((2, 3, 1), n=9)
SUFFIXES = (".nc", ".zarr")
VARIANTS: list[dict[str, Any]] = [
    {"record": {"loss": 5, "theta": 7, "accuracy": [3]}, "mean": "loss", "moments": {"theta": 10}},
    {"batch_size": 2, "optimizer": "adam", "bounds": (-2.0, None), "noise": ("sphere", 0.1)},
    {"batch_size": 1, "step_size": ef.schedules.warmup(ef.schedules.sqrt(0.1), steps=5), "momentum": ("nesterov", 0.9)},
    {"step_size": [0.1, 1e200, 0.2], "record": {"theta": 1}},
    {
        "stop": [ef.stopping.halve_on_plateau(after=2, patience=2, min_delta=0.1), ef.stopping.below("loss", 0.01)],
        "record": {"loss": 4, "theta": 6},
        "moments": {"theta": 8},
    },
    {"validation": VALIDATION.objective, "record": {"validation_loss": 3}, "seed": 2**64 - 1},
]


def descend(**options: Any) -> ef.Runs:
    settings: dict[str, Any] = {"steps": 30, "step_size": 0.05, "runs": 3, "seed": 8}
    return ef.descend(CASE.objective, CASE.theta(), **(settings | options))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("options", VARIANTS, ids=range(len(VARIANTS)))
def test_everything_comes_back_and_goes_on(options: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"runs{suffix}"
    runs = descend(**options)
    runs.save(path)
    loaded = ef.load(path)
    assert loaded.data.identical(runs.data)
    assert loaded.net == runs.net
    assert repr(loaded) == repr(runs)
    for part in ("state", "records", "moments"):
        before, after = getattr(runs, part), getattr(loaded, part)
        assert before.keys() == after.keys()
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])
            assert before[name].dtype == after[name].dtype
    validation = options.get("validation")
    resumed = loaded.resume(additional=17, objective=CASE.objective, validation=validation)
    expected = runs.resume(additional=17)
    assert resumed.data.identical(expected.data)
    np.testing.assert_array_equal(resumed.theta, expected.theta)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_float32_and_explicit_tables_come_back(suffix: str, tmp_path: Path) -> None:
    case = Case((2, 3, 1), n=13, dtype="float32")
    rows = np.arange(60).reshape(2, 15, 2) % 13
    options: dict[str, Any] = {"steps": 15, "step_size": np.linspace(0.1, 0.2, 15), "record": {"theta": 4}}
    runs = ef.descend(case.objective, case.theta(runs=2), sampling=rows, **options)
    runs.save(tmp_path / f"runs{suffix}")
    loaded = ef.load(tmp_path / f"runs{suffix}")
    assert loaded.theta.dtype == np.float32
    assert loaded.data.identical(runs.data)
    more: dict[str, Any] = {"step_size": np.full(15, 0.1), "sampling": rows[0]}
    np.testing.assert_array_equal(
        loaded.resume(additional=15, objective=case.objective, **more).theta, runs.resume(additional=15, **more).theta
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_reader_of_xarray_can_open_the_root(suffix: str, tmp_path: Path) -> None:
    runs = descend(record={"loss": 5})
    runs.save(tmp_path / f"runs{suffix}")
    with xr.open_dataset(tmp_path / f"runs{suffix}", engine=storage.ENGINES[suffix]) as data:
        np.testing.assert_array_equal(data.loss, runs.data.loss)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten_by_accident(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"runs{suffix}"
    descend().save(path)
    with pytest.raises(ValueError, match="exists already: choose another or give overwrite=True"):
        descend(steps=3).save(path)
    assert ef.load(path).plan.steps == 30
    descend(steps=3).save(path, overwrite=True)
    assert ef.load(path).plan.steps == 3
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    good = tmp_path / "good.nc"
    descend(record={"loss": 1}).save(good)
    content = good.read_bytes()
    flipped = bytearray(content)
    position = content.index(ef.load(good).theta.tobytes()[:16])  # in the stored θ itself
    flipped[position + 3] ^= 1
    damaged = {
        "half": content[: len(content) // 2],
        "tail": content[:-1],
        "text": b"loss,step\n",
        "empty": b"",
        "bit": bytes(flipped),
    }
    for name, bytes_of in damaged.items():
        path = tmp_path / f"{name}.nc"
        path.write_bytes(bytes_of)
        with pytest.raises(ValueError, match=rf"{name}.nc' holds no complete file of etaflow runs"):
            ef.load(path)
    xr.Dataset({"loss": ("step", np.arange(3.0))}).to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"foreign\.nc' holds no complete file of etaflow runs"):
        ef.load(tmp_path / "foreign.nc")


def test_a_zarr_folder_that_lost_a_chunk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.zarr"
    descend(record={"loss": 1}).save(path)
    (path / "loss" / "0.0").unlink()
    with pytest.raises(ValueError, match="its checksum is wrong"):
        ef.load(path)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ValueError, match="holds no complete file"):
        ef.load(tmp_path / "empty.zarr")


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("missing.nc", ValueError, "path must name a file of runs .*missing.nc' does not exist"),
        ("runs.pickle", ValueError, r"path must end in .nc \(netCDF\) or .zarr"),
        ("no/such/folder/runs.nc", ValueError, "path must lie in a folder that exists"),
        (3, TypeError, "path must be a path"),
    ],
)
def test_bad_paths(path: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    place = tmp_path / path if isinstance(path, str) else path
    with pytest.raises(error, match=message):
        ef.load(place)
    if "exist" not in message or "folder" in message:
        with pytest.raises(error, match=message):
            descend().save(place)


def test_a_loaded_run_asks_for_its_objective(tmp_path: Path) -> None:
    runs = descend(validation=VALIDATION.objective, record={"validation_loss": 5})
    runs.save(tmp_path / "runs.nc")
    loaded = ef.load(tmp_path / "runs.nc")
    with pytest.raises(ValueError, match="objective must be given to resume runs that were loaded from a file"):
        loaded.resume(additional=1)
    with pytest.raises(ValueError, match="objective must be the one the runs began with"):
        loaded.resume(additional=1, objective=OTHER.objective)
    for wrong in (None, OTHER.objective):
        with pytest.raises(ValueError, match="validation must be"):
            loaded.resume(additional=1, objective=CASE.objective, validation=wrong)


def test_a_checkpoint_is_written_and_holds_the_end(tmp_path: Path) -> None:
    path = tmp_path / "check.nc"
    runs = descend(checkpoint=path, batch_size=1, record={"loss": 3})
    loaded = ef.load(path)
    assert loaded.data.identical(runs.data)
    with pytest.raises(
        ValueError, match=r"check.nc' exists already: etaflow.load\(.*\).resume\(objective=...\) goes on"
    ):
        descend(checkpoint=path)
    assert ef.load(path).data.identical(runs.data)
    longer = loaded.resume(additional=5, objective=CASE.objective, checkpoint=path)  # its own file may be replaced
    assert ef.load(path).data.identical(longer.data)
    with pytest.raises(ValueError, match="exists already"):
        runs.resume(additional=5, checkpoint=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": "check.zarr"}, "checkpoint must end in .nc"),
        ({"checkpoint": "check.txt"}, "checkpoint must end in .nc"),
        ({"checkpoint": "no/folder/check.nc"}, "checkpoint must lie in a folder that exists"),
        ({"checkpoint": "check.nc", "every": 0.0}, "every must be > 0"),
    ],
)
def test_bad_checkpoints(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        descend(**(options | {"checkpoint": tmp_path / options["checkpoint"]}))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_does_not_end_the_descent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write", full)
    with pytest.warns(RuntimeWarning, match="the checkpoint was not written.*No space left on device"):
        runs = descend(checkpoint=tmp_path / "check.nc")
    np.testing.assert_array_equal(runs.theta, descend().theta)
