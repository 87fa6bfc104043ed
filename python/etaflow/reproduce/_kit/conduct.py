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
    from pathlib import Path

    from matplotlib.figure import Figure

    from etaflow.reproduce._kit.work import Phase

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Products:
    """What an experiment writes.

    Attributes
    ----------
    figures : dict of str to Figure
        By name, without the ending.
    tables : dict of str to str
        CSV by the name of the file.
    summary : str
        The text of ``summary.md``.
    content : dict
        Of ``summary.json``.
    """

    figures: Mapping[str, Figure]
    tables: Mapping[str, str]
    summary: str
    content: Mapping[str, Any]

    def write(self, folder: Folder[Any]) -> list[Path]:
        """Write them all, ``summary.json`` last: it says whether the job is complete.

        Returns
        -------
        list of Path
            The files.
        """
        files = [file for name, figure in self.figures.items() for file in save(figure, folder.path, name)]
        files += [folder.write_text(name, table) for name, table in self.tables.items()]
        return [*files, folder.write_text("summary.md", self.summary), folder.write_json("summary.json", self.content)]


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
        """Whether nothing is left to do: the job to be resumed is complete, and all that it writes is there."""
        return self.resume and self.folder.is_complete() and all(file.exists() for file in self._files)

    @property
    def _files(self) -> list[Path]:
        return [self.folder.path / name for name in self.folder.layout.products]

    def products(self, findings: Any, make: Callable[[], Products]) -> dict[str, Any]:
        """Write the products of the experiment, or find them as an earlier call wrote them if nothing was left to do.

        Parameters
        ----------
        findings : object
            Has ``complete`` and ``resume_command``.
        make : callable
            Draws and words them; not called if they are there.

        Returns
        -------
        dict
            The arguments of `result.Result`.
        """
        common = {"complete": findings.complete, "resume_command": findings.resume_command}
        if self.is_restored:
            summary = (self.folder.path / "summary.md").read_text(encoding="utf-8")
            return {**common, "files": {file.name: file for file in self._files}, "summary": summary, "restored": True}
        made = make()
        return {**common, "files": {file.name: file for file in made.write(self.folder)}, "summary": made.summary}


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
