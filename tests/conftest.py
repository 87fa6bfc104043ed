"""Settings shared by all tests."""

import os
import signal

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports pyplot

# A shell that starts a command in the background has it ignore Ctrl-C, and so its children: those of the tests must hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, so that a failure is one commit's doing.
settings.register_profile("etaflow", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("etaflow")
