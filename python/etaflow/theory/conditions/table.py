"""The result of `check_conditions`: a table of conditions, each with its verdict and the reason."""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import xarray as xr

    from etaflow.problem.objective import Objective
    from etaflow.theory.constants.bound import Bound

PROVED = "proved"
SUPPORTED = "supported numerically"
FAILS = "fails"
NOT_NEEDED = "not needed"

NAME, VERDICT = 14, 12
"""Widths of the first and the third column of the printed table; the second and the fourth share what the terminal leaves."""

NARROW, WIDE = 80, 126
"""The table is never narrower than the one, nor wider than the other."""


@dataclass(frozen=True)
class Condition:
    """One condition of a theorem, or the hypotheses of a theorem as a whole.

    Attributes
    ----------
    name : str
        ``"A1"``, …, ``"A8"``, ``"Lemma 3.1 i"``, …, ``"Theorem 4.1"``.
    statement : str
        What it says.
    verdict : str
        ``"proved"``: `reason` is an argument that holds for every θ. ``"supported numerically"``: neither proved nor
        refuted, and a search that could have refuted it did not. ``"fails"``: refuted by a witness; for a theorem: one of
        its hypotheses is. ``"not needed"``: no theorem here uses it.
    reason : str
        Why.
    constants : mapping of str to float
        The numbers that the reason speaks of.
    """

    name: str
    statement: str
    verdict: str
    reason: str
    constants: Mapping[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether it is proved."""
        return self.verdict == PROVED


@dataclass(frozen=True, eq=False, repr=False)
class Conditions:
    """The table of conditions for one network, data and loss. ``print`` shows it; iterating gives its rows.

    Attributes
    ----------
    objective : Objective
        The objective.
    G : float
        The constants on compact sets are those of the box [−G, G]^d.
    rows : tuple of Condition
        The conditions, in the order of the source.
    growth : Bound
        K of Lemma 3.1 i).
    lipschitz : Bound
        L_G of Lemma 3.1 ii).
    """

    objective: Objective
    G: float
    rows: tuple[Condition, ...]
    growth: Bound
    lipschitz: Bound

    def __getitem__(self, name: str) -> Condition:
        """Return the condition of that name.

        Parameters
        ----------
        name : str
            For example ``"A4"``.

        Returns
        -------
        Condition
            The row.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"name must be one of {', '.join(row.name for row in self.rows)} (got {name!r})")

    def __iter__(self) -> Iterator[Condition]:
        """Go through the rows.

        Returns
        -------
        iterator of Condition
            In the order of the source.
        """
        return iter(self.rows)

    def __len__(self) -> int:
        """Return how many rows there are.

        Returns
        -------
        int
            The number.
        """
        return len(self.rows)

    @cached_property
    def data(self) -> xr.Dataset:
        """The table as an `xarray.Dataset`.

        ``statement``, ``verdict``, ``reason`` have the dimension ``condition``. The numbers have none, and are infinite
        where there is no such constant: ``C_1`` ≥ ‖H‖; ``L_h``, ``L_G`` and ``L_R``, Lipschitz constants of h, of H and of R in the
        Frobenius norm, all of them on the box; ``K`` of linear growth; ``data_radius`` ≥ ‖(x, y)‖. ``K_observed``,
        ``L_h_observed`` and ``L_G_observed`` were attained.
        """
        import xarray as xr  # noqa: PLC0415 - slow to import

        names = [row.name for row in self.rows]
        texts = {
            key: ("condition", [getattr(row, key) for row in self.rows]) for key in ("statement", "verdict", "reason")
        }
        numbers = {key: value for row in self.rows for key, value in row.constants.items()}
        return xr.Dataset({**texts, **numbers}, {"condition": names}, {"G": self.G, "objective": repr(self.objective)})

    def __repr__(self) -> str:
        """Return the verdicts in one line.

        Returns
        -------
        str
            Which conditions have which verdict.
        """
        groups = []
        for verdict in (PROVED, SUPPORTED, FAILS):
            names = [row.name for row in self.rows if row.verdict == verdict]
            if names:
                groups.append(f"{verdict}: {', '.join(names)}")
        return f"Conditions({'; '.join(groups)})"

    def __str__(self) -> str:
        """Return the table.

        Returns
        -------
        str
            One row per condition, in columns, as wide as the terminal: 80 to 126 characters.
        """
        widths = _widths(shutil.get_terminal_size((WIDE, 24)).columns)
        head = (f"G = {self.G:g}", "condition", "verdict", "why")
        title = textwrap.wrap(f"The hypotheses of Finnoff 1992 for {self.objective!r}", _total(widths))
        lines = [*title, *_columns(head, widths)]
        rule = "-" * _total(widths)
        for row in self.rows:
            lines += [rule, *_columns((row.name, row.statement, row.verdict, row.reason), widths)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 - only notebooks need it

        head = "<tr><th></th><th>condition</th><th>verdict</th><th>why</th></tr>"
        cells = "".join(
            "<tr>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in (r.name, r.statement, r.verdict, r.reason))
            + "</tr>"
            for r in self.rows
        )
        return f"<table>{head}{cells}</table>"


def _widths(terminal: int) -> tuple[int, ...]:
    left = min(max(terminal, NARROW), WIDE) - NAME - VERDICT - 6  # two blanks between columns
    statement = left * 37 // 100
    return NAME, statement, VERDICT, left - statement


def _total(widths: tuple[int, ...]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _columns(cells: tuple[str, ...], widths: tuple[int, ...]) -> list[str]:
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, wrapped))
    padded = [lines + [""] * (height - len(lines)) for lines in wrapped]
    return [
        "  ".join(_filled(line, width) for line, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip(*padded, strict=True)
    ]


# The bar of θ̄ is a character of its own that takes no room.
def _filled(line: str, width: int) -> str:
    return line + " " * (width - sum(not unicodedata.combining(character) for character in line))
