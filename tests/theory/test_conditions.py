"""The table of conditions: verdicts against what is known of each function, and its numbers against adversaries."""

from __future__ import annotations

import itertools
import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.theory.constants.gradient_bounds import gradient_bounds
from etaflow.theory.constants.kinks import find_jump
from problems import Case
from reference import oracle_of

KINKED = {"relu", "leaky_relu"}
BOUNDED = {"tanh", "logistic", "arctan", "sin"}
OUTPUTS = [("square", "identity"), ("square", "tanh"), ("log", "logistic"), ("softmax", "identity")]
HIDDEN = ["logistic", "arctan", "sin", "leaky_relu", "identity", "softplus", "gelu"]
NAMES = [f"A{i}" for i in (1, 2, 3, 4, 5)] + [
    *("A6, A7", "A8", "Lemma 3.1 i", "Lemma 3.1 ii", "Theorem 3.2 i", "Theorem 3.2 ii", "Theorem 4.1")
]


def make(activation: Any, hidden: int, loss: str, output: Any) -> Case:
    widths = (2, *(3,) * hidden, 3 if loss == "softmax" else 1)
    return Case(widths, n=5, activation=activation, loss=loss, output=output)


def verdicts(objective: ef.Objective) -> dict[str, str]:
    return {row.name: row.verdict for row in ef.theory.check_conditions(objective)}


@pytest.mark.parametrize(
    ("activation", "loss", "output"),
    [
        *((activation, *pair) for activation in ("tanh", "relu") for pair in OUTPUTS),
        *((activation, *OUTPUTS[i % 4]) for i, activation in enumerate(HIDDEN * 2)),
        *(("softplus", *pair) for pair in OUTPUTS[2:]),
    ],
)
def test_the_verdicts(activation: str, loss: str, output: str) -> None:
    """Smoothness decides A4 and A8; depth and a bounded error at the output decide linear growth."""
    for hidden in (1, 2) if activation in {"tanh", "relu", "softplus"} else (1,):
        smooth = activation not in KINKED
        linear = hidden == 1 and (loss != "square" or output in BOUNDED)
        table = verdicts(make(activation, hidden, loss, output).objective)
        assert list(table) == NAMES
        assert all(table[name] == "proved" for name in ("A1", "A2", "A3", "A5"))
        assert table["A6, A7"] == "not needed"
        expected = {True: "proved", False: "fails"}
        for name in ("A4", "A8", "Lemma 3.1 ii", "Theorem 3.2 ii", "Theorem 4.1"):
            assert table[name] == expected[smooth]
        assert table["Lemma 3.1 i"] == expected[linear]
        assert table["Theorem 3.2 i"] == expected[smooth and linear]


@pytest.mark.parametrize("output", ["identity", "softplus", "gelu", "tanh", "relu"])
def test_a_network_without_hidden_layers_grows_linearly(output: str) -> None:
    table = verdicts(make("tanh", 0, "square", output).objective)
    assert table["Lemma 3.1 i"] == "proved"
    assert table["Theorem 3.2 i"] == table["Theorem 4.1"] == ("fails" if output == "relu" else "proved")


def test_one_kinked_layer_among_smooth_ones_is_enough() -> None:
    assert verdicts(Case((2, 3, 3, 1), n=5, activation=["tanh", "relu"], output="tanh").objective)["A8"] == "fails"
    straight = Case((2, 3, 1), n=5, activation=("leaky_relu", 1.0), output="tanh")  # the identity
    assert verdicts(straight.objective)["Theorem 4.1"] == "proved"


BOXES = [
    Case((2, 3, 1), n=6),
    Case((2, 3, 2), n=6, activation="relu"),
    Case((2, 3, 2, 1), n=6, activation=["gelu", ("leaky_relu", -2.0)], output="logistic", loss="log"),
    Case((2, 3, 3), n=6, activation="sin", loss="softmax", bias=False),
    Case((2, 3, 1), n=6, output="tanh", reduction="sum", l2=0.3),
    Case((3, 2), n=6, output="softplus", l2=0.1),
]


def steps(case: Case, theta: Any) -> Any:
    """The directions of SGD steps on one observation, from the oracle."""
    gradients = oracle_of(case.objective).sample_gradients(theta)
    return (case.n if case.reduction == "sum" else 1) * gradients + 2 * case.l2 * theta


@pytest.mark.parametrize("case", BOXES, ids=lambda case: case.name)
@pytest.mark.parametrize("radius", [0.3, 2.0])
def test_no_point_of_the_box_exceeds_the_numbers(case: Case, radius: float) -> None:
    table = ef.theory.check_conditions(case.objective, G=radius)
    largest, variation = (float(table.data[name]) for name in ("C_1", "L_R"))
    assert largest == table["A3"].constants["C_1"]
    generator, d = np.random.default_rng(1), case.net.num_params
    corners, inside = generator.choice([-radius, radius], (60, d)), generator.uniform(-radius, radius, (60, d))
    for first, second in itertools.pairwise([*corners, *inside, *(inside + 1e-3 * radius * corners) / 1.001]):
        here, there = steps(case, first), steps(case, second)
        assert np.linalg.norm(here, axis=1).max() <= largest
        gap = np.cov(here.T, bias=True) - np.cov(there.T, bias=True)
        assert np.linalg.norm(gap) <= variation * np.linalg.norm(first - second)


def test_bounds_of_one_layer_are_exact() -> None:
    """‖∇L‖ = 2|w·x + b − y|‖(x, 1)‖ is largest in a corner; a softmax of equal logits has ‖δ‖² = (1 − 1/3)² + 2/9."""
    f = ef.Objective(ef.MLP([2, 1]), [[1.0, -2.0]], [-0.5])
    assert gradient_bounds(f, 1.5)[0] == pytest.approx(2 * (1.5 * 4 + 0.5) * math.sqrt(6), rel=1e-12)
    softmax = ef.Objective(ef.MLP([2, 3]), [[1.0, -2.0]], [1.0], loss="softmax")
    assert gradient_bounds(softmax, 1e-9)[0] == pytest.approx(
        math.sqrt(2) * 2 / 3 * math.sqrt(6), rel=1e-6
    )  # √2(1 − p), above the true √(2/3)


def test_the_variation_of_the_covariance_in_closed_form() -> None:
    """One weight, observations (1, 0) and (0, 0): H is −2θ or 0, R = θ², so |R(G) − R(G')|/|G − G'| → 2G, and 2·C_1·L_G = 2·2G·2."""
    G = 3.0
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [0.0]], [0.0, 0.0])
    numbers = ef.theory.check_conditions(f, G=G).data
    assert float(numbers.C_1) == pytest.approx(2 * G, rel=1e-9)
    assert float(numbers.L_R) == pytest.approx(8 * G, rel=1e-9)
    near, far = (f.gradient_covariance(np.array([w]))[0, 0] for w in (G - 1e-6, G))
    assert (far - near) / 1e-6 == pytest.approx(2 * G, rel=1e-5)


def test_what_the_theorems_rest_on_without_linear_growth() -> None:
    """‖θ̄(t) − θ_0‖² ≤ t·f(θ_0), the reason that is given, along a flow; and the words say on what the constant depends."""
    case = Case((2, 3, 1), n=6)
    table = ef.theory.check_conditions(case.objective)
    assert table["Theorem 3.2 i"].verdict == "fails"
    assert "depends on δ" in table["Theorem 3.2 ii"].reason
    assert "‖θ̄(t) − θ_0‖² ≤ t·f(θ_0)" in table["Theorem 4.1"].reason
    start = 2 * case.theta()
    times = np.array([0.01, 0.1, 1.0, 5.0])
    path = ef.flow(case.objective, start, t=5.0)(times)
    assert (np.sum((path - start) ** 2, axis=1) <= times * case.oracle.value(start)).all()


def test_relu_has_witnesses() -> None:
    table = ef.theory.check_conditions(Case((2, 3, 1), n=5, activation="relu").objective)
    field = table.lipschitz.mean_field
    assert field is not None
    assert field.status == "fails"
    assert f"{np.linalg.norm(field.theta[1] - field.theta[0]):.1e} apart" in table["A4"].reason
    assert table["A8"].reason == "h is not even continuous (A4)"
    assert table["A8"].constants["L_R"] == math.inf
    assert math.isfinite(table["A3"].constants["C_1"])
    assert "A4, Lemma 3.1 i not fulfilled" in table["Theorem 3.2 i"].reason


@pytest.mark.parametrize("G", [1e-9, 1e-3, 50.0])
def test_the_verdict_is_of_every_compact_set(G: float) -> None:
    """Near θ = 0 the jumps of a deep network are as small as the product of the weights."""
    deep = Case((2, 3, 3, 3, 3, 1), n=5, activation="relu", output="tanh")
    table = ef.theory.check_conditions(deep.objective, G=G)
    assert table["A4"].verdict == table["A8"].verdict == "fails"


def relu_unit(x: Any, y: Any) -> ef.Objective:
    return ef.Objective(ef.MLP([1, 1], output="relu", bias=False), x, y)


def test_a_kink_that_only_the_second_derivative_feels() -> None:
    """relu(w·x)² has the derivative 2x²·w for w·x > 0, else 0: Lipschitz, but not differentiable at w = 0."""
    table = ef.theory.check_conditions(relu_unit([[1.0], [2.0]], [0.0, 0.0]))
    assert table["A4"].verdict == table["Lemma 3.1 ii"].verdict == "supported numerically"
    assert table["A8"].verdict == table["Theorem 4.1"].verdict == "fails"
    assert table["Theorem 3.2 i"].verdict == table["Theorem 3.2 ii"].verdict == "supported numerically"
    assert "A4 only supported numerically" in table["Theorem 3.2 i"].reason
    jump = find_jump(relu_unit([[1.0], [2.0]], [0.0, 0.0]), 1.0, order=2)
    assert jump is not None
    assert jump.size == pytest.approx((2 * 1 + 2 * 4) / 2, rel=1e-9)  # the mean of 2x²


def test_a_kink_that_nothing_feels_is_not_called_proved() -> None:
    table = verdicts(relu_unit([[0.0], [0.0]], [1.0, -1.0]))
    assert table["A4"] == table["A8"] == table["Theorem 4.1"] == "supported numerically"


def test_a_jump_of_any_observation_is_found() -> None:
    """Only the shortest of eight observations has a target ≠ 0, and so a gradient that jumps."""
    x = np.arange(8.0, 0.0, -1.0)[:, None]
    table = ef.theory.check_conditions(relu_unit(x, np.array([0.0] * 7 + [1.0])))
    assert table["A4"].verdict == "fails"
    assert table.lipschitz.observation == 7


def test_single_precision_has_the_same_table() -> None:
    for activation in ("tanh", "relu"):
        double = Case((2, 3, 1), n=5, activation=activation, output="tanh")
        single = Case((2, 3, 1), n=5, activation=activation, output="tanh", dtype="float32")
        assert verdicts(single.objective) == verdicts(double.objective)


def test_the_result_is_a_table() -> None:
    f = Case((2, 3, 1), n=5).objective
    table = ef.theory.check_conditions(f, G=2.0)
    assert [row.name for row in table] == NAMES
    assert len(table) == len(NAMES)
    assert table.G == 2.0
    assert table.growth.exponent == pytest.approx(ef.theory.growth(f).exponent)
    assert table.lipschitz.upper == ef.theory.lipschitz(f, 2.0).upper
    assert table.data.sizes == {"condition": len(NAMES)}
    assert table.data.reason.sel(condition="A8").item() == table["A8"].reason
    assert float(table.data.L_G) == table.lipschitz.upper
    assert float(table.data.K) == math.inf
    assert repr(table).count("\n") == 0
    assert "fails: Lemma 3.1 i, Theorem 3.2 i)" in repr(table)
    assert table._repr_html_().count("<tr>") == len(NAMES) + 1
    with pytest.raises(KeyError, match=r"A1, A2, .*got 'A9'"):
        table["A9"]
    with pytest.raises(FrozenInstanceError):
        table.G = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("terminal", "width", "ends"),
    [(126, 126, [14, 50, 64]), (400, 126, [14, 50, 64]), (80, 80, [14, 33, 47]), (20, 80, [14, 33, 47])],
)
def test_the_printed_table_fits_the_terminal_with_straight_columns_and_every_word(
    terminal: int, width: int, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(terminal))
    table = ef.theory.check_conditions(Case((2, 3, 1), n=5, activation="relu").objective)
    lines = [line.replace("\u0304", "") for line in str(table).splitlines()]  # the bar of θ̄ takes no room
    assert max(map(len, lines)) == width
    lines = lines[next(place for place, line in enumerate(lines) if line.startswith("G = ")) :]
    rows = [line for line in lines if set(line) != {"-"}]
    assert all(line[end : end + 2].strip() == "" for line in rows for end in ends)
    for column, text in zip(
        ("name", "statement", "verdict", "reason"),
        zip([0, *(end + 2 for end in ends)], [*ends, None], strict=True),
        strict=True,
    ):
        printed = " ".join(" ".join(line[slice(*text)] for line in rows).split())
        for row in table:
            words = getattr(row, column).replace("\u0304", "")
            assert words.replace(" ", "") in printed.replace(" ", "")  # a formula may be longer than the column


@pytest.mark.parametrize(
    ("G", "error"), [(0.0, ValueError), (-1.0, ValueError), (math.inf, ValueError), ("1", TypeError)]
)
def test_bad_boxes(G: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="G must be"):
        ef.theory.check_conditions(Case((2, 3, 1), n=5).objective, G=G)


def test_bad_objectives() -> None:
    with pytest.raises(TypeError, match=r"objective must be an Objective \(got MLP"):
        ef.theory.check_conditions(ef.MLP([2, 3, 1]))  # type: ignore[arg-type]
