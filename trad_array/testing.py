"""What every scorer, fuser and localizer must keep to; call these in the test of a part of your own.

Each function raises `AssertionError` with one line about the first rule that is broken.
"""

import numpy as np
from numpy.typing import NDArray

from trad_array.detection.fusion import Fuser
from trad_array.localization.localizer import Localizer
from trad_array.records import Block, CellMap, FloatArray, Scores
from trad_array.scoring.frame_scorer import FrameScorer
from trad_array_geometry import Layout, layout_names, load_layout, travel_times

TOLERANCE = 1e-5
# What frames of each front end look like.
_RANGES = {"absolute": (-100.0, 20.0), "floor": (-10.0, 40.0), "waveform": (-0.1, 0.1)}


def check_scorer(scorer: FrameScorer, *, seed: int = 0) -> None:
    """Scores do not depend on batches, follow the channels, are finite, and leave their input as it was."""
    rng = np.random.default_rng(seed)
    shape = (3, 40, scorer.context, scorer.features.n_values)
    low, high = _RANGES[scorer.features.front_end]
    frames = rng.uniform(low, high, shape).astype(np.float32)
    before = frames.copy()
    whole = scorer.score(frames)
    _require(whole.shape == shape[:2], f"expected scores of shape {shape[:2]}, found {whole.shape}")
    _require(np.array_equal(frames, before), "expected the input untouched, found it changed")
    for size in (1, 7, 16):
        parts = [scorer.score(frames[:, n : n + size]) for n in range(0, shape[1], size)]
        _require(_close(np.concatenate(parts, axis=1), whole), f"expected the same scores in batches of {size}")
    order = [2, 0, 1]
    _require(_close(scorer.score(frames[order]), whole[order]), "expected scores to follow the order of channels")
    quiet, loud = (0.0, 1.0) if scorer.features.front_end == "waveform" else (-100.0, 60.0)
    for name, level in (("silence", quiet), ("full scale", loud)):
        extreme = scorer.score(np.full(shape, level, dtype=np.float32))
        _require(bool(np.isfinite(extreme).all()), f"expected finite scores for {name}")


def check_fuser(fuser: Fuser, *, seed: int = 0) -> None:
    """The order of channels does not matter, dead channels do not count, louder is not less."""
    rng = np.random.default_rng(seed)
    values, starts = rng.standard_normal((5, 30)), np.arange(30) * 512
    live = np.array([True, True, False, True, True])
    fused = fuser(Scores(values, starts), live).values
    _require(fused.shape == (30,), f"expected one score a frame, found shape {fused.shape}")
    order = np.array([4, 2, 0, 3, 1])
    _require(_close(fuser(Scores(values[order], starts), live[order]).values, fused), "expected no order of channels")
    loud = np.where(live[:, None], values, 1e6)
    _require(_close(fuser(Scores(loud, starts), live).values, fused), "expected dead channels to have no influence")
    more = fuser(Scores(values + 1.0, starts), live).values
    _require(bool((more >= fused).all()), "expected higher scores to fuse to a higher score")
    for n_live in range(6):
        some = np.arange(5) < n_live
        _require(
            bool(np.isfinite(fuser(Scores(values, starts), some).values).all()), f"expected numbers, {n_live} live"
        )


def check_localizer(localizer: Localizer, *, seed: int = 0) -> None:
    """In shipped layouts of one pack every cell is found from exact delays; guard points are not given to a cell."""
    rng = np.random.default_rng(seed)
    # A whole container has thousands of cells: hours for a plain localizer.
    layouts = [layout for layout in map(load_layout, layout_names()) if len(layout.pack_names) == 1]
    for layout in layouts:
        name = layout.id
        for cell, point in enumerate(layout.cells):
            found = _map(localizer, layout, point, rng)
            _require(found.best == cell, f"{name}: expected {layout.cell_names[cell]}, found another cell")
            _require(found.from_a_cell, f"{name}: expected {layout.cell_names[cell]} to be believed, found elsewhere")
        for guard, point in zip(layout.guard_names, layout.guards, strict=True):
            found = _map(localizer, layout, point, rng)
            _require(not found.from_a_cell, f"{name}: expected a sound from {guard} not to be given to a cell")
    _check_invariances(localizer, layouts[0], rng)


def _check_invariances(localizer: Localizer, layout: Layout, rng: np.random.Generator) -> None:
    cut = hiss_cut(layout, layout.cells[layout.n_cells // 3], rng)
    plain = localizer(cut, layout, speed_of_sound=layout.speed_of_sound)
    gains = np.linspace(0.2, 3.0, layout.n_mics, dtype=np.float32)[:, None]
    scaled = localizer(Block(cut.samples * gains, 0, cut.fs), layout, speed_of_sound=layout.speed_of_sound)
    _require(bool(np.abs(scaled.power - plain.power).max() < 0.02), "expected gains not to change the map")
    order = list(range(layout.n_mics))[::-1]
    turned = localizer(
        Block(cut.samples[order], 0, cut.fs), layout.with_mics(order), speed_of_sound=plain.speed_of_sound
    )
    _require(_close(turned.power, plain.power), "expected the order of microphones not to change the map")


def hiss_cut(
    layout: Layout, point_m: NDArray[np.float64], rng: np.random.Generator, *, snr_db: float = 20.0, fs: int = 16_000
) -> Block:
    """One second of white hiss from a point, heard with exact delays over independent noise, in a free field."""
    n = fs
    spectrum, frequencies = np.fft.rfft(rng.standard_normal(n)), np.fft.rfftfreq(n, 1 / fs)
    times_s = travel_times(point_m[None, :], layout.mics, speed_of_sound=layout.speed_of_sound)[0]
    # Spherical waves: near microphones hear it louder. The level given is the mean over microphones in decibels.
    nearer = np.exp(np.log(times_s).mean() - np.log(times_s))
    turned = [gain * spectrum * np.exp(-2j * np.pi * frequencies * t) for gain, t in zip(nearer, times_s, strict=True)]
    heard = np.fft.irfft(np.stack(turned), n)
    noise = rng.standard_normal(heard.shape) * 10 ** (-snr_db / 20)
    return Block((0.05 * (heard + noise)).astype(np.float32), 0, fs)


def _map(localizer: Localizer, layout: Layout, point_m: NDArray[np.float64], rng: np.random.Generator) -> CellMap:
    found = localizer(hiss_cut(layout, point_m, rng), layout, speed_of_sound=layout.speed_of_sound)
    total = float(found.probability.sum()) + found.elsewhere
    _require(
        bool(np.isfinite(found.probability).all()) and abs(total - 1) < 1e-6, "expected probabilities that sum to 1"
    )
    return found


def _close(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * max(1.0, float(np.abs(b).max(initial=0.0)))))


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(rule)
