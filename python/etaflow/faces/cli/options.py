"""The options of ``etaflow reproduce``, in one table."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(f"must be a whole number (got {text!r})") from error


def _real_number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"must be a number (got {text!r})") from error


_PARSERS: dict[type, Callable[[str], Any]] = {int: _whole_number, float: _real_number}


@dataclass(frozen=True)
class Option:
    """An option that the user may give to an experiment.

    Attributes
    ----------
    name : str
        The argument of the experiment's function; on the command line ``--name``, with a hyphen for each underscore.
    kind : type
        int, float, str, Path, or bool for a flag.
    metavar : str
        What stands for its value in the help; empty for a flag.
    help : str
        What it means, and the default.
    of : tuple of str
        The experiments that take it; empty for all.
    """

    name: str
    kind: type
    metavar: str
    help: str
    of: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """How the user writes it."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def panel(self) -> str:
        """The heading of the help under which it stands."""
        return f"Options of {' and '.join(self.of)} only" if self.of else "Options of every experiment"

    def parameter(self) -> inspect.Parameter:
        """Return it as the parameter of a function that Typer reads.

        Returns
        -------
        inspect.Parameter
            Its default is None, or False for a flag.
        """
        words: dict[str, Any] = {"help": self.help, "rich_help_panel": self.panel}
        if self.kind is bool:
            annotation, default = Annotated[bool, typer.Option(self.flag, **words)], False
        else:
            words |= {"metavar": self.metavar, "parser": _PARSERS.get(self.kind), "show_default": False}
            annotation, default = Annotated[self.kind | None, typer.Option(self.flag, **words)], None
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


OPTIONS = (
    Option("scale", str, "small|paper", "Minutes, or the full protocol. [default: small]"),
    Option("out", Path, "DIR", "Output folder. [default: the experiment's name and scale, here]"),
    Option("seed", int, "N", "Seed of every random number. [default: 0]"),
    Option("threads", int, "N", "Threads; they change no number. [default: all cores]"),
    Option(
        "resume", bool, "", "Go on with the unfinished job in the output folder; of a finished one, show the answers."
    ),
    Option(
        "overwrite",
        bool,
        "",
        "Replace the experiment's job in the output folder even if it is unfinished or has other settings. A finished one with the same settings is "
        "done anew without it.",
    ),
    Option(
        "data",
        Path,
        "DIR",
        "Folder with MNIST's IDX files, plain or .gz. [default: scikit-learn's bundled digits]",
        of=("fleischmann-5.3",),
    ),
    Option(
        "size",
        int,
        "N",
        "Average the images to N × N pixels. [default: 14 for MNIST, 2 for the bundled digits, which the network would fit "
        "exactly with more]",
        of=("fleischmann-5.3",),
    ),
    Option(
        "step_sizes",
        str,
        "code|text",
        "The author's code and figures have 0.0001 … 0.001, the thesis's text 0.001 … 0.01. [default: code]",
        of=("fleischmann-5.3",),
    ),
    Option("dtype", str, "float64|float32", "In which numbers. [default: float64]", of=("fleischmann-5.3",)),
)

EXAMPLES = """Examples:

- `etaflow reproduce fleischmann-5.3`: two minutes at most, on images bundled with scikit-learn

- `etaflow reproduce fleischmann-5.3 --data mnist --scale paper --out paper`: the thesis's own problem; hours

- `etaflow reproduce fleischmann-5.1`: local minima and the number of neurons, a verdict on every end; a minute

- `etaflow reproduce finnoff-3`: three networks, 1000 runs per step size; half a minute

- `etaflow reproduce finnoff-4`: three networks, 50 000 runs per step size; less than a minute

- `etaflow reproduce finnoff-6`: four models, 64 starts each; two minutes

- `etaflow reproduce kawaguchi`: the slides' claims on linear networks and their counter-examples; half a minute

- `etaflow reproduce sontag-figures`: all minima of one neuron, and weights that grow like log t on XOR; a quarter of a minute

- `etaflow reproduce fleischmann-5.3 --out paper --resume`: go on after Ctrl-C, a crash or a power cut
"""


def check_taken(name: str, function: Callable[..., Any], given: Iterable[str]) -> None:
    """Raise a ValueError if an experiment does not take an option.

    Parameters
    ----------
    name : str
        The experiment's.
    function : callable
        Its function: its arguments decide.
    given : iterable of str
        The names of the arguments that the user gave.

    Raises
    ------
    ValueError
        If so; it says which options it takes.
    """
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    flags = {option.name: option.flag for option in OPTIONS}
    for wish in given:
        if wish not in parameters:
            taken = ", ".join(flag for option, flag in flags.items() if option in parameters)
            raise ValueError(f"{flags[wish]} is not an option of {name}, which takes {taken}")


def wishes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, without those that were left out.

    Returns
    -------
    dict
        By the name of the argument.
    """
    return {name: value for name, value in options.items() if value is not None and value is not False}
