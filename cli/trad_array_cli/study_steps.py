"""Progress of commands that go through stages, one after the other, with an estimate of the time that each has left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trad_array_cli.durations import spoken
from trad_array_cli.report import say

# s between lines about progress where nobody watches a bar.
_LINE_S = 15.0
Show = Callable[[str, int, int], None]


@contextmanager
def shown_steps() -> Iterator[Show]:
    """Tells a person the stage, what is done and all: a bar where one watches standard error, else a line at times."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        rows: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in rows:
                rows[stage] = bar.add_task(stage, total=total)
            bar.update(rows[stage], completed=done, total=total)

        yield show


class _Lines:
    """A line at the beginning of each stage, and one every few seconds."""

    def __init__(self) -> None:
        self._stage, self._began_s, self._due_s, self._first = "", 0.0, 0.0, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if stage != self._stage:
            self._stage, self._began_s, self._due_s, self._first = stage, now_s, now_s, done
        if now_s < self._due_s:
            return
        self._due_s = now_s + _LINE_S
        fresh = done - self._first
        left = f", {spoken((now_s - self._began_s) * (total - done) / fresh)} left" if fresh > 0 else ""
        say(f"{stage}: {done} of {total}{left}")
