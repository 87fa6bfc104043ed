"""The answer in one sentence: whether the mean squared gradient norm is proportional to α, or to 1/|B|."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etaflow.reproduce.fleischmann53.start import Start
    from etaflow.reproduce.fleischmann53.sweeps import Sweep
    from etaflow.theory.rates import PowerLaw

PUBLISHED = {"step size": 0.876, "batch size": 0.822}
"""The slopes of the means in the author's CSV files, on MNIST."""

SYMBOLS = {"step size": "α", "batch size": "1/|B|"}

_MATTERS = 0.1
"""A slope, or a part of ‖∇f‖², that is smaller than this is called next to nothing."""

_FITTED = """\
The network fits its training set exactly; there the gradients of all observations vanish together, and with them the M of Theorem
4.8. Nothing is left to be proportional to."""


def judge(law: PowerLaw | None, name: str) -> tuple[str, str]:
    """Return whether "proportional" holds, as a word or two and as a sentence.

    Parameters
    ----------
    law : PowerLaw or None
        The fitted power law; None if there are too few runs.
    name : {"step size", "batch size"}
        The sweep.

    Returns
    -------
    word : str
        The answer.
    sentence : str
        The reason, with the slope and its interval.

    Examples
    --------
    >>> from etaflow.theory.rates import PowerLaw
    >>> judge(PowerLaw(0.8, 0.7, 0.9, 1.0, 0.95, 9999, 53), "step size")[1]
    'It grows with α, but not proportionally: the slope 0.800 (95 %: 0.700 … 0.900) excludes 1.'
    """
    if law is None:
        return "not yet known", "There are too few runs for a slope."
    symbol = SYMBOLS[name]
    slope = f"the slope {law.slope:.3f} ({100 * law.level:g} %: {law.low:.3f} … {law.high:.3f})"
    answers = (
        (
            law.contains(0) and law.contains(1),
            "undecided",
            f"The runs differ too much to say: {slope} contains both 0, no growth with {symbol}, and 1.",
        ),
        (
            max(abs(law.low), abs(law.high)) < _MATTERS,
            "no",
            f"It hardly changes with {symbol}: {slope} is next to 0 and excludes 1.",
        ),
        (law.contains(1), "yes, as far as these runs can tell", f"{_capital(slope)} contains 1."),
        (law.low > 1, "no, faster", f"It grows faster than {symbol}: {slope} excludes 1."),
        (law.low > 0, "no", f"It grows with {symbol}, but not proportionally: {slope} excludes 1."),
        (law.contains(0), "no", f"It does not grow with {symbol}: {slope} contains 0 and excludes 1."),
        (True, "no", f"It falls as {symbol} grows: {slope} excludes 0 and 1."),
    )
    return next((word, sentence) for holds, word, sentence in answers if holds)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def explain(start: Start, sweep: Sweep) -> str:
    """Return what the noise at the start says about a sweep.

    Parameters
    ----------
    start : Start
        The start.
    sweep : Sweep
        A sweep with at least one setting.

    Returns
    -------
    str
        A sentence or two.
    """
    expected = [start.expected(one.step_size, one.batch_size) for one in sweep.settings]
    low, high = min(expected), max(expected)
    sizes = f"{low:.2g} … {high:.2g} over this sweep, against ‖∇f(θ₁)‖² = {start.grad_norm2:.2g} at the start"
    if high < _MATTERS * start.grad_norm2:
        fitted = " " + _FITTED if start.accuracy == 1 else ""
        return (
            f"The noise at the start would keep up a mean of only {sizes}: the noise is too small to be seen.{fitted}"
        )
    if low < _MATTERS * start.grad_norm2:
        return f"The noise at the start would keep up a mean of {sizes}: not in every setting does the noise dominate."
    return f"The noise at the start would keep up a mean of {sizes}: the noise dominates in every setting."
