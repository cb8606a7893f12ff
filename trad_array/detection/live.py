"""Which microphones are alive: a dead one must be left out of the vote, and said so.

A working microphone is never digitally silent: the ICS-43434's own noise is about -73 dB in the bands of the paper's
features, a disconnected or stuck channel gives all bands but the lowest at the floor of -100 dB.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import Fault, FloatArray
from trad_array_geometry import frozen_array


@dataclass(frozen=True, slots=True)
class LiveRule:
    """A microphone is dead when no band above the lowest few has risen over `dead_db` for a tick (our choice)."""

    dead_db: float = -95.0
    skip_bands: int = 4

    def sounding(self, frames: FloatArray, spec: FeatureSpec) -> NDArray[np.bool_]:
        """Which microphones sound in a tick of frames, (n_mics, n_frames, n_values), before any floor is taken off.

        Samples have no bands; there a microphone is dead when it does not move at all.
        """
        if spec.front_end == "waveform":
            return np.asarray(np.ptp(frames, axis=(1, 2)) > 0.0)
        return np.asarray(np.any(frames[:, :, self.skip_bands :] > self.dead_db, axis=(1, 2)))


@dataclass(frozen=True, slots=True, eq=False)
class LiveState:
    """Which microphones were alive in the last whole tick; shape (n_mics,), bool."""

    live: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "live", frozen_array(self.live, np.bool_))


def live_step(state: LiveState, live: NDArray[np.bool_], at: int) -> tuple[LiveState, tuple[Fault, ...]]:
    """Take which microphones sound in one whole tick, shape (n_mics,); the tick ends at sample `at`."""
    if (live == state.live).all():
        return state, ()
    faults = tuple(_fault(int(channel), bool(live[channel]), at) for channel in np.flatnonzero(live != state.live))
    return LiveState(live=live), faults


def _fault(channel: int, alive: bool, at: int) -> Fault:
    if alive:
        return Fault(kind="alive", channel=channel, at=at, detail="the microphone is heard again")
    return Fault(kind="dead", channel=channel, at=at, detail="the microphone is digitally silent and is left out")
