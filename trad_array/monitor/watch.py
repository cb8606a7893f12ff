"""The watch: a piece of sound or a second without any in, messages and evidence out.

Nothing here touches a device, a disk or a clock: what the watch is told is all it knows, so a recording, a live array
and a test on a virtual clock go the same way. `trad_array.monitor.runner` holds the devices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from trad_array.alarm.clip import Clip, ClipRule, Clips, clip_begin, clip_end, clip_finish, clip_step
from trad_array.alarm.health import (
    HealthRule,
    HealthState,
    Machine,
    active_faults,
    health_step,
    start_health,
)
from trad_array.alarm.heard import sound_of
from trad_array.alarm.limits import AlarmRule
from trad_array.alarm.rule import alarm_step
from trad_array.alarm.state import Action, AlarmState, Change
from trad_array.audio.captured import NoSound, Piece
from trad_array.audio.to_rate import RateState, ToRate, to_rate_finish, to_rate_step
from trad_array.chain import Chain, ChainState, StepOutput
from trad_array.events import Event, OpenEvents, Origin, event_id, event_json, event_step
from trad_array.monitor.messages import change_json, heartbeat_json, notice_json, state_message
from trad_array.monitor.moments import Moment, Replay, moment_of, state_at
from trad_array.monitor.stream_clock import StreamClock, clock_step
from trad_array.records import Block

Message = Mapping[str, Any]
# s without sound after which levels are told no more; our choice.
_STALE_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Everything that does not change while a watch runs.

    chain : sound to events
    rate : from the capture rate to that of the chain
    origin : what events say of the stream; when it began is followed by the stream's clock, unless it is given here
    alarm, health : rules
    clips : which sound of events is kept
    heartbeat_s : s between signs of life
    """

    chain: Chain
    rate: ToRate
    origin: Origin
    health: HealthRule
    alarm: AlarmRule = field(default_factory=AlarmRule)
    clips: ClipRule = field(default_factory=ClipRule)
    heartbeat_s: float = 10.0

    def start(self, *, alarm: AlarmState | None = None, health: HealthState | None = None) -> "WatchState":
        """State before the first piece; `alarm` and `health` as an earlier watch left them."""
        alarm = alarm or AlarmState()
        if health is not None:
            # Whatever health still takes for present must be shown, also when the alarm's state was noted earlier.
            alarm, _ = alarm_step(self.alarm, alarm, now_s=alarm.at_s, faults=active_faults(health))
        return WatchState(rate=self.rate.start(), health=health or start_health(self.health), alarm=alarm)

    def start_at(self, replay: Replay) -> "WatchState":
        """State at the beginning of a clip that a watch kept, so that all is heard as it was."""
        state = self.start()
        return replace(state, chain=state_at(self.chain, replay.moment), from_sample=replay.moment.at)


@dataclass(frozen=True, slots=True, eq=False)
class WatchState:
    """All that a watch remembers.

    rate : on the way to the chain's rate
    health, alarm, clips, clock : see their modules
    chain : None before the first block
    from_sample : at the chain's rate; what was heard before it is only there for the resampler
    told : events that are not over
    origins : what each of them said of the stream in its first message, by onset
    moments : from which the stream may be heard again, ascending
    replays : that of each clip which is not complete, with what its event says of the stream, by the event's id
    heard_s : s of the stream, until which sound has come
    now_s : s of the stream; goes on without sound
    beat_s : s, when the next sign of life is due
    """

    rate: RateState
    health: HealthState
    alarm: AlarmState
    chain: ChainState | None = None
    from_sample: int = 0
    clips: Clips = Clips()
    clock: StreamClock = StreamClock()
    told: OpenEvents = OpenEvents()
    origins: Mapping[int, Origin] = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()
    replays: Mapping[str, tuple[Moment, Origin]] = field(default_factory=dict)
    heard_s: float = 0.0
    now_s: float = 0.0
    beat_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Sounded:
    """The sound of an event that is complete, and what it needs to be heard again; None where that is not known."""

    clip: Clip
    replay: Replay | None


@dataclass(frozen=True, slots=True, eq=False)
class WatchOutput:
    """What one step of the watch brought to light, in the order in which it is to be told."""

    messages: tuple[Message, ...] = ()
    sounded: tuple[Sounded, ...] = ()
    changes: tuple[Change, ...] = ()
    heard: tuple[StepOutput, ...] = ()


def watch_step(
    watch: Watch,
    state: WatchState,
    piece: Piece,
    *,
    machine: Machine | None,
    arrived_utc_s: float | None = None,
) -> tuple[WatchState, WatchOutput]:
    """Take the next piece.

    Parameters
    ----------
    machine : how outputs, disk and store are, when somebody has looked
    arrived_utc_s : s since 1970, when the piece arrived; None for recordings
    """
    if isinstance(piece, NoSound):
        # The clock goes on from where the sound stopped; once it is back, its samples are counted by the same clock.
        now_s = max(state.now_s, state.heard_s + piece.for_s)
        return _judged(watch, replace(state, now_s=now_s), piece, (), machine, ())
    now_s = piece.end / piece.fs
    clock = state.clock
    if arrived_utc_s is not None:
        clock = clock_step(clock, end_s=now_s, arrived_utc_s=arrived_utc_s)
    clips, complete = clip_step(watch.clips, state.clips, piece)
    rate, blocks = to_rate_step(watch.rate, state.rate, piece)
    state = replace(state, clock=clock, clips=clips, rate=rate, heard_s=now_s, now_s=max(now_s, state.now_s))
    state, heard = _heard(watch, state, blocks)
    state, output = _judged(watch, state, piece, heard, machine, ())
    state, sounded = _sounded(watch, state, complete)
    return state, replace(output, sounded=sounded)


def watch_act(watch: Watch, state: WatchState, action: Action) -> tuple[WatchState, WatchOutput]:
    """What an operator asks for, at once."""
    return _judged(watch, state, None, (), None, (action,))


def watch_finish(watch: Watch, state: WatchState, *, machine: Machine | None) -> tuple[WatchState, WatchOutput]:
    """The stream has ended: events that are on are ended, and their sound is what there is of it."""
    state, heard = _heard(watch, state, to_rate_finish(watch.rate, state.rate))
    if state.chain is not None:
        heard += (watch.chain.finish(state.chain),)
    state, output = _judged(watch, state, None, heard, machine, ())
    clips, complete = clip_finish(state.clips)
    state, sounded = _sounded(watch, replace(state, clips=clips, chain=None), complete)
    return state, replace(output, sounded=sounded)


def _heard(watch: Watch, state: WatchState, blocks: tuple[Block, ...]) -> tuple[WatchState, tuple[StepOutput, ...]]:
    """Blocks through the chain, without what was only there for the resampler and without disabled microphones."""
    heard: list[StepOutput] = []
    for block in blocks:
        if block.start < state.from_sample:
            block = replace(block, samples=block.samples[:, state.from_sample - block.start :], start=state.from_sample)
        if not block.samples.shape[1]:
            continue
        block = _without(watch, block, state.alarm.disabled_names("mic"))
        before = state.chain or watch.chain.start(at=block.start)
        moments = state.moments or (moment_of(watch.chain, before),)
        chain, step = watch.chain.step(before, block)
        state = replace(state, chain=chain, moments=_remembered(watch, moments, chain))
        heard.append(step)
    return state, tuple(heard)


def _judged(
    watch: Watch,
    state: WatchState,
    piece: Piece | None,
    heard: tuple[StepOutput, ...],
    machine: Machine | None,
    actions: tuple[Action, ...],
) -> tuple[WatchState, WatchOutput]:
    """Events, faults and actions to levels and messages."""
    source, fs = watch.origin.source, watch.chain.features.fs
    began = started_at(watch, state)
    state, events = _events(watch, state, heard)
    messages: list[Message] = [event_json(event, watch.chain, state.origins[event.detection.onset]) for event in events]
    for output in heard:
        messages += [
            notice_json(fault, watch.chain.layout, fs=fs, source=source, started_at=began)
            for fault in output.heard.faults
        ]
    sounds = tuple(sound_of(event, watch.chain, state.origins[event.detection.onset]) for event in events)
    health, faults = health_step(watch.health, state.health, now_s=state.now_s, piece=piece, machine=machine)
    alarm, changes = alarm_step(
        watch.alarm, state.alarm, now_s=state.now_s, sounds=sounds, faults=faults, actions=actions
    )
    for change in changes:
        message = change_json(change, watch.chain.layout, source=source, started_at=began)
        messages += [] if message is None else [message]
    if changes:
        messages.append(state_message(alarm, changes, now_s=state.now_s, source=source, started_at=began))
    state = replace(state, health=health, alarm=alarm)
    if state.now_s >= state.beat_s:
        state = replace(state, beat_s=state.now_s + watch.heartbeat_s)
        messages.append(
            heartbeat_json(alarm, now_s=state.now_s, source=source, started_at=began, array=array_json(watch, state))
        )
    over = {event.detection.onset for event in events if event.state == "end"}
    origins = {onset: origin for onset, origin in state.origins.items() if onset not in over}
    return replace(state, origins=origins), WatchOutput(tuple(messages), (), changes, heard)


def _events(watch: Watch, state: WatchState, heard: tuple[StepOutput, ...]) -> tuple[WatchState, tuple[Event, ...]]:
    """Everything new about events; their clips are begun and ended."""
    found: list[Event] = []
    for output in heard:
        told, events = event_step(state.told, output)
        state = replace(state, told=told)
        found += events
    now = replace(watch.origin, started_at=started_at(watch, state))
    for event in found:
        onset = event.detection.onset
        if onset not in state.origins:
            state = replace(state, origins={**state.origins, onset: now})
        name = event_id(onset, fs=watch.chain.features.fs, layout=watch.chain.layout, origin=state.origins[onset])
        state = _with_clip(watch, state, event, name)
    return state, tuple(found)


def _with_clip(watch: Watch, state: WatchState, event: Event, name: str) -> WatchState:
    """Begin to keep the sound of an event when it is heard, end when it is over."""
    if event.state == "end" and event.ended is not None:
        return replace(
            state, clips=clip_end(watch.clips, state.clips, name, end=_captured(watch, event.ended.decided_at))
        )
    if name in state.replays:
        return state
    moment = _moment_before(watch, state.moments, event.detection.onset)
    start = None if moment is None else watch.rate.begin_for(moment.at)
    clips = clip_begin(watch.clips, state.clips, name, onset=_captured(watch, event.detection.onset), start=start)
    origin = state.origins[event.detection.onset]
    replays = state.replays if moment is None else {**state.replays, name: (moment, origin)}
    return replace(state, clips=clips, replays=replays)


def _without(watch: Watch, block: Block, mics: tuple[str, ...]) -> Block:
    """The block with silence in place of disabled microphones: they have no say, and no place is told from them."""
    if not mics:
        return block
    hears = np.array([name not in mics for name in watch.chain.layout.mic_names])
    return replace(block, samples=block.samples * hears[:, None].astype(block.samples.dtype))


def _captured(watch: Watch, sample: int) -> int:
    """The captured sample at a sample of the chain."""
    return sample * watch.rate.fs_in // watch.rate.fs_out


def _remembered(watch: Watch, moments: tuple[Moment, ...], chain: ChainState) -> tuple[Moment, ...]:
    """Moments as far back as a clip may begin."""
    moment = moment_of(watch.chain, chain)
    if moments[-1].at == moment.at:
        return moments
    reach = round((watch.clips.before_s + watch.clips.late_s + 2.0) * watch.chain.features.fs)
    kept = tuple(m for m in moments if m.at >= moment.at - reach)
    return (*kept, moment)


def _moment_before(watch: Watch, moments: tuple[Moment, ...], onset: int) -> Moment | None:
    """The last moment that leaves all of the pre-roll, or else the first there is, from which all is heard the same.

    That takes quiet, and all the sound between it and the onset that the chain remembers there.
    """
    reach = onset - watch.chain.memory
    exact = [m for m in moments if m.quiet and (m.at <= reach or (m.fresh and m.at <= onset))]
    latest = onset - round(watch.clips.before_s * watch.chain.features.fs)
    early = [moment for moment in exact if moment.at <= latest]
    return early[-1] if early else next(iter(exact), None)


def _sounded(watch: Watch, state: WatchState, complete: tuple[Clip, ...]) -> tuple[WatchState, tuple[Sounded, ...]]:
    """Clips that are complete, with what they need to be heard again."""
    replays = dict(state.replays)
    found = []
    for clip in complete:
        moment, origin = replays.pop(clip.event, (None, watch.origin))
        needed = None
        if moment is not None and clip.start <= watch.rate.begin_for(moment.at):
            needed = Replay(moment, clip.start, watch.rate.fs_in, origin, watch.chain.layout.id)
        found.append(Sounded(clip, needed))
    return replace(state, replays=replays), tuple(found)


def started_at(watch: Watch, state: WatchState) -> datetime | None:
    """When sample 0 was heard, as far as that is known."""
    return watch.origin.started_at or state.clock.started_at


def array_json(watch: Watch, state: WatchState) -> dict[str, Any]:
    """What the array hears, for heartbeat and status; no levels once no sound comes, for old ones would look well."""
    second = state.health.second if state.now_s - state.heard_s < _STALE_S else None
    return {
        "sound_until_s": round(state.heard_s, 3),
        "mics": [
            {"mic": name, "level_dbfs": None if second is None or second.dead[k] else round(float(second.rms_db[k]), 1)}
            for k, name in enumerate(watch.chain.layout.mic_names)
        ],
    }
