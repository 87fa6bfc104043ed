"""Print the requirements of this project, one a line: the required ones and those of the extras named as arguments.

``build`` stands for what building needs. pip has no command that installs a project's dependencies without the project.
"""

import sys
import tomllib
from pathlib import Path


def main(extras: list[str]) -> None:
    """Print the requirements of `extras`."""
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    optional = pyproject["project"]["optional-dependencies"] | {
        "build": [*pyproject["build-system"]["requires"], "cmake>=3.26", "ninja>=1.11"]
    }
    print(*pyproject["project"]["dependencies"], *(line for extra in extras for line in optional[extra]), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
