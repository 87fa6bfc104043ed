"""Sontag's perceptron: the problem, the sigmoid's properties, intervals against mpmath, and all minima of one weight."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest
from scipy.special import expit

import etaflow as ef
from etaflow.landscape.perceptron import (
    Problem,
    Sigmoid,
    bifurcation,
    case,
    exponentially_many,
    fold,
    intervals,
    minima,
    threshold,
    validate,
)
from etaflow.landscape.perceptron.infinity import tail
from etaflow.landscape.perceptron.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

MP = {
    "tanh": mpmath.tanh,
    "arctan": lambda z: 2 / mpmath.pi * mpmath.atan(z),
    "logistic": lambda z: 2 / (1 + mpmath.exp(-z)) - 1,
}

# (1 − θ)θ' where nothing cancels
PULLS: dict[str, Any] = {
    "tanh": lambda z: 2 / (1 + mpmath.exp(2 * z)) * mpmath.sech(z) ** 2,
    "arctan": lambda z: (1 - 2 / mpmath.pi * mpmath.atan(z)) * 2 / mpmath.pi / (1 + z * z),
    "logistic": lambda z: 2 / (1 + mpmath.exp(z)) * mpmath.sech(z / 2) ** 2 / 2,
}


def slope(rows: list[float], theta: str) -> Callable[[Any], Any]:
    """E' in mpmath, from the definition alone."""

    def function(x: Any) -> Any:
        return mpmath.diff(lambda u: sum((1 - MP[theta](mpmath.mpf(b) * u)) ** 2 for b in rows), x)

    return function


@pytest.mark.parametrize(
    ("name", "oracle", "low", "high"),
    [
        ("exp", mpmath.exp, -740, 700),
        ("log1p", mpmath.log1p, 0, 1e6),
        ("tanh", mpmath.tanh, -30, 30),
        ("complement_of_arctan", lambda z: mpmath.pi / 2 - mpmath.atan(z), -1e8, 1e8),
    ],
)
def test_functions_of_intervals_enclose_the_true_values(name: str, oracle: Any, low: float, high: float) -> None:
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.uniform(low, high, 300), np.sign(high) * np.geomspace(1e-12, high, 300)])
    got = getattr(intervals, name)(Interval.of(points))
    with mpmath.workdps(40):
        for x, below, above in zip(points.tolist(), got.low.tolist(), got.high.tolist(), strict=True):
            true = oracle(mpmath.mpf(x))
            assert below <= true <= above
            assert above - below <= 1e-14 * abs(true) + 1e-300


def test_arithmetic_of_intervals_encloses_fractions() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(2, 200)) * 10.0 ** generator.integers(-20, 20, (2, 200))
    one, other = Interval.of(a), Interval.of(b)
    exact = [(Fraction(x), Fraction(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    results = (
        (one + other, [x + y for x, y in exact]),
        (one - other, [x - y for x, y in exact]),
        (one * other, [x * y for x, y in exact]),
        (one / other, [x / y for x, y in exact]),
        (one.square(), [x * x for x, _ in exact]),
        (Interval.around([x / 3 for x, _ in exact]), [x / 3 for x, _ in exact]),
    )
    for got, wanted in results:
        for below, above, value in zip(got.low.tolist(), got.high.tolist(), wanted, strict=True):
            assert Fraction(below) <= value <= Fraction(above)
            assert above - below <= 2e-15 * abs(value) + 1e-300
    product = Interval(np.array([-1.0]), np.array([2.0])) * Interval(np.array([-3.0]), np.array([4.0]))
    assert (product.low[0], product.high[0]) == pytest.approx((-6, 8), rel=1e-15)
    unknown = Interval(np.array([0.0]), np.array([np.inf])) * Interval(np.array([0.0]), np.array([1.0]))
    assert np.isinf(unknown.high[0])


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
def test_the_error_and_its_gradient_are_those_of_the_core_and_of_the_formula(theta: str) -> None:
    generator = np.random.default_rng(2)
    rows, y, x = generator.normal(size=(7, 3)), generator.choice([-1.0, 1.0], 7), generator.normal(size=(5, 3))
    problem = Problem(rows, y, theta)
    objective = problem.objective()
    np.testing.assert_allclose(problem.error(x), objective.value(x), rtol=1e-13)
    np.testing.assert_allclose(problem.gradient(x), objective.gradient(x), rtol=1e-12, atol=1e-14)
    formula = sum(
        (MP[theta](mpmath.fdot(row, x[0].tolist())) - t) ** 2 for row, t in zip(rows.tolist(), y, strict=True)
    )
    assert float(problem.error(x[0])) == pytest.approx(float(formula), rel=1e-14)


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
def test_the_reduction_leaves_the_error_as_it_is(theta: str) -> None:
    generator = np.random.default_rng(3)
    problem = Problem(generator.normal(size=(6, 2)), [1, -1, -1, 1, -1, 1], theta)
    reduced = problem.reduced()
    assert (reduced.y == 1).all()
    x = generator.normal(size=(50, 2)) * 3
    np.testing.assert_allclose(reduced.error(x), problem.error(x), rtol=1e-15)


def test_targets_of_zero_and_one() -> None:
    """(σ(z) − t)² with t in {0, 1} is E/4."""
    generator = np.random.default_rng(4)
    rows, t, x = generator.normal(size=(5, 2)), np.array([0, 1, 1, 0, 1]), generator.normal(size=(20, 2))
    binary = np.square(expit(x @ rows.T) - t).sum(axis=1)
    np.testing.assert_allclose(Problem.from_binary(rows, t).error(x) / 4, binary, rtol=1e-13)


def test_named_sigmoids_are_valid_and_so_are_smooth_ones_of_ones_own() -> None:
    from scipy.special import erf

    for theta in (
        "tanh",
        "arctan",
        "logistic",
        erf,
        lambda z: z / np.sqrt(1 + z * z),
        np.tanh,
        lambda z: np.tanh(z**3 + z),
    ):
        assert validate(theta).valid, theta


@pytest.mark.parametrize(
    ("theta", "failing"),
    [
        (lambda z: np.clip(z, -1, 1), {"smooth", "strictly increasing"}),
        (lambda z: z / (1 + np.abs(z)), {"smooth"}),
        (expit, {"odd", "limits ±1"}),
        (lambda z: 0.5 * np.tanh(z), {"limits ±1"}),
        (lambda z: 1.5 * np.tanh(z), {"limits ±1"}),
        (np.sign, {"smooth", "strictly increasing"}),
        (lambda z: -np.tanh(z), {"strictly increasing", "limits ±1"}),
        (lambda z: np.tanh(z) * (1 + np.exp(-(z**2)) * z), {"odd"}),
        (lambda z: np.tanh(z) * (1 - 4 * z**2 * np.exp(-(z**2))), {"strictly increasing"}),
    ],
)
def test_functions_that_are_no_sigmoid(theta: Any, failing: set[str]) -> None:
    verdict = validate(theta)
    assert {name for name, holds in verdict.properties.items() if not holds} >= failing
    assert not verdict.valid
    with pytest.raises(ValueError, match="theta must be a smooth, strictly increasing, odd function"):
        Problem([[1.0]], [1], theta)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([[1.0], [0.0]], [1, 1]), {}, ValueError, r"A must have no row of zeros.*row 1 is one.*zero_rows=True"),
        (([[1.0]], [0]), {}, ValueError, r"y must hold −1 and 1 only \(y\[0\] is 0; for targets 0 and 1"),
        (([[1.0]], [2]), {}, ValueError, r"y\[0\] is 2"),
        (([[1.0]], [1, 1]), {}, ValueError, "y must have shape"),
        (([1.0], [1]), {}, ValueError, "A must"),
        (([[np.nan]], [1]), {}, ValueError, "A must be finite"),
        ((np.zeros((0, 2)), []), {}, ValueError, "at least one row and one column"),
        (([[1.0]], [1], "tan"), {}, ValueError, "did you mean 'tanh'"),
        (([[1.0]], [1], 3), {}, TypeError, "theta must be a name or a function"),
        (([[1.0]], [1], lambda _: 1.0), {}, TypeError, "theta must map arrays elementwise"),
    ],
)
def test_bad_problems(arguments: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Problem(*arguments, **options)


def test_other_bad_input() -> None:
    with pytest.raises(ValueError, match=r"y must hold 0 and 1 only \(y\[0\] is -1\)"):
        Problem.from_binary([[1.0]], [-1])
    with pytest.raises(ValueError, match="a must not be 0 in case 3"):
        case(3, 0.0)
    with pytest.raises(ValueError, match="a must be >= 0"):
        case(2, -1.0)
    with pytest.raises(ValueError, match="number must be <= 3"):
        case(4, 1.0)
    with pytest.raises(ValueError, match=r"at most two weights.*one of rank 3.*find_minima"):
        minima(Problem(np.random.default_rng(0).normal(size=(5, 3)), [1] * 5))
    with pytest.raises(TypeError, match="problem must be a Problem"):
        minima("tanh")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_boxes must be >= 1"):
        minima(case(3, 4.0), max_boxes=0)
    with pytest.raises(ValueError, match="must enclose a change"):
        fold("arctan", 2.0, 3.0)
    with pytest.raises(ValueError, match="n must be at least m = 3"):
        exponentially_many(2, 3)
    with pytest.raises(ValueError, match="x must have 1 weights"):
        case(2, 1.0).error([1.0, 2.0])


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
def test_case_1(theta: str) -> None:
    """Closed form: one minimum, the point (0, 1) at the distance 1."""
    found = minima(case(1, 3.0, theta))
    assert (found.count, found.complete, found.distance) == (1, True, 1.0)
    assert found.best.image.tolist() == [0.0, 1.0]
    assert found.best.at_infinity


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
@pytest.mark.parametrize("a", [0.0, 0.3, 1.0, 5.0])
def test_case_2(theta: str, a: float) -> None:
    """The infimum is at infinity, and E' < 0 everywhere: no zero of the derivative is found, and mpmath sees its sign."""
    found = minima(case(2, a, theta))
    assert (found.count, found.complete) == (1, True)
    assert found.best.image.tolist() == [1.0, float(a > 0)]
    assert found.distance == float(a == 0)
    assert found.blocks[0].stationary == ()
    assert all(slope([1.0, a], theta)(x) < 0 for x in (-20, -1, 0, 1, 5))


@pytest.mark.parametrize("a", [2.5, 4.0, 20.0])
def test_case_3(a: float) -> None:
    """E > 4 at x = 1 for a ≥ 2.5, one finite minimum (the global one) and one at +∞ with the value 4."""
    problem = case(3, a)
    assert float(problem.error([1.0])) > 4
    found = minima(problem)
    low, high = found.points
    assert found.complete
    assert (low.at_infinity, high.at_infinity) == (False, True)
    assert (high.value, high.image.tolist()) == (4.0, [1.0, -1.0])
    with mpmath.workdps(30):
        root = mpmath.findroot(slope([1.0, -a], "tanh"), low.x[0])
        assert low.x_low[0] <= root <= low.x_high[0]
        value = sum((1 - mpmath.tanh(b * root)) ** 2 for b in (1, -a))
        assert low.value_interval[0] <= value <= low.value_interval[1]
        assert low.value_interval[1] - low.value_interval[0] < 1e-10


@pytest.mark.parametrize("theta", ["tanh", "arctan", "logistic"])
@pytest.mark.parametrize("seed", range(6))
def test_all_minima_of_one_weight_against_a_dense_grid(theta: str, seed: int) -> None:
    """The oracle: signs of E' in 50 digits at 900 points; between two of the same sign no pair of zeros is this near here."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 7))
    rows = (generator.choice([-1.0, 1.0], n) * 10 ** generator.uniform(-1, 1.5, n)).round(3)
    found = minima(Problem(rows[:, None], np.ones(n), theta))
    assert found.complete
    reach = 1e2 / np.abs(rows).min()
    side = np.geomspace(1e-4, reach, 450)
    grid = np.concatenate([-side[::-1], side]).tolist()
    with mpmath.workdps(50):
        signs = [int(mpmath.sign(-sum(b * PULLS[theta](b * mpmath.mpf(x)) for b in rows.tolist()))) for x in grid]
    ups = sum(a < 0 < b for a, b in pairwise(signs))
    finite = [one for one in found if not one.at_infinity]
    assert len(finite) == ups
    for one in finite:
        k = int(np.searchsorted(grid, one.x[0]))
        assert signs[k - 1] < 0 < signs[k]
    ends = {float(one.direction[0]) for one in found if one.direction is not None}
    assert ends == ({-1.0} if signs[0] > 0 else set()) | ({1.0} if signs[-1] < 0 else set())


@pytest.mark.parametrize(
    ("rows", "sign"),
    [
        ((1, -2), 1),
        ((1, -3), -1),
        ((1, 1, -2), 1),  # 4 − 2·1·… cancel: the next order decides
        ((2, -1, 1), 1),
        ((1, -4, -4), -1),
    ],
)
def test_the_tail_of_tanh_is_right_where_leading_terms_cancel(rows: tuple[int, ...], sign: int) -> None:
    got = tail([Fraction(b) for b in rows], "tanh")
    assert got.sign == sign
    with mpmath.workdps(200):
        for x in (got.beyond, 2 * got.beyond, 10 * got.beyond + 5):
            value = sum(
                -2 * b * (1 - mpmath.tanh(b * mpmath.mpf(x))) * mpmath.sech(b * mpmath.mpf(x)) ** 2 for b in rows
            )
            assert mpmath.sign(value) == sign


def test_the_bifurcation_of_tanh_is_at_2_and_at_a_half() -> None:
    for side, value in (("right", Fraction(2)), ("left", Fraction(1, 2))):
        ends = threshold("tanh", side=side)
        assert ends is not None
        assert min(ends) <= value <= max(ends)
        assert abs(ends[0] - ends[1]) < 1e-9
    table = bifurcation("tanh", [0.25, 0.499, 0.5, 1.0, 2.0, 2.001, 8.0])
    assert table["complete"].all()
    assert table["count"].values.tolist() == [2, 2, 1, 1, 1, 2, 2]
    assert table["left"].values.tolist() == [True, True, False, False, False, False, False]
    assert table["right"].values.tolist() == [False] * 5 + [True, True]
    assert float(table["minimum"].sel(a=1.0)[0]) == pytest.approx(0, abs=1e-12)


def test_arctan_has_no_minimum_at_infinity_and_a_fold_between_6_and_8() -> None:
    """The fold solves E' = E'' = 0: mpmath's Newton iteration in two variables."""
    assert threshold("arctan") is None
    low, high = fold("arctan", tolerance=1e-6)

    def system(x: Any, a: Any) -> list[Any]:
        def error(u: Any) -> Any:
            return (1 - MP["arctan"](u)) ** 2 + (1 + MP["arctan"](a * u)) ** 2

        return [mpmath.diff(error, x), mpmath.diff(error, x, 2)]

    x, a = mpmath.findroot(system, (1.2, 7.3), tol=1e-20)
    assert x > 0
    assert low <= a <= high
    assert 6 < low < high < 8
    assert high - low < 1e-6
    table = bifurcation("arctan", [2.0, low, high, 30.0])
    assert table["count"].values.tolist() == [1, 1, 2, 2]
    assert not table["right"].any()


@pytest.mark.parametrize(
    ("n", "m", "theta"), [(1, 1, "tanh"), (7, 1, "tanh"), (7, 1, "arctan"), (6, 2, "logistic"), (13, 4, "tanh")]
)
def test_the_construction_has_as_many_minima_as_it_says(n: int, m: int, theta: str) -> None:
    problem = exponentially_many(n, m, theta)
    found = minima(problem)
    assert found.complete
    assert found.count == (n // m) ** m == sum(1 for _ in found)
    assert all(one.certified for one in found)
    images = {tuple(np.round(one.image, 9)) for one in found}
    assert len(images) == found.count
    for one in found:
        far = 1e5 if one.direction is not None else 0.0
        x = one.x + far * (0 if one.direction is None else one.direction)
        assert float(problem.error(x)) == pytest.approx(one.value, rel=1e-3 if far else 1e-8)


def test_too_many_minima_are_counted_and_given_one_by_one() -> None:
    found = minima(exponentially_many(60, 10))
    assert found.count == len(found) == 6**10
    assert next(iter(found)).certified
    with pytest.raises(ValueError, match="60466176 minima are too many to list"):
        _ = found.points
    assert found.best.value == pytest.approx(10 * minima(exponentially_many(6)).best.value, rel=1e-12)


def test_a_matrix_of_deficient_rank_has_affine_sets_of_minimisers() -> None:
    rows = np.array([[1.0, 2.0, 0.5], [-4.0, -8.0, -2.0], [2.0, 4.0, 1.0]])
    problem = Problem(rows, [1, 1, 1])
    found = minima(problem)
    assert (found.rank, found.null_space.shape) == (np.linalg.matrix_rank(rows), (3, 2))
    np.testing.assert_array_equal(rows @ found.null_space, 0)
    single = minima(Problem(rows[:, :1], [1, 1, 1]))
    assert [one.value for one in found.points] == [one.value for one in single.points]
    finite = next(one for one in found if not one.at_infinity)
    moved = finite.x + found.null_space @ np.array([3.0, -7.0])
    assert float(problem.error(moved)) == pytest.approx(finite.value, rel=1e-12)
    assert "affine set of dimension 2" in str(found)


def test_a_sigmoid_of_ones_own_is_searched_without_proof() -> None:
    own = Sigmoid("own tanh", np.tanh, lambda z: 1 / np.cosh(z) ** 2)
    found, known = minima(case(3, 4.0, own)), minima(case(3, 4.0))
    assert not found.complete
    assert not found.best.certified
    assert [one.at_infinity for one in found.points] == [False, True]
    assert found.best.x[0] == pytest.approx(known.best.x[0], abs=1e-6)
    assert found.best.value == pytest.approx(known.best.value, rel=1e-10)
    with pytest.raises(ValueError, match="for the core"):
        case(3, 4.0, own).objective()
    with pytest.raises(ValueError, match="at most one weight, if the sigmoid is one's own"):
        minima(Problem([[1.0, 2.0], [2.0, 1.0], [-1.0, -1.5]], [1, 1, 1], own))


def test_a_search_that_is_ended_early_says_so() -> None:
    found = minima(case(3, 4.0), max_boxes=3)
    assert not found.complete
    assert "not proved to be all" in repr(found)


def test_the_table_and_the_words() -> None:
    found = minima(case(3, 4.0))
    assert dict(found.data.sizes) == {"minimum": 2, "weight": 1, "observation": 2}
    assert found.data["at_infinity"].values.tolist() == [False, True]
    assert np.isnan(found.data["direction"].values[0, 0])
    assert "t → ∞" in repr(found.points[1])
    assert "positive definite" in str(found)
    assert ef.perceptron.minima is minima
