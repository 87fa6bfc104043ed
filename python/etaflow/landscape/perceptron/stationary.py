"""All zeros of the gradient in a box, each enclosed and proved to be the only one near: branch and prune with Krawczyk's test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.intervals import Interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron.pulls import Pulls

    Array = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.intp]

INFLATION = 1.25
"""Krawczyk's test is made on a box so much wider, so that a zero at the edge of a box is in the middle of none."""

CLOSE = 4.0
"""Krawczyk's test is made once the input of the row that pulls most varies by less over a box."""

CHUNK = 512
MAX_BOXES = 60_000
NARROWEST = 1e-11
"""Relative to its distance from 0, a box that is not wider is not divided again."""

SMALLEST = 1e-30
SINGULAR = 1e-14
"""A matrix with largest entry 1 and a smaller determinant is not inverted."""

PRECISE = 1e-13
"""Relative to its distance from 0, the box of a proved zero is not made narrower."""

REFINEMENTS = 60


@dataclass(frozen=True, eq=False)
class Zero:
    """A zero of the gradient.

    Attributes
    ----------
    box : Interval
        Where it is, shape (m,).
    alone_in : Interval
        A wider box, in which there is no other.
    kind : {"minimum", "maximum", "saddle", "undecided"}
        By the Hessian enclosed over `box`.
    """

    box: Interval
    alone_in: Interval
    kind: str


@dataclass(frozen=True, eq=False)
class Zeros:
    """What branch and prune found in a box.

    Attributes
    ----------
    zeros : tuple of Zero
        All that are proved.
    undecided : tuple of Interval
        Small boxes where neither a zero nor its absence could be proved: a double zero, say.
    boxes : int
        How many boxes were tested.
    """

    zeros: tuple[Zero, ...]
    undecided: tuple[Interval, ...]
    boxes: int


def find_zeros(pulls: Pulls, box: Interval, max_boxes: int = MAX_BOXES) -> Zeros:
    """Find all zeros of ∇E in a box.

    A box is dropped if G does not vanish on it, by its own enclosure or by the mean-value form that Krawczyk's operator is; kept if
    the operator maps it into its interior, which proves one zero and no other (Krawczyk 1969; Neumaier 1990, Theorem 5.1.8); divided
    otherwise.

    Parameters
    ----------
    pulls : Pulls
        The problem.
    box : Interval
        Where to look, shape (m,), bounded.
    max_boxes : int, default 60000
        When so many are tested, what is left is undecided.

    Returns
    -------
    Zeros
        Proved zeros, and what could not be decided.
    """
    todo = [box[None]]
    found: list[Zero] = []
    undecided: list[Interval] = []
    tested = 0
    while todo:
        boxes = _take(todo)
        tested += len(boxes.low)
        kept, proved, axis = _test(pulls, boxes)
        for place in proved:
            _add(found, pulls, boxes[place])
        narrow = (boxes.width <= NARROWEST * boxes.magnitude + SMALLEST).all(axis=1)
        stuck = kept & (narrow | (tested > max_boxes))
        undecided += [boxes[i] for i in np.flatnonzero(stuck)]
        left = kept & ~stuck
        if left.any():
            todo.append(_halves(boxes[left], axis[left]))
    found.sort(key=lambda zero: tuple(zero.box.middle.tolist()))
    return Zeros(tuple(found), _merged(undecided, found), tested)


def prove(found: list[Zero], pulls: Pulls, box: Interval) -> bool:
    """Try to prove a zero in a small box, and add it to those that are known unless it is one of them.

    Parameters
    ----------
    found : list of Zero
        The known ones; the new one is added.
    pulls : Pulls
        The problem.
    box : Interval
        Where, shape (m,).

    Returns
    -------
    bool
        Whether the box holds a proved zero.
    """
    _, proved, _ = _test(pulls, box[None])
    if len(proved):
        _add(found, pulls, box)
    return len(proved) > 0


def _take(todo: list[Interval]) -> Interval:
    boxes = todo.pop()
    if len(boxes.low) > CHUNK:
        todo.append(boxes[CHUNK:])
        boxes = boxes[:CHUNK]
    return boxes


def _possible(pulls: Pulls, boxes: Interval) -> npt.NDArray[np.bool_]:
    value, jacobian = pulls.gradient(boxes)
    image, solvable, _ = _krawczyk(pulls, boxes, jacobian)
    apart = ((image.low > boxes.high) | (image.high < boxes.low)).any(axis=1)
    possible: npt.NDArray[np.bool_] = value.contains(0.0).all(axis=1) & ~(apart & solvable)
    return possible


def _test(pulls: Pulls, boxes: Interval) -> tuple[npt.NDArray[np.bool_], Indices, Indices]:
    # Which boxes are left to divide, in which a zero is proved, and across which weight to divide: first the one that moves the inputs
    # b·x most, later the one that spoils Krawczyk's test most.
    left, reach = pulls.may_vanish(boxes)
    axis = np.argmax(boxes.width * pulls.rows.magnitude.max(axis=0), axis=1)
    near = np.flatnonzero(left & (reach < CLOSE))
    if not len(near):
        return left, near, axis
    small = boxes[near]
    wide = _inflated(small)
    value, jacobian = pulls.gradient(wide)
    possible = value.contains(0.0).all(axis=1)
    image, solvable, spoils = _krawczyk(pulls, wide, jacobian)
    axis[near] = np.where(solvable, spoils, axis[near])
    apart = ((image.low > small.high) | (image.high < small.low)).any(axis=1) & solvable
    inside = ((image.low > wide.low) & (image.high < wide.high)).all(axis=1) & solvable
    left[near] = possible & ~apart & ~inside
    return left, near[possible & ~apart & inside], axis


def _inflated(boxes: Interval) -> Interval:
    pad = (INFLATION - 1) / 2 * boxes.width + SMALLEST
    return Interval(boxes.low - pad, boxes.high + pad)


def _krawczyk(pulls: Pulls, boxes: Interval, jacobian: Interval) -> tuple[Interval, npt.NDArray[np.bool_], Indices]:
    # K(X) = m − Y·G(m) + (1 − Y·∂G(X))·(X − m) with Y near the inverse of ∂G.
    middle = boxes.middle
    value = pulls.value(Interval.of(middle))
    with np.errstate(invalid="ignore", over="ignore"):
        inverse, solvable = _inverses(jacobian.middle)
    m = middle.shape[1]
    steps = (value[:, None, :] * inverse).sum(axis=2)
    product = (jacobian[:, None, :, :] * inverse[:, :, :, None]).sum(axis=2)
    error = Interval.of(np.eye(m)) - product
    spread = (error * (boxes - middle)[:, None, :]).sum(axis=2)
    width = boxes.width + SMALLEST
    with np.errstate(invalid="ignore", over="ignore"):
        shares = (error.magnitude * width[:, None, :] / width[:, :, None]).sum(axis=1)
    return Interval.of(middle) - steps + spread, solvable, np.argmax(shares, axis=1)


def _inverses(matrices: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    # Of 1 × 1 and 2 × 2 matrices; where there is none, the identity.
    m = matrices.shape[1]
    sizes = np.abs(matrices).max(axis=(1, 2))
    fine = np.isfinite(sizes) & (sizes > 0)
    scaled = np.where(fine[:, None, None], matrices / np.where(fine, sizes, 1.0)[:, None, None], np.eye(m))
    if m == 1:
        determinant, adjugate = scaled[:, 0, 0], np.ones_like(scaled)
    else:
        determinant = scaled[:, 0, 0] * scaled[:, 1, 1] - scaled[:, 0, 1] * scaled[:, 1, 0]
        adjugate = np.stack([scaled[:, [1, 0], [1, 1]] * [1, -1], scaled[:, [1, 0], [0, 0]] * [-1, 1]], axis=1)
    solvable = fine & (np.abs(determinant) > SINGULAR)
    scales = np.where(solvable, determinant * sizes, 1.0)
    return np.where(solvable[:, None, None], adjugate / scales[:, None, None], np.eye(m)), solvable


def _halves(boxes: Interval, axis: Indices) -> Interval:
    # Not in the middle, which is so often a zero by symmetry.
    rows = np.arange(len(axis))
    cut = boxes.low[rows, axis] + 0.4943 * boxes.width[rows, axis]
    left, right = boxes.high.copy(), boxes.low.copy()
    left[rows, axis] = right[rows, axis] = cut
    return Interval(np.concatenate([boxes.low, right]), np.concatenate([left, boxes.high]))


def _add(found: list[Zero], pulls: Pulls, box: Interval) -> None:
    wide = _inflated(box[None])
    if any(_within(wide[0], other.alone_in) for other in found):
        return
    narrow = wide
    for _ in range(REFINEMENTS):
        if (narrow.width <= PRECISE * narrow.magnitude).all():
            break
        _, jacobian = pulls.gradient(narrow)
        image, solvable, _ = _krawczyk(pulls, narrow, jacobian)
        better = Interval(np.maximum(narrow.low, image.low), np.minimum(narrow.high, image.high))
        if not solvable[0] or not (better.width < 0.9 * narrow.width).any():
            better = _shaved(pulls, narrow)
            if (better.width == narrow.width).all():
                break
        narrow = better
    for other in found:
        if _within(narrow[0], other.alone_in) or _within(other.box, wide[0]):
            return
    found.append(Zero(narrow[0], wide[0], _kind(pulls, narrow)))


def _shaved(pulls: Pulls, box: Interval) -> Interval:
    # Thin slices at the ends that hold no zero are cut off.
    low, high = box.low.copy(), box.high.copy()
    for axis in range(low.shape[1]):
        for end, share in ((low, 0.2), (high, 0.8)):
            cut = low[0, axis] + share * (high[0, axis] - low[0, axis])
            slice_low, slice_high = low.copy(), high.copy()
            (slice_high if end is low else slice_low)[0, axis] = cut
            if not _possible(pulls, Interval(slice_low, slice_high))[0]:
                end[0, axis] = cut
    return Interval(low, high)


def _kind(pulls: Pulls, box: Interval) -> str:
    # ∇²E is a negative multiple of ∂G there, and so symmetric; its sign by Sylvester's criterion.
    _, jacobian = pulls.gradient(box)
    curvature = -jacobian[0]
    first = curvature[0, 0]
    if len(curvature.low) == 1:
        return "minimum" if first.low > 0 else "maximum" if first.high < 0 else "undecided"
    determinant = first * curvature[1, 1] - curvature[0, 1] * curvature[1, 0]
    if determinant.high < 0:
        return "saddle"
    if determinant.low > 0:
        return "minimum" if first.low > 0 else "maximum" if first.high < 0 else "undecided"
    return "undecided"


def _within(inner: Interval, outer: Interval) -> bool:
    return bool(((inner.low >= outer.low) & (inner.high <= outer.high)).all())


def _merged(boxes: list[Interval], found: list[Zero]) -> tuple[Interval, ...]:
    # One hull for boxes that touch; those around a proved zero's box are that zero's.
    hulls: list[Interval] = []
    for box in sorted(boxes, key=lambda one: tuple(one.low.tolist())):
        if any(_within(box, zero.alone_in) for zero in found):
            continue
        slack = 1e-6 * (box.magnitude + SMALLEST)
        for k, hull in enumerate(hulls):
            if ((box.low <= hull.high + slack) & (box.high >= hull.low - slack)).all():
                hulls[k] = Interval(np.minimum(hull.low, box.low), np.maximum(hull.high, box.high))
                break
        else:
            hulls.append(box)
    return tuple(hulls)
