"""Recorded sounds, played through the simulated rooms from places that are no cells.

The sounds are those of Debian's package `openttd-opensfx`: engines, jets, saws, horns, machines, animals. Each file
says its own licence (CC0, CC BY or CC BY-SA 3.0). None is part of this repository, and nothing of the gate was fitted
on any recorded sound, so every kind is one that was left out.
"""

import io
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from day import LAYOUTS, chain_of
from hear import Heard, hear
from numpy.typing import NDArray
from parts import Part, Settings
from rows import Row, share
from takes import FS, RECORDED, Surroundings, Wish, make_take, rng_of
from workers import results_of

CATALOGUE = Path("/usr/share/games/openttd/baseset/opensfx/opensfx.cat")
SNRS_DB = (0.0, 15.0)
# Shorter ones are single clicks, or nothing at all.
_LEAST_S, _LONGEST_S = 0.1, 4.0
_MISSING = (
    "## Recorded sounds\n\nNot measured: Debian's package `openttd-opensfx` (free licences, named in every file) is "
    "not installed here; `apt-get install openttd-opensfx` brings it."
)


@dataclass(frozen=True, slots=True)
class Task:
    """One recorded sound at one place, at all levels."""

    layout: str
    sound: str
    number: int
    seed: int


def part(settings: Settings) -> Part:
    """See `command`."""
    if not CATALOGUE.exists():
        return Part(table="recorded sounds: not installed", page=_MISSING, rows=(), quoted=())
    places = 8 if settings.full else 1
    tasks = [
        Task(layout, name, number, settings.seed) for layout in LAYOUTS for name in sounds() for number in range(places)
    ]
    found = results_of(work, tasks, workers=settings.workers, label="recorded sounds")
    return _part([(task, h) for task, heard in zip(tasks, found, strict=True) for h in heard])


def work(task: Task) -> list[Heard]:
    """What the chain says about one sound at one place."""
    chain = chain_of(task.layout)
    rng = rng_of(f"recorded {task.sound}", chain.layout, RECORDED, seed=task.seed, number=task.number)
    around = Surroundings(rt60_s=(0.4, 0.4)) if task.layout == "row-frame" else Surroundings()
    wish = Wish(RECORDED, seconds=8.0, around=around, sound=sounds()[task.sound])
    take = make_take(chain.layout, wish, rng)
    return [hear(chain, take, number=task.number, snr_db=snr_db) for snr_db in SNRS_DB]


@lru_cache(maxsize=1)
def sounds() -> dict[str, NDArray[np.float32]]:
    """The recorded sounds by name, mono at 16 kHz, rms 1."""
    found = {}
    for name, data in _entries(CATALOGUE.read_bytes()):
        samples, fs = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), fs, FS)[: round(_LONGEST_S * FS)] if len(samples) else samples[:, 0]
        rms = float(np.sqrt(np.mean(mono**2))) if len(mono) else 0.0
        if len(mono) >= _LEAST_S * FS and rms > 0:
            found[name] = (mono / rms).astype(np.float32)
    return found


def _entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and WAV files of a sound catalogue: a table of places and sizes, then name and file of each."""
    first = struct.unpack_from("<I", data)[0] & 0x7FFFFFFF
    for entry in range(first // 8):
        at, size = struct.unpack_from("<II", data, 8 * entry)
        at &= 0x7FFFFFFF
        begin = at + 1 + data[at]
        yield (
            f"{entry:02d} {data[at + 1 : begin].split(b'.')[0].decode('utf-8').strip(chr(34))}",
            data[begin : begin + size],
        )


def _part(heard: list[tuple[Task, Heard]]) -> Part:
    rows, lines = (
        [],
        ["| layout | sounds | heard as | alarms | of these placed in a cell | which |", "| --- " * 6 + "|"],
    )
    for layout in LAYOUTS:
        found = [(task, h) for task, h in heard if task.layout == layout]
        placed = [task.sound for task, h in found if h.placed]
        alarms = [task.sound for task, h in found if h.alarms]
        verdicts = ", ".join(f"{v} {n}" for v, n in Counter(h.verdict for _, h in found).most_common())
        which = ", ".join(sorted(set(alarms))) or "-"
        lines.append(f"| {layout} | {len(found)} | {verdicts} | {len(alarms)} | {len(placed)} | {which} |")
        name = f"{layout}: recorded sounds, 0.6 m and farther, given to a cell"
        rows.append(share(name, len(placed), len(found), goal=0.5, better="lower"))
        rows.append(_all(layout, len(alarms), len(found)))
    text = (
        "Sounds of Debian's package `openttd-opensfx` (engines, jets, saws, horns, machines, animals; free licences, "
        "named in every file), in simulated rooms at 0 and 15 dB full band. Nothing was fitted on any of them."
    )
    table = "\n".join(lines)
    return Part(table=table, page=f"## Recorded sounds\n\n{text}\n\n{table}", rows=tuple(rows), quoted=tuple(rows[::2]))


def _all(layout: str, alarms: int, n: int) -> Row:
    return share(f"{layout}: recorded sounds that raise any alarm", alarms, n, goal=None, better="lower")
