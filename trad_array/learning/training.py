"""Fits a scorer to a folder of recordings. Every kind ends as a model file that runs without torch."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from trad_array.detection.calibration import Calibration, fit_calibration
from trad_array.errors import AudioError, ConfigError, MissingExtra
from trad_array.features import FeatureSpec
from trad_array.learning.checks import Suspects, check_rates, find_suspects, level_of
from trad_array.learning.dataset import Dataset, Segment
from trad_array.learning.frames import Corpus, contexts_of, read_corpus
from trad_array.learning.job import Job, Watch
from trad_array.learning.kinds import KINDS, TRAINING_PACKAGES, FitKind, named
from trad_array.learning.options import TrainingOptions
from trad_array.learning.scored import require_finite
from trad_array.learning.split import Split, split_recordings
from trad_array.scoring.frame_scorer import FrameScorer, StoredScorer
from trad_array.scoring.model_file import Model, save_model

# Less is nothing to fit on. Our choice.
_LEAST_NORMAL_S = 0.5
# Frames that are looked at for vents in normal sound, about; of more, every second, third, ... one.
_LOOKED_AT_FRAMES = 100_000


class BatchReadingWarning(UserWarning):
    """Scores of a model with attention over a batch depend on the neighbours of a frame."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and how it came about.

    losses : mean training loss of every epoch up to that whose weights were kept; () for a scorer without epochs
    unusable : one line about each recording that was left out
    suspects : normal recordings, fitted or calibrated on, that do not look it to the model
    """

    model: Model
    losses: tuple[float, ...]
    unusable: tuple[str, ...]
    suspects: Suspects = field(default_factory=Suspects)


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
        If the data set lacks recordings of a class that is needed, too many cannot be used, their rates do not go
        together, or there is too little normal sound.
    ConfigError
        If the kind is unknown, the loss becomes infinite, or the scorer gives NaN.
    MissingExtra
        If torch or scikit-learn is not installed.
    """
    watch = watch or Watch()
    options = prepared(kind, options)
    check_rates(dataset, fs=options.features.fs)
    split = split_recordings(
        dataset,
        supervised=KINDS[kind].supervised,
        rng=rng,
        train_share=options.train_share,
        calibration_share=options.calibration_share,
        validation_share=options.validation_share if KINDS[kind].epochs and options.early_stop else 0.0,
    )
    parts = read_parts(split, options.features, watch)
    first, second = (int(seed) for seed in rng.integers(0, 2**31, size=2))
    return fit_parts(
        kind, options, parts, seeds=(first, second), watch=watch, checkpoint=checkpoint, provenance=provenance
    )


def prepared(kind: str, options: TrainingOptions) -> TrainingOptions:
    """The options that this kind is fitted with when these are asked for; raises ConfigError for an unknown kind."""
    if kind not in KINDS:
        raise ConfigError(f"scorer: expected one of {', '.join(KINDS)}, found {kind!r}")
    prepare = KINDS[kind].prepare
    options = options if prepare is None else named(prepare)(options)
    if kind == "attention-ae" and options.attention == "batch":
        text = "attention over a batch: a frame's score depends on its neighbours, the model cannot watch a stream"
        warnings.warn(BatchReadingWarning(text), stacklevel=3)
    return options


@dataclass(frozen=True, slots=True)
class Parts:
    """Frames to fit on, to calibrate with, and to stop early by.

    fitting : of the weights; holds abnormal recordings only for a supervised scorer
    calibration : of normal recordings
    digests : of the content of every recording, by its name
    validation : of recordings that tell when to stop, or None when none are kept apart
    """

    fitting: Corpus
    calibration: Corpus
    digests: Mapping[str, str]
    validation: Corpus | None = None

    @property
    def corpora(self) -> tuple[Corpus, ...]:
        """All that there are."""
        return (self.fitting, self.calibration, *(() if self.validation is None else (self.validation,)))

    @property
    def unusable(self) -> tuple[str, ...]:
        """One line about each recording that was left out."""
        return tuple(dict.fromkeys(line for corpus in self.corpora for line in corpus.unusable))


def fit_parts(
    kind: str,
    options: TrainingOptions,
    parts: Parts,
    *,
    seeds: tuple[int, int],
    watch: Watch | None = None,
    checkpoint: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Fitted:
    """Fit a scorer and its calibration to frames; `options` as of `prepared`, everything else as of `fit`."""
    check_enough(parts.fitting, options.features)
    job = Job(kind, options, parts.fitting, watch or Watch(), seeds, checkpoint, parts.digests, parts.validation)
    scorer, losses = _fitted(job)
    calibration = calibrated(kind, scorer, parts.calibration)
    suspects = _suspects(kind, scorer, calibration, parts)
    story = dict(provenance or {}) | _story(job, parts, losses, suspects)
    model = Model(kind=kind, scorer=scorer, calibration=calibration, provenance=story)
    return Fitted(model=model, losses=losses, unusable=parts.unusable, suspects=suspects)


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


def read_parts(split: Split, spec: FeatureSpec, watch: Watch) -> Parts:
    """Frames of a split; raises AudioError when too many recordings, or all of a class, cannot be used."""
    wanted = [split.fitting, split.calibration, *([split.validation] if split.validation else [])]
    total = sum(len(part) for part in wanted)
    corpora: list[Corpus] = []
    for part in wanted:
        done = sum(len(earlier) for earlier in wanted[: len(corpora)])
        corpora.append(read_corpus(part, spec, progress=partial(_tell, watch, done, total)))
    names = ("training", "calibration", "validation")
    for name, part, corpus in zip(names, wanted, corpora, strict=False):
        if {segment.label for segment in corpus.segments} != {segment.label for segment in part}:
            lines = [line for corpus in corpora for line in corpus.unusable]
            raise AudioError(f"none of the {name} recordings can be used: {lines[0]}")
    digests = {segment.name: segment.digest() for corpus in corpora for segment in corpus.segments}
    return Parts(corpora[0], corpora[1], digests, corpora[2] if split.validation else None)


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


def calibrated(kind: str, scorer: FrameScorer, held_out: Corpus) -> Calibration:
    """Scale of a scorer from normal recordings that it was not fitted on.

    Raises
    ------
    AudioError
        If they are too short to be scored.
    ConfigError
        If the scorer gives NaN or infinity.
    """
    scores = []
    for segment, frames in zip(held_out.segments, held_out.frames, strict=True):
        scores.append(scorer.score(contexts_of(frames, scorer.context)))
        require_finite(scores[-1], kind=kind, name=segment.name)
    values = np.concatenate(scores, axis=1)
    if values.shape[1] == 0:
        raise AudioError(f"{held_out.segments[0].name}: expected at least {scorer.context} frames, found fewer")
    return fit_calibration(values)


def check_enough(fitting: Corpus, spec: FeatureSpec) -> None:
    """Raise AudioError when there is less than half a second of normal sound to fit on."""
    normal = (f for s, f in zip(fitting.segments, fitting.frames, strict=True) if s.label == "normal")
    heard_s = sum(frames.shape[1] for frames in normal) * spec.hop / spec.fs
    if heard_s < _LEAST_NORMAL_S:
        raise AudioError(
            f"too little normal sound: expected at least {_LEAST_NORMAL_S:g} s to fit on, found {heard_s:.2f} s"
        )


def _suspects(kind: str, scorer: FrameScorer, calibration: Calibration, parts: Parts) -> Suspects:
    """Normal recordings, fitted or calibrated on, that do not look it; every so many frames of each."""
    both = (parts.fitting, parts.calibration)
    pairs = [pair for corpus in both for pair in zip(corpus.segments, corpus.frames, strict=True)]
    normal = [(segment, frames) for segment, frames in pairs if segment.label == "normal"]
    hop = max(1, sum(frames.shape[0] * frames.shape[1] for _, frames in normal) // _LOOKED_AT_FRAMES)
    levels: dict[Segment, float] = {}
    for segment, frames in normal:
        contexts = contexts_of(frames, scorer.context)[:, ::hop]
        if contexts.shape[1]:
            scores = scorer.score(contexts)
            require_finite(scores, kind=kind, name=segment.name)
            level = level_of(calibration.for_mics(len(scores))(scores))
            # A recording may be in several pieces.
            levels[segment] = max(level, levels.get(segment, level))
    return find_suspects(tuple(levels), tuple(levels.values()))


def _story(job: Job, parts: Parts, losses: Sequence[float], suspects: Suspects) -> dict[str, Any]:
    """Where the model comes from, as JSON values."""
    packages = ("trad-array", "numpy", *KINDS[job.kind].packages)
    options = asdict(job.options)
    options.pop("features")
    # A recording may be in several pieces.
    names = ("fitting", "calibration", "validation")
    used = {name: dict[Segment, None]() for name in names}
    used |= {name: dict.fromkeys(corpus.segments) for name, corpus in zip(names, parts.corpora, strict=False)}
    return {
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: _version(name) for name in packages},
        "options": options,
        "counts": {
            **{name: _counts(segments) for name, segments in used.items()},
            "unusable": len(parts.unusable),
        },
        "losses": [float(f"{loss:.6g}") for loss in losses],
        "suspects": {"names": list(suspects.names), "n": suspects.n},
        "training_recordings": {s.name: parts.digests[s.name] for s in used["fitting"]},
        "calibration_recordings": {s.name: parts.digests[s.name] for s in used["calibration"]},
        "validation_recordings": {s.name: parts.digests[s.name] for s in used["validation"]},
    }


def _version(package: str) -> str:
    """Of a package as it is installed; one that comes as a build for the processor alone may be there as a whole."""
    try:
        return version(package)
    except PackageNotFoundError:
        return version(package.removesuffix("-cpu"))


def _counts(segments: Iterable[Segment]) -> dict[str, int]:
    labels = [segment.label for segment in segments]
    return {label: labels.count(label) for label in ("normal", "abnormal")}
