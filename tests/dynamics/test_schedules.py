"""Schedules against their printed formulas in mpmath, and the Robbins-Monro verdicts against numeric partial sums."""

import json
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etaflow.dynamics import schedules
from etaflow.dynamics.schedules import Schedule

mp = mpmath.mp
unchecked: Any = schedules  # for calls that mypy would refuse


def _darken(k: int) -> mpmath.mpf:
    alpha, s, c = mp.mpf(0.1), mp.mpf(k) / 100, mp.mpf(5)
    return alpha * (1 + c / alpha * s) / (1 + c / alpha * s + 100 * s**2)


# name: the schedule, the printed formula in mpmath (k from 1), and whether Σα = ∞ and Σα² < ∞
TABLE: dict[str, tuple[Schedule, Callable[[int], mpmath.mpf], bool, bool]] = {
    "constant": (schedules.constant(0.03), lambda k: mp.mpf(0.03) + 0 * k, True, False),
    "piecewise factor": (
        schedules.piecewise(0.03, thresholds=[6, 11, 16], gamma=0.5),
        lambda k: mp.mpf(0.03) * mp.mpf(0.5) ** sum(k >= t for t in (6, 11, 16)),
        True,
        False,
    ),
    "piecewise values": (
        schedules.piecewise([0.1, 0.3, 0.01], thresholds=[2, 50]),
        lambda k: mp.mpf(0.1 if k < 2 else 0.3 if k < 50 else 0.01),
        True,
        False,
    ),
    "exponential": (
        schedules.exponential(0.03, decay=0.2),
        lambda k: mp.mpf(0.03) * mp.exp(-mp.mpf(0.2) * k),
        False,
        True,
    ),
    "polynomial 0.5": (schedules.sqrt(0.03), lambda k: mp.mpf(0.03) / mp.sqrt(k + 1), True, False),
    "polynomial 0.3": (
        schedules.polynomial(0.03, gamma=0.3, beta=0.01),
        lambda k: mp.mpf(0.03) * (mp.mpf(0.01) * k + 1) ** -mp.mpf(0.3),
        True,
        False,
    ),
    "polynomial 0.75": (
        schedules.polynomial(2.0, gamma=0.75, beta=3.0),
        lambda k: 2 * (3 * mp.mpf(k) + 1) ** -mp.mpf(0.75),
        True,
        True,
    ),
    "polynomial 1": (schedules.polynomial(0.5, gamma=1.0), lambda k: mp.mpf(0.5) / (k + 1), True, True),
    "polynomial 1.5": (
        schedules.polynomial(0.5, gamma=1.5),
        lambda k: mp.mpf(0.5) * (mp.mpf(k) + 1) ** -mp.mpf(1.5),
        False,
        True,
    ),
    "search then converge": (
        schedules.search_then_converge(0.1, tau=100),
        lambda k: mp.mpf(0.1) / (1 + mp.mpf(k) / 100),
        True,
        True,
    ),
    "search then converge with c": (
        schedules.search_then_converge(0.1, tau=100, c=5.0),
        _darken,
        True,
        True,
    ),
    "cosine to 0": (
        schedules.cosine(0.1, steps=40),
        lambda k: mp.mpf(0.1) / 2 * (1 + mp.cos(mp.pi * (k - 1) / 40)) if k <= 40 else mp.mpf(0),
        False,
        True,
    ),
    "cosine to 0.02": (
        schedules.cosine(0.1, steps=40, final=0.02),
        lambda k: mp.mpf(0.02) + mp.mpf(0.08) / 2 * (1 + mp.cos(mp.pi * min(k - 1, 40) / 40)),
        True,
        False,
    ),
    "warm-up": (
        schedules.warmup(schedules.polynomial(0.5, gamma=1.0), steps=10, start=0.1),
        lambda k: (mp.mpf(0.1) + (1 - mp.mpf(0.1)) * mp.mpf(min(k, 10)) / 10) * mp.mpf(0.5) / (k + 1),
        True,
        True,
    ),
}
NAMES = list(TABLE)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_printed_formula(name: str) -> None:
    schedule, formula, _, _ = TABLE[name]
    k = np.concatenate([np.arange(1, 61), [99, 1000, 10**6]])
    with mp.workdps(40):
        expected = np.array([float(formula(int(step))) for step in k])
    np.testing.assert_allclose(schedule(k), expected, rtol=2e-15, atol=1e-18)


@pytest.mark.parametrize("name", NAMES)
def test_scalar_and_array_agree_and_shapes_are_kept(name: str) -> None:
    schedule = TABLE[name][0]
    k = np.arange(1, 25).reshape(4, 6)
    values = schedule(k)
    assert values.shape == (4, 6)
    assert values.dtype == np.float64
    one_by_one = [schedule(int(step)) for step in k.flat]
    assert all(type(alpha) is float for alpha in one_by_one)
    np.testing.assert_allclose(values.ravel(), one_by_one, rtol=1e-15)
    np.testing.assert_array_equal(schedule(k.ravel().tolist()), schedule(k.ravel()))
    assert schedule(np.arange(0)).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_json_round_trip_gives_the_same_value(name: str) -> None:
    schedule = TABLE[name][0]
    again = schedules.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert again.robbins_monro() == schedule.robbins_monro()


@pytest.mark.parametrize("name", NAMES)
def test_repr_is_the_call(name: str) -> None:
    schedule = TABLE[name][0]
    assert eval(repr(schedule), {n: getattr(schedules, n) for n in schedules.__all__}) == schedule


@pytest.mark.parametrize("name", NAMES)
def test_robbins_monro_verdict(name: str) -> None:
    schedule, _, diverges, squares = TABLE[name]
    result = schedule.robbins_monro()
    assert (result.sum_diverges, result.squares_converge) == (diverges, squares)
    assert bool(result) is result.satisfied is (diverges and squares)
    assert str(result).startswith("satisfied" if diverges and squares else "violated")
    assert result.reason in str(result)


@pytest.mark.parametrize("name", NAMES)
def test_robbins_monro_agrees_with_partial_sums(name: str) -> None:
    """By Cauchy condensation a power series converges iff its sums over k = 2^m + 1 … 2^(m+1) fall geometrically."""
    schedule, _, diverges, squares = TABLE[name]
    blocks = [np.arange(2**m + 1, 2 ** (m + 1) + 1) for m in (14, 17, 20)]
    for power, grows in ((1, diverges), (2, not squares)):
        sums = [float((schedule(block) ** power).sum()) for block in blocks]
        falls = sums[0] == 0 or sums[2] / sums[0] < 0.5
        assert falls is not grows, sums


@given(gamma=st.floats(0.01, 3.0), alpha=st.floats(1e-6, 10.0), beta=st.floats(1e-3, 1e3))
def test_power_schedules_are_decided_exactly(gamma: float, alpha: float, beta: float) -> None:
    result = schedules.polynomial(alpha, gamma=gamma, beta=beta).robbins_monro()
    assert result.sum_diverges is (gamma <= 1)
    assert result.squares_converge is (gamma > 0.5)


@pytest.mark.parametrize(
    ("gamma", "verdict"), [(0.5, False), (math.nextafter(0.5, 1), True), (1.0, True), (math.nextafter(1.0, 2), False)]
)
def test_verdict_at_the_ends_of_the_interval(gamma: float, verdict: bool) -> None:
    assert schedules.polynomial(0.1, gamma=gamma).robbins_monro().satisfied is verdict


def test_sum_of_the_exponential_schedule_is_the_stated_one() -> None:
    schedule = schedules.exponential(0.03, decay=0.2)
    total = schedule(np.arange(1, 2000)).sum()
    assert f"{total:g}" in schedule.robbins_monro().reason
    assert schedules.exponential(0.03, decay=5000.0).robbins_monro().squares_converge


def test_figure_4_6() -> None:
    """The three curves as arrays: α_1 = 0.03, γ = 0.5 per threshold; λ = 0.2; β = 1, γ = 0.5."""
    k = np.arange(1, 21)
    steps = np.repeat([0.03, 0.015, 0.0075, 0.00375], 5)
    np.testing.assert_array_equal(schedules.piecewise(0.03, thresholds=[6, 11, 16], gamma=0.5)(k), steps)
    np.testing.assert_allclose(
        schedules.exponential(0.03, decay=0.2)([1, 5, 10, 20]),
        [0.02456192, 0.01103638, 0.00406006, 0.00054947],
        atol=5e-9,
    )
    np.testing.assert_allclose(schedules.sqrt(0.03)([1, 3, 8, 15]), [0.02121320, 0.015, 0.01, 0.0075], atol=5e-9)
    assert schedules.sqrt(0.03) == schedules.polynomial(0.03, gamma=0.5, beta=1.0)


def test_threshold_is_the_first_step_with_the_new_value() -> None:
    """The printed (i) has k_i <= k <= k_{i+1} on both sides; the later value wins here."""
    assert schedules.piecewise(0.03, thresholds=[100], gamma=0.5)([99, 100, 101]).tolist() == [0.03, 0.015, 0.015]


def test_piecewise_without_thresholds_is_constant() -> None:
    assert schedules.piecewise(0.1, thresholds=[], gamma=0.5)([1, 100]).tolist() == [0.1, 0.1]


def test_search_then_converge_tail_does_not_depend_on_tau() -> None:
    for tau in (1.0, 1e2, 1e4):
        schedule = schedules.search_then_converge(0.1, tau=tau, c=3.0)
        assert schedule(1e13) * 1e13 == pytest.approx(3.0, rel=1e-5)


def test_every_step_of_the_cosine_moves() -> None:
    values = schedules.cosine(0.1, steps=7)(np.arange(1, 9))
    assert values[0] == 0.1
    assert (np.diff(values) < 0).all()
    assert values[-2] > 0
    assert values[-1] == 0


def test_warmup_of_a_warmup_goes_through_json() -> None:
    inner = schedules.warmup(schedules.cosine(0.1, steps=100), steps=10)
    outer = schedules.warmup(inner, steps=5, start=0.5)
    assert schedules.from_dict(outer.to_dict()) == outer
    assert outer(1) == pytest.approx(0.6 * 0.1 * inner.schedule(1), rel=1e-15)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: unchecked.constant(0), ValueError, r"alpha must be > 0 \(got 0\)"),
        (lambda: unchecked.constant(math.nan), ValueError, "alpha must be finite"),
        (lambda: unchecked.constant("0.1"), TypeError, "alpha must be a real number"),
        (lambda: unchecked.constant(True), TypeError, "alpha must be a real number"),
        (lambda: unchecked.exponential(0.1, decay=-1), ValueError, "decay must be > 0"),
        (lambda: unchecked.polynomial(0.1, gamma=0), ValueError, "gamma must be > 0"),
        (lambda: unchecked.polynomial(0.1, gamma=1, beta=-1), ValueError, "beta must be > 0"),
        (lambda: unchecked.search_then_converge(0.1, tau=0), ValueError, "tau must be > 0"),
        (lambda: unchecked.search_then_converge(0.1, tau=1, c=-2), ValueError, "c must be > 0"),
        (lambda: unchecked.cosine(0.1, steps=0), ValueError, "steps must be >= 1"),
        (lambda: unchecked.cosine(0.1, steps=10.0), TypeError, "steps must be an integer"),
        (lambda: unchecked.cosine(0.1, steps=10, final=0.2), ValueError, r"final must be <= alpha = 0.1 \(got 0.2\)"),
        (lambda: unchecked.warmup(0.1, steps=10), TypeError, "schedule must be one of etaflow's schedules"),
        (
            lambda: unchecked.warmup(schedules.constant(1), steps=10, start=2),
            ValueError,
            r"start must be <= 1 \(got 2\)",
        ),
        (lambda: unchecked.piecewise(0.1, thresholds=[5]), TypeError, "gamma, the factor per threshold"),
        (lambda: unchecked.piecewise([0.1, 0.2], thresholds=[5], gamma=0.5), TypeError, "gamma must be left out"),
        (lambda: unchecked.piecewise([0.1], thresholds=[5]), ValueError, r"2 values for 1 thresholds \(got 1\)"),
        (lambda: unchecked.piecewise([0.1, -1], thresholds=[5]), ValueError, r"alpha\[1\] must be > 0"),
        (lambda: unchecked.piecewise(0.1, thresholds=[5, 5], gamma=0.5), ValueError, r"thresholds must increase"),
        (lambda: unchecked.piecewise(0.1, thresholds=[1], gamma=0.5), ValueError, r"thresholds\[0\] must be >= 2"),
        (
            lambda: unchecked.piecewise(0.1, thresholds=[2.5], gamma=0.5),
            TypeError,
            r"thresholds\[0\] must be an integer",
        ),
        (lambda: unchecked.piecewise(0.1, thresholds=5, gamma=0.5), TypeError, "thresholds must be a sequence"),
        (lambda: unchecked.constant(0.1)(0), ValueError, r"k must be >= 1 and finite: steps count from 1 \(got 0\)"),
        (lambda: unchecked.constant(0.1)(np.array([1.0, np.nan])), ValueError, "k must be >= 1"),
        (lambda: unchecked.constant(0.1)("3"), TypeError, "k must be a number"),
        (lambda: unchecked.from_dict({"kind": "polynominal"}), ValueError, "did you mean 'polynomial'"),
        (lambda: unchecked.from_dict({}), ValueError, "kind must be one of"),
        (lambda: unchecked.from_dict({"kind": "constant"}), ValueError, r"described by alpha \(got \)"),
        (lambda: unchecked.from_dict({"kind": "constant", "alpha": 1, "beta": 2}), ValueError, "got alpha, beta"),
        (lambda: unchecked.from_dict({"kind": "constant", "alpha": -1}), ValueError, "alpha must be > 0"),
        (lambda: unchecked.from_dict("constant"), TypeError, "description must be a mapping"),
    ],
)
def test_bad_input(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
