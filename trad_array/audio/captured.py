"""Sound as it was captured, before anything is done to it: what live sources and recordings hand to the watch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trad_array.records import FloatArray

# Full scales; 24 dB over the loudest that a card can say (our choice).
_MOST = 16.0
CapturedArray = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A stretch of sound, one row for each microphone of the layout.

    samples : (n_mics, n), int16, int32 or float32 as the device gave them, read-only
    start : index of the first sample since the stream began, at the capture rate
    fs : Hz, the capture rate
    lost : samples that went missing just before
    received_s : s of the monotonic clock, when its last sample had arrived; None for recordings
    queued_s : s, how long it waited before it was taken
    """

    samples: CapturedArray
    start: int
    fs: int
    lost: int = 0
    received_s: float | None = None
    queued_s: float = 0.0

    def __post_init__(self) -> None:
        self.samples.flags.writeable = False

    @property
    def end(self) -> int:
        """Index of the sample after the last."""
        return self.start + int(self.samples.shape[1])

    def full_scale(self) -> FloatArray:
        """The samples as float32, full scale = 1; of a card that gives floats, what cannot be sound is cut off."""
        samples = self.samples.astype(np.float32, copy=False)
        if self.samples.dtype == np.float32:
            return _sane(samples)
        return samples * np.float32(2.0 ** (1 - 8 * self.samples.dtype.itemsize))


def _sane(samples: FloatArray) -> FloatArray:
    """Without what is no number, and without what no microphone can say: it would never leave the noise floor."""
    if samples.size == 0 or (samples.min() >= -_MOST and samples.max() <= _MOST):  # false where one is NaN
        return samples
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), -_MOST, _MOST)


@dataclass(frozen=True, slots=True)
class NoSound:
    """Nothing arrived for a while; told every second, so that whoever waits can look at the clock.

    for_s : s, since the last sound arrived
    reason : one line for a person
    """

    for_s: float
    reason: str


Piece = Captured | NoSound


class SoundSource(Protocol):
    """Where sound comes from: a sound card, standard input, a recording."""

    @property
    def name(self) -> str:
        """What events call it."""
        ...

    @property
    def fs(self) -> int:
        """Capture rate, Hz."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """The stream until it ends; a live one does not end by itself, and never blocks for more than a second."""
        ...

    def close(self) -> None:
        """Let go of the device; may be called twice and from another thread."""
        ...
