"""The [candidates] of a study file: points where microphones may stand, and layouts made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.simulation.places import room_box
from trad_array.study.records import Box, Choice, Points, Site
from trad_array.study.sources import CLEAR_M, require_clear, sources_of
from trad_array_geometry import Layout, LayoutError, layout_names, load_layout
from trad_array_geometry.tables import Table, one_of_each, shown

FEWEST_MICS, MOST_MICS = 2, 16
# More layouts than this are ranked first, not simulated all; and more points are too much for one bank. Our choice.
MOST_COMBINATIONS = 500
MOST_POINTS = 5_000
# Two microphones nearer than this are at one place.
_APART_M = 0.001


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be chosen from.

    layouts : whole layouts, the reference first, and sets of positions that are named
    free : indices of the points from positions and zones, of which any `mics` make a layout
    mics : microphones of such a layout; 0 when none is to be made
    """

    points: Points
    layouts: tuple[Choice, ...]
    free: tuple[int, ...]
    mics: int

    @property
    def n_combinations(self) -> int:
        """Layouts that can be made of the free points."""
        return comb(len(self.free), self.mics) if self.mics else 0

    def combined(self) -> tuple[Choice, ...]:
        """Every layout that can be made of the free points, in the order of the points."""
        names = self.points.names
        return tuple(
            Choice(" + ".join(names[k] for k in chosen), chosen)
            for chosen in (combinations(self.free, self.mics) if self.mics else ())
        )


def read_candidates(table: Table, site: Site, folder: Path) -> Candidates:
    """The points and layouts of [candidates].

    Raises
    ------
    ConfigError, LayoutError
        If there are none, or a microphone cannot stand where it is put.
    """
    named = table.texts("layouts", default=())
    sigma_m = table.number("position_sigma_m", default=0.005, low=0.0, high=1.0)
    delay_sigma_s = table.number("delay_sigma_s", default=30e-6, low=0.0, high=0.1)
    position_tables = table.tables("positions", required=False)
    zone_tables = table.tables("zones", required=False)
    set_tables = table.tables("sets", required=False)
    if not named and not position_tables and not zone_tables:
        raise table.fail(
            "", "expected layouts, [[candidates.positions]] or [[candidates.zones]] to choose from, found none"
        )
    layouts = _layouts(table, named, site, folder, own=not set_tables)
    collected = _Collected(site.boxes)
    try:
        choices = [_whole(table, layout, site, collected) for layout in layouts]
    except ConfigError as trouble:
        if named:
            raise
        raise ConfigError(f"{trouble}; where no layout is named, the site's own is the reference") from trouble
    loose = (sigma_m, delay_sigma_s)
    free = [*_positions(position_tables, site, collected, loose), *_zones(zone_tables, site, collected, loose)]
    choices += _sets(set_tables, collected)
    reference = table.text("reference", default=choices[0].name, choices=tuple(choice.name for choice in choices))
    choices.sort(key=lambda choice: choice.name != reference)
    _require_names(collected, choices, table)
    mics = 0
    if free and (table.has("mics") or not set_tables):
        mics = table.whole("mics", low=FEWEST_MICS, high=MOST_MICS)
        if len(free) < mics:
            raise table.fail("mics", f"expected at most as many as there are positions, {len(free)}, found {mics}")
    else:
        table.offer("mics")
        if not free and table.has("mics"):
            raise table.fail(
                "mics", "expected [[candidates.positions]] or [[candidates.zones]] to put them, found none"
            )
    table.close()
    if len(collected.names) > MOST_POINTS:
        raise table.fail("zones", f"expected at most {MOST_POINTS} points in all, found {len(collected.names)}")
    return Candidates(collected.points(), tuple(choices), tuple(dict.fromkeys(free)), mics)


class _Collected:
    """Points while they are collected: each place once."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.names: list[str] = []
        self._boxes = boxes
        self._rows: dict[tuple[float, ...], int] = {}
        self._zones: list[str] = []
        self._sigmas: list[tuple[float, float]] = []

    def add(self, name: str, at: NDArray[np.float64], zone: str, sigmas: tuple[float, float]) -> int:
        """Index of the point at this place, which is new or known."""
        key = tuple(round(float(v), 6) for v in at)
        if key not in self._rows:
            self._rows[key] = len(self.names)
            self.names.append(name)
            self._zones.append(zone)
            self._sigmas.append(sigmas)
        return self._rows[key]

    def box_around(self, at: NDArray[np.float64]) -> str | None:
        """Name of a box that the place is inside of."""
        for box in self._boxes:
            if (at > np.array(box.min_m) + 1e-9).all() and (at < np.array(box.max_m) - 1e-9).all():
                return box.name
        return None

    def points(self) -> Points:
        sigmas = np.array(self._sigmas)
        return Points(tuple(self.names), np.array(list(self._rows)), tuple(self._zones), sigmas[:, 0], sigmas[:, 1])


def _layouts(table: Table, named: Sequence[str], site: Site, folder: Path, *, own: bool) -> list[Layout]:
    """The layouts that are named; the site's own where none is and it is wanted."""
    if not named:
        return [site.layout] if own else []
    layouts = {name: load_beside(table, "layouts", name, folder) for name in named}
    one_of_each([(table, layout.id) for layout in layouts.values()], "layouts", shown)
    if len(layouts) != len(named):
        raise table.fail("layouts", "expected each layout once, found one of them twice")
    return list(layouts.values())


def load_beside(table: Table, key: str, name: str, folder: Path) -> Layout:
    """A shipped layout, or a layout file named from the folder of the study file."""
    try:
        return load_layout(name if name in layout_names() else folder / name)
    except LayoutError as trouble:
        if name.endswith(".toml"):
            raise
        known = ", ".join(layout_names())
        raise table.fail(key, f"expected a layout file or one of {known}, found {shown(name)}") from trouble


def _whole(table: Table, layout: Layout, site: Site, collected: _Collected) -> Choice:
    """A whole layout as a choice; its array microphones become points."""
    mics = [int(k) for k in layout.array_mics]
    if not FEWEST_MICS <= len(mics) <= MOST_MICS:
        raise table.fail(
            "layouts", f"expected {FEWEST_MICS} to {MOST_MICS} microphones, found {len(mics)} in {shown(layout.id)}"
        )
    found = []
    for k in mics:
        name = f"{layout.id} {layout.mic_names[k]}"
        _require_place(table, "layouts", name, layout.mics[k], site, collected)
        sigmas = float(layout.mic_sigma_m[k]), float(layout.mic_delay_sigma_s[k])
        found.append(collected.add(name, layout.mics[k], layout.id, sigmas))
    return Choice(layout.id, tuple(sorted(found)))


def _positions(tables: list[Table], site: Site, collected: _Collected, sigmas: tuple[float, float]) -> list[int]:
    names, places = [], []
    for table in tables:
        names.append(table.text("name"))
        places.append(np.array(table.vector("position_m", size=3)))
        table.close()
        for name, at in zip(names[:-1], places[:-1], strict=True):
            if np.linalg.norm(at - places[-1]) < _APART_M:
                raise table.fail("position_m", f"expected microphones apart, found {shown(name)} at the same place")
        _require_place(table, "position_m", names[-1], places[-1], site, collected)
    one_of_each(list(zip(tables, names, strict=True)), "name", shown)
    return [collected.add(name, at, "positions", sigmas) for name, at in zip(names, places, strict=True)]


def _zones(tables: list[Table], site: Site, collected: _Collected, sigmas: tuple[float, float]) -> list[int]:
    """Grids of points; those inside a box or on top of something that sounds are left out."""
    names, found = [], []
    sounding = sources_of(site).positions_m
    for table in tables:
        names.append(table.text("name"))
        low, high = (np.array(table.vector(key, size=3)) for key in ("min_m", "max_m"))
        step_m = table.number("step_m", low=0.01, high=10.0)
        table.close()
        if not (high >= low).all():
            raise table.fail("max_m", f"expected no coordinate below min_m {low.tolist()}, found {high.tolist()}")
        for corner in (low, high):
            _require_inside(table, "", f"zone {names[-1]}", corner, site)
        counts = np.floor((high - low) / step_m + 1e-9).astype(int) + 1
        if int(np.prod(counts)) > MOST_POINTS:
            raise table.fail("step_m", f"expected at most {MOST_POINTS} points, found {int(np.prod(counts))}")
        # What the steps leave of the zone is shared by both ends.
        starts = low + (high - low - (counts - 1) * step_m) / 2
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
        places = [
            at
            for at in starts + grid * step_m
            if collected.box_around(at) is None and np.linalg.norm(sounding - at, axis=1).min() >= CLEAR_M
        ]
        if not places:
            raise table.fail("", f"expected places for microphones, found none outside of {_boxes_words(site)}")
        digits = len(str(len(places)))
        for number, at in enumerate(places, start=1):
            found.append(collected.add(f"{names[-1]} {number:0{digits}d}", at, names[-1], sigmas))
    one_of_each(list(zip(tables, names, strict=True)), "name", shown)
    return found


def _sets(tables: list[Table], collected: _Collected) -> list[Choice]:
    """Layouts that the file puts together itself, from names of points."""
    found = []
    for table in tables:
        name, mics = table.text("name"), table.texts("mics")
        table.close()
        for mic in mics:
            if mic not in collected.names:
                near = get_close_matches(mic, collected.names, n=1)
                hint = f", did you mean {near[0]}?" if near else ""
                raise table.fail("mics", f"expected names of positions, found {shown(mic)}{hint}")
        if len(set(mics)) < len(mics):
            raise table.fail("mics", f"expected each once, found {shown(list(mics))}")
        if not FEWEST_MICS <= len(mics) <= MOST_MICS:
            raise table.fail("mics", f"expected {FEWEST_MICS} to {MOST_MICS} microphones, found {len(mics)}")
        found.append(Choice(name, tuple(sorted(collected.names.index(mic) for mic in mics))))
    return found


def _boxes_words(site: Site) -> str:
    return ", ".join(box.name for box in site.boxes) or "what sounds"


def _require_place(
    table: Table, key: str, name: str, at: NDArray[np.float64], site: Site, collected: _Collected
) -> None:
    """Raise if a microphone cannot stand here."""
    _require_inside(table, key, f"microphone {name}", at, site)
    box = collected.box_around(at)
    if box is not None:
        found = np.round(at, 4).tolist()
        raise table.fail(
            key, f"expected microphones outside of boxes, found {shown(name)} at {found} inside {shown(box)}"
        )


def _require_inside(table: Table, key: str, what: str, at: NDArray[np.float64], site: Site) -> None:
    box = room_box(site.layout)
    if not ((at >= box[0]) & (at <= box[1])).all():
        found = np.round(at, 4).tolist()
        raise table.fail(
            key, f"expected it inside the room {box[0].tolist()} to {box[1].tolist()}, found {what} at {found}"
        )


def _require_names(collected: _Collected, choices: Sequence[Choice], table: Table) -> None:
    """Names that a table of results can hold, each once."""
    for name in collected.names:
        if ";" in name or not name.isprintable():
            raise table.fail("", f"expected names without semicolons, found {shown(name)}")
    seen: set[str] = set()
    for name in [*collected.names, *(choice.name for choice in choices)]:
        if name in seen:
            raise table.fail("", f"expected a different name for each, found {shown(name)} twice")
        seen.add(name)


def require_clear_points(table: Table, site: Site, points: Points) -> None:
    """Raise about a microphone that something sounds inside of."""
    try:
        require_clear(sources_of(site), points)
    except ConfigError as trouble:
        raise table.fail("", str(trouble)) from trouble
