"""How every experiment begins and ends."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from etaflow._checks import check_positive_int
from etaflow.reproduce._kit.figures import save
from etaflow.reproduce._kit.folder import Folder, Layout
from etaflow.reproduce._kit.reporting import reporter
from etaflow.reproduce._kit.result import check_libraries
from etaflow.reproduce._kit.settings import Settings
from etaflow.reproduce._kit.work import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from matplotlib.figure import Figure

    from etaflow.reproduce._kit.work import Phase

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Call(Generic[S]):
    """An experiment as it was called for: everything that can be wrong with the arguments has been looked at.

    Attributes
    ----------
    folder : Folder
        The output folder.
    settings : Settings
        What decides the numbers.
    threads : int or None
        How many threads.
    resume, overwrite : bool
        As they were given.
    """

    folder: Folder[S]
    settings: S
    threads: int | None
    resume: bool
    overwrite: bool

    @contextmanager
    def job(self, phases: Sequence[Phase], progress: object) -> Iterator[Job]:
        """Make the folder ready, and show the progress of the phases while they are done.

        Parameters
        ----------
        phases : sequence of Phase
            All of them.
        progress : bool or callable
            As the user gave it.

        Yields
        ------
        Job
            Set its `estimate`.
        """
        with reporter(progress) as report:
            if not self.resume:
                self.folder.begin(self.settings, overwrite=self.overwrite)
            yield Job(self.folder, phases, None if self.is_restored else report, self.threads)

    @property
    def is_restored(self) -> bool:
        """Whether nothing is left to do: the job to be resumed is complete, and its summary is there."""
        return self.resume and self.folder.is_complete() and (self.folder.path / "summary.md").exists()

    def kept_products(self, findings: Any) -> dict[str, Any]:
        """Return the products of a complete job as an earlier call wrote them.

        Parameters
        ----------
        findings : object
            Has ``complete`` and ``resume_command``.

        Returns
        -------
        dict
            The arguments of `result.Result`.
        """
        files = (self.folder.path / name for name in self.folder.layout.products)
        return {
            "complete": findings.complete,
            "files": {file.name: file for file in files if file.exists()},
            "summary": (self.folder.path / "summary.md").read_text(encoding="utf-8"),
            "resume_command": findings.resume_command,
            "restored": True,
        }


def check_call(
    layout: Layout[S],
    choose: Callable[[Mapping[str, Any]], S],
    wishes: Mapping[str, Any],
    *,
    out: object,
    threads: int | None,
    resume: bool,
    overwrite: bool,
) -> Call[S]:
    """Check the arguments of an experiment.

    Parameters
    ----------
    layout : Layout
        The experiment's.
    choose : callable
        Makes settings of the wishes.
    wishes : dict
        The arguments that decide the numbers, None for those that were not given.
    out, threads, resume, overwrite
        As every experiment has them.

    Returns
    -------
    Call
        With the settings of a new job, or of the one to go on with.
    """
    check_libraries()
    count = None if threads is None else check_positive_int("threads", threads)
    folder = Folder.at(out, layout)
    settings = folder.resume(wishes) if resume else choose(wishes)
    return Call(folder, settings, count, resume, overwrite)


def write_products(
    folder: Folder[Any],
    findings: Any,
    *,
    figures: Mapping[str, Figure],
    tables: Mapping[str, str],
    summary: str,
    content: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the products of an experiment.

    Parameters
    ----------
    folder : Folder
        Where to.
    findings : object
        Has ``complete`` and ``resume_command``.
    figures : dict of str to Figure
        By name, without the ending.
    tables : dict of str to str
        CSV by the name of the file.
    summary : str
        The text of ``summary.md``.
    content : dict
        Of ``summary.json``.

    Returns
    -------
    dict
        The arguments of `result.Result`.
    """
    files = [file for name, figure in figures.items() for file in save(figure, folder.path, name)]
    files += [folder.write_text(name, table) for name, table in tables.items()]
    files.append(folder.write_text("summary.md", summary))
    files.append(folder.write_json("summary.json", content))
    return {
        "complete": findings.complete,
        "files": {file.name: file for file in files},
        "summary": summary,
        "resume_command": findings.resume_command,
    }
