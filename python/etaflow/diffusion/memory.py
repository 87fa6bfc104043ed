"""How much memory dense covariances take, and whether it is there."""

from __future__ import annotations

import os
from pathlib import Path

DENSE_LIMIT = 2500
"""Up to so many parameters ``method="auto"`` computes the matrices."""
WORKSPACE = 60
"""Matrices that the integrator holds at a time: A, R, the stages, their slopes and the integrals of a step."""

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may have, in version 2 and 1 of its control groups."""


def dense_bytes(num_params: int, count: int) -> int:
    """Return how many bytes `count` covariance matrices and the work on them take.

    Returns
    -------
    int
        Bytes.
    """
    return 8 * num_params**2 * (count + WORKSPACE)


def total_bytes() -> int | None:
    """Return the machine's memory, or what a container may have of it; None where it cannot be asked for.

    Returns
    -------
    int or None
        Bytes.
    """
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return None
    return min([physical, *(limit for path in LIMITS if (limit := _number(path)) is not None)])


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def fits(num_params: int, count: int) -> bool:
    """Return whether dense covariances are the method of choice.

    Returns
    -------
    bool
        True up to 2500 parameters, if the memory is there.
    """
    total = total_bytes()
    return num_params <= DENSE_LIMIT and (total is None or dense_bytes(num_params, count) <= total)


def check_dense(num_params: int, count: int) -> None:
    """Raise a ValueError if dense covariances would not fit into the machine's memory.

    Raises
    ------
    ValueError
        If they would not.
    """
    needed, total = dense_bytes(num_params, count), total_bytes()
    if total is not None and needed > total:
        raise ValueError(
            f'method must be "operator" for {num_params} parameters at {count} times on this machine: "dense" takes '
            f"{needed / 1e9:.3g} GB (of {total / 1e9:.3g} GB)"
        )
