"""Microphones of a file, and cells, room and air from elsewhere, to a layout file."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry.air import VALID_RANGE_C
from trad_array_geometry.errors import LayoutError
from trad_array_geometry.formats.mic_csv import read_cells_csv
from trad_array_geometry.formats.rows import FORMATS, MicFile, read_bytes, shown_path, table_of
from trad_array_geometry.layout import layout_path, load_layout
from trad_array_geometry.layout_cells import listed_cells
from trad_array_geometry.layout_file import Mic, read_mics, require_inside

DEFAULT_TEMPERATURE_C = 25.0


@dataclass(frozen=True, slots=True)
class Imported:
    """A layout file to write.

    text : the file, TOML
    n_mics : how many microphones it has
    origins : where cells, room and air come from, in words
    notes : what was lost or assumed, a sentence each
    """

    text: str
    n_mics: int
    origins: str
    notes: tuple[str, ...]


def import_layout(
    mics: MicFile,
    *,
    layout_id: str,
    like: str | Path | None = None,
    cells: Path | None = None,
    origin_m: Sequence[float] = (0.0, 0.0, 0.0),
    temperature_c: float | None = None,
    provenance: str = "assumed",
) -> Imported:
    """A layout with the microphones of a file.

    Parameters
    ----------
    mics : as `read_mic_file` gives them
    layout_id : name of the new layout
    like : shipped name or file of a layout; cells, room, air and guards are its own, its microphones and its
        calibration are dropped
    cells : CSV file of cells; they take the place of those of `like`. Without `like` there is no room, and the air
        has 25 degrees Celsius
    origin_m : where the origin of the file lies in the layout's frame, m; the axes must be parallel
    temperature_c : of the air; without it as above
    provenance : "assumed" or "measured"

    Raises
    ------
    LayoutError
        If neither `like` nor `cells` is given, one of them cannot be used, or the microphones make no usable layout
        with them; names file, line and element.
    """
    if like is None and cells is None:
        raise LayoutError(f"{mics.name}: it has no cells: expected a layout to take them from, or a CSV file of cells")
    base = _template(like)
    box = None if like is None else load_layout(like).box_m
    read = _placed(mics, origin_m)
    if box is not None:
        require_inside([m.table for m in read], [m.name for m in read], np.array([m.at for m in read]), box, "mics")
    values: dict[str, Any] = {"schema": 1, "id": layout_id, "provenance": provenance, "air": base["air"]}
    if temperature_c is not None:
        given = table_of({"temperature_c": temperature_c}, name=mics.name, where="air")
        low, high = VALID_RANGE_C
        values["air"]["temperature_c"] = given.number("temperature_c", low=low, high=high)
    values |= {"room": base["room"]} if "room" in base else {}
    values["mics"] = [_written(mic) for mic in read]
    kept = ("guards",) if cells is not None else ("cells", "packs", "guards")
    values |= {key: base[key] for key in kept if key in base}
    if cells is not None:
        values["cells"] = _listed(cells, layout_id, box)
    origins = _origins(like, cells, values)
    text = _dumped(values, f"Microphones of {mics.name} ({FORMATS[mics.format]}); {origins}.")
    return Imported(text, len(read), origins, mics.notes)


def _template(like: str | Path | None) -> dict[str, Any]:
    """The layout file that everything but the microphones comes from, without its comments: they speak of others."""
    if like is None:
        return {"air": {"temperature_c": DEFAULT_TEMPERATURE_C}}
    load_layout(like)
    return tomllib.loads(layout_path(like).read_bytes().decode("utf-8"))


def _placed(mics: MicFile, origin_m: Sequence[float]) -> list[Mic]:
    tables = []
    for number, row in enumerate(mics.rows, start=1):
        at = [float(v) + float(o) for v, o in zip(row.values["position_m"], origin_m, strict=True)]
        values = {"name": f"M{number}", "channel": number} | dict(row.values) | {"position_m": at}
        tables.append(table_of(values, name=mics.name, where=row.where))
    return read_mics(tables)


def _written(mic: Mic) -> dict[str, Any]:
    return {
        "name": mic.name,
        "channel": mic.channel,
        "position_m": [round(v, 6) + 0.0 for v in mic.at],
        "position_sigma_m": round(mic.sigma_m, 9) + 0.0,
        "delay_us": round(mic.delay_us, 6) + 0.0,
        "delay_sigma_us": round(mic.delay_sigma_us, 6) + 0.0,
        "role": mic.role,
    }


def _listed(path: Path, layout_id: str, box: NDArray[np.float64] | None) -> list[dict[str, Any]]:
    name = shown_path(path)
    read = listed_cells(read_cells_csv(read_bytes(path, name), name), layout_id)
    if box is not None:
        require_inside(read.tables, read.names, read.points, box, "cells")
    return [
        {"name": cell, "position_m": [round(float(v), 6) + 0.0 for v in at], "pack": read.pack_names[pack]}
        for cell, at, pack in zip(read.names, read.points, read.packs, strict=True)
    ]


def _origins(like: str | Path | None, cells: Path | None, values: dict[str, Any]) -> str:
    source = None if like is None else shown_path(Path(like))
    if cells is None:
        return f"cells, room, air and guards of {source}"
    rest = f"room, air and guards of {source}" if source else f"no room, air of {values['air']['temperature_c']:g} C"
    return f"cells of {shown_path(cells)}, {rest}"


def _dumped(values: dict[str, Any], comment: str) -> str:
    import tomlkit

    return f"# {comment}\n{tomlkit.dumps(values)}"
