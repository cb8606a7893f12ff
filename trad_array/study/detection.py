"""The whole chain of the live watch over simulated sound: is a vent heard, alarmed for, and put in its cell, and when?

Each event is the noise of the cabin for two seconds, then a vent at a cell or another sound elsewhere. States of the
chain are values: it hears each stretch of noise once, and every event branches from there. What is drawn for an event
follows from the seed, the room, the mismatch and the event's number, not from the layout.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.chain import Chain, ChainState, make_chain
from trad_array.errors import ConfigError
from trad_array.events import Event, OpenEvents, event_step
from trad_array.records import CELL, Block
from trad_array.simulation.cabin import through_room
from trad_array.simulation.negatives import negative
from trad_array.simulation.scene import LEAD_S
from trad_array.simulation.sounds import vent
from trad_array.study.draws import Draws, event_draws, heard_layout, heard_slots, layout_file
from trad_array.study.elsewhere import RAIN, negative_world
from trad_array.study.levels import hiss_power, source_gain
from trad_array.study.records import Choice, Condition
from trad_array.study.tasks import VENT, ChainCounts
from trad_array.study.world import World
from trad_array_geometry import Layout, travel_times

# Raised when the same study gets other numbers.
VERSION = 1
# Stretches of the 30 s of noise that events sound over, in turn.
STRETCHES = 8
# s that are heard after a sound's beginning at least, and after its end: the longest window of a faint sound, and some.
LEAST_HEARD_S, AFTER_S = 2.1, 0.5
# An event's onset may be told so much too early, s: that of a faint one is where half a second of means begins.
_EARLY_S = 0.6
# s of sound that the chain is given at a time; how it is cut changes nothing.
_BLOCK_S = 0.25
# Share of the energy that counts as the sound when its level is set; the rest is its last echo and silence.
_ACTIVE = 0.999
# One vent in five closes and opens again, as in the scenes of `simulate`.
_REPEATS = 0.2
_SOUND = 0x50D


def detected(world: World, choice: Choice, condition: Condition, *, kind: str, first: int, n: int) -> ChainCounts:
    """What the chain makes of events number `first` to `first + n - 1`: vents, or sounds of a negative kind.

    A vent gives off as much power in every layout. A sound that is no vent is as loud to the reference layout as
    vents are in the mean, wherever it comes from.

    Parameters
    ----------
    kind : "vent" or one of `NEGATIVE_KINDS`

    Raises
    ------
    ConfigError
        If the sound is too long for the noise of the study.
    """
    stage = _stage(world, choice, condition, kind, first=first, n=n)
    leads: dict[int, _Lead] = {}
    outcomes = []
    for event in range(n):
        stretch = (first + event) % STRETCHES
        if stretch not in leads:
            leads[stretch] = _lead(stage, stretch)
        outcomes.append(_outcome(stage, leads[stretch], event))
    return ChainCounts(
        n=n,
        right=sum(o.right for o in outcomes),
        detected=sum(o.detected for o in outcomes),
        alarmed=sum(o.alarmed for o in outcomes),
        in_a_cell=sum(o.alarm_s is not None for o in outcomes),
        alarm_s=tuple(o.alarm_s for o in outcomes if o.alarm_s is not None) if kind == VENT else (),
        heard_s=0.0 if kind == VENT else n * condition.duration_s,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """What the events of one layout under one condition share.

    world : whose bank holds what sounds, see `negative_world`
    slots : places in the choice of the microphones that live; points : their indices among the study's points
    true : the layout as it is; chain : that believes it
    noise : (n_mics, n), of the cabin
    gain : factor on a vent of rms 1 at 1 m
    draws : of the events from number `first` on
    """

    world: World
    condition: Condition
    kind: str
    slots: NDArray[np.intp]
    points: tuple[int, ...]
    true: Layout
    chain: Chain
    noise: NDArray[np.float32]
    gain: float
    draws: Draws
    first: int

    @property
    def fs(self) -> int:
        return self.chain.features.fs

    @property
    def heard(self) -> int:
        """Samples that are heard from the moment on at which a sound is emitted."""
        return round((max(self.condition.duration_s, LEAST_HEARD_S) + AFTER_S) * self.fs)


@dataclass(frozen=True, slots=True, eq=False)
class _Lead:
    """The noise after the first two seconds of a stretch, (n_mics, n), and what the chain knows by then."""

    noise: NDArray[np.float32]
    state: ChainState
    told: OpenEvents


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one event; alarm_s : s, from its onset to the first alarm that names a cell, or None."""

    detected: bool
    alarmed: bool
    right: bool = False
    alarm_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Where something sounds, (n, 3), m, its rows in the bank, and responses from there, (n, n_mics, n_samples); n is 1
    but for rain.
    """

    at_m: NDArray[np.float64]
    rows: NDArray[np.intp]
    responses: NDArray[np.float32]


def _stage(world: World, choice: Choice, condition: Condition, kind: str, *, first: int, n: int) -> _Stage:
    study, slots = world.study, heard_slots(choice, condition)
    points = tuple(choice.points[k] for k in slots)
    true = heard_layout(study.site, study.points, choice, condition)
    return _Stage(
        world=world if kind == VENT else negative_world(world, kind),
        condition=condition,
        kind=kind,
        slots=slots,
        points=points,
        true=true,
        # Half of the time would go into free positions, which nobody looks at here.
        chain=replace(make_chain(true), free_position=False),
        noise=np.asarray(world.noise(condition.rt60_s, condition.fan)[list(points)]),
        gain=source_gain(study, condition.snr_db, power=hiss_power(world, condition.rt60_s)),
        draws=event_draws(study.site, condition, seed=study.seed, first=first, n=n),
        first=first,
    )


def _lead(stage: _Stage, stretch: int) -> _Lead:
    """The chain after two seconds of one of the stretches of noise, which lie evenly over it."""
    lead = round(LEAD_S * stage.fs)
    room = stage.noise.shape[1] - lead - stage.heard
    if room < 0:
        raise ConfigError(
            f"detection.duration_s: expected at most {stage.condition.duration_s + room / stage.fs:.1f} s "
            f"over {stage.noise.shape[1] / stage.fs:g} s of noise, found {stage.condition.duration_s:g}"
        )
    begin = room * stretch // (STRETCHES - 1)
    noise = stage.noise[:, begin : begin + lead + stage.heard]
    state, told = stage.chain.start(), OpenEvents()
    for block in _blocks(noise[:, :lead], start=0, fs=stage.fs):
        state, output = stage.chain.step(state, block)
        told, _ = event_step(told, output)
    return _Lead(noise[:, lead:], state, told)


def _outcome(stage: _Stage, lead: _Lead, event: int) -> _Outcome:
    """One event: drawn, made, heard to its end by a chain that has the file's idea of the layout."""
    sound, onset = _sound(stage, event)
    # A microphone overloads at full scale.
    samples = np.clip(lead.noise + sound, -1.0, 1.0).astype(np.float32)
    file = layout_file(stage.true, stage.condition, stage.draws, event, stage.slots)
    chain = replace(stage.chain, layout=file, speed_of_sound=file.speed_of_sound)
    begin = round(LEAD_S * stage.fs)
    cell = int(stage.draws.cell[event]) if stage.kind == VENT else None
    return _judged(_told(chain, lead, samples, begin), onset=begin + onset, cell=cell, fs=stage.fs)


def _told(chain: Chain, lead: _Lead, samples: NDArray[np.float32], start: int) -> list[Event]:
    """Everything that is told about events from here to the end, in the order of time."""
    state, told, events = lead.state, lead.told, list[Event]()
    for block in _blocks(samples, start=start, fs=chain.features.fs):
        state, output = chain.step(state, block)
        told, new = event_step(told, output)
        events += new
    return [*events, *event_step(told, chain.finish(state))[1]]


def _judged(events: list[Event], *, onset: int, cell: int | None, fs: int) -> _Outcome:
    """What was told, about sounds that began no earlier than this one could have."""
    about = [event for event in events if event.detection.onset >= onset - round(_EARLY_S * fs)]
    located = [event for event in about if event.verdict == CELL]
    if not located:
        return _Outcome(detected=bool(about), alarmed=any(event.level == "alarm" for event in about))
    first = located[0]
    # The first sound that was put in a cell is the one; its last map says in which.
    last = [event for event in located if event.detection.onset == first.detection.onset][-1]
    assert first.placed is not None
    assert last.cell_map is not None
    known_at = max(first.detection.decided_at, first.placed.heard_until)
    return _Outcome(True, True, last.cell_map.best == cell, max(known_at - onset, 0) / fs)


def _sound(stage: _Stage, event: int) -> tuple[NDArray[np.float64], int]:
    """What the microphones hear of an event alone, (n_mics, stage.heard), and its onset at the first, in samples."""
    rng = np.random.default_rng(_seeds(stage, event))
    seconds, fs = stage.condition.duration_s, stage.fs
    if stage.kind == VENT:
        source = _from_cell(stage, event)
        signals = vent(rng, fs=fs, seconds=seconds, repeat=bool(rng.random() < _REPEATS))[None]
    else:
        source = _from_elsewhere(stage, rng)
        signals = np.stack([negative(stage.kind, rng, fs=fs, seconds=seconds) for _ in source.at_m])
    signals, active = _unit(signals)
    gain = stage.gain if stage.kind == VENT else _gain_elsewhere(stage, source, signals, active)
    travel_s = travel_times(source.at_m, stage.true.mics, speed_of_sound=stage.true.speed_of_sound)
    return gain * through_room(signals, source.responses, stage.heard), round(float(travel_s.min()) * fs)


def _seeds(stage: _Stage, event: int) -> tuple[int, ...]:
    """Loudness, fans and lost microphones change nothing of what sounds."""
    words = f"{stage.kind} {stage.condition.rt60_s:g} {stage.condition.duration_s:g}"
    return (stage.world.study.seed, _SOUND, zlib.crc32(words.encode()), stage.first + event)


def _from_cell(stage: _Stage, event: int) -> _Source:
    site, bank = stage.world.study.site, stage.world.bank(stage.condition.rt60_s)
    cell, height = int(stage.draws.cell[event]), int(stage.draws.height[event])
    at_m = site.layout.cells[cell] + (0.0, 0.0, site.jet_heights_m[height])
    rows = bank.cell_rows[[cell], height]
    return _Source(at_m[None], rows, bank.responses(rows, stage.points))


def _from_elsewhere(stage: _Stage, rng: np.random.Generator) -> _Source:
    """One of the places of a kind; rain falls on all of its patches."""
    bank, at_m = stage.world.bank(stage.condition.rt60_s), stage.world.study.site.layout.guards
    chosen = np.arange(len(at_m)) if stage.kind == RAIN else rng.integers(len(at_m), size=1)
    rows = bank.guard_rows[chosen]
    return _Source(at_m[chosen], rows, bank.responses(rows, stage.points))


def _gain_elsewhere(stage: _Stage, source: _Source, signals: NDArray[np.float32], active: int) -> float:
    """Factor with which the reference layout hears a sound at the ratio asked for, while it lasts."""
    study, bank = stage.world.study, stage.world.bank(stage.condition.rt60_s)
    heard = through_room(signals, bank.responses(source.rows, study.choices[0].points), stage.heard)
    return source_gain(study, stage.condition.snr_db, power=float((heard**2).sum() / len(heard) / active))


def _unit(signals: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Sounds that together have rms 1 while they last, and how many samples that is."""
    energy = np.cumsum((signals.astype(np.float64) ** 2).sum(axis=0))
    active = int(np.searchsorted(energy, _ACTIVE * energy[-1])) + 1
    return np.asarray(signals / np.sqrt(energy[-1] / active), dtype=np.float32), active


def _blocks(samples: NDArray[np.float32], *, start: int, fs: int) -> Iterator[Block]:
    """The samples as a stream that goes on at sample `start`."""
    size = round(_BLOCK_S * fs)
    for k in range(0, samples.shape[1], size):
        yield Block(samples[:, k : k + size], start + k, fs)
