"""The tidy table of a study, gathered by layout and condition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.study.report.shares import Share, added
from trad_array_geometry import frozen_array

# Columns by their names, each (n_rows,).
Table = Mapping[str, NDArray[Any]]
# RT60 in s, fan state, mismatch, duration in s: a condition but for its loudness.
Surroundings = tuple[float, str, str, float]


@dataclass(frozen=True, slots=True, order=True)
class Operating:
    """What a condition is, but for a lost microphone."""

    rt60_s: float
    fan: str
    mismatch: str
    duration_s: float
    snr_db: float

    @property
    def surroundings(self) -> Surroundings:
        """The condition but for its loudness."""
        return self.rt60_s, self.fan, self.mismatch, self.duration_s

    def words(self, among: Iterable["Operating"] = ()) -> str:
        """The condition on one line; what is the same in all of `among` is left out, but for loudness and RT60."""
        return f"{self.snr_db:g} dB, {surroundings_words(self.surroundings, [other.surroundings for other in among])}"


def surroundings_words(surroundings: Surroundings, among: Sequence[Surroundings] = ()) -> str:
    """A condition but for its loudness, for a person; what is the same in all of `among` is left out, but for RT60."""
    rt60_s, fan, mismatch, duration_s = surroundings
    exact = "file exact" if mismatch == "none" else f"mismatch {mismatch}"
    words = (f"RT60 {rt60_s:g} s", f"{fan} fans", exact, f"{duration_s:g} s long")
    return ", ".join(
        word for k, word in enumerate(words) if k == 0 or len(among) < 2 or len({other[k] for other in among}) > 1
    )


def shared_words(among: Sequence[Surroundings]) -> str:
    """What `surroundings_words` leaves out: what all of these have in common."""
    every = surroundings_words(among[0]).split(", ")
    kept = surroundings_words(among[0], among).split(", ")
    return ", ".join(word for word in every if word not in kept)


@dataclass(frozen=True, slots=True, eq=False)
class ByCell:
    """Counts for each cell.

    names : (n_cells,), str; n, right : (n_cells,), vents, and those put in the right cell
    error_m : (n_cells,), mean distance from the named to the true cell, m; NaN where nothing is known
    """

    names: NDArray[np.str_]
    n: NDArray[np.int64]
    right: NDArray[np.int64]
    error_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", frozen_array(self.n, np.int64))
        object.__setattr__(self, "right", frozen_array(self.right, np.int64))
        object.__setattr__(self, "error_m", frozen_array(self.error_m, np.float64))

    @property
    def total(self) -> Share:
        """All cells together."""
        return Share(int(self.right.sum()), int(self.n.sum()))

    @property
    def mean_error_m(self) -> float:
        """Over all vents, m."""
        known = (self.n > 0) & np.isfinite(self.error_m)
        return float(np.average(self.error_m[known], weights=self.n[known])) if known.any() else float("nan")

    @property
    def p(self) -> NDArray[np.float64]:
        """Share of each cell, NaN where nothing vented."""
        return np.where(self.n > 0, self.right / np.maximum(self.n, 1), np.nan)

    def worst(self) -> tuple[str, Share] | None:
        """The cell that is named right least often, and how often that is; None when nothing vented."""
        if not (self.n > 0).any():
            return None
        k = int(np.nanargmin(self.p))
        return str(self.names[k]), Share(int(self.right[k]), int(self.n[k]))


def no_cells() -> ByCell:
    """Counts of nothing."""
    none = np.zeros(0, dtype=np.int64)
    return ByCell(np.zeros(0, dtype=np.str_), none, none, np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """One layout under one condition.

    dead : name of the lost microphone, or ""
    """

    layout: str
    mics: tuple[str, ...]
    engine: str
    at: Operating
    dead: str
    cells: ByCell


@dataclass(frozen=True, slots=True)
class Heard:
    """What the whole chain made of one kind of sound with one layout under one condition.

    n : sounds; detected, alarmed, in_a_cell : of those; right : put in the right cell, or None when nobody counted
    alarm_s_median, alarm_s_95 : s from the onset to the located alarm, NaN without any
    heard_s : s of sound
    at : None where the condition does not apply
    """

    layout: str
    sound: str
    at: Operating | None
    n: int
    detected: int
    alarmed: int
    in_a_cell: int
    right: int | None
    alarm_s_median: float
    alarm_s_95: float
    heard_s: float


_OPERATING = tuple(field.name for field in fields(Operating))


def scores(table: Table, *, measure: str = "localization") -> list[Score]:
    """Rows of one measure gathered by engine, layout, condition and lost microphone, in the order of the table."""
    rows = _rows_of(table, measure)
    gathered: dict[tuple[Any, ...], list[NDArray[np.intp]]] = {}
    keys = ("engine", "layout", "mics", "dead", *_OPERATING)
    for run in _runs(table, rows, keys):
        gathered.setdefault(tuple(_plain(table[key][run[0]]) for key in keys), []).append(run)
    return [_score(table, key, np.concatenate(runs)) for key, runs in gathered.items()]


def heard(table: Table) -> list[Heard]:
    """Rows of the measure "detection"."""
    return [
        _heard({name: _plain(column[row]) for name, column in table.items()}) for row in _rows_of(table, "detection")
    ]


def together(several: Iterable[Score]) -> ByCell:
    """Counts of several conditions of a layout added up, cell by cell; errors are means over vents."""
    parts = [score.cells for score in several]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_cells()
    all_names = np.concatenate([part.names for part in parts])
    names, first, where = np.unique(all_names, return_index=True, return_inverse=True)
    n, right, error = (
        np.bincount(where, np.concatenate(columns), minlength=len(names))
        for columns in (
            [part.n for part in parts],
            [part.right for part in parts],
            [np.nan_to_num(part.error_m) * part.n for part in parts],
        )
    )
    order = np.argsort(first)
    mean = np.where(n > 0, error / np.maximum(n, 1), np.nan)
    return ByCell(names[order], n[order].astype(np.int64), right[order].astype(np.int64), mean[order])


def share_of(several: Iterable[Score]) -> Share:
    """Vents put in the right cell, over all cells and conditions of these."""
    return added(score.cells.total for score in several)


def whole(several: Sequence[Score], engine: str) -> list[Score]:
    """Those of an engine in which no microphone is lost."""
    return [score for score in several if score.engine == engine and not score.dead]


def at_common_points(several: Sequence[Score]) -> list[Score]:
    """Scores at the conditions that every layout has, so that layouts can be compared; all when there are none."""
    layouts = {score.layout for score in several}
    seen: dict[Operating, set[str]] = {}
    for score in several:
        seen.setdefault(score.at, set()).add(score.layout)
    kept = [score for score in several if seen[score.at] == layouts]
    return kept or list(several)


def best_first(several: Sequence[Score]) -> list[str]:
    """Names of the layouts by the share of vents put in the right cell at the conditions that all of them have."""
    comparable = at_common_points(several)
    shares = {name: share_of(s for s in comparable if s.layout == name) for name in {s.layout: 0 for s in several}}
    return sorted(shares, key=lambda name: -shares[name].p if shares[name].n else 1.0)


def _rows_of(table: Table, measure: str) -> NDArray[np.intp]:
    return np.flatnonzero(np.asarray(table["measure"]) == measure)


def _runs(table: Table, rows: NDArray[np.intp], keys: Sequence[str]) -> list[NDArray[np.intp]]:
    """The rows cut wherever one of the keys changes: tables are long, and their keys change seldom."""
    if not len(rows):
        return []
    changed = np.zeros(len(rows) - 1, dtype=np.bool_)
    for key in keys:
        column = np.asarray(table[key])[rows]
        changed |= np.asarray(column[1:] != column[:-1], dtype=np.bool_)
    return np.split(rows, np.flatnonzero(changed) + 1)


def _score(table: Table, key: tuple[Any, ...], rows: NDArray[np.intp]) -> Score:
    engine, layout, mics, dead, *operating = key
    cells = ByCell(
        np.asarray(table["cell"])[rows].astype(np.str_),
        np.asarray(table["n"])[rows].astype(np.int64),
        np.asarray(table["right"])[rows].astype(np.int64),
        np.asarray(table["error_m"])[rows].astype(np.float64),
    )
    return Score(layout, tuple(mics.split(";")), engine, _operating(operating), dead or "", cells)


def _operating(values: Sequence[Any]) -> Operating:
    known = dict(zip(_OPERATING, values, strict=True))
    return Operating(
        rt60_s=_number(known["rt60_s"]),
        fan=str(known["fan"]),
        mismatch=str(known["mismatch"]),
        duration_s=_number(known["duration_s"]),
        snr_db=_number(known["snr_db"]),
    )


def _heard(row: Mapping[str, Any]) -> Heard:
    at = None if row["snr_db"] is None else _operating([row[name] for name in _OPERATING])
    return Heard(
        layout=row["layout"],
        sound=row["sound"],
        at=at,
        n=int(row["n"]),
        detected=int(row["detected"] or 0),
        alarmed=int(row["alarmed"] or 0),
        in_a_cell=int(row["in_a_cell"] or 0),
        right=None if row["right"] is None else int(row["right"]),
        alarm_s_median=_number(row["alarm_s_median"]),
        alarm_s_95=_number(row["alarm_s_95"]),
        heard_s=_number(row["heard_s"]),
    )


def _plain(value: Any) -> Any:
    """The value as Python's own; None where it is missing."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
