"""The tables of the localization benchmark: what is asked, what came out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import counts
import numpy as np
import rows
from calibrated import EVENTS, N_TAPS
from counts import Found
from suites import FOUR_MICS, SNRS_DB, WEAK_DB, WINDOWS_S
from trials import BEFORE, DEAD, ORACLE, PLAIN, Answer

# Where a sound is as loud as the cabin or louder, and where one still asks whether it came from a cell, dB.
_HEARD_DB = -10.0
_NEAR_M = 0.8
_SURE = 0.9


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the page, and the few rows of it that the README quotes."""

    title: str
    text: str
    rows: tuple[rows.Row, ...]
    summary: tuple[rows.Row, ...] = ()


def sections(found: Found) -> list[Section]:
    """All tables for which there are answers, in the order of the page."""
    names = [layout for layout in FOUR_MICS if found.of(f"{layout}: exact")]
    parts = [part for build in _BUILDERS if names for part in [build(found, names)]]
    return [part for part in (*parts, *_container(found)) if part.rows]


def _worst_of(text: str, found: Sequence[rows.Row]) -> rows.Row:
    """The layout that does worst, named."""
    row = counts.worst(found)
    layout = row.name.split(":")[0]
    return replace(row, name=f"{text} (worst layout: {layout})")


def _exact(found: Found, layouts: Sequence[str]) -> Section:
    lines = {
        "layout file exact, RT60 0 to 0.64 s, -15 to 20 dB": ("exact", 99.5),
        "air 15 K off, RT60 0.4 s, 10 dB": ("air", 99.0),
        "jet 100 mm above the valve, RT60 0.4 s, 10 dB": ("jet", 99.0),
    }
    table = {
        text: [counts.right(f"{name}: {text}: right cell", found.of(f"{name}: {group}"), goal=goal) for name in layouts]
        for text, (group, goal) in lines.items()
    }
    return Section(
        "Right cell",
        "Vents of 1 s. Each scene has its own cell, room, noise and errors.",
        tuple(row for part in table.values() for row in part),
        tuple(_worst_of(f"{text}: right cell", part) for text, part in table.items()),
    )


def _weak(found: Found, layouts: Sequence[str]) -> Section:
    out, summary = [], []
    for name in layouts:
        answers = found.of(f"{name}: weak")
        where = f"{name}: {WEAK_DB[name]:g} dB, RT60 0.64 s, layout file exact"
        out.append(counts.right(f"{where}: right cell", answers, goal=None))
        out += _present([counts.right_of(f"{where}: right cell, {PLAIN}", answers, PLAIN)])
        out.append(counts.difference(f"{where}: right cell, robust less {PLAIN} (goal: not below)", answers, PLAIN))
        summary.append(out[-1])
    short = found.of("row-frame: short")
    if short:
        text = "row-frame: vent of 0.1 s, -10 dB, RT60 0.64 s: right cell"
        out.append(counts.right(text, short, goal=75.0))
        summary.append(out[-1])
        out += _present([counts.right_of(f"{text}, {PLAIN}", short, PLAIN)])
    return Section(
        "Weak and short sounds",
        "The robust localizer gives up the certainty that the file is exact, and hears the background instead. The "
        "difference is taken scene by scene.",
        tuple(out),
        tuple(summary),
    )


def _mismatch(found: Found, layouts: Sequence[str]) -> Section:
    out, top, sets, bound = [], [], [], []
    for name in layouts:
        for mismatch, answers in (
            ("M1", found.of(f"{name}: levels M1", snr_db=10.0)),
            ("M2", found.of(f"{name}: levels M2", snr_db=10.0)),
            ("M2-all", found.of(f"{name}: M2-all")),
        ):
            text, asked = f"{name}: {mismatch}, RT60 0.4 s, 10 dB", mismatch == "M2"
            right = counts.right(f"{text}: right cell", answers, goal=70.0 if asked else None)
            oracle = counts.right_of(f"{text}: right cell, oracle that is told exact arrival times", answers, ORACLE)
            covered = counts.covered(f"{text}: 90 % set covers", answers, goal=88.0 if asked else None)
            plain = counts.right_of(f"{text}: right cell, {PLAIN}", answers, PLAIN)
            size = counts.set_size(f"{text}: cells in the 90 % set", answers, goal=None)
            out += [right, *_present([oracle, plain]), covered, size]
            if asked:
                top.append(right)
                sets.append(covered)
                bound += _present([oracle])
    worst = counts.worst(top)
    of_worst = [row for row in bound if row.name.startswith(worst.name.split(":")[0])]
    text = "M2 before calibration, RT60 0.4 s, 10 dB"
    return Section(
        "Before calibration",
        "M1: air 10 K off, every microphone 5 mm, every channel 30 us. M2: air 15 K, every microphone 20 mm, one "
        "channel 125 us, jet 100 mm. M2-all: the same with every channel 125 us off. The oracle is a Bayes classifier "
        "that is told the exact arrival times and the sizes of the errors (`benchmarks/localization/oracle.py`): what "
        "it misses cannot be known from arrival times.",
        tuple(out),
        (
            _worst_of(f"{text}: right cell", top),
            *(
                replace(row, name=f"{text}: right cell, oracle told exact arrival times (same layout)")
                for row in of_worst
            ),
            _worst_of(f"{text}: 90 % set covers", sets),
        ),
    )


def _calibrated(found: Found, layouts: Sequence[str]) -> Section:
    out, asked = [], []
    for name in layouts:
        for mismatch, goal in (("M2", 98.0), ("M2-all", None)):
            answers = found.of(f"{name}: calibrated {mismatch}")
            if not answers:
                continue
            text = f"{name}: {mismatch}, RT60 0.4 s, 10 dB, after {N_TAPS} taps"
            right = counts.right(f"{text}: right cell", answers, goal=goal)
            before = counts.right_of(f"{text}: right cell before them", answers, BEFORE)
            out += [right, *_present([before]), counts.covered(f"{text}: 90 % set covers", answers, goal=None)]
            out.append(counts.counted(f"{text}: said to be from a cell", answers, _from_a_cell, better="higher"))
            if goal is not None:
                asked.append(right)
    worst = [_worst_of(f"M2 after {N_TAPS} taps, RT60 0.4 s, 10 dB: right cell", asked)] if asked else []
    return Section(
        "After calibration",
        f"`trad-array calibrate` with {N_TAPS} taps of 10 dB at the cells that `calibrate plan` names, each about 3 mm "
        f"beside its valve; the array then hears {EVENTS} vents.",
        tuple(out),
        tuple(worst),
    )


def _dead(found: Found, layouts: Sequence[str]) -> Section:
    goals = {"row-corners": 95.0, "pack-corners": 95.0}
    table = _present(
        [
            counts.right_of(
                f"{name}: one of four microphones dead, M1, RT60 0.4 s, 10 dB: right cell",
                found.of(f"{name}: levels M1", snr_db=10.0),
                DEAD,
                goal=goals.get(name),
            )
            for name in layouts
        ]
    )
    asked = [row for row in table if row.goal is not None]
    summary = [_worst_of("one of four microphones dead, M1, 10 dB: right cell", asked)] if asked else []
    return Section(
        "A dead microphone",
        "One channel, each in turn, is all zeros; the chain leaves it out by itself. Three microphones know two "
        "delays.",
        tuple(table),
        tuple(summary),
    )


def _credible(found: Found, layouts: Sequence[str]) -> Section:
    per_level, plain, sizes, pooled = [], [], [], []
    for name in layouts:
        everything: list[Answer] = []
        for mismatch in ("M0", "M1", "M2"):
            for snr_db in SNRS_DB:
                answers = found.of(f"{name}: levels {mismatch}", snr_db=snr_db)
                text = f"{name}: {mismatch}, {snr_db:+.0f} dB: 90 % set covers"
                plain.append(counts.covered(text, answers, goal=88.0))
                per_level.append(counts.covered_randomised(f"{text}, last cell in part", answers))
                everything += answers
        text = f"{name}: 90 % set, last cell in part, over M0 to M2 and all levels: off 90 % by"
        pooled.append(counts.off_by(text, counts.covered_randomised("", everything)))
        loud = found.of(f"{name}: levels M1", snr_db=0.0)
        sizes.append(counts.set_size(f"{name}: M1, 0 dB: cells in the 90 % set, mean", loud, goal=1.5))
    farthest = max(per_level, key=lambda row: abs(row.value - 100.0 * counts.MASS))
    where = farthest.name.split(": 90 %")[0]
    off = counts.off_by(f"90 % set, last cell in part: off 90 % by (worst of {len(per_level)}: {where})", farthest)
    low = counts.worst(plain)
    worst_plain = replace(low, name=f"90 % set covers (worst of {len(plain)}: {low.name.split(': 90 %')[0]})")
    by_level = [row for pair in zip(plain, per_level, strict=True) for row in pair]
    return Section(
        "Credible sets",
        "RT60 0.4 s; the same 200 scenes at every level. A set of whole cells holds more than 90 %: where one cell has "
        "99.9 %, it is the set, and the set covers 99.9 %. So plain coverage cannot be below the share of right best "
        "cells, and only its falling short means something. Counted with the part of its last cell that makes the set "
        "hold exactly 90 % (a randomised set), truthful probabilities cover 90 % everywhere.",
        (*sizes, *pooled, off, *by_level),
        (
            _worst_of("90 % set, last cell in part, M0 to M2, -20 to 20 dB: off 90 % by", pooled),
            off,
            worst_plain,
            _worst_of("cells in the 90 % set, M1, 0 dB, mean", sizes),
        ),
    )


def _elsewhere(found: Found, layouts: Sequence[str]) -> Section:
    given, rest, kept = [], [], []
    for name in layouts:
        other = [a for m in ("M0", "M1") for a in found.of(f"{name}: elsewhere {m}")]
        given.append(_given_to_a_cell(f"{name}: elsewhere in the room, 0 to 20 dB, M0 and M1", other, goal=1.0))
        rest += _split(name, found, other)
        for mismatch in ("M0", "M1", "M2"):
            vents = found.of(f"{name}: levels {mismatch}", at_least_db=_HEARD_DB)
            text = f"{name}: vents from {_HEARD_DB:g} dB, {mismatch}: said to be from a cell"
            kept.append(counts.counted(text, vents, _from_a_cell, better="higher"))
    asked = [row for row in kept if "M0" in row.name or "M1" in row.name]
    return Section(
        "From somewhere else",
        "The same hiss, at least 0.3 m from every valve: half of it beside or above the cells within 0.8 m, half "
        "anywhere in the room, and at the guard points. Beside it, how many vents keep their cell (four levels of the "
        "same 200 scenes).",
        (*given, *rest, *kept),
        (
            _worst_of("loud sounds from elsewhere given to a cell, M0 and M1", given),
            _worst_of("vents from -10 dB said to be from a cell, M0 and M1", asked),
        ),
    )


def _split(name: str, found: Found, other: Sequence[Answer]) -> Iterator[rows.Row]:
    for text, answers in (
        ("within 0.8 m of the cells", [a for a in other if a.nearest_m <= _NEAR_M]),
        ("farther away", [a for a in other if a.nearest_m > _NEAR_M]),
        ("at a guard point, M1", found.of(f"{name}: guard")),
    ):
        if answers:
            yield _given_to_a_cell(f"{name}: {text}", answers, goal=None)


def _given_to_a_cell(text: str, answers: Sequence[Answer], *, goal: float | None) -> rows.Row:
    return counts.counted(f"{text}: given to a cell", answers, _from_a_cell, goal=goal, better="lower")


def _from_a_cell(answer: Answer) -> bool:
    return answer.elsewhere < 0.5


def _sure(found: Found, layouts: Sequence[str]) -> Section:
    out: list[rows.Row] = []
    for name in layouts:
        for snr_db in (0.0, 10.0):
            answers = found.of(f"{name}: answer", snr_db=snr_db)
            if answers:
                out += _until_sure(f"{name}: M1, {snr_db:g} dB", answers)
    return Section(
        "Until an answer is 90 % sure",
        "Vents of 2 s; the map is made anew after "
        + ", ".join(f"{window_s:g}" for window_s in WINDOWS_S)
        + " s. The time is that of the first map with a cell of at least 90 %: of all places, or among the cells.",
        tuple(out),
    )


def _until_sure(text: str, answers: Sequence[Answer]) -> Iterator[rows.Row]:
    for which, what in ((1, "90 % sure of a cell"), (2, "90 % sure which cell, if it is one")):
        waits, named = [], []
        for answer in answers:
            for window_s, window in zip(WINDOWS_S, answer.windows, strict=True):
                if window[which] >= _SURE:
                    waits.append(window_s)
                    named.append(window[0] == answer.cell)
                    break
        yield rows.share(f"{text}: {what} within 2 s", len(waits), len(answers), goal=None)
        if waits:
            yield rows.median(f"{text}: {what}: time until then", waits, unit="s", goal=None, better="lower")
            yield rows.share(f"{text}: {what}: right then", int(np.sum(named)), len(named), goal=None)


def _container(found: Found) -> list[Section]:
    from trials import load_layout_once

    answers = found.of("container: M1")
    if not answers:
        return []
    packs = load_layout_once("container").cell_packs
    what = "container, 48 microphones, 4992 cells, M1, RT60 0.4 s, 0 dB"
    out = (
        counts.counted(
            f"{what}: right pack", answers, lambda a: bool(packs[a.best] == packs[a.cell]), goal=99.5, better="higher"
        ),
        counts.right(f"{what}: right cell", answers, goal=95.0),
    )
    return [Section("A whole container", "No peer was set up for it.", out, out)]


def _present(found: Sequence[rows.Row | None]) -> list[rows.Row]:
    return [row for row in found if row is not None]


_BUILDERS: tuple[Callable[[Found, Sequence[str]], Section], ...] = (
    _exact,
    _weak,
    _mismatch,
    _calibrated,
    _dead,
    _credible,
    _elsewhere,
    _sure,
)
