"""Places of a room that are no cell, and responses from there: what negatives sound through.

They are the same for every layout; a layout leaves out those on top of its microphones. Responses are made for one
microphone position at a time and kept in the cache, so that layouts share them.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array.alarm.disk import PART
from trad_array.simulation.places import CLEAR_OF_CELLS_M, CLEAR_OF_MICS_M, CLEAR_OF_WALLS_M, room_box
from trad_array.simulation.rooms import room_responses
from trad_array.study.as_json import digest_of
from trad_array.study.records import Site
from trad_array_geometry import LayoutError, frozen_array

# Places in a room, and patches of roof that rain falls on (the scenes of `simulate` have 24; eight are as diffuse to a
# handful of microphones and a third of the work). Our choice.
N_PLACES, N_PATCHES = 12, 8
_PLACE, _TAIL = 0xE15E, 0x7A11
_VERSION = 1


def elsewhere_m(site: Site, *, seed: int) -> NDArray[np.float64]:
    """`N_PLACES` places in the room that are clear of cells and walls, then `N_PATCHES` of its roof; (n, 3), m.

    Raises
    ------
    LayoutError
        If the room has no place that is clear of the cells.
    """
    box, rng = room_box(site.layout), np.random.default_rng((seed, _PLACE))
    margin = np.minimum(CLEAR_OF_WALLS_M, 0.25 * (box[1] - box[0]))
    places: list[NDArray[np.float64]] = []
    for _ in range(200 * N_PLACES):
        at = rng.uniform(box[0] + margin, box[1] - margin)
        if len(places) < N_PLACES and np.linalg.norm(site.layout.cells - at, axis=1).min() >= CLEAR_OF_CELLS_M:
            places.append(at)
    if not places:
        raise LayoutError(f"{site.layout.id}: room: expected a place {CLEAR_OF_CELLS_M} m from every cell, found none")
    roof = rng.uniform(box[0], box[1], (N_PATCHES, 3))
    roof[:, 2] = box[1, 2] - 0.01
    found: NDArray[np.float64] = np.concatenate([np.resize(np.array(places), (N_PLACES, 3)), roof])
    return found


def clear_places(places_m: NDArray[np.float64], mics_m: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows of places in the room that are not at one of these microphones; the farthest when all are."""
    nearest = np.linalg.norm(places_m[:N_PLACES, None] - mics_m[None], axis=-1).min(axis=1)
    clear = np.flatnonzero(nearest >= CLEAR_OF_MICS_M)
    return clear if len(clear) else np.array([nearest.argmax()])


def elsewhere_responses(
    site: Site,
    places_m: NDArray[np.float64],
    mics_m: NDArray[np.float64],
    *,
    rt60_s: float,
    fs: int,
    speed_of_sound: float,
    seed: int,
    cache: Path,
) -> NDArray[np.float32]:
    """Responses from places to microphones, (n_places, n_mics, n), made where the cache does not have them.

    rt60_s : s, as it is asked of the room, see `Bank.rt60_requested_s`
    """
    found = [
        _of_mic(site, places_m, mic, rt60_s=rt60_s, fs=fs, speed_of_sound=speed_of_sound, seed=seed, cache=cache)
        for mic in mics_m
    ]
    n = max(responses.shape[1] for responses in found)
    return frozen_array(np.stack([np.pad(r, ((0, 0), (0, n - r.shape[1]))) for r in found], axis=1), np.float32)


def _of_mic(
    site: Site,
    places_m: NDArray[np.float64],
    mic_m: NDArray[np.float64],
    *,
    rt60_s: float,
    fs: int,
    speed_of_sound: float,
    seed: int,
    cache: Path,
) -> NDArray[np.float32]:
    """Responses from every place to one microphone, (n_places, n)."""
    box = room_box(site.layout)
    basis: Sequence[object] = [_VERSION, box, places_m, mic_m, rt60_s, fs, speed_of_sound, site.boxes, seed]
    name = digest_of(list(basis))
    path = cache / "elsewhere" / f"{name}.npy"
    if not path.is_file():
        made = room_responses(
            box,
            places_m,
            mic_m[None],
            rt60_s=rt60_s,
            fs=fs,
            speed_of_sound=speed_of_sound,
            rng=np.random.default_rng((seed, _TAIL, int(name[:8], 16))),
        ).impulse[:, 0]
        _keep(path, made)
    loaded: NDArray[np.float32] = np.load(path)
    return loaded


def _keep(path: Path, made: NDArray[np.float32]) -> None:
    """Write an array, whole or not at all; several workers may do so at once, each with the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, made)
        Path(part).replace(path)
    finally:
        Path(part).unlink(missing_ok=True)
