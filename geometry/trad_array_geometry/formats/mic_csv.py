"""Microphones and cells as CSV: a line of names of columns, then one line each. Metres and seconds."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.formats.rows import MAX_MICS, MicFile, MicRow, decoded, numeric, table_of
from trad_array_geometry.layout import Layout
from trad_array_geometry.layout_cells import MAX_CELLS
from trad_array_geometry.layout_file import MAX_DELAY_US
from trad_array_geometry.tables import Table, shown

AXES = ("x", "y", "z")
MIC_COLUMNS = ("name", *AXES, "position_sigma_m", "delay_s", "delay_sigma_s", "channel", "role")
CELL_COLUMNS = ("name", *AXES, "pack")
_WORDS = ("name", "role", "pack")


def read_csv(data: bytes, name: str) -> MicFile:
    """Microphones of a CSV file; columns that are not there, and empty fields, are what layouts assume.

    Raises
    ------
    LayoutError
        If it is not such a file; names line and column.
    """
    rows: list[MicRow] = []
    columns, records = _records(data, name, MIC_COLUMNS, most=MAX_MICS)
    for line, fields in records:
        where = f"line {line}: mics[{len(rows) + 1}]"
        rows.append(_mic_row(table_of(fields, name=name, where=where), fields, where))
    if not rows:
        raise LayoutError(f"{name}: line 2: expected a line for each microphone, found none")
    absent = [column for column in MIC_COLUMNS[4:7] if column not in columns]
    notes = (f"no {', '.join(absent)}: as layouts assume",) if absent else ()
    return MicFile(name, "csv", tuple(rows), notes)


def _mic_row(table: Table, fields: dict[str, Any], where: str) -> MicRow:
    values: dict[str, Any] = {
        "name": table.text("name"),
        "position_m": [table.number(axis) for axis in AXES],
    }
    values |= {key: fields[key] for key in ("position_sigma_m", "channel", "role") if key in fields}
    limit_s = 1e-6 * MAX_DELAY_US
    if "delay_s" in fields:
        values["delay_us"] = 1e6 * table.number("delay_s", low=-limit_s, high=limit_s)
    if "delay_sigma_s" in fields:
        values["delay_sigma_us"] = 1e6 * table.number("delay_sigma_s", low=0.0, high=limit_s)
    return MicRow(where, values)


def read_cells_csv(data: bytes, name: str) -> list[Table]:
    """Tables `[[cells]]` of a CSV file with name, x, y, z of the valves in metres, and pack where there are some.

    Raises
    ------
    LayoutError
        If it is not such a file; names line and column.
    """
    tables: list[Table] = []
    for line, fields in _records(data, name, CELL_COLUMNS, most=MAX_CELLS)[1]:
        where = f"line {line}: cells[{len(tables) + 1}]"
        table = table_of(fields, name=name, where=where)
        values: dict[str, Any] = {"name": table.text("name"), "position_m": [table.number(axis) for axis in AXES]}
        if "pack" in fields:
            values["pack"] = table.text("pack")
        tables.append(table_of(values, name=name, where=where))
    if not tables:
        raise LayoutError(f"{name}: line 2: expected a line for each cell, found none")
    return tables


def _records(
    data: bytes, name: str, known: Sequence[str], *, most: int
) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
    """The columns, and (line, fields that are not empty) of every line that is not empty."""
    reader = csv.reader(io.StringIO(decoded(data, name), newline=""), strict=True)
    columns: list[str] = []
    records: list[tuple[int, dict[str, Any]]] = []
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if not columns:
                columns = _columns(row, name, reader.line_num, known)
                continue
            if len(row) != len(columns):
                raise LayoutError(f"{name}: line {reader.line_num}: expected {len(columns)} fields, found {len(row)}")
            if len(records) == most:
                raise LayoutError(f"{name}: line {reader.line_num}: expected at most {most} lines, found more")
            fields = {key: field.strip() for key, field in zip(columns, row, strict=True) if field.strip()}
            values = {key: field if key in _WORDS else numeric(field) for key, field in fields.items()}
            records.append((reader.line_num, values))
    except csv.Error as trouble:
        raise LayoutError(f"{name}: line {reader.line_num}: not valid CSV: {trouble}") from trouble
    if not columns:
        raise LayoutError(f"{name}: line 1: expected columns {', '.join(known)}, found nothing")
    return columns, records


def _columns(row: Sequence[str], name: str, line: int, known: Sequence[str]) -> list[str]:
    columns = [field.strip().lower() for field in row]
    for column in columns:
        if column not in known:
            raise LayoutError(
                f"{name}: line {line}: unknown column, expected {', '.join(known)}, found {shown(column)}"
            )
        if columns.count(column) > 1:
            raise LayoutError(f"{name}: line {line}: expected each column once, found {column} twice")
    missing = [column for column in ("name", *AXES) if column not in columns]
    if missing:
        raise LayoutError(f"{name}: line {line}: missing column, expected {missing[0]}, found {', '.join(columns)}")
    return columns


def csv_text(layout: Layout) -> tuple[str, tuple[str, ...]]:
    """A CSV file of all microphones, reference microphones too; nothing that a layout says of them is lost."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(MIC_COLUMNS)
    for k, name in enumerate(layout.mic_names):
        numbers = [*layout.mics[k], layout.mic_sigma_m[k], layout.mic_delay_s[k], layout.mic_delay_sigma_s[k]]
        written = [repr(round(float(v), 12) + 0.0) for v in numbers]
        writer.writerow([name, *written, layout.mic_channels[k], layout.mic_roles[k]])
    return out.getvalue(), ()
