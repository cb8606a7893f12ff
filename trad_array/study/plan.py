"""What a study will compute, how long that takes, and how much disk it needs; said before anything long starts."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trad_array.errors import StoreError
from trad_array.simulation.places import room_box
from trad_array.simulation.rooms import Reflections
from trad_array.study.acoustics import FS, Acoustics, make_responses
from trad_array.study.agreement import sample
from trad_array.study.bank import bank_digest, folder_of, missing_points, point_bytes
from trad_array.study.calibrated import known_aim
from trad_array.study.noise import NOISE_S, noise_file
from trad_array.study.records import Study
from trad_array.study.results import read_shard
from trad_array.study.sources import Sources, sources_of
from trad_array.study.tasks import DETECTION, VENT, Task, require_engine, tasks_of

# CPU time on the machine that needs `_REFERENCE_S` for a response of 0.5 s; a slower one needs as much more.
_REFERENCE_S = 0.6e-3
_EVENT_S = {"spectral": 0.14e-3, "time": 5.0e-3}
# What an engine prepares for each layout in each room.
_PREPARED_S = 0.4
# A vent through the whole chain, which is located; another sound, which often is not.
_VENT_S, _OTHER_S = 0.28, 0.06
# Noise of a point, and of the sources for all points.
_NOISE_S, _NOISE_SIGNALS_S = 0.07, 0.3
# Packages are loaded and kernels compiled; rooms are calibrated; pictures are drawn.
_START_S, _ROOM_S, _REPORT_S = 10.0, 0.3, 20.0

_SHARD_BYTES, _CELL_BYTES, _REPORT_BYTES = 4_096, 24, 8 * 1024**2


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """One room: responses to be heard in it, those that the cache has, and noise.

    rt60_s : s, as asked for
    responses, responses_kept : number; a point is made or kept as a whole
    noise, noise_kept : fan states times points
    bytes : that will be written
    """

    rt60_s: float
    responses: int
    responses_kept: int
    noise: int
    noise_kept: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study asks for.

    rooms : one for each reverberation time
    layouts, points, cells : numbers
    shards, shards_kept : number, and those that the run folder has
    events : of localization that are missing, each lost microphone counted; sounds : of detection
    response_s, noise_s, event_s, detection_s, agreement_s, other_s : s of CPU time, estimated
    workers : processes that share it
    cache_bytes, run_bytes : that will be written to the two folders; cache_free, run_free : bytes free there
    one_disk : whether both folders are on one
    """

    rooms: tuple[RoomPlan, ...]
    layouts: int
    points: int
    cells: int
    shards: int
    shards_kept: int
    events: int
    sounds: int
    response_s: float
    noise_s: float
    event_s: float
    detection_s: float
    agreement_s: float
    other_s: float
    workers: int
    cache_bytes: int
    run_bytes: int
    cache_free: int
    run_free: int
    one_disk: bool

    @property
    def seconds(self) -> float:
        """How long it takes, s: what can be shared is shared by the workers."""
        shared = self.response_s + self.event_s + self.detection_s + self.agreement_s
        return shared / self.workers + self.noise_s + self.other_s


def plan(study: Study, cache: Path, *, folder: Path | None = None, workers: int = 1) -> Plan:
    """What a study will compute that cache and run folder do not hold, and what that costs.

    Parameters
    ----------
    study : Study
    cache : Path, folder of responses and noise; it need not exist
    folder : Path or None, of the run, which need not exist; None for a new one in the working folder
    workers : int

    Raises
    ------
    ConfigError
        If the study asks for an engine that does not exist, or that refuses so many microphones.

    Notes
    -----
    Times come from constants that were measured on one machine, scaled by how fast this one makes a few responses:
    right within a factor of two where nothing else runs.
    """
    site, workers = study.site, max(workers, 1)
    sources = sources_of(site)
    rooms = tuple(_room(study, sources, rt60_s, cache) for rt60_s in dict.fromkeys(c.rt60_s for c in study.conditions))
    one_s = measured_response_s()
    slower = one_s / _REFERENCE_S
    run = folder or Path()
    tasks = tasks_of(study)
    require_engine(study)
    missing = [task for task in tasks if folder is None or read_shard(folder, task.digest) is None]
    sounds = [task for task in missing if task.part == DETECTION]
    events = [task for task in missing if task.part != DETECTION]
    states = sum(room.noise > room.noise_kept for room in rooms)
    compared = len(sample(study)) * study.agreement_events if study.engine == "spectral" else 0
    return Plan(
        rooms=rooms,
        layouts=len(study.choices),
        points=len(study.points),
        cells=len(site.cells),
        shards=len(tasks),
        shards_kept=len(tasks) - len(missing),
        events=sum(task.n for task in events),
        sounds=sum(task.n for task in sounds),
        response_s=sum((r.responses - r.responses_kept) * one_s * _longer(r.rt60_s) for r in rooms),
        noise_s=slower * (sum(r.noise - r.noise_kept for r in rooms) * _NOISE_S + states * _NOISE_SIGNALS_S),
        event_s=slower * _events_s(study, events),
        detection_s=slower * sum(task.n * (_VENT_S if task.sound == VENT else _OTHER_S) for task in sounds),
        agreement_s=slower * compared * sum(_EVENT_S.values()),
        other_s=slower * (_START_S + _REPORT_S + len(rooms) * _ROOM_S),
        workers=workers,
        cache_bytes=sum(room.bytes for room in rooms),
        run_bytes=len(missing) * (_SHARD_BYTES + _CELL_BYTES * len(site.cells)) + _REPORT_BYTES,
        cache_free=shutil.disk_usage(_existing(cache)).free,
        run_free=shutil.disk_usage(_existing(run)).free,
        one_disk=_existing(cache).stat().st_dev == _existing(run).stat().st_dev,
    )


def require_disk(planned: Plan, cache: Path, folder: Path) -> None:
    """Raise `StoreError` if the disk has not the room that the plan needs."""
    needs = [(cache, planned.cache_bytes, planned.cache_free), (folder, planned.run_bytes, planned.run_free)]
    if planned.one_disk:
        needs = [(cache, planned.cache_bytes + planned.run_bytes, min(planned.cache_free, planned.run_free))]
    for path, needed, free in needs:
        if needed > free:
            raise StoreError(
                f"{path}: expected {needed / 1e6:.0f} MB of free disk for this study, found {free / 1e6:.0f}"
            )


def measured_response_s(*, n: int = 60) -> float:
    """CPU time of this machine for one response of half a second with 200 mirror images, s; takes some 50 ms."""
    room = Acoustics(np.array([[0.0, 0.0, 0.0], [6.0, 2.4, 2.9]]), 0.5, 1, FS, 346.0)
    rng = np.random.default_rng(1)
    mirrored = Reflections(rng.uniform(-6.0, 9.0, (200, 3)), np.full(200, 0.5))
    sources = np.tile([[3.0, 1.0, 1.0]], (n, 1))
    best = np.inf
    for _ in range(2):
        begun = time.process_time()
        make_responses(room, sources, np.array([1.0, 1.0, 2.0]), [mirrored] * n)
        best = min(best, time.process_time() - begun)
    return float(best) / n


def _room(study: Study, sources: Sources, rt60_s: float, cache: Path) -> RoomPlan:
    """What is there of one room, and what is not."""
    site, n_points, n_sources = study.site, len(study.points), len(sources.names)
    box, speed = room_box(site.layout), site.layout.speed_of_sound
    aim_s = known_aim(box, rt60_s=rt60_s, fs=FS, speed_of_sound=speed, seed=study.seed, cache=cache)
    room = Acoustics(box, rt60_s if aim_s is None else aim_s, study.seed, FS, speed)
    folder = folder_of(room, sources, cache)
    positions_m = np.round(study.points.positions_m, 6)
    missing = len(missing_points(folder, positions_m, n_sources=n_sources, n=room.n))
    fans = dict.fromkeys(c.fan for c in study.conditions if c.rt60_s == rt60_s)
    lacking = 0
    if study.choices:
        digest = bank_digest(folder, site.boxes)
        files = [
            noise_file(site, positions_m, study.choices[0], digest, fan, seed=study.seed, fs=FS, cache=cache)
            for fan in fans
        ]
        lacking = sum(not file.is_file() for file in files)
    return RoomPlan(
        rt60_s,
        responses=n_points * n_sources,
        responses_kept=(n_points - missing) * n_sources,
        noise=len(fans) * n_points,
        noise_kept=(len(fans) - lacking) * n_points,
        bytes=missing * point_bytes(n_sources, room.n) + lacking * n_points * round(4 * NOISE_S * FS),
    )


def _events_s(study: Study, tasks: list[Task]) -> float:
    """CPU time of shards of localization; an event's grows with the pairs of microphones."""
    prepared = {(task.choice.name, task.condition.rt60_s, task.condition.fan) for task in tasks}
    each = _EVENT_S[study.engine]
    return len(prepared) * _PREPARED_S + sum(task.n * each * len(task.choice.points) ** 2 / 16 for task in tasks)


def _longer(rt60_s: float) -> float:
    """How much longer a response takes than one of 0.5 s: half of the work grows with its length."""
    return 0.5 + rt60_s


def _existing(path: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
