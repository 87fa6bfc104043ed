"""The summary for people, in Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etaflow._intervals import RESAMPLES
from etaflow.reproduce._kit.text import count, interval, partial, percent, table
from etaflow.reproduce.finnoff3.answers import answer_all, in_words, rate_in_words
from etaflow.reproduce.finnoff3.measured import PLACES
from etaflow.reproduce.finnoff3.protocol import LEVEL

if TYPE_CHECKING:
    import xarray as xr

    from etaflow.reproduce.finnoff3.approach import Approach
    from etaflow.reproduce.finnoff3.findings import Findings

TINY = 1e-15
"""A probability that is not larger is told as that."""

_WHAT = """\
SGD with step size η makes one step with one randomly drawn observation per time η; the flow θ̄' = −∇f(θ̄) starts at the same point. sup is the
largest distance ‖SGD − flow‖ up to the time t. Theorem 3.2 says that for every t there is one constant B with i) E sup² ≤ B·η and
ii) P(sup > δ) ≤ B·η/δ² for all η. Numbers in brackets are intervals of 95 %."""

_MARKOV = """\
The bound is B·η/δ² with one measured B for all step sizes: the largest upper end of the intervals of E sup²/η. Markov's inequality
makes E sup²/δ² of the *same* runs a bound that cannot fail; what the table tells is how much it gives away."""

_PROVED = """\
The growth is per unit of time since the r of the line before; its interval is a bootstrap over whole runs. The proved B is what Gronwall's and
Doob's inequalities give with the constants K and L of Lemma 3.1 on the ball that no path can leave before r: it is true, and so
large that only its logarithm can be written: vacuous as a prediction. “none”: the output is not bounded, the gradient grows faster than linearly, and Lemma
3.1 i) fails."""

_WHY = """\
Why the powers are not exactly 1: E sup²/η tends to E sup‖θ̃‖², where θ̃ is the linear diffusion of Theorem 4.1, but slowly. A supremum over the
times of steps misses a part of order √η of a path as rough as Brownian motion: “limit law, same steps” is θ̃ itself, looked at only at
the times of SGD's steps, which misses it too."""

_QUOTIENT = """\
The quotient tends to 1, and two things can keep it from 1. At a step size that is not small the law of the fluctuations is not yet its limit, which changes
a quantity that is the same for Θ and −Θ by a part of order η. And a supremum over discrete steps depends on how far single steps leap beyond the
level that they cross; SGD's steps are drawn from a few observations, those of θ̃ are Gaussian, and no central limit theorem averages the
difference away, which is of order √η. Which of them rules is measured: the power p in quotient = 1 + c·η^p, by generalised least
squares, as all quotients of a problem share the paths of θ̃, with its interval by likelihood ratio."""

_OPEN = """\
The paper has no numbers for section 3. Networks, data, times and step sizes are ours: small ones, so that thousands of runs cost
seconds."""


def to_markdown(findings: Findings) -> str:
    """Return the summary as a text.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        What ``summary.md`` holds.
    """
    parts = ["# Finnoff (1992), Theorem 3.2: how far does SGD stray from the gradient flow?", _WHAT.replace("\n", " ")]
    if not findings.complete:
        parts.append(partial(f"{findings.done} of {findings.planned} phases are finished", findings.resume_command))
    if findings.measured:
        lines = [one.to_markdown() for one in answer_all(findings)]
        parts += ["\n".join(lines), *_powers(findings), *_tails(findings)]
        parts += [*_constants(findings), *_split(findings)]
    if findings.limits:
        parts += _limits(findings)
    if findings.batch is not None:
        parts += _batch(findings)
    if findings.measured:
        parts += _conditions(findings)
    return "\n\n".join(parts) + "\n"


def _powers(findings: Findings) -> list[str]:
    parts = ["## E sup² against η"]
    for one in findings.measured.values():
        ends = one.data.isel(time=-1)
        rows = [
            (
                f"{eta:g}",
                count(int(ends["steps"][i])),
                f"{float(ends['mean_sup2'][i]):.3g}",
                _with_interval(ends, "constant", i),
                f"{math.sqrt(float(ends['mean_sup2_between'][i] / ends['mean_sup2'][i])) - 1:.1e}",
                str(int(ends["diverged"][i])),
            )
            for i, eta in enumerate(one.problem.step_sizes)
        ]
        head = ("η", "steps", "E sup²", "B = E sup²/η", "between", "diverged")
        parts += [f"### {one.problem.name}, t = {one.problem.t:g}", table(head, rows)]
    words = (
        "The supremum is over every step. Between two steps sup can be larger by at most the part in the column “between” "
        "(where that is more than 1 %, the interval reaches up to it)."
    )
    return [*parts, words]


def _tails(findings: Findings) -> list[str]:
    parts = ["## The tail beside its bound, at the middle step size"]
    for one in findings.measured.values():
        middle = len(one.problem.step_sizes) // 2
        row = one.data.isel(step_size=middle)
        seen = row["exceedance"].values
        first, last = int((seen == 1).sum()), int((seen > 0).sum())  # P falls with δ
        cells = [
            (
                f"{float(delta):.3g}",
                f"{float(seen[k]):.3g}",
                interval(float(row["exceedance_low"][k]), float(row["exceedance_high"][k])),
                f"{float(row['exceedance_markov'][k]):.3g}",
                f"{float(row['exceedance_bound'][k]):.3g}",
            )
            for k, delta in enumerate(one.data["delta"].values)
            if max(first - 1, 0) <= k <= last
        ]
        head = ("δ", "P(sup > δ)", "Clopper–Pearson", "E sup²/δ²", "B·η/δ²")
        parts += [f"### {one.problem.name}, η = {one.problem.step_sizes[middle]:g}", table(head, cells)]
    return [*parts, _MARKOV.replace("\n", " ")]


def _constants(findings: Findings) -> list[str]:
    parts = ["## B against r, at the smallest step size"]
    for name, one in findings.measured.items():
        row = one.data.isel(step_size=-1)
        rates = ["", *(rate_in_words(growth) for growth in one.growths)]
        rows = [
            (
                f"{float(row['time'][k]):g}",
                _with_interval(row, "constant", k),
                rate,
                _power_of_ten(proved),
            )
            for k, rate, proved in zip(PLACES.tolist(), rates, one.log10_proved.tolist(), strict=True)
        ]
        head = ("r", "B = E sup²/η up to r", "growth of log B", "proved log₁₀ B")
        parts += [f"### {name}", table(head, rows)]
    return [*parts, _PROVED.replace("\n", " ")]


def _power_of_ten(exponent: float) -> str:
    return "none" if math.isnan(exponent) else f"{exponent:.3g}"


def _split(findings: Findings) -> list[str]:
    rows = []
    for name, one in findings.measured.items():
        rows += [
            (name, "SGD − flow", in_words(one.power)),
            (name, "the same at 50 times", in_words(one.power_at_times)),
            (name, "SGD − gradient descent", in_words(one.sampling_power)),
            (name, "gradient descent − flow", f"{one.euler_power.slope:.3f}" if one.euler_power else ""),
        ]
    ratios = ", ".join(f"{one.triangle:.3f} on {name}" for name, one in findings.measured.items())
    words = (
        "Powers of η: of E sup², and of the supremum itself for gradient descent − flow, where nothing is random. “At 50 times” is SGD − "
        "flow looked at as often at every step size, so that no supremum is over fewer steps. The largest ratio over all runs of "
        "sup‖SGD − flow‖ to the sum of the suprema of its two parts, which the triangle inequality keeps at most 1, is "
        f"{ratios}."
    )
    head = ("problem", "difference", "power of η")
    return ["## Euler's error and the sampling error", table(head, rows, "llr"), words]


def _limits(findings: Findings) -> list[str]:
    parts = ["## Where B tends to: the limit law", _WHY.replace("\n", " ")]
    for name, limit in findings.limits.items():
        one = findings.measured[name]
        ends = one.data.isel(time=-1)
        rows = [
            (
                f"{eta:g}",
                _with_interval(ends, "constant", i),
                f"{limit.mean[i]:.3g} [{interval(limit.low[i], limit.high[i])}]",
                f"{float(ends['constant'][i]) / limit.mean[i]:.3f}",
            )
            for i, eta in enumerate(one.problem.step_sizes)
        ]
        parts += [f"### {name}", table(("η", "SGD: E sup²/η", "limit law, same steps", "quotient"), rows)]
        parts.append(_approach(findings.approaches[name]))
    return [*parts, _QUOTIENT.replace("\n", " ")]


def _approach(fit: Approach | None) -> str:
    if fit is None or not fit.known:
        return "These runs do not tell the power of η in quotient − 1."
    return (
        f"The power of η in quotient − 1 is {fit.power:.2f} [{interval(fit.low, fit.high, '.2f')}]; chance makes √η fit as badly with probability "
        f"{fit.root:.2g}, and η with {fit.linear:.2g}."
    )


def _batch(findings: Findings) -> list[str]:
    assert findings.batch is not None
    parts = ["## SGD beside batch training on 1-2-1 (section 5)"]
    for name, one in findings.batch.comparisons.items():
        rows = []
        for i, eta in enumerate(one.data["step_size"].values.tolist()):
            chance = _chance(one.data["p_value"].values[i])
            rows.append((f"{eta:g}", "its size", _with_interval(one.data, "mean", i), chance))
            if "bias" in one.data:
                rows.append(("", "itself", _with_interval(one.data, "bias", i), ""))
        head = ("η", "mean of", "difference", "p of “differs”")
        title = f"### difference of the {name}: tolerance {one.tolerance:.3g}, power of η {in_words(one.power)}"
        parts += [title, table(head, rows)]
    words = (
        "The null hypothesis is that the mean size is at least the tolerance; the step sizes are tested from the smallest on until one "
        f"fails, each at {percent(1 - LEVEL)}, so that this is the probability of calling any step size wrongly the same."
    )
    return [*parts, words]


def _with_interval(data: xr.Dataset, name: str, i: int) -> str:
    value, low, high = (float(data[f"{name}{end}"].values[i]) for end in ("", "_low", "_high"))
    return f"{value:.3g} [{interval(low, high)}]"


def _chance(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value > TINY else f"< {TINY:g}"


def _conditions(findings: Findings) -> list[str]:
    own = findings.settings.protocol
    lines = [f"{one.problem.words}." for one in findings.measured.values()]
    lines += [
        (
            f"{count(own.runs)} runs per problem and step size, one observation per step, seed {findings.settings.seed}; "
            f"{count(own.limit_runs)} paths of the limit law; {own.others} other data and starts with {count(own.other_runs)} runs each."
        ),
        f"Every interval has {percent(LEVEL)} by itself: percentile bootstrap over runs ({count(RESAMPLES)} resamples) or Clopper–Pearson.",
        _OPEN.replace("\n", " "),
    ]
    return ["## Conditions", "\n".join(f"- {line}" for line in lines)]
