"""Gradient descent, stochastic and mini-batch gradient descent: one run or thousands at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from etaflow.dynamics.estimator import check_gradient_noise
from etaflow.dynamics.process import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from etaflow.dynamics.flow import Flow
    from etaflow.dynamics.runs import Runs
    from etaflow.dynamics.stopping import Rule
    from etaflow.problem.objective import Objective


def descend(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    steps: int,
    step_size: float | npt.ArrayLike | Callable[[Any], Any],
    batch_size: int | None = None,
    sampling: str | npt.ArrayLike = "iid",
    optimizer: str | tuple[str, Mapping[str, float]] = "sgd",
    momentum: float | tuple[str, float] = 0.0,
    runs: int | range | None = None,
    seed: int = 0,
    record: Mapping[str, int | npt.ArrayLike] | None = None,
    mean: str | Sequence[str] = (),
    stop: Rule | Sequence[Rule] | None = None,
    noise: float | tuple[str, float] = 0.0,
    bounds: tuple[npt.ArrayLike | None, npt.ArrayLike | None] | None = None,
    moments: Mapping[str, int | npt.ArrayLike] | None = None,
    validation: Objective | None = None,
    reference: npt.ArrayLike | Flow | None = None,
    gradient_noise: str = "sampling",
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
    checkpoint: str | Path | None = None,
    every: float = 60.0,
) -> Runs:
    r"""Follow θ_k = θ_{k−1} − α_k·g_k from one start or many, and record what is asked for.

    g_k is an unbiased estimate of ∇f(θ_{k−1}) from a mini-batch, or ∇f itself (Fleischmann 2021, Algorithms 2 and 3;
    Finnoff 1992, section 3). Run r depends on (seed, r) and its start alone: not on the other runs, the number of threads,
    pauses or the machine's load, down to the last bit.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta0 : array_like, shape (d,) or (runs, d)
        The start of every run, or one start per run.
    steps : int
        How many steps; 0 returns the start.
    step_size : float, array_like or schedule
        α: a number; one number per run; a schedule of `etaflow.schedules` or any vectorised function of k = 1, 2, …; an
        array with one number per step. An array that fits runs and steps alike needs the shape ``(runs, 1)`` or
        ``(1, steps)``.
    batch_size : int, optional
        Observations per step; by default all of them, which is gradient descent.
    sampling : str or array_like of int, default "iid"
        How mini-batches are drawn: ``iid`` uniformly with replacement; ``without_replacement`` within each batch;
        ``shuffle_once`` cycles through one permutation (Fleischmann 2021, section 4.5.3); ``reshuffle`` takes a new one
        each epoch (a batch goes over the end of an epoch into the next one); or the indices themselves,
        ``(steps, batch)`` or ``(runs, steps, batch)``.
    optimizer : str or (str, dict), default "sgd"
        ``sgd``, ``adagrad``, ``rmsprop`` or ``adam`` by PyTorch's formulas and defaults; their numbers are
        ``{"beta1": …, "beta2": …, "rho": …, "eps": …}``.
    momentum : float or (str, float), default 0.0
        μ of heavy-ball momentum, or ``("nesterov", μ)``, for ``sgd``.
    runs : int or range, optional
        How many runs, or their numbers, from one start; by default one run per start.
    seed : int, default 0
        With the run's number, the key of its random numbers: NumPy's ``Philox(key=[seed, run])`` gives the same.
    record : mapping of str to int or array_like of int, optional
        What to record, and how often or at which steps; the start and the last step are always among them. ``loss``,
        ``grad_norm2`` = ‖∇f‖², ``accuracy``, ``rayleigh`` = the Rayleigh quotient of ∇²f along ∇f (Fleischmann 2021,
        eq. (4.28)), ``validation_loss`` and ``theta`` are of θ after that step; ``batch_loss`` and ``update_norm`` of
        the step that led there (NaN at the start); ``distance`` = ‖θ_k − reference_k‖ and ``sup_distance``, its maximum over
        *every* step so far, recorded or not.
    mean : str or sequence of str, optional
        ``loss``, ``grad_norm2``, ``accuracy``, ``validation_loss`` averaged over the iterates *before* each step, θ_1 … θ_K
        of Theorem 4.8 in Fleischmann 2021, without storing them.
    stop : rule or sequence of rules, optional
        Rules of `etaflow.stopping` that end a run or lower its step size.
    noise : float or (str, float), default 0.0
        σ: σ·ξ with ξ ~ N(0, I) is added to every g_k; ``("sphere", σ)`` takes ξ uniform on the unit sphere (Ge et al. 2015,
        Algorithm 1).
    bounds : (lower, upper), optional
        Numbers or arrays ``(d,)`` that θ is projected to after every step; None or infinite for no bound.
    moments : mapping of str to int or array_like of int, optional
        ``{"theta": …}`` with a stride or steps, as in `record`: mean and covariance of θ across the runs, without storing
        the runs.
    validation : Objective, optional
        The same network on other data, for ``validation_loss``.
    reference : array_like, shape (d,) or (steps + 1, d), or Flow, optional
        Where the runs should be: always, after 0, 1, …, `steps` steps, or the gradient flow at the time of each step. For
        ``distance``, ``sup_distance`` and `etaflow.stopping.leave`.
    gradient_noise : {"sampling", "gaussian", "isotropic"}, default "sampling"
        What makes g_k differ from ∇f: the batch; or, with the full gradient, Gaussian noise of the same covariance
        C(θ_{k−1}) as the batch would have, drawn as a randomly weighted gradient, or isotropic Gaussian noise of the same trace.
        These two look at all the data in every step.
    threads : int, optional
        How many threads; by default the objective's.
    progress : bool or callable, default False
        True for a progress bar (tqdm); or a function that is given the part of the work that is done.
    checkpoint : path, optional
        A file ``.nc`` that is replaced, in one moment, with the runs so far; `load` and `Runs.resume` go on with it after a
        crash.
    every : float, default 60.0
        Seconds between two checkpoints.

    Returns
    -------
    Runs
        The runs. One that diverges, is stopped, or is interrupted by Ctrl-C is there with this status.

    Raises
    ------
    TypeError
        If an argument has a wrong type, `theta0` for example another dtype than the objective.
    ValueError
        If an argument has a wrong value. Both come before any work.
    ImportError
        If the progress bar or the checkpoint needs a library that is not installed.

    Examples
    --------
    A thousand SGD runs from one start:

    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> theta0 = net.init(seed=0)
    >>> runs = ef.descend(f, theta0, steps=100, step_size=0.05, batch_size=1, runs=1000, seed=1, record={"loss": 50})
    >>> runs.data.loss.sizes
    Frozen({'run': 1000, 'step': 3})

    Run 7 of them, alone:

    >>> alone = ef.descend(f, theta0, steps=100, step_size=0.05, batch_size=1, runs=range(7, 8), seed=1)
    >>> bool((alone.theta[0] == runs.theta[7]).all())
    True
    """
    return follow(
        objective,
        theta0,
        steps=steps,
        step_size=step_size,
        batch_size=batch_size,
        sampling=sampling,
        estimate=partial(check_gradient_noise, gradient_noise),
        optimizer=optimizer,
        momentum=momentum,
        runs=runs,
        seed=seed,
        record=record,
        mean=mean,
        stop=stop,
        noise=noise,
        bounds=bounds,
        moments=moments,
        validation=validation,
        reference=reference,
        threads=threads,
        progress=progress,
        checkpoint=checkpoint,
        every=every,
    )
