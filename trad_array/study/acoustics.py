"""What a room does to sound between any two places, as numbers that depend on nothing else.

A response is the same whatever else is made: its late tail is drawn from a generator of its own, seeded by the seed and
the places of source and microphone.
"""

import hashlib
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.simulation.rooms import (
    RT60_RANGE_S,
    Reflections,
    Walls,
    early_response,
    tail_envelope,
    walls_for,
)

FS = 16_000
# Counts up when the same request gives other responses.
VERSION = 1
# Walls that swallow more than this share of the energy do not make a room any more.
MOST_ABSORPTION = 0.99
# How near the measured reverberation time must come to the request.
RT60_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Acoustics:
    """What the responses of a room depend on, but for places.

    box_m : (2, 3), m; aim_s : s, reverberation time that the walls are made for, 0 without walls
    """

    box_m: NDArray[np.float64]
    aim_s: float
    seed: int
    fs: int
    speed_of_sound: float

    @property
    def n(self) -> int:
        """Samples of a response: the longest way in the room, or the decay by 60 dB."""
        longest_s = float(np.linalg.norm(self.box_m[1] - self.box_m[0])) / self.speed_of_sound
        return int(np.ceil((longest_s + self.aim_s) * self.fs)) + 128

    @property
    def walls(self) -> Walls | None:
        """The walls, or None."""
        return walls_for(self.box_m, self.aim_s, speed_of_sound=self.speed_of_sound)


def require_rt60(box_m: NDArray[np.float64], rt60_s: float, *, speed_of_sound: float) -> None:
    """Raise `ConfigError` about a reverberation time that a room of this size cannot have."""
    low, high = RT60_RANGE_S
    if rt60_s != 0 and not low <= rt60_s <= high:
        raise ConfigError(f"rt60_s: expected {low:g} to {high:g} s, or 0 for a room without walls, found {rt60_s:g}")
    require_walls(box_m, rt60_s, speed_of_sound=speed_of_sound)


def require_walls(box_m: NDArray[np.float64], rt60_s: float, *, speed_of_sound: float) -> None:
    """Raise `ConfigError` about a reverberation time that asks for walls which swallow everything."""
    walls = walls_for(box_m, rt60_s, speed_of_sound=speed_of_sound)
    if walls is not None and walls.absorption >= MOST_ABSORPTION:
        size = " x ".join(f"{v:g}" for v in box_m[1] - box_m[0])
        raise ConfigError(
            f"rt60_s: expected a time that a room of {size} m can have, found {rt60_s:g}: its walls would swallow "
            f"{100 * walls.absorption:.1f} % of the sound"
        )


def make_responses(
    room: Acoustics, sources: NDArray[np.float64], mic: NDArray[np.float64], mirrored: list[Reflections]
) -> NDArray[np.float32]:
    """Responses of sources to one microphone, shape (n_sources, n); without the losses of boxes."""
    walls, n = room.walls, room.n
    made = np.zeros((len(sources), n), dtype=np.float32)
    if walls is not None:
        late = tail_envelope(room.box_m, walls, n=n, fs=room.fs, speed_of_sound=room.speed_of_sound)
        for k, source in enumerate(sources):
            rng = np.random.default_rng(_tail_seed(room.seed, source, mic))
            made[k] = late * rng.standard_normal(n, dtype=np.float32)
    for k, (source, images) in enumerate(zip(sources, mirrored, strict=True)):
        early = early_response(source, images, mic, fs=room.fs, speed_of_sound=room.speed_of_sound)[:n]
        made[k, : len(early)] += early.astype(np.float32)
    return made


def microns(at: NDArray[np.float64]) -> tuple[int, ...]:
    """A place in whole micrometres: the same wherever it was computed."""
    return tuple(round(1e6 * float(v)) for v in at)


def _tail_seed(seed: int, source: NDArray[np.float64], mic: NDArray[np.float64]) -> list[int]:
    """Seed of one response's tail."""
    packed = struct.pack("<7q", seed, *microns(source), *microns(mic))
    return list(struct.unpack("<4I", hashlib.blake2b(packed, digest_size=16).digest()))
