"""The paper's protocol: AUC per set, harmonic mean over sets, inference time; and false alarms beside every AUC."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np

from trad_array.learning.alarm_figures import AlarmFigures, alarm_figures
from trad_array.learning.alarm_metrics import partial_auc
from trad_array.learning.checks import Suspects, check_rates, find_suspects, level_of
from trad_array.learning.dataset import Dataset
from trad_array.learning.scored import Detector, Scored, frame_scores, score_segments
from trad_array.records import FloatArray
from trad_array.scoring.frame_scorer import FrameScorer

MEASURES = ("frame_auc", "clip_auc", "true_frame_auc", "frame_pauc")

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
    frame_pauc : as frame_auc, but only up to a false positive rate of 0.1, standardised; see
        `alarm_metrics.partial_auc`
    """

    set_name: str
    n_normal: int
    n_abnormal: int
    frame_auc: float | None
    clip_auc: float | None
    true_frame_auc: float | None
    detected: float | None
    frame_pauc: float | None = None


@dataclass(frozen=True, slots=True)
class SystemResult:
    """Results of one detector.

    left_out : recordings of the folder that the model was fitted or calibrated on
    unusable : one line about each recording that could not be used
    sets : in the order of their names
    harmonic_mean : by measure (see `MEASURES`), over sets; None where a set has none
    false_alarms : events that the chain's default trigger finds in normal test recordings; None if it cannot run
    normal_s : length of the normal test recordings
    ms_per_frame : median time to score one frame of one microphone, one thread
    alarm : how it does as an alarm
    suspects : normal test recordings that do not look it
    """

    kind: str
    left_out: int
    unusable: tuple[str, ...]
    sets: tuple[SetResult, ...]
    harmonic_mean: Mapping[str, float | None]
    false_alarms: int | None
    normal_s: float
    ms_per_frame: float
    alarm: AlarmFigures = field(default_factory=AlarmFigures)
    suspects: Suspects = field(default_factory=Suspects)

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


def evaluate(model: Detector, dataset: Dataset, *, progress: Callable[[int, int], None] | None = None) -> SystemResult:
    """Test a model on the recordings of a folder that it was not fitted or calibrated on.

    Parameters
    ----------
    progress : called with the number of recordings scored and their total

    Raises
    ------
    AudioError
        If no normal or no abnormal recording is left, too many cannot be used, or their rates do not go together.
    ConfigError
        If the scorer gives NaN or infinity.

    Notes
    -----
    Recordings are known again by their content, so a renamed or copied training recording is left out too. The
    abnormal recordings of a set are compared with the normal ones of the same set when there are any, else with all.
    How they are scored: see `scored.score_segments`.
    """
    dataset.need("normal", "abnormal")
    check_rates(dataset, fs=model.scorer.features.fs)
    used_as = ("training", "calibration", "validation")
    known = {digest for key in used_as for digest in _digests(model, f"{key}_recordings")}
    segments = tuple(segment for segment in dataset.segments if not known or segment.digest() not in known)
    Dataset(root=dataset.root, segments=segments).need("normal", "abnormal")
    scored, unusable = score_segments(model, segments, progress=progress)
    return system_result(model, scored, left_out=len(dataset.segments) - len(segments), unusable=unusable)


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


def system_result(
    model: Detector,
    scored: Sequence[Scored],
    *,
    left_out: int = 0,
    unusable: Sequence[str] = (),
    whole: bool = True,
) -> SystemResult:
    """All figures of a detector from its scores of test recordings; those of alarms only if they are `whole`."""
    normal = [s for s in scored if s.segment.label == "normal"]
    names = sorted({s.segment.set_name for s in scored if s.segment.label == "abnormal"})
    sets = []
    for name in names:
        same_set = [s for s in normal if s.segment.set_name == name]
        abnormal = [s for s in scored if s.segment.label == "abnormal" and s.segment.set_name == name]
        sets.append(_set_result(name, same_set or normal, abnormal))
    events = [len(s.onsets_s) for s in normal if s.onsets_s is not None]
    return SystemResult(
        kind=model.kind,
        left_out=left_out,
        unusable=tuple(unusable),
        sets=tuple(sets),
        harmonic_mean={measure: harmonic_mean(getattr(s, measure) for s in sets) for measure in MEASURES},
        false_alarms=sum(events) if normal and len(events) == len(normal) else None,
        normal_s=sum(s.duration_s for s in normal),
        ms_per_frame=ms_per_frame(model.scorer),
        alarm=alarm_figures(scored) if whole else AlarmFigures(),
        suspects=find_suspects([s.segment for s in normal], [level_of(s.values) for s in normal]),
    )


def _set_result(name: str, normal: Sequence[Scored], abnormal: Sequence[Scored]) -> SetResult:
    quiet, loud = frame_scores(normal), frame_scores(abnormal)
    true_auc = None
    if all(s.truly_abnormal is not None for s in abnormal):
        background = np.concatenate([quiet, frame_scores(abnormal, truly=False)])
        true_auc = auc(background, frame_scores(abnormal, truly=True))
    events = [len(s.onsets_s) for s in abnormal if s.onsets_s is not None]
    return SetResult(
        set_name=name,
        n_normal=len(normal),
        n_abnormal=len(abnormal),
        frame_auc=auc(quiet, loud),
        clip_auc=auc(np.array([s.clip_score for s in normal]), np.array([s.clip_score for s in abnormal])),
        true_frame_auc=true_auc,
        detected=float(np.mean([n > 0 for n in events])) if events else None,
        frame_pauc=partial_auc(quiet, loud),
    )


def _digests(model: Detector, key: str) -> list[str]:
    listed = model.provenance.get(key)
    return [str(digest) for digest in listed.values()] if isinstance(listed, dict) else []
