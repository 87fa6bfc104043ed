"""The data of the thesis's experiments 5.2 and 5.3; the real files are looked for in the folder ETAFLOW_DATA."""

import gzip
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etaflow.problem import datasets

unchecked: Any = datasets  # for calls that mypy would refuse


@pytest.fixture(scope="session")
def data() -> Path:
    folder = os.environ.get("ETAFLOW_DATA")
    if not folder:
        pytest.skip("set ETAFLOW_DATA to the folder with the MNIST IDX files and california_housing.csv.gz")
    return Path(folder)


# --- MNIST ---------------------------------------------------------------------------------------------------------


def write_mnist(folder: Path, prefix: str, images: Any, labels: Any) -> None:
    images = np.asarray(images, dtype=np.uint8)
    header = struct.pack(f">I{images.ndim}I", 0x800 | images.ndim, *images.shape)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = struct.pack(">II", 0x801, len(labels))
    (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + bytes(labels)))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    write_mnist(tmp_path, "train", rng.integers(0, 256, (6, 28, 28)), [3, 6, 9, 6, 3, 0])
    write_mnist(tmp_path, "t10k", rng.integers(0, 256, (2, 28, 28)), [6, 3])
    return tmp_path


@pytest.mark.parametrize("size", [28, 14, 7, 4, 2, 1])
def test_images_are_means_over_blocks(small: Path, size: int) -> None:
    x, y = datasets.mnist(small, size=size)
    raw = datasets.read_idx(small / "train-images-idx3-ubyte")[[0, 1, 3, 4]].tolist()
    block = 28 // size
    by_hand = [
        [
            sum(image[block * i + a][block * j + b] for a in range(block) for b in range(block)) / (255 * block**2)
            for i in range(size)
            for j in range(size)
        ]
        for image in raw
    ]
    np.testing.assert_allclose(x, by_hand, rtol=1e-14)
    assert y.tolist() == [0, 1, 1, 0]
    assert x.flags.c_contiguous


def test_choice_of_digits_and_split(small: Path) -> None:
    assert datasets.mnist(small, (6, 3))[1].tolist() == [1, 0, 0, 1]
    assert datasets.mnist(small, (9, 3, 6))[1].tolist() == [1, 2, 0, 2, 1]
    assert datasets.mnist(small, None)[1].tolist() == [3, 6, 9, 6, 3, 0]
    assert datasets.mnist(str(small), split="test")[1].tolist() == [1, 0]
    x, y = datasets.mnist(small, dtype=np.float32)
    assert x.dtype == y.dtype == np.float32


def test_damaged_mnist(small: Path) -> None:
    images = small / "train-images-idx3-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte: truncated: expected 4720 bytes .* found 4620"):
        datasets.mnist(small)
    write_mnist(small, "train", np.zeros((5, 28, 28)), [3, 6, 3, 6])
    with pytest.raises(ValueError, match=r"expected 4 uint8 images of 28 × 28, .*\(got uint8 \(5, 28, 28\)\)"):
        datasets.mnist(small)
    write_mnist(small, "train", np.zeros((2, 14, 14)), [3, 6])
    with pytest.raises(ValueError, match=r"expected 2 uint8 images of 28 × 28"):
        datasets.mnist(small)
    write_mnist(small, "train", np.zeros((2, 28, 28)), [3, 10])
    with pytest.raises(ValueError, match=r"labels-idx1-ubyte\.gz: expected digits 0 … 9"):
        datasets.mnist(small)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 10}, ValueError, r"size must divide 28 \(got 10\)"),
        ({"size": 14.0}, TypeError, "size must be an integer"),
        ({"split": "t10k"}, ValueError, "split must be one of 'train', 'test'"),
        ({"digits": (3,)}, ValueError, "at least two different classes"),
        ({"digits": (3, 11)}, ValueError, r"digits\[1\] must be <= 9"),
        ({"dtype": np.uint8}, TypeError, "dtype must be float64 or float32"),
    ],
)
def test_bad_mnist_arguments(small: Path, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        unchecked.mnist(small, **options)


def test_bad_mnist_paths(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"holds train-labels-idx1-ubyte or train-labels-idx1-ubyte\.gz .*without either"
    ):
        datasets.mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"path must be the folder .*nowhere"):
        datasets.mnist(tmp_path / "nowhere")
    with pytest.raises(TypeError, match="path must be a str or a Path"):
        unchecked.mnist(None)


def test_the_training_set_of_experiment_5_3(data: Path) -> None:
    """n = 12 049 = 6131 threes + 5918 sixes, the published counts."""
    x, y = datasets.mnist(data)
    assert x.shape == (12_049, 196)
    assert np.bincount(y.astype(int)).tolist() == [6131, 5918]
    assert x.min() == 0
    assert x.max() <= 1


def test_all_of_mnist(data: Path) -> None:
    """60 000 and 10 000 digits; the grey values' mean 0.1307 and deviation 0.3081 that everybody normalises with."""
    y = datasets.mnist(data, None, size=1)[1]
    assert np.bincount(y.astype(int)).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    x, y = datasets.mnist(data, None, size=28, dtype=np.float32)
    assert x.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert x.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    y = datasets.mnist(data, None, size=1, split="test")[1]
    assert np.bincount(y.astype(int)).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# --- California housing --------------------------------------------------------------------------------------------

HEADER = "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income"
HOUSES = (
    f"{HEADER},median_house_value,ocean_proximity\n"
    "-122,37,40,800,100,300,100,8,450000,NEAR BAY\n"
    "-121,38,20,900,,600,300,4,200000,INLAND\n"
    "-120,39,10,500,150,500,100,2,100000,INLAND\n"
    "-119,35,30,600,240,200,200,3,150000,<1H OCEAN\n"
)


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    path = tmp_path / "california_housing.csv"
    path.write_text(HOUSES)
    return path


def test_housing_features_by_hand(houses: Path) -> None:
    """Bedrooms per household are 1, ?, 1.5, 1.2: the second block gets the median 1.2."""
    x, y = datasets.california_housing(houses, standardized=False)
    assert x.tolist() == [
        [8, 40, 8, 1, 300, 3, 37, -122],
        [4, 20, 3, pytest.approx(1.2), 600, 2, 38, -121],
        [2, 10, 5, 1.5, 500, 5, 39, -120],
        [3, 30, 3, pytest.approx(1.2), 200, 1, 35, -119],
    ]
    np.testing.assert_allclose(y, [4.5, 2.0, 1.0, 1.5], rtol=1e-15)
    raw, _ = datasets.california_housing(houses, features="raw", standardized=False)
    assert raw[1].tolist() == [-121, 38, 20, 900, pytest.approx(360), 600, 300, 4]
    dropped, y = datasets.california_housing(houses.parent, missing="drop", standardized=False)
    np.testing.assert_array_equal(dropped, x[[0, 2, 3]])
    assert len(y) == 3


def test_housing_is_standardised_before_the_subset_is_drawn(houses: Path) -> None:
    x, y = datasets.california_housing(houses)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-13)
    assert y.std() == pytest.approx(1, rel=1e-14)
    rows = np.random.default_rng(7).integers(4, size=30)
    subset = datasets.california_housing(houses, 20, seed=7)
    np.testing.assert_array_equal(subset[0], x[rows[10:]])
    np.testing.assert_array_equal(subset[1], y[rows[10:]])


def test_the_three_sets_of_experiment_5_2_come_from_one_stream() -> None:
    """NumPy draws the same row numbers in pieces of 10, 100, 1000 and 10 000 as all at once."""
    generator = np.random.default_rng(42)
    pieces = [generator.integers(20_640, size=size) for size in (10, 100, 1000, 10_000)]
    at_once = np.random.default_rng(42).integers(20_640, size=11_110)
    np.testing.assert_array_equal(np.concatenate(pieces), at_once)
    for skip, piece in zip((10, 110, 1110), pieces[1:], strict=True):
        np.testing.assert_array_equal(at_once[skip : skip + len(piece)], piece)


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda text: text, {"n": 0}, ValueError, "n must be >= 1"),
        (lambda text: text, {"features": "scikit"}, ValueError, "features must be one of 'sklearn', 'raw'"),
        (lambda text: text, {"missing": "error"}, ValueError, "missing must be one of 'impute', 'drop'"),
        (lambda text: text, {"skip": -1}, ValueError, "skip must be >= 0"),
        (lambda text: text, {"seed": 0.5}, TypeError, "seed must be an integer"),
        (
            lambda text: text.replace("latitude", "lat"),
            {},
            ValueError,
            "housing.csv: column must be one of .*got 'latitude'",
        ),
        (lambda text: text.replace("37,", ","), {}, ValueError, "column 'latitude' must have no missing values .got 1"),
        (lambda text: text.replace("37,", "north,"), {}, ValueError, "column 'latitude' is not numeric .data row 1"),
    ],
)
def test_bad_housing(
    houses: Path, change: Callable[[str], str], options: Any, error: type[Exception], message: str
) -> None:
    houses.write_text(change(HOUSES))
    with pytest.raises(error, match=message):
        unchecked.california_housing(houses, **options)


def test_missing_housing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"exists \(got '.*california_housing\.csv'\)"):
        datasets.california_housing(tmp_path)


def test_the_table_is_that_of_scikit_learn(data: Path) -> None:
    """Means and deviations that scikit-learn's documentation of its own copy prints; AveBedrms differs in 207 blocks."""
    x, y = datasets.california_housing(data, standardized=False)
    assert x.shape == (20_640, 8)
    means = [3.870671, 28.639486, 5.429000, 1.096675, 1425.476744, 3.070655, 35.631861, -119.569704]
    deviations = [1.899822, 12.585558, 2.474173, 0.473911, 1132.462122, 10.386050, 2.135952, 2.003532]
    same = np.arange(8) != 3
    np.testing.assert_allclose(x.mean(axis=0)[same], np.array(means)[same], atol=6e-7)
    np.testing.assert_allclose(x.std(axis=0, ddof=1)[same], np.array(deviations)[same], atol=6e-7)
    assert x[:, 3].mean() == pytest.approx(1.096675, abs=2e-4)
    assert x[:, 3].std(ddof=1) == pytest.approx(0.473911, abs=2e-3)
    assert y.mean() == pytest.approx(2.068558, abs=6e-7)
    assert y.std(ddof=1) == pytest.approx(1.153956, abs=6e-7)
    np.testing.assert_allclose(x[0], [8.3252, 41, 6.98412698, 1.02380952, 322, 2.55555556, 37.88, -122.23], rtol=1e-8)


def test_the_training_sets_of_experiment_5_2(data: Path) -> None:
    x, y = datasets.california_housing(data)
    for n, skip in ((100, 10), (1000, 110), (10_000, 1110)):
        rows = np.random.default_rng(42).integers(20_640, size=11_110)[skip : skip + n]
        subset = datasets.california_housing(data, n, skip=skip)
        np.testing.assert_array_equal(subset[0], x[rows])
        np.testing.assert_array_equal(subset[1], y[rows])
    assert datasets.california_housing(data, missing="drop")[0].shape == (20_433, 8)


def test_unpacked_and_packed_tables_agree(data: Path, tmp_path: Path) -> None:
    packed = data / "california_housing.csv.gz"
    if not packed.exists():
        pytest.skip("ETAFLOW_DATA has no california_housing.csv.gz")
    with gzip.open(packed) as source, (tmp_path / "california_housing.csv").open("wb") as sink:
        shutil.copyfileobj(source, sink)
    np.testing.assert_array_equal(datasets.california_housing(tmp_path)[0], datasets.california_housing(packed)[0])
