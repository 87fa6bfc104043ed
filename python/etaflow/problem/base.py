"""A network, data and a loss: what an objective is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow import _core
from etaflow._checks import check_choice, check_nonnegative_number, check_positive_int
from etaflow.problem.network import MLP
from etaflow.problem.observations import check_loss, check_observations

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray

REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Problem:
    """The checked data of `Objective`, and its compiled counterpart: see there for the arguments and attributes."""

    net: MLP
    x: FloatArray
    y: FloatArray
    loss: str
    reduction: str
    l2: float
    threads: int

    def __init__(
        self,
        net: MLP,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        loss: str = "square",
        reduction: str = "mean",
        l2: float = 0.0,
        threads: int | None = None,
    ) -> None:
        if not isinstance(net, MLP):
            raise TypeError(f"net must be an MLP (got {net!r}, a {type(net).__name__})")
        known_loss = check_loss(loss, net)
        inputs, targets = check_observations(net, x, y, known_loss)
        self.__dict__.update(  # the dataclass is frozen
            net=net,
            x=inputs,
            y=targets,
            loss=known_loss,
            reduction=check_choice("reduction", reduction, REDUCTIONS),
            l2=check_nonnegative_number("l2", l2),
            threads=0 if threads is None else check_positive_int("threads", threads),
        )

    @property
    def n(self) -> int:
        """The number of observations."""
        return len(self.x)

    @property
    def num_params(self) -> int:
        """The number d of parameters."""
        return self.net.num_params

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of everything: float64 or float32."""
        return self.x.dtype

    @cached_property
    def core(self) -> Any:
        """The compiled objective: an `Objective64` or `Objective32` of `etaflow._core`."""
        kind: Any = _core.Objective64 if self.dtype == np.float64 else _core.Objective32
        return kind(self.net.core, self.x, self.y, self.loss, self.reduction == "mean", self.l2)

    def check_theta(self, theta: object) -> FloatArray:
        """Return `theta` as a C-contiguous array of shape (d,) or (runs, d) of the objective's dtype.

        Returns
        -------
        ndarray, shape (d,) or (runs, d)
            The same numbers.
        """
        return self.net.check_theta(theta, self.dtype)

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        digest.update(f"{self.net!r} {self.loss} {self.reduction} {self.l2!r} {self.dtype.str}".encode())
        for array in (self.x, self.y):
            digest.update(f"{array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """Return a hash of the network, the data and the loss: equal for the same problem, on every machine.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        return self._digest

    def _call(self, method: str, theta: npt.ArrayLike, *arguments: Any) -> FloatArray:
        parameters = self.check_theta(theta)
        result: FloatArray = getattr(self.core, method)(np.atleast_2d(parameters), *arguments, threads=self.threads)
        answer: FloatArray = result[0] if parameters.ndim == 1 else result
        return answer

    def __repr__(self) -> str:
        """Return the network, the number of observations and the options.

        Returns
        -------
        str
            One line.
        """
        options = f'loss="{self.loss}", reduction="{self.reduction}"'
        if self.l2:
            options += f", l2={self.l2:g}"
        return f"Objective({self.net!r}, n={self.n}, {options}, dtype={self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle makes the objective again: from its arguments, without the compiled objective.

        Returns
        -------
        tuple
            The function and its arguments.
        """
        options: dict[str, Any] = {
            "loss": self.loss,
            "reduction": self.reduction,
            "l2": self.l2,
            "threads": self.threads or None,
        }
        return partial(type(self), **options), (self.net, self.x, self.y)
