"""Which of the formats a file has, by what is in it and by its name."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.formats.acoular_xml import read_acoular
from trad_array_geometry.formats.mic_csv import read_csv
from trad_array_geometry.formats.odas_cfg import read_odas
from trad_array_geometry.formats.rows import FORMATS, MicFile, read_bytes, shown_path

SUFFIXES: Mapping[str, str] = {".xml": "acoular", ".cfg": "odas", ".csv": "csv"}

_READERS: Mapping[str, Callable[[bytes, str], MicFile]] = {
    "acoular": read_acoular,
    "odas": read_odas,
    "csv": read_csv,
}


def read_mic_file(path: Path, *, format: str | None = None) -> MicFile:
    """Microphones of an acoular XML, ODAS cfg or CSV file.

    Parameters
    ----------
    path : at most 2 MiB, at most 256 microphones
    format : one of `FORMATS`; without it what the content says, then what the name says

    Raises
    ------
    LayoutError
        If the file cannot be read or is not of that format; names file, line, element, what was expected and found.
    """
    name = shown_path(path)
    data = read_bytes(path, name)
    return _READERS[known_format(format) if format else _format_of(data, path, name)](data, name)


def known_format(format: str) -> str:
    """The format, when it is one."""
    if format not in FORMATS:
        raise LayoutError(f"format: expected one of {', '.join(FORMATS)}, found {format!r}")
    return format


def _format_of(data: bytes, path: Path, name: str) -> str:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<") or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "acoular"
    if re.search(rb"\bmics\s*[:=]", data):
        return "odas"
    if re.match(rb'"?name"?\s*,', start, re.IGNORECASE):
        return "csv"
    return format_of_name(path, name)


def format_of_name(path: Path, name: str | None = None) -> str:
    """The format that the file's name says.

    Raises
    ------
    LayoutError
        If it ends otherwise.
    """
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise LayoutError(
            f"{name or shown_path(path)}: format: expected acoular XML (.xml), ODAS cfg (.cfg) or CSV (.csv), "
            "found none of them; say which one it is"
        )
    return found
