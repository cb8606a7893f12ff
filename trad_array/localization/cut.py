"""The stretch of sound that the localizer hears: a ring of recent samples, cut around each onset.

A cut depends on sample numbers alone, never on the blocks in which the samples came.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trad_array.records import Block, FloatArray

# Chunks of the ring are joined until they are this long: a stream of single samples must not make a long ring of them.
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class CutRule:
    """Window around an onset; numbers are our choice.

    window_s : from the onset on
    early_s : shorter windows, ascending: a first answer early, sharper ones while the sound lasts
    faint_s : windows for a sound too faint for an event: longer, for it must stand out in them
    pre_roll_s : before it; holds the first arrival, and the background that is taken away
    """

    window_s: float = 1.0
    pre_roll_s: float = 2.0
    early_s: tuple[float, ...] = (0.1, 0.25, 0.5)
    faint_s: tuple[float, ...] = (1.0, 2.0)

    def pre_roll(self, fs: int) -> int:
        """Samples before the onset."""
        return round(self.pre_roll_s * fs)

    def around(self, onset: int, *, fs: int) -> "tuple[Window, ...]":
        """Windows of an onset, the shortest first."""
        lengths = [s for s in self.early_s if s < self.window_s] + [self.window_s]
        return self._windows(onset, lengths, fs=fs, faint=False)

    def around_faint(self, onset: int, *, fs: int) -> "tuple[Window, ...]":
        """Windows of a sound that is no event yet."""
        return self._windows(onset, self.faint_s, fs=fs, faint=True)

    def _windows(self, onset: int, lengths_s: Sequence[float], *, fs: int, faint: bool) -> "tuple[Window, ...]":
        first = onset - self.pre_roll(fs)
        return tuple(
            Window(onset, first, onset + round(length_s * fs), final=length_s == lengths_s[-1], faint=faint)
            for length_s in lengths_s
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch to be cut, [first, end) in samples, for the event that began at `onset`.

    final : no longer window of this event follows
    parent : onset of the event during which a second one is looked for in this window, or None
    faint : the sound is no event yet
    """

    onset: int
    first: int
    end: int
    final: bool = True
    parent: int | None = None
    faint: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RingState:
    """Recent sound, and the windows still to be cut from it.

    chunks : read-only arrays of shape (n_mics, any), in the order of time
    end : sample index after the last one
    fs : Hz
    waiting : windows that are not complete yet
    """

    chunks: tuple[FloatArray, ...] = ()
    end: int = 0
    fs: int = 0
    waiting: tuple[Window, ...] = ()

    @property
    def start(self) -> int:
        """Index of the oldest sample."""
        return self.end - sum(int(chunk.shape[1]) for chunk in self.chunks)


Cut = tuple[Window, Block]


def cut_step(
    ring: RingState, block: Block, windows: tuple[Window, ...], *, keep: int
) -> tuple[RingState, tuple[Cut, ...]]:
    """Take the next block; give back the windows that are complete with it.

    windows : newly wanted; they may begin up to `keep` samples before the block
    """
    ring = _appended(ring, block)
    waiting = ring.waiting + windows
    done = tuple(window for window in waiting if window.end <= ring.end)
    left = tuple(window for window in waiting if window.end > ring.end)
    cuts = tuple((window, _cut(ring, window)) for window in done)
    oldest = min([ring.end - keep, *(window.first for window in left)])
    return _trimmed(replace(ring, waiting=left), oldest), cuts


def flush_cuts(ring: RingState, windows: tuple[Window, ...]) -> tuple[Cut, ...]:
    """At the end of the stream: the last window of every event that waits for one, with what there is of it."""
    waiting = ring.waiting + windows
    return tuple((window, _cut(ring, window)) for window in waiting if window.final and window.parent is None)


def _appended(ring: RingState, block: Block) -> RingState:
    chunks = ring.chunks
    new = block.samples
    if chunks and chunks[-1].shape[1] < _CHUNK:
        new = np.concatenate([chunks[-1], new], axis=1)
        chunks = chunks[:-1]
    new.flags.writeable = False
    return replace(ring, chunks=(*chunks, new), end=block.end, fs=block.fs)


def _trimmed(ring: RingState, oldest: int) -> RingState:
    """Without the chunks that lie wholly before `oldest`."""
    chunks, start = ring.chunks, ring.start
    while len(chunks) > 1 and start + chunks[0].shape[1] <= oldest:
        start += int(chunks[0].shape[1])
        chunks = chunks[1:]
    return replace(ring, chunks=chunks)


def _cut(ring: RingState, window: Window) -> Block:
    first = max(window.first, ring.start)
    together = np.concatenate(ring.chunks, axis=1)
    samples = together[:, first - ring.start : max(window.end - ring.start, 0)]
    return Block(samples=samples, start=first, fs=ring.fs)
