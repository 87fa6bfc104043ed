"""Find the stabilised Runge-Kutta methods of cpp/core/stabilized_methods.hpp, and print that file.

    python tools/stabilized_methods.py > cpp/core/stabilized_methods.hpp        (some minutes)

For each number of stages s: the polynomial R of degree s that agrees with exp(z) to order 4 and stays below 0.95 on the
longest interval [-reach, 0) (a linear program in Chebyshev coefficients, by bisection on `reach`). Its s - 4 real zeros become
Euler steps, ordered so that no partial product of their factors grows. Four closing stages have the other four zeros; of the
coefficients that also meet the nonlinear conditions of order 4, those with the least error of order 5 are taken. The error
estimate is the combination of the closing slopes and the next step's first one that vanishes to order 3.
cpp/tests/test_stabilized.cpp checks what is printed here: order, reach and error estimate.
"""

from __future__ import annotations

import sys
from math import factorial

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial, chebyshev
from scipy.optimize import least_squares, linprog

Array = npt.NDArray[np.float64]

STAGES = (5, 6, 7, 8, 9, 10, 12, 14, 16, 20)
DAMPING = 0.95
#: The norm of the error estimate's residuals of order 4. With it the global error on smooth flows is about that of
#: Dormand & Prince's pair at the same tolerance of 1e-6.
ESTIMATE = 0.03
TRIES = 60


def least_maximum(stages: int, reach: float) -> tuple[float, Array]:
    """Return the least maximum of R's size on [-reach, -0.3 reach or -1.2], and R's Chebyshev coefficients there."""
    far = -min(1.2, 0.3 * reach)
    z = -reach * (1 - np.cos(np.linspace(0, np.pi, 60 * stages))) / 2
    z = np.append(z[z < far], far)
    values = chebyshev.chebvander(1 + 2 * z / reach, stages)
    argument = Polynomial([1, 2 / reach])
    equal = np.zeros((5, stages + 2))
    for k in range(stages + 1):
        powers = chebyshev.Chebyshev.basis(k).convert(kind=Polynomial)(argument).coef
        for i, power in enumerate(powers[:5]):
            equal[i, k] = power * factorial(i)
    scale = np.abs(equal).max(axis=1)
    ones = np.ones((len(z), 1))
    result = linprog(
        np.append(np.zeros(stages + 1), 1.0),
        A_ub=np.block([[values, -ones], [-values, -ones]]),
        b_ub=np.zeros(2 * len(z)),
        A_eq=equal / scale[:, None],
        b_eq=1 / scale,
        bounds=[(None, None)] * (stages + 1) + [(0, None)],
        method="highs",
    )
    return (float(result.x[-1]), result.x[:-1]) if result.status == 0 else (np.inf, values[0])


def longest_interval(stages: int) -> tuple[float, Array]:
    """Return the reach and the real zeros of R."""
    low, high, best = 0.2 * stages**2, 0.4 * stages**2, np.zeros(1)
    for _ in range(30):
        middle = (low + high) / 2
        most, coefficients = least_maximum(stages, middle)
        low, high = (middle, high) if most <= DAMPING else (low, middle)
        best = coefficients if most <= DAMPING else best
    zeros = (chebyshev.chebroots(best) - 1) * low / 2
    return low, np.sort(zeros[np.abs(zeros.imag) < 1e-8 * low].real)


def euler_steps(zeros: Array, reach: float) -> Array:
    """Return the lengths of the Euler steps in an order in which neither beginnings nor ends of their product grow."""
    lengths = -1 / zeros
    factors = 1 + np.outer(lengths, np.linspace(-reach, 0, 400))

    def growth(order: list[int]) -> float:
        heads, tails = np.cumprod(factors[order], axis=0), np.cumprod(factors[order[::-1]], axis=0)
        return float(max(np.abs(heads).max(), 1.0) + max(np.abs(tails).max(), 1.0))

    order = [i // 2 if i % 2 == 0 else len(zeros) - 1 - i // 2 for i in range(len(zeros))]
    random, least = np.random.default_rng(0), growth(order)
    for _ in range(3000 if len(order) > 1 else 0):
        other = list(order)
        other.insert(random.integers(len(order)), other.pop(random.integers(len(order))))
        if (now := growth(other)) < least:
            order, least = other, now
    return lengths[order]


def tableau(lengths: Array, closing: Array) -> tuple[Array, Array]:
    """Return A and b of all stages."""
    euler, stages = len(lengths), len(lengths) + 4
    a = np.tril(np.tile(np.append(lengths, np.zeros(4)), (stages, 1)), -1)
    a[euler + 1, euler] = closing[0]
    a[euler + 2, euler : euler + 2] = closing[1:3]
    a[euler + 3, euler : euler + 3] = closing[3:6]
    return a, np.append(lengths, closing[6:])


def order_4(a: Array, b: Array) -> Array:
    """Return the residuals of the eight conditions up to order 4."""
    c = a.sum(axis=1)
    left = [b.sum(), b @ c, b @ c**2, b @ a @ c, b @ c**3, b @ (c * (a @ c)), b @ a @ c**2, b @ a @ a @ c]
    return np.array(left) - np.array([1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 8, 1 / 12, 1 / 24])


def order_5(a: Array, b: Array) -> Array:
    """Return the residuals of order 5, each over its tree's symmetry."""
    c = a.sum(axis=1)
    ac, acc = a @ c, a @ c**2
    left = [b @ c**4, b @ (c**2 * ac), b @ (c * acc), b @ (c * (a @ ac)), b @ ac**2, b @ a @ c**3]
    left += [b @ a @ (c * ac), b @ a @ acc, b @ a @ a @ ac]
    right = np.array([1 / 5, 1 / 10, 1 / 15, 1 / 30, 1 / 20, 1 / 20, 1 / 40, 1 / 60, 1 / 120])
    return (np.array(left) - right) / np.array([24, 2, 2, 1, 2, 6, 1, 2, 1])


def closing_stages(lengths: Array) -> Array:
    """Return a21, a31, a32, a41, a42, a43, b1 … b4 of the last four stages."""
    left = 1 - lengths.sum()
    classical = np.array([0.5, 0, 0.5, 0, 0, 1, 1 / 6, 1 / 3, 1 / 3, 1 / 6]) * left
    random, best, least = np.random.default_rng(0), classical, np.inf

    def residuals(w: Array) -> Array:
        return np.concatenate([1e3 * order_4(*tableau(lengths, w)), order_5(*tableau(lengths, w)), 1e-4 * w / left])

    def slopes(w: Array) -> Array:
        h = 1e-7
        columns = [order_4(*tableau(lengths, w + h * e)) - order_4(*tableau(lengths, w - h * e)) for e in np.eye(10)]
        return np.stack(columns, axis=1) / (2 * h)

    for attempt in range(TRIES):
        start = classical + (attempt > 0) * left * random.normal(size=10) / 2
        w = least_squares(residuals, start, max_nfev=400).x
        for _ in range(20):  # onto the conditions of order 4, exactly
            w = w - np.linalg.pinv(slopes(w), rcond=1e-10) @ order_4(*tableau(lengths, w))
        error = float(np.linalg.norm(order_5(*tableau(lengths, w))))
        if np.abs(order_4(*tableau(lengths, w))).max() < 1e-15 and np.abs(w).max() < 6 * left and error < least:
            best, least = w, error
    return best


def estimate(lengths: Array, closing: Array) -> Array:
    """Return the weights of the closing stages' slopes and of the next step's first one."""
    a, b = tableau(lengths, closing)
    stages, euler = len(b), len(lengths)
    a = np.block([[a, np.zeros((stages, 1))], [b[None, :], np.zeros((1, 1))]])
    c = a.sum(axis=1)
    rows = np.stack([np.ones(5), c[euler:], c[euler:] ** 2, (a @ c)[euler:]])
    weights = np.append(np.zeros(euler), np.linalg.svd(rows)[2][-1])
    parts = [weights @ c**3 / 6, weights @ (c * (a @ c)), weights @ a @ c**2 / 2, weights @ a @ a @ c]
    found: Array = weights[euler:] * (ESTIMATE / np.linalg.norm(parts))
    return found


def main() -> None:
    """Print the header."""
    print("// Printed by tools/stabilized_methods.py.\n#pragma once\n\n#include <array>\n\nnamespace etaflow {\n")
    print("// A method of order 4 whose steps are stable where h lambda is in [-reach, 0], lambda an eigenvalue of f'.")
    print(
        "// y' = f(y): Euler steps of the lengths `euler`, in units of h, and four closing stages from where they led."
    )
    print("struct StabilizedMethod {\n    int stages;  // evaluations of f per step\n    double reach;")
    print("    std::array<double, 16> euler;     // the first stages - 4")
    print("    std::array<double, 10> closing;   // a21, a31, a32, a41, a42, a43, b1, b2, b3, b4")
    print("    std::array<double, 5> estimate;   // weights of the four slopes and of f at the end of the step\n};\n")
    print(f"inline constexpr std::array<StabilizedMethod, {len(STAGES)}> stabilized_methods{{{{")
    for stages in STAGES:
        reach, zeros = longest_interval(stages)
        lengths = euler_steps(zeros, reach)
        closing = closing_stages(lengths)
        print(f"stages {stages}: reach {reach:.2f}", file=sys.stderr)
        lists = (lengths, closing, estimate(lengths, closing))
        texts = ["{" + ", ".join(repr(float(x)) for x in numbers) + "}" for numbers in lists]
        # The reach is where |R| is DAMPING again; a little less, for the rounding of R's zeros.
        print(f"    {{{stages}, {0.999 * reach:.4f}, " + ",\n     ".join(texts) + "},")
    print("}};\n\n}  // namespace etaflow")


if __name__ == "__main__":
    main()
