"""The microphones of a layout to a file of another program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.formats.acoular_xml import acoular_text
from trad_array_geometry.formats.finding import known_format
from trad_array_geometry.formats.mic_csv import csv_text
from trad_array_geometry.formats.odas_cfg import odas_text
from trad_array_geometry.layout import Layout

_WRITERS: Mapping[str, Callable[[Layout], tuple[str, tuple[str, ...]]]] = {
    "acoular": acoular_text,
    "odas": odas_text,
    "csv": csv_text,
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file to write: its text, how many microphones it has, and what was lost, a sentence each."""

    text: str
    n_mics: int
    notes: tuple[str, ...]


def export_mics(layout: Layout, format: str, *, origin_m: Sequence[float] = (0.0, 0.0, 0.0)) -> Exported:
    """The microphones of a layout as acoular XML, ODAS cfg or CSV, in metres.

    Parameters
    ----------
    layout : its cells, room and air stay behind
    format : one of `FORMATS`; acoular and ODAS get no reference microphones, which belong to no array
    origin_m : point of the layout's frame that becomes the origin of the file, m; the axes stay

    Raises
    ------
    LayoutError
        If there is no such format.
    """
    write = _WRITERS[known_format(format)]
    text, notes = write(replace(layout, mics=layout.mics - np.asarray(origin_m, dtype=np.float64)))
    if format == "csv":
        return Exported(text, layout.n_mics, notes)
    left_out = [name for name, role in zip(layout.mic_names, layout.mic_roles, strict=True) if role != "array"]
    if left_out:
        notes = (*notes, f"reference microphones are left out: {', '.join(left_out)}")
    return Exported(text, len(layout.array_mics), notes)


def write_mic_file(target: Path, text: str, *, overwrite: bool = False) -> None:
    """Write what `export_mics` gave, whole or not at all.

    Raises
    ------
    LayoutError
        If the target exists and may not be overwritten.
    OSError
        If it cannot be written.
    """
    require_free(target, overwrite=overwrite)
    part = target.with_name(target.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def require_free(target: Path, *, overwrite: bool) -> None:
    """Raise when there is a file already that may not be overwritten."""
    if target.exists() and not overwrite:
        raise LayoutError(f"{target}: expected a name that is free, found a file")
