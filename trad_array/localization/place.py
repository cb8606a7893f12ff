"""From a cut to its place: leave out microphones that cannot be used, ask the localizer, measure levels."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.localization.gate import ELSEWHERE
from trad_array.localization.localizer import Localizer
from trad_array.localization.position import Position, least_squares_position
from trad_array.records import Block, CellMap, FloatArray
from trad_array_geometry import Layout, frozen_array

# A sample this near to full scale is taken for clipped; resampling turns clipped ones into slightly smaller ones.
CLIPPED = 0.985
# A channel with more clipped samples than this is left out while three others are left (our choice: a pop overloads a
# microphone for a few milliseconds, and its hiss is still good).
CLIPPED_SHARE = 0.02
# Phases of two microphones in a room never agree to this degree at every frequency, those of one wire do. A hum or a
# whine, which may agree, is a few frequencies only.
_SAME_PHASE = 0.95
# Frequencies whose phases are compared, as shares of the rate: 320 Hz to 7 kHz at 16 kHz.
_COMPARED = (0.02, 0.4375)
# Fewer samples than this tell nothing about a wire.
_LEAST_COMPARED = 256
# Below this level a channel holds no sound at all, only the last bit of its converter.
DEAD_DBFS = -110.0
# Name of the place where a sound is that a reference microphone hears better than the array.
OUTSIDE = "outside"
# By so much more it must rise there, dB, in this band, Hz; and how sure the vote is (our choice).
_REFERENCE_DB = 3.0
_REFERENCE_HZ = (2_000.0, 7_000.0)
_SURE_OUTSIDE = 0.99
# Sound before the onset that such a rise is measured against, s, without the last of it, which may be a late detection.
_LEAST_BACKGROUND_S, _GUARD_S = 0.1, 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where one detection came from, and how loud it was.

    onset : samples, of the detection
    cell_map : None when fewer than two microphones could be used, or too little was heard
    position : free least-squares position, for checking; None without a map, or when nobody wants it
    level_dbfs : (n_mics,), root mean square of the cut
    clipped : (n_mics,), bool
    used : (n_mics,), bool, whether the localizer heard the microphone
    why_not : one line for a person when there is no map, else empty
    doubts : lines for a person about the array: microphones left out, and what that means
    heard_until : samples, end of the sound that the map was made from
    final : no map from a longer window follows
    """

    onset: int
    cell_map: CellMap | None
    position: Position | None
    level_dbfs: NDArray[np.float64]
    clipped: NDArray[np.bool_]
    used: NDArray[np.bool_]
    why_not: str = ""
    doubts: tuple[str, ...] = ()
    heard_until: int = 0
    final: bool = True

    def __post_init__(self) -> None:
        for name in ("level_dbfs", "clipped", "used"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def place(
    localizer: Localizer, cut: Block, layout: Layout, *, onset: int, speed_of_sound: float, free_position: bool = True
) -> Placed:
    """Place one detection from its cut, samples of shape (layout.n_mics, n); without the free position if so wished."""
    level_dbfs = levels_dbfs(cut.samples)
    clipped = np.any(np.abs(cut.samples) >= CLIPPED, axis=1)
    used, doubts = _usable(cut, level_dbfs, layout, onset=onset)
    placed = Placed(onset, None, None, level_dbfs, clipped, used, doubts=doubts, heard_until=cut.end)
    if used.sum() < 2:
        why = "; ".join((*doubts, f"expected sound from at least two microphones, found {int(used.sum())}"))
        return replace(placed, why_not=why)
    indices = np.flatnonzero(used)
    heard = _with_mics(layout, tuple(int(k) for k in indices))
    heard_cut = replace(cut, samples=cut.samples[indices])
    try:
        cell_map = localizer(heard_cut, heard, speed_of_sound=speed_of_sound, onset=max(onset, cut.start))
    except AudioError as trouble:
        return replace(placed, why_not=str(trouble))
    position = least_squares_position(cell_map, heard) if free_position else None
    whole = replace(cell_map, onset=onset, pairs=indices[cell_map.pairs])
    vote = _reference_vote(cut, layout, used=used, onset=onset) if whole.from_a_cell else None
    if vote is not None:
        whole, doubts = _outside(whole), (*doubts, vote)
    return replace(placed, cell_map=whole, position=position, doubts=doubts)


def _reference_vote(cut: Block, layout: Layout, *, used: NDArray[np.bool_], onset: int) -> str | None:
    """One line for a person when the event rises more at a reference microphone than at any used one of the array.

    Rises are decibels over the background before the onset, so that gains do not count. None without such a
    microphone, and when there is too little background to say.
    """
    others = np.setdiff1d(np.arange(layout.n_mics), layout.array_mics)
    begin = onset - cut.start
    quiet = cut.samples[:, : max(begin - round(_GUARD_S * cut.fs), 0)]
    if not len(others) or quiet.shape[1] < _LEAST_BACKGROUND_S * cut.fs:
        return None
    before, after = _band_power(quiet, cut.fs), _band_power(cut.samples[:, begin:], cut.fs)
    heard = (before > 0) & (after > 0)
    # What cannot be measured says nothing: a broken reference hears no rise, a broken microphone any.
    rise_db = np.full(layout.n_mics, np.inf)
    rise_db[others] = -np.inf
    rise_db[heard] = 10.0 * np.log10(after[heard] / before[heard])
    reference = int(others[rise_db[others].argmax()])
    more_db = float(rise_db[reference] - rise_db[used].max())
    if not more_db >= _REFERENCE_DB:
        return None
    return f"reference microphone {layout.mic_names[reference]} hears it rise {more_db:.0f} dB more: not from a cell"


def _outside(cell_map: CellMap) -> CellMap:
    """The map of a sound that a reference microphone says is outside."""
    elsewhere = max(cell_map.elsewhere, _SURE_OUTSIDE)
    left = (1.0 - elsewhere) / float(cell_map.probability.sum())
    return replace(
        cell_map,
        probability=cell_map.probability * left,
        elsewhere=elsewhere,
        place=OUTSIDE,
        place_m=None,
        otherwise=ELSEWHERE,
        gate=min(cell_map.gate, 0.0),
    )


def _band_power(samples: FloatArray, fs: int) -> NDArray[np.float64]:
    """Mean power of each channel in the band of the vote, shape (n_mics,), up to a constant; NaN for broken ones."""
    window = np.hanning(samples.shape[1])
    spectrum = scipy.fft.rfft(samples * window, axis=1)
    frequencies = scipy.fft.rfftfreq(samples.shape[1], 1.0 / fs)
    within = (frequencies >= _REFERENCE_HZ[0]) & (frequencies <= _REFERENCE_HZ[1])
    power = (np.abs(spectrum[:, within]) ** 2).sum(axis=1) / samples.shape[1] / float((window**2).sum())
    return np.asarray(power, dtype=np.float64)


def levels_dbfs(samples: FloatArray) -> NDArray[np.float64]:
    """Root mean square of each channel, shape (n_mics,), dB re full scale, not below -200."""
    if samples.shape[1] == 0:
        return np.full(len(samples), -200.0)
    power = np.mean(samples.astype(np.float64) ** 2, axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-20)))


def _usable(
    cut: Block, level_dbfs: NDArray[np.float64], layout: Layout, *, onset: int
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Microphones of the array whose sound can be used, and why others cannot."""
    samples = cut.samples
    array = np.zeros(layout.n_mics, dtype=np.bool_)
    array[layout.array_mics] = True
    moves = np.ptp(samples, axis=1) > 0 if samples.shape[1] else np.zeros(len(samples), dtype=np.bool_)
    sounding = array & moves & (level_dbfs > DEAD_DBFS)
    doubts = [f"microphone {layout.mic_names[k]} is silent" for k in np.flatnonzero(array & ~sounding)]
    used = sounding.copy()
    for group in _same_signals(samples[:, max(onset - cut.start, 0) :], sounding):
        used[list(group)] = False
        names = ", ".join(str(layout.mic_channels[k]) for k in group)
        doubts.append(f"channels {names} carry the same signal, a wiring fault: they are left out")
    overloaded = used & ((np.abs(samples) >= CLIPPED).mean(axis=1) > CLIPPED_SHARE)
    if overloaded.any() and (used & ~overloaded).sum() >= 3:
        doubts += [f"microphone {layout.mic_names[k]} is overloaded and left out" for k in np.flatnonzero(overloaded)]
        used &= ~overloaded
    elif overloaded.any():
        doubts.append("the sound is overloaded")
    if used.sum() == 2:
        doubts.append("two microphones are left: a line of possible places")
    return used, tuple(doubts)


def _same_signals(samples: FloatArray, sounding: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Groups of channels that carry one signal, whatever their gains."""
    if samples.shape[1] < _LEAST_COMPARED:
        return []
    chosen = np.flatnonzero(sounding)
    spectra = scipy.fft.rfft(samples[chosen], axis=1)
    first, last = (round(share * samples.shape[1]) for share in _COMPARED)
    size = np.abs(spectra[:, first:last])
    phases = np.divide(spectra[:, first:last], size, out=np.zeros_like(spectra[:, first:last]), where=size > 0)
    alike = np.abs((phases @ phases.conj().T).real) > _SAME_PHASE * phases.shape[1]
    groups: list[tuple[int, ...]] = []
    for row in range(len(chosen)):
        group = tuple(int(k) for k in chosen[np.flatnonzero(alike[row])])
        if len(group) > 1 and group not in groups:
            groups.append(group)
    return groups


@lru_cache(maxsize=64)
def _with_mics(layout: Layout, indices: tuple[int, ...]) -> Layout:
    """Sub-layout, the same object each time, so that the localizer's tables for it are found again."""
    return layout if len(indices) == layout.n_mics else layout.with_mics(indices)
