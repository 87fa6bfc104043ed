"""The claims of Kawaguchi's theorem, its companion and its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.linear_networks import kawaguchi_conditions
from etaflow.reproduce.kawaguchi.problem import load_problem
from etaflow.reproduce.kawaguchi.row import THEOREM, Row, word

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.reproduce.kawaguchi.findings import Findings

    Array = npt.NDArray[Any]


def assumptions(findings: Findings) -> Row:
    """Report: the theorem's assumptions.

    Returns
    -------
    Row
        The line.
    """
    found = {name: load_problem(name, findings.settings.seed) for name in ("random", "iris")}
    checked = {name: kawaguchi_conditions(data.x, data.y) for name, data in found.items()}
    data = found["random"]
    broken = kawaguchi_conditions(np.column_stack([data.x, data.x[:, 0]]), data.y).failing
    return Row(
        "Assumptions: XXᵀ and XYᵀ full rank, d_x >= d_y, Σ full rank with distinct eigenvalues",
        THEOREM,
        "ranks and the number of distinct eigenvalues in exact rational arithmetic; and with one input twice",
        word(all(one.hold for one in checked.values()) and bool(broken)),
        f"all five hold for {' and '.join(name for name, one in checked.items() if one.hold)}; with one input twice these fail: {', '.join(broken)}",
    )


def first(findings: Findings) -> Row:
    """Report: (i).

    Returns
    -------
    Row
        The line.
    """
    held, total = findings.verdicts("(i)")
    return Row(
        "(i) The loss is neither convex nor concave",
        THEOREM,
        "two points and their middle, twice, with losses as fractions",
        word(held == total),
        f"on {held} of {total} networks; {_evidence(findings, '(i)')}",
    )


def second(findings: Findings) -> Row:
    """Report: (ii).

    Returns
    -------
    Row
        The line.
    """
    held, total = findings.verdicts("(ii)")
    ends = sum(len(part["trained_value"]) for _, _, part in findings.networks())
    high = max(
        _excess(part["trained_value"], float(part["loss"].min()), float(part["total"]))
        for _, _, part in findings.networks()
    )
    return Row(
        "(ii) Every local minimum is a global minimum",
        THEOREM,
        "training from random starts, each end compared with tr(YYᵀ) − Σ of the top min(p, d_y) eigenvalues",
        word(held == total),
        f"on {held} of {total} networks; {ends} ends, the highest {high:.1g} of tr(YYᵀ) above the global value",
    )


def third(findings: Findings) -> Row:
    """Report: (iii).

    Returns
    -------
    Row
        The line.
    """
    held, total = findings.verdicts("(iii)")
    points = findings.points()
    saddles = int((points["kind"] != "global minimum").sum())
    found = sum(len(part["found_value"]) for _, _, part in findings.networks())
    return Row(
        "(iii) Every critical point that is not a minimum is a saddle",
        THEOREM,
        "the loss falls and rises around constructed points; stationary points found by minimising ‖∇L‖²",
        word(held == total),
        f"on {held} of {total} networks; {saddles} constructed points, {found} found ones, each with the map of a set of eigenvectors",
    )


def fourth(findings: Findings) -> Row:
    """Report: (iv).

    Returns
    -------
    Row
        The line.
    """
    held, total = findings.verdicts("(iv)")
    least = [-part["lowest"][_full(part)] / part["highest"][_full(part)] for _, _, part in findings.networks()]
    values = np.concatenate(least)
    return Row(
        "(iv) If rank(W_H ⋯ W_2) = p, the Hessian at any saddle has a negative eigenvalue",
        THEOREM,
        "the spectrum at constructed saddles with that rank, and at those that were found",
        word(held == total),
        f"on {held} of {total} networks; {len(values)} constructed saddles, the smallest eigenvalue at least {values.min():.1g} of the largest in size",
    )


def companion(findings: Findings) -> Row:
    """Report: what the slides leave out.

    Returns
    -------
    Row
        The line.
    """
    held, total = findings.verdicts("companion of (iv)")
    points = findings.points(deep=True)
    bad = points["kind"] == "degenerate saddle"
    orders = points["order"][bad] == points["layers"][bad] + 1
    zero = bad & (points["highest"] == 0) & (points["lowest"] == 0)
    return Row(
        "Not on the slides: for H >= 2 there are saddles without a negative eigenvalue, and at W = 0 the Hessian is 0",
        "erratum to the slides' (iv); abstract of Kawaguchi 2016",
        "constructed saddles with rank(W_H ⋯ W_2) < p; the loss along a line as a polynomial",
        word(held == total and bool(orders.all())),
        f"on {held} of {total} networks; {int(bad.sum())} such saddles, {int(zero.sum())} with Hessian 0; the loss falls at order H + 1 at {int(orders.sum())} of them",
    )


def sketch(findings: Findings) -> Row:
    """Report: the proof sketch.

    Returns
    -------
    Row
        The line.
    """
    wide = [part for name, hidden, part in findings.networks() if min(hidden) >= 4]
    ends = max((float(part["residual_at_ends"].max()) for part in wide), default=np.nan)
    saddles = np.concatenate([part["residual_at_saddles"] for _, _, part in findings.networks()])
    return Row(
        "At a local minimum X r = 0, so that the map is a global minimiser of linear regression",
        "slides, “Proof sketch: example”",
        "‖X r‖ as a part of ‖X‖‖r‖ where training ended, for networks as wide as d_y; and at saddles",
        word(ends < 1e-8 and bool((saddles > 1e-3).all())),
        f"at most {ends:.1g} at {sum(len(part['residual_at_ends']) for part in wide)} ends; at least {saddles.min():.2g} at {len(saddles)} saddles",
    )


def _excess(values: Array, best: float, total: float) -> float:
    return float((values - best).max() / total)


def _full(part: dict[str, Array]) -> Array:
    # Saddles whose middle has the largest rank that occurs, which is p.
    return np.asarray((part["middle_rank"] == part["middle_rank"].max()) & (part["kind"] != "global minimum"))


def _evidence(findings: Findings, claim: str) -> str:
    _, _, part = next(iter(findings.networks()))
    return str(part["evidence"][part["claim"] == claim][0])
