"""What the commands of a study share: options, progress, words."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trad_array_cli.durations import spoken
from trad_array_cli.report import say

if TYPE_CHECKING:
    from trad_array.study.records import Study
    from trad_array.study.running import Progress

F = TypeVar("F", bound=Callable[..., Any])
# s between lines about progress where nobody watches a bar.
_LINE_S = 15.0


def study_argument(function: F) -> F:
    """The study file."""
    return click.argument("study_path", metavar="STUDY.toml", type=click.Path(path_type=Path))(function)


def cache_option(function: F) -> F:
    """`--cache`: responses and noise, which studies share."""
    return click.option(
        "--cache",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Room responses and noise, shared between studies.  [default: trad-array/study in your cache folder]",
    )(function)


def workers_option(function: F) -> F:
    """`--workers`: processes of this machine."""
    return click.option(
        "--workers", type=click.IntRange(1, 1024), metavar="N", help="Processes.  [default: as many as cores]"
    )(function)


def events_option(function: F) -> F:
    """`--events`: a smaller or larger form of a study."""
    return click.option(
        "--events",
        type=click.IntRange(1, 100_000_000),
        metavar="N",
        help="Vents for each layout and condition instead of the file's; agreement and detection in proportion.",
    )(function)


def of_size(study: "Study", events: int | None) -> "Study":
    """The study with so many events, and all else that is counted in proportion, at least one where there was any."""
    if events is None:
        return study
    share = events / study.events

    def some(count: int) -> int:
        return max(round(count * share), min(count, 1))

    part = replace(
        study.detection,
        events=some(study.detection.events),
        negative_events=some(study.detection.negative_events),
    )
    return replace(study, events=events, agreement_events=some(study.agreement_events), detection=part)


def scheduler_option(function: F) -> F:
    """`--scheduler`: a Dask cluster instead."""
    return click.option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Hand the work to a Dask cluster instead; its workers need trad-array of this version.",
    )(function)


def cache_folder(given: Path | None) -> Path:
    """The folder that was named, or the user's own."""
    if given is not None:
        return given
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trad-array" / "study"


@contextmanager
def shown_progress() -> "Iterator[Callable[[Progress], None]]":
    """Tells a person how far a run is: a bar where one watches standard error, a line now and then elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    with Bar(*columns, console=console, transient=True) as bar:
        rows: dict[str, Any] = {}

        def show(progress: "Progress") -> None:
            if progress.stage not in rows:
                rows[progress.stage] = bar.add_task(progress.stage, total=None, left="")
            left = "" if progress.left_s is None else f"{spoken(progress.left_s)} left"
            bar.update(rows[progress.stage], completed=progress.done, total=progress.total, left=left)

        yield show


class _Lines:
    """A line at the beginning of each stage, and one every few seconds."""

    def __init__(self) -> None:
        self._stage, self._due_s = "", 0.0

    def __call__(self, progress: "Progress") -> None:
        now_s = time.monotonic()
        if progress.stage == self._stage and now_s < self._due_s:
            return
        kept = f", {progress.kept} of them from before" if progress.kept and progress.stage != self._stage else ""
        left = f", {spoken(progress.left_s)} left" if progress.left_s else ""
        self._stage, self._due_s = progress.stage, now_s + _LINE_S
        if progress.stage != "table":
            say(f"{progress.stage}: {progress.done} of {progress.total}{kept}{left}")
