"""All minima of Sontag's perceptron with two weights, finite and at infinity, against sampling and many starts."""

from __future__ import annotations

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize

from etaflow.landscape.perceptron import Minimum, Problem, case, minima

Array = npt.NDArray[np.float64]

PROBLEMS = [
    (3, 0),
    (4, 1),
    (5, 0),
    *(
        pytest.param(*pair, marks=pytest.mark.slow)
        for pair in [(3, 1), (3, 2), (4, 0), (4, 2), (5, 1), (5, 2), (6, 0), (6, 1), (6, 2)]
    ),
]


def random_problem(n: int, seed: int, theta: str) -> Problem:
    """Not separable, so that there is something to find."""
    generator = np.random.default_rng([n, seed])
    while True:
        rows = generator.normal(size=(n, 2))
        angles = np.sort(np.arctan2(rows[:, 1], rows[:, 0]))
        if np.append(np.diff(angles), angles[0] + 2 * np.pi - angles[-1]).max() < np.pi:
            return Problem(rows, np.ones(n), theta)


def excess(problem: Problem, signs: Array, x: Array) -> Array:
    """The sign of E(x) − E at the corner with these signs, from logarithms of (1 − θ)² and 4 − (1 − θ)² = (1 + θ)(3 − θ)."""
    z = np.abs(x @ problem.A.T)
    if problem.theta.name == "arctan":
        small = np.log(2 / np.pi * np.arctan2(1, z))
    else:
        small = np.log(2) - 2 * z - np.log1p(np.exp(-2 * z))
    logs = np.where(signs > 0, 2 * small, small + np.log(4 - np.exp(small)))
    return np.asarray((signs * np.exp(logs - logs.max(axis=1)[:, None])).sum(axis=1))


def corners(problem: Problem) -> dict[tuple[float, ...], tuple[Array, Array]]:
    """Every corner of the cube in clos T𝒱, with the two rays of its cone."""
    turned = np.column_stack([-problem.A[:, 1], problem.A[:, 0]])
    rays = np.concatenate([turned, -turned])
    rays = rays[np.argsort(np.arctan2(rays[:, 1], rays[:, 0]))]
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    pairs = zip(rays, np.roll(rays, -1, axis=0), strict=True)
    return {tuple(np.sign(problem.A @ (one + other))): (one, other) for one, other in pairs}


@pytest.mark.parametrize("theta", ["tanh", "arctan"])
@pytest.mark.parametrize(("n", "seed"), PROBLEMS)
def test_corners_are_minima_by_the_definition(n: int, seed: int, theta: str) -> None:
    """A corner is a local minimum if E is not below it at any point of T𝒱 near it: 20 000 points deep in its cone are tried."""
    problem = random_problem(n, seed, theta)
    found = minima(problem)
    known = {tuple(one.image) for one in found if one.at_infinity and (np.abs(one.image) == 1).all()}
    generator = np.random.default_rng(0)
    for signs, (first, last) in corners(problem).items():
        way = np.array(signs)
        weights = 10 ** generator.uniform(-1, 5, (2, 20_000))
        x = weights[0][:, None] * first + weights[1][:, None] * last
        depth = np.abs(problem.A @ x.T).min(axis=0)
        deep = x[depth > (3 if theta == "tanh" else 10)]
        assert len(deep) > 100
        lowest = excess(problem, way, deep).min()
        assert (lowest >= 0) == (signs in known), signs


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
@pytest.mark.parametrize(("n", "seed"), PROBLEMS)
def test_finite_minima_are_those_that_many_starts_find(n: int, seed: int, theta: str) -> None:
    problem = random_problem(n, seed, theta)
    found = minima(problem)
    assert found.complete
    finite = [one for one in found if not one.at_infinity]
    for one in finite:
        assert np.abs(problem.gradient(one.x)).max() < 1e-10
        assert (one.x_high - one.x_low).max() < 1e-8 * (1 + np.abs(one.x).max())
        around = one.x + 1e-3 * (1 + np.abs(one.x).max()) * np.random.default_rng(0).normal(size=(200, 2))
        assert (problem.error(around) > one.value).all()
        assert one.value == pytest.approx(float(problem.error(one.x)), rel=1e-12)
    ends = []
    for start in np.random.default_rng(1).normal(size=(25, 2)) * 4:
        end = minimize(problem.error, start, jac=problem.gradient, method="BFGS", options={"gtol": 1e-11}).x
        step = np.abs(end - start).max()
        if np.abs(problem.A @ end).max() < 12 and np.abs(problem.gradient(end)).max() < 1e-9 and step > 0:
            ends.append(end)
    for end in ends:
        assert min((float(np.abs(end - one.x).max()) for one in finite), default=np.inf) < 1e-4


def direction_of(one: Minimum) -> Array:
    assert one.direction is not None
    return one.direction


def test_a_minimum_on_a_curve_at_infinity() -> None:
    """Rows ±e₁ in the ratio of case 3 and a third row along e₂: the minimum of case 3, at x₂ → ∞."""
    problem = Problem([[1.0, 0.0], [-4.0, 0.0], [0.5, 1.0]], [1, 1, 1])
    found = minima(problem)
    line = minima(case(3, 4.0))
    assert found.complete
    assert [one.value for one in found.points] == pytest.approx([one.value for one in line.points], rel=1e-12)
    best = found.best
    assert best.at_infinity
    np.testing.assert_allclose(direction_of(best), [0, 1], atol=1e-15)
    np.testing.assert_allclose(best.image, [*line.best.image, 1.0], rtol=1e-12)
    assert best.x[0] == pytest.approx(line.best.x[0], rel=1e-12)
    assert float(problem.error(best.x + 30 * direction_of(best))) == pytest.approx(best.value, rel=1e-9)


def test_a_curve_at_infinity_is_no_minimum_where_outputs_on_the_wrong_side_lag_behind() -> None:
    """The third and fourth rows along ±e₂: with −3 the errors that vanish first are right ones, with −1.5 wrong ones."""
    for size, count in ((3.0, 1), (1.5, 0)):
        problem = Problem([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.1, -size]], [1, 1, 1, 1])
        ups = [one for one in minima(problem) if one.at_infinity and direction_of(one)[1] > 0.9999]
        assert len(ups) == count
        for t in (5.0, 8.0):
            change = float(problem.error([0.0, t]) - problem.error([0.0, 40.0]))
            assert (change > 0) == bool(count)


def test_blocks_that_share_no_weight_multiply() -> None:
    one, other = np.array([[1.0], [-4.0]]), np.array([[2.0], [-3.0], [1.0]])
    whole = np.zeros((5, 2))
    whole[:2, :1], whole[2:, 1:] = one, other
    found = minima(Problem(whole, np.ones(5)))
    parts = [minima(Problem(rows, np.ones(len(rows)))) for rows in (one, other)]
    sums = sorted(a.value + b.value for a in parts[0] for b in parts[1])
    assert found.count == parts[0].count * parts[1].count
    assert [point.value for point in found.points] == pytest.approx(sums, rel=1e-12)


def test_a_separable_problem_has_its_only_minimum_at_the_targets() -> None:
    problem = Problem([[1.0, 0.2], [0.3, 1.0], [-1.0, -1.1]], [1, 1, -1])
    found = minima(problem)
    assert (found.count, found.complete, found.distance) == (1, True, 0.0)
    assert found.best.image.tolist() == [1.0, 1.0, -1.0]
    assert (problem.A @ direction_of(found.best) * problem.y > 0).all()


def test_a_zero_row_adds_one() -> None:
    rows, y = [[1.0, 0.2], [-1.0, 0.4], [0.1, -1.0]], [1, 1, 1]
    without, with_it = minima(Problem(rows, y)), minima(Problem([*rows, [0.0, 0.0]], [*y, -1], zero_rows=True))
    assert [one.value + 1 for one in without.points] == pytest.approx([one.value for one in with_it.points], rel=1e-14)
    assert with_it.best.image[3] == 0


@pytest.mark.slow
def test_a_minimum_at_the_far_end_of_a_narrow_valley() -> None:
    """Two rows that oppose each other up to a third of a degree: for arctan one of the minima is more than 80 000 away from 0."""
    problem = random_problem(4, 2, "arctan")
    found = minima(problem)
    far = max(found, key=lambda one: float(np.linalg.norm(one.x)))
    assert (found.complete, found.count) == (True, 2)
    assert np.linalg.norm(far.x) > 80_000
    scale = np.abs(problem.A).max() * 1e-9  # of the pulls there
    assert np.abs(problem.gradient(far.x)).max() < 1e-6 * scale
    around = far.x + 100 * np.random.default_rng(0).normal(size=(300, 2))
    assert (problem.error(around) > float(problem.error(far.x))).all()


def test_a_corner_that_only_an_exact_tie_refutes() -> None:
    """Along (1, −1) the leading terms 2·4e^{−4t} − 8e^{−4t} cancel, and the next one is −16e^{−6t}: no sample nearby is below the limit."""
    rows = [[-1.0, -2.0], [3.0, -2.0], [-1.0, 1.0], [2.0, 1.0], [3.0, -3.0]]
    found = minima(Problem(rows, [1] * 5))
    assert (1.0, 1.0, -1.0, 1.0, 1.0) not in {tuple(one.image) for one in found}
    with mpmath.workdps(200):
        for t in (3, 10, 30):
            error = sum((1 - mpmath.tanh(t * (a - b))) ** 2 for a, b in rows)
            assert float((error - 4) / mpmath.exp(-6 * t)) == pytest.approx(-16, rel=0.05)
