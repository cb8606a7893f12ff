"""Response bank: how every microphone position hears everything that sounds, made once and kept on disk.

One file for each position, in a folder whose name says all the rest: room, sources, reverberation time, air, seed and
version. So another layout is another slice, and another position is one more file. A response is the same whatever else
is in the bank, in however many processes it was made: its late tail is drawn from a generator of its own, seeded by the
study's seed and the places of source and microphone.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import StoreError
from trad_array.simulation.places import room_box
from trad_array.simulation.rooms import direct_sound, measure_rt60, reflections
from trad_array.study.acoustics import FS, VERSION, Acoustics, make_responses, microns
from trad_array.study.calibrated import calibrated_rt60
from trad_array.study.digests import digest
from trad_array.study.files import sweep, whole_files
from trad_array.study.losses import crossed, loss_filter
from trad_array.study.records import Box, Points, Site
from trad_array.study.sources import Sources, require_clear, sources_of

# Sources and points that are made together: mirror images are listed once for each source and batch.
_SOURCES_AT_ONCE = 64
_POINTS_AT_ONCE = 16
# Fewer responses than this, a few seconds of work, are not worth another process.
_RESPONSES_WORTH = 4_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Responses on disk; a record that can be handed to another process.

    folder : where they are; sources : what sounds; points : positions of microphones, (n_points, 3), m
    boxes : racks and lids in the way
    rt60_s : s, measured on a sample of the responses, 0 without walls; rt60_requested_s : s
    rt60_aim_s : s, what the walls were made for, so that the measured value comes near the request
    fs : Hz; speed_of_sound : m/s; n : samples of a response, index = samples since emission
    digest : of everything that a response depends on, but for the point
    """

    folder: Path
    sources: Sources
    points: NDArray[np.float64]
    boxes: tuple[Box, ...]
    rt60_s: float
    rt60_requested_s: float
    rt60_aim_s: float
    fs: int
    speed_of_sound: float
    n: int
    digest: str

    @property
    def cell_rows(self) -> NDArray[np.intp]:
        """Row of each cell of the layout and each height of the jet, (n_cells, n_heights); -1: not studied."""
        return self.sources.cell_rows

    @property
    def noise_rows(self) -> NDArray[np.intp]:
        """Rows of the steady noise, the converter last."""
        return self.sources.noise_rows

    @property
    def guard_rows(self) -> NDArray[np.intp]:
        """Rows of the guard points inside the room."""
        return self.sources.guard_rows

    def responses(
        self, rows: Sequence[int] | NDArray[np.intp], points: Sequence[int] | NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Responses from sources to points, the losses of the boxes applied; shape (n_rows, n_points, n).

        Raises
        ------
        StoreError
            If a file of the bank is gone.
        """
        at, chosen = np.asarray(rows, dtype=np.intp), [int(point) for point in points]
        found = np.empty((len(at), len(chosen), self.n), dtype=np.float32)
        for k, point in enumerate(chosen):
            found[:, k] = _stored(self.folder / _point_file(self.points[point]))[at]
        self._lose(found, self.sources.positions_m[at], self.points[chosen])
        return found

    def _lose(self, found: NDArray[np.float32], sources: NDArray[np.float64], mics: NDArray[np.float64]) -> None:
        """Take off the direct sound what the boxes swallow, in place."""
        if not self.boxes:
            return
        in_the_way = crossed(self.boxes, sources, mics)
        filters: dict[tuple[int, ...], NDArray[np.float64]] = {}
        for source, mic in np.argwhere(in_the_way.any(axis=0)):
            which = tuple(int(k) for k in np.flatnonzero(in_the_way[:, source, mic]))
            if which not in filters:
                taps = loss_filter([self.boxes[k] for k in which], fs=self.fs)
                taps[len(taps) // 2] -= 1.0
                filters[which] = taps
            distance_m = float(np.linalg.norm(sources[source] - mics[mic]))
            direct = direct_sound(distance_m, n=self.n, fs=self.fs, speed_of_sound=self.speed_of_sound)
            heard = np.flatnonzero(direct)
            first, last = int(heard[0]), int(heard[-1]) + 1
            half = len(filters[which]) // 2
            change = np.convolve(direct[first:last], filters[which])
            begin, end = max(first - half, 0), min(last + half, self.n)
            found[source, mic, begin:end] += change[begin - first + half : end - first + half].astype(np.float32)


def open_bank(
    site: Site,
    points: Points,
    *,
    rt60_s: float,
    seed: int,
    cache: Path,
    workers: int = 1,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Bank:
    """The responses of a site to every point; what the cache does not hold yet is made and kept.

    Parameters
    ----------
    site : Site, whose layout has a room
    points : Points, inside the room
    rt60_s : float, s
        Reverberation time to come out, 0.15 to 1.5 s, or 0 for a room without walls.
    seed : int
    cache : Path, a folder; made when it is not there
    workers : int, processes that make responses, where there is enough to do for starting them to pay
    batch : int or None, points that a process makes at a time; None chooses
    progress : function of (points made, points to make), or None

    Raises
    ------
    ConfigError
        If the room cannot have that reverberation time, or something sounds inside a microphone.
    LayoutError
        If the layout has no room, or a point is outside of it.
    StoreError
        If the cache cannot be written.
    MissingExtra
        If pyroomacoustics is not installed.
    """
    box = room_box(site.layout)
    sources = sources_of(site)
    require_clear(sources, points)
    speed = site.layout.speed_of_sound
    aim_s = calibrated_rt60(box, rt60_s=rt60_s, fs=FS, speed_of_sound=speed, seed=seed, cache=cache)
    room = Acoustics(box, aim_s, seed, FS, speed)
    folder = folder_of(room, sources, cache)
    positions_m = np.round(points.positions_m, 6)
    sweep(folder)
    missing = missing_points(folder, positions_m, n_sources=len(sources.names), n=room.n)
    _make(room, sources.positions_m, positions_m[missing], folder, workers=workers, batch=batch, progress=progress)
    return Bank(
        folder,
        sources,
        positions_m,
        site.boxes,
        _measured(folder, sources, positions_m, fs=FS) if rt60_s else 0.0,
        rt60_s,
        aim_s,
        FS,
        speed,
        room.n,
        bank_digest(folder, site.boxes),
    )


def folder_of(room: Acoustics, sources: Sources, cache: Path) -> Path:
    """Folder of the responses, named by all that they depend on but for the point."""
    name = digest([VERSION, room.box_m, sources.positions_m, room.aim_s, room.seed, room.fs, room.speed_of_sound])
    return cache / "responses" / name


def bank_digest(folder: Path, boxes: Sequence[Box]) -> str:
    """What stands for a bank: the folder and the racks and lids in the way."""
    return digest([folder.name, [[box.min_m, box.max_m, box.loss_db, box.slope_db] for box in boxes]])


def point_bytes(n_sources: int, n: int) -> int:
    """Bytes of one point's file."""
    return len(_header(n_sources, n)) + 4 * n_sources * n


def missing_points(folder: Path, positions_m: NDArray[np.float64], *, n_sources: int, n: int) -> NDArray[np.intp]:
    """Indices of the points whose file is not in the folder, or is not as long as it must be."""
    size = point_bytes(n_sources, n)
    lacking: dict[str, int] = {}
    for index, at in enumerate(positions_m):
        path = folder / _point_file(at)
        if not (path.is_file() and path.stat().st_size == size):
            lacking.setdefault(path.name, index)
    return np.array(list(lacking.values()), dtype=np.intp)


def _make(
    room: Acoustics,
    sources: NDArray[np.float64],
    mics: NDArray[np.float64],
    folder: Path,
    *,
    workers: int,
    batch: int | None,
    progress: Progress | None,
) -> None:
    """Make the files of some points, in batches, in this process or in several."""
    size = batch or min(max(-(-len(mics) // max(workers, 1)), 1), _POINTS_AT_ONCE)
    batches = [mics[k : k + size] for k in range(0, len(mics), size)]
    done = 0
    if workers <= 1 or len(batches) < 2 or (batch is None and len(mics) * len(sources) < 2 * _RESPONSES_WORTH):
        for some in batches:
            make_files(room, sources, some, folder)
            done += len(some)
            if progress is not None:
                progress(done, len(mics))
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(
        min(workers, len(batches)), mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        jobs = {pool.submit(make_files, room, sources, some, folder): len(some) for some in batches}
        for job in as_completed(jobs):
            job.result()
            done += jobs[job]
            if progress is not None:
                progress(done, len(mics))
    except BrokenProcessPool as trouble:
        raise StoreError(f"{folder}: a process that made responses has ended; what it finished is kept") from trouble
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Ctrl-C is for the process that started this one, which lets a batch be finished; with it, this one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def make_files(room: Acoustics, sources: NDArray[np.float64], mics: NDArray[np.float64], folder: Path) -> None:
    """Make and keep the responses of some points, one file each, source by source: little is held in memory."""
    walls = room.walls
    with whole_files([folder / _point_file(at) for at in mics]) as files:
        for file in files:
            file.write(_header(len(sources), room.n))
        for first in range(0, len(sources), _SOURCES_AT_ONCE):
            some = sources[first : first + _SOURCES_AT_ONCE]
            mirrored = reflections(room.box_m, some, walls, speed_of_sound=room.speed_of_sound)
            for file, mic in zip(files, mics, strict=True):
                _append(file, make_responses(room, some, mic, mirrored))


def _append(file: BinaryIO, rows: NDArray[np.float32]) -> None:
    file.write(np.ascontiguousarray(rows, dtype="<f4").data)


def _header(n_sources: int, n: int) -> bytes:
    import io

    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, {"descr": "<f4", "fortran_order": False, "shape": (n_sources, n)})
    return text.getvalue()


def _stored(path: Path) -> NDArray[np.float32]:
    """Responses of one point as they lie on disk, (n_sources, n), not read yet."""
    try:
        stored: NDArray[np.float32] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as trouble:
        raise StoreError(f"{path}: cannot be read: {trouble}") from trouble
    return stored


def _point_file(at: NDArray[np.float64]) -> str:
    """Name of a point's file: its place in micrometres."""
    return "_".join(str(v) for v in microns(at)) + ".npy"


def _measured(folder: Path, sources: Sources, positions_m: NDArray[np.float64], *, fs: int) -> float:
    """Median reverberation time of responses of up to 16 points to the four sources farthest away.

    Near a source the decay curve begins with the drop of the direct sound, which is not the room's.
    """
    chosen = np.unique(np.linspace(0, len(positions_m) - 1, min(16, len(positions_m))).astype(np.intp))
    times = []
    for point in chosen:
        stored = _stored(folder / _point_file(positions_m[point]))
        farthest = np.argsort(np.linalg.norm(sources.positions_m - positions_m[point], axis=1))[-4:]
        times += [measure_rt60(stored[row], fs) for row in farthest]
    return float(np.median(times))
