"""Recordings through a detector: the scores that every figure of an evaluation is computed from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trad_array.audio.files import blocks
from trad_array.detection.calibration import Calibration
from trad_array.detection.fusion import KOfN
from trad_array.detection.trigger import Trigger
from trad_array.errors import AudioError, ConfigError
from trad_array.features import FeatureSpec
from trad_array.hearing import Hearing, join_heard
from trad_array.learning.dataset import Segment
from trad_array.learning.frames import check_unusable, contexts_of, first_frame, segment_frames, truly_abnormal
from trad_array.records import FloatArray, Recording, Scores
from trad_array.scoring.frame_scorer import FrameScorer


class Detector(Protocol):
    """A fitted scorer with its scale: a `scoring.Model`, or a `learning.own.OwnDetector`."""

    @property
    def kind(self) -> str:
        """Name of the scorer."""
        ...

    @property
    def scorer(self) -> FrameScorer:
        """Scores frames."""
        ...

    @property
    def calibration(self) -> Calibration:
        """Scores to the robust z of normal sound."""
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """How it came about; what it was fitted and calibrated on stands in it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of one recording, without the frames in which the noise floor warms up.

    segment : the recording
    features : of the scorer
    values : (n_channels, n_frames), calibrated
    fused : (n_frames,), what the microphones say together (two of them, see `KOfN`)
    truly_abnormal : (n_frames,), bool, the middle of the frame lies between true onset and end; None when not known
    onsets_s : when the events began that the default trigger found, s; None if it cannot run
    duration_s : of the recording
    """

    segment: Segment
    features: FeatureSpec
    values: FloatArray
    fused: FloatArray
    truly_abnormal: NDArray[np.bool_] | None
    onsets_s: tuple[float, ...] | None
    duration_s: float

    @property
    def clip_score(self) -> float:
        """Mean over channels of the mean score."""
        return float(self.values.mean(axis=1).mean())

    @property
    def known_s(self) -> NDArray[np.float64]:
        """When each score was known, the end of its frame, s since the recording began; shape (n_frames,)."""
        frames = first_frame(self.features) + np.arange(self.values.shape[1])
        return (frames * self.features.hop + self.features.n_fft) / self.features.fs

    @property
    def scored_s(self) -> float:
        """Length of what was scored, s."""
        return float(self.values.shape[1] * self.features.hop / self.features.fs)

    def only(self, frames: NDArray[np.bool_]) -> "Scored":
        """Some of its frames, shape (n_frames,), for figures that know no order of time; no events are left."""
        return replace(
            self,
            values=self.values[:, frames],
            fused=self.fused[frames],
            truly_abnormal=None if self.truly_abnormal is None else self.truly_abnormal[frames],
            onsets_s=None,
        )


def score_segments(
    detector: Detector, segments: Sequence[Segment], *, progress: Callable[[int, int], None] | None = None
) -> tuple[tuple[Scored, ...], tuple[str, ...]]:
    """Score recordings; a few that cannot be used are left out.

    Parameters
    ----------
    progress : called with the number of recordings scored and their total

    Returns
    -------
    scored : of those that could be used, in their order
    unusable : one line about each of the others

    Raises
    ------
    AudioError
        If too many cannot be used.
    ConfigError
        If the scorer gives NaN or infinity.

    Notes
    -----
    Recordings pass through the hearing part of the chain (frames, front end, scorer, calibration, trigger). Only a
    model with attention over a batch, which cannot stream, is scored in batches of 128 frames of one channel.
    """
    scored: list[Scored] = []
    unusable: list[str] = []
    for n, segment in enumerate(segments, 1):
        try:
            scored.append(_scored(detector, segment))
        except AudioError as trouble:
            unusable.append(str(trouble))
        if progress is not None:
            progress(n, len(segments))
    check_unusable(unusable, len(segments))
    return tuple(scored), tuple(unusable)


def require_finite(values: FloatArray, *, kind: str, name: str) -> None:
    """Raise ConfigError when a scorer gave NaN or infinity for the recording of that name.

    Parameters
    ----------
    values : array, shape (n_channels, n_frames)
    """
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        channel, frame = (int(n) for n in bad[0])
        raise ConfigError(
            f"scorer {kind}: {name}: expected finite scores, found {values[channel, frame]} in frame {frame} of "
            f"channel {channel + 1}"
        )


def frame_scores(scored: Iterable[Scored], *, truly: bool | None = None) -> NDArray[np.float64]:
    """Scores of all frames of all channels, or of those that truly are (not) abnormal; shape (n,)."""
    parts = [
        s.values if truly is None or s.truly_abnormal is None else s.values[:, s.truly_abnormal == truly]
        for s in scored
    ]
    return np.concatenate([np.zeros(0), *(part.ravel() for part in parts)])


def _scored(detector: Detector, segment: Segment) -> Scored:
    spec = detector.scorer.features
    recording = segment.read(spec.fs)
    streamable = getattr(detector.scorer, "streamable", True)
    values, fused, onsets_s = _heard(detector, recording) if streamable else _in_batches(detector, segment, recording)
    if values.shape[1] == 0:
        raise AudioError(f"{segment.name}: {recording.duration_s:.2f} s are too short to be scored")
    require_finite(values, kind=detector.kind, name=segment.name)
    return Scored(
        segment=segment,
        features=spec,
        values=values,
        fused=fused,
        truly_abnormal=truly_abnormal(segment, spec, n_frames=values.shape[1]),
        onsets_s=onsets_s,
        duration_s=recording.duration_s,
    )


def _heard(detector: Detector, recording: Recording) -> tuple[FloatArray, FloatArray, tuple[float, ...]]:
    """Scores by the chain, without the frames in which the floor is learned, and the onsets of events."""
    hearing = Hearing(
        recording.samples.shape[0],
        scorer=detector.scorer,
        calibration=detector.calibration,
        events=Trigger.for_features(detector.scorer.features),
    )
    state, steps = hearing.start(), []
    for block in blocks(recording):
        state, step = hearing.step(state, block)
        steps.append(step)
    heard = join_heard([*steps, hearing.finish(state)])
    first = first_frame(hearing.features)
    onsets_s = tuple(found.onset / recording.fs for found in heard.detections)
    return heard.scores.values[:, first:], heard.fused.values[first:], onsets_s


def _in_batches(detector: Detector, segment: Segment, recording: Recording) -> tuple[FloatArray, FloatArray, None]:
    frames = segment_frames(segment, recording, detector.scorer.features)
    calibration = detector.calibration.for_mics(frames.shape[0])
    values = calibration(detector.scorer.score(contexts_of(frames, detector.scorer.context)))
    scores = Scores(values, np.arange(values.shape[1], dtype=np.int64) * detector.scorer.features.hop)
    return values, KOfN()(scores, np.ones(len(values), dtype=np.bool_)).values, None
