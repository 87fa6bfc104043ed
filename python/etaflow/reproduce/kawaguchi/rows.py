"""The claims of the slides and of the thesis's section 3.3 as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow.reproduce.kawaguchi import deep_rows, other_rows, shallow_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.reproduce.kawaguchi.findings import Findings
    from etaflow.reproduce.kawaguchi.row import Row


def table_of_claims(findings: Findings) -> tuple[Row, ...]:
    """Return the claims that there are findings for.

    Parameters
    ----------
    findings : Findings
        What the phases gave.

    Returns
    -------
    tuple of Row
        In the order of the slides; then the thesis's, then the slides' questions.
    """
    makers: tuple[tuple[Callable[[Findings], Row], bool], ...] = (
        (shallow_rows.representation, "tables" in findings.parts),
        (shallow_rows.least_squares, True),
        (shallow_rows.orbit, "index" in findings.parts),
        (shallow_rows.values, "index" in findings.parts),
        (shallow_rows.saddles, "index" in findings.parts),
        (deep_rows.assumptions, True),
        *(
            (maker, any(True for _ in findings.networks()))
            for maker in (deep_rows.first, deep_rows.second, deep_rows.third, deep_rows.fourth)
        ),
        (deep_rows.companion, any(len(hidden) > 1 for _, hidden, _ in findings.networks())),
        (deep_rows.sketch, any(True for _ in findings.networks())),
        (shallow_rows.deficient, any(len(hidden) == 1 for _, hidden, _ in findings.networks())),
        (other_rows.flow, any(True for _ in findings.flows())),
        (other_rows.paths, "paths" in findings.parts),
        (other_rows.soudry_carmon, "sweep-perturbed" in findings.parts),
        (other_rows.without_perturbation, "sweep-plain" in findings.parts),
        (other_rows.regularisation, "open" in findings.parts),
        (other_rows.activations, "open" in findings.parts),
    )
    return tuple(maker(findings) for maker, there in makers if there)
