"""The table of small problems that every test of a promise walks through.

It covers every activation × loss × depth × dtype, every remainder of the number of observations around the SIMD lanes
(2 to 16) and panels (256), and the shapes around the tiles of the kernels.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import etaflow as ef
from reference import Oracle, oracle_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etaflow.problem.activations import ActivationSpec

REMAINDERS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 255, 256, 257, 511, 513, 520)
HIDDEN: tuple[Any, ...] = (
    "identity",
    "logistic",
    "tanh",
    "arctan",
    "relu",
    ("relu", {"at_zero": 0}),
    "leaky_relu",
    ("leaky_relu", 0.01),
    "softplus",
    "gelu",
    "sin",
)
LOSSES = ("square", "log", "softmax")
OUTPUTS = {"square": ("identity", 2), "log": ("logistic", 1), "softmax": ("identity", 3)}
DTYPES = ("float64", "float32")
SMOOTH_LIMIT = 130  # parameters, up to which d × d matrices are compared


@dataclass(frozen=True)
class Case:
    """A problem made from its name: the data and the parameters are random, but always the same."""

    widths: tuple[int, ...]
    n: int
    activation: Any = "tanh"
    output: ActivationSpec = "identity"
    loss: str = "square"
    bias: bool = True
    reduction: str = "mean"
    l2: float = 0.0
    dtype: str = "float64"

    @cached_property
    def name(self) -> str:
        hidden = self.activation if isinstance(self.activation, str) else repr(self.activation)
        shape = "-".join(map(str, self.widths))
        extras = [self.reduction] * (self.reduction == "sum") + ["no-bias"] * (not self.bias)
        extras += [f"l2={self.l2}"] * (self.l2 > 0)
        return " ".join([shape, hidden, str(self.output), self.loss, f"n={self.n}", self.dtype, *extras])

    @property
    def generator(self) -> np.random.Generator:
        # The same data for both dtypes.
        return np.random.default_rng(zlib.crc32(self.name.replace("float32", "float64").encode()))

    @cached_property
    def net(self) -> ef.MLP:
        return ef.MLP(self.widths, activation=self.activation, output=self.output, bias=self.bias)

    @cached_property
    def objective(self) -> ef.Objective:
        return self.with_threads(None)

    def with_threads(self, threads: int | None) -> ef.Objective:
        generator = self.generator
        x = generator.normal(size=(self.n, self.widths[0]))
        if self.loss == "log":
            y = generator.integers(0, 2, size=(self.n, self.widths[-1])).astype(float)
        elif self.loss == "softmax":
            y = generator.integers(0, self.widths[-1], size=self.n).astype(float)
        else:
            y = generator.normal(size=(self.n, self.widths[-1]))
        data = x.astype(self.dtype), y.astype(self.dtype)
        return ef.Objective(self.net, *data, loss=self.loss, reduction=self.reduction, l2=self.l2, threads=threads)

    @cached_property
    def oracle(self) -> Oracle:
        return oracle_of(self.objective)

    def theta(self, runs: int | None = None) -> NDArray[Any]:
        """Parameters of order 1/√fan_in, so that no activation saturates."""
        scale = np.concatenate([
            np.full(rows * (columns + self.bias), 1 / np.sqrt(columns)) for rows, columns in self.net.shapes
        ])
        size = self.net.num_params if runs is None else (runs, self.net.num_params)
        return (scale * self.generator.normal(size=size)).astype(self.dtype)

    @property
    def eps(self) -> float:
        return float(np.finfo(self.dtype).eps)

    @property
    def tolerance(self) -> float:
        """Relative, of norms: 1e-12 in float64 is the package's promise; in float32 64 units of rounding."""
        return 1e-12 if self.dtype == "float64" else 64 * self.eps


def _of_loss(loss: str, hidden: tuple[int, ...], **options: Any) -> Case:
    output, outputs = OUTPUTS[loss]
    return Case((3, *hidden, outputs), output=output, loss=loss, **options)


def _activation_cases() -> list[Case]:
    hidden_widths = ((), (5,), (4, 3), (3, 5, 2))
    cases: list[Case] = []
    for loss in LOSSES:
        for hidden in hidden_widths:
            for activation in HIDDEN if hidden else ("tanh",):
                for dtype in DTYPES:
                    n = (5, 13, 22, 19, 33)[len(cases) % 5]
                    cases.append(_of_loss(loss, hidden, n=n, activation=activation, dtype=dtype))
    return cases


def _remainder_cases() -> list[Case]:
    cases = []
    for n in REMAINDERS:
        for dtype in DTYPES:
            cases.extend([
                Case((2, 3, 1), n=n, dtype=dtype),
                Case((3, 4, 1), n=n, activation="relu", output="logistic", loss="log", dtype=dtype),
            ])
        cases.append(Case((4, 3, 3), n=n, activation="gelu", loss="softmax"))
    return cases


def _shape_cases() -> list[Case]:
    tiles = [Case((k, k + 1, 1 + k % 3), n=11, dtype=dtype) for k in range(1, 18) for dtype in DTYPES]
    outputs = [Case((2, 3, 2), n=10, output=name, dtype=dtype) for name in HIDDEN for dtype in DTYPES]
    perceptrons = [Case((4, 1), n=9, output=name) for name in HIDDEN]
    others = [
        Case((3, 4, 2), n=21, output="logistic", loss="log"),  # several outputs
        Case((3, 4, 3, 2), n=21, activation=["tanh", "relu"]),  # mixed activations
        Case((2, 3, 4, 2, 1), n=21, activation=["sin", ("leaky_relu", 0.3), "softplus"], output="tanh"),
        Case((3, 4, 2), n=21, bias=False),
        Case((3, 4, 3), n=21, bias=False, loss="softmax", activation="arctan"),
        Case((4, 1), n=21, bias=False, output="logistic", loss="log"),
        Case((3, 4, 2), n=21, reduction="sum"),
        Case((3, 4, 2), n=21, l2=0.1),
        Case((3, 4, 3), n=21, loss="softmax", reduction="sum", l2=0.02),
        Case((1, 1), n=1),
        Case((1, 1, 1), n=2, bias=False),
        Case((2, 2, 2, 2, 2, 2, 2), n=12),
    ]
    return [*tiles, *outputs, *perceptrons, *others]


def _large_cases() -> list[Case]:
    cases: list[Case] = []
    for dtype in DTYPES:
        cases.extend([
            # wide
            Case((130, 70, 3), n=37, dtype=dtype),
            Case((130, 70, 3), n=300, activation="relu", loss="softmax", dtype=dtype),
            Case((5, 70, 65, 1), n=129, activation="logistic", output="logistic", loss="log", dtype=dtype),
            Case((196, 10, 10, 10, 1), n=70, activation="relu", output="logistic", loss="log", dtype=dtype),
            # more than 16 panels of 256 observations; the second is work enough for several threads
            Case((2, 3, 1), n=4096, dtype=dtype),
            Case((10, 10, 1), n=9001, activation="arctan", dtype=dtype),
            Case((4, 3, 3), n=4100, activation="relu", loss="softmax", reduction="sum", dtype=dtype),
        ])
    return cases


def _huge_cases() -> list[Case]:
    cases: list[Case] = []
    for dtype in DTYPES:
        cases.extend([
            # a gradient too large for every thread to have its own, in one wave of panels and in two
            Case((130, 300, 100, 2), n=300, activation="relu", l2=0.01, dtype=dtype),
            Case((20, 500, 130, 3), n=4000, loss="softmax", dtype=dtype),
            # inputs too large to be read in two layouts
            Case((196, 10, 1), n=6600, dtype=dtype),
        ])
    return cases


SMALL = [*_activation_cases(), *_remainder_cases(), *_shape_cases()]
LARGE = _large_cases()
CASES = [*SMALL, *LARGE]
HUGE = _huge_cases()  # n × d numbers would fill the memory
# Where d × d matrices are compared with complex steps.
CURVED = [case for case in SMALL if case.net.num_params <= SMOOTH_LIMIT and case.n <= 65]
# A short list, for tests of what does not depend on the details.
FEW = [SMALL[0], *SMALL[7::61], *LARGE[::3]]


def relative_error(got: Any, expected: Any, scale: float = 0.0) -> float:
    """‖got − expected‖/max(‖expected‖, scale)."""
    difference = float(np.linalg.norm(np.asarray(got, float) - expected))
    return difference / max(float(np.linalg.norm(expected)), scale, 1e-300)
