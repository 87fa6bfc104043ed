"""PyTorch's networks, losses and backpropagation, on plain tensors."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from kit.cases import Case

Array = Any
Tensor = Any
Layers = list[tuple[Tensor, Tensor]]


def tensors(case: Case) -> tuple[Tensor, Tensor]:
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    return x, y[:, 0].long() if case.loss == "softmax" else y


def layers_of(case: Case) -> Layers:
    return [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in case.layers()]


def flat(layers: Any) -> Array:
    return np.concatenate([p.detach().numpy().ravel() for part in layers for p in part])


def activate(name: str, z: Tensor) -> Tensor:
    return {"tanh": torch.tanh, "relu": torch.relu, "leaky_relu": lambda z: functional.leaky_relu(z, 0.1)}[name](z)


def chain_rule(name: str, delta: Tensor, a: Tensor) -> Tensor:
    """Multiply delta by the activation's derivative: the fused operations that autograd uses."""
    aten = torch.ops.aten
    if name == "tanh":
        return aten.tanh_backward(delta, a)
    return aten.threshold_backward(delta, a, 0) if name == "relu" else aten.leaky_relu_backward(delta, a, 0.1, True)


def cost(case: Case, layers: Layers, x: Tensor, y: Tensor) -> Tensor:
    for w, b in layers[:-1]:
        x = activate(case.activation, functional.linear(x, w, b))
    z = functional.linear(x, *layers[-1])
    if case.loss == "square":
        return ((z - y) ** 2).sum(dim=-1).mean()
    if case.loss == "log":
        return functional.binary_cross_entropy_with_logits(z, y)
    return functional.cross_entropy(z, y)


def passes(case: Case, layers: Layers, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return every layer's input (n, in) and delta (n, out), by hand."""
    inputs = [x]
    for w, b in layers[:-1]:
        inputs.append(activate(case.activation, torch.addmm(b, inputs[-1], w.T)))
    w, b = layers[-1]
    z = torch.addmm(b, inputs[-1], w.T)
    deltas = [2 * (z - y) if case.loss == "square" else torch.sigmoid(z) - y]
    for (w, _), a in zip(layers[:0:-1], inputs[:0:-1], strict=True):
        deltas.append(chain_rule(case.activation, deltas[-1] @ w, a))
    return inputs, deltas[::-1]


def gradient_by_hand(case: Case, layers: Layers, x: Tensor, y: Tensor) -> Layers:
    inputs, deltas = passes(case, layers, x, y)
    scale = 1 / len(x)
    return [((delta * scale).T @ a, delta.mean(dim=0)) for a, delta in zip(inputs, deltas, strict=True)]
