"""How the frames of an event are weighed on average, and how many independent ones they are worth.

`event_correlations` gives frames that stand out of the noise more weight; frames overlap; a hiss that just began fills
a part of a frame. What a Wishart matrix is told of all that is one number, its degrees of freedom, and how much of the
weight every delay of the room's response is heard with.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.features.log_mel import hann_window
from trad_array.localization.event_correlations import LEAST_WEIGHT, event_lead
from trad_array.study.pair_spectra import Frames

# How alike the sums over frames are in a bin, the next and the one after: squared ambiguity function of a Hann window,
# summed over frames a quarter of it apart, relative to that at no distance; a test adds it up.
NEXT_BINS = (0.48980, 0.04842)
# The power of a frame scatters as if there were so many times fewer bins.
BIN_OVERLAP = 1.0 + 2.0 * sum(NEXT_BINS)


@dataclass(frozen=True, slots=True, eq=False)
class EventFrames:
    """The frames of an event.

    frames : Frames
    shares : (n_frames, n_lags), of each frame's squared window, in which sound that is so many samples late is heard
    plain : (n_frames,), weights of frames that weigh as much of the direct sound as they hold; their sum is 1
    """

    frames: Frames
    shares: NDArray[np.float64]
    plain: NDArray[np.float64]

    @property
    def lag_weights(self) -> NDArray[np.float64]:
        """Share of the plain weight in which sound of each lag is heard; (n_lags,)."""
        return np.asarray(self.plain @ self.shares)

    def heard(self, response: NDArray[np.floating]) -> NDArray[np.float64]:
        """Share of a source's power, had it always sounded, that each frame holds; (n_mics, n) to (n_frames,)."""
        used = response[:, : self.shares.shape[1]].astype(np.float64)
        energy = (used**2).sum(axis=0)
        return np.asarray(self.shares[:, : len(energy)] @ energy / energy.sum())


def event_frames(frames: Frames, *, duration: int, after: int) -> EventFrames:
    """The frames of an event of that duration, heard for so long after its nominal end, samples."""
    lead = event_lead(frames.n)
    starts = np.arange(0, lead + duration + after - frames.n + 1, frames.hop) - lead
    shares = _share_on(frames.n, starts, np.arange(duration + after), duration)
    return EventFrames(frames, shares, shares[:, 0] / shares[:, 0].sum())


@dataclass(frozen=True, slots=True)
class Weighed:
    """How the frames of one event add up.

    louder : factor on the power of the event in the sum, over that with plain weights
    dof : complex degrees of freedom of the event's part, in a bin
    together : share of the weight in frames in which the event sounds
    floor : share of the weight that all frames have alike, whatever they hold
    """

    louder: float
    dof: float
    together: float
    floor: float


def weighing(event: EventFrames, heard: NDArray[np.float64], *, excess: float, n_mics: int) -> Weighed:
    """Weigh the frames of an event as `event_correlations` does on average.

    Parameters
    ----------
    event : EventFrames
    heard : array, shape (n_frames,), from `EventFrames.heard`
    excess : float
        Power of a hiss that always sounds over that of the noise, in the band, mean over the microphones.
    n_mics : int
    """
    standing = _seen(excess * heard, _spread(event.frames, n_mics))
    weights = standing / (1.0 + standing) + LEAST_WEIGHT
    floor = LEAST_WEIGHT * len(weights) / weights.sum()
    weights /= weights.sum()
    return Weighed(
        louder=float(weights @ heard / (event.plain @ heard)),
        dof=_dof(weights * heard, event.frames),
        together=float(weights @ event.shares[:, 0]),
        floor=float(floor),
    )


def _share_on(n: int, starts: NDArray[np.intp], lags: NDArray[np.integer], duration: int) -> NDArray[np.float64]:
    """Share of each frame's squared window in which a hiss that is late by each lag sounds; (n_frames, n_lags)."""
    filled = np.concatenate([[0.0], np.cumsum(hann_window(n).astype(np.float64) ** 2)])
    filled /= filled[-1]
    begin = np.clip(lags[None, :] - starts[:, None], 0, n).astype(np.intp)
    end = np.clip(lags[None, :] + duration - starts[:, None], 0, n).astype(np.intp)
    return np.asarray(filled[end] - filled[begin])


def _spread(frames: Frames, n_mics: int) -> float:
    """Standard deviation of a frame's power over all bins and microphones, for noise that is half alike in them."""
    return float(np.sqrt(BIN_OVERLAP / len(frames.bins) * 0.5 * (1.0 + 1.0 / n_mics)))


def _seen(excess: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """Mean of an excess that is cut at 0 and scatters by `spread`."""
    from scipy.special import ndtr

    z = excess / spread
    return np.asarray(excess * ndtr(z) + spread * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi))


def _dof(power: NDArray[np.float64], frames: Frames) -> float:
    window = hann_window(frames.n).astype(np.float64)
    apart = np.abs(np.subtract.outer(np.arange(len(power)), np.arange(len(power)))) * frames.hop
    overlap = np.correlate(window, window, "full")[frames.n - 1 :] / (window**2).sum()
    alike = np.where(apart < frames.n, overlap[np.minimum(apart, frames.n - 1)], 0.0) ** 2
    return float(power.sum() ** 2 / (power @ alike @ power))
