"""Rules that end a run, or lower its step size, while it is under way.

A rule watches one quantity of each run by itself. With ``start=s`` and ``every=e`` it looks at θ_k just *before* the
steps k = s+1, s+1+e, s+1+2e, … and acts before step k is taken: a run that is stopped keeps θ_k, a step size that is
lowered is lowered for step k already. (Keras's callbacks look at the same values but act after the step.) With full
batches the monitored ``loss`` and ``grad_norm2`` cost nothing extra; with mini-batches they cost a pass over the data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from etaflow._checks import (
    check_choice,
    check_nonnegative_int,
    check_nonnegative_number,
    check_number,
    check_positive_int,
    check_positive_number,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLIC = (
    "HalveOnPlateau",
    "Leave",
    "Plateau",
    "Threshold",
    "above",
    "below",
    "from_dict",
    "halve_on_plateau",
    "leave",
    "plateau",
    "to_dict",
)
"""What `dir` lists."""

MONITORS = ("loss", "grad_norm2", "accuracy", "validation_loss", "batch_loss")
FALLING = ("loss", "grad_norm2", "validation_loss", "batch_loss")


@dataclass(frozen=True)
class Plateau:
    """Stop a run that has not improved for a while (status ``stopped``).

    A look is an improvement if the value is less than `best` − `min_delta`; then it becomes `best`, and the waiting
    starts anew. After `patience` looks in a row without improvement the run is stopped. The defaults are those of
    experiment 5.1 (Fleischmann 2021, section 5.1: "10,000 steps in which the cost improved less than 1e-7").

    Parameters
    ----------
    patience : int, default 10000
        Looks without improvement that end the run.
    min_delta : float, default 1e-7
        What counts as an improvement.
    monitor : {"loss", "grad_norm2", "validation_loss", "batch_loss"}, default "loss"
        The quantity; it should fall.
    start : int, default 0
        Steps before the first look.
    every : int, default 1
        Steps from one look to the next.

    Examples
    --------
    >>> Plateau(patience=50)
    Plateau(patience=50, min_delta=1e-07, monitor='loss', start=0, every=1)
    """

    patience: int = 10_000
    min_delta: float = 1e-7
    monitor: str = "loss"
    start: int = 0
    every: int = 1
    kind: ClassVar[str] = "plateau"

    def __post_init__(self) -> None:
        """Check every field."""
        _check_plateau(self)
        check_nonnegative_int("start", self.start)

    def to_core(self) -> dict[str, Any]:
        """Return the rule as the core reads it.

        Returns
        -------
        dict
            Every key of a core rule.
        """
        return _core_rule(
            "stop", self.monitor, self.start, self.every, patience=self.patience, min_delta=self.min_delta
        )


@dataclass(frozen=True)
class HalveOnPlateau:
    """Multiply a run's step size by `factor` whenever it has not improved for a while.

    The bookkeeping is that of Keras's ``ReduceLROnPlateau``: a look is an improvement if the value is less than
    `best` − `min_delta`; after `patience` looks in a row without one the step size is multiplied by `factor`, and
    `cooldown` looks pass before the waiting starts anew (`best` is followed meanwhile).

    Parameters
    ----------
    after : int, default 40000
        Steps before the first look.
    patience : int, default 40
        Looks without improvement that lower the step size.
    cooldown : int, default 10
        Looks of rest after that.
    min_delta : float, default 1e-4
        What counts as an improvement.
    factor : float, default 0.5
        What the step size is multiplied by, between 0 and 1.
    monitor : {"loss", "grad_norm2", "validation_loss", "batch_loss"}, default "loss"
        The quantity; it should fall.
    every : int, default 1
        Steps from one look to the next.

    Notes
    -----
    The defaults are those of the program behind experiment 5.1 of Fleischmann (2021). Its text says "after 50 steps
    without descent, the step size was halved"; the program waits for 40 steps that do not improve by 1e-4 and then
    rests for 10. What the text says is ``halve_on_plateau(patience=50, cooldown=0, min_delta=0)``.

    Examples
    --------
    >>> HalveOnPlateau(after=0).factor
    0.5
    """

    after: int = 40_000
    patience: int = 40
    cooldown: int = 10
    min_delta: float = 1e-4
    factor: float = 0.5
    monitor: str = "loss"
    every: int = 1
    kind: ClassVar[str] = "halve_on_plateau"

    def __post_init__(self) -> None:
        """Check every field.

        Raises
        ------
        ValueError
            If a field is out of its range.
        """
        _check_plateau(self)
        check_nonnegative_int("after", self.after)
        check_nonnegative_int("cooldown", self.cooldown)
        if not check_number("factor", self.factor, above=0) < 1:
            raise ValueError(f"factor must be < 1 (got {self.factor})")

    def to_core(self) -> dict[str, Any]:
        """Return the rule as the core reads it.

        Returns
        -------
        dict
            Every key of a core rule.
        """
        waiting = {"patience": self.patience, "min_delta": self.min_delta, "cooldown": self.cooldown}
        return _core_rule("scale", self.monitor, self.after, self.every, factor=self.factor, **waiting)


@dataclass(frozen=True)
class Threshold:
    """Stop a run once the monitored quantity is at or beyond a value (status ``stopped``).

    Made by `below` and `above`.

    Parameters
    ----------
    side : {"below", "above"}
        Stop at a value ≤ `value`, or at a value ≥ `value`.
    monitor : {"loss", "grad_norm2", "accuracy", "validation_loss", "batch_loss"}
        The quantity.
    value : float
        The threshold.
    start : int, default 0
        Steps before the first look.
    every : int, default 1
        Steps from one look to the next.
    """

    side: str
    monitor: str
    value: float
    start: int = 0
    every: int = 1
    kind: ClassVar[str] = "threshold"

    def __post_init__(self) -> None:
        """Check every field."""
        check_choice("side", self.side, ("below", "above"))
        check_choice("monitor", self.monitor, MONITORS)
        check_number("value", self.value)
        check_nonnegative_int("start", self.start)
        check_positive_int("every", self.every)

    def to_core(self) -> dict[str, Any]:
        """Return the rule as the core reads it.

        Returns
        -------
        dict
            Every key of a core rule.
        """
        return _core_rule(self.side, self.monitor, self.start, self.every, threshold=self.value)


@dataclass(frozen=True)
class Leave:
    """Stop a run after the first step to a distance of more than `radius` from the descent's ``reference``.

    Unlike the other rules it looks at every step, also the last one, at next to no cost, and the run keeps the θ outside.

    Parameters
    ----------
    radius : float
        The largest Euclidean distance ‖θ_k − reference_k‖ that a run may have, > 0.

    Examples
    --------
    >>> Leave(0.5)
    Leave(radius=0.5)
    """

    radius: float
    kind: ClassVar[str] = "leave"
    monitor: ClassVar[str] = "distance"

    def __post_init__(self) -> None:
        """Check the radius."""
        check_positive_number("radius", self.radius)

    def to_core(self) -> dict[str, Any]:
        """Return the rule as the core reads it.

        Returns
        -------
        dict
            Every key of a core rule.
        """
        return _core_rule("leave", self.monitor, 0, 1, threshold=float(self.radius))


Rule: TypeAlias = Plateau | HalveOnPlateau | Threshold | Leave
RULES: dict[str, type[Rule]] = {rule.kind: rule for rule in (Plateau, HalveOnPlateau, Threshold, Leave)}

plateau = Plateau
halve_on_plateau = HalveOnPlateau


def below(monitor: str, value: float, *, start: int = 0, every: int = 1) -> Threshold:
    """Stop a run once `monitor` is at most `value`, for example at a nearly stationary point.

    Returns
    -------
    Threshold
        The rule.

    Examples
    --------
    >>> below("grad_norm2", 1e-12)
    Threshold(side='below', monitor='grad_norm2', value=1e-12, start=0, every=1)
    """
    return Threshold("below", monitor, value, start, every)


def above(monitor: str, value: float, *, start: int = 0, every: int = 1) -> Threshold:
    """Stop a run once `monitor` is at least `value`, for example when every observation is classified correctly.

    Stopping there is Sontag's (1988, section 3) perceptron habit; what has been learnt then may be little.

    Returns
    -------
    Threshold
        The rule.

    Examples
    --------
    >>> above("accuracy", 1.0).every
    1
    """
    return Threshold("above", monitor, value, start, every)


def leave(radius: float) -> Leave:
    """Stop a run once it is farther than `radius` from the descent's ``reference``.

    Returns
    -------
    Leave
        The rule.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])
    >>> runs = ef.descend(f, [0.0], steps=50, step_size=0.25, reference=[0.0], stop=leave(0.6))
    >>> runs.status[0].item(), runs.steps_done[0].item(), runs.theta
    ('stopped', 2, array([[0.75]]))
    """
    return Leave(radius)


def to_dict(rule: Rule) -> dict[str, Any]:
    """Return the rule as plain values, for a file.

    Returns
    -------
    dict
        What `from_dict` reads.

    Examples
    --------
    >>> from_dict(to_dict(plateau(patience=3))) == plateau(patience=3)
    True
    """
    return {"kind": rule.kind, **asdict(rule)}


def from_dict(values: Mapping[str, Any]) -> Rule:
    """Return the rule that `to_dict` wrote.

    Returns
    -------
    Plateau, HalveOnPlateau, Threshold or Leave
        The rule.
    """
    fields = dict(values)
    return RULES[check_choice("kind", fields.pop("kind"), RULES)](**fields)


def check_rules(stop: object) -> tuple[Rule, ...]:
    """Return the argument `stop` of `descend` as a tuple of rules.

    Returns
    -------
    tuple of rules
        Empty for None.

    Raises
    ------
    TypeError
        If something is not a rule of this module.
    """
    rules = () if stop is None else tuple(stop) if isinstance(stop, list | tuple) else (stop,)
    for rule in rules:
        if not isinstance(rule, Rule):
            raise TypeError(f"stop must be a rule of etaflow.stopping or a list of them (got {rule!r})")
    return rules


def _check_plateau(rule: Plateau | HalveOnPlateau) -> None:
    check_positive_int("patience", rule.patience)
    check_nonnegative_number("min_delta", rule.min_delta)
    check_choice("monitor", rule.monitor, FALLING)
    check_positive_int("every", rule.every)


def _core_rule(kind: str, monitor: str, start: int, every: int, **values: float) -> dict[str, Any]:
    idle = {"patience": 1, "min_delta": 0.0, "cooldown": 0, "factor": 1.0, "threshold": 0.0}
    return {"kind": kind, "monitor": monitor, "start": start, "every": every} | idle | values


def __dir__() -> list[str]:
    return sorted(PUBLIC)
