"""PyTorch's derivatives: full, per sample, and second."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from kit.race import Contender

from peers.pytorch_network import Array, Layers, Tensor, cost, flat, gradient_by_hand, layers_of, passes, tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.cases import Case


def gradient(case: Case, expected: Callable[[], Array], *, by_hand: bool, repeats: int = 20) -> Contender:
    """Full gradient by hand or by autograd."""
    x, y = tensors(case)
    layers = layers_of(case)
    leaves = [p.requires_grad_(not by_hand) for part in layers for p in part]

    def work() -> Any:
        for _ in range(repeats):
            if by_hand:
                with torch.no_grad():
                    result: Any = gradient_by_hand(case, layers, x, y)
            else:
                result = [torch.autograd.grad(cost(case, layers, x, y), leaves)]
        return result

    return Contender("PyTorch", "by hand" if by_hand else "autograd", work, repeats, expected, flat)


def _sample_gradients(case: Case, layers: Layers, x: Tensor, y: Tensor) -> Tensor:
    inputs, deltas = passes(case, layers, x, y)
    columns: list[Tensor] = []
    for a, delta in zip(inputs, deltas, strict=True):
        columns.extend((torch.einsum("no,ni->noi", delta, a).flatten(1), delta))
    return torch.cat(columns, dim=1)


def sample_gradients(case: Case, expected: Callable[[], Array], repeats: int, *, by_hand: bool) -> Contender:
    """Per-sample gradients: outer products, or vmap of grad."""
    x, y = tensors(case)
    layers = layers_of(case)
    one = torch.func.grad(lambda layers, x, y: cost(case, layers, x[None], y[None]))
    many = torch.func.vmap(one, in_dims=(None, 0, 0))

    @torch.no_grad()
    def work() -> Tensor:
        g = None
        for _ in range(repeats):
            del g  # or two results share the cache
            if by_hand:
                g = _sample_gradients(case, layers, x, y)
            else:
                g = torch.cat([p.flatten(1) for part in many(layers, x, y) for p in part], dim=1)
        return g

    how = "outer products by hand" if by_hand else "torch.func"
    return Contender("PyTorch", how, work, repeats, expected, lambda g: g.numpy())


def covariance(case: Case, expected: Callable[[], Array], repeats: int) -> Contender:
    """Covariance of the per-sample gradients by hand."""
    x, y = tensors(case)
    layers = layers_of(case)

    @torch.no_grad()
    def work() -> Tensor:
        for _ in range(repeats):
            g = _sample_gradients(case, layers, x, y)
            g -= g.mean(dim=0)
            r = (g.T @ g).div_(case.n)
        return r

    return Contender("PyTorch", "by hand", work, repeats, expected, lambda r: r.numpy())


def _cost_of_vector(case: Case) -> Callable[[Tensor], Tensor]:
    x, y = tensors(case)
    shapes = [w.shape for w, _ in layers_of(case)]

    def of_vector(theta: Tensor) -> Tensor:
        layers, begin = [], 0
        for rows, columns in shapes:
            middle, end = begin + rows * columns, begin + rows * (columns + 1)
            layers.append((theta[begin:middle].view(rows, columns), theta[middle:end]))
            begin = end
        return cost(case, layers, x, y)

    return of_vector


def hessian(case: Case, expected: Callable[[], Array], repeats: int, *, chunk: int | None) -> Contender:
    """Hessian by `torch.func.hessian`, or by vmapped Hessian-vector products, so many at a time."""
    f, theta = _cost_of_vector(case), torch.from_numpy(case.theta0)
    identity = torch.eye(len(theta), dtype=theta.dtype)

    def products(chunk: int) -> Tensor:
        back = torch.func.vjp(torch.func.grad(f), theta)[1]
        return torch.func.vmap(lambda v: back(v)[0], chunk_size=chunk)(identity)

    def work() -> Tensor:
        for _ in range(repeats):
            h = torch.func.hessian(f)(theta) if chunk is None else products(chunk)
        return h

    how = "torch.func.hessian" if chunk is None else f"{chunk} Hessian-vector products at a time"
    return Contender("PyTorch", how, work, repeats, expected, lambda h: h.detach().numpy())


def hessian_vector(case: Case, v: Array, expected: Callable[[], Array]) -> Contender:
    """Hessian-vector products for the rows of v: backward through backward."""
    f, vectors = _cost_of_vector(case), torch.from_numpy(v)
    theta = torch.from_numpy(case.theta0).clone().requires_grad_()

    def work() -> Tensor:
        products = []
        for one in vectors:
            (gradient,) = torch.autograd.grad(f(theta), theta, create_graph=True)
            products.append(torch.autograd.grad(gradient, theta, one)[0])
        return torch.stack(products)

    return Contender("PyTorch", "double backward", work, len(v), expected, lambda h: h.numpy())
