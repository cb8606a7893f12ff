"""One scene after the other, in one process: what our localizer and the others answer. Nothing is counted here."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from calibrated import EVENTS, calibrated_array
from numpy.typing import NDArray
from oracle import oracle_cell
from peer_plain import PlainSrp
from peers import PRE_S, Peer, available_peers
from scenes import FS, MISMATCHES, PRE_ROLL_S, Case, Condition, make_case, make_family
from suites import Group

from trad_array.localization.place import place
from trad_array.localization.robust import Robust
from trad_array_geometry import Layout, load_layout

ONSET = round(PRE_ROLL_S * FS)
PLAIN, ORACLE, DEAD, BEFORE = "plain SRP", "oracle", "one microphone dead", "before calibration"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was answered about one event.

    group, condition, number : which event
    cell : the true one, -1 when no cell made it
    probability : (n_cells,), given that a cell made it; elsewhere : probability that none did
    nearest_m : distance of the source to the nearest valve
    others : cell named by each of the other methods; -1 for none
    windows : for each growing window the best cell, its probability, and the same given that a cell made it
    """

    group: str
    condition: Condition
    number: int
    cell: int
    probability: NDArray[np.float32]
    elsewhere: float
    nearest_m: float
    others: dict[str, int] = field(default_factory=dict)
    windows: tuple[tuple[int, float, float], ...] = ()

    @property
    def best(self) -> int:
        """Our best cell."""
        return int(self.probability.argmax())

    @property
    def right(self) -> bool:
        """Whether it is the one."""
        return self.best == self.cell


def work(group: Group, first: int, last: int, seed: int) -> list[Answer]:
    """Answers about the scenes of that range."""
    one = _array if group.taps else _scene
    return [answer for number in range(first, last) for answer in one(group, number, seed)]


def _array(group: Group, number: int, seed: int) -> Iterator[Answer]:
    """Vents that one array hears after its calibration; beside each the cell that the layout file would have given."""
    layout, condition = load_layout_once(group.layout), group.conditions[0]
    true, corrected = calibrated_array(layout, condition, seed=seed, number=number)
    for event in range(EVENTS):
        case = make_case(layout, condition, seed=seed, number=number * EVENTS + event, true=true)
        before = Robust()(case.cut, layout, speed_of_sound=layout.speed_of_sound, onset=ONSET).best
        yield replace(_answer(group, condition, case, corrected, number), others={BEFORE: before})


def _scene(group: Group, number: int, seed: int) -> Iterator[Answer]:
    layout = load_layout_once(group.layout)
    condition = group.conditions[number % len(group.conditions)]
    if group.snrs_db:
        cases = make_family(layout, condition, group.snrs_db, seed=seed, number=number)
    else:
        cases = iter([(condition, make_case(layout, condition, seed=seed, number=number))])
    for at_level, case in cases:
        yield _answer(group, at_level, case, layout, number)


def _answer(group: Group, condition: Condition, case: Case, layout: Layout, number: int) -> Answer:
    found = Robust()(case.cut, layout, speed_of_sound=layout.speed_of_sound, onset=ONSET)
    return Answer(
        group.name,
        condition,
        number,
        case.cell,
        (found.probability / found.probability.sum()).astype(np.float32),
        found.elsewhere,
        float(np.linalg.norm(layout.cells - case.source_m, axis=1).min()),
        {} if group.bare else _others(group, condition, case, layout, number),
        tuple(_windowed(case, layout, window_s) for window_s in group.windows),
    )


def _others(group: Group, condition: Condition, case: Case, layout: Layout, number: int) -> dict[str, int]:
    peers: list[Peer] = [PlainSrp(), *(other_peers() if number < group.peers else ())]
    named = {peer.name: named_by(peer, case, layout) for peer in peers}
    mismatch = MISMATCHES[condition.mismatch]
    if mismatch.mic_m:
        named[ORACLE] = oracle_cell(case, layout, mismatch)
    if group.dead:
        named[DEAD] = _with_dead_mic(case, layout, number)
    return named


def named_by(peer: Peer, case: Case, layout: Layout) -> int:
    """The cell that a peer names; it hears from 0.1 s before the onset on."""
    heard = case.cut.samples[:, ONSET - round(PRE_S * FS) :]
    return int(peer.scores(heard, fs=FS, layout=layout, speed_of_sound=layout.speed_of_sound).argmax())


def _with_dead_mic(case: Case, layout: Layout, number: int) -> int:
    """The cell named when a microphone, each in turn, is silent; on the way that the chain takes."""
    samples = case.cut.samples.copy()
    samples[number % layout.n_mics] = 0.0
    cut = replace(case.cut, samples=samples)
    found = place(Robust(), cut, layout, onset=ONSET, speed_of_sound=layout.speed_of_sound).cell_map
    return -1 if found is None else found.best


def _windowed(case: Case, layout: Layout, window_s: float) -> tuple[int, float, float]:
    cut = replace(case.cut, samples=case.cut.samples[:, : ONSET + round(window_s * FS)])
    found = Robust()(cut, layout, speed_of_sound=layout.speed_of_sound, onset=ONSET)
    likely = float(found.probability[found.best])
    return found.best, likely, likely / float(found.probability.sum())


@lru_cache(maxsize=8)
def load_layout_once(name: str) -> Layout:
    """The same object each time, so that tables made for it are found again."""
    return load_layout(name)


@lru_cache(maxsize=1)
def other_peers() -> tuple[Peer, ...]:
    """Other people's localizers that are installed."""
    return tuple(peer for peer in available_peers()[0] if peer.name != PLAIN)
