"""Fits a scorer to a folder of recordings. Every kind ends as a model file that runs without torch."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
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

    losses : mean training loss of every epoch up to that whose weights were kept; () for a scorer without epochs
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
        validation_share=options.validation_share if KINDS[kind].epochs and options.early_stop else 0.0,
    )
    read, digests = _read(split, options.features, watch)
    seeds = tuple(int(seed) for seed in rng.integers(0, 2**31, size=2))
    job = Job(kind, options, read.fitting, watch, (seeds[0], seeds[1]), checkpoint, digests, read.validation)
    scorer, losses = _fitted(job)
    story = dict(provenance or {}) | _story(job, split, digests, losses, unusable=read.unusable)
    model = Model(kind=kind, scorer=scorer, calibration=_calibration(scorer, read.calibration), provenance=story)
    return Fitted(model=model, losses=losses, unusable=read.unusable)


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
class _Read:
    """Frames of the recordings of a split; `validation` is None when none are kept apart."""

    fitting: Corpus
    calibration: Corpus
    validation: Corpus | None

    @property
    def parts(self) -> tuple[Corpus, ...]:
        return (self.fitting, self.calibration, *(() if self.validation is None else (self.validation,)))

    @property
    def unusable(self) -> tuple[str, ...]:
        return tuple(line for part in self.parts for line in part.unusable)


def _read(split: Split, spec: FeatureSpec, watch: Watch) -> tuple[_Read, dict[str, str]]:
    """Frames for fitting, calibration and validation, and the digest of every recording by its name."""
    parts = [split.fitting, split.calibration, *([split.validation] if split.validation else [])]
    total = sum(len(part) for part in parts)
    corpora: list[Corpus] = []
    for part in parts:
        done = sum(len(earlier) for earlier in parts[: len(corpora)])
        corpora.append(read_corpus(part, spec, progress=partial(_tell, watch, done, total)))
    names = ("training", "calibration", "validation")
    for name, part, corpus in zip(names, parts, corpora, strict=False):
        if {segment.label for segment in corpus.segments} != {segment.label for segment in part}:
            lines = [line for corpus in corpora for line in corpus.unusable]
            raise AudioError(f"none of the {name} recordings can be used: {lines[0]}")
    read = _Read(corpora[0], corpora[1], corpora[2] if split.validation else None)
    return read, {segment.name: segment.digest() for corpus in read.parts for segment in corpus.segments}


def _tell(watch: Watch, done: int, total: int, n: int, _of: int) -> None:
    watch.reading(done + n, total)


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
        "versions": {name: _version(name) for name in packages},
        "options": options,
        "counts": {
            "fitting": _counts(split.fitting, digests),
            "calibration": _counts(split.calibration, digests),
            "validation": _counts(split.validation, digests),
            "unusable": len(unusable),
        },
        "losses": [float(f"{loss:.6g}") for loss in losses],
        "training_recordings": {s.name: digests[s.name] for s in split.fitting if s.name in digests},
        "calibration_recordings": {s.name: digests[s.name] for s in split.calibration if s.name in digests},
        "validation_recordings": {s.name: digests[s.name] for s in split.validation if s.name in digests},
    }


def _version(package: str) -> str:
    """Of a package as it is installed; one that comes as a build for the processor alone may be there as a whole."""
    try:
        return version(package)
    except PackageNotFoundError:
        return version(package.removesuffix("-cpu"))


def _counts(segments: Sequence[Segment], used: Mapping[str, str]) -> dict[str, int]:
    labels = [segment.label for segment in segments if segment.name in used]
    return {label: labels.count(label) for label in ("normal", "abnormal")}
