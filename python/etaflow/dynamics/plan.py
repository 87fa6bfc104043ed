"""The plan of a descent: everything that decides its course, checked, as one value that a file can hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.dynamics import stopping
from etaflow.dynamics.estimator import Estimator
from etaflow.dynamics.recording import Recording, union_of_steps
from etaflow.dynamics.sampling import Sampling
from etaflow.dynamics.stepsizes import Float64Array, StepSizes, elapsed_time
from etaflow.dynamics.updates import Update

if TYPE_CHECKING:
    from etaflow._checks import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Plan:
    """What a descent is to do.

    Attributes
    ----------
    steps : int
        The last step.
    run_numbers : ndarray of int64, shape (runs,)
        The runs' numbers: with the seed, the keys of their random numbers.
    seed : int
        The seed.
    sampling : Sampling
        How mini-batches are drawn.
    step_sizes : tuple of StepSizes
        One stretch after the other; more than one if a resumed descent was given another step size.
    update : Update
        Optimizer, noise and bounds.
    rules : tuple of rules
        What may end a run or lower its step size.
    record : Recording
        The steps after which each quantity is recorded.
    mean : tuple of str
        The quantities averaged over the iterates before each step.
    moments : Recording
        The steps after which mean and covariance of θ across the runs are taken.
    estimator : Estimator
        How g_k is made of what is drawn.
    reference : ndarray, shape (1 or steps + 1, d), optional
        Where the runs should be: always, or after each step.
    """

    steps: int
    run_numbers: IntArray
    seed: int
    sampling: Sampling
    step_sizes: tuple[StepSizes, ...]
    update: Update
    rules: tuple[stopping.Rule, ...]
    record: Recording
    mean: tuple[str, ...]
    moments: Recording
    estimator: Estimator = field(default_factory=Estimator)
    reference: FloatArray | None = None

    @property
    def runs(self) -> int:
        """The number of runs."""
        return len(self.run_numbers)

    @property
    def has_own_clock(self) -> bool:
        """Whether a rule may lower the step size, so that only the core knows the time Σα of each run."""
        return any(isinstance(rule, stopping.HalveOnPlateau) for rule in self.rules)

    @property
    def scalar_steps(self) -> IntArray:
        """The steps at which any number is recorded."""
        return union_of_steps([steps for name, steps in self.record.steps.items() if name != "theta"])

    @property
    def moment_steps(self) -> IntArray:
        """The steps at which moments are taken; empty for none."""
        return self.moments.steps.get("theta", np.empty(0, np.int64))

    @property
    def noted_steps(self) -> IntArray:
        """The steps at which anything is recorded, moments included."""
        return union_of_steps([*self.record.steps.values(), *self.moments.steps.values()])

    @property
    def core_record(self) -> dict[str, IntArray]:
        """What the core records: the user's quantities, and the time if only the core knows it."""
        return self.record.steps | ({"time": self.noted_steps} if self.has_own_clock else {})

    def stretch_at(self, step: int) -> tuple[StepSizes, int]:
        """Return the step sizes that hold after `step` steps, and the last step that they hold for.

        Returns
        -------
        StepSizes
            The stretch.
        int
            Its last step.
        """
        ends = [later.first_step for later in self.step_sizes[1:]] + [self.steps]
        for stretch, end in zip(self.step_sizes, ends, strict=True):
            if step < end:
                return stretch, end
        return self.step_sizes[-1], self.steps

    def time(self, steps: IntArray) -> Float64Array:
        """Return Σα after each of the `steps`, as planned (without rules that lower the step size).

        Returns
        -------
        ndarray of float64, shape (m,) or (runs, m)
            The second if the step sizes differ from run to run.
        """
        return elapsed_time(self.step_sizes, steps)

    def for_core(self, first: int, last: int, validation: object, dtype: npt.DTypeLike) -> dict[str, Any]:
        """Return the plan of the steps first+1 … last as the core reads it.

        Returns
        -------
        dict
            Plain values and arrays.
        """
        stretch, _ = self.stretch_at(first)
        return {
            "seed": self.seed,
            "run_numbers": self.run_numbers,
            "batch": self.sampling.batch,
            "sampling": self.sampling.name,
            "indices": self.sampling.table(first, last),
            "first_step": first,
            "step_sizes": stretch.table(first, last),
            "optimizer": self.update.optimizer,
            "hyper": np.array(self.update.hyper),
            "noise": self.update.noise,
            "noise_kind": self.update.noise_kind,
            "lower": self.update.lower,
            "upper": self.update.upper,
            "rules": [rule.to_core() for rule in self.rules],
            "record": self.core_record,
            "mean": list(self.mean),
            "validation": validation,
            "reference": self._reference_rows(first, last),
            **self.estimator.for_core(dtype),
        }

    def _reference_rows(self, first: int, last: int) -> FloatArray | None:
        if self.reference is None or len(self.reference) == 1:
            return self.reference
        return self.reference[first : last + 1]

    def describe(self) -> dict[str, Any]:
        """Return all but the arrays as plain values that JSON can hold.

        Returns
        -------
        dict
            What `restore` reads beside `arrays`.
        """
        update = {"optimizer": self.update.optimizer, "hyper": list(self.update.hyper)}
        return {
            "steps": self.steps,
            "seed": self.seed,
            "sampling": self.sampling.name,
            "batch": self.sampling.batch,
            "estimator": self.estimator.describe(),
            "step_sizes": [stretch.describe() for stretch in self.step_sizes],
            "update": update | {"noise": self.update.noise, "noise_kind": self.update.noise_kind},
            "rules": [stopping.to_dict(rule) for rule in self.rules],
            "record": list(self.record.steps),
            "record_strides": self.record.strides,
            "mean": list(self.mean),
            "moments": list(self.moments.steps),
            "moment_strides": self.moments.strides,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of the plan by name.

        Returns
        -------
        dict of str to ndarray
            Without those that are absent or empty.
        """
        optional = {
            "indices": self.sampling.indices,
            "lower": self.update.lower,
            "upper": self.update.upper,
            "reference": self.reference,
        }
        named: dict[str, npt.NDArray[Any] | None] = {
            "run_numbers": self.run_numbers,
            **{f"step_sizes_{i}": stretch.values for i, stretch in enumerate(self.step_sizes)},
            **{f"steps_of_{name}": steps for name, steps in self.record.steps.items()},
            **{f"moments_of_{name}": steps for name, steps in self.moments.steps.items()},
            **optional,
        }
        return {name: array for name, array in named.items() if array is not None and array.size}

    @classmethod
    def restore(cls, description: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Plan:
        """Return the plan that `describe` and `arrays` hold.

        Returns
        -------
        Plan
            The same plan.
        """
        nothing = np.empty(0)
        stretches = enumerate(description["step_sizes"])
        update = dict(description["update"])
        hyper: tuple[float, float, float] = tuple(update.pop("hyper"))
        return cls(
            steps=description["steps"],
            run_numbers=arrays["run_numbers"],
            seed=description["seed"],
            sampling=Sampling(description["sampling"], description["batch"], arrays.get("indices")),
            step_sizes=tuple(StepSizes.restore(one, arrays.get(f"step_sizes_{i}", nothing)) for i, one in stretches),
            update=Update(**update, hyper=hyper, lower=arrays.get("lower"), upper=arrays.get("upper")),
            rules=tuple(stopping.from_dict(rule) for rule in description["rules"]),
            record=Recording(
                {name: arrays[f"steps_of_{name}"] for name in description["record"]}, description["record_strides"]
            ),
            mean=tuple(description["mean"]),
            moments=Recording(
                {name: arrays[f"moments_of_{name}"] for name in description["moments"]}, description["moment_strides"]
            ),
            estimator=Estimator.restore(description["estimator"]),
            reference=arrays.get("reference"),
        )
