"""Wavelet packet energies and boosted trees, after Su et al. 2021; runs on NumPy alone.

Su et al. (safety venting sound in storage stations, 92.31 % of sounds told right) denoise by spectral subtraction,
describe a stretch of sound and let XGBoost decide. The description leaves the details open; ours are: db4 packets of
Hann-windowed frames, 32 bands of 250 Hz, the mean packet energies of normal training frames as the noise that is
subtracted, as much of it as fits under a frame.

Energies are ``relative`` (each band's share of the frame, dB; a change of level changes nothing) or ``absolute`` (dB).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.features.log_mel import hann_window
from trad_array.features.wavelets import packet_energies
from trad_array.records import FloatArray
from trad_array.scoring.model_file import require
from trad_array.scoring.trees import Trees
from trad_array_geometry import frozen_array

ENERGIES = ("relative", "absolute")
N_LEVELS = 5
N_BANDS = 2**N_LEVELS

# Share of a band's energy that is left however much noise is subtracted: a logarithm needs something (our choice).
_LEFT_OVER = 0.02
# Share of the bands that may lie below the noise that is subtracted (our choice).
_BELOW_NOISE = 0.25
# Energy that counts as silence, of 1024 windowed samples; full scale is about 200.
_SILENCE = 1e-10
# Longest filter that a model file may bring.
_MAX_TAPS = 128
# Frames worked on at once; bounds memory to about 20 MB.
_CHUNK_FRAMES = 256


@dataclass(frozen=True, slots=True, eq=False)
class WaveletXGBoost:
    """Logit that a frame holds a venting cell.

    features : what it must be fed: samples, a multiple of 32 to a frame
    energies : one of `ENERGIES`
    low : (n_taps,), low-pass filter of the wavelet
    noise : (32,), mean packet energies of normal frames
    trees : from the 32 numbers of a frame to the logit
    """

    features: FeatureSpec
    energies: str
    low: NDArray[np.float64]
    noise: NDArray[np.float64]
    trees: Trees

    def __post_init__(self) -> None:
        for name in ("low", "noise"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        if self.energies not in ENERGIES:
            raise ValueError(f"energies: expected one of {', '.join(ENERGIES)}, found {self.energies!r}")
        if self.features.front_end != "waveform" or self.features.n_fft % N_BANDS:
            raise ValueError(f"features: expected waveform, a multiple of {N_BANDS} samples, found {self.features}")
        if not self.noise.min() > 0:
            raise ValueError(f"noise: expected numbers above 0, found {self.noise.min():g}")

    @property
    def context(self) -> int:
        """One: every frame is scored by itself."""
        return 1

    @property
    def streamable(self) -> bool:
        """True: a score depends on nothing but its own frame."""
        return True

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Logit of each frame; see `FrameScorer.score`."""
        n_mics, n_frames = log_mel.shape[:2]
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            energies = frame_energies(log_mel[mic, :, -1], self.low)
            scores[mic] = self.trees(described(energies, self.noise, energies_as=self.energies))
        return scores

    def settings(self) -> dict[str, Any]:
        """What is not an array, as JSON values."""
        return {"energies": self.energies}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        return {"low": self.low, "noise": self.noise, **self.trees.arrays()}

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError, TypeError or ValueError when they do not fit."""
        taps = arrays["low"].size
        if taps % 2 or not 0 < taps <= _MAX_TAPS:
            raise ValueError(f"low: expected an even number of taps up to {_MAX_TAPS}, found {taps}")
        return cls(
            features=features,
            energies=settings["energies"],
            low=require(arrays, "low", (taps,), np.float64),
            noise=require(arrays, "noise", (N_BANDS,), np.float64),
            trees=Trees.restore(arrays, n_values=N_BANDS),
        )


def frame_energies(frames: FloatArray, low: NDArray[np.float64]) -> NDArray[np.float64]:
    """Packet energies of frames of samples under a Hann window; shape (n_frames, n_fft) to (n_frames, 32)."""
    energies = np.empty((len(frames), N_BANDS))
    window = hann_window(frames.shape[-1]).astype(np.float64)
    for first in range(0, len(frames), _CHUNK_FRAMES):
        part = slice(first, first + _CHUNK_FRAMES)
        energies[part] = packet_energies(frames[part] * window, low, levels=N_LEVELS)
    return energies


def described(energies: NDArray[np.float64], noise: NDArray[np.float64], *, energies_as: str) -> NDArray[np.float32]:
    """Numbers that the trees are fed.

    Parameters
    ----------
    energies : array, shape (n_frames, 32)
    noise : array, shape (32,)
    energies_as : one of `ENERGIES`

    Returns
    -------
    array, shape (n_frames, 32), dB, in single precision, as XGBoost compares

    Notes
    -----
    The noise is scaled to the frame before it is subtracted, so that a fan that runs louder is still a fan: by the
    ratio that a quarter of the bands lie below. What is left of a band is at least 2 % of it.
    """
    scale = np.quantile(energies / noise, _BELOW_NOISE, axis=-1, keepdims=True)
    left = np.maximum(energies - scale * noise, _LEFT_OVER * energies) + _SILENCE
    if energies_as == "relative":
        left = left / left.sum(axis=-1, keepdims=True)
    return (10.0 * np.log10(left)).astype(np.float32)
