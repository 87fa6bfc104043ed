"""The result of a descent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.dynamics import dataset, driver, extension
from etaflow.dynamics.interpolation import interpolate
from etaflow.dynamics.reports import html_table, one_line

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from etaflow._checks import FloatArray, IntArray
    from etaflow.dynamics.driver import Arrays, Work
    from etaflow.dynamics.flow import Flow
    from etaflow.dynamics.objectives import Objectives
    from etaflow.dynamics.plan import Plan
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Training runs: where they are, what was recorded on the way, and all that is needed to go on.

    Made by `descend` and `load`; nothing changes it. Its arrays are read-only: copy them to change them.

    Attributes
    ----------
    plan : Plan
        What the runs were to do.
    state : dict of str to ndarray
        Where every run is, down to the optimizer's averages.
    records, moments : dict of str to ndarray
        What was recorded; `data` shows it with names.
    objectives : Objectives
        What is minimised, or its fingerprint if the runs come from a file.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> runs = ef.descend(f, net.init(seed=0), steps=20, step_size=0.1, batch_size=1, runs=5, record={"loss": 10})
    >>> runs
    Runs(5 runs, 20 steps of sgd, batch 1: 5 finished; recorded loss)
    >>> runs.theta.shape, dict(runs.data.sizes)
    ((5, 13), {'run': 5, 'step': 3})
    """

    plan: Plan
    state: Arrays
    records: Arrays
    moments: Arrays
    objectives: Objectives

    @classmethod
    def of(cls, work: Work, objectives: Objectives) -> Runs:
        """Return the runs as they stand, sharing the memory of the work.

        Returns
        -------
        Runs
            A view.
        """
        state, records, moments = (_read_only(part) for part in (work.state, work.records, work.moments))
        return cls(work.plan, state, records, moments, objectives)

    def __len__(self) -> int:
        """Return the number of runs.

        Returns
        -------
        int
            The number of runs.
        """
        return self.plan.runs

    @property
    def theta(self) -> FloatArray:
        """Where the runs are: the last finite θ of each, shape (runs, d)."""
        return self.state["theta"]

    @property
    def steps_done(self) -> IntArray:
        """The number of steps each run has done, shape (runs,); the step that diverged does not count."""
        return self.state["step"]

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """``finished``, ``diverged``, ``stopped`` (by a rule) or ``interrupted``, shape (runs,)."""
        code, step = self.state["status"], self.state["step"]
        choices = [code == driver.DIVERGED, code == driver.STOPPED, step == self.plan.steps]
        return np.select(choices, ["diverged", "stopped", "finished"], "interrupted")

    @property
    def diverged_at(self) -> IntArray:
        """The step that made θ non-finite, shape (runs,); −1 for a run that did not diverge."""
        return np.where(self.state["status"] == driver.DIVERGED, self.state["step"] + 1, -1)

    @property
    def net(self) -> MLP:
        """The network."""
        return self.objectives.net

    @cached_property
    def data(self) -> xr.Dataset:
        """What was recorded, as an `xarray.Dataset`.

        Dimensions are ``run`` (with the run numbers), ``step`` (with the step numbers, and ``time`` = Σα as a second
        coordinate, of dimensions ``(run, step)`` if step sizes differ from run to run) and ``parameter``. Quantities
        recorded at different steps share one ``step`` axis and are NaN where they were not recorded; only θ, which
        is large, has its own ``step_theta`` then. A run's values are NaN after it diverged or was stopped.
        ``mean_…`` are averages over the iterates before each step (also before one that diverged or was not made because a
        rule stopped the run); ``theta_mean``, ``theta_cov`` (divisor count − 1)
        and ``theta_count`` have the axis ``step_moments`` and are of the runs that came that far. ``status`` and
        ``steps_done`` are coordinates of ``run``.
        """
        built = dataset.build(self.plan, self.state, self.records, self.moments)
        built.attrs = {"description": one_line(self), "seed": str(self.plan.seed)}
        return built.assign_coords(status=("run", self.status), steps_done=("run", self.steps_done))

    @property
    def active_bounds(self) -> npt.NDArray[np.int8]:
        """Which parameters lie on a bound, shape (runs, d): −1 on the lower, +1 on the upper one, else 0."""
        lower, upper = self.plan.update.lower, self.plan.update.upper
        active = np.zeros(self.theta.shape, np.int8)
        if lower is not None and upper is not None:
            active[self.theta == upper] = 1
            active[self.theta == lower] = -1
        return active

    def at(self, t: npt.ArrayLike) -> FloatArray:
        """Return θ^η(t): linear between the iterates, and the n-th iterate at time α_1 + … + α_n (Finnoff 1992, section 3).

        Parameters
        ----------
        t : array_like, shape () or (k,)
            Times between 0 and the time of the last step.

        Returns
        -------
        ndarray, shape (runs, d) or (runs, k, d)
            NaN where a run ended earlier.

        Raises
        ------
        ValueError
            If a time is out of range, or θ was not recorded at the steps around it (``record={"theta": 1}`` records all).

        Examples
        --------
        >>> import etaflow as ef
        >>> net = ef.MLP([1, 1], bias=False)
        >>> f = ef.Objective(net, [[1.0]], [1.0])
        >>> runs = ef.descend(f, [0.0], steps=2, step_size=0.25, record={"theta": 1})
        >>> runs.at([0.0, 0.125, 0.25])[0, :, 0]
        array([0.  , 0.25, 0.5 ])
        """
        if "theta" not in self.records:
            raise ValueError('at needs θ on record: descend with record={"theta": 1}')
        steps = self.plan.record.steps["theta"]
        times = dataset.times_of(self.plan, self.records, steps)
        return interpolate(t, steps, times, self.records["theta"])

    def fluctuations(self, flow: Flow) -> xr.DataArray:
        """Return Θ^η(t) = (θ^η(t) − θ̄(t))/√η at the recorded steps (Finnoff 1992, section 4).

        Their law tends to N(0, Σ(t)) as η → 0 (Theorem 4.1).

        Parameters
        ----------
        flow : Flow
            The gradient flow from the runs' start, at least to the time of their last step.

        Returns
        -------
        xarray.DataArray
            Dimensions ``run``, ``time`` and ``parameter``; NaN where a run ended earlier.

        Raises
        ------
        ValueError
            If θ is not on record, the step size is not constant, or the flow ends earlier.

        Examples
        --------
        >>> import etaflow as ef
        >>> x, y = ef.datasets.xor()
        >>> net = ef.MLP([2, 3, 1])
        >>> f = ef.Objective(net, x, y)
        >>> theta0 = net.init(seed=0)
        >>> flow = ef.flow(f, theta0, t=1.0)
        >>> runs = ef.descend(f, theta0, steps=10, step_size=0.1, batch_size=1, runs=5, record={"theta": 5})
        >>> dict(runs.fluctuations(flow).sizes)
        {'run': 5, 'time': 3, 'parameter': 13}
        """
        return dataset.fluctuations(self.plan, self.records, flow)

    def resume(
        self,
        steps: int | None = None,
        *,
        additional: int | None = None,
        objective: Objective | None = None,
        validation: Objective | None = None,
        step_size: Any = None,
        sampling: Any = None,
        record: Any = None,
        threads: int | None = None,
        progress: Any = False,
        checkpoint: str | Path | None = None,
        every: float = 60.0,
    ) -> Runs:
        """Go on, with the bits that the runs would have had in one piece.

        Interrupted runs go on to the step they were meant to reach, and all runs beyond it if there are more steps now.
        Runs that diverged or were stopped by a rule stay where they are.

        Parameters
        ----------
        steps : int, optional
            The new total, counted from the start of the runs; at least the old one.
        additional : int, optional
            Or the steps beyond the old total.
        objective, validation : Objective, optional
            Needed if the runs come from a file, which holds only their fingerprints.
        step_size, record : optional
            For the additional steps, as in `descend` (a schedule's k goes on counting); by default as before. What
            was given by a stride goes on with it; what was given as an array of steps is recorded at the new last step.
        sampling : ndarray of int, optional
            Indices for the additional steps, if the runs had explicit ones.
        threads, progress, checkpoint, every : optional
            As in `descend`; the checkpoint may be the file that the runs were loaded from.

        Returns
        -------
        Runs
            The longer runs; these here stay as they are.

        Raises
        ------
        TypeError
            If both `steps` and `additional` are given.
        ValueError
            If the objective is not the one the runs began with, or an argument is wrong.

        Examples
        --------
        >>> import etaflow as ef
        >>> net = ef.MLP([1, 1], bias=False)
        >>> f = ef.Objective(net, [[1.0]], [1.0])
        >>> runs = ef.descend(f, [0.0], steps=1, step_size=0.25)
        >>> runs.resume(additional=1).theta
        array([[0.75]])
        """
        from etaflow.dynamics import execution  # noqa: PLC0415 - execution knows Runs

        objectives = self.objectives.resumed(objective, validation)
        last = extension.last_step(self.plan, steps, additional)
        plan = extension.extend(
            self.plan,
            last,
            n=objectives.known.n,
            step_size=step_size,
            sampling=sampling,
            record=record,
            all_there=not (self.status == "interrupted").any(),
        )
        objectives.check_needs(plan)
        how = {"threads": threads, "progress": progress, "checkpoint": checkpoint, "every": every}
        manner = execution.check_manner(objectives, last, **how)
        work = execution.continued(self, plan, objectives)
        if step_size is not None:
            work.state["scale"][:] = plan.step_sizes[-1].scale(plan.runs)
        return execution.carry_out(work, objectives, manner)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write everything to a file that `load` reads: netCDF for ``.nc``, Zarr for ``.zarr``.

        The root group of the file is `data`, so that ``xarray.open_dataset`` reads it too; the group ``state`` holds what
        is needed to go on. The objective is not in the file, only its fingerprint.

        Parameters
        ----------
        path : path
            Where to; ends in ``.nc`` or ``.zarr``.
        overwrite : bool, default False
            Whether an existing file may be replaced, which happens in one moment at the end.

        Raises
        ------
        ImportError
            If h5netcdf, or Zarr, is not installed.
        ValueError
            If the name has another ending, its folder does not exist, or the file exists.
        """
        from etaflow.dynamics import storage  # noqa: PLC0415 - storage knows Runs

        target = storage.check_target("path", path)
        if target.exists() and not overwrite:
            raise ValueError(f"path {str(target)!r} exists already: choose another or give overwrite=True")
        storage.write(self, target)

    def __repr__(self) -> str:
        """Return the runs in one line.

        Returns
        -------
        str
            How many, what they did, how they ended and what was recorded.
        """
        return one_line(self)

    def _repr_html_(self) -> str:
        return html_table(self)


def load(path: str | Path) -> Runs:
    """Read the runs that `Runs.save` or a checkpoint wrote.

    Parameters
    ----------
    path : path
        A file ``.nc`` or a folder ``.zarr``.

    Returns
    -------
    Runs
        The runs; ``resume(objective=…)`` goes on.

    Raises
    ------
    ImportError
        If h5netcdf, or Zarr, is not installed.
    ValueError
        If there is no such file, or it is damaged or holds something else.
    """
    from etaflow.dynamics import storage  # noqa: PLC0415 - storage knows Runs

    return storage.read(path)


def _read_only(arrays: Arrays) -> Arrays:
    views = {name: array.view() for name, array in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return views
