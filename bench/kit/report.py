"""Results as JSON, one file a group, and all of them as one table in Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kit.works import UNITS, WORKS

if TYPE_CHECKING:
    from pathlib import Path

    from kit.machine import Peak
    from kit.race import Result, Timing

TOOLS = ("JAX", "PyTorch", "Numba", "NumPy", "SciPy", "scikit-learn")


def record(key: str, result: Result, peak: Peak) -> dict[str, Any]:
    """Return a race's end as plain values."""
    work, ours = result.work, result.ours
    rate = None if result.flops is None else result.flops / ours.best
    ceiling = peak.rates[work.dtype, work.threads]
    return {
        "key": key,
        "group": work.group,
        "title": work.title,
        "unit": work.unit,
        "threads": work.threads,
        "dtype": work.dtype,
        "goal": work.goal,
        "goal_score": work.score(ours.best),
        "ours": _timing(ours, result),
        "gflops": None if rate is None else rate / 1e9,
        "part_of_fma_peak": None if rate is None else rate / ceiling,
        "peers": [_timing(peer, result) for peer in result.peers],
        "absent": [{"tool": one.tool, "reason": one.reason} for one in result.absent],
        "ratio_goals": work.at_least,
    }


def _timing(timing: Timing, result: Result) -> dict[str, Any]:
    return {
        "tool": timing.contender.tool,
        "how": timing.contender.how,
        "best": result.work.shown(timing.best),
        "seconds_per_unit": sorted(timing.seconds),
        "ratio": timing.best / result.ours.best,
        "first_turn_seconds": timing.preparation,
    }


def lines(entry: dict[str, Any]) -> list[str]:
    """Return a race's end for the terminal."""
    unit, ours = entry["unit"], entry["ours"]
    out = [f"{entry['title']} ({entry['threads']} threads, {entry['dtype']})"]
    notes = [f"  {'etaflow':14}{_number(ours['best']):>9} {unit}"]
    if entry["gflops"] is not None:
        notes.append(f"{entry['gflops']:.1f} GFLOP/s, {entry['part_of_fma_peak']:.0%} of the FMA peak")
    if entry["goal"] is not None:
        notes.append(f"goal {_number(entry['goal'])}: {_verdict(entry['goal_score'])}")
    out.append(", ".join(notes))
    for peer in sorted(entry["peers"], key=lambda one: one["ratio"]):
        how = f"{peer['how']} (first turn {peer['first_turn_seconds']:.1f} s)"
        out.append(f"  {peer['tool']:14}{_number(peer['best']):>9} {unit:4} {peer['ratio']:7.2f}×  {how}")
    out.extend(f"  {one['tool']:14}  absent: {one['reason']}" for one in entry["absent"])
    for tool, least in entry["ratio_goals"].items():
        if best := _best(entry, tool):
            verdict = _verdict(best["ratio"] / least)
            out.append(f"  {best['ratio']:.2f}× {tool}'s best, goal {least:g}×: {verdict}")
    return out


def write(folder: Path, entries: list[dict[str, Any]], description: dict[str, Any]) -> Path:
    """Write one JSON file a group and the table of all groups that the folder holds; return the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for group in dict.fromkeys(entry["group"] for entry in entries):
        content = {"machine": description, "results": [one for one in entries if one["group"] == group]}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{group}.json").write_text(text + "\n", encoding="utf-8")
    known = {}
    for path in sorted(folder.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8"))["results"]:
            known[entry["key"]] = entry
    table = folder / "table.md"
    table.write_text(_page({key: known[key] for key in WORKS if key in known}, description), encoding="utf-8")
    return table


def _page(known: dict[str, dict[str, Any]], description: dict[str, Any]) -> str:
    rows = [
        ["work", "threads", "dtype", "etaflow", "goal", "GFLOP/s (of peak)", *TOOLS],
        ["---", *["---:"] * (5 + len(TOOLS))],
        *[_row(entry) for entry in known.values()],
    ]
    peak = description["peak"]
    rates = ", ".join(f"{rate:.0f} GFLOP/s ({name})" for name, rate in peak["gflops"].items())
    libraries = ", ".join(f"{name} {version}" for name, version in description["libraries"].items())
    return "\n".join([
        "Best of several turns, etaflow and its peers by turns in one session; a peer's number is its fastest way, with the",
        "ratio of its time to ours. Times are per step, gradient or matrix; M/s are million steps of a run per second.",
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        f"{description['cpus']} CPUs, {description['cpu']}; {description['system']}; Python {description['python']}; {libraries};",
        f"BLAS of NumPy and SciPy: {description['blas']}; core: {description['core']['isa']}.",
        f"Peak: {rates}, by {peak['how']}.",
        "",
        f"Two threads against one: {_scaling(known)}.",
        "",
    ])


def _row(entry: dict[str, Any]) -> list[str]:
    speed = "" if entry["gflops"] is None else f"{entry['gflops']:.0f} ({entry['part_of_fma_peak']:.0%})"
    goal = ""
    if entry["goal"] is not None:
        relation, missed = "≥" if UNITS[entry["unit"]][1] else "≤", "" if entry["goal_score"] >= 1 else " (missed)"
        goal = f"{relation} {_number(entry['goal'])}{missed}"
    ours = f"**{_number(entry['ours']['best'])} {entry['unit']}**"
    peers = [_cell(entry, tool) for tool in TOOLS]
    return [entry["title"], str(entry["threads"]), entry["dtype"], ours, goal, speed, *peers]


def _scaling(known: dict[str, dict[str, Any]]) -> str:
    parts = []
    for key, work in WORKS.items():
        if work.alone in known and key in known:
            alone, together = (min(known[one]["ours"]["seconds_per_unit"]) for one in (work.alone, key))
            parts.append(f"{work.title}, {work.dtype}: {alone / together:.2f}×")
    return "; ".join(parts)


def _cell(entry: dict[str, Any], tool: str) -> str:
    best = _best(entry, tool)
    return "" if best is None else f"{_number(best['best'])} ({_number(best['ratio'])}×)"


def _best(entry: dict[str, Any], tool: str) -> dict[str, Any] | None:
    return min((one for one in entry["peers"] if one["tool"] == tool), key=lambda one: one["ratio"], default=None)


def _verdict(score: float) -> str:
    """Return in words by which factor a goal is reached."""
    if score >= 1:
        return f"reached ({score:.2f})"
    return f"missed ({score:.2f})" if score >= 0.5 else f"missed by more than 2 ({score:.2f})"


def _number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ") if value >= 0.1 else f"{value:.2g}"
