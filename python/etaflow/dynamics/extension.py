"""How a plan goes on beyond its last step when runs are resumed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_int, check_positive_int
from etaflow.dynamics.recording import MOMENTS, QUANTITIES
from etaflow.dynamics.sampling import check_sampling
from etaflow.dynamics.stepsizes import StepSizes, check_schedule, check_step_size

if TYPE_CHECKING:
    from etaflow._checks import IntArray
    from etaflow.dynamics.driver import Arrays
    from etaflow.dynamics.plan import Plan
    from etaflow.dynamics.sampling import Sampling


def last_step(plan: Plan, steps: object, additional: object) -> int:
    """Return the last step of a resumed descent.

    Parameters
    ----------
    plan : Plan
        The plan so far.
    steps : int or None
        The new total, counted from the start.
    additional : int or None
        Or how many steps more than planned.

    Returns
    -------
    int
        The new total; the old one if both are None.

    Raises
    ------
    TypeError
        If both are given.
    ValueError
        If the new total is less than the old one.
    """
    if steps is not None and additional is not None:
        raise TypeError(f"give steps or additional, not both (got steps={steps!r}, additional={additional!r})")
    if additional is not None:
        return plan.steps + check_positive_int("additional", additional)
    if steps is None:
        return plan.steps
    total = check_int("steps", steps)
    if total < plan.steps:
        raise ValueError(
            f"steps must be >= {plan.steps}, counted from the start of the runs (got {total}); "
            f"additional={total} makes {total} more"
        )
    return total


def extend(plan: Plan, last: int, *, n: int, step_size: Any, sampling: Any, record: Any, all_there: bool) -> Plan:
    """Return the plan that goes on to the step `last`.

    Parameters
    ----------
    plan : Plan
        The plan so far.
    last : int
        The new last step.
    n : int
        The number of observations.
    step_size, sampling, record : object
        What to change for the additional steps; None for as before.
    all_there : bool
        Whether no run is still on the way to the old last step.

    Returns
    -------
    Plan
        The longer plan.

    Raises
    ------
    ValueError
        If something is changed although there are no additional steps, or the additional steps need a step size or
        indices that were not given.
    """
    changes = {"step_size": step_size, "sampling": sampling, "record": record}
    given = [name for name, value in changes.items() if value is not None]
    if last == plan.steps:
        if given:
            raise ValueError(f"{given[0]} must be None without additional steps (got {changes[given[0]]!r})")
        return plan
    if given and not all_there:
        raise ValueError(f"{given[0]} can be changed only when the {plan.steps} planned steps are done: resume() first")
    if plan.reference is not None and len(plan.reference) > 1:
        raise ValueError(f"steps must be {plan.steps}, where the reference of the runs ends (got {last})")
    return replace(
        plan,
        steps=last,
        step_sizes=_extended_step_sizes(plan, last, step_size),
        sampling=_extended_sampling(plan, last, sampling, n),
        record=plan.record.extended("record", record, plan.steps, last, QUANTITIES),
        moments=plan.moments.extended("moments", None, plan.steps, last, MOMENTS),
    )


def spread(old: Arrays, new: Arrays, before: dict[str, IntArray], after: dict[str, IntArray]) -> None:
    """Copy what was recorded into the longer arrays `new`, along axis 1.

    Parameters
    ----------
    old, new : dict of str to ndarray
        The records of the old and of the longer plan.
    before, after : dict of str to ndarray of int64
        Their steps.
    """
    for name, values in old.items():
        new[name][:, np.searchsorted(after[name], before[name])] = values


def _extended_step_sizes(plan: Plan, last: int, step_size: Any) -> tuple[StepSizes, ...]:
    old = plan.step_sizes
    if step_size is None:
        if old[-1].kind == "array":
            raise ValueError(
                f"step_size must be given for the steps after {plan.steps}, where the array of step sizes ends"
            )
        if old[-1].schedule is not None:
            check_schedule(old[-1].schedule, plan.steps, last)
        return old
    new = check_step_size(step_size, steps=last - plan.steps, runs=plan.runs, first_step=plan.steps)
    return (*(stretch for stretch in old if stretch.first_step < plan.steps), new)


def _extended_sampling(plan: Plan, last: int, sampling: Any, n: int) -> Sampling:
    if sampling is None:
        if plan.sampling.indices is not None:
            raise ValueError(f"sampling must be given for the steps after {plan.steps}, where the indices end")
        return plan.sampling
    return plan.sampling.followed_by(check_sampling(sampling, None, n=n, steps=last - plan.steps, runs=plan.runs))
