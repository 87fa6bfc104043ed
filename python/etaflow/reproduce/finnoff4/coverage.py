"""Predicted bands for every step size, and how many of SGD's runs are within."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.diffusion.bands import predict_bands
from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff4.problem import CHOSEN, LAST
from etaflow.reproduce.finnoff4.protocol import BAND, LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import xarray as xr

    from etaflow.diffusion.bands import Bands
    from etaflow.dynamics.runs import Runs
    from etaflow.reproduce.finnoff4.limit import Limit
    from etaflow.reproduce.finnoff4.problem import Problem
    from etaflow.reproduce.finnoff4.settings import Settings

    Steps = npt.NDArray[np.int64]

ORDERS = (1, 2)
"""Of the expansion in √η: the paper's, and the one that moves the bands by the shift of the mean."""

QUANTITIES = {"theta": "weights", "prediction": "predictions", "loss": "loss"}
DRAWN = 30
"""So many runs are drawn one by one."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often the bands of a problem hold.

    Attributes
    ----------
    shares : dict of str to ndarray, shape (orders, step sizes, 3, times)
        By quantity: the share of the runs within, averaged over the numbers of a time, with the ends of its interval. The start, where
        nothing is random, is left out.
    extremes : dict of str to ndarray, shape (orders, step sizes, 2)
        By quantity: the smallest and the largest share of a single number at a single time.
    bands : dict of str to ndarray, shape (3, times + 1, …)
        By quantity: lower end, center and upper end at the `CHOSEN` step size, of order 2.
    runs : dict of str to ndarray, shape (DRAWN, steps + 1, …)
        By quantity: the first of the runs there, at every step.
    ends : dict of str to ndarray, shape (runs, …)
        By quantity: all the runs there at the last time.
    """

    shares: dict[str, npt.NDArray[np.float64]]
    extremes: dict[str, npt.NDArray[np.float64]]
    bands: dict[str, npt.NDArray[np.float64]]
    runs: dict[str, npt.NDArray[np.float64]]
    ends: dict[str, npt.NDArray[np.float64]]

    def mean(self, quantity: str, order: int, place: int) -> float:
        """Return the share of the runs within, averaged over all numbers and times.

        Parameters
        ----------
        quantity : {"theta", "prediction", "loss"}
            Of what.
        order : {1, 2}
            Of the expansion.
        place : int
            Of the step size.

        Returns
        -------
        float
            The share.
        """
        return float(self.shares[quantity][order - 1, place, 0].mean())


def phase_of(problem: Problem, settings: Settings) -> Phase:
    """Return the phase of a problem's bands.

    Returns
    -------
    Phase
        With its cost in microseconds.
    """
    d, count = problem.objective.num_params, len(problem.step_sizes)
    runs = settings.protocol.band_runs * float((0.01 * LAST / problem.step_sizes).sum()) * np.sqrt(d)
    return Phase(f"bands-{problem.name}", f"{problem.name}: bands", runs + count * (6e5 + 1.6 * d**3))


def measure_coverage(job: Job, problem: Problem, limit: Limit, settings: Settings) -> Coverage:
    """Predict the bands for every step size and count the runs within.

    Parameters
    ----------
    job : Job
        With a phase of `phase_of`.
    problem : Problem
        The problem.
    limit : Limit
        Its limit law.
    settings : Settings
        The job's.

    Returns
    -------
    Coverage
        The shares.
    """
    name = phase_of(problem, settings).name
    arrays = job.keep(name, lambda report: _measure(problem, limit, settings, job.threads, report))
    kept = {part: {word: arrays[f"{part} {word}"] for word in QUANTITIES} for part in Coverage.__annotations__}
    return Coverage(**kept)


def _measure(
    problem: Problem, limit: Limit, settings: Settings, threads: int | None, report: Callable[[float], None]
) -> dict[str, npt.NDArray[Any]]:
    sizes, found, arrays = problem.step_sizes, [], {}
    for place, eta in enumerate(sizes):
        runs = _runs(problem, place, settings, threads, problem.steps(float(eta)))
        bands = [_bands(problem, limit, float(eta), order) for order in ORDERS]
        found.append([dict(_shares(one.coverage(runs, confidence=LEVEL))) for one in bands])
        if place == CHOSEN:
            every = np.arange(problem.steps(float(eta))[-1] + 1)
            arrays = _picture(problem, bands[-1], runs, _runs(problem, place, settings, threads, every, DRAWN))
        report((place + 1) / len(sizes))
    for word in QUANTITIES:
        for part, index in (("shares", 0), ("extremes", 1)):
            rows = [[found[place][order][word][index] for place in range(len(sizes))] for order in range(len(ORDERS))]
            arrays[f"{part} {word}"] = np.array(rows)
    return arrays


def _bands(problem: Problem, limit: Limit, eta: float, order: int) -> Bands:
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "step_size .* too large for these bands", RuntimeWarning
        )  # it is measured here
        return predict_bands(
            problem.objective,
            problem.flow,
            step_size=eta,
            times=problem.times,
            inputs=problem.inputs,
            level=BAND,
            order=order,
            law=limit.law,
        )


def _runs(
    problem: Problem, place: int, settings: Settings, threads: int | None, recorded: Steps, some: int | None = None
) -> Runs:
    eta, count = float(problem.step_sizes[place]), settings.protocol.band_runs
    first = problem.runs(settings.protocol) * len(problem.step_sizes) + place * count  # the ensembles have those before
    runs = descend(
        problem.objective,
        problem.theta0,
        steps=int(recorded[-1]),
        step_size=eta,
        batch_size=1,
        runs=range(first, first + (count if some is None else some)),
        seed=settings.seed,
        record={"theta": recorded},
        threads=threads,
    )
    if (runs.status == "interrupted").any():
        raise KeyboardInterrupt
    return runs


def _shares(measured: xr.Dataset) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for word in QUANTITIES:
        single = measured[word].sel(estimate="share").values[1:]
        name = f"{word}_average"
        yield word, (measured[name if name in measured else word].values[:, 1:], [single.min(), single.max()])


def _picture(problem: Problem, bands: Bands, runs: Runs, drawn: Runs) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {f"bands {word}": bands.data[word].values for word in QUANTITIES}
    for part, theta in (("runs", drawn.records["theta"]), ("ends", runs.records["theta"][:, -1])):
        rows = np.ascontiguousarray(theta.reshape(-1, theta.shape[-1]))
        predicted = np.asarray(problem.objective.net.predict(rows, problem.inputs))
        arrays[f"{part} theta"] = theta
        arrays[f"{part} prediction"] = predicted.reshape(*theta.shape[:-1], *predicted.shape[1:])
        arrays[f"{part} loss"] = np.asarray(problem.objective.value(rows)).reshape(theta.shape[:-1])
    return arrays
