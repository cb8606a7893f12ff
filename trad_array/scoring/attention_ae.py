"""The paper's autoencoder with self-attention on its code, and the plain autoencoder; runs on NumPy alone.

encoder 64-128-64 -> code z -> self-attention -> decoder 64-128-64. Training minimises the reconstruction error; the
score is the Mahalanobis distance of the code after attention (equation 4).

The paper does not say what attends to what. The reading is therefore a saved setting:

- ``components`` (default): the 64 components of one frame's code attend to each other. A frame alone decides.
- ``window``: the frame attends to the codes of a fixed context of past frames.
- ``batch``: the frames of a batch attend to each other. A score then depends on who else is in the batch: only for
  reproducing the paper, never for a stream.
- ``none``: no attention, the paper's plain autoencoder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import FloatArray
from trad_array.scoring.gaussian import mahalanobis
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

READINGS = ("components", "window", "batch", "none")
SCORES = ("mahalanobis", "mse")

# Layer sizes of the paper (section 4): 64-128-64 on either side of the code.
N_HIDDEN = 128
N_CODE = 64

# Frames of one recording that attend to each other in the reading "batch": the paper's batch size.
BATCH_FRAMES = 128

# Frames worked on at once; bounds memory (the attention of 256 frames over components takes 8 MB).
_CHUNK_FRAMES = 256

_NETWORKS = ("encoder", "decoder")
_HEADS = ("query", "key", "value")


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """x @ weight + bias.

    weight : (n_in, n_out)
    bias : (n_out,)
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("weight", "bias"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply to the last axis."""
        return x @ self.weight + self.bias


@dataclass(frozen=True, slots=True, eq=False)
class AttentionAE:
    """Autoencoder whose code, after attention, is compared with the codes of normal sound.

    features : what it must be fed
    attention : one of `READINGS`
    distance : "mahalanobis" (of the code after attention) or "mse" (of the reconstruction)
    context : frames per decision; 1 unless attention is "window"
    band_mean, band_std : (n_mels,), dB, of the training frames; inputs are standardised with them (our choice)
    encoder, decoder : two layers each, with a ReLU between them
    heads : query, key and value of the attention, or () without attention
    centre, whitening : (64,), (64, 64), of the codes of normal frames, Ledoit-Wolf covariance
    """

    features: FeatureSpec
    attention: str
    distance: str
    context: int
    band_mean: NDArray[np.float64]
    band_std: NDArray[np.float64]
    encoder: tuple[Linear, Linear]
    heads: tuple[Linear, ...]
    decoder: tuple[Linear, Linear]
    centre: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("band_mean", "band_std", "centre", "whitening"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        _check_reading(self.attention, self.distance, self.context)
        if self.band_std.min() <= 0:
            raise ValueError(f"band_std: expected numbers above 0, found {self.band_std.min():g}")

    @property
    def streamable(self) -> bool:
        """Whether a frame's score depends on its own context alone; False for attention over a batch."""
        return self.attention != "batch"

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Distance of each frame from normal sound; see `FrameScorer.score`.

        With the reading "batch" the frames of each microphone are cut into batches of 128 from the first on.
        """
        n_mics, n_frames = log_mel.shape[:2]
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            for part in _parts(n_frames, BATCH_FRAMES if self.attention == "batch" else _CHUNK_FRAMES):
                scores[mic, part] = self._score_frames(log_mel[mic, part, -self.context :])
        return scores

    def codes(self, frames: FloatArray) -> NDArray[np.float64]:
        """Codes after attention.

        Parameters
        ----------
        frames : array, shape (n_frames, context, n_mels), dB; one batch when the reading is "batch"

        Returns
        -------
        array, shape (n_frames, 64)
        """
        if self.attention == "window":
            return _attend_window(self._encode_context(frames), self.heads)
        code = self._encode(frames[:, -1])
        if self.attention == "components":
            return _attend_components(code, self.heads)
        return _attend_batch(code, self.heads) if self.attention == "batch" else code

    def _score_frames(self, frames: FloatArray) -> NDArray[np.float64]:
        code = self.codes(frames)
        if self.distance == "mahalanobis":
            return mahalanobis(code, self.centre, self.whitening)
        error = _two_layers(self.decoder, code) - self._standardised(frames[:, -1])
        squared: NDArray[np.float64] = np.mean(error**2, axis=-1)
        return squared

    def _standardised(self, frames: FloatArray) -> NDArray[np.float64]:
        return (frames.astype(np.float64) - self.band_mean) / self.band_std

    def _encode(self, frames: FloatArray) -> NDArray[np.float64]:
        return _two_layers(self.encoder, self._standardised(frames))

    def _encode_context(self, frames: FloatArray) -> NDArray[np.float64]:
        """Codes of all frames of each context, (n_frames, context, 64); frames that contexts share are encoded once."""
        if len(frames) < 2 or frames.strides[0] != frames.strides[1]:
            return self._encode(frames)
        stretch = self._encode(np.concatenate([frames[:, 0], frames[-1, 1:]]))
        return np.lib.stride_tricks.sliding_window_view(stretch, self.context, axis=0).swapaxes(1, 2)

    def settings(self) -> dict[str, Any]:
        """What is not an array, as JSON values."""
        return {"attention": self.attention, "distance": self.distance, "context": self.context}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name; weights are stored as float32, which is what training ends with."""
        found: dict[str, NDArray[Any]] = {
            name: getattr(self, name) for name in ("band_mean", "band_std", "centre", "whitening")
        }
        layers = {f"{network}/{i}": getattr(self, network)[i] for network in _NETWORKS for i in range(2)}
        layers |= dict(zip(_HEADS, self.heads, strict=False))
        for name, layer in layers.items():
            found[f"{name}/weight"] = layer.weight.astype(np.float32)
            found[f"{name}/bias"] = layer.bias.astype(np.float32)
        return found

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError, TypeError or ValueError when they do not fit."""
        attention, distance, context = settings["attention"], settings["distance"], settings["context"]
        _check_reading(attention, distance, context)
        n = features.n_mels
        names = () if attention == "none" else _HEADS
        return cls(
            features=features,
            attention=attention,
            distance=distance,
            context=context,
            band_mean=require(arrays, "band_mean", (n,), np.float64),
            band_std=require(arrays, "band_std", (n,), np.float64),
            encoder=(_linear(arrays, "encoder/0", n, N_HIDDEN), _linear(arrays, "encoder/1", N_HIDDEN, N_CODE)),
            heads=tuple(_linear(arrays, name, N_CODE, N_CODE) for name in names),
            decoder=(_linear(arrays, "decoder/0", N_CODE, N_HIDDEN), _linear(arrays, "decoder/1", N_HIDDEN, n)),
            centre=require(arrays, "centre", (N_CODE,), np.float64),
            whitening=require(arrays, "whitening", (N_CODE, N_CODE), np.float64),
        )


def _check_reading(attention: object, distance: object, context: object) -> None:
    if attention not in READINGS:
        raise ValueError(f"attention: expected one of {', '.join(READINGS)}, found {attention!r}")
    if distance not in SCORES:
        raise ValueError(f"distance: expected one of {', '.join(SCORES)}, found {distance!r}")
    if not isinstance(context, int) or isinstance(context, bool):
        raise TypeError(f"context: expected a whole number, found {context!r}")
    lowest, highest = (2, 1024) if attention == "window" else (1, 1)
    if not lowest <= context <= highest:
        raise ValueError(
            f"context: expected {lowest} to {highest} frames with attention {attention!r}, found {context}"
        )


def _linear(arrays: dict[str, NDArray[Any]], name: str, n_in: int, n_out: int) -> Linear:
    return Linear(
        weight=require(arrays, f"{name}/weight", (n_in, n_out), np.float64),
        bias=require(arrays, f"{name}/bias", (n_out,), np.float64),
    )


def _parts(n_frames: int, size: int) -> Iterator[slice]:
    for first in range(0, n_frames, size):
        yield slice(first, min(first + size, n_frames))


def _two_layers(layers: tuple[Linear, Linear], x: NDArray[np.float64]) -> NDArray[np.float64]:
    return layers[1](np.maximum(layers[0](x), 0.0))


def _attend_components(code: NDArray[np.float64], heads: tuple[Linear, ...]) -> NDArray[np.float64]:
    """softmax(q k^T / sqrt(d)) v over the components of each frame; (n_frames, 64) to (n_frames, 64)."""
    query, key, value = (head(code) for head in heads)
    scaled = query / np.sqrt(query.shape[-1])
    # The largest of q_i k_j over j is at the largest or the smallest key, as q_i is positive or negative.
    largest = np.where(scaled > 0, scaled * key.max(-1, keepdims=True), scaled * key.min(-1, keepdims=True))
    weights = np.exp(scaled[:, :, None] * key[:, None, :] - largest[:, :, None])
    attended: NDArray[np.float64] = (weights @ value[:, :, None])[..., 0] / weights.sum(-1)
    return attended


def _attend_window(code: NDArray[np.float64], heads: tuple[Linear, ...]) -> NDArray[np.float64]:
    """The last frame asks all frames of its context; (n_frames, context, 64) to (n_frames, 64)."""
    to_query, to_key, to_value = heads
    query = to_query(code[:, -1])
    logits = np.einsum("nd,ncd->nc", query, to_key(code)) / np.sqrt(query.shape[-1])
    attended: NDArray[np.float64] = np.einsum("nc,ncd->nd", _softmax(logits), to_value(code))
    return attended


def _attend_batch(code: NDArray[np.float64], heads: tuple[Linear, ...]) -> NDArray[np.float64]:
    """Every frame asks every frame of the batch; (n_frames, 64) to (n_frames, 64)."""
    query, key, value = (head(code) for head in heads)
    return _softmax(query @ key.T / np.sqrt(query.shape[-1])) @ value


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    normalised: NDArray[np.float64] = weights / weights.sum(-1, keepdims=True)
    return normalised
