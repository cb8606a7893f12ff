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

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import FloatArray
from trad_array.scoring.gaussian import mahalanobis, product
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

READINGS = ("components", "window", "batch", "none")
SCORES = ("mahalanobis", "mse")

# Layer sizes of the paper (section 4): 64-128-64 on either side of the code.
N_HIDDEN = 128
N_CODE = 64

# Frames of one recording that attend to each other in the reading "batch": the paper's batch size.
BATCH_FRAMES = 128

# Frames worked on at once; bounds memory (the attention of 128 frames over components takes 4 MB, twice over).
_CHUNK_FRAMES = 128
# Up to this, exponents need no shift: 2^600 and 64 of them are far from the largest double, 2^-600 from the smallest.
_SAFE_EXPONENT = 600.0

_NETWORKS = ("encoder", "decoder")
_HEADS = ("query", "key", "value")
_ONES = np.ones(N_CODE)


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
    _layers: tuple[NDArray[np.float64], NDArray[np.float64]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("band_mean", "band_std", "centre", "whitening"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        _check_reading(self.attention, self.distance, self.context)
        if self.band_std.min() <= 0:
            raise ValueError(f"band_std: expected numbers above 0, found {self.band_std.min():g}")
        object.__setattr__(self, "_layers", _folded(self))

    @property
    def streamable(self) -> bool:
        """Whether a frame's score depends on its own context alone; False for attention over a batch."""
        return self.attention != "batch"

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Distance of each frame from normal sound; see `FrameScorer.score`.

        With the reading "batch" the frames of each microphone are cut into batches of 128 from the first on.
        """
        n_mics, n_frames = log_mel.shape[:2]
        if n_frames == 0:
            return np.empty((n_mics, 0))
        if self.attention in ("components", "none"):
            # Microphones and frames alike: everything in one batch.
            frames = log_mel[:, :, -1:].reshape(n_mics * n_frames, 1, -1)
            return self._score_parts(frames, _CHUNK_FRAMES).reshape(n_mics, n_frames)
        size = BATCH_FRAMES if self.attention == "batch" else _CHUNK_FRAMES
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            scores[mic] = self._score_parts(log_mel[mic, :, -self.context :], size)
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
        last = self._encode(frames[:, -1])
        if self.attention == "components":
            return _attend_components(last)
        return _attend_batch(last, self.heads) if self.attention == "batch" else last

    def _score_parts(self, frames: FloatArray, size: int) -> NDArray[np.float64]:
        """Scores of frames, (n, context, n_mels), `size` at a time."""
        if len(frames) <= size:
            return self._score_frames(frames)
        return np.concatenate([self._score_frames(frames[k : k + size]) for k in range(0, len(frames), size)])

    def _score_frames(self, frames: FloatArray) -> NDArray[np.float64]:
        code = self.codes(frames)
        if self.distance == "mahalanobis":
            return mahalanobis(code, self.centre, self.whitening)
        error = _two_layers(self.decoder, code)
        error -= (frames[:, -1] - self.band_mean) / self.band_std
        squared: NDArray[np.float64] = np.vecdot(error, error) / error.shape[-1]
        return squared

    def _encode(self, frames: FloatArray) -> NDArray[np.float64]:
        """Decibels, (..., n_mels), to codes or, with attention over components, to query, key and value."""
        with_one = np.empty((*frames.shape[:-1], frames.shape[-1] + 1))
        with_one[..., :-1], with_one[..., -1] = frames, 1.0
        hidden = product(with_one, self._layers[0])
        return product(np.maximum(hidden, 0.0, out=hidden), self._layers[1])

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


def _folded(scorer: AttentionAE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The encoder from decibels on, as two matrices with a ReLU between them: every call in NumPy costs a live stream.

    The bands' standardisation goes into the first layer, the biases onto a constant 1 that is carried along. Attention
    over components uses nothing of the code but query, key and value, so there the second layer gives these, (n, 192),
    scaled as `_attend_components` takes them. All of it is linear: the numbers stay the same.

    Returns
    -------
    first : array, shape (n_mels + 1, 129)
    second : array, shape (129, 64 or 192)
    """
    first, second = scorer.encoder
    weight = first.weight / scorer.band_std[:, None]
    into = np.zeros((len(weight) + 1, N_HIDDEN + 1))
    into[:-1, :-1], into[-1, :-1], into[-1, -1] = weight, first.bias - scorer.band_mean @ weight, 1.0
    out = np.concatenate([second.weight, second.bias[None]])
    if scorer.attention != "components":
        return into, out
    query, key, value = scorer.heads
    scale = 1.0 / (np.sqrt(N_CODE) * np.log(2.0))
    heads = out @ np.concatenate([query.weight * scale, key.weight, value.weight], axis=1)
    heads[-1] += np.concatenate([query.bias * scale, key.bias, value.bias])
    return into, heads


def _two_layers(layers: tuple[Linear, Linear], x: NDArray[np.float64]) -> NDArray[np.float64]:
    return layers[1](np.maximum(layers[0](x), 0.0))


def _attend_components(heads: NDArray[np.float64]) -> NDArray[np.float64]:
    """softmax(q k^T / sqrt(d)) v over the components of each frame.

    Parameters
    ----------
    heads : array, shape (n_frames, 192): query / (sqrt(64) log 2), key and value of each frame

    Returns
    -------
    array, shape (n_frames, 64)

    Notes
    -----
    2^x is quicker than e^x; the factor between them is in the query. Exponents of many frames are a product of rank
    two, [q, -shift] [k, 1]^T: one matrix product a frame instead of an outer product and a difference.
    """
    n_frames = len(heads)
    query, key, value = heads[:, :N_CODE], heads[:, N_CODE : 2 * N_CODE], heads[:, 2 * N_CODE :]
    # |q_i k_j| <= |q| |k|: a single frame, as in a live stream, seldom needs the shift.
    if n_frames == 1 and query[0].dot(query[0]) * key[0].dot(key[0]) < _SAFE_EXPONENT**2:
        weights = query.T.dot(key)
        np.exp2(weights, out=weights)
        return np.asarray(weights.dot(value[0]) / weights.dot(_ONES))[None]
    left, right = np.empty((n_frames, N_CODE, 2)), np.ones((n_frames, 2, N_CODE))
    left[:, :, 0], right[:, 0] = query, key
    # The largest of q_i k_j over j is at the largest or the smallest key, as q_i is positive or negative.
    highest, lowest = key.max(-1, keepdims=True), key.min(-1, keepdims=True)
    left[:, :, 1] = -np.maximum(query * highest, query * lowest)
    weights = left @ right
    np.exp2(weights, out=weights)
    attended: NDArray[np.float64] = (weights @ value[:, :, None])[:, :, 0] / (weights @ _ONES)
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
