"""Fits a bank or a Gaussian to the vectors that somebody else's encoder gives of normal sound."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec
from trad_array.learning.covariance import fit_whitening
from trad_array.learning.frames import Corpus
from trad_array.learning.job import Job
from trad_array.learning.options import TrainingOptions
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.back_ends import MAX_WHITENED, BackEnd, clean_bank, neighbours_back_end
from trad_array.scoring.embeddings.encoder import ENCODERS, FS, Encoder, digest_of, load_encoder, weights_path
from trad_array.scoring.embeddings.scorer import MAX_WINDOW, EmbeddingScorer, Weights

# Windows that are encoded at most, chosen by the seed; encoding is what takes the time. Our choice.
MAX_WINDOWS = 8192


def for_beats(options: TrainingOptions) -> TrainingOptions:
    """Options of the kind "beats": windows of its length; see `learning.kinds.Kind.prepare`."""
    return _prepared("beats", options)


def for_eat(options: TrainingOptions) -> TrainingOptions:
    """Options of the kind "eat"."""
    return _prepared("eat", options)


def for_dasheng(options: TrainingOptions) -> TrainingOptions:
    """Options of the kind "dasheng"."""
    return _prepared("dasheng", options)


def for_wakeword(options: TrainingOptions) -> TrainingOptions:
    """Options of the kind "wakeword"."""
    return _prepared("wakeword", options)


def for_onnx(options: TrainingOptions) -> TrainingOptions:
    """Options of the kind "onnx": windows of the length that the network takes."""
    return _prepared("onnx", options)


def _prepared(name: str, options: TrainingOptions) -> TrainingOptions:
    """The waveform in windows of that encoder; says early which file is missing."""
    path = weights_path(name, options.encoder)
    window, hop = ENCODERS[name].window, ENCODERS[name].hop
    if window is None or hop is None:
        window = load_encoder(name, path).window
        hop = max(1, window // 2)
    if window > MAX_WINDOW:
        raise ConfigError(f"{path}: expected windows of at most {MAX_WINDOW} samples, found {window}")
    return replace(options, features=FeatureSpec(fs=FS, n_fft=window, hop=hop, front_end="waveform"))


def fit_kind(job: Job) -> tuple[EmbeddingScorer, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`."""
    path = weights_path(job.kind, job.options.encoder)
    features = job.options.features
    # Absolute, so that the model finds its encoder from any folder.
    place = None if job.options.encoder is None else str(path.resolve())
    weights = Weights(job.kind, place, digest_of(path))
    encoder = load_encoder(job.kind, path, window=features.n_fft)
    rng = np.random.default_rng(job.seeds)
    windows = _chosen(job.corpus, rng)
    job.watch.note(f"{job.kind}: encoding {len(windows)} windows of {features.n_fft / features.fs:.3g} s")
    vectors = _encoded(encoder, job.corpus, windows)
    kept = clean_bank(vectors)
    left_out = int(np.count_nonzero(~kept))
    if left_out:
        job.watch.note(f"{job.kind}: {left_out} of {len(kept)} windows lie apart from the others and are left out")
    scorer = EmbeddingScorer(
        features=features,
        weights=weights,
        encoder=encoder,
        back_end=_back_end(job.options.back_end, vectors[kept], rng),
        left_out=(left_out, len(kept)),
    )
    return scorer, ()


def _chosen(corpus: Corpus, rng: np.random.Generator) -> NDArray[np.int64]:
    """Windows to encode, shape (n, 3): segment, channel, frame; at most `MAX_WINDOWS`, in their order."""
    places = [
        np.stack(np.broadcast_arrays(n, *np.indices(frames.shape[:2])), axis=-1).reshape(-1, 3)
        for n, frames in enumerate(corpus.frames)
    ]
    windows = np.concatenate(places).astype(np.int64)
    if len(windows) <= MAX_WINDOWS:
        return windows
    return windows[np.sort(rng.permutation(len(windows))[:MAX_WINDOWS])]


def _encoded(encoder: Encoder, corpus: Corpus, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    vectors = np.empty((len(windows), encoder.n_values), dtype=np.float32)
    for n, (segment, channel, frame) in enumerate(windows):
        vectors[n] = encoder(corpus.frames[segment][channel, frame][None])[0]
    return vectors


def _back_end(name: str, vectors: FloatArray, rng: np.random.Generator) -> BackEnd:
    if name != "mahalanobis":
        return neighbours_back_end(name, vectors, rng)
    if vectors.shape[1] > MAX_WHITENED:
        raise ConfigError(
            f"back_end: expected knn or cosine for vectors of more than {MAX_WHITENED} numbers, found mahalanobis "
            f"for {vectors.shape[1]}"
        )
    centre, whitening = fit_whitening(vectors)
    return BackEnd(name, centre[None], whitening)
