"""The oracle: networks, losses and their derivatives in plain NumPy, slow and independent of the package.

Everything follows the definitions of the sources, with complex numbers where a derivative is wanted: the imaginary part
of f(θ + i·h·v)/h is the directional derivative up to rounding (the complex step has no cancellation, so h = 1e-30 does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etaflow import Objective

Array: TypeAlias = Any  # an ndarray of float64, complex128 or int64

STEP = 1e-30


def _where_positive(z: Array, positive: Array, otherwise: Array) -> Array:
    return np.where(z.real > 0, positive, otherwise)


def softplus(z: Array) -> Array:
    """log(1 + e^z), for complex arguments too."""
    small = np.exp(_where_positive(z, -z, z))
    return _where_positive(z, z, np.zeros_like(z)) + np.log1p(small)


def logistic(z: Array) -> Array:
    small = np.exp(_where_positive(z, -z, z))
    return _where_positive(z, 1 / (1 + small), small / (1 + small))


def normal_density(z: Array) -> Array:
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def normal_distribution(z: Array) -> Array:
    return special.ndtr(z) if z.dtype.kind == "f" else (1 + special.erf(z / np.sqrt(2))) / 2


# σ(z, parameter), analytic in z except at the kinks.
ACTIVATIONS: dict[str, Callable[[Array, float], Array]] = {
    "identity": lambda z, _: z,
    "logistic": lambda z, _: logistic(z),
    "tanh": lambda z, _: np.tanh(z),
    "arctan": lambda z, _: 2 / np.pi * np.arctan(z),
    "relu": lambda z, _: _where_positive(z, z, np.zeros_like(z)),
    "leaky_relu": lambda z, slope: _where_positive(z, z, slope * z),
    "softplus": lambda z, _: softplus(z),
    "gelu": lambda z, _: z * normal_distribution(z),
    "sin": lambda z, _: np.sin(z),
}

# σ'(z, parameter); at the kinks as the package documents it.
DERIVATIVES: dict[str, Callable[[Array, float], Array]] = {
    "identity": lambda z, _: np.ones_like(z),
    "logistic": lambda z, _: logistic(z) * logistic(-z),
    "tanh": lambda z, _: 1 / np.cosh(z) ** 2,
    "arctan": lambda z, _: 2 / np.pi / (1 + z * z),
    "relu": lambda z, at_zero: np.where(z == 0, at_zero, _where_positive(z, np.ones_like(z), np.zeros_like(z))),
    "leaky_relu": lambda z, slope: np.where(z == 0, 1, _where_positive(z, np.ones_like(z), np.full_like(z, slope))),
    "softplus": lambda z, _: logistic(z),
    "gelu": lambda z, _: normal_distribution(z) + z * normal_density(z),
    "sin": lambda z, _: np.cos(z),
}


@dataclass(frozen=True, eq=False)
class Oracle:
    """A problem by its definition: everything in float64 (or what θ is: complex, longdouble)."""

    widths: tuple[int, ...]
    activations: tuple[tuple[str, float], ...]  # one (name, parameter) per layer 1, …, L
    bias: bool
    loss: str
    x: Array  # (n, d_0)
    y: Array  # (n, d_L), softmax (n, 1)
    reduction: str = "mean"
    l2: float = 0.0

    @property
    def n(self) -> int:
        return len(self.x)

    @property
    def num_params(self) -> int:
        pairs = zip(self.widths[1:], self.widths[:-1], strict=True)
        return sum(rows * columns + rows * self.bias for rows, columns in pairs)

    def layers(self, theta: Array) -> list[tuple[Array, Array]]:
        found, start = [], 0
        for rows, columns in zip(self.widths[1:], self.widths[:-1], strict=True):
            weights = theta[start : start + rows * columns].reshape(rows, columns)
            start += rows * columns
            biases = theta[start : start + rows] if self.bias else np.zeros(rows, theta.dtype)
            start += rows * self.bias
            found.append((weights, biases))
        return found

    def forward(self, theta: Array, x: Array | None = None) -> tuple[list[Array], list[Array]]:
        """z and x of layers 1, …, L and 0, …, L; each (n, d_ℓ)."""
        z: list[Array] = []
        outputs = [(self.x if x is None else x).astype(np.result_type(theta.dtype, np.float64))]
        for (weights, biases), (name, parameter) in zip(self.layers(theta), self.activations, strict=True):
            z.append(outputs[-1] @ weights.T + biases)
            outputs.append(ACTIVATIONS[name](z[-1], parameter))
        return z, outputs

    def predict(self, theta: Array, x: Array | None = None) -> Array:
        return self.forward(theta, x)[1][-1]

    def losses(self, theta: Array) -> Array:
        z, outputs = self.forward(theta)
        if self.loss == "square":
            return np.sum((outputs[-1] - self.y) ** 2, axis=1)
        if self.loss == "log":
            return np.sum(softplus((1 - 2 * self.y) * z[-1]), axis=1)
        logits = z[-1] - z[-1].real.max(axis=1, keepdims=True)
        chosen = logits[np.arange(self.n), self.y[:, 0].astype(int)]
        return np.log(np.sum(np.exp(logits), axis=1)) - chosen

    def value(self, theta: Array) -> Any:
        losses = self.losses(theta)
        total = losses.mean() if self.reduction == "mean" else losses.sum()
        return total + self.l2 * np.sum(theta * theta)

    def accuracy(self, theta: Array) -> float:
        z, outputs = self.forward(theta)
        if self.loss == "log":
            return float(np.mean(np.all((z[-1] >= 0) == (self.y == 1), axis=1)))
        if self.loss == "softmax":
            return float(np.mean(z[-1].argmax(axis=1) == self.y[:, 0]))
        if self.widths[-1] > 1:
            return float(np.mean(outputs[-1].argmax(axis=1) == self.y.argmax(axis=1)))
        midpoint = (self.y.min() + self.y.max()) / 2
        return float(np.mean((outputs[-1] >= midpoint) == (self.y >= midpoint)))

    def derivative(self, layer: int, z: Array) -> Array:
        name, parameter = self.activations[layer]
        return DERIVATIVES[name](z, parameter)

    def deltas(self, theta: Array) -> tuple[list[Array], list[Array], list[Array]]:
        """z, x and δ of Algorithm 1, for all observations at once."""
        z, outputs = self.forward(theta)
        if self.loss == "square":
            delta = 2 * (outputs[-1] - self.y) * self.derivative(-1, z[-1])
        elif self.loss == "log":
            sign = 1 - 2 * self.y
            delta = sign * logistic(sign * z[-1])
        else:
            exponentials = np.exp(z[-1] - z[-1].real.max(axis=1, keepdims=True))
            delta = exponentials / exponentials.sum(axis=1, keepdims=True)
            delta[np.arange(self.n), self.y[:, 0].astype(int)] -= 1
        found = [delta]
        for layer in range(len(self.widths) - 2, 0, -1):
            weights = self.layers(theta)[layer][0]
            found.insert(0, found[0] @ weights * self.derivative(layer - 1, z[layer - 1]))
        return z, outputs, found

    def sample_gradients(self, theta: Array) -> Array:
        """∇L_i(θ), (n, d), by backpropagation."""
        _, outputs, deltas = self.deltas(theta)
        parts = []
        for inputs, delta in zip(outputs[:-1], deltas, strict=True):
            parts.append(np.einsum("ni,nj->nij", delta, inputs).reshape(self.n, -1))
            if self.bias:
                parts.append(delta)
        return np.concatenate(parts, axis=1)

    def gradient(self, theta: Array) -> Array:
        gradients = self.sample_gradients(theta)
        total = gradients.mean(axis=0) if self.reduction == "mean" else gradients.sum(axis=0)
        return total + 2 * self.l2 * theta

    def gradient_by_complex_step(self, theta: Array) -> Array:
        """∇f(θ) without backpropagation."""
        steps = 1j * STEP * np.eye(len(theta))
        return np.array([self.value(theta + step).imag / STEP for step in steps])

    def hessian(self, theta: Array) -> Array:
        """∇²f(θ) by a complex step of the gradient."""
        steps = 1j * STEP * np.eye(len(theta))
        return np.array([self.gradient(theta + step).imag / STEP for step in steps])

    def covariance(self, theta: Array) -> Array:
        return np.cov(self.sample_gradients(theta), rowvar=False, bias=True).reshape(len(theta), len(theta))

    def gauss_newton(self, theta: Array) -> Array:
        """The reduction of J_iᵀ H_i J_i, J_i the complex-step Jacobian of the outputs (logits for log and softmax)."""
        logits = self.loss in {"log", "softmax"}
        steps = 1j * STEP * np.eye(len(theta))
        columns = [self.forward(theta + step)[0 if logits else 1][-1].imag / STEP for step in steps]
        jacobian = np.stack(columns, axis=-1)  # (n, d_L, d)
        z = self.forward(theta)[0][-1]
        if self.loss == "square":
            inner = np.broadcast_to(2 * np.eye(z.shape[1]), (self.n, z.shape[1], z.shape[1]))
        elif self.loss == "log":
            inner = np.einsum("nk,kl->nkl", logistic(z) * logistic(-z), np.eye(z.shape[1]))
        else:
            p = special.softmax(z, axis=1)
            inner = np.einsum("nk,kl->nkl", p, np.eye(z.shape[1])) - np.einsum("nk,nl->nkl", p, p)
        total = np.einsum("nki,nkl,nlj->ij", jacobian, inner, jacobian)
        return (total / self.n if self.reduction == "mean" else total) + 2 * self.l2 * np.eye(len(theta))

    def batch(self, indices: Array) -> Oracle:
        """The same problem on some of the observations."""
        data = {"x": self.x[indices], "y": self.y[indices]}
        return Oracle(self.widths, self.activations, self.bias, self.loss, **data, reduction="mean", l2=0.0)

    def batch_gradient(self, theta: Array, indices: Array) -> Array:
        """The unbiased estimate of ∇f(θ) from a batch."""
        scale = 1 if self.reduction == "mean" else self.n
        return scale * self.batch(indices).gradient(theta) + 2 * self.l2 * theta

    def batch_value(self, theta: Array, indices: Array) -> float:
        scale = 1 if self.reduction == "mean" else self.n
        return float(scale * self.batch(indices).value(theta) + self.l2 * np.sum(theta * theta))


def oracle_of(objective: Objective) -> Oracle:
    """The oracle of a package's objective: its data in float64."""
    return Oracle(
        objective.net.widths,
        tuple((a.name, a.parameter) for a in objective.net.activations),
        objective.net.bias,
        objective.loss,
        objective.x.astype(np.float64),
        objective.y.astype(np.float64),
        objective.reduction,
        objective.l2,
    )


def philox(seed: int, run: int, stream: int, epoch: int, count: int) -> list[int]:
    """The first words of a stream of a run, as Python integers."""
    generator = np.random.Philox(
        key=np.array([seed, run], np.uint64), counter=np.array([0, stream, epoch, 0], np.uint64)
    )
    return [int(word) for word in np.atleast_1d(generator.random_raw(count))]


def sample_indices(n: int, batch: int, sampling: str, seed: int, run: int, steps: int) -> Array:
    """The indices (steps, batch) of steps 1, …, `steps`, from NumPy's Philox and exact integers."""
    draws = steps * batch
    if sampling in {"shuffle_once", "reshuffle"}:
        epochs = [_permutation(n, seed, run, e if sampling == "reshuffle" else 0) for e in range(-(-draws // n))]
        return np.concatenate(epochs)[:draws].reshape(steps, batch)
    words = philox(seed, run, 0, 0, draws)
    if sampling == "iid":
        return np.array([word * n >> 64 for word in words]).reshape(steps, batch)
    assert sampling == "without_replacement", sampling
    rows = []
    for step in range(steps):
        order = list(range(n))
        for j in range(batch):
            r = j + (words[step * batch + j] * (n - j) >> 64)
            order[j], order[r] = order[r], order[j]
        rows.append(order[:batch])
    return np.array(rows)


def _permutation(n: int, seed: int, run: int, epoch: int) -> Array:
    order = list(range(n))
    words = philox(seed, run, 2, epoch, max(n - 1, 1))
    for j in range(n - 1):
        r = j + (words[j] * (n - j) >> 64)
        order[j], order[r] = order[r], order[j]
    return np.array(order)


@dataclass
class Rule:
    """A stopping or step-size rule with Keras' bookkeeping; `kind` is stop, scale, below or above."""

    kind: str
    monitor: str = "loss"
    start: int = 0
    every: int = 1
    patience: int = 1
    min_delta: float = 0.0
    cooldown: int = 0
    factor: float = 0.5
    threshold: float = 0.0
    best: float = np.inf
    wait: int = 0
    rest: int = 0

    def is_due(self, k: int) -> bool:
        return k > self.start and (k - self.start - 1) % self.every == 0

    def evaluate(self, value: float) -> str | None:
        """What to do: None, "stop" or "scale"."""
        if self.kind in {"below", "above"}:
            hit = value <= self.threshold if self.kind == "below" else value >= self.threshold
            return "stop" if hit else None
        if self.rest > 0:
            self.rest -= 1
            self.wait = 0
        if value < self.best - self.min_delta:
            self.best, self.wait = value, 0
        elif self.rest == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self.wait, self.rest = 0, self.cooldown
                return self.kind
        return None


@dataclass
class Optimizer:
    """PyTorch's formulas; hyper is (momentum, beta1 or rho; beta2; eps)."""

    name: str
    hyper: tuple[float, float, float]
    first: Any = 0.0
    second: Any = 0.0

    def update(self, g: Array, step_size: float, k: int) -> Array:
        """What is subtracted from θ at step k."""
        return step_size * self.direction(g, k)

    def direction(self, g: Array, k: int) -> Array:
        mu, beta2, eps = self.hyper
        if self.name == "sgd":
            return g
        if self.name in {"heavy_ball", "nesterov"}:
            self.first = mu * self.first + g
            return self.first if self.name == "heavy_ball" else g + mu * self.first
        if self.name in {"adagrad", "rmsprop"}:
            self.second = self.second + g * g if self.name == "adagrad" else mu * self.second + (1 - mu) * g * g
            return g / (np.sqrt(self.second) + eps)
        assert self.name == "adam", self.name
        self.first = mu * self.first + (1 - mu) * g
        self.second = beta2 * self.second + (1 - beta2) * g * g
        return self.first / (1 - mu**k) / (np.sqrt(self.second / (1 - beta2**k)) + eps)


@dataclass
class Descent:
    """One run: everything at θ_1, …, in the order of the steps."""

    theta: Array  # (steps done + 1, d)
    losses: Array  # f at each of them
    batch_losses: Array  # (steps done,) of the batch of each step, before the step
    step_sizes: Array  # (steps done,)
    status: str  # finished, diverged or stopped


def descend(
    problem: Oracle,
    theta0: Array,
    *,
    steps: int,
    step_size: float | Sequence[float] | Array,
    batch: int | None = None,
    sampling: str = "iid",
    indices: Array | None = None,
    seed: int = 0,
    run: int = 0,
    optimizer: str = "sgd",
    hyper: tuple[float, float, float] = (0.0, 0.0, 0.0),
    lower: Array | float = -np.inf,
    upper: Array | float = np.inf,
    rules: Sequence[Rule] = (),
    validation: Oracle | None = None,
) -> Descent:
    """One run of a slow loop in float64; `batch=None` is the whole set, `indices` (steps, batch) explicit batches."""
    everything = np.arange(problem.n)
    if indices is None and batch is not None:
        indices = sample_indices(problem.n, batch, sampling, seed, run, steps)
    sizes = np.broadcast_to(np.asarray(step_size, float), (steps,))
    method, scale, status = Optimizer(optimizer, hyper), 1.0, "finished"
    theta = np.array(theta0, float)
    path, batch_losses, used = [theta], [], []
    for k in range(1, steps + 1):
        actions = [rule.evaluate(monitor(problem, theta, rule.monitor, validation)) for rule in rules if rule.is_due(k)]
        due = [rule for rule in rules if rule.is_due(k)]
        for rule, action in zip(due, actions, strict=True):
            scale *= rule.factor if action == "scale" else 1.0
        if "stop" in actions:
            status = "stopped"
            break
        chosen = everything if indices is None else indices[k - 1]
        batch_loss = problem.batch_value(theta, chosen)
        with np.errstate(over="ignore", invalid="ignore"):
            update = method.update(problem.batch_gradient(theta, chosen), sizes[k - 1] * scale, k)
            proposal = np.clip(theta - update, lower, upper)
        if not np.isfinite(proposal).all():
            status = "diverged"
            break
        theta = proposal
        path.append(theta)
        batch_losses.append(batch_loss)
        used.append(sizes[k - 1] * scale)
    values = np.array([problem.value(point) for point in path])
    return Descent(np.array(path), values, np.array(batch_losses), np.array(used), status)


def monitor(problem: Oracle, theta: Array, quantity: str, validation: Oracle | None = None) -> float:
    """A quantity that a rule watches, or that is recorded, at θ."""
    match quantity:
        case "loss":
            return float(problem.value(theta))
        case "grad_norm2":
            return float(np.sum(problem.gradient(theta) ** 2))
        case "accuracy":
            return problem.accuracy(theta)
        case "validation_loss":
            assert validation is not None
            return float(validation.value(theta))
        case "rayleigh":
            g = problem.gradient(theta)
            return float(g @ problem.hessian(theta) @ g / (g @ g))
    raise KeyError(quantity)
