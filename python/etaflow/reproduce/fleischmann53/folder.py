"""What belongs to experiment 5.3 in its output folder."""

from __future__ import annotations

from etaflow.reproduce._kit.figures import files_of
from etaflow.reproduce._kit.folder import Layout
from etaflow.reproduce.fleischmann53.settings import Settings

FIGURES = ("figure-5.7", "figure-5.8", "figure-5.9")
PRODUCTS = (*files_of(*FIGURES), "runs.csv", "summary.json", "summary.md")
LAYOUT = Layout("fleischmann-5.3", 1, Settings, PRODUCTS)
