"""Bytes of a data file, plain or gzip, and the IDX format of MNIST; nothing is taken on trust."""

from __future__ import annotations

import os
import zlib
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GZIP = b"\x1f\x8b"
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class MissingFileError(FileNotFoundError, ValueError):
    """No file at the path: a ValueError like all bad input, and a FileNotFoundError as Python has it."""


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a Path, whether or not something is there.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    TypeError
        If `path` is not a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a str or a Path (got {path!r}, a {type(path).__name__})")
    return Path(path)


def check_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of an existing file.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    TypeError
        If `path` is not a path.
    ValueError
        If there is no file.
    """
    file = check_path(path)
    if not file.exists():
        raise MissingFileError(f"path must name a file that exists (got {str(file)!r})")
    if not file.is_file():
        raise ValueError(f"path must name a file, not a folder (got {str(file)!r})")
    return file


def read_bytes(path: str | os.PathLike[str]) -> tuple[bytes, bool]:
    """Return the bytes of a file, decompressed if they begin like gzip, and whether the gzip stream was complete.

    Returns
    -------
    (bytes, bool)
        What could be read; False if a compressed file ends early.

    Raises
    ------
    ValueError
        If there is no file or its gzip stream is damaged.
    """
    file = check_file(path)
    raw = file.read_bytes()
    if not raw.startswith(_GZIP):
        return raw, True
    parts = []
    while raw.startswith(_GZIP):  # a gzip file may be several members in a row
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(raw))
        except zlib.error as error:
            raise ValueError(f"{file}: the gzip stream is damaged ({error})") from error
        if not stream.eof:
            return b"".join(parts), False
        raw = stream.unused_data
    return b"".join(parts), True


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an array from an IDX file, plain or gzip (told by its first bytes, not by its name).

    Parameters
    ----------
    path : str or Path
        The file, for example ``train-images-idx3-ubyte.gz``.

    Returns
    -------
    ndarray
        In the file's shape and number type (uint8, int8, int16, int32, float32, float64), in native byte order.

    Raises
    ------
    ValueError
        If there is no file, it is not IDX, or it holds more or fewer bytes than its header says.

    References
    ----------
    The IDX section of http://yann.lecun.com/exdb/mnist.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "small-idx2-ubyte")
    ...     _ = file.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    ...     read_idx(file)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    data, complete = read_bytes(path)
    _expect(path, data[:4], 4, "the magic number", complete)
    code, ndim = data[2], data[3]
    if data[:2] != b"\0\0" or code not in _TYPES or ndim == 0:
        raise ValueError(f"{path}: not an IDX file (it begins with 0x{data[:4].hex()})")
    start = 4 + 4 * ndim
    _expect(path, data[:start], start, f"a header of {ndim} dimensions", complete)
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], ">u4"))
    dtype = np.dtype(_TYPES[code])
    _expect(path, data, start + prod(shape) * dtype.itemsize, f"{dtype.name} {shape}", complete)
    if not complete:
        raise ValueError(f"{path}: truncated: the gzip stream lacks its end")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def _expect(path: str | os.PathLike[str], data: bytes, count: int, what: str, complete: bool) -> None:
    if len(data) == count:
        return
    state = "truncated" if len(data) < count else "too long"
    gzip = "" if complete else ", where the gzip stream breaks off"
    raise ValueError(f"{path}: {state}: expected {count} bytes for {what}, found {len(data)}{gzip}")
