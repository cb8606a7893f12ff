"""Fused scores to detections: two thresholds, a hold, a release. One state machine for files and for live sound.

Two thresholds after the usual trigger of seismology (Withers et al., 1998; the recursive STA/LTA of ObsPy works so):
a dip between them does not end an event.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec
from trad_array.records import Detection, Ended, FloatArray, Fused, Lasting, Scores


@dataclass(frozen=True, slots=True)
class TriggerState:
    """Where the trigger stands.

    onset : samples, of the event that is on or that may be beginning; None when neither
    on : the event is certain (`hold_frames` frames in a row were above `on`)
    run : frames in a row above `on` while it may be beginning
    quiet_since : samples, first quiet sample of the present dip below `off`, or None
    quiet_run : frames in that dip
    verified : it has been told that the event lasts
    peak, channels : highest fused and single scores of the event so far
    """

    onset: int | None = None
    on: bool = False
    run: int = 0
    quiet_since: int | None = None
    quiet_run: int = 0
    verified: bool = False
    peak: float = 0.0
    channels: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What one step found, in the order of time."""

    detections: tuple[Detection, ...] = ()
    ended: tuple[Ended, ...] = ()
    too_long: tuple[int, ...] = ()
    lasting: tuple[Lasting, ...] = ()


class EventRule(Protocol):
    """Decides which stretches of a stream are events. Its state is a value that only the rule looks into."""

    def start(self) -> Any:
        """State before the first frame."""
        ...

    def active(self, state: Any) -> bool:
        """Whether an event is on or may be beginning: the noise floor must not learn from this sound."""
        ...

    def step(self, state: Any, fused: Fused, scores: Scores) -> tuple[Any, Found]:
        """Take the next frames."""
        ...

    def finish(self, state: Any, end: int) -> Found:
        """End what is still on when the stream ends at sample `end`."""
        ...

    @property
    def lag_frames(self) -> int:
        """Most frames that can pass between an onset and its detection."""
        ...

    @property
    def exhaustive(self) -> bool:
        """Whether it names every event, so that no sound too faint for it can be one."""
        ...

    def window(self, detection: Detection) -> tuple[int, int] | None:
        """First and last sample (exclusive) that the localizer shall hear, or None for its usual window."""
        ...


@dataclass(frozen=True, slots=True)
class Trigger:
    """On and off thresholds on the fused score, robust z of normal sound; numbers are our choice.

    on, off : an event begins above `on` and goes on above `off`
    hold_frames : frames in a row above `on` before it counts; a knock is shorter
    release_frames : frames in a row below `off` before it has ended (63 frames of the paper's features are 2.0 s)
    verify_frames : an event that goes on for so many frames is not a passing noise (2 s; 0 to 240 s in the practice of
        fire panels)
    max_frames : an event of this length is ended and taken for the new background (120 s)
    fresh : samples of a frame that the frame before did not hear: its onset cannot be told more finely
    old : samples of a frame that the frame before heard too
    """

    on: float = 6.0
    off: float = 3.0
    hold_frames: int = 3
    release_frames: int = 63
    verify_frames: int = 63
    max_frames: int = 3750
    fresh: int = 512
    old: int = 512

    @classmethod
    def for_features(
        cls,
        spec: FeatureSpec,
        *,
        on: float = 6.0,
        off: float = 3.0,
        hold_s: float = 0.096,
        release_s: float = 2.0,
        verify_s: float = 2.0,
    ) -> "Trigger":
        """The same rule for frames of another length: what counts is how long a sound lasts.

        It is taken for the background after 120 s, or half a minute after it was verified, whatever is later.
        """
        per_s = spec.fs / spec.hop
        hold_frames = max(1, round(hold_s * per_s))
        return cls(
            on=on,
            off=off,
            hold_frames=hold_frames,
            release_frames=max(1, round(release_s * per_s)),
            verify_frames=round(verify_s * per_s),
            max_frames=max(round(max(120.0, verify_s + 30.0) * per_s), hold_frames + 1),
            fresh=spec.hop,
            old=spec.n_fft - spec.hop,
        )

    def __post_init__(self) -> None:
        if not self.off <= self.on:
            raise ConfigError(f"trigger.off: expected at most on = {self.on:g}, found {self.off:g}")
        if min(self.hold_frames, self.release_frames) < 1 or self.max_frames <= self.hold_frames:
            raise ConfigError(
                "trigger: expected hold_frames and release_frames of at least 1 and max_frames above "
                f"hold_frames, found {self.hold_frames}, {self.release_frames}, {self.max_frames}"
            )

    def start(self) -> TriggerState:
        """See `EventRule`."""
        return TriggerState()

    def active(self, state: TriggerState) -> bool:
        """See `EventRule`."""
        return state.onset is not None

    @property
    def lag_frames(self) -> int:
        """See `EventRule`."""
        return self.hold_frames + 1

    @property
    def exhaustive(self) -> bool:
        """See `EventRule`."""
        return False

    def window(self, detection: Detection) -> tuple[int, int] | None:
        """See `EventRule`."""
        return None

    def step(self, state: TriggerState, fused: Fused, scores: Scores) -> tuple[TriggerState, Found]:
        """See `EventRule`."""
        values = fused.values
        if state.onset is None and not (values > self.on).any():
            return state, Found()
        found = Found()
        for n in range(len(values)):
            channels = scores.values[:, n]
            state, new = self._frame(state, float(values[n]), int(fused.starts[n]) + self.old, channels)
            if new is not None:
                found = joined(found, new)
        return state, found

    def finish(self, state: TriggerState, end: int) -> Found:
        """See `EventRule`."""
        if not state.on:
            return Found()
        return Found(ended=(_ended(state, end if state.quiet_since is None else state.quiet_since, decided_at=end),))

    def _frame(
        self, state: TriggerState, value: float, heard: int, channels: FloatArray
    ) -> tuple[TriggerState, Found | None]:
        """One frame: its fused score and the first sample that only it heard."""
        if state.onset is None:
            if value <= self.on:
                return state, None
            state = TriggerState(onset=heard)
        assert state.onset is not None
        state = replace(state, peak=max(state.peak, value), channels=highest(state.channels, channels))
        return self._going_on(state, value, heard) if state.on else self._beginning(state, value, heard, channels)

    def _beginning(
        self, state: TriggerState, value: float, heard: int, channels: FloatArray
    ) -> tuple[TriggerState, Found | None]:
        if value <= self.on:
            return TriggerState(), None
        if state.run + 1 < self.hold_frames:
            return replace(state, run=state.run + 1), None
        assert state.onset is not None
        detection = Detection(
            onset=state.onset, decided_at=heard + self.fresh, score=value, channels=tuple(float(c) for c in channels)
        )
        return replace(state, on=True, run=self.hold_frames), Found(detections=(detection,))

    def _going_on(self, state: TriggerState, value: float, heard: int) -> tuple[TriggerState, Found | None]:
        state = replace(state, run=state.run + 1)
        if value < self.off:
            since = heard if state.quiet_since is None else state.quiet_since
            state = replace(state, quiet_since=since, quiet_run=state.quiet_run + 1)
            if state.quiet_run >= self.release_frames:
                return TriggerState(), Found(ended=(_ended(state, since, decided_at=heard + self.fresh),))
        else:
            state = replace(state, quiet_since=None, quiet_run=0)
        if not state.verified and state.quiet_since is None and state.run >= self.verify_frames:
            assert state.onset is not None
            lasting = Lasting(state.onset, heard + self.fresh)
            return replace(state, verified=True), Found(lasting=(lasting,))
        if state.run >= self.max_frames:
            ended = _ended(state, heard, decided_at=heard + self.fresh)
            return TriggerState(), Found(ended=(ended,), too_long=(heard,))
        return state, None


def highest(before: tuple[float, ...], channels: FloatArray) -> tuple[float, ...]:
    """Highest score of each channel so far; an empty tuple is before anything was heard."""
    now = tuple(float(c) for c in channels)
    return tuple(map(max, before, now)) if before else now


def _ended(state: TriggerState, end: int, *, decided_at: int) -> Ended:
    assert state.onset is not None
    return Ended(
        onset=state.onset,
        end=max(end, state.onset + 1),
        decided_at=decided_at,
        peak=state.peak,
        channels=state.channels,
    )


def joined(first: Found, second: Found) -> Found:
    """What was found first, and what was found after it."""
    return Found(
        detections=first.detections + second.detections,
        ended=first.ended + second.ended,
        too_long=first.too_long + second.too_long,
        lasting=first.lasting + second.lasting,
    )
