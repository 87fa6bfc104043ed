"""SGD's relatives in continuous time: stochastic modified equations, and SVAG, which tells whether they say the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_int, check_number, check_positive_int, check_positive_number
from etaflow.dynamics.estimator import Estimator, check_gradient_noise
from etaflow.dynamics.process import follow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from etaflow.dynamics.flow import Flow
    from etaflow.dynamics.runs import Runs
    from etaflow.dynamics.sampling import Sampling
    from etaflow.dynamics.stopping import Rule
    from etaflow.problem.objective import Objective

    Record = Mapping[str, int | npt.ArrayLike]

ORDERS = (1, 2)
NOISES = ("gaussian", "isotropic")
ROUNDING = 1e-9


def modified_equation(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    step_size: float,
    order: int = 1,
    substeps: int = 10,
    batch_size: int = 1,
    sampling: str = "iid",
    noise: str = "gaussian",
    runs: int | range | None = None,
    seed: int = 0,
    record: Record | None = None,
    moments: Record | None = None,
    stop: Rule | list[Rule] | None = None,
    reference: npt.ArrayLike | Flow | None = None,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
    checkpoint: str | Path | None = None,
    every: float = 60.0,
) -> Runs:
    r"""Simulate the stochastic differential equation that SGD with step size η follows in law.

    Order 1: dX = −∇f(X) dt + √η·C(X)^{1/2} dW; its expectations differ from those of SGD by O(η). Order 2 (Li, Tai & E 2017,
    Theorem 1): dX = −∇(f + (η/4)‖∇f‖²)(X) dt + √η·C(X)^{1/2} dW; they differ by O(η²). C(θ) is the covariance of SGD's
    g_k. Steps are those of Euler and Maruyama, of length η/`substeps`, with C(X)^{1/2}·dW drawn as a randomly weighted gradient:
    no matrix is formed, and expectations err by another O(η/`substeps`).

    Parameters
    ----------
    objective : Objective
        f.
    theta0 : array_like, shape (d,) or (runs, d)
        The start of every run, or one start per run.
    t : float
        The time of the end, a multiple of `step_size`: SGD makes t/η steps until then.
    step_size : float
        η of the SGD that is modelled, which is its noise's strength.
    order : {1, 2}, default 1
        The weak order of the equation.
    substeps : int, default 10
        Steps of the simulation in one step of SGD.
    batch_size : int, default 1
        |B| of that SGD.
    sampling : {"iid", "without_replacement"}, default "iid"
        How its batches are drawn.
    noise : {"gaussian", "isotropic"}, default "gaussian"
        The noise's covariance: C(X), or a multiple of the identity with the same trace.
    runs, seed, threads, progress, checkpoint, every
        As in `etaflow.descend`.
    record, moments : mapping of str to int or array_like of int, optional
        As in `etaflow.descend`, counted in steps of SGD. The result counts the simulation's own, `substeps` for each.
    stop : rule or sequence of rules, optional
        As in `etaflow.descend`, counted in the simulation's own steps.
    reference : array_like, shape (d,) or (steps + 1, d), or Flow, optional
        As in `etaflow.descend`, at the simulation's own steps.

    Returns
    -------
    Runs
        The paths; ``data.time`` is t.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value; t must be a multiple of `step_size`.

    References
    ----------
    Q. Li, C. Tai, W. E: Stochastic modified equations and adaptive stochastic gradient algorithms, ICML 2017.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> paths = ef.modified_equation(f, net.init(seed=0), t=2.0, step_size=0.1, order=2, runs=5, record={"loss": 10})
    >>> paths.data.time.values
    array([0., 1., 2.])
    """
    eta, parts = check_positive_number("step_size", step_size), check_positive_int("substeps", substeps)
    if check_int("order", order) not in ORDERS:
        raise ValueError(f"order must be 1 or 2 (got {order})")
    kind = check_choice("noise", noise, NOISES)
    steps = _whole_steps(t, eta)

    def estimate(batches: Sampling, n: int) -> tuple[Sampling, Estimator]:
        drawn, twin = check_gradient_noise(kind, batches, n)
        return drawn, Estimator(kind, twin.strength * math.sqrt(parts), eta / 2 if order == 2 else 0.0)

    return follow(
        objective,
        theta0,
        steps=steps * parts,
        step_size=eta / parts,
        estimate=estimate,
        batch_size=batch_size,
        sampling=sampling,
        runs=runs,
        seed=seed,
        record=_in_substeps("record", record, parts, steps),
        moments=_in_substeps("moments", moments, parts, steps),
        stop=stop,
        reference=reference,
        threads=threads,
        progress=progress,
        checkpoint=checkpoint,
        every=every,
    )


def svag(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    l: int,  # noqa: E741 - the source's letter
    steps: int,
    step_size: float,
    batch_size: int = 1,
    runs: int | range | None = None,
    seed: int = 0,
    record: Record | None = None,
    moments: Record | None = None,
    stop: Rule | list[Rule] | None = None,
    reference: npt.ArrayLike | Flow | None = None,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
    checkpoint: str | Path | None = None,
    every: float = 60.0,
) -> Runs:
    r"""Run the stochastic variance amplified gradient SVAG(l), SGD's bridge to its stochastic differential equation.

    Each of its steps has length η/l and the gradient ((1 + √(2l − 1))/2)·∇f_B + ((1 − √(2l − 1))/2)·∇f_B', of two
    independent batches: the mean is ∇f, the covariance l times that of SGD (Li, Malladi & Arora 2021, section 4). l = 1 is SGD
    with step size η; as l → ∞ the law tends to that of the order-1 equation of `modified_equation`. Where SVAG(l) does
    not depend on l, SGD behaves as its equation says, although no covariance was ever computed.

    Parameters
    ----------
    objective : Objective
        f.
    theta0 : array_like, shape (d,) or (runs, d)
        The start of every run, or one start per run.
    l : int
        How much finer than SGD.
    steps : int
        Steps of the SGD that is modelled; SVAG makes l for each.
    step_size : float
        η of that SGD.
    batch_size : int, default 1
        |B| of that SGD, drawn with replacement.
    runs, seed, threads, progress, checkpoint, every
        As in `etaflow.descend`.
    record, moments : mapping of str to int or array_like of int, optional
        As in `etaflow.descend`, counted in steps of SGD. The result counts SVAG's own, l for each. ``batch_loss`` is of
        both batches together.
    stop : rule or sequence of rules, optional
        As in `etaflow.descend`, counted in SVAG's own steps.
    reference : array_like, shape (d,) or (steps + 1, d), or Flow, optional
        As in `etaflow.descend`, at SVAG's own steps.

    Returns
    -------
    Runs
        The runs; ``data.time`` is comparable with SGD's.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value.

    References
    ----------
    Z. Li, S. Malladi, S. Arora: On the validity of modeling SGD with stochastic differential equations, NeurIPS 2021.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> runs = ef.svag(f, net.init(seed=0), l=4, steps=20, step_size=0.1, runs=5, record={"loss": 10})
    >>> runs.data.time.values
    array([0., 1., 2.])
    """
    parts, count = check_positive_int("l", l), check_positive_int("steps", steps)
    eta, batch = check_positive_number("step_size", step_size), check_positive_int("batch_size", batch_size)
    root = math.sqrt(2 * parts - 1)
    # The core averages over both batches: a weight of 2 makes one of them count in full.
    weights = (1 + root,) * batch + (1 - root,) * batch

    def estimate(batches: Sampling, n: int) -> tuple[Sampling, Estimator]:  # noqa: ARG001 - not needed here
        return batches, Estimator(draw_weights=weights)

    return follow(
        objective,
        theta0,
        steps=count * parts,
        step_size=eta / parts,
        estimate=estimate,
        batch_size=2 * batch,
        runs=runs,
        seed=seed,
        record=_in_substeps("record", record, parts, count),
        moments=_in_substeps("moments", moments, parts, count),
        stop=stop,
        reference=reference,
        threads=threads,
        progress=progress,
        checkpoint=checkpoint,
        every=every,
    )


def _whole_steps(t: object, step_size: float) -> int:
    end = check_number("t", t, minimum=0)
    steps = round(end / step_size)
    if abs(steps * step_size - end) > ROUNDING * max(end, step_size):
        raise ValueError(f"t must be a multiple of step_size={step_size:g} (got {end:g} = {end / step_size:g} steps)")
    return steps


# A record that is counted in steps of SGD, counted in substeps.
def _in_substeps(name: str, record: object, parts: int, steps: int) -> Any:
    if not isinstance(record, Mapping):
        return record  # None, or what `descend` complains about
    return {quantity: _scaled(f"{name}[{quantity!r}]", when, parts, steps) for quantity, when in record.items()}


def _scaled(name: str, when: Any, parts: int, steps: int) -> Any:
    given = np.asarray(when)
    if given.dtype.kind not in "iu" or given.ndim == 0 or given.size == 0:
        return when * parts if isinstance(when, int | np.integer) and not isinstance(when, bool) else when
    if given.min() < 0 or given.max() > steps:
        raise ValueError(f"{name} must hold steps between 0 and {steps} (got {when!r})")
    return given * parts
