"""The noise-floor front end: log-mel frames as decibels above what this microphone usually hears in this band.

Under changing fans the front end decides, the scorer behind it hardly does. The floor is learned from the first second
on, follows slowly upwards and faster downwards, and stands still while an event is active, or a long hiss would become
the floor.

Everything slow changes only on *ticks*, every `tick_frames`-th frame since the stream (or the gap in it) began. Within
a tick the floor is constant, so where a stream is cut into blocks cannot matter.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.records import FloatArray
from trad_array_geometry import frozen_array


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How the floor is tracked; numbers are our choice.

    tick_frames : frames between updates (16 frames of the paper's features are 0.51 s)
    rise_ticks, fall_ticks : time constants, in ticks, while the sound is above and below the floor
    warm_up_ticks : ticks heard before the floor can be used; until then frames are 0 dB above it
    """

    tick_frames: int = 16
    rise_ticks: float = 20.0
    fall_ticks: float = 5.0
    warm_up_ticks: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class FloorState:
    """What has been learned so far.

    level : (n_mics, n_mels), dB; zeros before the first tick
    ticks : ticks learned from since the start
    """

    level: NDArray[np.float64]
    ticks: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", frozen_array(self.level, np.float64))


def start_floor(n_mics: int, n_mels: int) -> FloorState:
    """State before anything was heard."""
    return FloorState(level=np.zeros((n_mics, n_mels)))


def learn_floor(
    rule: NoiseFloor, state: FloorState, frames: FloatArray, live: NDArray[np.bool_] | None = None
) -> FloorState:
    """Floor after one more tick without an event.

    Parameters
    ----------
    frames : array, shape (n_mics, tick_frames, n_mels), dB re full scale
    live : array, shape (n_mics,), bool, or None for all; the floor of the others stays
    """
    heard = frames.mean(axis=1, dtype=np.float64)
    # What is no number would stay in the floor for ever.
    heard = np.where(np.isfinite(heard), heard, state.level)
    constant = np.where(heard > state.level, rule.rise_ticks, rule.fall_ticks)
    weight = np.maximum(1.0 / constant, 1.0 / (state.ticks + 1))
    if live is not None:
        weight = weight * live[:, None]
    return FloorState(level=state.level + weight * (heard - state.level), ticks=state.ticks + 1)


def relearn_floor(state: FloorState, frames: FloatArray, back: NDArray[np.bool_]) -> FloorState:
    """Floor after some microphones, `back` of shape (n_mics,), came back from the dead: theirs is begun anew."""
    if not back.any():
        return state
    return replace(state, level=np.where(back[:, None], frames.mean(axis=1, dtype=np.float64), state.level))


def above_floor(rule: NoiseFloor, state: FloorState, frames: FloatArray) -> FloatArray:
    """Frames as decibels above the floor, same shape (n_mics, n_frames, n_mels); zeros during the warm-up."""
    if state.ticks < rule.warm_up_ticks:
        return np.zeros_like(frames)
    return frames - state.level[:, None, :].astype(frames.dtype)


def quiet_frames_above_floor(frames: FloatArray, rule: NoiseFloor) -> FloatArray:
    """Front end over a whole stretch of sound that is known to hold no event: what scorers are fitted on.

    Parameters
    ----------
    frames : array, shape (n_mics, n_frames, n_mels), dB re full scale

    Returns
    -------
    array, shape (n_mics, max(0, n_frames - warm_up_ticks * tick_frames), n_mels), dB above the floor
    """
    state = start_floor(frames.shape[0], frames.shape[2])
    ready: list[FloatArray] = [frames[:, :0]]
    for first in range(0, frames.shape[1], rule.tick_frames):
        tick = frames[:, first : first + rule.tick_frames]
        if state.ticks >= rule.warm_up_ticks:
            ready.append(above_floor(rule, state, tick))
        if tick.shape[1] == rule.tick_frames:
            state = learn_floor(rule, state, tick)
    return np.concatenate(ready, axis=1)
