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

# Bins of a Hann window next to each other are not independent: correlations 2/3 and 1/6 of the amplitudes. Taken for
# independent, as the sampler does, they are worth so many times less.
BIN_OVERLAP = 1.0 + 2.0 * ((2.0 / 3.0) ** 2 + (1.0 / 6.0) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class EventFrames:
    """The frames of an event.

    frames : Frames
    starts : (n_frames,), samples from the onset
    on : (n_frames,), share of each frame's squared window in which direct sound is heard
    duration, after : samples, of the hiss, and heard after its nominal end
    """

    frames: Frames
    starts: NDArray[np.intp]
    on: NDArray[np.float64]
    duration: int
    after: int


def event_frames(frames: Frames, *, duration: int, after: int) -> EventFrames:
    """The frames of an event of that duration, samples."""
    lead = event_lead(frames.n)
    starts = np.arange(0, lead + duration + after - frames.n + 1, frames.hop) - lead
    on = _share_on(frames.n, starts, np.zeros(1, dtype=np.intp), duration)[:, 0]
    return EventFrames(frames, starts, on, duration, after)


def lag_weights(event: EventFrames) -> NDArray[np.float64]:
    """Share of the weight of all frames in which sound that is late by so many samples is heard; 1 without delay.

    Of frames that weigh what they hold of the sound: how much more a loud event weighs than the noise around it hardly
    changes how fast its echoes fade in the sum. Shape (duration + after,).
    """
    lags = np.arange(event.duration + event.after)
    heard = event.on @ _share_on(event.frames.n, event.starts, lags, event.duration)
    return np.asarray(heard / heard[0])


def weighing(event: EventFrames, *, excess: float, n_mics: int) -> tuple[float, float]:
    """Share of the weight that hears the event, and complex degrees of freedom of the sum, bins taken for independent.

    Parameters
    ----------
    event : EventFrames
    excess : float
        Power of the hiss over that of the noise, in the band, mean over the microphones.
    n_mics : int
    """
    weights = _seen(excess * event.on, _spread(event.frames, n_mics))
    weights = weights / (1.0 + weights) + LEAST_WEIGHT
    weights /= weights.sum()
    return float(weights @ event.on), _dof(weights * (1.0 + excess * event.on), event.frames)


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
    return float(power.sum() ** 2 / (power @ alike @ power) / BIN_OVERLAP)
