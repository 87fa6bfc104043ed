"""The progress bar and the function that is told how far the work is."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.dynamics import stepsizes
from problems import Case

CASE = Case((2, 3, 1), n=13)
LONG: dict[str, Any] = {"steps": 400_000, "step_size": 1e-3, "batch_size": 1, "runs": 16}


def test_a_function_hears_growing_fractions_up_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepsizes, "CHUNK", 50_000)
    for more in ({}, {"moments": {"theta": 150_000}}, {"step_size": ef.schedules.sqrt(1e-2)}):
        heard: list[float] = []
        runs = ef.descend(CASE.objective, CASE.theta(), **(LONG | more), progress=heard.append)
        assert heard[-1] == 1.0
        assert all(0 <= one <= 1 for one in heard)
        assert (np.diff(heard) >= 0).all()
        quiet = ef.descend(CASE.objective, CASE.theta(), **(LONG | more))
        np.testing.assert_array_equal(runs.theta, quiet.theta)


def test_a_bar_shows_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    ef.descend(CASE.objective, CASE.theta(), **LONG, progress=True)
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "400k/400k" in shown
    assert "step/s" in shown


def test_no_steps_are_done_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    ef.descend(CASE.objective, CASE.theta(), steps=0, step_size=0.1, progress=True)
    assert "0.00step" in capsys.readouterr().err


def test_a_function_that_fails_is_heard() -> None:
    def failing(_: float) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ef.descend(CASE.objective, CASE.theta(), **LONG, progress=failing)


def test_without_tqdm_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'progress=True needs tqdm: pip install "etaflow\[lab\]"'):
        ef.descend(CASE.objective, CASE.theta(), steps=1, step_size=0.1, progress=True)
