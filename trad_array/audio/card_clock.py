"""Frames of a sound card against the monotonic clock: sound that went missing unsaid, and how fast the card runs.

Sound can arrive late, never early. So the least that it was behind the clock within a second says where the card
stands; a stall that is made up for leaves it as it was, lost sound raises it for good, and a crystal that is off tilts
it slowly.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ClockRule:
    """When sound counts as lost (our choice).

    fs : Hz, what the card says it runs at
    window_s : s, of which the least delay is taken
    raised : windows in a row that must be behind those before
    before : windows that are remembered to compare with; a card 1000 ppm off moves by 10 ms in ten of a second
    loss_s : s, less is not told
    marks : windows from which the speed of the card is measured
    """

    fs: int
    window_s: float = 1.0
    raised: int = 2
    before: int = 10
    loss_s: float = 0.1
    marks: int = 600


@dataclass(frozen=True, slots=True)
class ClockState:
    """Where a card stands against the clock.

    zero_s : s of the clock at sample 0, as the first sound said
    since_s : s of the clock, beginning of the window
    least_s : s, least delay in it; infinite when nothing came yet
    past_s : least delays of the windows before, newest last
    marks : (s of the clock, least delay) since sound was last lost, newest last
    """

    zero_s: float
    since_s: float
    least_s: float = float("inf")
    past_s: tuple[float, ...] = ()
    marks: tuple[tuple[float, float], ...] = ()

    def index_at(self, clock_s: float, *, fs: int) -> int:
        """Index of the sample that arrives at that time if all goes on as before."""
        usual = self.past_s[-1] if self.past_s else 0.0
        return round((clock_s - self.zero_s - usual) * fs)


@dataclass(frozen=True, slots=True)
class Drift:
    """How much faster than the monotonic clock a card runs.

    ppm : parts in a million; negative when it is slower
    sure_ppm : what it may be off: two standard errors of the straight line through the delays, or what a jump as large
        as their scatter would tilt it by, since virtual devices jump within a block
    over_s : s, of sound it was measured on
    """

    ppm: float
    sure_ppm: float
    over_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listener is in the stream of a card.

    index : of the next sample since the card was opened first
    clock : where the card stands against the clock; None before the first sound
    """

    index: int = 0
    clock: ClockState | None = None


def clock_start(rule: ClockRule, *, clock_s: float, heard: int) -> ClockState:
    """State after the first sound: at `clock_s` all before sample `heard` had arrived."""
    return ClockState(zero_s=clock_s - heard / rule.fs, since_s=clock_s)


def clock_step(rule: ClockRule, state: ClockState, *, clock_s: float, heard: int) -> tuple[ClockState, int]:
    """Take that all before sample `heard` had arrived at `clock_s`; gives the samples that are now known to be lost.

    They are known `raised` to `raised + 1` windows after they went missing. The caller counts them, so that `heard`
    is from then on that much higher.
    """
    behind = clock_s - state.zero_s - heard / rule.fs
    if clock_s - state.since_s < rule.window_s:
        least = min(state.least_s, behind)
        return ClockState(state.zero_s, state.since_s, least, state.past_s, state.marks), 0
    if state.least_s == float("inf"):
        return ClockState(state.zero_s, clock_s, behind, state.past_s, state.marks), 0
    past = (*state.past_s, state.least_s)[-(rule.before + rule.raised) :]
    old, new = past[: -rule.raised], past[-rule.raised :]
    lost_s = min(new) - min(old) if old else 0.0
    if lost_s >= rule.loss_s:
        lost = round(lost_s * rule.fs)
        return ClockState(state.zero_s, clock_s, behind - lost / rule.fs, old), lost
    marks = (*state.marks, (state.since_s, state.least_s))[-rule.marks :]
    return ClockState(state.zero_s, clock_s, behind, past, marks), 0


def place_step(
    rule: ClockRule, place: Place, *, frames: int, at_s: float, dropped: int, overflow: bool, fresh: bool
) -> tuple[Place, int]:
    """Take that `frames` more samples arrived at `at_s`; gives the samples that went missing before them.

    dropped : samples just before that are known to be dropped
    overflow : the driver says that some are missing, not how many; the clock will say it
    fresh : they are the first of a stream that was opened anew, and placed by the clock of the one before
    """
    if place.clock is None or fresh:
        lost = dropped
        if place.clock is not None:
            lost = max(1, place.clock.index_at(at_s, fs=rule.fs) - frames - place.index)
        end = place.index + lost + frames
        return Place(end, clock_start(rule, clock_s=at_s, heard=end)), lost
    lost = max(dropped, 1) if overflow else dropped
    clock, more = clock_step(rule, place.clock, clock_s=at_s, heard=place.index + lost + frames)
    return Place(place.index + lost + more + frames, clock), lost + more


def drift_of(state: ClockState) -> Drift | None:
    """Speed of the card against the clock; None before there are four windows."""
    if len(state.marks) < 4:
        return None
    at_s, behind_s = np.array(state.marks).T
    at_s = at_s - at_s.mean()
    spread = float((at_s**2).sum())
    slope = float((at_s * behind_s).sum()) / spread
    left = behind_s - behind_s.mean() - slope * at_s
    error = float(np.sqrt((left**2).sum() / (len(at_s) - 2) / spread))
    over_s = float(np.ptp(at_s))
    return Drift(ppm=-1e6 * slope, sure_ppm=2e6 * max(error, float(np.ptp(left)) / over_s), over_s=over_s)
