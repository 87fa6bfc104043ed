"""What a descent minimises and is validated on: the objectives themselves, or what a file knows of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.dynamics.plan import Plan


@dataclass(frozen=True, eq=False)
class Objectives:
    """The objective of a descent and its validation set.

    Attributes
    ----------
    net : MLP
        The network.
    objective, validation : Objective or None
        None if there is none, or if the runs come from a file.
    fingerprint, validation_fingerprint : str or None
        What the file said.
    source : Path or None
        The file.
    """

    net: MLP
    objective: Objective | None
    validation: Objective | None
    fingerprint: str | None = None
    validation_fingerprint: str | None = None
    source: Path | None = None

    @classmethod
    def of(cls, objective: object, validation: object) -> Objectives:
        """Return two objectives, checked.

        Returns
        -------
        Objectives
            The pair.

        Raises
        ------
        TypeError
            If one of them is not an Objective, or their dtypes differ.
        ValueError
            If the validation objective has another network.
        """
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective (got {objective!r})")
        if validation is not None:
            if not isinstance(validation, Objective):
                raise TypeError(f"validation must be an Objective (got {validation!r})")
            if validation.dtype != objective.dtype:
                raise TypeError(f"validation must be {objective.dtype}, as the objective is (got {validation.dtype})")
            if validation.net != objective.net:
                raise ValueError(
                    f"validation must have the objective's network {objective.net!r} (got {validation.net!r})"
                )
        return cls(objective.net, objective, validation)

    @property
    def known(self) -> Objective:
        """The objective.

        Raises
        ------
        ValueError
            If it is not there because the runs come from a file.
        """
        if self.objective is None:
            raise ValueError("objective must be given to resume runs that were loaded from a file (got None)")
        return self.objective

    def fingerprints(self) -> tuple[str | None, str | None]:
        """Return the fingerprints of the objective and of the validation set.

        Returns
        -------
        tuple of two str or None
            None for no validation set.
        """
        first = self.fingerprint if self.objective is None else self.objective.fingerprint()
        return first, self.validation_fingerprint if self.validation is None else self.validation.fingerprint()

    def resumed(self, objective: object, validation: object) -> Objectives:
        """Return the objectives to go on with: those given if they are the right ones, else those there.

        Returns
        -------
        Objectives
            With an objective.

        Raises
        ------
        ValueError
            If an objective is another one than the runs began with, or one is missing.
        """
        given = Objectives.of(
            self.known if objective is None else objective, self.validation if validation is None else validation
        )
        before, now = self.fingerprints(), given.fingerprints()
        if before[0] != now[0]:
            raise ValueError(
                f"objective must be the one the runs began with: network, data, loss and dtype (got {objective!r})"
            )
        if before[1] is not None and before[1] != now[1]:
            raise ValueError(f"validation must be the one the runs began with (got {validation!r})")
        return replace(given, source=self.source)

    def check_needs(self, plan: Plan) -> None:
        """Raise a ValueError if the plan looks at a validation set and there is none.

        Raises
        ------
        ValueError
            If so.
        """
        looks = {*plan.record.steps, *plan.mean, *(rule.monitor for rule in plan.rules)}
        if "validation_loss" in looks and self.validation is None:
            raise ValueError(
                "validation must be an Objective on the validation set, as validation_loss is asked for (got None)"
            )


def describe_net(net: MLP) -> dict[str, Any]:
    """Return the network as plain values that JSON can hold.

    Returns
    -------
    dict
        What `restore_net` reads.
    """
    *hidden, output = (activation.spec for activation in net.activations)
    return {"widths": list(net.widths), "activation": hidden, "output": output, "bias": net.bias}


def restore_net(description: dict[str, Any]) -> MLP:
    """Return the network that `describe_net` described.

    Returns
    -------
    MLP
        An equal network.
    """
    hidden = [_spec(one) for one in description["activation"]]
    return MLP(
        description["widths"],
        activation=hidden or "tanh",
        output=_spec(description["output"]),
        bias=description["bias"],
    )


def _spec(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
