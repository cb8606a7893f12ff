"""The paper's experiments: every system fitted and tested in the same splits of one folder, resumable."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trad_array.errors import ConfigError, WeightsError
from trad_array.features import FeatureSpec
from trad_array.learning.checks import Suspects, check_rates
from trad_array.learning.dataset import Dataset
from trad_array.learning.evaluation import SystemResult, system_result
from trad_array.learning.frames import read_corpus
from trad_array.learning.job import Watch
from trad_array.learning.kinds import KINDS
from trad_array.learning.options import TrainingOptions
from trad_array.learning.own import fit_own, is_own, own_features
from trad_array.learning.protocol_splits import SPLITS, frames_for, protocol_split, random_frames
from trad_array.learning.scored import Detector, Scored, score_segments
from trad_array.learning.split import Split
from trad_array.learning.training import Parts, fit_parts, prepared, read_parts
from trad_array.scoring.model_file import load_model, save_model

# The paper's systems, and the plain Gaussian that the autoencoders must beat.
PAPER_SYSTEMS = ("gaussian", "ae", "attention-ae", "cnn")


@dataclass(frozen=True, slots=True)
class Protocol:
    """One run of the experiments.

    dataset : with normal and abnormal recordings
    options : how systems are fitted; the paper's features are `FeatureSpec(front_end="absolute")`
    models : folder that the fitted models are kept in
    seed : splits, first weights and order of samples follow from it
    digests : of every recording by its name
    provenance : more that is to be stored with every model
    """

    dataset: Dataset
    options: TrainingOptions
    models: Path
    seed: int
    digests: Mapping[str, str]
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A system that was fitted in one split.

    detector : the scorer with its scale
    losses : of every epoch; () without epochs
    unusable : one line about each recording that was left out
    suspects : normal recordings that do not look it
    kept : it was there already, fitted by the same experiment
    """

    detector: Detector
    losses: tuple[float, ...] = ()
    unusable: tuple[str, ...] = ()
    suspects: Suspects = field(default_factory=Suspects)
    kept: bool = False


def start_protocol(
    dataset: Dataset,
    options: TrainingOptions,
    models: Path,
    *,
    seed: int,
    provenance: Mapping[str, Any] | None = None,
) -> Protocol:
    """Look at a data set before hours of training; raises AudioError when it lacks a class or its rates do not fit."""
    dataset.need("normal", "abnormal")
    check_rates(dataset, fs=options.features.fs)
    digests = {segment.name: segment.digest() for segment in dataset.segments}
    return Protocol(dataset, options, models, seed, digests, dict(provenance or {}))


def check_system(name: str) -> None:
    """Raise ConfigError unless that is a kind of scorer, or a scorer of one's own that can be made."""
    if is_own(name):
        own_features(name)
    elif name not in KINDS:
        raise ConfigError(f"scorer: expected one of {', '.join(KINDS)} or file.py:Class, found {name!r}")


def train_system(protocol: Protocol, name: str, way: str, *, watch: Watch | None = None) -> Trained:
    """Fit a system in one of `protocol_splits.SPLITS`, or take up its model when the same experiment has fitted it.

    Parameters
    ----------
    name : a kind of `learning.kinds.KINDS`, fitted with epochs that can be interrupted, or a scorer of one's own
    way : of splitting

    Raises
    ------
    AudioError, ConfigError, MissingExtra
        As `training.fit`, `protocol_split` and `own.fit_own`.
    """
    watch = watch or Watch()
    split = protocol_split(protocol.dataset, way, supervised=_supervised(name), seed=protocol.seed)
    if is_own(name):
        parts = _parts(protocol, split, name, way, own_features(name), watch)
        return Trained(fit_own(name, parts.fitting, parts.calibration), unusable=parts.unusable)
    options = prepared(name, protocol.options)
    path = protocol.models / f"{name}-{way}.model"
    fingerprint = _fingerprint(protocol, options, name, way)
    kept = _kept(path, fingerprint)
    if kept is not None:
        return kept
    checkpoint = path.with_name(path.name + ".checkpoint")
    parts = _parts(protocol, split, name, way, options.features, watch)
    story = {"split": way, "fingerprint": fingerprint, "unusable": list(parts.unusable)}
    first, second = np.random.default_rng([protocol.seed, 7]).integers(0, 2**31, size=2).tolist()
    fitted = fit_parts(
        name,
        options,
        parts,
        seeds=(first, second),
        watch=watch,
        checkpoint=checkpoint,
        provenance=dict(protocol.provenance) | {"protocol": story},
    )
    save_model(fitted.model, path)
    checkpoint.unlink(missing_ok=True)
    return Trained(fitted.model, fitted.losses, fitted.unusable, fitted.suspects)


def result_of(
    protocol: Protocol, name: str, way: str, trained: Trained, *, progress: Callable[[int, int], None] | None = None
) -> SystemResult:
    """Test it on the other part of that split; figures of alarms only where whole recordings are tested."""
    supervised = _supervised(name)
    split = protocol_split(protocol.dataset, way, supervised=supervised, seed=protocol.seed)
    scored, unusable = score_segments(trained.detector, split.test, progress=progress)
    if way == "random":
        scored = tuple(_tested_frames(protocol, s, supervised=supervised) for s in scored)
        scored = tuple(s for s in scored if s.values.shape[1])
    return system_result(trained.detector, scored, unusable=unusable, whole=way != "random")


def simulated_share(dataset: Dataset) -> float:
    """Share of the recordings whose truth says that they are simulated."""
    return float(np.mean([bool(segment.known().get("simulated")) for segment in dataset.segments]))


def _supervised(name: str) -> bool:
    return not is_own(name) and KINDS[name].supervised


def _parts(protocol: Protocol, split: Split, name: str, way: str, spec: FeatureSpec, watch: Watch) -> Parts:
    """Frames to fit on and to calibrate with."""
    if way != "random":
        return read_parts(split, spec, watch)
    corpus = read_corpus(split.fitting, spec, progress=watch.reading)
    fitting, calibration = (
        random_frames(corpus, part, supervised=_supervised(name), seed=protocol.seed)
        for part in ("fitting", "calibration")
    )
    return Parts(fitting, calibration, {segment.name: protocol.digests[segment.name] for segment in corpus.segments})


def _tested_frames(protocol: Protocol, scored: Scored, *, supervised: bool) -> Scored:
    n_frames = scored.values.shape[1]
    return scored.only(frames_for("test", scored.segment, n_frames, supervised=supervised, seed=protocol.seed))


def _fingerprint(protocol: Protocol, options: TrainingOptions, name: str, way: str) -> str:
    """Of everything that decides what a fitted model is."""
    asked = {
        "kind": name,
        "split": [way, SPLITS[way]],
        "options": asdict(options),
        "seed": protocol.seed,
        "data": dict(protocol.digests),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _kept(path: Path, fingerprint: str) -> Trained | None:
    """The model of an earlier run of the same experiment."""
    if not path.exists():
        return None
    try:
        model = load_model(path)
    except WeightsError:
        return None
    story = model.provenance
    told = story.get("protocol", {})
    if told.get("fingerprint") != fingerprint:
        return None
    suspects = Suspects(names=tuple(story["suspects"]["names"]), n=story["suspects"]["n"])
    return Trained(model, tuple(story["losses"]), tuple(told["unusable"]), suspects, kept=True)
