"""Walls aimed so that the reverberation time which is measured comes out as it was asked for."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.simulation.rooms import measure_rt60, reflections
from trad_array.study.acoustics import RT60_TOLERANCE, VERSION, Acoustics, make_responses, require_rt60, require_walls
from trad_array.study.digests import digest
from trad_array.study.files import write_whole

# Places in the room that the reverberation is measured between, and corrections until it fits.
_N_SOURCES, _N_MICS = 4, 8
_CORRECTIONS = 3


def calibrated_rt60(
    box_m: NDArray[np.float64], *, rt60_s: float, fs: int, speed_of_sound: float, seed: int, cache: Path
) -> float:
    """Reverberation time to make the walls for, so that `rt60_s` is measured within 1 %; it is kept in the cache.

    Measured on responses between drawn places of the room, never on the study's own: the same room has the same walls
    wherever microphones stand. One correction in the ratio of wanted and measured is usually enough.

    Raises
    ------
    ConfigError
        If the room cannot have it.
    """
    require_rt60(box_m, rt60_s, speed_of_sound=speed_of_sound)
    if rt60_s == 0:
        return 0.0
    known_s = known_aim(box_m, rt60_s=rt60_s, fs=fs, speed_of_sound=speed_of_sound, seed=seed, cache=cache)
    if known_s is not None:
        return known_s
    aim_s = measured_s = rt60_s
    for _ in range(_CORRECTIONS):
        measured_s = _measured(Acoustics(box_m, aim_s, seed, fs, speed_of_sound))
        if abs(measured_s / rt60_s - 1) < 0.01:
            break
        aim_s *= rt60_s / measured_s
        require_walls(box_m, aim_s, speed_of_sound=speed_of_sound)
    else:
        measured_s = _measured(Acoustics(box_m, aim_s, seed, fs, speed_of_sound))
    if abs(measured_s / rt60_s - 1) > RT60_TOLERANCE:
        raise ConfigError(
            f"rt60_s: expected a time that the room can have, found {rt60_s:g}: it gives {measured_s:.3f}"
        )
    note = {"rt60_requested_s": rt60_s, "aim_s": aim_s, "measured_s": measured_s, "box_m": box_m.tolist()}
    path = _note(box_m, rt60_s=rt60_s, fs=fs, speed_of_sound=speed_of_sound, seed=seed, cache=cache)
    write_whole(path, json.dumps(note, indent=1).encode())
    return aim_s


def known_aim(
    box_m: NDArray[np.float64], *, rt60_s: float, fs: int, speed_of_sound: float, seed: int, cache: Path
) -> float | None:
    """What `calibrated_rt60` has found before, or None; 0 without walls."""
    if rt60_s == 0:
        return 0.0
    path = _note(box_m, rt60_s=rt60_s, fs=fs, speed_of_sound=speed_of_sound, seed=seed, cache=cache)
    try:
        return float(json.loads(path.read_text())["aim_s"])
    except (OSError, ValueError, KeyError):  # not there, or not whole: it is measured again
        return None


def _note(box_m: NDArray[np.float64], *, rt60_s: float, fs: int, speed_of_sound: float, seed: int, cache: Path) -> Path:
    return cache / "rooms" / f"{digest([VERSION, box_m, rt60_s, fs, speed_of_sound, seed])}.json"


def _measured(room: Acoustics) -> float:
    """Median over responses between places drawn in the room, far enough apart for the room to be louder."""
    rng = np.random.default_rng([room.seed, 60])
    low, high = room.box_m
    margin = 0.1 * (high - low)
    sources, mics = (rng.uniform(low + margin, high - margin, (n, 3)) for n in (_N_SOURCES, _N_MICS))
    mirrored = reflections(room.box_m, sources, room.walls, speed_of_sound=room.speed_of_sound)
    apart_m = np.linalg.norm(sources[:, None] - mics, axis=-1)
    times = [[measure_rt60(row, room.fs) for row in make_responses(room, sources, mic, mirrored)] for mic in mics]
    return float(np.median(np.array(times).T[apart_m >= np.median(apart_m)]))
