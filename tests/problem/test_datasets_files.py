"""Files: what is written is read back, and every kind of damage is a ValueError that names the file and the place."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from etaflow.problem import datasets

unchecked: Any = datasets  # for calls that mypy would refuse

CSV = "a,b,c,kind\n1,2.5,3,x\n4,-5e3,6,y\n7,8,9.25,x\n"


def idx_bytes(array: np.ndarray[Any, Any], code: int) -> bytes:
    """An IDX file built with struct from the description of the format."""
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    return path


# --- IDX -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("dtype", "code"),
    [(np.uint8, 0x08), (np.int8, 0x09), (np.int16, 0x0B), (np.int32, 0x0C), (np.float32, 0x0D), (np.float64, 0x0E)],
)
def test_idx_round_trip(tmp_path: Path, dtype: type[Any], code: int, compress: bool) -> None:
    array = np.random.default_rng(code).integers(0, 100, (3, 4, 2)).astype(dtype)
    data = idx_bytes(array, code)
    path = tmp_path / "array"
    path.write_bytes(gzip.compress(data) if compress else data)
    back = datasets.read_idx(path)
    assert back.dtype == np.dtype(dtype)
    assert back.dtype.isnative
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_idx_of_several_gzip_members_and_of_no_entries(tmp_path: Path) -> None:
    data = idx_bytes(np.arange(6, dtype=np.uint8), 0x08)
    path = tmp_path / "array.gz"
    path.write_bytes(gzip.compress(data[:5]) + gzip.compress(data[5:]))
    assert datasets.read_idx(str(path)).tolist() == [0, 1, 2, 3, 4, 5]
    path.write_bytes(idx_bytes(np.empty((0, 28, 28), dtype=np.uint8), 0x08))
    assert datasets.read_idx(path).shape == (0, 28, 28)


@pytest.mark.parametrize("kept", [0, 3, 4, 7, 11, 12, 17])
def test_truncated_idx_names_path_and_bytes(tmp_path: Path, kept: int) -> None:
    data = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3), 0x08)
    path = tmp_path / "short-idx2-ubyte"
    path.write_bytes(data[:kept])
    expected = 4 if kept < 4 else 12 if kept < 12 else 18
    with pytest.raises(ValueError, match=rf"short-idx2-ubyte: truncated: expected {expected} bytes .*, found {kept}$"):
        datasets.read_idx(path)


@given(cut=st.integers(1, 400))
@settings(deadline=None)
def test_truncated_gzip_of_an_idx(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 28), dtype=np.uint8)
    data = gzip.compress(idx_bytes(noise, 0x08))
    path = tmp_path_factory.mktemp("cut") / "images.gz"
    path.write_bytes(data[:-cut])
    with pytest.raises(ValueError, match=r"images\.gz: truncated"):
        datasets.read_idx(path)


def test_idx_with_other_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    good = idx_bytes(np.arange(4, dtype=np.uint8), 0x08)
    path.write_bytes(good + b"more")
    with pytest.raises(ValueError, match="file: too long: expected 12 bytes for uint8 \\(4,\\), found 16"):
        datasets.read_idx(path)
    for wrong in (b"\x89PNG" + good, b"\0\0\x07\x01" + good, b"\0\0\x08\x00" + good):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="file: not an IDX file \\(it begins with 0x"):
            datasets.read_idx(path)
    path.write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ValueError, match="file: the gzip stream is damaged"):
        datasets.read_idx(path)
    path.write_bytes(struct.pack(">HBB4I", 0, 8, 4, *[2**32 - 1] * 4))  # 10³⁸ bytes: refused before any is allocated
    with pytest.raises(ValueError, match="truncated"):
        datasets.read_idx(path)


def test_read_flattens_idx_images_and_takes_labels_from_the_target(tmp_path: Path) -> None:
    images, labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.array([7, 1], dtype=np.uint8)
    (tmp_path / "a-images-idx3-ubyte").write_bytes(idx_bytes(images, 0x08))
    (tmp_path / "a-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels, 0x08)))
    x, y = datasets.read(tmp_path / "a-images-idx3-ubyte", target=tmp_path / "a-labels-idx1-ubyte.gz")
    np.testing.assert_array_equal(x, images.reshape(2, 12))
    np.testing.assert_array_equal(y, [7.0, 1.0])
    with pytest.raises(TypeError, match="target must be the path of the IDX file with the labels"):
        datasets.read(tmp_path / "a-images-idx3-ubyte")
    (tmp_path / "b-idx1-ubyte").write_bytes(idx_bytes(np.arange(3, dtype=np.uint8), 0x08))
    with pytest.raises(ValueError, match="the same number of samples"):
        datasets.read(tmp_path / "a-images-idx3-ubyte", target=tmp_path / "b-idx1-ubyte")
    with pytest.raises(ValueError, match="must hold samples of numbers"):
        datasets.read(tmp_path / "b-idx1-ubyte", target=tmp_path / "b-idx1-ubyte")


# --- CSV and Parquet -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "features", "x", "y"),
    [
        ("c", ["a", "b"], [[1, 2.5], [4, -5e3], [7, 8]], [3, 6, 9.25]),
        ("a", ["c"], [[3], [6], [9.25]], [1, 4, 7]),
        (2, ["b", 0], [[2.5, 1], [-5e3, 4], [8, 7]], [3, 6, 9.25]),
        (["c", "a"], ["b"], [[2.5], [-5e3], [8]], [[3, 1], [6, 4], [9.25, 7]]),
        (["c"], [0], [[1], [4], [7]], [[3], [6], [9.25]]),
    ],
)
def test_csv_columns(csv: Path, target: Any, features: Any, x: Any, y: Any) -> None:
    for dtype in (np.float64, np.float32):
        got = datasets.read(csv, target=target, features=features, dtype=dtype)
        for array, expected in zip(got, (x, y), strict=True):
            assert array.dtype == dtype
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array, np.array(expected, dtype=dtype))


@given(hnp.arrays(np.float64, (4, 3), elements=st.floats(allow_nan=False, allow_infinity=False)))
@settings(deadline=None)
def test_csv_numbers_are_read_exactly(tmp_path_factory: pytest.TempPathFactory, table: np.ndarray[Any, Any]) -> None:
    path = tmp_path_factory.mktemp("exact") / "table.csv"
    path.write_text("a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in table.tolist()) + "\n")
    x, y = datasets.read_csv(path, target="c")
    np.testing.assert_array_equal(np.column_stack([x, y]), table)


def test_csv_variants(tmp_path: Path) -> None:
    expected = ([[1.0, 2.0], [4.0, 5.0]], [3.0, 6.0])
    variants: list[tuple[str, bytes, dict[str, Any]]] = [
        ("a.csv", b"a,b,c\n1,2,3\n4,5,6", {"target": "c"}),
        ("bom.csv", b"\xef\xbb\xbfa,b,c\r\n1,2,3\r\n4,5,6\r\n", {"features": ["a", "b"], "target": "c"}),
        ("spaces.csv", b"a, b, c\n1, 2, 3\n4, 5, 6\n", {"target": "c"}),
        ("quoted.csv", b'"a","b","c, the last"\n1,2,3\n4,5,6\n', {"target": "c, the last"}),
        ("zipped.csv.gz", gzip.compress(b"a,b,c\n1,2,3\n4,5,6\n"), {"target": -1}),
        ("tabs.tsv", b"a\tb\tc\n1\t2\t3\n4\t5\t6\n", {"target": "c"}),
    ]
    for name, data, options in variants:
        (tmp_path / name).write_bytes(data)
        x, y = datasets.read(tmp_path / name, **options)
        assert (x.tolist(), y.tolist()) == expected, name
    (tmp_path / "bare.csv").write_text("1;2;3\n4;5;6\n")
    x, y = datasets.read_csv(tmp_path / "bare.csv", target="2", delimiter=";", header=False)
    assert (x.tolist(), y.tolist()) == expected
    (tmp_path / "flags.csv").write_text("a,b\nTrue,1\nFalse,2\n")
    assert datasets.read(tmp_path / "flags.csv", target="b")[0].tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (CSV, {"target": "c"}, r"table.csv: column 'kind' is not numeric \(data row 1 holds 'x'\); choose columns"),
        ("a,b\n1,2\n3,four\n", {"target": "a"}, r"column 'b' is not numeric \(data row 2 holds 'four'\)"),
        (CSV, {"target": "d"}, "table.csv: target must be one of 'a', 'b', 'c', 'kind'"),
        (CSV, {"target": "knd"}, "did you mean 'kind'"),
        (CSV, {"target": "c", "features": ["a", "e"]}, "table.csv: features must be one of"),
        (CSV, {"target": 4}, r"table.csv: target must be <= 3 \(got 4\)"),
        (CSV, {}, "target must name the column to predict: one of 'a', 'b', 'c', 'kind'"),
        (CSV, {"target": "a", "features": ["a"]}, "must be different columns"),
        (CSV, {"target": "a", "features": []}, "one or more each"),
        ("a,b\n1,\n,2\n3,4\nNA,5\n", {"target": "b"}, r"\('a' 2, 'b' 1\) in 3 data rows: 1, 2, 4; missing='drop'"),
        ("a,b\n1,2\n3\n", {"target": "b"}, r"\('b' 1\) in 1 data rows: 2"),
        ("a,b\n" + ",1\n" * 9, {"target": "b"}, r"\('a' 9\) in 9 data rows: 1, 2, 3, 4, 5, …"),
        ("a,b\n1,2\n3,inf\n", {"target": "a"}, r"column 'b' must be finite \(data row 2 holds inf\)"),
        ("a,b\n1,2\n3,1e999\n", {"target": "a"}, r"column 'b' must be finite \(data row 2 holds inf\)"),
        ("a,b\n1,2,3\n", {"target": "a"}, "table.csv: not a table in CSV form"),
        ("a,b\n1,2\n1,2,3\n", {"target": "a"}, "table.csv: not a table in CSV form .*line 3"),
        ("", {"target": "a"}, "table.csv: not a table in CSV form"),
        ("a,b\n", {"target": "a"}, "table.csv: holds no rows"),
        ("1,2\n3,4\n", {"target": 0}, "the first line holds numbers, not names: pass header=False"),
        ("a,b\n1,2\n", {"target": "a", "missing": "skip"}, "missing must be one of 'error', 'drop'"),
        ("a,b\n1,\n", {"target": "a", "missing": "drop"}, "every row lacks a value in one of 'b', 'a'"),
        ("a,b\n1,1e300\n", {"target": "a", "dtype": np.float32}, r"x holds 1e\+300, which overflows float32"),
        ("a,b\n1,12345678901234567\n", {"target": "a"}, "12345678901234567 is not a float64 number"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        datasets.read_csv(path, **options)


def test_bad_bytes_in_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() * 100)[:-20])
    with pytest.raises(ValueError, match=r"table.csv.gz: truncated: the gzip stream breaks off after \d+ bytes"):
        datasets.read(path, target="a")
    path.write_bytes(b"a,b\n\xff\xfe,2\n")
    with pytest.raises(ValueError, match=r"table\.csv\.gz: not a table in CSV form"):
        datasets.read(path, target="a")


def test_missing_rows_can_be_dropped(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b,unused\n1,,\n,2,\n3,4,\nNA,5,\n6,7,1\n")
    x, y = datasets.read_csv(path, target="b", features=["a"], missing="drop")
    assert x.tolist() == [[3.0], [6.0]]
    assert y.tolist() == [4.0, 7.0]


def test_parquet_equals_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "a": [1, 4, 7],
        "b": [2.5, None, 8.0],
        "c": [3.0, 6.0, 9.25],
        "kind": ["x", "y", "x"],
        "d": [True, False, True],
    }
    path = tmp_path / "table.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    x, y = datasets.read(path, target="c", features=["a", "d"])
    assert x.tolist() == [[1.0, 1.0], [4.0, 0.0], [7.0, 1.0]]
    assert y.tolist() == [3.0, 6.0, 9.25]
    with pytest.raises(ValueError, match=r"values are missing \('b' 1\) in 1 data rows: 2"):
        datasets.read_parquet(path, target="c", features=["b"])
    assert datasets.read_parquet(path, target="c", features=["b"], missing="drop")[1].tolist() == [3.0, 9.25]
    with pytest.raises(ValueError, match=r"column 'kind' is not numeric \(data row 1 holds 'x'\)"):
        datasets.read(path, target="c", features=["kind"])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"table\.parquet: not a Parquet file, or a damaged one"):
        datasets.read(path, target="c")


# --- NPZ -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path: Path, save: Callable[..., None]) -> None:
    x, y = np.arange(6).reshape(3, 2), np.array([0.5, 1.5, 2.5], dtype=np.float32)
    save(tmp_path / "data.npz", x=x, y=y, inputs=x + 1)
    for read in (datasets.read, datasets.read_npz):
        got = read(tmp_path / "data.npz")
        assert got[0].dtype == got[1].dtype == np.float64
        np.testing.assert_array_equal(got[0], x)
        np.testing.assert_array_equal(got[1], y)
    np.testing.assert_array_equal(datasets.read(tmp_path / "data.npz", features="inputs")[0], x + 1)
    np.testing.assert_array_equal(datasets.read_npz(tmp_path / "data.npz", x="inputs", y="x")[1], x)


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ({"a": [1.0]}, {}, ValueError, r"data.npz: x must be one of 'a' \(got 'x'\)"),
        ({"x": [[1.0]], "label": [1.0]}, {"y": "labels"}, ValueError, "did you mean 'label'"),
        ({"x": [1.0], "y": [1.0]}, {}, ValueError, "data.npz: x must have 2 dimensions"),
        ({"x": [[1.0]], "y": [1.0, 2.0]}, {}, ValueError, "the same number of samples"),
        ({"x": np.empty((0, 2)), "y": []}, {}, ValueError, "at least one"),
        ({"x": [[np.nan]], "y": [1.0]}, {}, ValueError, r"data.npz: x must be finite"),
        ({"x": [["a"]], "y": [1.0]}, {}, TypeError, "data.npz: x must be an array of real numbers"),
        ({"x": [[1j]], "y": [1.0]}, {}, TypeError, "data.npz: x must be an array of real numbers"),
        ({"x": [[1e300]], "y": [1.0]}, {"dtype": np.float32}, ValueError, "overflows float32"),
        ({"x": [[1.0]], "y": [1.0]}, {"dtype": int}, TypeError, "dtype must be float64 or float32"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: Any, options: Any, error: type[Exception], message: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(error, match=message):
        datasets.read_npz(tmp_path / "data.npz", **options)


def test_npz_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([[{}]], dtype=object), y=[1.0])
    with pytest.raises(ValueError, match=r"data\.npz: an array cannot be read .*allow_pickle"):
        datasets.read(tmp_path / "data.npz")


@pytest.mark.parametrize("kept", [0, 10, 300, 600])
def test_truncated_npz(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.ones((10, 3)), y=np.ones(10))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"data\.npz: not an NPZ file, or a truncated one"):
        datasets.read(path)


def test_npz_with_a_flipped_bit(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.ones((10, 3)), y=np.ones(10))
    data = bytearray(path.read_bytes())
    data[data.index(np.ones(1).tobytes()) + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"data\.npz: an array cannot be read \(.*CRC"):
        datasets.read(path)


# --- all of them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read", [datasets.read, datasets.read_csv, datasets.read_npz, datasets.read_idx, datasets.read_parquet]
)
def test_bad_paths(tmp_path: Path, read: Callable[..., object]) -> None:
    missing = tmp_path / "nowhere.csv"
    with pytest.raises(ValueError, match=r"path must name a file that exists \(got '.*nowhere\.csv'\)"):
        read(missing)
    with pytest.raises(FileNotFoundError):
        read(missing)
    with pytest.raises(ValueError, match="path must name a file, not a folder"):
        read(tmp_path)
    with pytest.raises(TypeError, match=r"path must be a str or a Path \(got 3, a int\)"):
        read(3)


def test_unknown_suffix(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    path.write_text("")
    with pytest.raises(ValueError, match=r"path must end with \.csv, \.tsv .*table\.xlsx"):
        datasets.read(path)


def test_names_of_arrays_must_be_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=[[1.0]], y=[1.0])
    with pytest.raises(TypeError, match="target must be the name of an array"):
        datasets.read(tmp_path / "data.npz", target=0)
