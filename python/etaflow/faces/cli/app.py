"""The commands and their options."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etaflow.faces.cli import commands
from etaflow.faces.cli.options import EXAMPLES, OPTIONS, wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def reproduce(name: str | None, *, list_: bool, **options: Any) -> None:
    """Repeat an experiment of a published source: figures, a table of every run, and a summary that answers its question."""
    if list_:
        commands.list_reproductions()
        return
    if name is None:
        raise _UsageError("NAME must be given: `etaflow reproduce --list` shows the experiments")
    commands.reproduce(name, wishes(options))


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    chosen = inspect.Parameter(
        "name",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[
            str | None, typer.Argument(help="The experiment; `--list` shows them.", show_default=False)
        ],
    )
    listed = inspect.Parameter(
        "list_",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--list", help="List the experiments.")],
    )
    parameters = [chosen, listed, *(option.parameter() for option in OPTIONS)]
    function.__dict__["__signature__"] = inspect.Signature(parameters)  # which Typer reads
    function.__annotations__ = {}
    return function


app.command(epilog=EXAMPLES)(_with_options(reproduce))
