"""The census of minima that `find_minima` returns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._intervals import proportion_interval
from etaflow.landscape.minima.ends import INTERRUPTED, KINDS, MINIMA
from etaflow.landscape.minima.unseen import Unseen, estimate_unseen

if TYPE_CHECKING:
    import xarray as xr

    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.ends import End
    from etaflow.problem.objective import Objective

SHOWN = 20
"""So many minima are in the table that is printed."""


@dataclass(frozen=True, eq=False, repr=False)
class Minima:
    """The minima in which training ended, made by `find_minima`.

    Attributes
    ----------
    objective : Objective
        f.
    starts : ndarray, shape (runs, d)
        Where the runs began.
    trained : ndarray, shape (runs, d)
        Where they ended, before polishing.
    ends : tuple of End
        For each run the polished point, its ``kind`` and the ``reason`` in words.
    label : ndarray of int, shape (runs,)
        The number of each run's minimum, a row of `theta`; −1 for a run that ended in none.
    chosen : tuple of int
        The run that represents each minimum.
    level : float
        Of the intervals.
    """

    objective: Objective
    starts: FloatArray
    trained: FloatArray
    ends: tuple[End, ...]
    label: npt.NDArray[np.int64]
    chosen: tuple[int, ...]
    level: float

    def __len__(self) -> int:
        """Return the number of different minima that were found.

        Returns
        -------
        int
            But for the symmetries of the network.
        """
        return len(self.chosen)

    @property
    def theta(self) -> FloatArray:
        """The different minima, the lowest first, shape (minima, d)."""
        return np.array([self.ends[run].theta for run in self.chosen]).reshape(len(self), self.starts.shape[1])

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """The f of each minimum, shape (minima,)."""
        return np.array([self.ends[run].value for run in self.chosen])

    @property
    def kind(self) -> npt.NDArray[np.str_]:
        """What each run ended as, shape (runs,)."""
        return np.array([end.kind for end in self.ends])

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many runs ended in each minimum, shape (minima,)."""
        return np.bincount(self.label[self.label >= 0], minlength=len(self))

    @property
    def kinds(self) -> dict[str, int]:
        """How many runs ended as what, for the kinds that occur."""
        found = Counter(end.kind for end in self.ends)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def complete(self) -> bool:
        """Whether no run was interrupted."""
        return INTERRUPTED not in self.kinds

    @cached_property
    def unseen(self) -> Unseen:
        """What the counts tell about minima that were not found, if starts of the same distribution go on."""
        return estimate_unseen(self.counts, level=self.level)

    @cached_property
    def data(self) -> xr.Dataset:
        """The table of minima, as an `xarray.Dataset` with the dimensions ``minimum`` and ``parameter``.

        ``share`` is the part of the runs (without interrupted ones) that ended there, an estimate of the volume of the basin
        under the distribution of the starts, with its Clopper–Pearson interval ``share_low`` and ``share_high``.
        """
        import xarray as xr  # noqa: PLC0415 - slow to import

        total = len(self.ends) - self.kinds.get(INTERRUPTED, 0)
        intervals = [proportion_interval(int(count), total, level=self.level) for count in self.counts]
        low, high = np.array(intervals).reshape(-1, 2).T
        chosen = [self.ends[run] for run in self.chosen]
        columns = {
            "value": self.value,
            "count": self.counts,
            "share": self.counts / max(total, 1),
            "share_low": low,
            "share_high": high,
            "kinks": np.array([end.kinks for end in chosen], np.int64),
            "grad_norm": np.array([end.grad_norm for end in chosen]),
            "eigenvalue_min": np.array([end.eigenvalue_min for end in chosen]),
        }
        table = {name: ("minimum", values) for name, values in columns.items()}
        return xr.Dataset({**table, "theta": (("minimum", "parameter"), self.theta)})

    def __repr__(self) -> str:
        """Return how many minima were found from how many starts, and what the others ended as.

        Returns
        -------
        str
            One line.
        """
        others = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items() if kind not in MINIMA)
        best = f", the lowest at f = {self.value[0]:.6g}" if len(self) else ""
        return f"Minima({len(self)} from {len(self.ends)} starts{best}{'; ' + others if others else ''})"

    def __str__(self) -> str:
        """Return the minima as a table, and what is still unseen.

        Returns
        -------
        str
            Several lines.
        """
        lines = [repr(self)]
        if len(self):
            lines.append(f"{'':>4} {'f':>14} {'runs':>6} {'share':>7}   interval       kinks  λ_min")
            rows = zip(*(self.data[name].values[:SHOWN] for name in _COLUMNS), strict=True)
            lines += [_ROW.format(number, *row) for number, row in enumerate(rows)]
            if len(self) > SHOWN:
                lines.append(f"     … and {len(self) - SHOWN} more")
            one = self.unseen
            lines.append(
                f"coverage {one.coverage:.3f} ({one.coverage_low:.3f} … {one.coverage_high:.3f}); at least "
                f"{one.total:.1f} minima ({one.total_low:.1f} … {one.total_high:.1f}) by Chao's estimate"
            )
        return "\n".join(lines)


_COLUMNS = ("value", "count", "share", "share_low", "share_high", "kinks", "eigenvalue_min")
_ROW = "{:>4} {:>14.8g} {:>6} {:>7.3f}   {:.3f} … {:.3f}  {:>5}  {:.2g}"
