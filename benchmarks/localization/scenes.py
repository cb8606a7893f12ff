"""Scenes of the localization benchmark: what the microphones hear when the layout file is not quite right.

The room is simulated with the microphones, the air and the channels as they are; a method is given the layout as the
file says. Everything follows from the seed and the names of the condition.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.records import Block
from trad_array.simulation import Scene, simulate_scene
from trad_array.simulation.trials import delayed
from trad_array_geometry import Layout, travel_times

FS = 16_000
# Sound before the onset that a method is given, and after the nominal end of the vent, s.
PRE_ROLL_S = 2.0
AFTER_S = 0.05
_ONSET_S = 2.2
# A person beside the cells, a pipe above them, a lamp at the ceiling: nearer to a cell than this is not "elsewhere".
ELSEWHERE_M = 0.3


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How far the world is from the layout file; every part of its full size, in a random direction or sign.

    temperature_k : K, of the air
    mic_m : m, each microphone's displacement
    skew_s : s, by which a channel is early or late
    every_channel : whether every channel is, or one of them
    jet_m : m, height of the acoustic centre above the valve
    spread : True draws a share of each part instead (0 to 1 of it, the same share for all parts but the jet), and the
        source in a disc of 25 mm around the valve: the mixture that probabilities are calibrated on
    """

    name: str
    temperature_k: float = 0.0
    mic_m: float = 0.0
    skew_s: float = 0.0
    jet_m: float = 0.0
    every_channel: bool = False
    spread: bool = False


MISMATCHES = {
    m.name: m
    for m in (
        Mismatch("M0"),
        Mismatch("M1", temperature_k=10.0, mic_m=0.005, skew_s=30e-6, every_channel=True),
        Mismatch("M2", temperature_k=15.0, mic_m=0.020, skew_s=125e-6, jet_m=0.1),
        Mismatch("M2-all", temperature_k=15.0, mic_m=0.020, skew_s=125e-6, jet_m=0.1, every_channel=True),
        Mismatch("air", temperature_k=15.0),
        Mismatch("jet", jet_m=0.1),
        Mismatch("spread", temperature_k=15.0, mic_m=0.020, skew_s=125e-6, jet_m=0.1, spread=True),
    )
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One cell of the benchmark's table.

    layout : shipped name; mismatch : name in `MISMATCHES`; place : "cell", "elsewhere" or "guard"
    """

    layout: str
    rt60_s: float
    snr_db: float
    mismatch: str = "M0"
    duration_s: float = 1.0
    place: str = "cell"

    def rng(self, seed: int, number: int) -> np.random.Generator:
        """Generator of one scene, the same in every run and on every machine."""
        words = f"{self.layout} {self.rt60_s:g} {self.snr_db:g} {self.mismatch} {self.duration_s:g} {self.place}"
        return np.random.default_rng([seed, number, zlib.crc32(words.encode())])


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One event as a method gets it, and the truth.

    cut : Block, samples (n_mics, n), from 2 s before the onset on
    cell : index of the cell, or -1 for a sound from elsewhere
    source_m : (3,), m
    true_layout : the layout as it really is, channel delays included
    """

    cut: Block
    cell: int
    source_m: NDArray[np.float64]
    true_layout: Layout


def make_case(layout: Layout, condition: Condition, *, seed: int, number: int, true: Layout | None = None) -> Case:
    """Simulate one event; in a true layout that is given, or else in one that is drawn."""
    rng = condition.rng(seed, number)
    cell, source, true = _drawn(layout, condition, rng, true)
    scene = _scene(true, condition, rng=rng, cell=layout.cell_names[cell], source=source)
    return _case(scene.recording.samples, condition, cell, source, true)


def make_family(
    layout: Layout, condition: Condition, snrs_db: tuple[float, ...], *, seed: int, number: int
) -> Iterator[tuple[Condition, Case]]:
    """The event of one condition at several levels above the same noise, for little more than the price of one.

    The noise of a cabin is the same sample by sample whether an event sounds or not, so the event is what remains.
    """
    rng = condition.rng(seed, number)
    cell, source, true = _drawn(layout, condition, rng)
    heard = _scene(true, condition, rng=rng, cell=layout.cell_names[cell], source=source).recording.samples
    noise = _scene(true, condition, rng=condition.rng(seed, number)).recording.samples
    event = heard - noise
    for snr_db in snrs_db:
        gain = np.float32(10 ** ((snr_db - condition.snr_db) / 20))
        samples = np.clip(noise + gain * event, -1.0, 1.0)
        yield replace(condition, snr_db=snr_db), _case(samples, condition, cell, source, true)


def _drawn(
    layout: Layout, condition: Condition, rng: np.random.Generator, true: Layout | None = None
) -> tuple[int, NDArray[np.float64], Layout]:
    """Cell, place of the sound, and the layout as it really is."""
    cell = int(rng.integers(layout.n_cells))
    drawn = disturbed(layout, MISMATCHES[condition.mismatch], rng)
    true = drawn if true is None else true
    return cell, _source(layout, true, condition, cell, rng), true


def _scene(
    true: Layout,
    condition: Condition,
    *,
    rng: np.random.Generator,
    cell: str | None = None,
    source: NDArray[np.float64] | None = None,
) -> Scene:
    return simulate_scene(
        true,
        rng=rng,
        cell=cell,
        rt60_s=condition.rt60_s,
        snr_db=condition.snr_db,
        seconds=_ONSET_S + condition.duration_s + 0.2,
        onset_s=_ONSET_S,
        duration_s=condition.duration_s,
        source_m=None if source is None else (float(source[0]), float(source[1]), float(source[2])),
    )


def _case(
    samples: NDArray[np.floating], condition: Condition, cell: int, source: NDArray[np.float64], true: Layout
) -> Case:
    first = round((_ONSET_S - PRE_ROLL_S) * FS)
    last = round((_ONSET_S + condition.duration_s + AFTER_S) * FS)
    cut = Block(delayed(samples, true.mic_delay_s, fs=FS)[:, first:last], 0, FS)
    return Case(cut, cell if condition.place == "cell" else -1, source, true)


def disturbed(layout: Layout, mismatch: Mismatch, rng: np.random.Generator) -> Layout:
    """The layout as it really is."""
    share = float(rng.uniform()) if mismatch.spread else 1.0
    away = rng.standard_normal(layout.mics.shape)
    away *= share * mismatch.mic_m / np.linalg.norm(away, axis=1, keepdims=True)
    late = share * mismatch.skew_s * rng.choice([-1.0, 1.0], layout.n_mics)
    if not (mismatch.every_channel or mismatch.spread and rng.uniform() < 0.5):
        late *= np.arange(layout.n_mics) == rng.integers(layout.n_mics)
    assert layout.box_m is not None
    return replace(
        layout,
        mics=np.clip(layout.mics + away, layout.box_m[0] + 0.01, layout.box_m[1] - 0.01),
        mic_delay_s=layout.mic_delay_s + late,
        temperature_c=float(layout.temperature_c + share * mismatch.temperature_k * rng.choice([-1.0, 1.0])),
    )


def _source(
    layout: Layout, true: Layout, condition: Condition, cell: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    if condition.place == "elsewhere":
        return _elsewhere(layout, rng)
    if condition.place == "guard":
        return _inside(layout, layout.guards[rng.integers(layout.n_guards)])
    mismatch = MISMATCHES[condition.mismatch]
    source = layout.cells[cell].copy()
    if mismatch.spread:
        radius, angle = 0.025 * np.sqrt(rng.uniform()), 2 * np.pi * rng.uniform()
        source += [radius * np.cos(angle), radius * np.sin(angle), rng.uniform() * mismatch.jet_m]
    else:
        source[2] += mismatch.jet_m
    # Nothing sounds inside a microphone.
    while np.linalg.norm(true.mics - source, axis=1).min() < 0.02:
        source[2] += 0.01
    return source


def _elsewhere(layout: Layout, rng: np.random.Generator) -> NDArray[np.float64]:
    """Half of the places within 0.3 to 0.8 m of a cell, beside or above; half anywhere in the room."""
    assert layout.box_m is not None
    low, high = layout.box_m[0] + 0.05, layout.box_m[1] - 0.05
    near = rng.uniform() < 0.5
    while True:
        if near:
            way = rng.standard_normal(3)
            way[2] = abs(way[2])
            step = rng.uniform(ELSEWHERE_M, 0.8) * way / np.linalg.norm(way)
            place = layout.cells[rng.integers(layout.n_cells)] + step
        else:
            place = rng.uniform(low, high)
        apart = np.linalg.norm(layout.cells - place, axis=1).min() >= ELSEWHERE_M
        if (
            apart
            and np.linalg.norm(layout.mics - place, axis=1).min() > 0.05
            and (place > low).all()
            and (place < high).all()
        ):
            return np.asarray(place, dtype=np.float64)


def _inside(layout: Layout, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place, not nearer than 5 cm to a wall."""
    assert layout.box_m is not None
    return np.clip(place, layout.box_m[0] + 0.05, layout.box_m[1] - 0.05)


def oracle_times_s(case: Case) -> NDArray[np.float64]:
    """True arrival times at every microphone, channel delays included; shape (n_mics,), s."""
    true = case.true_layout
    return travel_times(case.source_m[None], true.mics, speed_of_sound=true.speed_of_sound)[0] + true.mic_delay_s
