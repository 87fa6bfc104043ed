"""Settings shared by all tests."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports pyplot

# The same examples every time, so that a failure is one commit's doing.
settings.register_profile("etaflow", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("etaflow")
