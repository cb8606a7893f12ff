"""Segments of a data set to the frames that scorers are fitted on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.features import FeatureSpec, NoiseFloor, frames_of
from trad_array.features.noise_floor import (
    FloorState,
    above_floor,
    learn_floor,
    quiet_frames_above_floor,
    start_floor,
)
from trad_array.learning.dataset import Segment
from trad_array.records import FloatArray, Recording

# A data set of which more than this share cannot be used is a mistake, not bad luck. Our choice.
MAX_UNUSABLE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Corpus:
    """Frames of many segments.

    segments : those that could be used
    frames : of each of them, (n_channels, n_frames, n_mels), dB as the feature spec says
    unusable : one line about each segment that was left out
    """

    segments: tuple[Segment, ...]
    frames: tuple[FloatArray, ...]
    unusable: tuple[str, ...]


def read_corpus(
    segments: Sequence[Segment], spec: FeatureSpec, *, progress: Callable[[int, int], None] | None = None
) -> Corpus:
    """Read segments and compute their frames; a few that cannot be used are left out and named.

    Parameters
    ----------
    progress : called with the number of segments read and their total

    Raises
    ------
    AudioError
        If more than a tenth of the segments cannot be used, or they differ in their number of channels.
    """
    used: list[Segment] = []
    frames: list[FloatArray] = []
    unusable: list[str] = []
    for n, segment in enumerate(segments, 1):
        try:
            frames.append(segment_frames(segment, segment.read(spec.fs), spec))
            used.append(segment)
        except AudioError as trouble:
            unusable.append(str(trouble))
        if progress is not None:
            progress(n, len(segments))
    check_unusable(unusable, len(segments))
    _check_same_channels(used, frames)
    return Corpus(segments=tuple(used), frames=tuple(frames), unusable=tuple(unusable))


def first_frame(spec: FeatureSpec) -> int:
    """Index of the first frame that says something: before it, the front end "floor" is still learning its floor."""
    rule = NoiseFloor()
    return rule.warm_up_ticks * rule.tick_frames if spec.front_end == "floor" else 0


def truly_abnormal(segment: Segment, spec: FeatureSpec, *, n_frames: int) -> NDArray[np.bool_] | None:
    """Whether the middle of each frame, from `first_frame` on, lies between true onset and end.

    Returns
    -------
    array, shape (n_frames,), or None when the segment is abnormal and its times are not known
    """
    if segment.label == "normal":
        return np.zeros(n_frames, dtype=np.bool_)
    times_s = segment.true_times_s()
    if times_s is None:
        return None
    middles_s = ((first_frame(spec) + np.arange(n_frames)) * spec.hop + spec.n_fft / 2) / spec.fs
    return (times_s[0] <= middles_s) & (middles_s < times_s[1])


def check_unusable(unusable: Sequence[str], n_segments: int) -> None:
    """Raise AudioError when too many of the segments could not be used."""
    if len(unusable) > MAX_UNUSABLE_SHARE * n_segments:
        raise AudioError(
            f"{len(unusable)} of {n_segments} segments cannot be used, expected at most "
            f"{MAX_UNUSABLE_SHARE:.0%}; the first: {unusable[0]}"
        )


def segment_frames(segment: Segment, recording: Recording, spec: FeatureSpec) -> FloatArray:
    """Frames of one segment as the feature spec says; shape (n_channels, n_frames, n_mels).

    With the front end "floor" the first second goes into the floor and gives no frames. In an abnormal segment the
    floor then stands still, from the true onset on when that is known, as in the chain while an event is active.
    """
    frames = frames_of(recording.samples, spec)
    if spec.front_end == "floor":
        rule = NoiseFloor()
        if segment.label == "normal":
            frames = quiet_frames_above_floor(frames, rule)
        else:
            times_s = segment.true_times_s()
            quiet = 0 if times_s is None else int(times_s[0] * spec.fs - spec.n_fft) // spec.hop
            frames = _frames_above_first_floor(frames, rule, quiet_frames=quiet)
    if frames.shape[1] == 0:
        raise AudioError(f"{segment.name}: {recording.duration_s:.2f} s are too short for features {spec.front_end!r}")
    return frames


def _frames_above_first_floor(frames: FloatArray, rule: NoiseFloor, *, quiet_frames: int) -> FloatArray:
    """Decibels above a floor that is learned from the first frames, at least the warm-up, and then stands still."""
    tick = rule.tick_frames
    n_ticks = max(rule.warm_up_ticks, quiet_frames // tick)
    state: FloorState = start_floor(frames.shape[0], frames.shape[2])
    ready: list[FloatArray] = [frames[:, :0]]
    for first in range(0, min(n_ticks * tick, frames.shape[1] - tick + 1), tick):
        heard = frames[:, first : first + tick]
        if state.ticks >= rule.warm_up_ticks:
            ready.append(above_floor(rule, state, heard))
        state = learn_floor(rule, state, heard)
    if state.ticks >= rule.warm_up_ticks:
        ready.append(above_floor(rule, state, frames[:, state.ticks * tick :]))
    return np.concatenate(ready, axis=1)


def _check_same_channels(segments: Sequence[Segment], frames: Sequence[FloatArray]) -> None:
    for segment, found in zip(segments, frames, strict=True):
        if found.shape[0] != frames[0].shape[0]:
            raise AudioError(
                f"{segment.name}: expected {frames[0].shape[0]} channels as in {segments[0].name}, "
                f"found {found.shape[0]}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class FramePool:
    """Frames of all channels of many segments, end to end, and where contexts may end.

    rows : (n_rows, n_mels), dB
    last : (n_samples,), row of the last frame of each context; no context reaches across a channel or a segment
    target : (n_samples,), 1 where the last frame is abnormal, else 0
    """

    rows: NDArray[np.float32]
    last: NDArray[np.int64]
    target: NDArray[np.float32]


def with_warm_up(corpus: Corpus, *, n_frames: int) -> Corpus:
    """The same with `n_frames` of 0 dB before every normal segment.

    That is what the chain feeds a scorer until the floor is learned. A supervised network that has never seen it may
    take it for anything.
    """
    frames = [
        np.pad(frames, ((0, 0), (n_frames, 0), (0, 0))) if segment.label == "normal" else frames
        for segment, frames in zip(corpus.segments, corpus.frames, strict=True)
    ]
    return replace(corpus, frames=tuple(frames))


def pool_frames(corpus: Corpus, spec: FeatureSpec, *, context: int, hop: int = 1, labels: str = "segment") -> FramePool:
    """Every `hop`-th context of every channel.

    Parameters
    ----------
    labels : "segment" (every frame of an abnormal segment is abnormal, as in the paper) or "truth" (only those
        between the true onset and end, which must stand beside every abnormal segment)

    Raises
    ------
    AudioError
        If no segment is as long as a context, or true times are wanted and not there.
    """
    rows = np.concatenate([frames.reshape(-1, frames.shape[-1]) for frames in corpus.frames])
    lasts: list[NDArray[np.int64]] = []
    targets: list[NDArray[np.float32]] = []
    begin = 0
    for segment, frames in zip(corpus.segments, corpus.frames, strict=True):
        n_channels, n_frames = frames.shape[:2]
        ends = np.arange(context - 1, n_frames, hop, dtype=np.int64)
        starts = begin + n_frames * np.arange(n_channels, dtype=np.int64)
        lasts.append((starts[:, None] + ends).ravel())
        targets.append(np.tile(_targets(segment, spec, n_frames=n_frames, labels=labels)[ends], n_channels))
        begin += n_channels * n_frames
    last = np.concatenate(lasts)
    if len(last) == 0:
        raise AudioError(f"{corpus.segments[0].name}: expected at least {context} frames, found fewer in all segments")
    return FramePool(rows=rows.astype(np.float32), last=last, target=np.concatenate(targets))


def _targets(segment: Segment, spec: FeatureSpec, *, n_frames: int, labels: str) -> NDArray[np.float32]:
    if labels == "segment":
        return np.full(n_frames, segment.label == "abnormal", dtype=np.float32)
    known = truly_abnormal(segment, spec, n_frames=n_frames)
    if known is None:
        raise AudioError(f"{segment.name}: expected onset_s and end_s in {segment.name}_truth.json, found none")
    return known.astype(np.float32)


def contexts_of(frames: FloatArray, context: int) -> FloatArray:
    """View of frames, (n_channels, n_frames, n_mels), as a scorer is fed: (n_channels, n, context, n_mels)."""
    if frames.shape[1] < context:
        return np.empty((frames.shape[0], 0, context, frames.shape[2]), dtype=frames.dtype)
    return np.lib.stride_tricks.sliding_window_view(frames, context, axis=1).swapaxes(2, 3)


def thinned(corpus: Corpus, *, max_frames: int) -> Iterator[FloatArray]:
    """Frames of as many segments, evenly spread, as stay below `max_frames`; at least one segment."""
    total = sum(frames.shape[0] * frames.shape[1] for frames in corpus.frames)
    yield from corpus.frames[:: max(1, -(-total // max_frames))]
