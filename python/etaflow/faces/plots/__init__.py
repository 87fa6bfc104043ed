"""Plots: every function draws into a Matplotlib Axes and returns it."""

from etaflow.faces.plots.bands import bands
from etaflow.faces.plots.divergence import direction, growth_law, log_rule
from etaflow.faces.plots.linear_networks import saddle_to_saddle, success_rate
from etaflow.faces.plots.minima import census, index_against_loss
from etaflow.faces.plots.rates import power
from etaflow.faces.plots.runs import curves
from etaflow.faces.plots.survival import escape_rates, survival
from etaflow.faces.plots.verdict import spectrum, way_down
from etaflow.faces.plots.weak import weak_error

__all__ = [
    "bands",
    "census",
    "curves",
    "direction",
    "escape_rates",
    "growth_law",
    "index_against_loss",
    "log_rule",
    "power",
    "saddle_to_saddle",
    "spectrum",
    "success_rate",
    "survival",
    "way_down",
    "weak_error",
]
