"""The study file: TOML to a `Study`, with every rule that can be checked before any long work starts.

```toml
schema = 1
name = "pack"
seed = 1

[site]
layout = "pack-corners"              # cells, room, fans; a shipped name or a file beside this one
cells = { every = 4 }                # or "all", or a list of names

[candidates]
layouts = ["pack-corners", "mine.toml"]

[conditions]                         # lists: every combination is an operating point
rt60_s = [0.3, 0.5]
snr_db = [-16, -12]
mismatch = ["none", "M1"]
dead = "each"
```
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, LayoutError
from trad_array.simulation.negatives import NEGATIVE_KINDS
from trad_array.simulation.places import room_box
from trad_array.study.acoustics import require_rt60
from trad_array.study.records import FANS, MISMATCHES, Box, Condition, DetectionPart, FanState, Mismatch, Site, Study
from trad_array.study.search_records import RankPlan, SearchPlan, read_rank, read_search
from trad_array.study.sources import sources_of
from trad_array.study.study_candidates import (
    MOST_COMBINATIONS,
    Candidates,
    load_beside,
    read_candidates,
    require_clear_points,
)
from trad_array_geometry import Layout
from trad_array_geometry.tables import Table, one_of_each, read_table, shown

SCHEMA = 1
ENGINES = ("spectral", "time")
MOST_EVENTS = 100_000_000
# Events of one shard: a second of the time engine at least, and what fits into memory at most.
SHARD_EVENTS = (100, 100_000)
MOST_SHARDS = 1_000_000

T = TypeVar("T", Mismatch, FanState)


@dataclass(frozen=True, slots=True, eq=False)
class StudyFile:
    """A study file as it was read.

    study : Study; its choices are whole layouts, and combinations where they were asked for
    candidates : what layouts may be made of
    rank, search : how layouts are ranked and searched, [rank] and [search]
    """

    study: Study
    candidates: Candidates
    rank: RankPlan
    search: SearchPlan


def read_study(path: Path) -> Study:
    """Read a study whose layouts are all to be simulated: whole layouts, and every combination of free positions.

    Raises
    ------
    ConfigError
        If the file cannot be used, or has more than 500 combinations: `study rank` is for those. The message names
        file, key, what was expected and what was found.
    LayoutError
        If a layout file that it names cannot be used.
    """
    return read_study_file(path).study


def read_study_file(path: Path, *, combine: bool = True) -> StudyFile:
    """Read a study and what its layouts may be made of.

    Parameters
    ----------
    path : Path
    combine : bool
        Whether every combination of free positions becomes a choice; without, only whole layouts do.

    Raises
    ------
    ConfigError, LayoutError
        As `read_study`.
    """
    root = read_table(path, name=str(path), error=ConfigError)
    schema = root.whole("schema")
    if schema != SCHEMA:
        raise root.fail("schema", f"expected {SCHEMA}, found {schema}")
    name = root.text("name", default=path.stem)
    seed = root.whole("seed", default=1, high=2**31 - 1)
    site = _read_site(root.table("site"), path.parent)
    if not root.has("candidates"):
        raise root.fail("candidates", "missing, expected layouts or positions to choose from")
    table = root.table("candidates")
    candidates = read_candidates(table, site, path.parent)
    require_clear_points(table, site, candidates.points)
    choices = candidates.layouts
    if combine and candidates.n_combinations > MOST_COMBINATIONS:
        raise table.fail(
            "mics",
            f"expected at most {MOST_COMBINATIONS} layouts of {candidates.mics} from {len(candidates.free)} positions, "
            f"found {candidates.n_combinations}: `trad-array study rank` finds the best of so many",
        )
    if combine:
        taken = {choice.points for choice in choices}
        choices += tuple(choice for choice in candidates.combined() if choice.points not in taken)
    mismatches = MISMATCHES | _own(root, "mismatch", MISMATCHES, _read_mismatch)
    fans = FANS | _own(root, "fans", FANS, _read_fan)
    conditions, each_dead = _read_conditions(root.table("conditions", required=False), site, mismatches, fans)
    detection = _read_detection(root.table("detection", required=False))
    study = Study(name, seed, site, candidates.points, choices, conditions, each_dead=each_dead, detection=detection)
    study = _with_run(root.table("run", required=False), study)
    ranking = read_rank(root.table("rank", required=False), mics=candidates.mics or 4)
    search = read_search(root.table("search", required=False), mics=candidates.mics or 4)
    root.close()
    return StudyFile(study, candidates, ranking, search)


def _read_site(table: Table, folder: Path) -> Site:
    layout = load_beside(table, "layout", table.text("layout"), folder)
    try:
        room_box(layout)
    except LayoutError as trouble:
        raise table.fail("layout", "expected a layout that says how large its room is, found none") from trouble
    site = Site(
        layout,
        _read_cells(table, layout),
        jet_heights_m=table.numbers("jet_heights_m", default=(0.0, 0.05), low=0.0, high=1.0),
        boxes=_read_boxes(table.tables("boxes", required=False), room_box(layout)),
        noise_dbfs=table.number("noise_dbfs", default=-45.0, low=-80.0, high=-10.0),
    )
    table.close()
    _require_list(table, "jet_heights_m", site.jet_heights_m)
    try:
        sources_of(site)
    except LayoutError as trouble:
        raise table.fail("jet_heights_m", str(trouble).split("jet_heights_m: ")[-1]) from trouble
    return site


def _read_cells(table: Table, layout: Layout) -> NDArray[np.intp]:
    """Indices of the cells that vent, ascending."""
    if table.is_table("cells"):
        inner = table.table("cells")
        every = inner.whole("every", low=1, high=layout.n_cells)
        inner.close()
        return np.arange(0, layout.n_cells, every)
    if not table.is_list("cells"):
        expected = 'expected "all", a list of names or { every = N }'
        table.offer("cells")
        if table.has("cells") and table.text("cells") != "all":
            raise table.fail("cells", f"{expected}, found {shown(table.text('cells'))}")
        return np.arange(layout.n_cells)
    names = table.texts("cells")
    _require_list(table, "cells", names)
    for name in names:
        if name not in layout.cell_names:
            raise table.fail(
                "cells", f"expected names from {layout.cell_names[0]} to {layout.cell_names[-1]}, found {shown(name)}"
            )
    return np.sort([layout.cell_index(name) for name in names])


def _read_boxes(tables: list[Table], room_m: NDArray[np.float64]) -> tuple[Box, ...]:
    boxes = []
    for table in tables:
        name = table.text("name")
        low, high = table.vector("min_m", size=3), table.vector("max_m", size=3)
        thick = [b > a for a, b in zip(low, high, strict=True)]
        if any(b < a for a, b in zip(low, high, strict=True)) or sum(thick) < 2:
            raise table.fail("max_m", f"expected a box above min_m {list(low)}, found {list(high)}")
        if (np.array(low) > room_m[1]).any() or (np.array(high) < room_m[0]).any():
            raise table.fail(
                "min_m", f"expected a box in the room {room_m[0].tolist()} to {room_m[1].tolist()}, found {name}"
            )
        loss_db = table.number("loss_db", default=10.0, low=0.0, high=80.0)
        boxes.append(
            Box(
                name,
                (low[0], low[1], low[2]),
                (high[0], high[1], high[2]),
                loss_db,
                table.number("slope_db", default=3.0, low=0.0, high=24.0),
            )
        )
        table.close()
    one_of_each(list(zip(tables, [box.name for box in boxes], strict=True)), "name", shown)
    return tuple(boxes)


def _own(root: Table, key: str, shipped: dict[str, T], read: Callable[[str, Table], T]) -> dict[str, T]:
    """Mismatches or fan states that the file brings itself."""
    found = {}
    for name, table in root.named_tables(key).items():
        if name in shipped:
            raise table.fail("", f"expected another name than those that ship, {', '.join(shipped)}")
        found[name] = read(name, table)
        table.close()
    return found


def _read_mismatch(name: str, table: Table) -> Mismatch:
    return Mismatch(
        name,
        temperature_k=table.number("temperature_k", default=0.0, low=0.0, high=60.0),
        mic_m=table.number("mic_m", default=0.0, low=0.0, high=1.0),
        skew_s=table.number("skew_s", default=0.0, low=0.0, high=0.01),
    )


def _read_fan(name: str, table: Table) -> FanState:
    return FanState(
        name,
        speed=table.number("speed", default=1.0, low=0.2, high=5.0),
        level_db=table.number("level_db", default=0.0, low=-40.0, high=40.0),
    )


def _read_conditions(
    table: Table, site: Site, mismatches: dict[str, Mismatch], fans: dict[str, FanState]
) -> tuple[tuple[Condition, ...], bool]:
    """The grid of all that is listed, and whether each microphone is lost in turn."""
    rooms = table.numbers("rt60_s", default=(0.4,))
    levels = table.numbers("snr_db", default=(-12.0,), low=-60.0, high=60.0)
    durations = table.numbers("duration_s", default=(0.5,), low=0.05, high=10.0)
    names = table.texts("mismatch", default=("none",))
    states = table.texts("fans", default=("normal",))
    dead = table.text("dead", default="none", choices=("none", "each"))
    table.close()
    for key, values in (
        ("rt60_s", rooms),
        ("snr_db", levels),
        ("duration_s", durations),
        ("mismatch", names),
        ("fans", states),
    ):
        _require_list(table, key, values)
    for key, chosen, known in (("mismatch", names, tuple(mismatches)), ("fans", states, tuple(fans))):
        for name in chosen:
            if name not in known:
                raise table.fail(key, f"expected one of {', '.join(known)}, found {shown(name)}")
    for rt60_s in rooms:
        try:
            require_rt60(room_box(site.layout), rt60_s, speed_of_sound=site.layout.speed_of_sound)
        except ConfigError as trouble:
            raise table.fail("rt60_s", str(trouble).removeprefix("rt60_s: ")) from trouble
    grid = tuple(
        Condition(rt60_s, snr_db, duration_s, fans[state], mismatches[name])
        for rt60_s, state, name, duration_s, snr_db in product(rooms, states, names, durations, levels)
    )
    return grid, dead == "each"


def _read_detection(table: Table) -> DetectionPart:
    part = DetectionPart(
        events=table.whole("events", default=0, high=100_000),
        negatives=table.texts("negatives", default=()),
        negative_events=table.whole("negative_events", default=0, high=100_000),
        duration_s=table.number("duration_s", default=2.0, low=0.05, high=20.0),
    )
    table.close()
    for kind in part.negatives:
        if kind not in NEGATIVE_KINDS:
            raise table.fail("negatives", f"expected some of {', '.join(NEGATIVE_KINDS)}, found {shown(kind)}")
    if len(set(part.negatives)) < len(part.negatives):
        raise table.fail("negatives", f"expected each once, found {shown(list(part.negatives))}")
    if bool(part.negatives) != bool(part.negative_events):
        raise table.fail("negative_events", "expected negatives and negative_events together, found one of them")
    return part


def _with_run(table: Table, study: Study) -> Study:
    """The study with how much of it is computed, and how."""
    events = table.whole("events", default=study.events, low=1, high=MOST_EVENTS)
    low, high = SHARD_EVENTS
    study = replace(
        study,
        engine=table.text("engine", default=study.engine, choices=ENGINES),
        events=events,
        shard_events=table.whole("shard_events", default=study.shard_events, low=low, high=high),
        agreement_events=table.whole("agreement_events", default=study.agreement_events, high=1_000_000),
    )
    table.close()
    lost = 1 + max((len(choice.points) for choice in study.choices), default=0) * study.each_dead
    shards = len(study.choices) * len(study.conditions) * lost * -(-events // study.shard_events)
    if shards > MOST_SHARDS:
        raise table.fail("shard_events", f"expected at most {MOST_SHARDS} shards in all, found {shards}: raise it")
    return study


def _require_list(table: Table, key: str, values: tuple[float, ...] | tuple[str, ...]) -> None:
    """Raise about a list that is empty or says something twice."""
    if not values:
        raise table.fail(key, "expected at least one, found none")
    if len(set(values)) < len(values):
        raise table.fail(key, f"expected each once, found {shown(list(values))}")
