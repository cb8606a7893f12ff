"""Time of one event: our localizer and the others, in turn in the same run, one thread."""

import time
from collections.abc import Callable

import rows
from peer_plain import PlainSrp
from peers import Peer
from scenes import Case, Condition, make_case
from trials import ONSET, load_layout_once, named_by, other_peers

from trad_array.localization.robust import Robust
from trad_array_geometry import Layout

LAYOUT = "pack-corners"
OURS, SRP = "trad-array robust", "pyroomacoustics SRP-PHAT"
GOAL_RATIO = 3.0


def measured(*, events: int, seed: int) -> list[rows.Row]:
    """Median time of each method, and how many times ours goes into that of the others."""
    layout = load_layout_once(LAYOUT)
    peers: list[Peer] = [PlainSrp(), *other_peers()]
    times_s: dict[str, list[float]] = {name: [] for name in (OURS, *(peer.name for peer in peers))}
    for number in range(events + 2):
        case = make_case(layout, Condition(LAYOUT, 0.4, 0.0, "M1"), seed=seed, number=number)
        for name, seconds in _one_event(case, layout, peers):
            if number >= 2:  # the first ones fill tables
                times_s[name].append(seconds)
    found = [
        rows.median(f"{name}: time of a 1 s event, 52 cells", _ms(values), unit="ms", goal=None, better="lower")
        for name, values in times_s.items()
    ]
    for peer in peers:
        ratios = [theirs / ours for theirs, ours in zip(times_s[peer.name], times_s[OURS], strict=True)]
        goal = GOAL_RATIO if peer.name == SRP else None
        found.append(rows.median(f"time of {peer.name} / ours", ratios, unit="x", goal=goal, better="higher"))
    return found


def _one_event(case: Case, layout: Layout, peers: list[Peer]) -> list[tuple[str, float]]:
    """Ours hears two seconds of background too: it uses them."""
    found = [(OURS, _seconds(lambda: Robust()(case.cut, layout, speed_of_sound=layout.speed_of_sound, onset=ONSET)))]
    for peer in peers:
        found.append((peer.name, _seconds(lambda peer=peer: named_by(peer, case, layout))))  # type: ignore[misc]
    return found


def _ms(seconds: list[float]) -> list[float]:
    return [1000.0 * value for value in seconds]


def _seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


if __name__ == "__main__":
    for row in measured(events=20, seed=1):
        print(f"{row.name:70} {row.value:8.2f} {row.unit}")
