"""The cells of a layout file: a list, a grid, or a grid repeated for every pack.

The format is described in docs/layouts.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry.tables import Table, one_of_each, shown

MAX_CELLS = 20_000

_PITCHES = ("columns", "rows", "levels")


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells as read, pack after pack.

    tables : the table that each cell comes from, for messages
    names : n_cells; points : (n_cells, 3), m, the valves; size_m : footprint of a cell along x and y, m
    pack_names : n_packs; packs : (n_cells,), index of the pack of each cell
    """

    tables: list[Table]
    names: list[str]
    points: NDArray[np.float64]
    size_m: tuple[float, float]
    pack_names: tuple[str, ...]
    packs: NDArray[np.intp]


def read_cells(root: Table, *, layout_id: str) -> Cells:
    """Cells and packs of a layout file; without packs there is one, named like the layout.

    Raises
    ------
    LayoutError
        Named by file and key, like every trouble with a layout file.
    """
    if root.is_list("cells"):
        if root.has("packs"):
            raise root.fail("packs", "expected a grid [cells] to repeat, found listed [[cells]]")
        return listed_cells(root.tables("cells"), layout_id)
    table = root.table("cells")
    if not root.has("packs"):
        return _grid_of_cells(table, _Packs((layout_id,), np.zeros((1, 3)), prefix=False))
    return _grid_of_cells(table, _read_packs(root.table("packs")))


@dataclass(frozen=True, slots=True, eq=False)
class _Packs:
    """Where the grid of cells is repeated.

    offsets_m : (n_packs, 3), m, from the first pack
    prefix : whether the pack's name becomes part of the names of its cells
    """

    names: tuple[str, ...]
    offsets_m: NDArray[np.float64]
    prefix: bool


def _read_packs(table: Table) -> _Packs:
    columns, rows, levels = counts = tuple(table.whole(key, default=1, low=1, high=MAX_CELLS) for key in _PITCHES)
    if columns * rows * levels > MAX_CELLS:
        raise table.fail("columns", f"expected at most {MAX_CELLS} packs, found {columns} x {rows} x {levels}")
    pitch = np.array(table.vector("pitch_m", size=3))
    for count, step, along in zip(counts, pitch, "xyz", strict=True):
        if count > 1 and not 0.001 <= step <= 100.0:
            raise table.fail("pitch_m", f"expected 0.001 to 100 along {along}, found {step:g}")
    pattern = table.text("names", default="K{row}{column:02d}L{level}")
    table.close()
    # Level after level of one rack, rack after rack of one row.
    row, column, level = (index.ravel() for index in np.indices((rows, columns, levels)))
    places = [
        {"row": int(r) + 1, "column": int(c) + 1, "level": int(v) + 1}
        for r, c, v in zip(row, column, level, strict=True)
    ]
    names = _named(table, pattern, places, "{row}, {column:02d} and {level}", "pack")
    return _Packs(tuple(names), np.stack([column, row, level], axis=1) * pitch, prefix=True)


def _grid_of_cells(table: Table, packs: _Packs) -> Cells:
    rows = table.whole("rows", low=1, high=MAX_CELLS)
    columns = table.whole("columns", low=1, high=MAX_CELLS)
    if rows * columns * len(packs.names) > MAX_CELLS:
        times = f" in {len(packs.names)} packs" if packs.prefix else ""
        raise table.fail("columns", f"expected at most {MAX_CELLS} cells, found {rows} x {columns}{times}")
    pitch = table.number("pitch_m", low=0.001, high=100.0)
    row_pitch = table.number("row_pitch_m", default=None if rows > 1 else pitch, low=0.001, high=100.0)
    origin = np.array(table.vector("origin_m", size=3))
    offset = np.array(table.vector("valve_offset_m", size=3, default=(0.0, 0.0, 0.0)))
    size = table.vector("size_m", size=2, default=(0.9 * pitch, 0.9 * row_pitch))
    if min(size) <= 0:
        raise table.fail("size_m", f"expected two numbers above 0, found {list(size)}")
    pattern = table.text("names", default="R{row}C{column:02d}")
    table.close()
    if packs.prefix and "{pack}" not in pattern:
        pattern = "{pack}-" + pattern
    row, column = (index.ravel() for index in np.indices((rows, columns)))
    places = [
        {"row": int(r) + 1, "column": int(c) + 1} | ({"pack": pack} if packs.prefix else {})
        for pack in packs.names
        for r, c in zip(row, column, strict=True)
    ]
    names = _named(table, pattern, places, "{row} and {column:02d}", "cell")
    grid = origin + offset + np.stack([column * pitch, row * row_pitch, np.zeros(len(row))], axis=1)
    points = (packs.offsets_m[:, None] + grid).reshape(-1, 3)
    owners = np.repeat(np.arange(len(packs.names)), len(grid))
    return Cells([table] * len(names), names, points, (size[0], size[1]), packs.names, owners)


def _named(table: Table, pattern: str, places: Sequence[Mapping[str, int | str]], fields: str, what: str) -> list[str]:
    """The pattern filled in for every place; only the fields of the places may stand in it."""
    known = "|".join(rf"\{{{key}\}}" if key == "pack" else rf"\{{{key}(:0[1-6]d)?\}}" for key in places[0])
    rest = re.sub(known, "", pattern)
    if "{" in rest or "}" in rest:
        raise table.fail("names", f"expected a text with {fields}, found {shown(pattern)}")
    names = [pattern.format(**place) for place in places]
    if len(set(names)) < len(names):
        raise table.fail("names", f"expected a different name for each {what}, found {shown(pattern)}")
    return names


def listed_cells(tables: list[Table], layout_id: str) -> Cells:
    """Cells of tables [[cells]], wherever they come from; raises like `read_cells`."""
    names, positions, owners = [], [], []
    for table in tables:
        names.append(table.text("name"))
        positions.append(table.vector("position_m", size=3))
        owners.append(table.text("pack", default=layout_id))
        table.close()
    one_of_each(list(zip(tables, names, strict=True)), "name", shown)
    points = np.array(positions)
    side = 0.8 * _nearest_distance(points)
    numbers = {owner: n for n, owner in enumerate(dict.fromkeys(owners))}
    packs = np.array([numbers[owner] for owner in owners], dtype=np.intp)
    return Cells(tables, names, points, (side, side), tuple(numbers), packs)


def _nearest_distance(points: NDArray[np.float64]) -> float:
    """Smallest distance between two of the points; 0.1 m for a single one."""
    if len(points) < 2:
        return 0.1
    step = points[: min(len(points), 200), None, :] - points[None, :, :]
    distances = np.linalg.norm(step, axis=-1)
    distances[np.arange(len(distances)), np.arange(len(distances))] = np.inf
    return float(distances.min()) or 0.1
