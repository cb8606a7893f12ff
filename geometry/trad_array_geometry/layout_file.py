"""The layout file: TOML to a `Layout`, with every rule that makes a layout usable.

The format is described in docs/layouts.md.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry.air import VALID_RANGE_C
from trad_array_geometry.errors import LayoutError
from trad_array_geometry.layout import CalibrationNote, Layout
from trad_array_geometry.layout_cells import read_cells
from trad_array_geometry.tables import Table, one_of_each, read_table, shown

SCHEMA = 1
PROVENANCES = ("assumed", "measured", "calibrated")
ROLES = ("array", "reference")

MAX_CHANNEL = 1024
# A channel that is later than this is not skewed but another recording.
MAX_DELAY_US = 100_000.0
# Two microphones closer than this cannot be told apart from one by their delays (our choice: 3 us of travel).
COINCIDENT_M = 0.001


def read_layout(path: Path) -> Layout:
    """Read one layout file; raises `LayoutError`, see `trad_array_geometry.layout.load_layout`."""
    root = read_table(path, name=path.name if path.is_absolute() else str(path), error=LayoutError)
    schema = root.whole("schema")
    if schema != SCHEMA:
        raise root.fail("schema", f"expected {SCHEMA}, found {schema}")
    name = root.text("id")
    provenance = root.text("provenance", choices=PROVENANCES)
    air = root.table("air")
    temperature_c = air.number("temperature_c", low=VALID_RANGE_C[0], high=VALID_RANGE_C[1])
    temperature_sigma_c = air.number("temperature_sigma_c", default=5.0, low=0.0, high=50.0)
    air.close()
    box = _read_room(root.table("room")) if root.has("room") else None
    mics = read_mics(root.tables("mics"))
    cells = read_cells(root, layout_id=name)
    guard_names, guards = _read_guards(root.tables("guards", required=False))
    calibration = _read_calibration(root.table("calibration")) if root.has("calibration") else None
    root.close()
    if box is not None:
        require_inside(cells.tables, cells.names, cells.points, box, "cells")
        require_inside([m.table for m in mics], [m.name for m in mics], np.array([m.at for m in mics]), box, "mics")
    return Layout(
        id=name,
        provenance=provenance,
        mics=np.array([mic.at for mic in mics]),
        mic_names=tuple(mic.name for mic in mics),
        mic_channels=tuple(mic.channel for mic in mics),
        mic_roles=tuple(mic.role for mic in mics),
        mic_sigma_m=np.array([mic.sigma_m for mic in mics]),
        mic_delay_s=np.array([1e-6 * mic.delay_us for mic in mics]),
        mic_delay_sigma_s=np.array([1e-6 * mic.delay_sigma_us for mic in mics]),
        cells=cells.points,
        cell_names=tuple(cells.names),
        cell_size_m=cells.size_m,
        pack_names=cells.pack_names,
        cell_packs=cells.packs,
        guards=guards,
        guard_names=tuple(guard_names),
        box_m=box,
        temperature_c=temperature_c,
        temperature_sigma_c=temperature_sigma_c,
        calibration=calibration,
    )


def _read_room(room: Table) -> NDArray[np.float64]:
    low = np.array(room.vector("min_m", size=3, default=(0.0, 0.0, 0.0)))
    high = np.array(room.vector("max_m", size=3))
    room.close()
    if not (high > low).all():
        raise room.fail("max_m", f"expected every coordinate above min_m {low.tolist()}, found {high.tolist()}")
    return np.stack([low, high])


@dataclass(frozen=True, slots=True)
class Mic:
    """A microphone as read; `table` is where it stands, for messages."""

    table: Table
    name: str
    channel: int
    at: tuple[float, ...]
    sigma_m: float
    delay_us: float
    delay_sigma_us: float
    role: str


def read_mics(tables: list[Table]) -> list[Mic]:
    """The microphones of tables [[mics]], wherever they come from; raises `LayoutError` about what cannot be used."""
    mics = [_read_mic(table, number) for number, table in enumerate(tables, start=1)]
    one_of_each([(mic.table, mic.name) for mic in mics], "name", shown)
    one_of_each([(mic.table, mic.channel) for mic in mics], "channel", str)
    for first, second in combinations(mics, 2):
        distance = float(np.linalg.norm(np.subtract(first.at, second.at)))
        if distance < COINCIDENT_M:
            raise second.table.fail(
                "position_m",
                f"expected microphones apart, found {shown(second.name)} at {distance * 1000:.2g} mm from "
                f"{shown(first.name)}",
            )
    n_array = sum(mic.role == "array" for mic in mics)
    if n_array < 2:
        raise tables[-1].fail("role", f'expected at least two microphones of role "array", found {n_array}')
    return mics


def _read_mic(table: Table, number: int) -> Mic:
    mic = Mic(
        table,
        name=table.text("name"),
        channel=table.whole("channel", default=number, low=1, high=MAX_CHANNEL),
        at=table.vector("position_m", size=3),
        sigma_m=table.number("position_sigma_m", default=0.005, low=0.0, high=1.0),
        delay_us=table.number("delay_us", default=0.0, low=-MAX_DELAY_US, high=MAX_DELAY_US),
        delay_sigma_us=table.number("delay_sigma_us", default=30.0, low=0.0, high=MAX_DELAY_US),
        role=table.text("role", default="array", choices=ROLES),
    )
    table.close()
    return mic


def _read_calibration(table: Table) -> CalibrationNote:
    note = CalibrationNote(
        date=table.text("date"),
        method=table.text("method"),
        n_sounds=table.whole("n_sounds"),
        residual_us=table.number("residual_us", low=0.0),
    )
    table.close()
    return note


def _read_guards(tables: list[Table]) -> tuple[list[str], NDArray[np.float64]]:
    names, positions = [], []
    for table in tables:
        names.append(table.text("name"))
        positions.append(table.vector("position_m", size=3))
        table.close()
    one_of_each(list(zip(tables, names, strict=True)), "name", shown)
    return names, np.array(positions, dtype=np.float64).reshape(-1, 3)


def require_inside(
    tables: list[Table], names: list[str], points: NDArray[np.float64], box: NDArray[np.float64], what: str
) -> None:
    """Raise about the table of the first point outside the room."""
    outside = np.flatnonzero(((points < box[0]) | (points > box[1])).any(axis=1))
    if len(outside):
        n = int(outside[0])
        found = [round(float(v), 4) for v in points[n]]
        raise tables[n].fail(
            "", f"expected {what} inside the room {box[0].tolist()} to {box[1].tolist()}, found {names[n]} at {found}"
        )
