"""Certified points against roots that mpmath finds at 50 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.verdict.certificate import Certificate, certify, certify_modulo

X, Y = [-1.5, -0.4, 0.2, 0.9, 1.7], [0.3, -0.8, 0.1, 0.9, 0.2]


def certificate(f: ef.Objective, theta: Any) -> Certificate | None:
    eigenvalues, vectors = np.linalg.eigh(f.hessian(theta))
    return certify(f, np.asarray(theta), eigenvalues, vectors)


def exact_gradient(l2: str) -> Any:
    """∇f of a 1-1-1 tanh network with the data above, as mpmath expressions of θ = (w, b, v, c)."""

    def gradient(w: Any, b: Any, v: Any, c: Any) -> list[Any]:
        total = [2 * mpmath.mpf(float(l2)) * t for t in (w, b, v, c)]
        for x, y in zip(X, Y, strict=True):
            a = mpmath.tanh(w * mpmath.mpf(x) + b)
            e = 2 * (v * a + c - mpmath.mpf(y)) / len(X)
            slope = v * (1 - a * a)
            for i, part in enumerate((slope * mpmath.mpf(x), slope, a, mpmath.mpf(1))):
                total[i] += e * part
        return total

    return gradient


@pytest.mark.parametrize("l2", ["0.01", "0.001"])
def test_a_certified_minimum_has_a_true_zero_of_the_gradient_within_its_radius(l2: str) -> None:
    f = ef.Objective(ef.MLP([1, 1, 1]), [[x] for x in X], Y, l2=float(l2))
    theta = ef.polish(f, [1.0, 0.1, 1.0, 0.0]).theta
    found = certificate(f, theta)
    assert found is not None
    assert found.index == 0
    gradient = exact_gradient(l2)
    with mpmath.workdps(50):
        root = mpmath.findroot(gradient, [mpmath.mpf(t) for t in theta.tolist()], tol=1e-45)
        distance = mpmath.norm(root - mpmath.matrix(theta.tolist()))
        assert distance <= mpmath.mpf(found.radius)
        jacobian = mpmath.matrix(4, 4)
        for j in range(4):
            for i in range(4):
                point = tuple(root)
                jacobian[i, j] = mpmath.diff(
                    lambda *t, i=i: gradient(*t)[i], point, tuple(int(k == j) for k in range(4))
                )
        lowest = min(mpmath.eigsy((jacobian + jacobian.T) / 2, eigvals_only=True))
        assert mpmath.mpf(found.curvature) <= lowest <= mpmath.mpf(found.curvature) * (1 + mpmath.mpf("1e-6"))
    assert found.radius < 1e-10


def test_beside_a_minimum_the_certificate_still_holds_it() -> None:
    """The box grows to a few Newton steps; the proved radius is an upper bound of the known distance."""
    f = ef.Objective(ef.MLP([1, 1, 1]), [[x] for x in X], Y, l2=0.01)
    theta = ef.polish(f, [1.0, 0.1, 1.0, 0.0]).theta
    for distance in (1e-10, 1e-7, 1e-5):
        found = certificate(f, theta + distance / 2)
        assert found is not None
        assert distance <= found.radius < 100 * distance


def test_the_index_of_a_saddle_and_of_a_maximum() -> None:
    """(3 − vw)² at 0 has eigenvalues ±6; −cos has its maximum where sin's loss has."""
    saddle = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [3.0])
    found = certificate(saddle, [0.0, 0.0])
    assert found is not None
    assert found.index == 1
    assert found.radius < 1e-290
    assert found.curvature == pytest.approx(6, rel=1e-6)
    top = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), [[1.0]], [-1.5])  # (−1.5 − sin w)²
    found = certificate(top, [np.pi / 2])
    assert found is not None
    assert found.index == 1
    assert found.radius >= 6.1e-17  # π/2 is no float


@pytest.mark.parametrize(
    ("f", "theta"),
    [
        (ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [1.0]), [2.0, 0.5]),
        (ef.Objective(ef.MLP([1, 1, 1], activation="relu", bias=False), [[1.0]], [1.0], l2=0.1), [0.0, 0.0]),
        (ef.Objective(ef.MLP([1, 1, 1], activation="gelu", bias=False), [[1.0]], [1.0], l2=0.1), [0.0, 0.0]),
        (ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [1.0]], [0.8, 0.9]), [-9.0]),
        (ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0]], [1.0], loss="log"), [20.0]),
    ],
    ids=["valley", "kink", "gelu", "plateau", "infinity"],
)
def test_nothing_is_certified_that_is_not_so(f: ef.Objective, theta: list[float]) -> None:
    assert certificate(f, theta) is None


def test_a_valley_modulo_its_symmetry() -> None:
    """(1.4 − vw)² + … over the line of all (v, w) with vw = 7/5: the proof needs the tangent, and the true one."""
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0], [2.0]], [1.0, 3.0])
    theta = np.array([2.0, 0.7])
    eigenvalues, vectors = np.linalg.eigh(f.hessian(theta))
    tangent = np.array([[2.0], [-0.7]])
    found = certify_modulo(f, theta, eigenvalues[1:], vectors[:, 1:], tangent)
    assert found is not None
    assert (found.index, found.symmetries) == (0, 1)
    assert found.curvature == pytest.approx(eigenvalues[1], rel=1e-6)
    with mpmath.workdps(50):  # the zero of ∇f on the line θ + s·v: (2 + s v_0)(0.7 + s v_1) = 7/5
        first, second = (mpmath.mpf(float(v)) for v in vectors[:, 1])
        s = mpmath.findroot(
            lambda s: (2 + s * first) * (mpmath.mpf(0.7) + s * second) - mpmath.mpf(7) / 5, 0, tol=1e-40
        )
        assert abs(s) <= mpmath.mpf(found.radius) < mpmath.mpf(10) ** -13
    across = np.array([[0.7], [2.0]])  # this lies in the subspace itself
    assert certify_modulo(f, theta, eigenvalues[1:], vectors[:, 1:], across) is None
    assert certify_modulo(f, theta, eigenvalues[:0], vectors[:, :0], np.eye(2)) is None
