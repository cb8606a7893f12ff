"""The whole chain of the live watch over simulated sound: is a vent heard, alarmed for, and put in its cell, and when?

Each event is the noise of the cabin for two seconds, then a vent at a cell or another sound elsewhere. States of the
chain are values: it hears each stretch of noise once, and every event branches from there. What is drawn for an event
follows from the seed, the condition and the event's number, not from the layout.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.chain import Chain, ChainState, make_chain
from trad_array.errors import ConfigError
from trad_array.events import Event, OpenEvents, event_step
from trad_array.records import CELL, Block
from trad_array.simulation.negatives import negative
from trad_array.simulation.places import guards_of
from trad_array.simulation.scene import LEAD_S, through_room
from trad_array.simulation.sounds import vent
from trad_array.study.choice_layout import choice_layout
from trad_array.study.elsewhere import N_PLACES, clear_places, elsewhere_m, elsewhere_responses
from trad_array.study.levels import source_gain
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
_SOUND = 0x50D


def detected(world: World, choice: Choice, condition: Condition, *, kind: str, first: int, n: int) -> ChainCounts:
    """What the chain makes of events number `first` to `first + n - 1`: vents, or sounds of a negative kind.

    Parameters
    ----------
    kind : "vent" or one of `NEGATIVE_KINDS`

    Raises
    ------
    ConfigError
        If the sound is too long for the noise of the study.
    """
    stage = _stage(world, choice, condition, kind)
    leads: dict[int, _Lead] = {}
    outcomes = []
    for number in range(first, first + n):
        stretch = number % STRETCHES
        if stretch not in leads:
            leads[stretch] = _lead(stage, stretch)
        outcomes.append(_outcome(stage, leads[stretch], kind, number))
    return ChainCounts(
        n=n,
        right=sum(o.right for o in outcomes),
        detected=sum(o.detected for o in outcomes),
        alarmed=sum(o.alarmed for o in outcomes),
        in_a_cell=sum(o.in_a_cell for o in outcomes),
        alarm_s=tuple(o.alarm_s for o in outcomes if o.alarm_s is not None) if kind == VENT else (),
        heard_s=0.0 if kind == VENT else n * condition.duration_s,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """What every event of one layout under one condition shares.

    at : indices of the microphones that live, among the study's points
    file : the layout as its file says it without a mismatch
    noise : (n_mics, n), of the cabin
    gain : factor on a sound of rms 1 at 1 m
    places : that are no cell, for sounds that come from there
    """

    world: World
    condition: Condition
    at: tuple[int, ...]
    file: Layout
    chain: Chain
    noise: NDArray[np.float32]
    gain: float
    places: "_Places | None"

    @property
    def fs(self) -> int:
        return self.chain.features.fs

    @property
    def heard(self) -> int:
        """Samples that are heard from an event's beginning on."""
        return round((max(self.condition.duration_s, LEAST_HEARD_S) + AFTER_S) * self.fs)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Places that are no cell, (n, 3), m; responses from them, (n, n_mics, n_samples); those at no microphone."""

    at_m: NDArray[np.float64]
    responses: NDArray[np.float32]
    clear: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Lead:
    """A stretch of noise, (n_mics, n), and the chain after the first two seconds of it."""

    noise: NDArray[np.float32]
    state: ChainState
    told: OpenEvents


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one event; alarm_s : s, from its onset to the first alarm that names a cell."""

    detected: bool = False
    alarmed: bool = False
    in_a_cell: bool = False
    right: bool = False
    alarm_s: float | None = None


def _stage(world: World, choice: Choice, condition: Condition, kind: str) -> _Stage:
    """Everything about a layout and a condition that events share."""
    study = world.study
    at = tuple(point for k, point in enumerate(choice.points) if k != condition.dead)
    file = choice_layout(study.site, study.points, Choice(choice.name, at))
    noise = np.asarray(world.noise(condition.rt60_s, condition.fan)[list(at)])
    places = None if kind == VENT else _places(world, condition, file)
    return _Stage(world, condition, at, file, make_chain(file), noise, source_gain(world, condition), places)


def _places(world: World, condition: Condition, file: Layout) -> _Places:
    site, bank = world.study.site, world.bank(condition.rt60_s)
    at_m = elsewhere_m(site, seed=world.study.seed)
    responses = elsewhere_responses(
        site,
        at_m,
        file.mics,
        rt60_s=bank.rt60_requested_s,
        fs=bank.fs,
        speed_of_sound=bank.speed_of_sound,
        seed=world.study.seed,
        cache=world.cache,
    )
    return _Places(at_m, responses, clear_places(at_m, file.mics))


def _lead(stage: _Stage, stretch: int) -> _Lead:
    """The chain after two seconds of one of the stretches of noise, which lie evenly over it."""
    lead = round(LEAD_S * stage.fs)
    room = stage.noise.shape[1] - lead - stage.heard
    if room < 0:
        raise ConfigError(
            f"detection.duration_s: expected at most {stage.condition.duration_s + room / stage.fs:.1f} s "
            f"over {stage.noise.shape[1] / stage.fs:g} s of noise, found {stage.condition.duration_s:g}"
        )
    begin = room * stretch // max(STRETCHES - 1, 1)
    noise = stage.noise[:, begin : begin + lead + stage.heard]
    state, told = stage.chain.start(), OpenEvents()
    for block in _blocks(noise[:, :lead], start=0, fs=stage.fs):
        state, output = stage.chain.step(state, block)
        told, _ = event_step(told, output)
    return _Lead(noise[:, lead:], state, told)


def _outcome(stage: _Stage, lead: _Lead, kind: str, number: int) -> _Outcome:
    """One event: drawn, made, heard to its end."""
    sound, onset, cell = _sound(stage, kind, number)
    begin = round(LEAD_S * stage.fs)
    # A microphone overloads at full scale.
    samples = np.clip(lead.noise + sound, -1.0, 1.0).astype(np.float32)
    chain = _believing(stage, number)
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
    heard_until = max(first.detection.decided_at, first.placed.heard_until)
    return _Outcome(True, True, True, last.cell_map.best == cell, max(heard_until - onset, 0) / fs)


def _sound(stage: _Stage, kind: str, number: int) -> tuple[NDArray[np.float64], int, int | None]:
    """What the microphones hear of event `number` alone, (n_mics, stage.heard); its onset in samples; its cell."""
    rng = np.random.default_rng(_seeds(stage, kind, number))
    seconds, fs = stage.condition.duration_s, stage.fs
    if kind == VENT:
        cell, height = _vent_place(stage, number)
        source = _from_cell(stage, cell, height)
        signals = vent(rng, fs=fs, seconds=seconds, repeat=bool(rng.random() < 0.2))[None]
    else:
        cell, source = None, _from_elsewhere(stage, kind, rng)
        signals = np.stack([negative(kind, rng, fs=fs, seconds=seconds) for _ in source.at_m])
    loud = stage.gain * _unit(signals)
    travel_s = travel_times(source.at_m, stage.file.mics, speed_of_sound=source.speed_of_sound)
    return through_room(loud, source.responses, stage.heard), round(float(travel_s.min()) * fs), cell


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Where something sounds, (n, 3), m, and responses from there, (n, n_mics, n_samples); n patches of rain, or 1."""

    at_m: NDArray[np.float64]
    responses: NDArray[np.float32]
    speed_of_sound: float


def _from_cell(stage: _Stage, cell: int, height: int) -> _Source:
    site, bank = stage.world.study.site, stage.world.bank(stage.condition.rt60_s)
    at_m = site.layout.cells[cell] + (0.0, 0.0, site.jet_heights_m[height])
    row = int(bank.cell_rows[cell, height])
    return _Source(at_m[None], bank.responses([row], list(stage.at)), bank.speed_of_sound)


def _from_elsewhere(stage: _Stage, kind: str, rng: np.random.Generator) -> _Source:
    """A guard point where such a sound belongs, the roof for rain, or any place that is no cell."""
    study, bank = stage.world.study, stage.world.bank(stage.condition.rt60_s)
    guards = guards_of(study.site.layout, kind)
    assert stage.places is not None
    if len(guards):
        k = int(rng.choice(guards))
        row = int(bank.guard_rows[k])
        return _Source(study.site.layout.guards[[k]], bank.responses([row], list(stage.at)), bank.speed_of_sound)
    chosen = np.arange(N_PLACES, len(stage.places.at_m)) if kind == "rain" else rng.choice(stage.places.clear, 1)
    return _Source(stage.places.at_m[chosen], stage.places.responses[chosen], bank.speed_of_sound)


def _unit(signals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sounds that together have rms 1 while they last."""
    energy = np.cumsum((signals.astype(np.float64) ** 2).sum(axis=0))
    active = int(np.searchsorted(energy, _ACTIVE * energy[-1])) + 1
    return np.asarray(signals / np.sqrt(energy[-1] / active), dtype=np.float32)


def _blocks(samples: NDArray[np.float32], *, start: int, fs: int) -> Iterator[Block]:
    """The samples as a stream that goes on at sample `start`."""
    size = round(_BLOCK_S * fs)
    for k in range(0, samples.shape[1], size):
        yield Block(samples[:, k : k + size], start + k, fs)
