"""What all readers of microphone files share: limits, rows, numbers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.tables import Table

# Each format, and what it is called in messages.
FORMATS: Mapping[str, str] = {"acoular": "acoular XML", "odas": "ODAS cfg", "csv": "CSV"}

# Real files are a few kilobytes (our choice).
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_MICS = 256

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MicRow:
    """One microphone as its file has it.

    where : "line 4: pos[2]", for messages
    values : keys of a `[[mics]]` table, as a layout file has them; what the format does not say is absent
    """

    where: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MicFile:
    """Microphones of a file.

    name : of the file, for messages
    format : one of `FORMATS`
    rows : one for each microphone, at most 256, in the order of the file
    notes : what the file has and a layout cannot keep, or had to be assumed; a sentence each
    """

    name: str
    format: str
    rows: tuple[MicRow, ...]
    notes: tuple[str, ...]


def shown_path(path: Path) -> str:
    """The path as it stands in messages, as for layout files."""
    text = path.name if path.is_absolute() else str(path)
    return text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode("ascii")


def read_bytes(path: Path, name: str) -> bytes:
    """The whole file; raises `LayoutError` when it cannot be read or is larger than `MAX_FILE_BYTES`."""
    try:
        if path.exists() and not path.is_file():
            raise LayoutError(f"{name}: expected a file, found something else")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as trouble:
        if isinstance(trouble, LayoutError):
            raise
        said = getattr(trouble, "strerror", None) or trouble
        raise LayoutError(f"{name}: cannot be read: {said}") from trouble
    if len(data) > MAX_FILE_BYTES:
        raise LayoutError(f"{name}: expected at most {MAX_FILE_BYTES} bytes, found more")
    return data


def decoded(data: bytes, name: str) -> str:
    """The bytes as text in UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = data.count(b"\n", 0, trouble.start) + 1
        raise LayoutError(f"{name}: line {line}: expected a text in UTF-8, found other bytes") from trouble


def numeric(text: str) -> int | float | str:
    """The number that a text is, or the text itself, which `Table.number` then refuses."""
    short = text.strip()
    if _WHOLE.fullmatch(short):
        return int(short)
    return float(short) if _NUMBER.fullmatch(short) else text


def table_of(values: Mapping[str, Any], *, name: str, where: str) -> Table:
    """A table whose errors name the file, the line and the element."""
    return Table(dict(values), file=name, path=where, error=LayoutError)


def require_few(n: int, *, name: str, where: str) -> None:
    """Raise when there are more microphones than an array has."""
    if n > MAX_MICS:
        raise LayoutError(f"{name}: {where}: expected at most {MAX_MICS} microphones, found more")
