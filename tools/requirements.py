"""Print the requirements of this project, one a line; pip has no command that installs them without the project.

The arguments name extras and dependency groups to add; ``build`` stands for what building needs.
"""

import sys
import tomllib
from pathlib import Path


def main(names: list[str]) -> None:
    """Print the requirements of the extras and groups `names`."""
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    groups = pyproject["project"]["optional-dependencies"] | pyproject["dependency-groups"]
    groups["build"] = [*pyproject["build-system"]["requires"], "cmake>=3.26", "ninja>=1.11"]
    print(*pyproject["project"]["dependencies"], *(line for name in names for line in groups[name]), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
