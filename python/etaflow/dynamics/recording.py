"""What a descent writes down, and after which steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etaflow._checks import IntArray, check_choice, check_positive_int

QUANTITIES = (
    "loss",
    "grad_norm2",
    "batch_loss",
    "theta",
    "accuracy",
    "update_norm",
    "rayleigh",
    "validation_loss",
    "distance",
    "sup_distance",
)
MEANS = ("loss", "grad_norm2", "accuracy", "validation_loss")
MOMENTS = ("theta",)
EXAMPLE = '{"loss": 100}'


@dataclass(frozen=True, eq=False)
class Recording:
    """The steps after which quantities are written down.

    Attributes
    ----------
    steps : dict of str to ndarray of int64
        Sorted steps per quantity, the start and the last step among them.
    strides : dict of str to int
        The stride of those quantities that were given by one; it goes on when the runs do.
    """

    steps: dict[str, IntArray]
    strides: dict[str, int]

    def extended(self, name: str, wish: object, first: int, last: int, quantities: Sequence[str]) -> Recording:
        """Return the recording that goes on from the step `first` to `last`.

        Parameters
        ----------
        name : str
            The argument's name, for the messages.
        wish : mapping or None
            As for `check_record`; None goes on with the strides. The last step is recorded for every quantity, the step
            `first` only for those that were recorded before.
        first, last : int
            The old and the new last step.
        quantities : sequence of str
            The accepted names.

        Returns
        -------
        Recording
            With the steps so far and the new ones.
        """
        before: dict[str, Any] = {quantity: self.strides.get(quantity, []) for quantity in self.steps}
        after = check_record(name, before if wish is None else wish, last, first=first, quantities=quantities)
        nothing, end = np.empty(0, np.int64), np.array([last], np.int64)
        merged = {}
        for quantity in {**self.steps, **after.steps}:
            more = after.steps.get(quantity, end)
            merged[quantity] = union_of_steps([self.steps.get(quantity, nothing), more[more > first]])
        return Recording(merged, after.strides)


def check_record(
    name: str,
    value: object,
    steps: int,
    *,
    first: int = 0,
    quantities: Sequence[str] = QUANTITIES,
) -> Recording:
    """Return the steps after which each quantity is recorded.

    Parameters
    ----------
    name : str
        The argument's name, for the messages.
    value : mapping of str to int or array of int, or None
        A stride s means the steps s, 2s, 3s, …; an array names the steps themselves.
    steps : int
        The last step.
    first : int, default 0
        The first step that can still be recorded; it and the last step are always added.
    quantities : sequence of str
        The accepted names.

    Returns
    -------
    Recording
        Sorted steps between `first` and `steps`, without repetition.

    Raises
    ------
    TypeError
        If `value` is not a mapping, or a stride is neither an integer nor an array of integers.
    ValueError
        If a quantity is unknown, a stride is < 1 or a step is out of range.

    Examples
    --------
    >>> check_record("record", {"loss": 4, "theta": [3, 2]}, 10).steps
    {'loss': array([ 0,  4,  8, 10]), 'theta': array([ 0,  2,  3, 10])}
    """
    if value is None:
        return Recording({}, {})
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{name} must map a quantity to a stride or to an array of steps, like {EXAMPLE} (got {value!r})"
        )
    chosen, strides = {}, {}
    for quantity, when in value.items():
        check_choice(f"a quantity of {name}", quantity, quantities)
        label = f"{name}[{quantity!r}]"
        if np.ndim(when) == 0:
            strides[quantity] = check_positive_int(label, when[()] if isinstance(when, np.ndarray) else when)
            inside = _multiples(strides[quantity], first, steps)
        else:
            inside = _listed(label, when, first, steps)
        chosen[quantity] = np.unique(np.concatenate([[first], inside, [steps]])).astype(np.int64)
    return Recording(chosen, strides)


def check_means(mean: object) -> tuple[str, ...]:
    """Return the quantities to average over the steps, from a name or a sequence of names.

    Returns
    -------
    tuple of str
        The names, each once.

    Raises
    ------
    TypeError
        If `mean` is neither a name nor a sequence of names.
    ValueError
        If a name is unknown or comes twice.

    Examples
    --------
    >>> check_means("loss"), check_means(["grad_norm2", "loss"])
    (('loss',), ('grad_norm2', 'loss'))
    """
    names = (mean,) if isinstance(mean, str) else mean
    if not isinstance(names, Sequence):
        raise TypeError(f"mean must be a quantity or a sequence of quantities (got {mean!r})")
    known = tuple(check_choice("a quantity of mean", name, MEANS) for name in names)
    if len(set(known)) < len(known):
        raise ValueError(f"mean must name each quantity once (got {list(known)})")
    return known


def union_of_steps(arrays: Sequence[IntArray]) -> IntArray:
    """Return all steps that occur in any of the arrays, sorted.

    Returns
    -------
    ndarray of int64
        The steps; empty if there is no array.
    """
    if not arrays:
        return np.empty(0, np.int64)
    if all(np.array_equal(arrays[0], other) for other in arrays[1:]):
        return arrays[0]  # the usual case, without a copy
    return np.unique(np.concatenate(arrays))


def _multiples(stride: int, first: int, last: int) -> IntArray:
    return np.arange(-(-first // stride) * stride, last + 1, stride, dtype=np.int64)


def _listed(name: str, when: Any, first: int, last: int) -> IntArray:
    array = np.asarray(when)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"{name} must be a stride or a 1-d array of integer steps (got {when!r})")
    outside = (array < first) | (array > last)
    if outside.any():
        raise ValueError(f"{name} must hold steps between {first} and {last} (got {array[outside][0]})")
    return array.astype(np.int64)
