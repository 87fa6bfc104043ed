"""The derivative of predictions, against complex steps through the oracle."""

from __future__ import annotations

import numpy as np
import pytest

import etaflow as ef
from etaflow.diffusion.predictions import prediction_jacobian
from problems import HIDDEN, Case, relative_error

CASES = [
    *(Case((2, 4, 2), n=3, activation=name) for name in HIDDEN),
    Case((3, 4, 3, 1), n=17, activation="gelu", output="logistic", loss="log"),
    Case((3, 4, 3), n=5, loss="softmax", bias=False),
    Case((2, 1), n=4, output="tanh"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_jacobian(case: Case) -> None:
    theta, d = case.theta(), case.net.num_params
    inputs = case.objective.x
    steps = theta + 1e-30j * np.eye(d)
    expected = np.stack([case.oracle.predict(row).imag / 1e-30 for row in steps], axis=-1)
    found = prediction_jacobian(case.net, theta, inputs)
    assert found.shape == (case.n, case.net.widths[-1], d)
    assert relative_error(found, expected) < 1e-12


def test_large_predictions_lose_no_digits() -> None:
    found = prediction_jacobian(ef.MLP([1, 1]), [1e6, 0.0], [[3.0]])
    np.testing.assert_allclose(found, [[[3.0, 1.0]]], rtol=1e-15)
