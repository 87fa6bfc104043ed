"""The point sets and input features of TensorFlow Playground (playground.tensorflow.org), with NumPy's random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from etaflow._checks import FloatArray, check_choice, check_float_array, check_int, check_number, check_seed
from etaflow.problem.datasets._support import Pair, as_pair

Generator: TypeAlias = Callable[[np.random.Generator, int, float], tuple[FloatArray, FloatArray]]

_ALIASES = {
    "x": "x1",
    "y": "x2",
    "xSquared": "x1^2",
    "ySquared": "x2^2",
    "xTimesY": "x1x2",
    "sinX": "sin x1",
    "sinY": "sin x2",
}
_FEATURES: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "x1": lambda a, _: a,
    "x2": lambda _, b: b,
    "x1^2": lambda a, _: a * a,
    "x2^2": lambda _, b: b * b,
    "x1x2": lambda a, b: a * b,
    "sin x1": lambda a, _: np.sin(a),
    "sin x2": lambda _, b: np.sin(b),
}


def playground(
    name: str,
    *,
    n: int | None = None,
    noise: float = 0.0,
    seed: int = 0,
    signed: bool = True,
    dtype: npt.DTypeLike = np.float64,
) -> Pair:
    """Return one of TensorFlow Playground's point sets, in random order.

    ========= =====================================================================================
    name      points and labels
    ========= =====================================================================================
    circle    half in the disc of radius 2.5 (label 1), half in the ring from 3.5 to 5 (−1)
    xor       the square |x| <= 5 with a gap of 0.3 around the axes; 1 where x1 x2 >= 0
    gauss     half around (2, 2) (label 1), half around (−2, −2) (−1)
    spiral    two arms of 1.75 turns from the centre to radius 5
    reg-plane the square |x| <= 6, target (x1 + x2)/10
    reg-gauss the square |x| <= 6, target from six cones of alternating sign at (−4, 0, 4) × (2.5, −2.5)
    ========= =====================================================================================

    Parameters
    ----------
    name : {"circle", "xor", "gauss", "spiral", "reg-plane", "reg-gauss"}
        The names in the page's address line.
    n : int, optional
        Number of points, >= 2; by default as on the page, before it splits off its test data: 500 for classes, 1200 for
        regression.
    noise : float, default 0.0
        Per cent, 0 to 50, as on the page's slider. In "circle", "xor" and the regressions it moves the point whose label
        is taken, not the point; in "spiral" it moves the point; in "gauss" it is a variance from 0.5 (at 0) to 4 (at 50).
    seed : int, default 0
        Seed of points, noise and order.
    signed : bool, default True
        Class labels 1 and −1; otherwise 1 and 0, as the log loss needs. Without effect on the regressions.
    dtype : {float64, float32}, default float64
        The dtype of both arrays.

    Returns
    -------
    x : ndarray, shape (n, 2)
        Points.
    y : ndarray, shape (n,)
        Labels or targets.

    Raises
    ------
    ValueError
        If the name is unknown or a number is out of range.

    References
    ----------
    github.com/tensorflow/playground, src/dataset.ts. Points follow the same laws, not the same random numbers.

    Examples
    --------
    >>> x, y = playground("spiral", n=200, noise=10)
    >>> x.shape, int((y == 1).sum())
    ((200, 2), 100)
    """
    generate, default = _SETS[check_choice("name", name, _SETS)]
    count = default if n is None else check_int("n", n, minimum=2)
    percent = check_number("noise", noise, minimum=0)
    if percent > 50:
        raise ValueError(f"noise must be <= 50 per cent (got {percent:g})")
    generator = np.random.default_rng(check_seed(seed))
    x, y = generate(generator, count, percent / 100)
    if not (signed or name.startswith("reg-")):
        y = (y + 1) / 2
    order = generator.permutation(count)
    return as_pair(x[order], y[order], dtype)


def playground_features(x: npt.ArrayLike, names: Sequence[str] = ("x1", "x2")) -> FloatArray:
    """Return the input features that TensorFlow Playground computes from the points.

    Parameters
    ----------
    x : array_like, shape (n, 2)
        Points.
    names : sequence of str, default ("x1", "x2")
        Among x1, x2, x1^2, x2^2, x1x2, sin x1, sin x2; or the page's own names x, y, xSquared, ySquared, xTimesY, sinX, sinY.

    Returns
    -------
    ndarray, shape (n, len(names))
        One column per name, in that order.

    Raises
    ------
    ValueError
        If a name is unknown, no name is given, or `x` has another shape.

    Examples
    --------
    >>> playground_features([[2.0, 3.0]], ["x1", "x2^2", "x1x2"])
    array([[2., 9., 6.]])
    """
    points = check_float_array("x", x, shape=(None, 2))
    if isinstance(names, str) or len(names) == 0:
        raise ValueError(f"names must be a sequence of at least one feature name (got {names!r})")
    known = [check_choice(f"names[{i}]", _ALIASES.get(name, name), _FEATURES) for i, name in enumerate(names)]
    return np.ascontiguousarray(np.column_stack([_FEATURES[name](points[:, 0], points[:, 1]) for name in known]))


def _circle(generator: np.random.Generator, n: int, noise: float) -> tuple[FloatArray, FloatArray]:
    inner = (n + 1) // 2
    radius = np.concatenate([generator.uniform(0, 2.5, inner), generator.uniform(3.5, 5, n - inner)])
    angle = generator.uniform(0, 2 * np.pi, n)
    x = radius[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    seen = x + noise * generator.uniform(-5, 5, (n, 2))
    return x, np.where(np.hypot(seen[:, 0], seen[:, 1]) < 2.5, 1.0, -1.0)


def _xor(generator: np.random.Generator, n: int, noise: float) -> tuple[FloatArray, FloatArray]:
    x = generator.uniform(-5, 5, (n, 2))
    x += np.where(x > 0, 0.3, -0.3)
    seen = x + noise * generator.uniform(-5, 5, (n, 2))
    return x, np.where(seen[:, 0] * seen[:, 1] >= 0, 1.0, -1.0)


def _gauss(generator: np.random.Generator, n: int, noise: float) -> tuple[FloatArray, FloatArray]:
    y = np.where(np.arange(n) < (n + 1) // 2, 1.0, -1.0)
    variance = 0.5 + 7 * noise
    return 2 * y[:, None] + np.sqrt(variance) * generator.standard_normal((n, 2)), y


def _spiral(generator: np.random.Generator, n: int, noise: float) -> tuple[FloatArray, FloatArray]:
    first = (n + 1) // 2
    along = np.concatenate([np.arange(first), np.arange(n - first)]) / (n / 2)
    y = np.where(np.arange(n) < first, 1.0, -1.0)
    angle = 3.5 * np.pi * along + np.where(y > 0, 0.0, np.pi)
    x = 5 * along[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    return x + noise * generator.uniform(-1, 1, (n, 2)), y


def _plane(generator: np.random.Generator, n: int, noise: float) -> tuple[FloatArray, FloatArray]:
    x = generator.uniform(-6, 6, (n, 2))
    seen = x + noise * generator.uniform(-6, 6, (n, 2))
    return x, seen.sum(axis=1) / 10


def _cones(generator: np.random.Generator, n: int, noise: float) -> tuple[FloatArray, FloatArray]:
    x = generator.uniform(-6, 6, (n, 2))
    seen = x + noise * generator.uniform(-6, 6, (n, 2))
    centres = np.array([[-4, 2.5], [0, 2.5], [4, 2.5], [-4, -2.5], [0, -2.5], [4, -2.5]])
    distance = np.linalg.norm(seen[:, None] - centres, axis=2)  # (n, 6)
    heights = np.array([1, -1, 1, -1, 1, -1]) * np.clip(1 - distance / 2, 0, 1)
    highest = np.argmax(np.abs(heights), axis=1)
    return x, heights[np.arange(n), highest]


_SETS: dict[str, tuple[Generator, int]] = {
    "circle": (_circle, 500),
    "xor": (_xor, 500),
    "gauss": (_gauss, 500),
    "spiral": (_spiral, 500),
    "reg-plane": (_plane, 1200),
    "reg-gauss": (_cones, 1200),
}
