"""``python -m etaflow`` is the command ``etaflow``."""

import sys

from etaflow.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
