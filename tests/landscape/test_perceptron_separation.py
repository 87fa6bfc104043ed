"""Separability with its certificates, the largest margin, and the perceptron rule."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.perceptron import Problem, largest_margin, minima, perceptron_rule, separability


def exact_products(problem: Problem, nu: Any) -> list[Fraction]:
    """y_i·a_i·ν in fractions, from the definition."""
    return [
        sum((Fraction(y) * Fraction(a) * v for a, v in zip(row, nu, strict=True)), Fraction(0))
        for row, y in zip(problem.A.tolist(), problem.y.tolist(), strict=True)
    ]


def angles_say(problem: Problem) -> bool:
    """Whether a half plane holds all rows: an angle of more than π is free of them."""
    rows = problem.A * problem.y[:, None]
    angles = np.sort(np.arctan2(rows[:, 1], rows[:, 0]))
    return bool(np.append(np.diff(angles), angles[0] + 2 * np.pi - angles[-1]).max() > np.pi)


@pytest.mark.parametrize("seed", range(40))
def test_certificates_in_the_plane_against_angles(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 7))
    problem = Problem(generator.normal(size=(n, 2)), generator.choice([-1.0, 1.0], n))
    verdict = separability(problem)
    assert verdict.separable == angles_say(problem)
    assert verdict.kind in {"strict", "none"}  # with probability one
    if verdict.separable:
        assert verdict.nu is not None
        assert verdict.products == tuple(exact_products(problem, verdict.nu))
        assert min(exact_products(problem, verdict.nu)) > 0
    else:
        assert verdict.multipliers is not None
        assert min(verdict.multipliers) > 0
        assert sum(verdict.multipliers) == 1
        rows = [[Fraction(y) * Fraction(a) for a in row] for row, y in zip(problem.A.tolist(), problem.y, strict=True)]
        for column in zip(*rows, strict=True):
            assert sum(a * b for a, b in zip(column, verdict.multipliers, strict=True)) == 0


@pytest.mark.parametrize(
    ("n", "m", "teacher"), [(20, 5, True), (60, 8, True), (60, 8, False), (6, 6, False), (200, 10, False)]
)
def test_in_higher_dimensions(n: int, m: int, teacher: bool) -> None:
    """Separable by construction, by independence of the rows, or not at all (Cover: 200 points in 10 dimensions, p < 1e-40)."""
    generator = np.random.default_rng(n)
    rows = generator.normal(size=(n, m))
    y = np.sign(rows @ generator.normal(size=m)) if teacher else generator.choice([-1.0, 1.0], n)
    verdict = separability(Problem(rows, y))
    assert verdict.kind == ("strict" if teacher or n <= m else "none")
    assert verdict.independent == (n <= m)


def test_weak_separability() -> None:
    """Rows ±e₁ and one with b·e₂ > 0: only ν = e₂ will do, and it is found exactly."""
    problem = Problem([[1.0, 0.0], [-0.3, 0.0], [0.7, 0.1]], [1, 1, 1])
    verdict = separability(problem)
    assert (verdict.kind, verdict.separable) == ("weak", True)
    assert verdict.products is not None
    assert not any(verdict.products[:2])
    assert verdict.products[2] > 0
    assert verdict.multipliers is not None
    assert verdict.multipliers[2] == 0
    assert min(verdict.multipliers[:2]) > 0


def test_weak_separability_with_rows_that_are_not_round() -> None:
    generator = np.random.default_rng(5)
    flat = generator.normal(size=(6, 2))
    basis = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, 0.25]])
    rows = np.vstack([flat @ basis, generator.normal(size=(2, 3)) + np.array([2.0, -1.0, 4.0])])
    rows[:6] = np.round(rows[:6] * 2**10) / 2**10
    rows[:6, 2] = -0.5 * rows[:6, 0] + 0.25 * rows[:6, 1]  # exact: they lie in one plane
    verdict = separability(Problem(rows, np.ones(8)))
    assert verdict.kind in {"weak", "strict"}
    assert verdict.nu is not None
    assert min(exact_products(Problem(rows, np.ones(8)), verdict.nu)) >= 0


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
def test_the_gradient_descends_along_the_certificate_everywhere(theta: str) -> None:
    """The lemma: ∇E·ν < 0, so that E has no stationary point."""
    generator = np.random.default_rng(7)
    rows = generator.normal(size=(12, 4))
    problem = Problem(rows, np.sign(rows @ [1.0, -2.0, 0.5, 0.3]), theta)
    verdict = separability(problem)
    assert verdict.direction is not None
    x = generator.normal(size=(500, 4)) * generator.uniform(0, 4, (500, 1))
    assert (problem.gradient(x) @ verdict.direction < 0).all()


def test_a_trajectory_of_separable_data_is_not_bounded() -> None:
    """The norm grows through every decade of steps, like log t; on data that cannot be separated it stands still."""
    separable = Problem([[1.0, 0.3], [0.2, 1.0]], [1, -1])
    other = Problem([[1.0], [-1.0], [2.0]], [1, 1, -1])
    for problem, grows in ((separable, True), (other, False)):
        assert separability(problem).separable == grows
        runs = ef.descend(
            problem.objective(),
            np.zeros(problem.m) + 0.1,
            steps=100_000,
            step_size=0.05,
            record={"theta": [1000, 10_000, 100_000]},
        )
        norms = np.linalg.norm(runs.data["theta"].sel(step=[1000, 10_000, 100_000]).values[0], axis=1)
        growth = np.diff(norms)
        assert (growth > 0.1).all() == grows
        assert (np.abs(growth) < 1e-9).all() == (not grows)


def test_bounds_on_the_weights_stop_them_where_the_gradient_still_points_outwards() -> None:
    """“Learning algorithms typically impose a priori bounds”: the end fulfils the conditions of Karush, Kuhn and Tucker, at the bound."""
    problem = Problem([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, -1.0]], [1, 1, 1, 1])
    runs = ef.descend(problem.objective(), np.array([0.1, 0.4]), steps=5000, step_size=0.1, bounds=(-2.0, 2.0))
    np.testing.assert_array_equal(runs.active_bounds, [[1, 0]])
    slope = problem.gradient(runs.theta[0])
    assert slope[0] < 0
    assert abs(slope[1]) < 1e-12
    assert minima(problem).best.at_infinity


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_margin_is_that_of_the_support_vector_machine(seed: int) -> None:
    """scikit-learn's SVC on the rows and their negatives, whose best bias is 0."""
    svm = pytest.importorskip("sklearn.svm")
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(30, 3))
    y = np.sign(rows @ generator.normal(size=3))
    found = largest_margin(Problem(rows, y))
    machine = svm.SVC(kernel="linear", C=1e8, tol=1e-8).fit(np.vstack([rows, -rows]), np.append(y, -y))
    normal = machine.coef_[0]
    np.testing.assert_allclose(found.direction, normal / np.linalg.norm(normal), atol=1e-5)
    assert found.margin == pytest.approx(1 / np.linalg.norm(normal), rel=1e-5)
    assert found.margin == pytest.approx(float((rows @ found.direction * y).min()), rel=1e-12)
    tight = np.abs(rows @ found.direction * y - found.margin) < 1e-9
    assert tight[found.support].all()


@pytest.mark.parametrize("seed", range(20))
def test_the_perceptron_rule_keeps_novikoffs_bound(seed: int) -> None:
    """And makes the same mistakes as a plain loop."""
    generator = np.random.default_rng(seed)
    n, m = int(generator.integers(3, 40)), int(generator.integers(1, 5))
    rows = generator.normal(size=(n, m))
    y = np.sign(rows @ generator.normal(size=m))
    problem = Problem(rows, y)
    learned = perceptron_rule(problem)
    assert learned.status == "learned"
    assert 0 < learned.mistakes <= learned.bound
    assert (learned.classify(rows) == y).all()
    x, mistakes, clean = np.zeros(m), 0, False
    while not clean:
        clean = True
        for row, target in zip(rows, y, strict=True):
            if target * (row @ x) <= 0:
                x, mistakes, clean = x + target * row, mistakes + 1, False
    assert mistakes == learned.mistakes
    np.testing.assert_array_equal(x, learned.weights)


def test_the_bound_is_tight() -> None:
    """Orthonormal rows: R = 1 and γ² = 1/n, so that the bound is n, and each row is a mistake once."""
    learned = perceptron_rule(Problem(np.eye(7), np.ones(7)))
    assert learned.mistakes == 7
    assert learned.bound == pytest.approx(7, rel=1e-12)


def test_the_rule_stops_on_data_that_cannot_be_separated() -> None:
    x, y = ef.datasets.xor()
    problem = Problem(np.column_stack([x, np.ones(4)]), y[:, 0] if y.ndim > 1 else y)
    learned = perceptron_rule(problem, max_mistakes=500)
    assert (learned.status, learned.mistakes, learned.bound) == ("stopped", 500, np.inf)
    assert separability(problem).kind == "none"
    with pytest.raises(ValueError, match=r"problem must be strictly separable \(it is: none\)"):
        largest_margin(problem)


def test_bad_input() -> None:
    with pytest.raises(TypeError, match="problem must be a Problem"):
        separability([[1.0]])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="problem must be a Problem"):
        perceptron_rule(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="start must have shape"):
        perceptron_rule(Problem([[1.0]], [1]), start=[1.0, 2.0])
    with pytest.raises(ValueError, match="max_mistakes must be >= 1"):
        perceptron_rule(Problem([[1.0]], [1]), max_mistakes=0)
