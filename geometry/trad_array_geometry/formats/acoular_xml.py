"""acoular's microphone geometry: XML with one `pos` element for each microphone.

As acoular reads it (26.8, `MicGeom`): every element `pos` counts, wherever it stands, with the attributes `x`, `y` and
`z`; `Name` is for people. The k-th position belongs to the k-th channel of a recording. acoular itself has no unit;
metres are what its speed of sound of 343 m/s makes of it. There are no sigmas, delays or roles.
"""

from collections.abc import Mapping
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import numpy as np

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.formats.rows import MicFile, MicRow, numeric, require_few, table_of
from trad_array_geometry.layout import Layout

NOTE = "acoular XML has no sigmas and no delays: every microphone gets those that layouts assume"


def read_acoular(data: bytes, name: str) -> MicFile:
    """Microphones of an acoular XML file.

    No document type is accepted, so nothing can be expanded and no other file is opened.

    Raises
    ------
    LayoutError
        If it is not such a file; names line and element.
    """
    rows: list[MicRow] = []
    parser = expat.ParserCreate()

    def element(tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "pos":
            where = f"line {parser.CurrentLineNumber}: pos[{len(rows) + 1}]"
            require_few(len(rows) + 1, name=name, where=where)
            rows.append(_row(attributes, name=name, where=where))

    def doctype(*_: Any) -> None:
        raise LayoutError(f"{name}: line {parser.CurrentLineNumber}: expected no document type, found <!DOCTYPE")

    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as trouble:
        said = expat.ErrorString(trouble.code)
        raise LayoutError(f"{name}: line {trouble.lineno}: not valid XML: {said}") from trouble
    except (LookupError, ValueError) as trouble:
        if isinstance(trouble, LayoutError):
            raise
        raise LayoutError(f"{name}: line 1: encoding: expected UTF-8, found one that cannot be read") from trouble
    if not rows:
        raise LayoutError(f"{name}: pos: missing, expected an element <pos> for each microphone")
    return MicFile(name, "acoular", tuple(rows), (NOTE,))


def _row(attributes: Mapping[str, str], *, name: str, where: str) -> MicRow:
    table = table_of({axis: numeric(attributes[axis]) for axis in "xyz" if axis in attributes}, name=name, where=where)
    values: dict[str, Any] = {"position_m": [table.number(axis) for axis in "xyz"]}
    # Files written by hand have tabs and line ends in their names.
    label = " ".join(attributes.get("Name", "").split())
    return MicRow(where, values | ({"name": label} if label else {}))


def acoular_text(layout: Layout) -> tuple[str, tuple[str, ...]]:
    """An acoular XML file of the array's microphones by channel, and what is lost."""
    order = sorted(layout.array_mics.tolist(), key=lambda k: layout.mic_channels[k])
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<MicArray name={_quoted(layout.id)}>"]
    for k in order:
        x, y, z = (quoteattr(repr(round(float(v), 9) + 0.0)) for v in layout.mics[k])
        lines.append(f"  <pos Name={_quoted(layout.mic_names[k])} x={x} y={y} z={z}/>")
    notes = ["acoular XML has no place for sigmas: they are left out"]
    if np.any(layout.mic_delay_s[order]):
        notes.append("acoular XML has no place for delays of channels: they are left out")
    channels = [layout.mic_channels[k] for k in order]
    if channels != list(range(1, len(order) + 1)):
        notes.append(
            "acoular takes the k-th position for the k-th channel: give it channels "
            f"{', '.join(str(channel) for channel in channels)} only, in this order"
        )
    return "\n".join([*lines, "</MicArray>", ""]), tuple(notes)


def _quoted(text: str) -> str:
    """A text as an attribute; what XML cannot carry becomes its escape."""
    return quoteattr(text if text.isprintable() else text.encode("unicode_escape").decode("ascii"))
