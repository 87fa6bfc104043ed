"""The continuous parameter process θ^η(t): the polygon through the iterates (Finnoff 1992, section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import FloatArray, check_float_array

if TYPE_CHECKING:
    from etaflow._checks import IntArray

NODE_TOLERANCE = 1e-12
"""A time this near to a node, relatively, is the node: n·η can be written in several ways."""


def interpolate(t: npt.ArrayLike, steps: IntArray, times: npt.NDArray[np.float64], theta: FloatArray) -> FloatArray:
    """Return θ at the times `t`.

    Parameters
    ----------
    t : array_like, shape () or (k,)
        Times between 0 and the time of the last step.
    steps : ndarray of int64, shape (m,)
        The steps at which θ was recorded.
    times : ndarray, shape (m,) or (runs, m)
        Their times.
    theta : ndarray, shape (runs, m, d)
        What was recorded.

    Returns
    -------
    ndarray, shape (runs, d) or (runs, k, d)
        NaN where a run ended earlier.

    Raises
    ------
    ValueError
        If a time is out of range, or θ was not recorded at the two steps around it.
    """
    wanted = check_float_array("t", t, ndim=(0, 1)).astype(np.float64)
    points = np.atleast_1d(wanted)
    if times.ndim == 1:
        result = _on_polygon(points, steps, times, theta)
    else:
        rows = [_on_polygon(points, steps, own, one[None]) for own, one in zip(times, theta, strict=True)]
        result = np.concatenate(rows)
    return result[:, 0] if wanted.ndim == 0 else result


def _on_polygon(
    points: npt.NDArray[np.float64], steps: IntArray, times: npt.NDArray[np.float64], theta: FloatArray
) -> FloatArray:
    reached = np.isfinite(times)
    end = times[reached][-1] if reached.any() else 0.0
    outside = (points < 0) | (points > end * (1 + NODE_TOLERANCE))
    if outside.any() and reached.all():
        raise ValueError(f"t must be between 0 and {end:g}, the time of the last step (got {points[outside][0]:g})")
    left = np.clip(np.searchsorted(times[reached], points, side="right") - 1, 0, None)
    right = np.minimum(left + 1, len(times) - 1)
    left = np.where(np.isclose(points, times[right], rtol=NODE_TOLERANCE, atol=0), right, left)
    at_node = np.isclose(points, times[left], rtol=NODE_TOLERANCE, atol=0) | (left == right)
    gaps = ~at_node & (steps[right] != steps[left] + 1) & ~outside
    if gaps.any():
        i = int(np.argmax(gaps))
        raise ValueError(
            f"t = {points[i]:g} lies between step {steps[left[i]]} and step {steps[right[i]]}, the next one with θ on record: "
            'descend with record={"theta": 1}'
        )
    width = np.where(at_node, 1.0, times[right] - times[left])
    weight = np.where(at_node, 0.0, (points - times[left]) / width)[None, :, None]
    start = theta[:, left]
    result: FloatArray = np.where(weight == 0, start, start + weight * (theta[:, right] - start)).astype(theta.dtype)
    result[:, outside] = np.nan
    return result
