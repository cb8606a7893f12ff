"""The sound of events: what was heard from some seconds before the onset to some time after the end.

One run of pieces is kept in memory: the last seconds, for the onset of an event is known only afterwards, and as far
back as the oldest clip that is not complete yet. Events that overlap share the pieces.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from trad_array.audio.captured import Captured, CapturedArray


@dataclass(frozen=True, slots=True)
class ClipRule:
    """How much of an event is kept; our choice.

    before_s : s, before the onset
    after_s : s, after the end
    longest_s : s, the whole clip; what lasts longer is cut off there
    late_s : s, how long after its onset an event may be told and still have all of `before_s`
    most_bytes : of sound in memory for one clip; a clip of many channels at a high rate is cut off there
    """

    before_s: float = 5.0
    after_s: float = 1.0
    longest_s: float = 120.0
    late_s: float = 5.0
    most_bytes: int = 64_000_000


@dataclass(frozen=True, slots=True)
class OpenClip:
    """A clip that is not complete.

    event : id
    onset, start : samples since the stream began, at the capture rate
    end : the sample after its last one, as far as that is known: as late as it may be until the event is over
    over : the end of the event is known
    """

    event: str
    onset: int
    start: int
    end: int
    over: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The sound of one event.

    event : id
    pieces : in their order, not cut: the first begins before `start`, the last ends after `end`
    start, onset, end : samples since the stream began, at the capture rate
    is_whole : it has the sound up to the end of the event; not so when it was cut off or the stream ended
    """

    event: str
    pieces: tuple[Captured, ...]
    start: int
    onset: int
    end: int
    is_whole: bool

    @property
    def fs(self) -> int:
        """Capture rate, Hz."""
        return self.pieces[0].fs

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Sound that went missing: first sample, counted from the start of the clip, and number of samples."""
        holes = ((a.end, b.start) for a, b in pairwise(self.pieces))
        return tuple((first - self.start, last - first) for first, last in holes if last > first)

    def stretches(self) -> Iterator[CapturedArray]:
        """All of it in order, each stretch of shape (n_mics, n), as it was captured; 0 where sound went missing."""
        at = self.start
        for piece in self.pieces:
            if piece.start > at:
                yield np.zeros((len(piece.samples), piece.start - at), dtype=piece.samples.dtype)
            yield piece.samples[:, max(self.start - piece.start, 0) : self.end - piece.start]
            at = piece.end


@dataclass(frozen=True, slots=True)
class Clips:
    """What is remembered: pieces of one rate, type and number of channels, and the clips that are not complete."""

    pieces: tuple[Captured, ...] = ()
    open: tuple[OpenClip, ...] = ()

    @property
    def seconds(self) -> float:
        """How much sound is in memory."""
        return (self.pieces[-1].end - self.pieces[0].start) / self.pieces[0].fs if self.pieces else 0.0


def clip_step(rule: ClipRule, state: Clips, piece: Captured) -> tuple[Clips, tuple[Clip, ...]]:
    """Take the next piece; give back the clips that are complete with it.

    Where the stream begins anew, with another rate, type or earlier samples, the clips end.
    """
    if state.pieces and not _goes_on(state.pieces[-1], piece):
        _, ended = clip_finish(state)
        return Clips((piece,)), ended
    pieces = (*state.pieces, piece)
    complete = tuple(clip for clip in state.open if piece.end >= clip.end)
    still = tuple(clip for clip in state.open if piece.end < clip.end)
    done = tuple(_cut(pieces, clip) for clip in complete)
    return Clips(_needed(rule, pieces, still), still), done


def clip_begin(rule: ClipRule, state: Clips, event: str, *, onset: int, start: int | None = None) -> Clips:
    """An event was heard: keep its sound from now on. Nothing changes when its clip is open already.

    Parameters
    ----------
    onset : samples since the stream began, at the capture rate
    start : the same, where the clip shall begin; without it `before_s` before the onset
    """
    if not state.pieces or any(clip.event == event for clip in state.open):
        return state
    fs, n_mics = state.pieces[-1].fs, len(state.pieces[-1].samples)
    longest = min(round(rule.longest_s * fs), rule.most_bytes // (n_mics * state.pieces[-1].samples.itemsize))
    start = max(onset - round(rule.before_s * fs) if start is None else start, state.pieces[0].start)
    return replace(state, open=(*state.open, OpenClip(event, onset, start, start + longest)))


def clip_end(rule: ClipRule, state: Clips, event: str, *, end: int) -> Clips:
    """An event is over: its clip is complete `after_s` later. Nothing changes when it is complete already.

    Parameters
    ----------
    end : samples since the stream began, at the capture rate
    """
    if not state.pieces:
        return state
    last = end + round(rule.after_s * state.pieces[-1].fs)
    clips = tuple(
        replace(clip, end=last, over=True) if clip.event == event and last <= clip.end else clip for clip in state.open
    )
    return replace(state, open=clips)


def clip_finish(state: Clips) -> tuple[Clips, tuple[Clip, ...]]:
    """No more sound comes: the clips are what there is."""
    if not state.pieces:
        return Clips(), ()
    last = state.pieces[-1].end
    return Clips(), tuple(
        _cut(state.pieces, replace(clip, end=min(clip.end, last), over=clip.over and clip.end <= last))
        for clip in state.open
        if clip.start < last
    )


def _goes_on(last: Captured, piece: Captured) -> bool:
    same = (last.fs, last.samples.dtype, len(last.samples)) == (piece.fs, piece.samples.dtype, len(piece.samples))
    return same and piece.start >= last.end


def _needed(rule: ClipRule, pieces: tuple[Captured, ...], clips: tuple[OpenClip, ...]) -> tuple[Captured, ...]:
    """The pieces that a clip may still ask for."""
    first = pieces[-1].end - round((rule.before_s + rule.late_s) * pieces[-1].fs)
    first = min((first, *(clip.start for clip in clips)))
    old = next(k for k, piece in enumerate(pieces) if piece.end > first)
    return pieces[old:]


def _cut(pieces: tuple[Captured, ...], clip: OpenClip) -> Clip:
    within = tuple(piece for piece in pieces if piece.end > clip.start and piece.start < clip.end)
    # The clip may end, or begin, in sound that went missing.
    start, end = max(clip.start, within[0].start), min(clip.end, within[-1].end)
    return Clip(clip.event, within, start=start, onset=clip.onset, end=end, is_whole=clip.over)
