"""Fits a scorer to a folder of recordings. Every kind ends as a model file that runs without torch."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trad_array.detection.calibration import Calibration, fit_calibration
from trad_array.errors import AudioError, ConfigError, MissingExtra
from trad_array.features import FeatureSpec
from trad_array.learning.dataset import Dataset, Segment
from trad_array.learning.frames import Corpus, FramePool, contexts_of, pool_frames, read_corpus, with_warm_up
from trad_array.learning.options import TrainingOptions
from trad_array.learning.split import Split, split_recordings
from trad_array.scoring.frame_scorer import StoredScorer
from trad_array.scoring.model_file import STORED_SCORERS, Model, save_model

if TYPE_CHECKING:
    from trad_array.learning.torch_loop import Run

# Standard deviation of a band that hardly varies, dB; digital silence must not be divided by zero.
_MIN_BAND_STD_DB = 0.1


class BatchReadingWarning(UserWarning):
    """Scores of a model with attention over a batch depend on the neighbours of a frame."""


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what while training goes on.

    reading : segments read and their total
    epoch : epochs done, their total, and the mean loss of the last
    note : one line for a person
    """

    reading: Callable[[int, int], None] = _nothing
    epoch: Callable[[int, int, float], None] = _nothing
    note: Callable[[str], None] = _nothing


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and how it came about.

    losses : mean training loss of every epoch; () for a scorer that is not trained in epochs
    unusable : one line about each recording that was left out
    """

    model: Model
    losses: tuple[float, ...]
    unusable: tuple[str, ...]


def fit(
    kind: str,
    dataset: Dataset,
    options: TrainingOptions,
    *,
    rng: np.random.Generator,
    watch: Watch | None = None,
    checkpoint: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Fitted:
    """Fit a scorer and its calibration.

    Parameters
    ----------
    kind : one of `scoring.model_file.STORED_SCORERS`
    rng : the split and all seeds follow from it: same generator, data and options, same model
    checkpoint : file that keeps the state after every epoch; an interrupted fit with the same options, data and rng
        goes on from it. It is left in place: see `train_to_file`.
    provenance : more that is to be stored with the model (command line, seed)

    Raises
    ------
    AudioError
        If the data set lacks recordings of a class that is needed, or too many cannot be used.
    ConfigError
        If the kind is unknown or the loss becomes infinite.
    MissingExtra
        If torch or scikit-learn is not installed.
    """
    if kind not in STORED_SCORERS:
        raise ConfigError(f"scorer: expected one of {', '.join(STORED_SCORERS)}, found {kind!r}")
    watch = watch or Watch()
    reading = "none" if kind == "ae" else options.attention
    if kind == "attention-ae" and reading == "batch":
        text = "attention over a batch: a frame's score depends on its neighbours, the model cannot watch a stream"
        warnings.warn(BatchReadingWarning(text), stacklevel=2)
    split = split_recordings(
        dataset,
        supervised=kind == "cnn",
        rng=rng,
        train_share=options.train_share,
        calibration_share=options.calibration_share,
    )
    corpus, held_out, digests = _read(split, options.features, watch)
    job = _Job(kind=kind, attention=reading, options=options, corpus=corpus, watch=watch)
    scorer, losses = _fit_scorer(job, rng=rng, checkpoint=checkpoint, digests=digests)
    story = dict(provenance or {}) | _story(job, split, digests, losses, unusable=corpus.unusable + held_out.unusable)
    model = Model(kind=kind, scorer=scorer, calibration=_calibration(scorer, held_out), provenance=story)
    return Fitted(model=model, losses=losses, unusable=corpus.unusable + held_out.unusable)


def train_to_file(
    kind: str,
    dataset: Dataset,
    options: TrainingOptions,
    path: Path,
    *,
    rng: np.random.Generator,
    watch: Watch | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Fitted:
    """Fit and write a model file; what an interruption leaves in `FILE.checkpoint` is taken up by the next call.

    Parameters and errors as of `fit`. The checkpoint is deleted once the model file is written.
    """
    checkpoint = path.with_name(path.name + ".checkpoint")
    fitted = fit(kind, dataset, options, rng=rng, watch=watch, checkpoint=checkpoint, provenance=provenance)
    save_model(fitted.model, path)
    checkpoint.unlink(missing_ok=True)
    return fitted


@dataclass(frozen=True, slots=True)
class _Job:
    """What is fitted, to what, how. The kind "ae" has the attention "none"."""

    kind: str
    attention: str
    options: TrainingOptions
    corpus: Corpus
    watch: Watch

    @property
    def context(self) -> int:
        return self.options.context if self.kind == "cnn" or self.attention == "window" else 1


def _read(split: Split, spec: FeatureSpec, watch: Watch) -> tuple[Corpus, Corpus, dict[str, str]]:
    """Frames for fitting, frames for calibration, and the digest of every recording by its name."""
    total = len(split.fitting) + len(split.calibration)
    corpus = read_corpus(split.fitting, spec, progress=lambda n, _: watch.reading(n, total))
    done = len(split.fitting)
    held_out = read_corpus(split.calibration, spec, progress=lambda n, _: watch.reading(done + n, total))
    used = {segment.label for segment in corpus.segments}
    if used != {segment.label for segment in split.fitting} or not held_out.segments:
        lines = corpus.unusable + held_out.unusable
        raise AudioError(f"none of the {'calibration' if used else 'training'} recordings can be used: {lines[0]}")
    return corpus, held_out, {segment.name: segment.digest() for segment in corpus.segments + held_out.segments}


def _fit_scorer(
    job: _Job, *, rng: np.random.Generator, checkpoint: Path | None, digests: Mapping[str, str]
) -> tuple[StoredScorer, tuple[float, ...]]:
    if job.kind == "gaussian":
        from trad_array.learning.covariance import fit_gaussian

        return fit_gaussian(job.corpus, job.options.features), ()
    try:
        from trad_array.learning import torch_loop
    except ImportError as trouble:
        if trouble.name != "torch":
            raise
        raise MissingExtra("torch", "train") from trouble
    weights, shuffle = (int(seed) for seed in rng.integers(0, 2**31, size=2))
    run = torch_loop.Run(
        options=job.options,
        weights_seed=weights,
        shuffle_seed=shuffle,
        checkpoint=checkpoint,
        fingerprint=_fingerprint(job, [weights, shuffle], digests),
        progress=job.watch.epoch,
        note=job.watch.note,
    )
    return _fit_cnn(job, run) if job.kind == "cnn" else _fit_autoencoder(job, run)


def _fit_autoencoder(job: _Job, run: "Run") -> tuple[StoredScorer, tuple[float, ...]]:
    from trad_array.learning.torch_autoencoder import train_autoencoder

    pool = pool_frames(job.corpus, job.options.features, context=job.context)
    mean, std = _bands(pool)
    return train_autoencoder(pool, job.corpus, run, attention=job.attention, band_mean=mean, band_std=std)


def _fit_cnn(job: _Job, run: "Run") -> tuple[StoredScorer, tuple[float, ...]]:
    from trad_array.learning.torch_cnn import train_cnn

    options, corpus = job.options, job.corpus
    if options.features.front_end == "floor":
        corpus = with_warm_up(corpus, n_frames=job.context)
    pool = pool_frames(corpus, options.features, context=job.context, hop=options.patch_hop, labels=options.labels)
    mean, std = _bands(pool)
    return train_cnn(pool, run, band_mean=mean, band_std=std)


def _bands(pool: FramePool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each band, dB; every network is fed standardised bands (our choice)."""
    mean = pool.rows.mean(axis=0, dtype=np.float64)
    std = pool.rows.std(axis=0, dtype=np.float64)
    return mean, np.maximum(std, _MIN_BAND_STD_DB)


def _calibration(scorer: StoredScorer, held_out: Corpus) -> Calibration:
    scores = [scorer.score(contexts_of(frames, scorer.context)) for frames in held_out.frames]
    values = np.concatenate(scores, axis=1)
    if values.shape[1] == 0:
        raise AudioError(f"{held_out.segments[0].name}: expected at least {scorer.context} frames, found fewer")
    return fit_calibration(values)


def _fingerprint(job: _Job, seeds: Sequence[int], digests: Mapping[str, str]) -> str:
    settings = {"kind": job.kind, "options": asdict(job.options), "seeds": list(seeds), "data": dict(digests)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _story(
    job: _Job, split: Split, digests: Mapping[str, str], losses: Sequence[float], *, unusable: Sequence[str]
) -> dict[str, Any]:
    """Where the model comes from, as JSON values."""
    packages = ["trad-array", "numpy", "scikit-learn"] + (["torch"] if job.kind != "gaussian" else [])
    options = asdict(job.options)
    options.pop("features")
    return {
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
        "options": options | {"attention": job.attention},
        "counts": {
            "fitting": _counts(split.fitting, digests),
            "calibration": _counts(split.calibration, digests),
            "unusable": len(unusable),
        },
        "losses": [float(f"{loss:.6g}") for loss in losses],
        "training_recordings": {s.name: digests[s.name] for s in split.fitting if s.name in digests},
        "calibration_recordings": {s.name: digests[s.name] for s in split.calibration if s.name in digests},
    }


def _counts(segments: Sequence[Segment], used: Mapping[str, str]) -> dict[str, int]:
    labels = [segment.label for segment in segments if segment.name in used]
    return {label: labels.count(label) for label in ("normal", "abnormal")}
