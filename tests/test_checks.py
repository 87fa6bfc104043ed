"""The shared checks: what they let through, and the words of their errors."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from etaflow import _checks as checks


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: checks.check_choice("loss", "sqare", ["square", "log"]), ValueError, "did you mean 'square'"),
        (lambda: checks.check_choice("loss", "xyz", ["square"]), ValueError, r"must be one of 'square' \(got 'xyz'\)"),
        (lambda: checks.check_choice("loss", 3, ["square"]), TypeError, r"\(got 3, a int\)"),
        (lambda: checks.check_positive_int("steps", 0), ValueError, r"steps must be >= 1 \(got 0\)"),
        (lambda: checks.check_nonnegative_int("steps", -1), ValueError, r"steps must be >= 0 \(got -1\)"),
        (lambda: checks.check_positive_int("steps", 2.0), TypeError, "steps must be an integer"),
        (lambda: checks.check_positive_int("steps", np.True_), TypeError, "steps must be an integer"),
        (lambda: checks.check_positive_int("steps", np.array(3)), TypeError, "steps must be an integer"),
        (lambda: checks.check_seed(2**64), ValueError, "seed must be <= 18446744073709551615"),
        (lambda: checks.check_positive_number("eta", 0), ValueError, r"eta must be > 0 \(got 0\)"),
        (lambda: checks.check_positive_number("eta", np.nan), ValueError, "eta must be finite"),
        (lambda: checks.check_nonnegative_number("eta", -0.1), ValueError, r"eta must be >= 0 \(got -0.1\)"),
        (lambda: checks.check_probability("level", 1), ValueError, r"level must be between 0 and 1 \(got 1\)"),
        (lambda: checks.check_probability("level", "high"), TypeError, "level must be a real number"),
        (lambda: checks.check_number("eta", "0.1"), TypeError, r"eta must be a real number \(got '0.1', a str\)"),
        (lambda: checks.check_number("eta", 1j), TypeError, "eta must be a real number"),
        (lambda: checks.check_number("eta", True), TypeError, "eta must be a real number"),
        (lambda: checks.check_run_numbers(2.5), TypeError, "runs must be an integer"),
        (lambda: checks.check_run_numbers(range(2, -2, -1)), ValueError, "run numbers >= 0"),
        (lambda: checks.check_same_length("x", [1], "y", [1, 2]), ValueError, r"\(got 1 and 2\)"),
        (lambda: checks.check_float_dtype(None), TypeError, "dtype must be float64 or float32"),
        (lambda: checks.check_float_dtype("flot"), TypeError, "dtype must be float64 or float32"),
        (lambda: checks.check_float_array("x", 1.0, ndim=1), ValueError, r"x must have 1 dimension \(got shape \(\)\)"),
        (lambda: checks.check_float_array("x", [1.0], shape=(None, 3)), ValueError, r"shape \(any, 3\) \(got \(1,\)\)"),
        (lambda: checks.check_float_array("x", np.nan), ValueError, r"x must be finite \(x is nan\)"),
        (lambda: checks.check_float_array("x", [10**400]), TypeError, "x must be an array of real numbers"),
    ],
)
def test_messages(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_what_passes() -> None:
    assert checks.check_positive_int("steps", np.int8(3)) == 3
    assert type(checks.check_positive_int("steps", np.int8(3))) is int
    assert checks.check_number("eta", Fraction(1, 2)) == 0.5
    assert checks.check_positive_number("eta", np.float32(0.5)) == 0.5
    assert checks.check_float_dtype("float32") == np.float32
    np.testing.assert_array_equal(checks.check_run_numbers(range(8, 2, -3)), [8, 5])


def test_arrays_are_copied_only_when_they_must_be() -> None:
    x = np.ones((3, 4))
    assert checks.check_float_array("x", x) is x
    assert checks.check_float_array("x", x.T).flags.c_contiguous
    assert checks.check_float_array("x", np.float32(2)).dtype == np.float32
