"""The parts of the slides' claims: truth tables, data, verdicts of the table, and its words."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etaflow.reproduce.kawaguchi.findings import Findings
from etaflow.reproduce.kawaguchi.other_rows import paths, without_perturbation
from etaflow.reproduce.kawaguchi.parts import index_part, paths_part
from etaflow.reproduce.kawaguchi.problem import STRENGTHS, load_problem
from etaflow.reproduce.kawaguchi.protocol import Protocol, split, widths_of
from etaflow.reproduce.kawaguchi.represent import represent, truth_tables
from etaflow.reproduce.kawaguchi.row import Row
from etaflow.reproduce.kawaguchi.settings import Settings
from etaflow.reproduce.kawaguchi.shallow_rows import saddles, values
from etaflow.reproduce.kawaguchi.text import verdict

SETTINGS = Settings("own", 3, Protocol())


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_every_truth_table_is_represented(k: int) -> None:
    corners, tables = truth_tables(k)
    assert {tuple(one) for one in corners} == set(product((-1, 1), repeat=k))
    assert len({tuple(one) for one in tables.tolist()}) == 2 ** (2**k)
    net, theta = represent(corners, tables)
    assert net.widths == (k, 2**k - 1, 1)
    np.testing.assert_array_equal(net.predict(theta, corners)[..., 0], tables)
    weights, thresholds = net.layers(theta[-1])[0]
    assert thresholds is not None
    hidden = np.tanh(corners @ weights.T + thresholds)
    assert set(np.unique(hidden)) == {-1.0, 1.0}  # sgn, in float64


def test_any_function_on_any_points() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(40, 3)) * [1.0, 1e4, 1e-4]
    labels = generator.choice([-1.0, 1.0], size=40)
    net, theta = represent(points, labels, seed=1)
    assert theta.shape == (net.num_params,)
    np.testing.assert_array_equal(net.predict(theta, points)[:, 0], labels)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        ([[1.0], [1.0]], [1, -1], "x must hold different points"),
        ([[1.0], [2.0]], [1, 0], "labels must be -1 and 1"),
        ([[1.0], [2.0]], [1, -1, 1], "labels one for each"),
        ([[1.0]], [1], "x must hold at least two points"),
    ],
)
def test_bad_functions(x: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        represent(x, labels)


def test_problems() -> None:
    iris, random = load_problem("iris", 0), load_problem("random", 4)
    np.testing.assert_array_equal(iris.x, iris.y)
    assert iris.x.shape == (100, 4)
    np.testing.assert_allclose(iris.x.mean(axis=0), 0, atol=1e-14)
    fitted = random.x @ np.linalg.lstsq(random.x, random.y, rcond=None)[0]
    np.testing.assert_allclose(np.linalg.svd(fitted, compute_uv=False), STRENGTHS, atol=0.5)
    assert not np.array_equal(random.x, load_problem("random", 5).x)


def test_names_of_networks() -> None:
    assert split("random-4-2-3") == ("random", (4, 2, 3))
    assert widths_of("12") == (12,)


def test_a_wrong_index_would_be_seen() -> None:
    """The verdicts of the table can fail: one index, one loss and one factor changed."""
    part = index_part(SETTINGS, lambda _: None)
    right = Findings(SETTINGS, {"index": part}, Path())
    assert (saddles(right).result, values(right).result) == ("holds", "holds")
    index, error = part["found_index"].copy(), part["error"].copy()
    index[7] += 1
    error[3] = 1e-3
    wrong = Findings(SETTINGS, {"index": part | {"found_index": index, "error": error}}, Path())
    assert (saddles(wrong).result, values(wrong).result) == ("fails", "fails")
    assert "equal at 119 of 120 points" in saddles(wrong).numbers


def test_paths_need_every_factor() -> None:
    part = paths_part(SETTINGS)
    assert int(part["paths"]) == 5 * 4 * 3 * 2
    assert paths(Findings(SETTINGS, {"paths": part}, Path())).result == "holds"
    other = part | {"error": part["printed"]}
    assert paths(Findings(SETTINGS, {"paths": other}, Path())).result == "fails"


@pytest.mark.parametrize(("poor", "result"), [(0, "holds"), (3, "fails")])
def test_poor_minima_decide(poor: int, result: str) -> None:
    part = {
        "ratio": np.array([0.5, 1.0, 2.0]),
        "poor": np.array([poor, 0, 9]),  # those beyond 1 do not count
        "rank_deficient": np.array([poor, 0, 0]),
    }
    row = without_perturbation(Findings(SETTINGS, {"sweep-plain": part}, Path()))
    assert row.result == result
    assert row.numbers.startswith(f"{poor} of 120 trials")


def test_the_verdict_in_one_sentence() -> None:
    rows = tuple(
        Row(name, "here", "", result, "") for name, result in (("A", "holds"), ("B", "fails"), ("C", "answered"))
    )
    assert verdict(rows) == "1 of 2 claims hold; this fails: “B” (here). 1 question is answered."
    assert verdict(rows[:1]) == "1 of 1 claims hold."
