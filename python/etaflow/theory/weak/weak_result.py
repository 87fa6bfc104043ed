"""The result of `weak_error`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice

if TYPE_CHECKING:
    import xarray as xr

    from etaflow.theory.rates import PowerLaw


@dataclass(frozen=True, eq=False, repr=False)
class WeakError:
    """What `weak_error` found.

    Attributes
    ----------
    data : xarray.Dataset
        The table; see `weak_error`.
    powers : dict of (str, str) to PowerLaw
        By (approximation, test function): |error| ∝ η^s over these step sizes.
    orders : dict of (str, str) to PowerLaw
        The same with the next term, error = η^s(c + bη), of at most half of the first: s is the order, which is left as η → 0.
        NaN with fewer than three step sizes.
    exact : bool
        Whether the expectations are exact, not estimated.
    complete : bool
        False after Ctrl-C; the table is of the step sizes that were finished.
    """

    data: xr.Dataset
    powers: dict[tuple[str, str], PowerLaw]
    orders: dict[tuple[str, str], PowerLaw]
    exact: bool
    complete: bool

    def power(self, approximation: str, test: str | None = None) -> PowerLaw:
        """Return the fitted power of η in the weak error, over these step sizes.

        Parameters
        ----------
        approximation : str
            Which approximation.
        test : str, optional
            Which test function; by default the first.

        Returns
        -------
        PowerLaw
            The law, with its interval (a point if the expectations are exact).

        Raises
        ------
        ValueError
            If there is no such approximation or test function.
        """
        return self.powers[self._key(approximation, test)]

    def order(self, approximation: str, test: str | None = None) -> PowerLaw:
        """Return the weak order: the power of η that is left as η → 0, by a fit with the next term.

        Parameters
        ----------
        approximation, test : str
            As in `power`.

        Returns
        -------
        PowerLaw
            The first term, with the order's interval.

        Raises
        ------
        ValueError
            If there is no such approximation or test function.
        """
        return self.orders[self._key(approximation, test)]

    def _key(self, approximation: str, test: str | None) -> tuple[str, str]:
        known = check_choice("approximation", approximation, [str(name) for name in self.data["approximation"].values])
        tests = [str(name) for name in self.data["test"].values]
        return known, tests[0] if test is None else check_choice("test", test, tests)

    def __repr__(self) -> str:
        """Return the powers in one line.

        Returns
        -------
        str
            Of every approximation, for the first test function.
        """
        sizes = self.data["step_size"].values
        how = "exact" if self.exact else f"{self.data.attrs['runs']} runs"
        shown = []
        for name in map(str, self.data["approximation"].values):
            law = self.power(name)
            if np.isfinite(law.slope):
                ends = "" if self.exact else f" ({law.low:.2f} … {law.high:.2f})"
                shown.append(f"{name}: η^{law.slope:.2f}{ends}")
            else:
                shown.append(f"{name}: no power")
        test = self.data["test"].values[0]
        return (
            f"WeakError({how}, {len(sizes)} step sizes {sizes.min():g} … {sizes.max():g}, E {test}: {', '.join(shown)})"
        )
