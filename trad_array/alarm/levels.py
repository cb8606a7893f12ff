"""Levels of the microphones: what one second is, what a minute is, what long was usual.

A minute is the median of its seconds, so that what is loud for less than half of it leaves no mark; levels are means of
decibels over bands, so that no hum and no whine alone makes one. Numbers are our choice.
"""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.array_calibration.swaps import Order
from trad_array.features.log_mel import hann_window
from trad_array.localization.place import CLIPPED, DEAD_DBFS
from trad_array.records import FloatArray
from trad_array_geometry import frozen_array

BANDS_HZ = (150.0, 300.0, 600.0, 1_200.0, 2_400.0, 4_800.0)
_N_FRAMES, _N_FFT = 4, 1024
_MINUTE_S = 60
# A constant below this is silence, above it a channel that is stuck.
_OFFSET = 1e-4
# A minute counts at most this much when the long average learns, dB.
_STEP_DB = 3.0
_DAY_MINUTES = 1440
# What was once usual is forgotten so slowly, dB a minute (half a decibel a day).
_FORGET_DB = 0.5 / _DAY_MINUTES
# The range of ordinary levels widens so fast, dB a minute.
_WIDEN_DB = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """Measures of one second of sound; all (n_mics,) but the last.

    rms_db : dB re full scale, without the offset
    peak : full scale = 1
    clipped : share of samples at full scale
    silent, flat : digitally silent; stuck at another value than 0
    bands_db : (n_mics, n_bands), dB re full scale
    """

    rms_db: NDArray[np.float64]
    peak: NDArray[np.float64]
    clipped: NDArray[np.float64]
    silent: NDArray[np.bool_]
    flat: NDArray[np.bool_]
    bands_db: NDArray[np.float64]

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Nothing is heard."""
        return self.silent | self.flat


def measure(samples: FloatArray, *, fs: int) -> Second:
    """Measures of a second of sound, (n_mics, n), full scale = 1; what is not a number counts as silence."""
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    offset = samples.mean(axis=1)
    moving = samples - offset[:, None]
    power = np.einsum("kn,kn->k", moving, moving) / samples.shape[1]
    rms_db = 10.0 * np.log10(power.astype(np.float64) + 1e-30)
    peak = np.maximum(samples.max(axis=1), -samples.min(axis=1))
    clipped = np.zeros(len(samples))
    for k in np.flatnonzero(peak >= CLIPPED):
        clipped[k] = np.count_nonzero(np.abs(samples[k]) >= CLIPPED) / samples.shape[1]
    still = rms_db < DEAD_DBFS
    stuck = np.abs(offset) > _OFFSET
    bands_db = _bands_db(moving, fs)
    return Second(rms_db, peak.astype(np.float64), clipped, still & ~stuck, still & stuck, bands_db)


def _bands_db(samples: FloatArray, fs: int) -> NDArray[np.float64]:
    """Level of each band over a few frames of the second."""
    n = min(_N_FFT, samples.shape[1])
    starts = np.linspace(0, samples.shape[1] - n, _N_FRAMES).astype(np.intp)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n, axis=1)[:, starts]
    spectra = scipy.fft.rfft(frames * hann_window(n), axis=-1)
    power = np.mean(spectra.real**2 + spectra.imag**2, axis=1, dtype=np.float64) * (8.0 / 3.0 / n**2 * 2.0)
    edges = np.minimum(np.round(np.array(BANDS_HZ) * n / fs).astype(np.intp), power.shape[1] - 1)
    bands = [power[:, low : max(high, low + 1)].sum(axis=1) for low, high in zip(edges, edges[1:], strict=False)]
    levels: NDArray[np.float64] = 10.0 * np.log10(np.stack(bands, axis=1) + 1e-14)
    return levels


@dataclass(frozen=True, slots=True, eq=False)
class LevelState:
    """What is known of the levels.

    seconds : bands of the seconds of the minute that is not over, NaN where a microphone was dead
    minutes : how many minutes each microphone's average has learned, (n_mics,)
    usual_db : (n_mics, n_bands), the long average
    low_db, high_db : (n_mics,), lowest and highest level of ordinary minutes
    strange_db : (n_mics,), the last level far outside of them, NaN when there was none
    now_db : (n_mics, n_bands), the last minute, or None
    """

    minutes: NDArray[np.int64]
    usual_db: NDArray[np.float64]
    low_db: NDArray[np.float64]
    high_db: NDArray[np.float64]
    strange_db: NDArray[np.float64]
    seconds: tuple[NDArray[np.float64], ...] = ()
    now_db: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("minutes", "usual_db", "low_db", "high_db", "strange_db"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def start_levels(n_mics: int) -> LevelState:
    """Nothing is known yet."""
    bands = len(BANDS_HZ) - 1
    return LevelState(
        np.zeros(n_mics, np.int64),
        np.zeros((n_mics, bands)),
        np.full(n_mics, np.inf),
        np.full(n_mics, -np.inf),
        np.full(n_mics, np.nan),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Minute:
    """One minute against what long was usual; (n_mics,), dB, NaN where it cannot be told.

    level_db : of this minute
    off_db : how far it is above (or, negative, below) the levels of ordinary minutes; 0 within them
    moved_db : against the microphone's own long average
    against_others_db : how much more than usual it hears than the median of the others
    alone_db : how much more than the median of the others it hears, usual or not
    """

    level_db: NDArray[np.float64]
    off_db: NDArray[np.float64]
    moved_db: NDArray[np.float64]
    against_others_db: NDArray[np.float64]
    alone_db: NDArray[np.float64]


def level_step(state: LevelState, second: Second) -> tuple[LevelState, bool]:
    """Take a second; tell whether it was the last of a minute."""
    bands = np.where(second.dead[:, None], np.nan, second.bands_db)
    seconds = (*state.seconds, bands)
    if len(seconds) < _MINUTE_S:
        return replace(state, seconds=seconds), False
    # A microphone that was dead for a part of the minute has none.
    return replace(state, seconds=(), now_db=np.median(np.stack(seconds), axis=0)), True


def compare(state: LevelState, *, learn_minutes: int) -> Minute:
    """The last minute against what long was usual."""
    assert state.now_db is not None
    level = state.now_db.mean(axis=1)
    known = state.minutes >= learn_minutes
    usual = np.where(known, state.usual_db.mean(axis=1), np.nan)
    off = np.where(level < state.low_db, level - state.low_db, np.maximum(level - state.high_db, 0.0))
    return Minute(
        level_db=level,
        off_db=np.where(known & np.isfinite(level), off, np.nan),
        moved_db=level - usual,
        against_others_db=_against_others(level - usual),
        alone_db=_against_others(level),
    )


def _against_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each value less the median of the other finite ones; NaN where there is no other."""
    out = np.full(len(values), np.nan)
    for k, value in enumerate(values):
        others = np.delete(values, k)
        others = others[np.isfinite(others)]
        if len(others):
            out[k] = value - np.median(others)
    return out


def learn_levels(
    state: LevelState,
    minute: Minute,
    *,
    learn: NDArray[np.bool_],
    out: NDArray[np.bool_],
    back: NDArray[np.bool_],
) -> LevelState:
    """Let the long averages, and the range of ordinary levels, follow the last minute.

    learn : (n_mics,), where nothing is at fault; what is wrong must not become usual
    out : (n_mics,), whose level is far out of range
    back : (n_mics,), whose level was out of range for long and came back by itself: it is ordinary from now on, as that
        of fans which stop at night
    """
    assert state.now_db is not None
    heard = learn & np.isfinite(minute.level_db)
    known = np.isfinite(minute.off_db)
    weight = 1.0 / np.clip(state.minutes + 1, 1, _DAY_MINUTES)
    step = np.where(heard[:, None], np.nan_to_num(state.now_db) - state.usual_db, 0.0)
    step = np.where(known[:, None], np.clip(step, -_STEP_DB, _STEP_DB), step)
    usual = state.usual_db + weight[:, None] * step
    level, middle = np.nan_to_num(minute.level_db), usual.mean(axis=1)
    # At first the range takes in all that is heard; later it follows slowly, and what is rare is forgotten.
    low, high = np.minimum(state.low_db, level), np.maximum(state.high_db, level)
    low = np.minimum(np.where(known, np.maximum(low, state.low_db - _WIDEN_DB) + _FORGET_DB, low), middle)
    high = np.maximum(np.where(known, np.minimum(high, state.high_db + _WIDEN_DB) - _FORGET_DB, high), middle)
    strange = np.where(out, level, state.strange_db)
    low = np.where(back & np.isfinite(strange), np.minimum(low, strange), low)
    high = np.where(back & np.isfinite(strange), np.maximum(high, strange), high)
    return replace(
        state,
        minutes=state.minutes + heard,
        usual_db=usual,
        low_db=np.where(heard, low, state.low_db),
        high_db=np.where(heard, high, state.high_db),
        strange_db=strange,
    )


def order_misfits(state: LevelState, *, learn_minutes: int) -> dict[Order, float]:
    """How far the last minute's spectra are from the usual ones in each order of the channels, dB; empty if unknown."""
    if state.now_db is None or not 2 <= len(state.now_db) <= 4 or (state.minutes < learn_minutes).any():
        return {}
    now, usual = (values - values.mean(axis=0) for values in (state.now_db, state.usual_db))
    if not np.isfinite(now).all():
        return {}
    orders = permutations(range(len(now)))
    return {order: float(np.sqrt(np.mean((now - usual[list(order)]) ** 2))) for order in orders}
