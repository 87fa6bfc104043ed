"""The claims about linear regression and networks with one hidden layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.linear_networks import ols
from etaflow.reproduce._kit.text import count, interval
from etaflow.reproduce.kawaguchi.problem import load_problem
from etaflow.reproduce.kawaguchi.row import BALDI, Row, word

if TYPE_CHECKING:
    from etaflow.reproduce.kawaguchi.findings import Findings


def representation(findings: Findings) -> Row:
    """Report: any function to {−1, 1} is represented.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["tables"]
    total, wrong = int(part["functions"].sum()), int(part["wrong"].sum())
    last = int(part["inputs"][-1])
    return Row(
        "A multilayer perceptron can represent any function to {−1, 1}",
        "slides, “Multilayer perceptrons”",
        f"a network of sign units built for every truth table of up to {last} inputs",
        word(wrong == 0),
        f"{count(total - wrong)} of {count(total)} functions exact; with {last} inputs {part['needed'][-1]:.3g} units are needed on average, "
        f"{2**last - 1} at most",
    )


def least_squares(findings: Findings) -> Row:
    """Report: the formula of linear regression, and its convexity.

    Returns
    -------
    Row
        The line.
    """
    data = load_problem("random", findings.settings.seed)
    fit = ols(data.x, data.y)
    normal = np.linalg.norm(data.x.T @ (data.x @ fit.coefficients.T - data.y)) / np.linalg.norm(data.x.T @ data.y)
    formula = data.y.T @ data.x @ np.linalg.inv(data.x.T @ data.x)
    apart = float(np.abs(formula - fit.coefficients).max())
    return Row(
        "If XXᵀ is invertible, L* = YXᵀ(XXᵀ)⁻¹ minimises a convex loss",
        "slides, “Baldi-Hornik: 1-hidden linear networks”",
        "the printed formula against least squares by singular values; the eigenvalues of the Hessian 2XXᵀ",
        word(fit.unique and apart < 1e-12 and bool((fit.curvatures > 0).all())),
        f"largest difference {apart:.1g}; X r = {normal:.1g} of XYᵀ; eigenvalues {interval(2 * fit.curvatures[0], 2 * fit.curvatures[-1])}",
    )


def orbit(findings: Findings) -> Row:
    """Report: W_1 and W_2 are not unique.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["index"]
    moved = float(np.abs(part["moved"]).max())
    square = bool((part["found_nullity"] == part["p"] ** 2).all())
    return Row(
        "W_1 and W_2 are not unique: W_2C and C⁻¹W_1 work as well",
        "slides, “Baldi-Hornik: 1-hidden linear networks”; thesis, section 3.3",
        "a random C at every critical point; the number of zero eigenvalues that `classify` finds",
        word(moved < 1e-12 and square),
        f"loss changes by at most {moved:.1g} of tr(YYᵀ); the nullity is p², the dimension of the orbit, at {len(part['p'])} of {len(part['p'])} points"
        if square
        else f"loss changes by at most {moved:.1g} of tr(YYᵀ); the nullity is not always p²",
    )


def values(findings: Findings) -> Row:
    """Report: the critical points and their losses.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["index"]
    gradient, error = float(part["gradient"].max()), float(np.abs(part["error"]).max())
    return Row(
        "The critical points of full rank belong to the sets Γ of p eigenvectors of Σ, with loss tr(YYᵀ) − Σ_{i ∈ Γ} λ_i",
        f"{BALDI}; thesis, Theorem 3.5",
        f"all C(m, p) points of all cases with m <= {int(part['m'].max())}; gradient and loss of the network there",
        word(gradient < 1e-10 and error < 1e-10),
        f"{len(part['m'])} points; gradient at most {gradient:.1g} and loss within {error:.1g} of tr(YYᵀ)",
    )


def saddles(findings: Findings) -> Row:
    """Report: all but one are saddles.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["index"]
    right = int((part["index"] == part["found_index"]).sum())
    cases = {(int(m), int(p)) for m, p in zip(part["m"], part["p"], strict=True)}
    minima = int((part["found_index"] == 0).sum())
    return Row(
        "Up to C the global minimum is unique, the projection onto the top p eigenvectors; every other set gives a saddle",
        BALDI,
        "the Morse index that `classify` finds against #{i ∈ Γ, j ∉ Γ: λ_j > λ_i}, which is 0 for the top p only",
        word(right == len(part["m"]) and minima == len(cases)),
        f"equal at {right} of {len(part['m'])} points; {minima} points without a negative eigenvalue in {len(cases)} cases; indices up to {int(part['index'].max())}",
    )


def deficient(findings: Findings) -> Row:
    """Report: rank-deficient points.

    Returns
    -------
    Row
        The line.
    """
    chosen = [(hidden, part) for _, hidden, part in findings.networks() if len(hidden) == 1]
    negative, total = 0, 0
    for hidden, part in chosen:
        size = np.array([0 if one == "{}" else one.count(",") + 1 for one in part["gamma"]])
        deficient = (size < min(hidden[0], 4)) & (part["kind"] != "global minimum")
        total += int(deficient.sum())
        negative += int((part["lowest"][deficient] < 0).sum())
    return Row(
        "Stationary points with rank-deficient W_1 and W_2 are saddles",
        "thesis, Theorem 3.5",
        "the Hessian at constructed points of every smaller rank",
        word(negative == total),
        f"{negative} of {total} have a negative eigenvalue",
    )
