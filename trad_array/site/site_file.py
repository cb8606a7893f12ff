"""The site file: one TOML text that holds all that was learned, and can be read by people."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array.detection.calibration import Calibration
from trad_array.detection.threshold import Maxima, Threshold
from trad_array.errors import ConfigError
from trad_array.site.record import LearnedFrom, Levels, Period, Site
from trad_array_geometry.tables import Table, read_table

SCHEMA = "trad-array/site/1"
WAYS = ("fitted", "counted", "forced", "kept")
# A threshold or an end of its interval that is not bounded.
_OPEN = 1e6


def write_site(path: Path, site: Site) -> None:
    """Write a site file, whole or not at all.

    Raises
    ------
    OSError
        If the folder does not exist or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: no such folder: {path.parent}")
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(site_text(site), encoding="utf-8")
        read_site(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_site(path: Path) -> Site:
    """Read a site file.

    Raises
    ------
    ConfigError
        If there is none, or it cannot be used.
    """
    root = read_table(path, name=str(path), error=ConfigError)
    schema = root.text("schema")
    if schema != SCHEMA:
        raise root.fail("schema", f"expected {SCHEMA}, found {schema}")
    mics = root.tables("mics")
    site = Site(
        layout=root.text("layout"),
        mics=tuple(mic.text("name") for mic in mics),
        scorer=root.text("scorer"),
        version=root.text("version"),
        date=root.text("date"),
        sounds=_read_maxima(root.table("sounds")),
        peaks=_read_maxima(root.table("peaks")),
        calibration=Calibration(
            np.array([mic.number("score_centre") for mic in mics]),
            np.array([mic.number("score_scale", low=1e-9) for mic in mics]),
        ),
        levels=_read_levels(root, mics),
        periods=tuple(_read_period(table, len(mics)) for table in root.tables("periods")),
        recordings=tuple(_read_recording(table) for table in root.tables("recordings")),
        gate=_read_threshold(root.table("gate")) if root.has("gate") else None,
        trigger=_read_threshold(root.table("trigger")) if root.has("trigger") else None,
        hours_missing=root.number("hours_missing", low=0.0),
    )
    for mic in mics:
        mic.close()
    root.close()
    return site


def _read_maxima(table: Table) -> Maxima:
    n = table.whole("n", high=100_000)
    maxima = Maxima(
        np.array(table.vector("values", size=n)), np.array(table.vector("weights", size=n)), table.number("hours")
    )
    table.close()
    return maxima


def _read_threshold(table: Table) -> Threshold:
    numbers = {
        key: table.number(key)
        for key in ("value", "low", "high", "per_day", "per_day_low", "per_day_high", "wanted_per_day", "hours")
    }
    threshold = Threshold(
        **numbers,
        way=table.text("way", choices=WAYS),
        maxima=table.number("maxima", low=0.0),
        used=table.whole("used"),
    )
    table.close()
    return threshold


def _read_levels(root: Table, mics: list[Table]) -> Levels:
    table = root.table("bands")
    n = table.whole("n", low=1, high=4096)
    hz = np.array(table.vector("hz", size=n))
    table.close()
    low, middle, high = (
        np.array([mic.vector(key, size=n) for mic in mics]) for key in ("low_db", "middle_db", "high_db")
    )
    return Levels(hz, low, middle, high)


def _read_period(table: Table, n_mics: int) -> Period:
    period = Period(
        date=table.text("date"),
        hours=table.number("hours", low=0.0),
        sounds=table.whole("sounds", high=10**9),
        abnormal=table.whole("abnormal", high=10**9),
        unplaced=table.whole("unplaced", high=10**9),
        hiss_db=table.vector("hiss_db", size=n_mics),
        low_db=table.vector("low_db", size=n_mics),
    )
    table.close()
    return period


def _read_recording(table: Table) -> LearnedFrom:
    recording = LearnedFrom(table.text("name"), table.text("digest"), table.number("heard_s", low=0.0))
    table.close()
    return recording


def site_text(site: Site) -> str:
    """The text of a site's file."""
    lines = [
        "# What trad-array learned of this site. docs/learning-on-site.md says what the numbers mean.",
        f"schema = {_quoted(SCHEMA)}",
        f"layout = {_quoted(site.layout)}",
        f"scorer = {_quoted(site.scorer)}",
        f"version = {_quoted(site.version)}",
        f"date = {_quoted(site.date)}",
        f"hours_missing = {_number(site.hours_missing, 6)}",
    ]
    for key, comment, found in (
        ("gate", "Log-odds from which on a sound counts as from a cell.", site.gate),
        ("trigger", "Fused score at which an event begins.", site.trigger),
    ):
        if found is not None:
            lines += ["", f"# {comment}", f"[{key}]", *_threshold_lines(found)]
    for key, maxima in (("sounds", site.sounds), ("peaks", site.peaks)):
        lines += ["", f"[{key}]", f"hours = {_number(maxima.hours, 6)}", f"n = {len(maxima.values)}"]
        lines += [f"values = {_numbers(maxima.values, 4)}", f"weights = {_numbers(maxima.weights, 6)}"]
    levels = site.levels
    lines += ["", "[bands]", f"n = {len(levels.hz)}", f"hz = {_numbers(levels.hz, 1)}"]
    for k, name in enumerate(site.mics):
        lines += [
            "",
            "[[mics]]",
            f"name = {_quoted(name)}",
            f"score_centre = {_number(float(site.calibration.centre[k]), 6)}",
            f"score_scale = {_number(float(site.calibration.scale[k]), 6)}",
            f"low_db = {_numbers(levels.low[k], 1)}",
            f"middle_db = {_numbers(levels.middle[k], 1)}",
            f"high_db = {_numbers(levels.high[k], 1)}",
        ]
    for period in site.periods:
        lines += ["", "[[periods]]", f"date = {_quoted(period.date)}", f"hours = {_number(period.hours, 6)}"]
        lines += [f"sounds = {period.sounds}", f"abnormal = {period.abnormal}", f"unplaced = {period.unplaced}"]
        lines += [f"hiss_db = {_numbers(period.hiss_db, 2)}", f"low_db = {_numbers(period.low_db, 2)}"]
    for recording in site.recordings:
        lines += ["", "[[recordings]]", f"name = {_quoted(recording.name)}"]
        lines += [f"digest = {_quoted(recording.digest)}", f"heard_s = {_number(recording.heard_s, 3)}"]
    return "\n".join(lines) + "\n"


def _threshold_lines(found: Threshold) -> list[str]:
    lines = [
        f"{key} = {_number(getattr(found, key), 6)}"
        for key in (
            "value",
            "low",
            "high",
            "per_day",
            "per_day_low",
            "per_day_high",
            "wanted_per_day",
            "hours",
            "maxima",
        )
    ]
    return [*lines, f"way = {_quoted(found.way)}", f"used = {found.used}"]


def _numbers(values: Iterable[float] | NDArray[np.float64], digits: int) -> str:
    return "[" + ", ".join(_number(float(v), digits) for v in values) + "]"


def _number(value: float, digits: int) -> str:
    """A number as TOML writes it; what is not bounded is a million."""
    bounded = max(-_OPEN, min(_OPEN, value)) if not math.isnan(value) else _OPEN
    return repr(round(bounded, digits) + 0.0)


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # names of files may hold half a character
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in whole)
    return f'"{escaped}"'
