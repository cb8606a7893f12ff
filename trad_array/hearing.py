"""Sound to detections: frames, front end, scores, one voice for the array, a trigger.

How a stream is cut into blocks changes nothing: frames are counted from its beginning, and whatever is slow (noise
floor, dead microphones) changes only on ticks, see `trad_array.features.noise_floor`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.detection.calibration import Calibration
from trad_array.detection.faint import FaintRule, FaintState
from trad_array.detection.fusion import Fuser, KOfN
from trad_array.detection.live import LiveRule, LiveState, live_step
from trad_array.detection.trigger import EventRule, Trigger
from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec, NoiseFloor, frames_of
from trad_array.features.noise_floor import FloorState, above_floor, learn_floor, relearn_floor, start_floor
from trad_array.records import Block, Detection, Ended, Fault, FloatArray, Fused, Lasting, Scores
from trad_array.scoring.excess import EXCESS_CALIBRATION, Excess
from trad_array.scoring.frame_scorer import FrameScorer
from trad_array_geometry import frozen_array


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What one step heard.

    scores, fused : of the frames that became whole in this step
    detections : events that the trigger became sure of
    ended : events that are over
    faults : what a person should know about the stream
    lasting : events that have lasted for the verification time
    faint : sounds too faint for an event, which the map may make one; faint_ended : their ends
    """

    scores: Scores
    fused: Fused
    detections: tuple[Detection, ...] = ()
    ended: tuple[Ended, ...] = ()
    faults: tuple[Fault, ...] = ()
    lasting: tuple[Lasting, ...] = ()
    faint: tuple[Detection, ...] = ()
    faint_ended: tuple[Ended, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HearingState:
    """What is remembered between blocks.

    carry : (n_mics, < n_fft), samples whose frames are not whole yet
    carry_start : sample index of the first of them
    tick : (n_mics, < tick_frames, n_values), frames since the last tick, before the floor is taken off
    tick_active : an event was on, or may have been beginning, in one of them
    context : (n_mics, context - 1, n_values), frames before the next one, as the scorer was fed; None at the start
    floor, live : see their modules
    events : state of the event rule
    faint : of the rule for faint sounds
    """

    carry: FloatArray
    carry_start: int
    tick: FloatArray
    tick_active: bool
    context: FloatArray | None
    floor: FloorState
    live: LiveState
    events: Any
    faint: FaintState

    def __post_init__(self) -> None:
        for name in ("carry", "tick", "context"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, frozen_array(values))

    @property
    def end(self) -> int:
        """Index of the sample after the last one heard."""
        return self.carry_start + int(self.carry.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """Everything that turns blocks into detections; immutable, so one may serve many streams.

    n_mics : channels of the blocks
    scorer, calibration : frames to scores on a common scale
    fuser : scores of the microphones to one
    voters : indices of the microphones that have a say, or None for all
    events : which stretches are events, usually a `Trigger`
    faint : which sounds too faint for an event the map is asked about; None takes the rule for the scorer's frames
    floor, live : how the noise floor is tracked, and when a microphone is dead
    """

    n_mics: int
    scorer: FrameScorer = field(default_factory=Excess)
    calibration: Calibration = EXCESS_CALIBRATION
    fuser: Fuser = field(default_factory=KOfN)
    voters: Sequence[int] | None = None
    events: EventRule = field(default_factory=Trigger)
    faint: FaintRule | None = None
    floor: NoiseFloor = field(default_factory=NoiseFloor)
    live: LiveRule = field(default_factory=LiveRule)

    def __post_init__(self) -> None:
        if not getattr(self.scorer, "streamable", True):
            raise ConfigError(
                'scorer: expected one whose scores depend on past frames only, found attention reading "batch", '
                "which is for reproducing the paper with `trad-array evaluate`"
            )
        object.__setattr__(self, "calibration", self.calibration.for_mics(self.n_mics))

    @property
    def features(self) -> FeatureSpec:
        """What is computed from the sound."""
        return self.scorer.features

    @property
    def faint_rule(self) -> FaintRule:
        """The rule for faint sounds."""
        return self.faint or FaintRule.for_features(self.features)

    def start(self, *, at: int = 0) -> HearingState:
        """State before the first block, which begins at sample `at`."""
        n_values = self.features.n_values
        return HearingState(
            carry=np.zeros((self.n_mics, 0), np.float32),
            carry_start=at,
            tick=np.zeros((self.n_mics, 0, n_values), np.float32),
            tick_active=False,
            context=None,
            floor=start_floor(self.n_mics, n_values),
            live=LiveState(live=np.ones(self.n_mics, dtype=np.bool_)),
            events=self.events.start(),
            faint=self.faint_rule.start(self.n_mics),
        )

    def restart(self, state: HearingState, *, at: int) -> HearingState:
        """State after a gap: what was learned of floor and microphones is kept, no frame spans the gap."""
        return replace(self.start(at=at), floor=state.floor, live=state.live)

    def step(self, state: HearingState, block: Block) -> tuple[HearingState, Heard]:
        """Take the next block.

        Raises
        ------
        ConfigError
            If the block has another rate or number of channels, or does not follow the one before.
        """
        self._require_fit(state, block)
        state, frames = _frame_step(self.features, state, block)
        heard = [self._nothing()]
        while len(frames):
            now, frames = frames.split(self.floor.tick_frames - state.tick.shape[1])
            state, more = self._tick_step(state, now)
            heard.append(more)
        return state, join_heard(heard)

    def finish(self, state: HearingState) -> Heard:
        """End the stream: events that are still on are ended."""
        found = self.events.finish(state.events, state.end)
        faint = self.faint_rule.finish(state.faint, state.end)
        return replace(self._nothing(), detections=found.detections, ended=found.ended, faint_ended=faint.ended)

    def _require_fit(self, state: HearingState, block: Block) -> None:
        if block.fs != self.features.fs:
            raise ConfigError(f"expected sound at {self.features.fs} Hz, found {block.fs} Hz")
        if block.samples.shape[0] != self.n_mics:
            raise ConfigError(f"expected {self.n_mics} channels, found {block.samples.shape[0]}")
        if block.start != state.end:
            raise ConfigError(f"expected a block that begins at sample {state.end}, found {block.start}")

    def _tick_step(self, state: HearingState, frames: "_Frames") -> tuple[HearingState, Heard]:
        """Score frames that lie within one tick; at its end the slow things change."""
        fed = frames.values
        if self.features.front_end == "floor":
            fed = above_floor(self.floor, state.floor, frames.values)
        context, stacked = _context_step(self.scorer.context, state.context, fed)
        values = self.calibration(self.scorer.score(stacked))
        if self._warming_up(state):
            # A scorer may find frames without a floor odd, and an event would keep the floor from ever being learned.
            values = np.zeros_like(values)
        scores = Scores(values, frames.starts)
        votes = state.live.live & self._votes
        fused = self.fuser(scores, votes)
        events, found = self.events.step(state.events, fused, scores)
        active = state.tick_active or bool(found.detections) or self.events.active(events)
        faint_state, means = self.faint_rule.means(state.faint, scores)
        faint_state, faint = self.faint_rule.step(faint_state, self.fuser(means, votes), means)
        tick = np.concatenate([state.tick, frames.values], axis=1)
        state = replace(state, context=context, events=events, faint=faint_state, tick=tick, tick_active=active)
        faults: tuple[Fault, ...] = ()
        if found.too_long:
            state = replace(state, floor=start_floor(self.n_mics, self.features.n_values))
            faults = tuple(_steady(at) for at in found.too_long)
        if tick.shape[1] == self.floor.tick_frames:
            state, dead = self._end_tick(state, int(frames.starts[-1]) + self.features.n_fft)
            faults += dead
        return state, Heard(
            scores, fused, found.detections, found.ended, faults, found.lasting, faint.detections, faint.ended
        )

    def _end_tick(self, state: HearingState, at: int) -> tuple[HearingState, tuple[Fault, ...]]:
        sounding = self.live.sounding(state.tick, self.features)
        live, faults = live_step(state.live, sounding, at)
        floor = state.floor
        if self.features.front_end == "floor":
            back = live.live & ~state.live.live
            if not state.tick_active:
                floor = learn_floor(self.floor, floor, state.tick, live.live)
            floor = relearn_floor(floor, state.tick, back)
        nothing = state.tick[:, :0]
        return replace(state, live=live, floor=floor, tick=nothing, tick_active=False), faults

    def _warming_up(self, state: HearingState) -> bool:
        return self.features.front_end == "floor" and state.floor.ticks < self.floor.warm_up_ticks

    @property
    def _votes(self) -> NDArray[np.bool_]:
        votes = np.zeros(self.n_mics, dtype=np.bool_)
        votes[list(range(self.n_mics) if self.voters is None else self.voters)] = True
        return votes

    def _nothing(self) -> Heard:
        """Output of a step in which no frame became whole."""
        starts = np.zeros(0, np.int64)
        return Heard(
            scores=Scores(np.zeros((self.n_mics, 0)), starts),
            fused=Fused(np.zeros(0), starts, np.ones(self.n_mics, dtype=np.bool_)),
        )


def join_heard(heard: Sequence[Heard]) -> Heard:
    """What several steps in a row heard, as one; at least one is needed."""
    starts = np.concatenate([h.scores.starts for h in heard])
    return Heard(
        scores=Scores(np.concatenate([h.scores.values for h in heard], axis=1), starts),
        fused=Fused(np.concatenate([h.fused.values for h in heard]), starts, heard[-1].fused.live),
        detections=tuple(d for h in heard for d in h.detections),
        ended=tuple(e for h in heard for e in h.ended),
        faults=tuple(f for h in heard for f in h.faults),
        lasting=tuple(x for h in heard for x in h.lasting),
        faint=tuple(d for h in heard for d in h.faint),
        faint_ended=tuple(e for h in heard for e in h.faint_ended),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Frames:
    """Frames on their way through a step.

    values : (n_mics, n_frames, n_values), dB re full scale or samples
    starts : (n_frames,), index of each frame's first sample
    """

    values: FloatArray
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def split(self, n: int) -> "tuple[_Frames, _Frames]":
        """The first n frames, and the rest."""
        return _Frames(self.values[:, :n], self.starts[:n]), _Frames(self.values[:, n:], self.starts[n:])


def _frame_step(spec: FeatureSpec, state: HearingState, block: Block) -> tuple[HearingState, _Frames]:
    """Frames that became whole with this block; frame k covers samples [k * hop, k * hop + n_fft)."""
    samples = np.concatenate([state.carry, block.samples], axis=1)
    values = frames_of(samples, spec)
    used = values.shape[1] * spec.hop
    starts = state.carry_start + np.arange(0, used, spec.hop, dtype=np.int64)
    return replace(state, carry=samples[:, used:], carry_start=state.carry_start + used), _Frames(values, starts)


def _context_step(context: int, before: FloatArray | None, frames: FloatArray) -> tuple[FloatArray | None, FloatArray]:
    """Each frame with those before it: (n_mics, n_frames, context, n_values); the first frame stands for its past."""
    if context == 1:
        return None, frames[:, :, None, :]
    if before is None:
        before = np.repeat(frames[:, :1], context - 1, axis=1)
    together = np.concatenate([before, frames], axis=1)
    stacked = np.lib.stride_tricks.sliding_window_view(together, context, axis=1)
    return together[:, -(context - 1) :], np.swapaxes(stacked, 2, 3)


def _steady(at: int) -> Fault:
    return Fault(
        kind="steady",
        channel=None,
        at=at,
        detail="the sound has lasted so long that it is now taken for the background; the noise floor is learned anew",
    )
