"""Lists of events that people make: Audacity label tracks and Raven selection tables."""

import math
from dataclasses import dataclass
from pathlib import Path

from trad_array.errors import AudioError

_RAVEN_BEGIN, _RAVEN_END = "Begin Time (s)", "End Time (s)"
MAX_LABEL_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """One event as a person marked it; for a mere point, `end_s` equals `onset_s`."""

    onset_s: float
    end_s: float
    text: str = ""


def read_labels(path: Path) -> tuple[Label, ...]:
    """Labels of a file, sorted by time.

    Audacity: lines of start, end and text with tabs between; lines that begin with a backslash carry frequencies and
    are passed over. Raven: a table with tabs, its header naming ``Begin Time (s)`` and ``End Time (s)``.

    Raises
    ------
    AudioError
        If the file cannot be read or is neither; the message names file and line.
    """
    try:
        if path.stat().st_size > MAX_LABEL_BYTES:
            raise AudioError(f"{path}: expected a label file, found {path.stat().st_size} bytes")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as trouble:
        raise AudioError(f"{path}: cannot be read: {trouble.strerror or trouble}") from trouble
    except UnicodeDecodeError as trouble:
        raise AudioError(f"{path}: expected a label file in UTF-8, found other bytes") from trouble
    numbered = [(n, line) for n, line in enumerate(lines, start=1) if line.strip() and not line.startswith("\\")]
    if not numbered:
        raise AudioError(f"{path}: expected labels, found none")
    header = numbered[0][1].split("\t")
    if _RAVEN_BEGIN in header:
        if _RAVEN_END not in header:
            raise AudioError(f"{path}: line 1: expected a column {_RAVEN_END!r}, found {', '.join(header)}")
        columns = (header.index(_RAVEN_BEGIN), header.index(_RAVEN_END))
        labels = {_label(path, n, line.split("\t"), columns, text_column=None) for n, line in numbered[1:]}
    else:
        labels = {_label(path, n, line.split("\t"), (0, 1), text_column=2) for n, line in numbered}
    if not labels:
        raise AudioError(f"{path}: expected labels, found none")
    return tuple(sorted(labels))


def _label(path: Path, n: int, fields: list[str], columns: tuple[int, int], *, text_column: int | None) -> Label:
    try:
        onset_s, end_s = (float(fields[column]) for column in columns)
    except (IndexError, ValueError) as trouble:
        found = "\t".join(fields)[:60]
        raise AudioError(f"{path}: line {n}: expected start and end in seconds with tabs, found {found!r}") from trouble
    if not 0 <= onset_s <= end_s or not math.isfinite(end_s):
        raise AudioError(f"{path}: line {n}: expected 0 <= start <= end, found {onset_s:g} and {end_s:g}")
    text = fields[text_column] if text_column is not None and len(fields) > text_column else ""
    return Label(onset_s, end_s, text)
