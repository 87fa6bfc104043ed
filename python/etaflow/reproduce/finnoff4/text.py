"""The summary for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow.reproduce._kit.text import count, interval, partial, percent, table
from etaflow.reproduce.finnoff4.answers import answer_all, in_words
from etaflow.reproduce.finnoff4.coverage import ORDERS, QUANTITIES
from etaflow.reproduce.finnoff4.findings import PROJECTIONS
from etaflow.reproduce.finnoff4.limit import EARLIER
from etaflow.reproduce.finnoff4.problem import CHOSEN, LAST, TIMES
from etaflow.reproduce.finnoff4.protocol import BAND, LEVEL
from etaflow.theory.gaussian_limit.comparison import GROUPS

if TYPE_CHECKING:
    import xarray as xr

    from etaflow.reproduce.finnoff4.findings import Findings, Measured

_THEOREM = """\
θ^η is SGD with constant step size η, one observation per step, and θ̄ the gradient flow from the same start, at time t = kη after k
steps. The theorem: as η → 0 the fluctuations Θ = (θ^η − θ̄)/√η come to have the law of θ̃, the solution of a linear stochastic differential
equation: Gaussian with mean 0 and the covariance Σ(t) that solves Σ' = AΣ + ΣAᵀ + R along the flow, with A = −∇²f and the covariance R of
one observation's gradient. Nothing about it is fitted to the runs."""

_COVARIANCE = """\
S is the covariance of the runs; the lines θ̃ are of simulated paths of the limit itself. “By chance” is the error of an exactly Gaussian ensemble of
the same size: its root mean square, and in brackets what it exceeds once in twenty times. “Without chance” estimates the error of SGD's own covariance from products of independent groups
of runs; it is 0 where its square is estimated below 0. The mean of Θ is 0 in the limit; before it, it is √η·m to first order, where m
has the part of Euler's error and that of the curvature of ∇f over the fluctuations."""

_NORMALITY = """\
Means over {projections} random directions v of distances between the law of vᵀΘ/√(vᵀΣv) and N(0, 1): Kolmogorov's sup|F − Φ| and the
Wasserstein distance W₂, in brackets by chance, and Anderson and Darling's A², which is 1 by chance. The skewness is its root mean square over the directions, without
chance."""

_RATES = """\
Powers of η in ‖Cov Θ − Σ‖, the mean, the skewness, sup|F − Φ| beside N(0, Σ) and (“shifted”) beside N(√η·m, Σ), and the covariances at two times,
all without chance, from those step sizes where the distance is certainly not 0. An expansion in √η says 1, ½, ½, ½, ½ to 1 and 1."""

_PATHS = """\
The largest ‖Θ‖ over {times} times along each run, against the same of {paths} simulated paths of the linear diffusion: the largest
distance of the two samples' distribution functions, the probability p that samples of one law are as far apart, and the ratio of the
means. No covariance at one time decides this: it is a property of paths."""

_BANDS = """\
Shares of {runs} other runs within bands of {band}, averaged over {times} times and all numbers of a time, and in brackets the smallest and
largest share of a single number at a single time. Order 1 is the paper's θ̄ + √η·θ̃; order 2 moves the bands by the mean η·m. Weights and
predictions are Gaussian (the delta method); the loss has the quantiles of its expansion to second order."""

_OPEN = """\
The paper has no numbers for section 4. Networks, data, times and step sizes are ours: small ones, so that tens of thousands of runs cost
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
    title = "# Finnoff (1992), Theorem 4.1: are SGD's fluctuations around the gradient flow a Gaussian diffusion?"
    parts = [title, _flat(_THEOREM)]
    if not findings.complete:
        done = f"{len(findings.measured)} of {len(findings.settings.protocol.problems)} problems are finished"
        parts.append(partial(done, findings.resume_command))
    found = tuple(findings.measured.values())
    if found:
        lines = [one.to_markdown() for one in answer_all(findings)]
        parts += ["\n".join(lines), *_covariances(found), *_projections(found), *_rates(found)]
        parts += [*_two_times(found), *_paths(findings, found), *_bands(findings, found), *_conditions(findings, found)]
    return "\n\n".join(parts) + "\n"


def _flat(text: str) -> str:
    return text.replace("\n", " ")


def _covariances(found: tuple[Measured, ...]) -> list[str]:
    parts = [f"## Covariance and mean of Θ(t) at t = {LAST:g}"]
    for one in found:
        exact = () if one.exact is None else ("exact",)
        still = one.simulated.data.isel(step_size=0)
        rows = [_covariance_row(one, i) for i in range(len(one.problem.step_sizes))]
        rows.append(["θ̃", *_chance(still), "", *("" for _ in exact)])
        parts += [f"### {one.name}", table(("η", "‖S − Σ‖/‖Σ‖", "by chance", "without chance", *exact), rows)]
        rows = [_mean_row(one, i) for i in range(len(one.problem.step_sizes))]
        rows.append(["θ̃", "", f"{float(still['mean_error']):.3f}", "0.000"])
        parts.append(table(("η", "steps", "‖mean‖/√tr Σ", "predicted"), rows))
    return [*parts, _flat(_COVARIANCE)]


def _chance(row: xr.Dataset) -> tuple[str, str]:
    error, floor, high = (float(row[f"covariance_{name}"]) for name in ("error", "floor", "floor_high"))
    return percent(error, 2), f"{percent(floor, 2)} ({percent(high, 2)})"


def _covariance_row(one: Measured, place: int) -> list[str]:
    row = one.at_the_end.data.isel(step_size=place)
    value, low, high = (100 * float(number) for number in row["covariance_distance"])
    exact = [] if one.exact is None else [percent(one.exact[place], 2)]
    return [
        f"{float(row['step_size']):g}",
        *_chance(row),
        f"{value:.2f} % [{interval(low, high, '.2f')}]",
        *exact,
    ]


def _mean_row(one: Measured, place: int) -> list[str]:
    row = one.at_the_end.data.isel(step_size=place)
    numbers = (f"{float(row[name]):.3f}" for name in ("mean_error", "mean_predicted"))
    return [f"{float(row['step_size']):g}", count(int(row["steps"])), *numbers]


def _projections(found: tuple[Measured, ...]) -> list[str]:
    parts = ["## Normality of random projections"]
    for one in found:
        data, rows = one.at_the_end.data, []
        for i, eta in enumerate(one.problem.step_sizes):
            row = data.isel(step_size=i)
            skewness, low, high = (float(number) for number in row["skewness_distance"])
            rows.append((f"{eta:g}", *_distances(row), f"{skewness:.3f} [{interval(low, high, '.3f')}]"))
        rows.append(("θ̃", *_distances(one.simulated.data.isel(step_size=0)), ""))
        head = ("η", "Kolmogorov", "W₂", "A²", "skewness")
        parts += [f"### {one.name}", table(head, rows)]
    return [*parts, _flat(_NORMALITY.format(projections=PROJECTIONS))]


def _distances(row: xr.Dataset) -> tuple[str, ...]:
    cells = (f"{float(row[name]):.4f} ({float(row[f'{name}_floor']):.4f})" for name in ("kolmogorov", "wasserstein"))
    return *cells, f"{float(row['anderson']):.4g}"


def _rates(found: tuple[Measured, ...]) -> list[str]:
    names = {
        "covariance": "covariance",
        "mean": "mean",
        "skewness": "skewness",
        "kolmogorov": "Kolmogorov",
        "kolmogorov_shifted": "shifted",
    }
    rows = [(words, *(in_words(one.at_the_end.rates.get(name)) for one in found)) for name, words in names.items()]
    rows.append(("two times", *(in_words(one.two_times_power) for one in found)))
    return ["## Rates: the powers of η", table(("of", *(one.name for one in found)), rows), _flat(_RATES)]


def _two_times(found: tuple[Measured, ...]) -> list[str]:
    parts = [f"## Covariance of Θ(t), t = {LAST:g}, with Θ(s)"]
    for one in found:
        rows = []
        for name, at in zip((*(f"{eta:g}" for eta in one.problem.step_sizes), "θ̃"), one.two_times, strict=True):
            value, low, high = (100 * number for number in (at.distance.value, at.distance.low, at.distance.high))
            errors = (percent(error, 1) for error in at.errors)
            rows.append((name, *errors, f"{value:.1f} % [{interval(low, high, '.1f')}]"))
        for name, at in zip(("chance", "for θ̃"), one.two_times[-2:], strict=True):
            rows.append((name, *(percent(floor, 1) for floor in at.floors), ""))
        head = ("η", *(f"s = {one.problem.times[place]:g}" for place in EARLIER), "without chance")
        parts += [f"### {one.name}", table(head, rows)]
    words = "Relative errors in the Frobenius norm of the ensemble's covariance beside Φ(t, s)Σ(s); the last two lines are by chance alone."
    return [*parts, words]


def _paths(findings: Findings, found: tuple[Measured, ...]) -> list[str]:
    parts = ["## The largest fluctuation along a path"]
    for one in found:
        rows = [
            (f"{eta:g}", f"{at.distance:.4f}", f"{at.critical:.4f}", f"{at.p_value:.2g}", f"{at.ratio:.4f}")
            for eta, at in zip(one.problem.step_sizes, one.suprema, strict=True)
        ]
        head = ("η", "distance", "below by chance", "p", "mean, Θ over θ̃")
        parts += [f"### {one.name}", table(head, rows)]
    paths = count(findings.settings.protocol.diffusion_paths)
    return [*parts, _flat(_PATHS.format(times=TIMES, paths=paths))]


def _bands(findings: Findings, found: tuple[Measured, ...]) -> list[str]:
    parts = ["## Predicted bands"]
    for one in found:
        rows = [
            (f"{eta:g}", name, *(_cell(one, word, order, i) for order in ORDERS))
            for word, name in QUANTITIES.items()
            for i, eta in enumerate(one.problem.step_sizes)
        ]
        head = ("η", "of", *(f"order {order}" for order in ORDERS))
        parts += [f"### {one.name}", table(head, rows, "llrr")]
    runs = count(findings.settings.protocol.band_runs)
    return [*parts, _flat(_BANDS.format(runs=runs, band=percent(BAND), times=TIMES))]


def _cell(one: Measured, word: str, order: int, place: int) -> str:
    low, high = one.coverage.extremes[word][order - 1, place]
    return f"{percent(one.coverage.mean(word, order, place), 1)} ({100 * low:.0f} … {percent(high)})"


def _conditions(findings: Findings, found: tuple[Measured, ...]) -> list[str]:
    lines = [f"{one.problem.words}; {count(one.runs)} runs per step size." for one in found]
    lost = sum(one.diverged for one in found)
    lines += [
        f"One observation per step; seed {findings.settings.seed}. Figures of one step size have η = {_chosen(found)}.",
        (
            f"Every interval has {percent(LEVEL)} by itself: Student's over {GROUPS} groups of runs for distances, the percentile "
            "bootstrap over these groups for powers."
        ),
        *([f"Runs that diverged, and are left out: {lost}."] if lost else []),
        _flat(_OPEN),
    ]
    return ["## Conditions", "\n".join(f"- {line}" for line in lines)]


def _chosen(found: tuple[Measured, ...]) -> str:
    return ", ".join(f"{one.problem.step_sizes[CHOSEN]:g} on {one.name}" for one in found)
