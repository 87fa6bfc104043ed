"""PyTorch: by hand with `baddbmm`, by autograd, by `torch.func`, and compiled."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from kit.race import Contender

from peers.pytorch_derivatives import covariance, gradient, hessian, hessian_vector, sample_gradients
from peers.pytorch_network import (
    Array,
    Layers,
    Tensor,
    activate,
    chain_rule,
    cost,
    flat,
    gradient_by_hand,
    layers_of,
    tensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.cases import Case

__all__ = [
    "chain_compiled",
    "chain_eager",
    "covariance",
    "descents",
    "ensemble_bmm",
    "ensemble_compiled",
    "ensemble_func",
    "gradient",
    "hessian",
    "hessian_vector",
    "minibatch",
    "monitored",
    "sample_gradients",
]


def chain_eager(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD with batch 1 as everybody writes it: a module's loss, backward, an optimizer's step."""
    x, y = tensors(case)
    index = indices[:, 0, 0].tolist()

    def work() -> Layers:
        layers = [(w.requires_grad_(), b.requires_grad_()) for w, b in layers_of(case)]
        optimizer = torch.optim.SGD([p for part in layers for p in part], lr=case.step_size)
        for i in index:
            optimizer.zero_grad()
            cost(case, layers, x[i : i + 1], y[i : i + 1]).backward()
            optimizer.step()
        return layers

    return Contender("PyTorch", "eager", work, len(index), expected, flat)


def chain_compiled(case: Case, indices: Array, expected: Callable[[], Array], *, unroll: int = 16) -> Contender:
    """SGD with batch 1 on one hidden layer of tanh, by hand, so many steps in one compiled function."""
    x, y = tensors(case)
    index = torch.from_numpy(indices[:, 0, 0]).split(unroll)
    rate = 2 * case.step_size

    def steps(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, rows: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        for k in range(unroll):
            h = torch.tanh((w1 * rows[k]).sum(dim=1) + b1)
            e = rate * ((w2 * h).sum() + b2 - targets[k])
            delta = e * w2 * (1 - h * h)
            w1, b1, w2, b2 = w1 - delta[:, None] * rows[k], b1 - delta, w2 - e * h, b2 - e
        return w1, b1, w2, b2

    compiled = torch.compile(steps)

    @torch.no_grad()
    def work() -> Layers:
        (w1, b1), (w2, b2) = layers_of(case)
        w2 = w2[0]
        for i in index:
            w1, b1, w2, b2 = compiled(w1, b1, w2, b2, x[i], y[i, 0])
        return [(w1, b1), (w2, b2)]

    return Contender("PyTorch", f"by hand, {unroll} steps compiled", work, indices.size, expected, flat)


def ensemble_bmm(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """Many chains on one hidden layer of tanh, by hand with `baddbmm`, in place."""
    x, y = tensors(case)
    index = torch.from_numpy(indices[:, :, 0])
    runs, rate = index.shape[1], 2 * case.step_size

    @torch.no_grad()
    def work() -> Tensor:
        (w1, b1), (w2, b2) = [(w.repeat(runs, 1, 1), b[:, None].repeat(runs, 1, 1)) for w, b in layers_of(case)]
        for i in index:
            rows = x[i].unsqueeze(2)
            h = torch.baddbmm(b1, w1, rows).tanh_()
            e = torch.baddbmm(b2, w2, h).sub_(y[i].unsqueeze(2)).mul_(rate)
            delta = torch.mul(h, h).neg_().add_(1).mul_(w2.transpose(1, 2)).mul_(e)
            w2.baddbmm_(e, h.transpose(1, 2), alpha=-1)
            b2.sub_(e)
            w1.baddbmm_(delta, rows.transpose(1, 2), alpha=-1)
            b1.sub_(delta)
        return torch.cat([p.reshape(runs, -1) for p in (w1, b1, w2, b2)], dim=1)

    return Contender("PyTorch", "bmm by hand", work, indices.size, expected, lambda theta: theta.numpy())


def ensemble_compiled(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """Many chains on one hidden layer of tanh, runs on the last axis, a compiled step."""
    x, y = tensors(case)
    index = torch.from_numpy(indices[:, :, 0])
    runs, rate = index.shape[1], 2 * case.step_size

    def step(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, rows: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        h = torch.tanh((w1 * rows).sum(dim=1) + b1)
        e = rate * ((w2 * h).sum(dim=0) + b2 - targets)
        delta = e * w2 * (1 - h * h)
        return w1 - delta[:, None] * rows, b1 - delta, w2 - e * h, b2 - e

    compiled = torch.compile(step)

    @torch.no_grad()
    def work() -> Tensor:
        (w1, b1), (w2, b2) = layers_of(case)
        w1, b1, w2, b2 = (p[..., None].repeat(*[1] * p.ndim, runs) for p in (w1, b1, w2[0], b2[0]))
        for i in index:
            w1, b1, w2, b2 = compiled(w1, b1, w2, b2, x[i].T, y[i, 0])
        return torch.cat([p.reshape(-1, runs) for p in (w1, b1, w2, b2)]).T

    return Contender("PyTorch", "runs last, step compiled", work, indices.size, expected, lambda theta: theta.numpy())


def ensemble_func(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """Many chains by `torch.func`: vmap of grad over stacked parameters, as its tutorial on ensembles has it."""
    x, y = tensors(case)
    index = torch.from_numpy(indices[:, :, 0])
    step = torch.func.vmap(torch.func.grad(lambda layers, x, y: cost(case, layers, x[None], y[None])))

    @torch.no_grad()
    def work() -> Tensor:
        layers = [(w.repeat(index.shape[1], 1, 1), b.repeat(index.shape[1], 1)) for w, b in layers_of(case)]
        for i in index:
            gradients = step(layers, x[i], y[i])
            for part, grads in zip(layers, gradients, strict=True):
                for p, g in zip(part, grads, strict=True):
                    p.sub_(g, alpha=case.step_size)
        return torch.cat([p.reshape(index.shape[1], -1) for part in layers for p in part], dim=1)

    return Contender("PyTorch", "torch.func", work, indices.size, expected, lambda theta: theta.numpy())


def descents(case: Case, steps: int, runs: int, expected: Callable[[], Array], *, compiled: bool) -> Contender:
    """Gradient descent of many runs on one hidden layer with log loss, by hand with `baddbmm`."""
    x, y = tensors(case)
    columns, targets, rate = x.T.expand(runs, -1, -1), y.T.expand(runs, -1, -1), case.step_size / case.n

    def step(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, ...]:
        h = activate(case.activation, torch.baddbmm(b1, w1, columns))
        e = rate * (torch.sigmoid(torch.baddbmm(b2, w2, h)) - targets)
        delta = chain_rule(case.activation, w2.transpose(1, 2) * e, h)
        return (
            torch.baddbmm(w1, delta, columns.transpose(1, 2), alpha=-1),
            b1 - delta.sum(dim=2, keepdim=True),
            torch.baddbmm(w2, e, h.transpose(1, 2), alpha=-1),
            b2 - e.sum(dim=2, keepdim=True),
        )

    advance = torch.compile(step) if compiled else step

    @torch.no_grad()
    def work() -> Tensor:
        (w1, b1), (w2, b2) = [(w.repeat(runs, 1, 1), b[:, None].repeat(runs, 1, 1)) for w, b in layers_of(case)]
        for _ in range(steps):
            w1, b1, w2, b2 = advance(w1, b1, w2, b2)
        return torch.cat([p.reshape(runs, -1) for p in (w1, b1, w2, b2)], dim=1)

    how = "bmm by hand" + (", step compiled" if compiled else "")
    return Contender("PyTorch", how, work, steps * runs, expected, lambda theta: theta.numpy())


def minibatch(case: Case, indices: Array, expected: Callable[[], Array], *, compiled: bool) -> Contender:
    """SGD with mini-batches: autograd, compiled or eager."""
    x, y = tensors(case)
    index = torch.from_numpy(indices[:, 0])

    def loss(layers: Layers, rows: Tensor, targets: Tensor) -> Tensor:
        return cost(case, layers, rows, targets)

    loss_of = torch.compile(loss) if compiled else loss

    def work() -> Layers:
        layers = [(w.requires_grad_(), b.requires_grad_()) for w, b in layers_of(case)]
        leaves = [p for part in layers for p in part]
        for i in index:
            gradients = torch.autograd.grad(loss_of(layers, x[i], y[i]), leaves)
            with torch.no_grad():
                torch._foreach_sub_(leaves, gradients, alpha=case.step_size)
        return layers

    return Contender("PyTorch", "compiled" if compiled else "eager", work, len(index), expected, flat)


def monitored(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD with the squared norm of the full gradient before every step, by hand."""
    x, y = tensors(case)

    @torch.no_grad()
    def one(index: Array) -> Array:
        layers, total = layers_of(case), 0.0
        for i in index:
            total += sum((g * g).sum() for part in gradient_by_hand(case, layers, x, y) for g in part)
            for part, grads in zip(layers, gradient_by_hand(case, layers, x[i : i + 1], y[i : i + 1]), strict=True):
                for p, g in zip(part, grads, strict=True):
                    p.sub_(g, alpha=case.step_size)
        return np.append(flat(layers), float(total) / len(index))

    def work() -> Array:
        return np.stack([one(index.tolist()) for index in indices[:, :, 0].T])

    return Contender("PyTorch", "by hand", work, indices.size, expected)
