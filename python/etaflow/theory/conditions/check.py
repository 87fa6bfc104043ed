"""The conditions (A1)–(A8) of Finnoff 1992 for a network, its data and its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow._checks import check_number
from etaflow.theory.conditions import rows
from etaflow.theory.conditions.rows import Evidence, gather
from etaflow.theory.conditions.table import Conditions
from etaflow.theory.constants.bound import in_float64

if TYPE_CHECKING:
    from etaflow.problem.objective import Objective


def check_conditions(objective: Objective, *, G: float = 1.0) -> Conditions:
    r"""Check the hypotheses of Theorems 3.2 and 4.1 of Finnoff 1992 for a network, its data and its loss.

    The theorems rest on the conditions (A1)–(A5) and (A8) of Benveniste, Métivier and Priouret 1990, Part II, for
    θ_k = θ_{k−1} + η·H(θ_{k−1}, x_k). Here H = −∇L_i (with the factor n if f is a sum, and with the term of l2) is minus the
    direction of an SGD step on one observation, h = −∇f its mean, R its covariance. As observations are drawn independently
    and uniformly, the transition law Π_θ of the general theory is the mean over the n observations, and the conditions come down to:

    * A1, A2, A5: how SGD with a constant step size draws from finitely many observations. They hold for every network.
    * A3: H is bounded for θ in a compact set. It holds for every activation of the package; C_1 is the bound.
    * A4: h is locally Lipschitz; Poisson's equation (I − Π_θ)ν = H − h is solved by ν = H. ReLU fails.
    * A8: h is twice continuously differentiable, and R is locally Lipschitz. ReLU fails.
    * A6, A7 concern decreasing step sizes as k → ∞; neither theorem uses them.

    Lemma 3.1 i), linear growth of H in θ, is not one of them, but Theorem 3.2 i) uses it to keep SGD in a compact set up to time r. It
    fails for deeper networks, and for an identity output with the square loss (see `growth`). Theorems 3.2 ii) and 4.1
    do without: the flow stays in a compact set by itself, as ‖θ̄(t) − θ_0‖² ≤ t·f(θ_0) (f falls by ∫‖∇f‖² and is not negative), and
    until SGD leaves the δ-neighbourhood of that path it is the same process as one whose H is cut off outside. The constant of 3.2 ii)
    then depends on δ too.

    Errata of the source, which do not change the conditions: "Lemma (5.1)" in the proof of Theorem 4.1 is Lemma 3.1, and R is meant
    with ∂U/∂θ + h, since h is minus the mean of ∂U/∂θ.

    Parameters
    ----------
    objective : Objective
        The network, the data and the loss; float32 is taken to float64. Batches are means of directions, so that what holds for one
        observation holds for them with the same constants, drawn independently from step to step ("iid" and
        "without_replacement" of `descend`; "reshuffle" and "shuffle_once" do not draw independently).
    G : float, default 1.0
        The numbers are for θ in the box [−G, G]^d; the verdicts for every compact set.

    Returns
    -------
    Conditions
        One row per condition: ``verdict`` is "proved", "supported numerically", "fails" or "not needed", ``reason`` says why. A
        theorem's row "fails" if one of its hypotheses does: then its proof does not apply; its conclusion is not refuted.

    Raises
    ------
    TypeError
        If `objective` is not an Objective or G not a number.
    ValueError
        If G is not positive and finite.

    Examples
    --------
    Finnoff's network, with the output inside tanh, fulfils everything:

    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> finnoff = ef.theory.check_conditions(ef.Objective(ef.MLP([2, 3, 1], output="tanh"), x, y))
    >>> finnoff["Theorem 4.1"].verdict, round(finnoff.growth.upper, 2), round(finnoff.lipschitz.upper, 1)
    ('proved', 4.11, 31.4)

    ReLU does not:

    >>> relu = ef.theory.check_conditions(ef.Objective(ef.MLP([2, 3, 1], activation="relu"), x, y))
    >>> [row.name for row in relu if row.verdict == "fails"]  # doctest: +NORMALIZE_WHITESPACE
    ['A4', 'A8', 'Lemma 3.1 i', 'Lemma 3.1 ii', 'Theorem 3.2 i', 'Theorem 3.2 ii', 'Theorem 4.1']
    >>> print(relu["A8"].reason)
    h is not even continuous (A4)

    ``print(relu)`` shows the table, and ``relu.data`` is an `xarray.Dataset` of it:

    >>> relu.data.verdict.sel(condition="A3").item(), float(relu.data.C_1) < float("inf")
    ('proved', True)
    """
    radius = check_number("G", G, above=0)
    evidence: Evidence = gather(in_float64(objective), radius)
    conditions = [*rows.draws(evidence), *rows.drift(evidence), *rows.noise(evidence), *rows.lemma(evidence)]
    table = (*conditions, *rows.theorems({row.name: row for row in conditions}))
    return Conditions(objective, radius, table, evidence.growth, evidence.lipschitz)
