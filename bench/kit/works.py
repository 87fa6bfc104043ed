"""Every piece of work that is timed, with its goal, as data.

The goals were set on two cores of a Zen 5 server CPU with AVX-512 (3.7 GHz); on another machine they are only a scale.
`at_least` are goals for the ratio to the best variant of a tool in the same run, which carry over better.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: How a time in seconds per unit of work is shown: factor, and whether the shown number is a rate (more is better).
UNITS = {
    "ns": (1e9, False),
    "µs": (1e6, False),
    "ms": (1e3, False),
    "s": (1.0, False),
    "h": (1 / 3600, False),
    "M/s": (1e6, True),
}


@dataclass(frozen=True)
class Work:
    """One piece of work.

    Attributes
    ----------
    group : str
        The file of results that it belongs to.
    title : str
        What is computed, as the table shows it.
    unit : str
        One of `UNITS`: time per step, gradient, …; or run-steps per second.
    threads : int
        How many threads everybody may use; one thread is one CPU.
    dtype : str
        The dtype of everybody's numbers.
    goal : float or None
        In `unit`.
    at_least : dict of str to float
        The ratio of a tool's time to ours that is the goal.
    alone : str
        The key of the same work on one thread.
    """

    group: str
    title: str
    unit: str
    threads: int = 1
    dtype: str = "float64"
    goal: float | None = None
    at_least: dict[str, float] = field(default_factory=dict)
    alone: str = ""

    def shown(self, seconds: float) -> float:
        """Return a time per unit of work in the unit of the table."""
        factor, is_rate = UNITS[self.unit]
        return 1 / (seconds * factor) if is_rate else seconds * factor

    def score(self, seconds: float) -> float | None:
        """Return by which factor the goal is reached: 1 or more is reached, below 1/2 is missed by more than two."""
        if self.goal is None:
            return None
        shown = self.shown(seconds)
        return shown / self.goal if UNITS[self.unit][1] else self.goal / shown


_ENSEMBLE = {"JAX": 6.0, "PyTorch": 40.0, "Numba": 3.5}

WORKS = {
    "chain": Work("chain", "one SGD chain, 10-10-1 tanh, batch 1", "ns", goal=60, at_least={"Numba": 3, "JAX": 5}),
    "ensemble": Work(
        "ensemble",
        "256 SGD runs, 10-10-1 tanh, batch 1",
        "M/s",
        threads=2,
        goal=120,
        at_least=_ENSEMBLE,
        alone="ensemble-1",
    ),
    "ensemble-float32": Work(
        "ensemble",
        "256 SGD runs, 10-10-1 tanh, batch 1",
        "M/s",
        threads=2,
        dtype="float32",
        goal=240,
        alone="ensemble-1-float32",
    ),
    "ensemble-1": Work("ensemble", "256 SGD runs, 10-10-1 tanh, batch 1", "M/s"),
    "ensemble-1-float32": Work("ensemble", "256 SGD runs, 10-10-1 tanh, batch 1", "M/s", dtype="float32"),
    "ensemble-deep": Work("ensemble", "256 SGD runs, 196-10-10-10-1 ReLU, batch 1", "M/s", threads=2, goal=8),
    "ensemble-deep-float32": Work(
        "ensemble", "256 SGD runs, 196-10-10-10-1 ReLU, batch 1", "M/s", threads=2, dtype="float32"
    ),
    "gradient-descent": Work(
        "gradient_descent", "50 gradient-descent runs, 2-50-1 leaky ReLU, log loss, n = 100", "M/s", threads=2, goal=1.5
    ),
    "gradient": Work("full_gradient", "full gradient, 10-10-1 tanh, n = 500", "µs", goal=5.5),
    "gradient-deep-1": Work("full_gradient", "full gradient, 196-10-10-10-1 ReLU, n = 1 000", "µs", goal=120),
    "gradient-deep": Work(
        "full_gradient",
        "full gradient, 196-10-10-10-1 ReLU, n = 1 000",
        "µs",
        threads=2,
        goal=65,
        alone="gradient-deep-1",
    ),
    "monitored": Work("monitored", "SGD with the full gradient after every step, n = 1 000", "µs", threads=2, goal=70),
    "monitored-float32": Work(
        "monitored", "SGD with the full gradient after every step, n = 1 000", "µs", threads=2, dtype="float32", goal=36
    ),
    "monitored-20": Work("monitored", "the same, 20 runs side by side, per run and step", "µs", threads=2, goal=70),
    "monitored-20-float32": Work(
        "monitored", "the same, 20 runs side by side, per run and step", "µs", threads=2, dtype="float32", goal=36
    ),
    "paper": Work(
        "monitored", "experiment 5.3 in full, n = 12 049, 12 million steps, from a slice", "h", threads=2, goal=4.5
    ),
    "paper-float32": Work(
        "monitored",
        "experiment 5.3 in full, n = 12 049, 12 million steps, from a slice",
        "h",
        threads=2,
        dtype="float32",
        goal=2.5,
    ),
    "minibatch-1": Work("minibatch", "training step, 784-256-10 ReLU, batch 128", "µs", dtype="float32", goal=520),
    "minibatch": Work(
        "minibatch",
        "training step, 784-256-10 ReLU, batch 128",
        "µs",
        threads=2,
        dtype="float32",
        goal=290,
        at_least={"PyTorch": 1},
        alone="minibatch-1",
    ),
    "sample-gradients": Work("sample_gradients", "per-sample gradients, d = 121, n = 500", "µs", threads=2, goal=25),
    "sample-gradients-deep": Work(
        "sample_gradients", "per-sample gradients, d = 2 201, n = 1 000", "µs", threads=2, goal=250
    ),
    "covariance": Work("sample_gradients", "R(θ) from θ, d = 121, n = 500", "µs", threads=2, goal=110),
    "covariance-deep": Work("sample_gradients", "R(θ) from θ, d = 2 201, n = 1 000", "ms", threads=2, goal=35),
    "hessian": Work("curvature", "Hessian, d = 121, n = 500", "µs", goal=130),
    "hessian-2": Work("curvature", "Hessian, d = 121, n = 500", "µs", threads=2, at_least={"JAX": 10}, alone="hessian"),
    "hessian-deep": Work("curvature", "Hessian, d = 2 201, n = 1 000", "ms", threads=2, goal=45),
    "hessian-vector": Work("curvature", "Hessian times vector, d = 121, n = 500", "µs", goal=15),
    "hessian-vector-deep": Work("curvature", "Hessian times vector, d = 2 201, n = 1 000", "µs", goal=330),
    "flow": Work(
        "flow",
        "gradient flow, 10-10-1 tanh, n = 500, t = 100, rtol = atol = 1e-6",
        "ms",
        goal=2.5,
        at_least={"JAX": 5, "SciPy": 5},
    ),
    "flow-covariance": Work(
        "flow",
        "the same flow and the covariance Σ(t) of SGD around it at 20 times",
        "ms",
        at_least={"etaflow": 1 / 30},
    ),
    "tracking": Work(
        "flow", "4 096 SGD runs, distance to the flow after every step", "M/s", threads=2, at_least={"etaflow": 1 / 1.5}
    ),
    "tracking-float32": Work(
        "flow",
        "4 096 SGD runs, distance to the flow after every step",
        "M/s",
        threads=2,
        dtype="float32",
        at_least={"etaflow": 1 / 1.5},
    ),
    "import": Work("startup", "import etaflow and its main names, NumPy included", "s", goal=0.15),
    "call": Work("startup", "Python's part of a call of descend for 1 000 steps, 10-10-1", "ms", goal=0.2),
    "gradient-call": Work("startup", "Python's part of a call of gradient, 10-10-1", "µs"),
}
