"""Simulating a short list: what became of every event, so that layouts are compared event by event.

The shards are those of `tasks.py` and go to the same workers; here each event is kept, not only counts.
"""

import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.packs import PackRule
from trad_array.study.executors import Executor, Processes, ThisProcess
from trad_array.study.files import write_whole
from trad_array.study.records import Choice, Condition, DetectionPart, Study
from trad_array.study.tasks import ENGINES, CellCounts, Task, TaskResult, tasks_of
from trad_array_geometry import frozen_array

if TYPE_CHECKING:
    from trad_array.study.world import World

# Told of layouts done and all.
Progress = Callable[[int, int], None]
_NO_COUNTS = CellCounts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
# 95 % of a normal variable lie within so many standard deviations.
_Z = 1.959964


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(TaskResult):
    """One shard, event by event; its counts are empty.

    cell, named : (n,), true and named cell, indices of the layout's cells
    """

    cell: NDArray[np.intp]
    named: NDArray[np.intp]

    def __post_init__(self) -> None:
        for name in ("cell", "named"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.intp))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each event was given to its cell; (n,)."""
        return np.asarray(self.cell == self.named)


@dataclass(frozen=True, slots=True)
class Share:
    """P(right) as counted.

    p, low, high : share and its 95 % Wilson interval; n : events
    worst, worst_cell, worst_n : of the cell with the lowest share (the lowest of many is lower than the truth)
    """

    p: float
    low: float
    high: float
    n: int
    worst: float
    worst_cell: str
    worst_n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """P(right) of one layout minus that of another on the same events, with its 95 % interval."""

    difference: float
    low: float
    high: float
    n: int


def outcome(world: "World", task: Task) -> Outcome:
    """Compute one shard of localization, event by event."""
    engine = importlib.import_module(ENGINES[world.study.engine])
    found = engine.localized(world, task.choice, task.condition, first=task.first, n=task.n)
    return Outcome(task.digest, _NO_COUNTS, found.cell, found.named)


def simulate(
    world: "World",
    choices: Sequence[Choice],
    condition: Condition,
    *,
    events: int,
    fresh: bool = False,
    engine: str = "spectral",
    workers: int = 1,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Outcome, ...]:
    """Every event of some layouts under one condition.

    Parameters
    ----------
    world : World; rooms and noise are made when they are missing
    choices : layouts
    condition : Condition, whose `dead` is the lost microphone of every layout
    events : for each layout
    fresh : False for the events from number 0 on, True for others that no search has seen
    engine : "spectral" or "time", which also takes the layouts that the spectral one refuses for their size
    workers : processes
    folder : where finished layouts are kept and found again, or None
    progress : told of layouts done and all
    """
    from trad_array.study.world import World

    world.noise(condition.rt60_s, condition.fan)
    if max(len(choice.points) for choice in choices) > PackRule().mics:
        engine = "time"
    world = World(replace(world.study, engine=engine), world.cache)
    tasks = [_task(world.study, choice, condition, events=events, fresh=fresh) for choice in choices]
    found = {t.digest: kept for t in tasks if folder and (kept := _kept(folder, t.digest)) is not None}
    missing = list({t.digest: t for t in tasks if t.digest not in found}.values())
    many = min(workers, len(missing)) > 1
    executor: Executor = Processes(min(workers, len(missing)), work=outcome) if many else ThisProcess(work=outcome)
    for result in executor.results(world, missing):
        assert isinstance(result, Outcome)
        found[result.digest] = result
        if folder is not None:
            _keep(folder, result)
        if progress is not None:
            progress(len(found), len({t.digest for t in tasks}))
    return tuple(found[task.digest] for task in tasks)


def share(study: Study, found: Outcome) -> Share:
    """P(right) over all events and for the worst cell."""
    from trad_array.reliability import wilson

    right, n = int(found.right.sum()), len(found.cell)
    low, high = wilson(right, n)
    each = np.bincount(found.cell, minlength=study.site.layout.n_cells)
    hits = np.bincount(found.cell[found.right], minlength=len(each))
    shares = np.where(each > 0, hits / np.maximum(each, 1), np.inf)
    worst = int(shares.argmin())
    name = study.site.layout.cell_names[worst]
    return Share(right / n, float(low), float(high), n, float(shares[worst]), name, int(each[worst]))


def paired_difference(first: Outcome, second: Outcome) -> Difference:
    """P(right) of the first minus the second.

    Notes
    -----
    Only events that one of them names and the other does not say anything, b and c of n; the variance of their
    difference is that of McNemar's test (Psychometrika 12, 1947), ``(b + c - (b - c)^2 / n) / n^2``, with a half added
    to both so that few or none of them still leave an interval (Agresti & Min, Stat. Med. 24, 2005).
    """
    n = len(first.cell)
    better, worse = float((first.right & ~second.right).sum()), float((second.right & ~first.right).sum())
    difference = (better - worse) / n
    b, c, m = better + 0.5, worse + 0.5, n + 2.0
    half = _Z * np.sqrt(b + c - (b - c) ** 2 / m) / m
    middle = (b - c) / m
    return Difference(difference, float(max(middle - half, -1.0)), float(min(middle + half, 1.0)), n)


def _task(study: Study, choice: Choice, condition: Condition, *, events: int, fresh: bool) -> Task:
    """The shard of the first events, or of the same number after them."""
    alone = replace(
        study,
        choices=(study.choices[0], choice),
        conditions=(condition,),
        each_dead=False,
        events=events * (2 if fresh else 1),
        shard_events=events,
        agreement_events=0,
        detection=DetectionPart(),
    )
    return next(t for t in tasks_of(alone) if t.choice.points == choice.points and t.first == (events if fresh else 0))


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.npz"


def _kept(folder: Path, digest: str) -> Outcome | None:
    try:
        with np.load(_file(folder, digest), allow_pickle=False) as kept:
            return Outcome(digest, _NO_COUNTS, kept["cell"], kept["named"])
    except (OSError, ValueError, KeyError, EOFError):  # not there, or not whole: it is computed
        return None


def _keep(folder: Path, found: Outcome) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, cell=found.cell, named=found.named)
    write_whole(_file(folder, found.digest), content.getvalue())
