"""JAX: scans with hand-written backpropagation or `jax.grad`, ensembles by `vmap`, two Python threads for two cores."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from kit.race import Contender

from peers.with_numpy import flat

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.cases import Case

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
jax.devices()  # starts its threads now, on all CPUs

Array = Any
Layers = Any
_POOL = ThreadPoolExecutor(2)


def _activate(name: str, z: Array) -> Array:
    if name == "tanh":
        return jnp.tanh(z)
    return jax.nn.relu(z) if name == "relu" else jax.nn.leaky_relu(z, 0.1)


def _derivative(name: str, a: Array) -> Array:
    """Return the activation's derivative by its value."""
    if name == "tanh":
        return 1 - a * a
    return jnp.where(a > 0, 1, 0 if name == "relu" else 0.1).astype(a.dtype)


def _logits(case: Case, layers: Layers, x: Array) -> Array:
    for w, b in layers[:-1]:
        x = _activate(case.activation, x @ w.T + b)
    w, b = layers[-1]
    return x @ w.T + b


def _losses(case: Case, layers: Layers, x: Array, y: Array) -> Array:
    """Return the losses (n,) of a batch."""
    z = _logits(case, layers, x)
    if case.loss == "square":
        return ((z - y) ** 2).sum(axis=1)
    if case.loss == "log":
        return (jax.nn.softplus(z) - y * z)[:, 0]
    return jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y.astype(int), axis=1)[:, 0]


def _cost(case: Case, layers: Layers, x: Array, y: Array) -> Array:
    return _losses(case, layers, x, y).mean()


def _output_delta(case: Case, z: Array, y: Array) -> Array:
    if case.loss == "square":
        return 2 * (z - y)
    return jax.nn.sigmoid(z) - y


def _sample_step(case: Case, layers: Layers, x: Array, y: Array) -> Layers:
    """One SGD step on one sample, by hand."""
    inputs = [x]
    for w, b in layers[:-1]:
        inputs.append(_activate(case.activation, w @ inputs[-1] + b))
    w, b = layers[-1]
    delta = case.step_size * _output_delta(case, w @ inputs[-1] + b, y)
    new = []
    for (w, b), a in zip(reversed(layers), reversed(inputs), strict=True):
        new.append((w - jnp.outer(delta, a), b - delta))
        delta = (delta @ w) * _derivative(case.activation, a)
    return new[::-1]


def _automatic_step(case: Case, layers: Layers, x: Array, y: Array) -> Layers:
    """One SGD step on a batch, by `jax.grad`."""
    gradient = jax.grad(partial(_cost, case))(layers, x, y)
    return jax.tree.map(lambda p, g: p - case.step_size * g, layers, gradient)


def _data(case: Case) -> tuple[Array, Array, Layers]:
    return jnp.asarray(case.x), jnp.asarray(case.y), [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.layers()]


def _flat_runs(layers: Layers) -> Array:
    return np.concatenate([np.asarray(p).reshape(len(p), -1) for part in layers for p in part], axis=1)


def chain(case: Case, indices: Array, expected: Callable[[], Array], *, unroll: int, by_hand: bool) -> Contender:
    """One chain as an unrolled scan."""
    x, y, start = _data(case)
    index = jnp.asarray(indices[:, 0, 0])

    def step(layers: Layers, i: Array) -> tuple[Layers, None]:
        if by_hand:
            return _sample_step(case, layers, x[i], y[i]), None
        return _automatic_step(case, layers, x[i][None], y[i][None]), None

    run = jax.jit(lambda layers, index: lax.scan(step, layers, index, unroll=unroll)[0])
    how = f"scan unrolled by {unroll}, {'by hand' if by_hand else 'jax.grad'}"
    return Contender("JAX", how, lambda: jax.block_until_ready(run(start, index)), len(index), expected, flat)


def _sharded(run: Callable[[Layers, Array], Layers], start: Layers, index: Array, workers: int) -> Callable[[], Any]:
    """Return work on the second axis of `index` by so many Python threads, each with its part of the runs."""
    parts = [jnp.asarray(part) for part in np.split(index, workers, axis=1)]
    starts = [jax.tree.map(lambda p, part=part: jnp.stack([p] * part.shape[1]), start) for part in parts]

    def one(start: Layers, part: Array) -> Layers:
        return jax.block_until_ready(run(start, part))

    return lambda: list(_POOL.map(one, starts, parts))


def _shared(workers: int) -> str:
    return f", {workers} Python threads" if workers > 1 else ""


def _flat_shards(shards: list[Layers]) -> Array:
    return np.concatenate([_flat_runs(layers) for layers in shards])


def ensemble(
    case: Case, indices: Array, expected: Callable[[], Array], *, workers: int, by_hand: bool = True
) -> Contender:
    """Many chains as a scan over vmapped steps."""
    x, y, start = _data(case)

    def one(layers: Layers, i: Array) -> Layers:
        if by_hand:
            return _sample_step(case, layers, x[i], y[i])
        return _automatic_step(case, layers, x[i][None], y[i][None])

    steps = jax.vmap(one)
    run = jax.jit(lambda layers, index: lax.scan(lambda p, i: (steps(p, i), None), layers, index)[0])
    how = f"vmap of scan, {'by hand' if by_hand else 'jax.grad'}{_shared(workers)}"
    work = _sharded(run, start, indices[:, :, 0], workers)
    return Contender("JAX", how, work, indices.size, expected, _flat_shards)


def descents(case: Case, steps: int, runs: int, expected: Callable[[], Array], *, workers: int) -> Contender:
    """Gradient descent of many runs as a scan over vmapped steps."""
    x, y, start = _data(case)
    step = jax.vmap(lambda layers: _automatic_step(case, layers, x, y))
    run = jax.jit(lambda layers, index: lax.scan(lambda p, _: (step(p), None), layers, index)[0])
    how = f"vmap of scan{_shared(workers)}"
    work = _sharded(run, start, np.zeros((steps, runs), np.int32), workers)
    return Contender("JAX", how, work, steps * runs, expected, _flat_shards)


def gradient(case: Case, expected: Callable[[], Array], repeats: int = 50) -> Contender:
    """Full gradients inside one compiled function, as in an ODE solver."""
    x, y, start = _data(case)
    starts = jax.tree.map(lambda p: jnp.stack([p] * repeats), start)
    run = jax.jit(lambda many: lax.map(lambda layers: jax.grad(partial(_cost, case))(layers, x, y), many))

    def answer(many: Layers) -> Array:
        return _flat_runs(many)[-1]

    how = "jax.grad inside a compiled loop"
    return Contender("JAX", how, lambda: jax.block_until_ready(run(starts)), repeats, expected, answer)


def minibatch(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD with mini-batches as a scan."""
    x, y, start = _data(case)
    index = jnp.asarray(indices[:, 0])

    def step(layers: Layers, i: Array) -> tuple[Layers, None]:
        return _automatic_step(case, layers, x[i], y[i]), None

    run = jax.jit(lambda layers, index: lax.scan(step, layers, index)[0])
    return Contender("JAX", "scan", lambda: jax.block_until_ready(run(start, index)), len(index), expected, flat)


def monitored(case: Case, indices: Array, expected: Callable[[], Array], *, workers: int) -> Contender:
    """SGD with the squared norm of the full gradient before every step; one run after another in each Python thread."""
    x, y, start = _data(case)

    def step(state: tuple[Layers, Array], i: Array) -> Any:
        layers, total = state
        gradient = jax.grad(partial(_cost, case))(layers, x, y)
        norm2 = sum((g * g).sum() for g in jax.tree.leaves(gradient))
        return (_sample_step(case, layers, x[i], y[i]), total + norm2), None

    zero = jnp.zeros((), case.dtype)
    run = jax.jit(lambda layers, index: lax.scan(step, (layers, zero), index)[0])
    columns = [jnp.asarray(column) for column in indices[:, :, 0].T]

    def one(index: Array) -> Any:
        return jax.block_until_ready(run(start, index))

    def work() -> list[Any]:
        return list(_POOL.map(one, columns)) if workers > 1 else [one(index) for index in columns]

    def answer(ends: list[Any]) -> Array:
        return np.stack([np.append(flat(layers), float(total) / len(indices)) for layers, total in ends])

    return Contender("JAX", f"scan{_shared(workers)}", work, indices.size, expected, answer)


def _repeat(run: Callable[..., Any], arguments: tuple[Any, ...], repeats: int) -> Callable[[], Any]:
    def work() -> Any:
        result = None
        for _ in range(repeats):
            del result  # or two results share the cache
            result = jax.block_until_ready(run(*arguments))
        return result

    return work


def _sample_gradients(case: Case, layers: Layers, x: Array, y: Array, *, by_hand: bool) -> Array:
    if not by_hand:
        one = jax.grad(lambda layers, x, y: _cost(case, layers, x[None], y[None]))
        parts = jax.vmap(one, in_axes=(None, 0, 0))(layers, x, y)
        return jnp.concatenate([p.reshape(len(x), -1) for part in parts for p in part], axis=1)
    inputs = [x]
    for w, b in layers[:-1]:
        inputs.append(_activate(case.activation, inputs[-1] @ w.T + b))
    w, b = layers[-1]
    delta = _output_delta(case, inputs[-1] @ w.T + b, y)
    columns: list[Array] = []
    for (w, _), a in zip(reversed(layers), reversed(inputs), strict=True):
        columns = [(delta[:, :, None] * a[:, None, :]).reshape(len(x), -1), delta, *columns]
        delta = (delta @ w) * _derivative(case.activation, a)
    return jnp.concatenate(columns, axis=1)


def sample_gradients(case: Case, expected: Callable[[], Array], repeats: int, *, by_hand: bool) -> Contender:
    """Per-sample gradients."""
    x, y, start = _data(case)
    run = jax.jit(partial(_sample_gradients, case, by_hand=by_hand))
    how = "outer products by hand" if by_hand else "vmap of jax.grad"
    return Contender("JAX", how, _repeat(run, (start, x, y), repeats), repeats, expected)


def covariance(case: Case, expected: Callable[[], Array], repeats: int) -> Contender:
    """Covariance of the per-sample gradients."""
    x, y, start = _data(case)

    @jax.jit
    def run(layers: Layers, x: Array, y: Array) -> Array:
        g = _sample_gradients(case, layers, x, y, by_hand=True)
        g -= g.mean(axis=0)
        return g.T @ g / case.n

    return Contender("JAX", "by hand", _repeat(run, (start, x, y), repeats), repeats, expected)


def _flat_cost(case: Case) -> Callable[[Array], Array]:
    x, y, start = _data(case)
    shapes = [(w.shape, b.shape) for w, b in start]

    def cost(theta: Array) -> Array:
        layers, begin = [], 0
        for (rows, columns), _ in shapes:
            middle, end = begin + rows * columns, begin + rows * (columns + 1)
            layers.append((theta[begin:middle].reshape(rows, columns), theta[middle:end]))
            begin = end
        return _cost(case, layers, x, y)

    return cost


def hessian(case: Case, expected: Callable[[], Array], repeats: int, *, chunk: int | None) -> Contender:
    """Hessian by `jax.hessian`, or by Hessian-vector products, so many at a time."""
    cost = _flat_cost(case)
    d = case.theta0.size

    def columns(theta: Array) -> Array:
        product = jax.linearize(jax.grad(cost), theta)[1]
        return lax.map(product, jnp.eye(d, dtype=case.dtype), batch_size=chunk)

    run = jax.jit(jax.hessian(cost) if chunk is None else columns)
    how = "jax.hessian" if chunk is None else f"{chunk} Hessian-vector products at a time"
    return Contender("JAX", how, _repeat(run, (jnp.asarray(case.theta0),), repeats), repeats, expected)


def hessian_vector(case: Case, v: Array, expected: Callable[[], Array]) -> Contender:
    """Hessian-vector products for the rows of v, inside one compiled function."""
    gradient = jax.grad(_flat_cost(case))

    def product(pair: tuple[Array, Array]) -> Array:
        return jax.jvp(gradient, pair[:1], pair[1:])[1]

    run = jax.jit(lambda theta, many: lax.map(product, (theta, many)))
    theta = jnp.asarray(np.tile(case.theta0, (len(v), 1)))
    how = "jvp of jax.grad inside a compiled loop"
    return Contender("JAX", how, _repeat(run, (theta, jnp.asarray(v)), 1), len(v), expected)


def flow_diffrax(case: Case, t: float, rtol: float, atol: float) -> Contender:
    """The gradient flow by diffrax's Tsit5, whole solve jitted."""
    import diffrax  # noqa: PLC0415 - only this peer needs it

    cost = _flat_cost(case)
    term = diffrax.ODETerm(lambda _, theta, __: -jax.grad(cost)(theta))
    control = diffrax.PIDController(rtol=rtol, atol=atol)

    @jax.jit
    def solve(theta: Array) -> Array:
        solution = diffrax.diffeqsolve(
            term, diffrax.Tsit5(), 0.0, t, None, theta, stepsize_controller=control, max_steps=100_000
        )
        return solution.ys[-1]

    start = jnp.asarray(case.theta0)
    return Contender("JAX", "diffrax Tsit5", lambda: np.asarray(solve(start)), 1)


def flow_lsoda(case: Case, t: float, rtol: float, atol: float) -> Contender:
    """The gradient flow by LSODA of SciPy with a jitted gradient."""
    from scipy.integrate import odeint  # noqa: PLC0415 - only this peer needs it

    gradient = jax.jit(jax.grad(_flat_cost(case)))

    def slope(theta: Array, _: float) -> Array:
        return -np.asarray(gradient(theta))

    return Contender(
        "SciPy",
        "LSODA, gradient by JAX",
        lambda: odeint(slope, case.theta0, [0.0, t], rtol=rtol, atol=atol, mxstep=100_000)[-1],
        1,
    )
