"""A study from its file to its table: rooms first, then every shard that is not there yet."""

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from trad_array.alarm.disk import take_lock
from trad_array.errors import ConfigError, StoreError
from trad_array.study.as_json import from_json, to_json
from trad_array.study.executors import Executor, cores, executor_for
from trad_array.study.files import write_whole
from trad_array.study.records import Study
from trad_array.study.results import (
    SHARDS,
    Table,
    forget_results,
    read_results,
    read_shard,
    table_of,
    write_results,
    write_shard,
)
from trad_array.study.tasks import DETECTION, VENT, Task, TaskResult, require_engine, tasks_of

if TYPE_CHECKING:
    from trad_array.study.world import World

STUDY_FILE = "study.json"
_SCHEMA = "trad-array/study/1"
_LOCK = "run.lock"
_PACKAGES = ("trad-array", "numpy", "scipy", "numba", "pyroomacoustics", "pyarrow", "distributed")
# ms of CPU an event, to weigh shards against each other before anything is measured: measured on one machine.
_COST_MS = {"spectral": 0.2, "time": 2.5, "detection": 150.0}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    stage : "rooms", "events" or "table"
    done, total : shards, or rooms; `kept` of those done were there before
    left_s : s until the end at the pace so far; None while nobody can tell
    words : what is being done
    """

    stage: str
    done: int
    total: int
    kept: int = 0
    left_s: float | None = None
    words: str = ""


Tell = Callable[[Progress], None]


def run(
    study: Study,
    folder: Path,
    *,
    cache: Path,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    as_csv: bool = False,
    progress: Tell | None = None,
) -> Table:
    """Compute what a study asks for and is not in the folder yet; write its table.

    Parameters
    ----------
    folder : run folder; made when it is not there
    cache : folder of room responses, shared between studies
    workers : processes; None for as many as there are cores
    scheduler : address of a Dask scheduler, instead of processes
    executor : who computes, instead of what `workers` and `scheduler` stand for
    as_csv : the table as CSV instead of Parquet
    progress : told before and after each step

    Raises
    ------
    ConfigError, LayoutError
        If the study cannot be computed.
    StoreError
        If another run is at work in the folder, or the disk refuses something. What was finished is kept, as after
        Ctrl-C or the death of this process: the same call goes on from there.
    WorkerError
        If the scheduler does not answer, or workers die over and over.
    """
    tell = progress or (lambda _progress: None)
    tasks = tasks_of(study)
    require_engine(study)
    (folder / SHARDS).mkdir(parents=True, exist_ok=True)
    with take_lock(folder / _LOCK, who="study"):
        _forget_other_table(folder, tasks)
        _write_study(folder, study, tasks)
        results = {task.digest: found for task in tasks if (found := read_shard(folder, task.digest)) is not None}
        kept = len(results)
        missing = list({task.digest: task for task in tasks if task.digest not in results}.values())
        if missing:
            executor = executor or executor_for(workers=workers, scheduler=scheduler, tasks=len(missing))
            executor.require()
            world = _opened(study, cache, missing, workers=workers, tell=tell)
            for found in _computed(study, executor, world, missing, kept=kept, tell=tell):
                write_shard(folder, found)
                results[found.digest] = found
        tell(Progress("table", len(results), len(results), kept))
        table = table_of(study, tasks, results)
        write_results(folder, table, as_csv=as_csv)
    return table


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run folder, read again.

    versions : of Python and of each package when it was last run
    """

    study: Study
    table: Table
    versions: Mapping[str, str]


def read_run(folder: Path) -> Finished:
    """The study and the table of a run folder.

    Raises
    ------
    StoreError
        If it is no run folder, or its run is not finished.
    ConfigError
        If it was written by another version.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        raise StoreError(f"{folder}: expected the folder of `trad-array study run`, found no {STUDY_FILE}")
    try:
        record = json.loads(path.read_bytes())
        study = from_json(Study, record["study"])
    except (KeyError, TypeError, ValueError) as trouble:
        raise ConfigError(f"{path}: expected a study of this version, found {trouble}") from trouble
    return Finished(study, read_results(folder), record["versions"])


def _opened(study: Study, cache: Path, tasks: Sequence[Task], *, workers: int | None, tell: Tell) -> "World":
    """The world of the study, its rooms and noise made and on disk."""
    from trad_array.study.elsewhere import negative_world
    from trad_array.study.world import World

    rooms = list(dict.fromkeys((task.condition.rt60_s, task.condition.fan) for task in tasks))
    sounds = [(kind, rt60_s) for kind in _negatives(tasks) for rt60_s in dict.fromkeys(r for r, _ in rooms)]
    began, words = time.monotonic(), ""

    def made(done: int, total: int) -> None:
        left_s = (time.monotonic() - began) * (total - done) / done if done else None
        tell(Progress("rooms", done, total, left_s=left_s, words=words))

    world = World(study, cache, workers=workers or cores(), progress=made)
    for rt60_s, fan in rooms:
        began, words = time.monotonic(), f"room of RT60 {rt60_s:g} s"
        world.bank(rt60_s)
        world.noise(rt60_s, fan)
    for kind, rt60_s in sounds:
        negative_world(world, kind).bank(rt60_s)
    return world


def _negatives(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t.sound for t in tasks if t.part == DETECTION and t.sound != VENT))


def _computed(
    study: Study, executor: Executor, world: "World", tasks: Sequence[Task], *, kept: int, tell: Tell
) -> Iterator[TaskResult]:
    """What each missing shard found, and how long the rest will take."""
    cost = {task.digest: _cost(task) for task in tasks}
    words = {task.digest: task.words for task in tasks}
    left, warm, began = sum(cost.values()), 0.0, 0.0
    tell(Progress("events", kept, kept + len(tasks), kept=kept))
    with closing(executor.results(world, tasks)) as results:
        for count, found in enumerate(results, start=kept + 1):
            yield found
            left -= cost[found.digest]
            left_s = None
            if warm:
                left_s = (time.monotonic() - began) * left / (warm - left)
            else:
                # Workers start and kernels are compiled until the first shard is there: the pace is taken from then on.
                warm, began = left, time.monotonic()
            tell(Progress("events", count, kept + len(tasks), kept, left_s, words[found.digest]))


def _cost(task: Task) -> float:
    """How long a shard takes beside others; the work of localization grows with the pairs of microphones."""
    if task.part == DETECTION:
        return _COST_MS["detection"] * task.n
    return _COST_MS[task.engine] * task.n * len(task.choice.points) ** 2 / 16


def _forget_other_table(folder: Path, tasks: Sequence[Task]) -> None:
    """Remove a table of other shards: beside this study's parameters it would say what is not so.

    Nothing is lost: its shards are kept, and the study that it is of makes it again from them.
    """
    try:
        of_table = json.loads((folder / STUDY_FILE).read_bytes())["shards"]
    except (OSError, KeyError, TypeError, ValueError):  # not there, or nobody can tell what its table is of
        of_table = None
    if of_table != [task.digest for task in tasks]:
        forget_results(folder)


def _write_study(folder: Path, study: Study, tasks: Sequence[Task]) -> None:
    """Parameters, versions, seed and digests beside the results."""
    record = {
        "schema": _SCHEMA,
        "simulated": True,
        "study": to_json(study),
        "seed": study.seed,
        "versions": {"python": platform.python_version(), **_versions()},
        "shards": [task.digest for task in tasks],
    }
    write_whole(folder / STUDY_FILE, json.dumps(record, allow_nan=False, indent=1).encode())


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
