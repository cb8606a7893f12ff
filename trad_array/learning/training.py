"""Fits a scorer to a folder of recordings. Every kind ends as a model file that runs without torch."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from trad_array.detection.calibration import Calibration, fit_calibration
from trad_array.errors import AudioError, ConfigError, MissingExtra
from trad_array.features import FeatureSpec
from trad_array.learning.dataset import Dataset, Segment
from trad_array.learning.frames import Corpus, contexts_of, read_corpus
from trad_array.learning.job import Job, Watch
from trad_array.learning.kinds import KINDS, TRAINING_PACKAGES, FitKind, named
from trad_array.learning.options import TrainingOptions
from trad_array.learning.split import Split, split_recordings
from trad_array.scoring.frame_scorer import StoredScorer
from trad_array.scoring.model_file import Model, save_model


class BatchReadingWarning(UserWarning):
    """Scores of a model with attention over a batch depend on the neighbours of a frame."""


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
    kind : one of `learning.kinds.KINDS`
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
    if kind not in KINDS:
        raise ConfigError(f"scorer: expected one of {', '.join(KINDS)}, found {kind!r}")
    watch = watch or Watch()
    prepare = KINDS[kind].prepare
    options = options if prepare is None else named(prepare)(options)
    if kind == "attention-ae" and options.attention == "batch":
        text = "attention over a batch: a frame's score depends on its neighbours, the model cannot watch a stream"
        warnings.warn(BatchReadingWarning(text), stacklevel=2)
    split = split_recordings(
        dataset,
        supervised=KINDS[kind].supervised,
        rng=rng,
        train_share=options.train_share,
        calibration_share=options.calibration_share,
    )
    corpus, held_out, digests = _read(split, options.features, watch)
    seeds = tuple(int(seed) for seed in rng.integers(0, 2**31, size=2))
    job = Job(kind, options, corpus, watch, (seeds[0], seeds[1]), checkpoint, digests)
    scorer, losses = _fitted(job)
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


def _fitted(job: Job) -> tuple[StoredScorer, tuple[float, ...]]:
    """The scorer of that kind and its losses, by the function that `KINDS` names."""
    fit_kind: FitKind = named(KINDS[job.kind].fit)
    try:
        return fit_kind(job)
    except ImportError as trouble:
        package = (trouble.name or "").partition(".")[0]
        if package not in TRAINING_PACKAGES:
            raise
        raise MissingExtra(TRAINING_PACKAGES[package], "train") from trouble


def _calibration(scorer: StoredScorer, held_out: Corpus) -> Calibration:
    scores = [scorer.score(contexts_of(frames, scorer.context)) for frames in held_out.frames]
    values = np.concatenate(scores, axis=1)
    if values.shape[1] == 0:
        raise AudioError(f"{held_out.segments[0].name}: expected at least {scorer.context} frames, found fewer")
    return fit_calibration(values)


def _story(
    job: Job, split: Split, digests: Mapping[str, str], losses: Sequence[float], *, unusable: Sequence[str]
) -> dict[str, Any]:
    """Where the model comes from, as JSON values."""
    packages = ("trad-array", "numpy", *KINDS[job.kind].packages)
    options = asdict(job.options)
    options.pop("features")
    return {
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
        "options": options,
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
