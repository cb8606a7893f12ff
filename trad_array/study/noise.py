"""Steady noise of the cabin at every point of a study, kept on disk like the responses.

Fans and converter give off the same sound for every point; what is a microphone's own, moving air and self-noise, is
drawn from a generator seeded by the study's seed and the point's place. So a point sounds the same whatever other
points there are.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import StoreError
from trad_array.simulation.cabin import AIR_GAIN, SELF_NOISE_DBFS, moving_air, noise_signals, through_room
from trad_array.study.acoustics import microns
from trad_array.study.bank import Bank
from trad_array.study.digests import digest
from trad_array.study.files import sweep, whole_files
from trad_array.study.records import Choice, FanState, Points, Site

# Length of the noise that events are laid over, s. Our choice.
NOISE_S = 30.0
# Counts up when the same request gives other noise.
VERSION = 1
# Points that are made together: their spectra take 4 MB each.
_AT_ONCE = 8


def open_noise(
    site: Site, points: Points, reference: Choice, bank: Bank, fan: FanState, *, seed: int, cache: Path
) -> NDArray[np.float32]:
    """Thirty seconds of steady cabin noise at every point; what the cache does not hold yet is made and kept.

    Parameters
    ----------
    site : Site
    points : Points, those of the bank
    reference : Choice
        Mean power over its points is `site.noise_dbfs` for the "normal" fans, self-noise left out; another state is
        `fan.level_db` above that.
    bank : Bank
    fan : FanState
    seed : int
    cache : Path

    Returns
    -------
    array, shape (n_points, n), full scale = 1, memory-mapped

    Raises
    ------
    StoreError
        If the cache cannot be written or read.
    """
    n = round(NOISE_S * bank.fs)
    path = noise_file(site, bank.points, reference, bank.digest, fan, seed=seed, fs=bank.fs, cache=cache)
    if not path.is_file():
        sweep(path.parent)
        cabin = _Cabin(bank, fan, seed, n)
        _make(cabin, list(reference.points), site.noise_dbfs + fan.level_db, _names(bank.points), path)
    return _opened(path)


def noise_file(
    site: Site,
    positions_m: NDArray[np.float64],
    reference: Choice,
    bank_digest: str,
    fan: FanState,
    *,
    seed: int,
    fs: int,
    cache: Path,
) -> Path:
    """File of the noise at these points; its folder depends on everything but the points."""
    heard_at = positions_m[list(reference.points)]
    basis = [VERSION, bank_digest, heard_at, seed, site.noise_dbfs, fan.speed, fan.level_db, NOISE_S, fs]
    return cache / "noise" / digest(basis) / f"{digest(_names(positions_m))}.npy"


def _names(positions_m: NDArray[np.float64]) -> list[str]:
    return ["_".join(str(v) for v in microns(at)) for at in positions_m]


class _Cabin:
    """The noise of one fan state; the sources' sound is made once."""

    def __init__(self, bank: Bank, fan: FanState, seed: int, n: int) -> None:
        self.bank, self.n, self._seed = bank, n, seed
        rng = np.random.default_rng([seed, 1])
        self._signals = noise_signals(rng, len(bank.noise_rows), n=n + bank.n, fs=bank.fs, fan_speed=fan.speed)

    def coherent(self, points: list[int]) -> NDArray[np.float64]:
        """Fans and converter through the room, (n_points, n); the room is already full at sample 0."""
        impulse = self.bank.responses(self.bank.noise_rows, points)
        return through_room(self._signals, impulse, self.n + self.bank.n)[:, self.bank.n :]

    def own(self, point: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Moving air at one point at rms 1, and the microphone's self-noise; (n,) each."""
        packed = struct.pack("<4q", self._seed, *microns(self.bank.points[point]))
        words = struct.unpack("<4I", hashlib.blake2b(packed, digest_size=16).digest())
        rng = np.random.default_rng([2, *words])
        air = moving_air(rng, n=self.n, fs=self.bank.fs)
        return air, 10 ** (SELF_NOISE_DBFS / 20) * rng.standard_normal(self.n)


def _make(cabin: _Cabin, reference: list[int], level_dbfs: float, names: list[str], path: Path) -> None:
    """Write the noise of all points, row by row; rows that an earlier file of the folder holds are taken over."""
    earlier = _earlier(path.parent)
    coherent = cabin.coherent(reference)
    unit = 1.0 / np.sqrt(np.mean(coherent**2))
    heard = coherent * unit + AIR_GAIN * np.stack([cabin.own(point)[0] for point in reference])
    gain = 10 ** (level_dbfs / 20) / np.sqrt(np.mean(heard**2))
    del coherent, heard
    listing = path.with_suffix(".txt")
    with whole_files([listing, path]) as (names_file, file):
        names_file.write("\n".join(names).encode())
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), cabin.n)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(names), _AT_ONCE):
            some = list(range(first, min(first + _AT_ONCE, len(names))))
            new = [point for point in some if names[point] not in earlier]
            fresh = dict(zip(new, cabin.coherent(new), strict=True)) if new else {}
            for point in some:
                if point in fresh:
                    air, own = cabin.own(point)
                    row = (gain * (unit * fresh[point] + AIR_GAIN * air) + own).astype("<f4")
                else:
                    kept, index = earlier[names[point]]
                    row = np.ascontiguousarray(kept[index])
                file.write(row.data)


def _earlier(folder: Path) -> dict[str, tuple[NDArray[np.float32], int]]:
    """Where each point's noise already is: file and row."""
    found: dict[str, tuple[NDArray[np.float32], int]] = {}
    for listing in sorted(folder.glob("*.txt")):
        path = listing.with_suffix(".npy")
        if path.is_file():
            stored = _opened(path)
            found |= {name: (stored, row) for row, name in enumerate(listing.read_text().splitlines())}
    return found


def _opened(path: Path) -> NDArray[np.float32]:
    try:
        stored: NDArray[np.float32] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as trouble:
        raise StoreError(f"{path}: cannot be read: {trouble}") from trouble
    return stored
