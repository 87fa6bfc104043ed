"""What the commands do, and how the terminal shows it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from etaflow.faces.cli.options import check_taken
from etaflow.faces.cli.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LIBRARIES = ("numpy", "scipy", "xarray", "matplotlib", "scikit-learn", "h5netcdf", "zarr", "tqdm", "typer", "rich")
INTERRUPTED = 130
BAD_INPUT = 2


def complain(message: str) -> None:
    """Write one line to standard error."""
    typer.echo(f"etaflow: {' '.join(message.split())}", err=True)


def show_info() -> None:
    """Print the version, the build, the threads and the libraries."""
    from etaflow import _core  # noqa: PLC0415 - the core is loaded only when it is needed

    build = _core.build_info()
    rows = {
        "etaflow": build["version"],
        "instruction set": f"{build['isa']} ({build['lanes64']} lanes of float64, {build['lanes32']} of float32)",
        "compiler": build["compiler"],
        "Eigen": build["eigen"],
        "OpenMP": build["openmp"],
        "threads": _core.default_threads(),
        "Python": _python(),
        **{name: _version(name) for name in LIBRARIES},
    }
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console().print(table)


def list_reproductions() -> None:
    """Print the experiments that can be repeated."""
    from etaflow import reproduce as experiments  # noqa: PLC0415 - as above

    for entry in experiments.REPRODUCTIONS:
        typer.echo(f"{entry.name}  {entry.title} ({entry.source})")


def reproduce(name: str, options: Mapping[str, Any]) -> None:
    """Repeat an experiment, and show its answers and where the rest is.

    Parameters
    ----------
    name : str
        Its name.
    options : dict
        The arguments of its function that were given.

    Raises
    ------
    Exit
        With 2 for bad input, 1 for a failure, 130 after Ctrl-C.
    """
    from etaflow import reproduce as experiments  # noqa: PLC0415 - as above

    console, begin = Console(), time.monotonic()
    with _tidy():
        function = experiments.find(name).load()
        check_taken(name, function, options)
        folder = options.get("out", Path(f"{name}-{options.get('scale', 'small')}"))
        with bar(console) as report:
            result = function(**{**options, "out": folder, "progress": report})
    console.print(Markdown(result.answers))
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    if result.complete:
        how = "The job was complete already, and is as it was" if result.restored else f"That took {took}"
        typer.echo(f"\n{how}. Tables are in {Path(folder, 'summary.md')}, {_other_files(result.files)} beside it.")
        return
    threads = f" --threads {options['threads']}" if "threads" in options else ""
    complain(f"interrupted after {took}; what is finished is in {folder}. Go on with: {result.resume_command}{threads}")
    raise typer.Exit(INTERRUPTED)


def _other_files(files: Iterable[str]) -> str:
    data = sorted(file for file in files if file.endswith(".csv"))
    figures = sum(file.endswith(".png") for file in files)
    return ", ".join([*data, *([f"{figures} figures (PNG and PDF)"] if figures else [])])


@contextmanager
def _tidy() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        complain(str(error))
        raise typer.Exit(BAD_INPUT) from error
    except (ImportError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from error


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _python() -> str:
    import platform  # noqa: PLC0415 - only here

    return f"{platform.python_version()} on {platform.platform()}"
