"""Captured sound to blocks at the rate of the model, so that a replay from the middle gives the same samples.

A resampler that carries state from sample to sample never forgets where it began. Here the stream is cut into pages
whose borders are fixed by the absolute index of the capture; each page is resampled at once with real sound before and
behind it, which is cut off again. What a page gives depends on that stretch of sound alone: not on how the stream
was cut into pieces, nor on where it began.

  index      (i-1)P        iP          (i+1)P
  heard        .....[ lead ][   page i   ][ tail ].....
  handed on                 [   page i   ]
"""

import math
from dataclasses import dataclass, field

import numpy as np
import soxr

from trad_array.audio.captured import Captured
from trad_array.errors import ConfigError
from trad_array.records import Block, FloatArray


@dataclass(frozen=True, slots=True)
class ToRate:
    """From one rate to another, in pages.

    fs_in, fs_out : Hz; equal rates pass through at once
    page_s : s, about the length of a page (our choice: it is the largest part of the delay)
    around_s : s, real sound on both sides of a page (our choice: with 20 ms a page of white noise differs by less than
        -110 dB from the whole, at 8 to 96 kHz)

    Raises
    ------
    ConfigError
        If a rate or a length is not positive.
    """

    fs_in: int
    fs_out: int
    page_s: float = 0.05
    around_s: float = 0.02
    page: int = field(init=False)
    lead: int = field(init=False)

    def __post_init__(self) -> None:
        if self.fs_in < 1 or self.fs_out < 1:
            raise ConfigError(f"expected sample rates over 0 Hz, found {self.fs_in} and {self.fs_out}")
        if not (self.page_s > 0.0 and self.around_s >= 0.0):
            raise ConfigError(f"expected a page over 0 s, found {self.page_s:g} s and {self.around_s:g} s around it")
        same = self.fs_in == self.fs_out
        unit = 1 if same else self._unit
        per_s = self.fs_in / unit
        object.__setattr__(self, "page", unit if same else max(1, round(self.page_s * per_s)) * unit)
        object.__setattr__(self, "lead", 0 if same else math.ceil(self.around_s * per_s) * unit)

    @property
    def _unit(self) -> int:
        """Fewest captured samples that are a whole number of samples at the other rate."""
        return self.fs_in // math.gcd(self.fs_in, self.fs_out)

    @property
    def delay_s(self) -> float:
        """The longest that a captured sample waits for what must come behind it."""
        return 0.0 if self.fs_in == self.fs_out else (self.page + self.lead) / self.fs_in

    def out(self, index: int) -> int:
        """Index at the rate of the blocks of a captured sample; exact at the borders of pages."""
        return index * self.fs_out // self.fs_in

    def begin_for(self, block_start: int) -> int:
        """The captured sample to begin a replay at, so that all is the same from `block_start` (at `fs_out`) on."""
        captured = block_start * self.fs_in // self.fs_out
        return max(0, captured // self.page * self.page - self.lead)

    def start(self) -> "RateState":
        """State before the first sound."""
        return RateState()


@dataclass(frozen=True, slots=True, eq=False)
class RateState:
    """Where a stream is on its way to the other rate.

    kept : (n_mics, n), float32, captured sound that is still needed; None before the first
    at : index of the first kept sample; below 0 where the stream began, after the silence before it
    page : index of the captured sample at which the next page begins
    told : index of the next sample that is due, at the rate of the blocks; None before the first
    """

    kept: FloatArray | None = None
    at: int = 0
    page: int = 0
    told: int | None = None

    @property
    def heard(self) -> int:
        """Index of the captured sample that comes next."""
        return self.at + (0 if self.kept is None else int(self.kept.shape[1]))


def to_rate_step(rule: ToRate, state: RateState, captured: Captured) -> tuple[RateState, tuple[Block, ...]]:
    """Take a piece of sound; gives the blocks that are certain now, at most one, whatever its length.

    A stream that begins in the middle, or goes on after a gap, gives its first block at the first border of a page that
    has real sound before it. What lay between the last border and the gap is dropped, at most `rule.delay_s`.
    """
    if rule.fs_in == rule.fs_out:
        return _through(state, captured)
    if state.kept is None or captured.lost or captured.start != state.heard:
        state = _begin(rule, state, captured)
    assert state.kept is not None
    kept = np.concatenate([state.kept, captured.full_scale()], axis=1)
    ready = (state.at + kept.shape[1] - rule.lead - state.page) // rule.page
    if ready < 1:
        return RateState(kept, state.at, state.page, state.told), ()
    end = state.page + ready * rule.page
    parts = [_resampled(rule, kept, state.at, page) for page in range(state.page, end, rule.page)]
    blocks = _told(rule, state, np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])
    cut = end - rule.lead - state.at
    return RateState(kept[:, cut:], state.at + cut, end, rule.out(end)), blocks


def to_rate_finish(rule: ToRate, state: RateState) -> tuple[Block, ...]:
    """The rest of a stream that ended, as if silence came behind it."""
    if state.kept is None or state.heard <= state.page:
        return ()
    # As many samples as the whole stream has at the other rate, rounded up.
    due = -(-state.heard * rule.fs_out // rule.fs_in) - rule.out(state.page)
    pages = range(state.page, state.heard, rule.page)
    behind = np.zeros((len(state.kept), rule.page + rule.lead), np.float32)
    kept = np.concatenate([state.kept, behind], axis=1)
    parts = [_resampled(rule, kept, state.at, page) for page in pages]
    return _told(rule, state, np.concatenate(parts, axis=1)[:, :due])


def _through(state: RateState, captured: Captured) -> tuple[RateState, tuple[Block, ...]]:
    """Equal rates: every piece is a block."""
    gap = 0 if state.told is None else captured.start - state.told
    block = Block(samples=captured.full_scale(), start=captured.start, fs=captured.fs, lost=max(gap, captured.lost))
    return RateState(told=captured.end), (block,)


def _begin(rule: ToRate, state: RateState, captured: Captured) -> RateState:
    """A stream that begins, or begins anew after a gap."""
    n_mics = len(captured.samples)
    if captured.start == 0:
        return RateState(np.zeros((n_mics, rule.lead), np.float32), -rule.lead, 0, None)
    page = -(-(captured.start + rule.lead) // rule.page) * rule.page
    return RateState(np.zeros((n_mics, 0), np.float32), captured.start, page, state.told)


def _resampled(rule: ToRate, kept: FloatArray, at: int, page: int) -> FloatArray:
    """One page at the other rate, shape (n_mics, n)."""
    first = page - rule.lead - at
    around = kept[:, first : first + rule.page + 2 * rule.lead]
    # soxr hears sample first; a copy in that order, so that its result does not depend on the array it was cut from.
    samples = soxr.resample(np.ascontiguousarray(around.T), rule.fs_in, rule.fs_out, quality="HQ")
    skip = rule.out(rule.lead)
    part: FloatArray = samples[skip : skip + rule.out(rule.page)].T
    return part


def _told(rule: ToRate, state: RateState, samples: FloatArray) -> tuple[Block, ...]:
    start = rule.out(state.page)
    lost = 0 if state.told is None else start - state.told
    return (Block(samples=np.ascontiguousarray(samples), start=start, fs=rule.fs_out, lost=lost),)
