"""Simulated takes of the detection benchmark: a cabin, and something that sounds in it, kept apart.

Event and noise are simulated once and mixed at any level, so that a vent at five levels costs little more than at one.
Everything follows from the seed and from the names of layout, kind and suite: no two suites share a take. All of it is
simulated.
"""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import TradArrayError
from trad_array.records import Recording
from trad_array.simulation import NEGATIVE_KINDS, simulate_scene
from trad_array_geometry import Layout

FS = 16_000
VENT, NORMAL, RECORDED = "vent", "normal", "recorded"
KINDS = (VENT, *NEGATIVE_KINDS)
# The floor is learned before anything sounds, s.
LEAD_S = 2.6
# A vent sounds within a disc around its valve and up to so far above it, m.
_DISC_M, _JET_M = 0.025, 0.1
# Where everyday things sound: from so far from every cell, m, to so far (None: anywhere in the room).
PLACES: dict[str, tuple[float, float | None]] = {"far": (0.6, None), "near": (0.3, 0.6), "tool": (1.5, 2.5)}
_CLEAR_OF_MICS_M = 0.3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is drawn for each take, from lowest to highest or one of several; numbers are our choice.

    rt60_s : s; fan_speeds : factors; noise_dbfs : level of the cabin, dB re full scale
    mismatch : "none", "layout" (errors as large as the layout file says), "air" (15 K off), "mic" (every microphone
        10 mm away)
    """

    rt60_s: tuple[float, float] = (0.2, 0.64)
    fan_speeds: tuple[float, ...] = (0.7, 1.0, 1.3, 1.6)
    noise_dbfs: tuple[float, float] = (-53.0, -37.0)
    mismatch: str = "layout"


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One stretch of sound.

    noise : (n_mics, n), float32; event : the same, at the full-band ratio `snr_db` to the noise, or None
    kind : one of `KINDS`, "normal" or the name of a recording; cell : index, or -1
    source_m : (3,), m, NaN for rain and for nothing
    onset_s, end_s : s, at the first microphone
    band_db : ratio in 2 to 7 kHz, at `snr_db`
    """

    noise: NDArray[np.float32]
    event: NDArray[np.float32] | None
    kind: str
    cell: int
    source_m: NDArray[np.float64]
    onset_s: float
    end_s: float
    snr_db: float
    band_db: float
    rt60_s: float

    def at(self, snr_db: float) -> Recording:
        """The take with its event at that full-band ratio, overloading as the microphones do."""
        if self.event is None:
            return Recording(self.noise, FS, source=self.kind)
        gain = np.float32(10 ** ((snr_db - self.snr_db) / 20))
        return Recording(np.clip(self.noise + gain * self.event, -1.0, 1.0), FS, source=self.kind)

    def at_band(self, band_db: float) -> Recording:
        """The same at a ratio in 2 to 7 kHz."""
        return self.at(self.snr_db + band_db - self.band_db)


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """What a take shall hold.

    kind : one of `KINDS`, "normal", or "recorded" with `sound`, (n,), at 16 kHz
    duration_s : of the event, or None to draw it
    place : one of `PLACES`; vents sound at cells, rain on the roof
    seconds : of the whole take; onset_s : when the event begins
    around : what is drawn
    """

    kind: str
    duration_s: float | None = None
    place: str = "far"
    seconds: float = 6.0
    around: Surroundings = field(default_factory=Surroundings)
    sound: NDArray[np.float32] | None = None
    onset_s: float = LEAD_S


def rng_of(suite: str, layout: Layout, kind: str, *, seed: int, number: int) -> np.random.Generator:
    """Generator of one take, the same in every run and on every machine."""
    return np.random.default_rng([seed, number, zlib.crc32(f"{suite} {layout.id} {kind}".encode())])


def make_take(layout: Layout, wish: Wish, rng: np.random.Generator, *, true: Layout | None = None) -> Take:
    """Simulate one take; one that cannot be simulated (a place on top of a microphone) is drawn again.

    true : the layout as it really is, or None to draw it
    """
    while True:
        try:
            return _take(layout, wish, rng, true)
        except TradArrayError:
            continue


def _take(layout: Layout, wish: Wish, rng: np.random.Generator, true: Layout | None) -> Take:
    around = wish.around
    true = disturbed(layout, around.mismatch, rng) if true is None else true
    cabin = {
        "rt60_s": float(rng.uniform(*around.rt60_s)),
        "fan_speed": float(rng.choice(around.fan_speeds)),
        "noise_dbfs": float(rng.uniform(*around.noise_dbfs)),
        "seconds": wish.seconds,
    }
    number = int(rng.integers(2**31))
    if wish.kind == NORMAL:
        noise = simulate_scene(true, rng=np.random.default_rng(number), **cabin).recording.samples
        nowhere = np.full(3, np.nan)
        return Take(noise, None, NORMAL, -1, nowhere, np.nan, np.nan, np.nan, np.nan, cabin["rt60_s"])
    cell = int(rng.integers(layout.n_cells)) if wish.kind == VENT else -1
    source = _source(layout, true, wish, cell, rng)
    duration_s = _duration_s(wish, rng)
    # Quiet enough that no microphone overloads: the noise is what is left without the event.
    snr_db = -20.0
    scene = simulate_scene(
        true,
        rng=np.random.default_rng(number),
        cell=layout.cell_names[cell] if cell >= 0 else None,
        negative=wish.kind if cell < 0 else None,
        sound=wish.sound,
        source_m=None if source is None else (float(source[0]), float(source[1]), float(source[2])),
        onset_s=wish.onset_s,
        duration_s=duration_s,
        snr_db=snr_db,
        **cabin,
    )
    truth = scene.truth
    assert scene.event is not None
    return Take(
        noise=scene.recording.samples - scene.event,
        event=scene.event,
        kind=wish.kind,
        cell=cell,
        source_m=np.full(3, np.nan) if truth["source_m"] is None else np.array(truth["source_m"]),
        onset_s=truth["onset_s"],
        end_s=truth["end_s"],
        snr_db=truth["snr_db"],
        band_db=truth["snr_2_7khz_db"],
        rt60_s=cabin["rt60_s"],
    )


def disturbed(layout: Layout, mismatch: str, rng: np.random.Generator) -> Layout:
    """The layout as it really is."""
    if mismatch == "air":
        return replace(layout, temperature_c=layout.temperature_c + 15.0 * float(rng.choice([-1.0, 1.0])))
    if mismatch == "mic":
        away = rng.standard_normal(layout.mics.shape)
        return replace(layout, mics=layout.mics + 0.01 * away / np.linalg.norm(away, axis=1, keepdims=True))
    if mismatch == "layout":
        from trad_array.simulation.trials import disturbed as as_the_file_says

        return as_the_file_says(layout, factor=1.0, rng=rng)
    return layout


def _duration_s(wish: Wish, rng: np.random.Generator) -> float:
    longest = wish.seconds - wish.onset_s - 0.3
    if wish.duration_s is not None:
        return min(wish.duration_s, longest)
    if wish.kind == VENT:
        return min(float(np.exp(rng.uniform(np.log(0.3), np.log(30.0)))), longest)
    from trad_array.simulation.negatives import typical_seconds

    return min(typical_seconds(wish.kind, rng), longest)


def _source(
    layout: Layout, true: Layout, wish: Wish, cell: int, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    if cell >= 0:
        return _beside_the_valve(layout, true, cell, rng)
    if wish.kind == "rain":
        return None
    return somewhere(layout, wish.place, rng)


def _beside_the_valve(layout: Layout, true: Layout, cell: int, rng: np.random.Generator) -> NDArray[np.float64]:
    radius, angle = _DISC_M * np.sqrt(rng.uniform()), 2 * np.pi * rng.uniform()
    source = layout.cells[cell] + [radius * np.cos(angle), radius * np.sin(angle), rng.uniform(0.0, _JET_M)]
    while np.linalg.norm(true.mics - source, axis=1).min() < 0.02:
        source[2] += 0.01
    return np.asarray(source)


def somewhere(layout: Layout, place: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """A place in the room that is no cell, at the distance that `PLACES` says."""
    nearest, farthest = PLACES[place]
    assert layout.box_m is not None
    low, high = layout.box_m[0] + 0.1, layout.box_m[1] - 0.1
    while True:
        if farthest is None:
            at = rng.uniform(low, high)
        else:
            way = rng.standard_normal(3)
            at = layout.cells[rng.integers(layout.n_cells)] + rng.uniform(nearest, farthest) * way / np.linalg.norm(way)
        from_cells = float(np.linalg.norm(layout.cells - at, axis=1).min())
        inside = bool(((at > low) & (at < high)).all())
        near_enough = farthest is None or from_cells <= farthest
        clear = float(np.linalg.norm(layout.mics - at, axis=1).min()) > _CLEAR_OF_MICS_M
        if inside and clear and near_enough and from_cells >= nearest:
            return np.asarray(at)


def make_pair(layout: Layout, during: Wish, vent: Wish, *, rng: np.random.Generator) -> tuple[Take, Recording]:
    """A vent that begins while something else sounds, both equally loud in 2 to 7 kHz, and 10 dB over the cabin there.

    Returns
    -------
    Take, Recording
        The vent's take, and the sound of both in one room.
    """
    rt60_s = float(rng.uniform(*during.around.rt60_s))
    around = replace(during.around, rt60_s=(rt60_s, rt60_s))
    true = disturbed(layout, around.mismatch, rng)
    take = make_take(layout, replace(vent, around=around), rng, true=true)
    stretch = slice(round(take.onset_s * FS), round(min(take.end_s, take.onset_s + 1.0) * FS))
    other, loudness = _sounding(layout, replace(during, around=around), stretch, rng=rng, true=true)
    wanted = 10.0 * _band_power(other.noise[:, stretch])
    assert other.event is not None
    assert take.event is not None
    gain = np.float32(np.sqrt(wanted / loudness))
    second = np.float32(np.sqrt(wanted / _band_power(take.event[:, stretch])))
    samples = np.clip(other.noise + gain * other.event + second * take.event, -1.0, 1.0)
    return take, Recording(samples, FS, source=f"{vent.kind} during {during.kind}")


def _sounding(
    layout: Layout, wish: Wish, stretch: slice, *, rng: np.random.Generator, true: Layout
) -> tuple[Take, float]:
    """A take whose event sounds throughout the stretch (a tool is let go now and then), and its power there."""
    while True:
        take = make_take(layout, wish, rng, true=true)
        assert take.event is not None
        parts = [_band_power(part) for part in np.array_split(take.event[:, stretch], 5, axis=1)]
        loudness = float(np.median(parts))
        if min(parts) > 0.3 * loudness:
            return take, loudness


def _band_power(samples: NDArray[np.float32]) -> float:
    """Mean power in 2 to 7 kHz."""
    spectrum = np.abs(np.fft.rfft(samples, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(samples.shape[1], 1.0 / FS)
    return float(spectrum[:, (frequencies >= 2_000.0) & (frequencies <= 7_000.0)].sum()) / samples.shape[1] ** 2
