"""Every detector of the comparison, and how each is fitted: by the library's own `fit`, on the same folder."""

import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from corpus import Size

from trad_array.errors import TradArrayError
from trad_array.features import FeatureSpec
from trad_array.learning.dataset import Dataset, find_dataset
from trad_array.learning.evaluation import ms_per_frame
from trad_array.learning.frames import read_corpus
from trad_array.learning.job import Watch
from trad_array.learning.kinds import KINDS
from trad_array.learning.options import TrainingOptions
from trad_array.learning.own import OwnDetector, fit_own, own_features
from trad_array.learning.scored import Detector
from trad_array.learning.split import split_recordings
from trad_array.learning.training import fit
from trad_array.plugins import make_scorer
from trad_array.scoring.attention_ae import READINGS
from trad_array.scoring.embeddings.back_ends import BACK_ENDS
from trad_array.scoring.embeddings.encoder import ENCODERS
from trad_array.scoring.embeddings.scorer import EmbeddingScorer
from trad_array.scoring.excess import EXCESS_CALIBRATION, Excess
from trad_array.scoring.model_file import load_model, save_model

# The causal mean of our own systems, and of the column that gives it to every other one.
SMOOTH_S = 0.5
EXCESS = "excess"
PAPER = "attention-ae, components"
# Frames that the paper's training sees: 100 recordings of 10 s, four channels (the goal's size).
_GOAL_RECORDINGS = 100
# All but one recording in a hundred; the test has takes of its own.
_TRAIN_SHARE, _CALIBRATION_SHARE = 0.99, 0.2


@dataclass(frozen=True, slots=True)
class System:
    """One row of the table.

    name : in the table
    kind : of `learning.kinds.KINDS`, "excess", or "file.py:Class" of a detector named with --also
    front_end : "absolute", "floor", or "waveform" for kinds that decide themselves
    ours : its scores are averaged over `SMOOTH_S`, and it may be chosen as our best
    attention, back_end, encoder : see `TrainingOptions`
    """

    name: str
    kind: str
    front_end: str
    ours: bool = False
    attention: str = "components"
    back_end: str = "knn"
    encoder: str | None = None

    @property
    def own(self) -> bool:
        """Whether it was named with --also."""
        return ":" in self.kind

    @property
    def supervised(self) -> bool:
        """Whether it learns from vents too."""
        return self.kind in KINDS and KINDS[self.kind].supervised

    @property
    def missing(self) -> str | None:
        """Why it takes no part, or None."""
        if self.own or self.kind == EXCESS:
            return None
        if self.kind not in KINDS:
            return "not in this version"
        if self.kind in ENCODERS and ENCODERS[self.kind].file is not None and self.encoder is None:
            return "weights not at hand"
        return None


def all_systems(*, also: Sequence[str] = (), encoders: Mapping[str, str] | None = None) -> tuple[System, ...]:
    """The table's rows in their order: the paper's, other published ones, other people's encoders, ours, yours.

    Parameters
    ----------
    also : detectors of one's own, "file.py:Class"
    encoders : paths of weights by the name of the encoder
    """
    return (*_published(), *_encoders(encoders or {}), *_ours(), *(System(_own_name(w), w, "its own") for w in also))


def _published() -> Iterator[System]:
    yield System("ae", "ae", "absolute")
    for reading in READINGS:
        if reading != "none":  # without attention it is the row above
            yield System(f"attention-ae, {reading}", "attention-ae", "absolute", attention=reading)
    yield System("cnn", "cnn", "absolute")
    yield System("gaussian", "gaussian", "absolute")
    yield System("bottleneck-ae", "bottleneck-ae", "absolute")
    yield System("wavelet-xgboost", "wavelet-xgboost", "waveform")
    yield System("wavelet-xcorr", "wavelet-xcorr", "waveform")


def _encoders(paths: Mapping[str, str]) -> Iterator[System]:
    for back_end in BACK_ENDS:
        yield System(f"wakeword, {back_end}", "wakeword", "waveform", back_end=back_end)
    for name in ENCODERS:
        # A network of the user's own is nobody's published system: it is there when it is given.
        if name == "wakeword" or (name == "onnx" and name not in paths):
            continue
        for back_end in BACK_ENDS if name in paths else BACK_ENDS[:1]:
            label = f"{name}, {back_end}" if name in paths else name
            yield System(label, name, "waveform", back_end=back_end, encoder=paths.get(name))


def _ours() -> Iterator[System]:
    yield System("ours: excess", EXCESS, "floor", ours=True)
    yield System("ours: gaussian", "gaussian", "floor", ours=True)
    yield System("ours: bottleneck-ae", "bottleneck-ae", "floor", ours=True)


def _own_name(where: str) -> str:
    return Path(where.rpartition(":")[0]).name + ":" + where.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Trained:
    """A system that was fitted, in a form that goes to other processes.

    model : path of its model file, or None
    pickled : a detector that has none, or None
    seconds : of processor time that its fit took, features included; networks are trained on one thread
    epoch_s : of one epoch, likewise, the median; None without epochs
    epochs : that were trained
    recordings : that the weights were fitted to; trouble : why it takes no part, or None
    """

    system: System
    model: Path | None = None
    pickled: bytes | None = None
    seconds: float = 0.0
    epoch_s: float | None = None
    epochs: int = 0
    recordings: int = 0
    trouble: str | None = None

    @property
    def goal_s(self) -> float | None:
        """Seconds that 200 epochs on 100 recordings would take at the measured pace."""
        if self.epoch_s is None or not self.recordings:
            return None
        return 200 * self.epoch_s * _GOAL_RECORDINGS / self.recordings


def train(system: System, folder: Path, models: Path, size: Size, *, seed: int) -> Trained:
    """Fit one system to the training corpus; what cannot be fitted is told of, and takes no part."""
    if system.missing is not None:
        return Trained(system, trouble=system.missing)
    begun = time.process_time()
    try:
        dataset = find_dataset(folder)
        done = _train_own(system, dataset, seed) if system.own else _train_kind(system, dataset, models, size, seed)
    except TradArrayError as trouble:
        return Trained(system, trouble=str(trouble))
    return replace(done, seconds=time.process_time() - begun)


def _train_kind(system: System, dataset: Dataset, models: Path, size: Size, seed: int) -> Trained:
    if system.kind == EXCESS:
        return Trained(system, pickled=pickle.dumps(OwnDetector(EXCESS, Excess(), EXCESS_CALIBRATION)))
    if system.kind in ENCODERS:
        dataset = _thinner(dataset, size.training_encoders)
    times_s = [time.process_time()]
    watch = Watch(epoch=lambda *_: times_s.append(time.process_time()))
    fitted = fit(system.kind, dataset, _options(system, size), rng=np.random.default_rng([seed, 1]), watch=watch)
    path = models / f"{system.name.replace(':', '').replace(', ', '-').replace(' ', '-')}.model"
    save_model(fitted.model, path)
    # The first epoch waits for whatever a library does once.
    epochs_s = np.diff(times_s)[1:]
    return Trained(
        system,
        model=path,
        epoch_s=float(np.median(epochs_s)) if len(epochs_s) else None,
        epochs=len(fitted.losses),
        recordings=sum(fitted.model.provenance["counts"]["fitting"].values()),
    )


def _thinner(dataset: Dataset, n: int) -> Dataset:
    """The first `n` recordings of each label."""
    return Dataset(dataset.root, (*dataset.of("normal")[:n], *dataset.of("abnormal")[:n]))


def _options(system: System, size: Size) -> TrainingOptions:
    front_end = system.front_end if system.front_end in ("absolute", "floor") else "absolute"
    return TrainingOptions(
        features=FeatureSpec(front_end=front_end),
        attention=system.attention,
        back_end=system.back_end,
        encoder=system.encoder,
        epochs=size.epochs,
        patch_hop=size.patch_hop,
        # Kinder than the paper's labels: a short vent leaves most of its recording normal.
        labels="truth",
        train_share=_TRAIN_SHARE,
        calibration_share=_CALIBRATION_SHARE,
    )


def _train_own(system: System, dataset: Dataset, seed: int) -> Trained:
    split = split_recordings(
        dataset,
        supervised=False,
        rng=np.random.default_rng([seed, 1]),
        train_share=_TRAIN_SHARE,
        calibration_share=_CALIBRATION_SHARE,
    )
    spec = own_features(system.kind)
    detector = fit_own(system.kind, read_corpus(split.fitting, spec), read_corpus(split.calibration, spec))
    return Trained(system, pickled=pickle.dumps(detector), recordings=len(split.fitting))


def loaded(trained: Trained, *, encoder_step: int = 1) -> Detector:
    """The detector, in any process; `encoder_step`: encoders hear one window in so many."""
    if trained.pickled is not None:
        if trained.system.own:
            # A class from a file can be restored once its file is imported.
            make_scorer(trained.system.kind)
        detector: Detector = pickle.loads(trained.pickled)  # noqa: S301  (written by this run)
        return detector
    assert trained.model is not None
    model = load_model(trained.model)
    if isinstance(model.scorer, EmbeddingScorer) and encoder_step > 1:
        features = replace(model.scorer.features, hop=min(encoder_step * model.scorer.features.hop, _whole(model)))
        model = replace(model, scorer=replace(model.scorer, features=features))
    return model


def _whole(detector: Detector) -> int:
    return detector.scorer.features.n_fft


def frame_ms(trained: Trained) -> float:
    """Median time to score one frame of one microphone, ms, one thread, frame by frame."""
    return ms_per_frame(loaded(trained).scorer)
