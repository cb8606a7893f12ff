"""The table for other tools: plain CSV, and what sensor-placement tools such as Chama read.

Chama (Klise et al., Sandia National Laboratories; see its documentation on impact assessment and optimization) chooses
sensors by a p-median problem. It wants three tables, here as CSV for `pandas.read_csv`:

- impact: Scenario, Sensor, Impact: what is lost if that sensor is the one that serves the scenario;
- sensors: Sensor, Cost;
- scenarios: Scenario, Undetected Impact, Probability.

Here a scenario is a cell that vents under one condition, and a sensor is a point where a microphone may stand. There
are three impacts, because no single number of a single microphone says what an array does:

"wrong" (the default): the share of the cell's vents that is NOT put in the right cell, over all layouts of the study
that hold the microphone, each layout counted alike; if nobody serves the scenario all vents are lost, 1. It is a mean
over company: a poor microphone in good layouts looks good, and one microphone of a good layout looks as good as all of
it. An optimiser that takes the smallest impact of the chosen sensors is too hopeful: use it to make a short list of
points over many layouts, and simulate the list.

"layout": sensors are whole layouts, each at the cost of its microphones, with the same share. This is exact: with a
budget that buys one layout the answer is the best of them.

"arrival": seconds from the vent to the direct sound at the microphone, distance over speed of sound. Here the smallest
of the chosen sensors is exact (the first microphone that the sound reaches), but it says nothing of the right cell, and
racks and lids play no part. Undetected is put at one second, far beyond any travel time of a room.

Chama 0.3.0 solved its impact formulation with these files (tried by hand). It wants text as objects, which pandas 3
gives with `dtype={"Scenario": object, "Sensor": object}`.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from trad_array.alarm.disk import write_file
from trad_array.errors import ConfigError
from trad_array.study.report.run_folder import Found, read_found
from trad_array.study.report.scores import Operating, Score
from trad_array.study.results import COLUMNS
from trad_array.study.running import read_run
from trad_array_geometry import travel_times

IMPACTS = ("wrong", "layout", "arrival")
# A share of vents, or seconds.
_UNDETECTED = 1.0


def export_chama(folder: Path, out: Path | None = None, *, impact: str = "wrong") -> Path:
    """Write the impact table of a run, and beside it `NAME-sensors.csv` and `NAME-scenarios.csv`; returns the first.

    Parameters
    ----------
    folder : run folder of `trad-array study run`
    out : file of the impact table; None for `chama.csv` in the run folder
    impact : one of `IMPACTS`, see the top of this file; a microphone costs 1, and all scenarios are as likely

    Raises
    ------
    ConfigError
        If the impact has no such name, or nothing has been localized.
    StoreError
        If the folder holds no finished run.
    OSError
        If the disk refuses something.
    """
    if impact not in IMPACTS:
        raise ConfigError(f"impact: expected one of {', '.join(IMPACTS)}, found {impact!r}")
    found = read_found(folder)
    if not found.whole:
        raise ConfigError(f"{folder}: expected rows of localization in the results, found none")
    first = folder / "chama.csv" if out is None else out
    tables = {
        first: (("Scenario", "Sensor", "Impact"), impact_rows(found, impact=impact)),
        _beside(first, "sensors"): _sensors(found, layouts=impact == "layout"),
        _beside(first, "scenarios"): (
            ("Scenario", "Undetected Impact", "Probability", "Cell", "RT60", "SNR", "Fans", "Mismatch", "Duration"),
            _scenarios(found),
        ),
    }
    for path, (head, rows) in tables.items():
        write_file(path, _as_csv(head, rows))
    return first


def export_csv(folder: Path, out: Path | None = None) -> Path:
    """Write the tidy table of a run as CSV; returns its path.

    Parameters
    ----------
    folder : run folder of `trad-array study run`
    out : the file; None for `export.csv` in the run folder

    Raises
    ------
    StoreError, OSError
        If the folder holds no finished run, or the disk refuses something.
    """
    rows = read_run(folder).table.rows()
    first = folder / "export.csv" if out is None else out
    write_file(first, _as_csv(COLUMNS, ([row[name] for name in COLUMNS] for row in rows)))
    return first


def scenario(cell: str, at: Operating) -> str:
    """Name of a scenario: a cell under one condition."""
    return f"{cell} at {at.words()}"


def impact_rows(found: Found, *, impact: str) -> Iterator[tuple[str, str, float]]:
    """Scenario, sensor and impact; microphones without a layout that was simulated under a condition have no row."""
    for at, several in _by_point(found.whole).items():
        rows = _arrivals(found, several) if impact == "arrival" else _wrong(several, layouts=impact == "layout")
        for cell, sensor, value in rows:
            yield scenario(cell, at), sensor, value


def _by_point(several: Sequence[Score]) -> dict[Operating, list[Score]]:
    found: dict[Operating, list[Score]] = {}
    for score in several:
        found.setdefault(score.at, []).append(score)
    return found


def _wrong(several: Sequence[Score], *, layouts: bool) -> Iterator[tuple[str, str, float]]:
    """Per cell and microphone, the mean over layouts with it of the share that was not put in the right cell.

    layouts : per cell and layout instead
    """
    wrong: dict[tuple[str, str], list[float]] = {}
    for score in several:
        for cell, p in zip(score.cells.names, score.cells.p, strict=True):
            if np.isfinite(p):
                for sensor in (score.layout,) if layouts else score.mics:
                    wrong.setdefault((str(cell), sensor), []).append(1.0 - float(p))
    for (cell, sensor), shares in wrong.items():
        yield cell, sensor, sum(shares) / len(shares)


def _arrivals(found: Found, several: Sequence[Score]) -> Iterator[tuple[str, str, float]]:
    """Per cell and microphone, seconds until the direct sound arrives from the valve."""
    layout, points = found.study.site.layout, found.study.points
    mics = list(dict.fromkeys(mic for score in several for mic in score.mics))
    cells = list(dict.fromkeys(str(cell) for score in several for cell in score.cells.names))
    at = points.positions_m[[points.names.index(mic) for mic in mics]]
    place = {name: k for k, name in enumerate(layout.cell_names)}
    times = travel_times(layout.cells[[place[cell] for cell in cells]], at, speed_of_sound=layout.speed_of_sound)
    for row, cell in enumerate(cells):
        for column, mic in enumerate(mics):
            yield cell, mic, float(times[row, column])


def _sensors(found: Found, *, layouts: bool) -> tuple[tuple[str, ...], Iterable[tuple[str | float, ...]]]:
    """Columns and rows of what can be chosen: every point that a simulated layout uses, or the layouts."""
    if layouts:
        sizes = {score.layout: float(len(score.mics)) for score in found.whole}
        return ("Sensor", "Cost"), sizes.items()
    points = found.study.points
    used = {mic for score in found.whole for mic in score.mics}
    rows = zip(points.names, points.zones, points.positions_m, strict=True)
    return ("Sensor", "Cost", "Zone", "X", "Y", "Z"), (
        (name, 1.0, zone, *(float(v) for v in at)) for name, zone, at in rows if name in used
    )


def _scenarios(found: Found) -> Iterator[tuple[str | float, ...]]:
    """Every cell under every condition, all as likely."""
    rows = [
        (cell, at)
        for at, several in _by_point(found.whole).items()
        for cell in dict.fromkeys(str(name) for score in several for name in score.cells.names)
    ]
    for cell, at in rows:
        about = (at.rt60_s, at.snr_db, at.fan, at.mismatch, at.duration_s)
        yield scenario(cell, at), _UNDETECTED, 1.0 / len(rows), cell, *about


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.stem}-{what}{path.suffix or '.csv'}")


def _as_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(head)
    lines.writerows(rows)
    return out.getvalue().encode()
