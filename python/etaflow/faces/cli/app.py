"""The commands and their options."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etaflow.faces.cli import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

_UsageError: Any = typer.BadParameter.__bases__[0]  # of the Click that this Typer brings or depends on

app = typer.Typer(
    name="etaflow",
    epilog="Try: etaflow reproduce fleischmann-5.3",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command line; an error is one line.

    Returns
    -------
    int
        The exit status.
    """
    try:
        status = app(args=arguments, prog_name="etaflow", standalone_mode=False)
    except _UsageError as error:
        commands.complain(error.format_message())
        return commands.BAD_INPUT
    except (typer.Abort, KeyboardInterrupt):
        commands.complain("interrupted")
        return commands.INTERRUPTED
    return status if isinstance(status, int) else 0


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(f"must be a whole number (got {text!r})") from error


def _show_version(wanted: bool) -> None:
    if wanted:
        import etaflow as ef  # noqa: PLC0415 - the core is loaded only when it is needed

        typer.echo(ef.__version__)
        raise typer.Exit


@app.callback(help="A laboratory for the training dynamics of multilayer perceptrons.")
def etaflow_command(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback has dealt with it
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Show the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def info() -> None:
    """Show version, build, threads and libraries, for a bug report or a table of timings."""
    commands.show_info()


@app.command(
    epilog="""Examples:

- `etaflow reproduce fleischmann-5.3`: two minutes at most, on images bundled with scikit-learn

- `etaflow reproduce fleischmann-5.3 --data mnist --scale paper --out paper`: the thesis's own problem; hours

- `etaflow reproduce fleischmann-5.3 --out paper --resume`: go on after Ctrl-C, a crash or a power cut
"""
)
def reproduce(
    name: Annotated[str | None, typer.Argument(help="The experiment; `--list` shows them.", show_default=False)] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the experiments.")] = False,
    scale: Annotated[
        str | None,
        typer.Option(metavar="small|paper", help="Minutes, or the full protocol. [default: small]", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with MNIST's IDX files, plain or .gz. [default: scikit-learn's bundled digits]",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=_whole_number,
            help="Average the images to N × N pixels. [default: 14 for MNIST, 2 for the bundled digits, which the network would "
            "fit exactly with more]",
            show_default=False,
        ),
    ] = None,
    step_sizes: Annotated[
        str | None,
        typer.Option(
            metavar="code|text",
            help="The author's code and figures have 0.0001 … 0.001, the thesis's text 0.001 … 0.01. [default: code]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Output folder. [default: the experiment's name and scale, here]", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=_whole_number, help="Seed of every random number. [default: 0]", show_default=False
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(metavar="float64|float32", help="In which numbers. [default: float64]", show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=_whole_number,
            help="Threads; they change no number. [default: all cores]",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished job in the output folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the job in the output folder, whatever it is.")
    ] = False,
) -> None:
    """Repeat an experiment of a published source: figures, a table of every run, and a summary that answers its question."""
    if list_:
        commands.list_reproductions()
        return
    if name is None:
        raise _UsageError("NAME must be given: `etaflow reproduce --list` shows the experiments")
    options = {
        "scale": scale,
        "data": data,
        "size": size,
        "step_sizes": step_sizes,
        "seed": seed,
        "dtype": dtype,
        "threads": threads,
        "resume": resume,
        "overwrite": overwrite,
    }
    commands.reproduce(name, out, options)
