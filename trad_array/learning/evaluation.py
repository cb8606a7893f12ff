"""The paper's protocol: AUC per set, harmonic mean over sets, inference time; and false alarms beside every AUC."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from trad_array.audio.files import blocks
from trad_array.detection.trigger import Trigger
from trad_array.errors import AudioError
from trad_array.hearing import Hearing, join_heard
from trad_array.learning.dataset import Dataset, Segment
from trad_array.learning.frames import check_unusable, contexts_of, first_frame, segment_frames, truly_abnormal
from trad_array.records import FloatArray, Recording
from trad_array.scoring.frame_scorer import FrameScorer
from trad_array.scoring.model_file import Model

# Frames of noise that the inference time is the median of.
_TIMED_FRAMES = 300
_SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SetResult:
    """How well one set of abnormal recordings is told from normal ones; None where it cannot be said.

    set_name : of the abnormal recordings
    n_normal, n_abnormal : test recordings
    frame_auc : every frame of an abnormal recording counts as abnormal, as in the paper
    clip_auc : of the mean over channels of the mean score
    true_frame_auc : only frames between true onset and end count as abnormal; needs truth files
    detected : share of the abnormal recordings in which the chain's default trigger finds an event
    """

    set_name: str
    n_normal: int
    n_abnormal: int
    frame_auc: float | None
    clip_auc: float | None
    true_frame_auc: float | None
    detected: float | None


@dataclass(frozen=True, slots=True)
class SystemResult:
    """Results of one model.

    left_out : recordings of the folder that the model was fitted or calibrated on
    unusable : one line about each recording that could not be used
    sets : in the order of their names
    harmonic_mean : by measure ("frame_auc", "clip_auc", "true_frame_auc"), over sets; None where a set has none
    false_alarms : events that the chain's default trigger finds in normal test recordings; None if it cannot run
    normal_s : length of the normal test recordings
    ms_per_frame : median time to score one frame of one microphone, one thread
    """

    kind: str
    left_out: int
    unusable: tuple[str, ...]
    sets: tuple[SetResult, ...]
    harmonic_mean: Mapping[str, float | None]
    false_alarms: int | None
    normal_s: float
    ms_per_frame: float

    @property
    def false_alarms_per_day(self) -> float | None:
        """Rate in normal test recordings."""
        return None if self.false_alarms is None else self.false_alarms / self.normal_s * _SECONDS_A_DAY

    @property
    def false_alarms_per_day_bound(self) -> float | None:
        """Upper 95 % limit of that rate (Poisson); a short test cannot promise a low one."""
        if self.false_alarms is None:
            return None
        from scipy.special import gammaincinv

        return float(gammaincinv(self.false_alarms + 1, 0.95)) / self.normal_s * _SECONDS_A_DAY


def evaluate(model: Model, dataset: Dataset, *, progress: Callable[[int, int], None] | None = None) -> SystemResult:
    """Test a model on the recordings of a folder that it was not fitted or calibrated on.

    Parameters
    ----------
    progress : called with the number of recordings scored and their total

    Raises
    ------
    AudioError
        If no normal or no abnormal recording is left, or too many cannot be used.

    Notes
    -----
    Recordings are known again by their content, so a renamed or copied training recording is left out too. The
    abnormal recordings of a set are compared with the normal ones of the same set when there are any, else with all.
    Recordings pass through the hearing part of the chain (frames, front end, scorer, calibration, trigger). Only a
    model with attention over a batch, which cannot stream, is scored in batches of 128 frames of one channel.
    """
    known = {
        digest for key in ("training", "calibration", "validation") for digest in _digests(model, f"{key}_recordings")
    }
    segments = [segment for segment in dataset.segments if not known or segment.digest() not in known]
    Dataset(root=dataset.root, segments=tuple(segments)).need("normal", "abnormal")
    tested: list[_Tested] = []
    unusable: list[str] = []
    for n, segment in enumerate(segments, 1):
        try:
            tested.append(_test(model, segment))
        except AudioError as trouble:
            unusable.append(str(trouble))
        if progress is not None:
            progress(n, len(segments))
    check_unusable(unusable, len(segments))
    return _system_result(model, tested, left_out=len(dataset.segments) - len(segments), unusable=unusable)


def auc(normal: FloatArray, abnormal: FloatArray) -> float | None:
    """Probability that an abnormal score is above a normal one, ties counting half; None without either.

    Parameters
    ----------
    normal, abnormal : array, shape (n,)

    Notes
    -----
    The rank statistic of Mann and Whitney (1947), equal to the area under the ROC curve.
    """
    if len(normal) == 0 or len(abnormal) == 0:
        return None
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, abnormal, side="left") + np.searchsorted(ordered, abnormal, side="right")
    return float(below.mean() / (2 * len(normal)))


def harmonic_mean(values: Iterable[float | None]) -> float | None:
    """Harmonic mean, as in the paper's Table 2; None when a value is missing or there are none."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    numbers = [value for value in known if value is not None]
    return 0.0 if min(numbers) == 0.0 else float(len(numbers) / sum(1.0 / value for value in numbers))


def ms_per_frame(scorer: FrameScorer) -> float:
    """Median time to score one frame of one microphone, ms, on one thread, as a live chain would."""
    spec = scorer.features
    noise = np.random.default_rng(0).normal(size=(1, _TIMED_FRAMES, scorer.context, spec.n_values)).astype(np.float32)
    times_s = []
    with _one_thread():
        for frame in range(_TIMED_FRAMES):
            begun = time.perf_counter()
            scorer.score(noise[:, frame : frame + 1])
            times_s.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(times_s))


def _one_thread() -> AbstractContextManager[object]:
    """Matrix products on one thread, where threadpoolctl (it comes with scikit-learn) is there to say so."""
    try:
        pools = import_module("threadpoolctl")
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = pools.threadpool_limits(limits=1)
    return limits


@dataclass(frozen=True, slots=True, eq=False)
class _Tested:
    """Scores of one test recording.

    values : (n_channels, n_frames), calibrated, without the frames in which the noise floor warms up
    truly_abnormal : (n_frames,), bool, the middle of the frame lies between true onset and end; None when not known
    events : found by the default trigger, or None
    """

    segment: Segment
    values: FloatArray
    truly_abnormal: NDArray[np.bool_] | None
    events: int | None
    duration_s: float

    @property
    def clip_score(self) -> float:
        """Mean over channels of the mean score."""
        return float(self.values.mean(axis=1).mean())


def _digests(model: Model, key: str) -> list[str]:
    listed = model.provenance.get(key)
    return [str(digest) for digest in listed.values()] if isinstance(listed, dict) else []


def _test(model: Model, segment: Segment) -> _Tested:
    spec = model.scorer.features
    recording = segment.read(spec.fs)
    if getattr(model.scorer, "streamable", True):
        values, events = _heard(model, recording)
    else:
        values, events = _in_batches(model, segment, recording), None
    if values.shape[1] == 0:
        raise AudioError(f"{segment.name}: {recording.duration_s:.2f} s are too short to be scored")
    return _Tested(
        segment=segment,
        values=values,
        truly_abnormal=truly_abnormal(segment, spec, n_frames=values.shape[1]),
        events=events,
        duration_s=recording.duration_s,
    )


def _heard(model: Model, recording: Recording) -> tuple[FloatArray, int]:
    """Scores by the chain, without the frames in which the floor is learned, and the number of events."""
    hearing = Hearing(
        recording.samples.shape[0],
        scorer=model.scorer,
        calibration=model.calibration,
        events=Trigger.for_features(model.scorer.features),
    )
    state, steps = hearing.start(), []
    for block in blocks(recording):
        state, step = hearing.step(state, block)
        steps.append(step)
    heard = join_heard([*steps, hearing.finish(state)])
    return heard.scores.values[:, first_frame(hearing.features) :], len(heard.detections)


def _in_batches(model: Model, segment: Segment, recording: Recording) -> FloatArray:
    frames = segment_frames(segment, recording, model.scorer.features)
    calibration = model.calibration.for_mics(frames.shape[0])
    return calibration(model.scorer.score(contexts_of(frames, model.scorer.context)))


def _system_result(model: Model, tested: Sequence[_Tested], *, left_out: int, unusable: Sequence[str]) -> SystemResult:
    normal = [t for t in tested if t.segment.label == "normal"]
    names = sorted({t.segment.set_name for t in tested if t.segment.label == "abnormal"})
    sets = []
    for name in names:
        same_set = [t for t in normal if t.segment.set_name == name]
        abnormal = [t for t in tested if t.segment.label == "abnormal" and t.segment.set_name == name]
        sets.append(_set_result(name, same_set or normal, abnormal))
    measures = ("frame_auc", "clip_auc", "true_frame_auc")
    events = [t.events for t in normal if t.events is not None]
    return SystemResult(
        kind=model.kind,
        left_out=left_out,
        unusable=tuple(unusable),
        sets=tuple(sets),
        harmonic_mean={measure: harmonic_mean(getattr(s, measure) for s in sets) for measure in measures},
        false_alarms=sum(events) if len(events) == len(normal) else None,
        normal_s=sum(t.duration_s for t in normal),
        ms_per_frame=ms_per_frame(model.scorer),
    )


def _set_result(name: str, normal: Sequence[_Tested], abnormal: Sequence[_Tested]) -> SetResult:
    quiet = _frames(normal)
    true_auc = None
    if all(t.truly_abnormal is not None for t in abnormal):
        background = np.concatenate([quiet, _frames(abnormal, truly=False)])
        true_auc = auc(background, _frames(abnormal, truly=True))
    events = [t.events for t in abnormal if t.events is not None]
    return SetResult(
        set_name=name,
        n_normal=len(normal),
        n_abnormal=len(abnormal),
        frame_auc=auc(quiet, _frames(abnormal)),
        clip_auc=auc(np.array([t.clip_score for t in normal]), np.array([t.clip_score for t in abnormal])),
        true_frame_auc=true_auc,
        detected=float(np.mean([n > 0 for n in events])) if events else None,
    )


def _frames(tested: Sequence[_Tested], *, truly: bool | None = None) -> NDArray[np.float64]:
    """Scores of all frames of all channels, or of those that truly are (not) abnormal; shape (n,)."""
    parts = [
        t.values if truly is None or t.truly_abnormal is None else t.values[:, t.truly_abnormal == truly]
        for t in tested
    ]
    return np.concatenate([np.zeros(0), *(part.ravel() for part in parts)])
