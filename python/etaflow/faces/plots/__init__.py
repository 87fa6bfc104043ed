"""Plots: every function draws into a Matplotlib Axes and returns it."""

from etaflow.faces.plots.runs import curves

__all__ = ["curves"]
