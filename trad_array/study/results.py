"""What a study found: one small file a shard, and one tidy table put together from them.

The table depends on the study and on what shards say, never on the order in which they were finished.
"""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, MissingExtra, StoreError
from trad_array.study.files import write_whole
from trad_array.study.records import ALL_MICS, Choice, Condition, Study
from trad_array.study.tasks import (
    DETECTION,
    HISS,
    LOCALIZATION,
    CellCounts,
    ChainCounts,
    Task,
    TaskResult,
    compared,
    conditions_of,
    detection_conditions,
    detection_sounds,
)

SHARDS = "shards"
PARQUET, CSV = "results.parquet", "results.csv"
_SCHEMA = "trad-array/study-shard/1"
# Columns in their order; what is neither text nor a count is a number.
COLUMNS = (
    "study",
    "measure",
    "engine",
    "layout",
    "mics",
    "n_mics",
    "rt60_s",
    "snr_db",
    "duration_s",
    "fan",
    "mismatch",
    "dead",
    "sound",
    "cell",
    "n",
    "right",
    "error_m",
    "detected",
    "alarmed",
    "in_a_cell",
    "alarm_s_median",
    "alarm_s_95",
    "heard_s",
)
TEXTS = frozenset(("study", "measure", "engine", "layout", "mics", "fan", "mismatch", "dead", "sound", "cell"))
WHOLES = frozenset(("n_mics", "n", "right", "detected", "alarmed", "in_a_cell"))
_Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The tidy table, column by column.

    columns : name in `COLUMNS` to (n_rows,): text as objects, every number as float64, NaN where it does not apply
    """

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        for values in self.columns.values():
            values.setflags(write=False)

    def __len__(self) -> int:
        return len(self.columns["n"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def where(self, keep: NDArray[np.bool_]) -> "Table":
        """The rows that are marked, (n_rows,)."""
        return Table({name: values[keep] for name, values in self.columns.items()})

    def rows(self) -> Iterator[_Row]:
        """Each row by name; counts whole, None where something does not apply."""
        for k in range(len(self)):
            yield {name: _plain(name, values[k]) for name, values in self.columns.items()}


def write_shard(folder: Path, result: TaskResult) -> None:
    """Keep what a shard found, whole or not at all; raises StoreError if the disk refuses it."""
    counts = result.counts
    if isinstance(counts, CellCounts):
        found: dict[str, Any] = {
            "n": counts.n.tolist(),
            "right": counts.right.tolist(),
            "error_m": counts.error_m.tolist(),
        }
    else:
        found = {name: getattr(counts, name) for name in ("n", "right", "detected", "alarmed", "in_a_cell", "heard_s")}
        found["alarm_s"] = list(counts.alarm_s)
    part = LOCALIZATION if isinstance(counts, CellCounts) else DETECTION
    record = {"schema": _SCHEMA, "digest": result.digest, "part": part, "simulated": True, "found": found}
    write_whole(_shard_path(folder, result.digest), json.dumps(record, allow_nan=False).encode())


def read_shard(folder: Path, digest: str) -> TaskResult | None:
    """What a shard found, or None when it is not there or its file is damaged."""
    try:
        record = json.loads(_shard_path(folder, digest).read_bytes())
        found = record["found"]
        if record["schema"] != _SCHEMA or record["digest"] != digest:
            return None
        if record["part"] == LOCALIZATION:
            return TaskResult(digest, CellCounts(**{name: np.asarray(values) for name, values in found.items()}))
        return TaskResult(digest, ChainCounts(**(found | {"alarm_s": tuple(found["alarm_s"])})))
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def _shard_path(folder: Path, digest: str) -> Path:
    return folder / SHARDS / f"{digest}.json"


def table_of(study: Study, tasks: Sequence[Task], results: Mapping[str, TaskResult]) -> Table:
    """The table of a study; `results` by digest must hold every task."""
    found: dict[tuple[str, str, str, Condition, str], list[Any]] = {}
    for task in sorted(tasks, key=lambda task: task.first):
        key = (task.part, task.engine, task.choice.name, task.condition, task.sound)
        found.setdefault(key, []).append(results[task.digest].counts)
    rows: list[_Row] = []
    localized = [(study.engine, c, condition) for c in study.choices for condition in conditions_of(study, c)]
    for engine, choice, condition in [*localized, *(("time", *pair) for pair in compared(study))]:
        parts = found.get((LOCALIZATION, engine, choice.name, condition, HISS), [])
        rows += _cell_rows(study, _about(study, LOCALIZATION, engine, choice, condition, HISS), parts)
    for choice in study.choices:
        for condition in detection_conditions(study):
            for sound, _ in detection_sounds(study):
                parts = found.get((DETECTION, "time", choice.name, condition, sound), [])
                rows.append(_chain_row(_about(study, DETECTION, "time", choice, condition, sound), parts))
    return Table({name: _column(name, [row.get(name) for row in rows]) for name in COLUMNS})


def _about(study: Study, measure: str, engine: str, choice: Choice, condition: Condition, sound: str) -> _Row:
    """What a row is about."""
    names = [study.points.names[k] for k in choice.points]
    return {
        "study": study.name,
        "measure": measure,
        "engine": engine,
        "layout": choice.name,
        "mics": ";".join(names),
        "n_mics": len(names),
        "rt60_s": condition.rt60_s,
        "snr_db": condition.snr_db,
        "duration_s": condition.duration_s,
        "fan": condition.fan.name,
        "mismatch": condition.mismatch.name,
        "dead": "" if condition.dead == ALL_MICS else names[condition.dead],
        "sound": sound,
        "cell": "",
    }


def _cell_rows(study: Study, about: _Row, parts: Sequence[CellCounts]) -> Iterator[_Row]:
    """One row a studied cell; shards are added up in the order of their events."""
    if not parts:
        return
    nothing = np.zeros(len(study.site.cells), dtype=np.int64)
    n, right = sum((p.n for p in parts), nothing), sum((p.right for p in parts), nothing)
    error_m = sum((p.error_m for p in parts), nothing.astype(np.float64))
    for k, cell in enumerate(study.site.cells):
        mean_m = float(error_m[k] / n[k]) if n[k] else None
        name = study.site.layout.cell_names[cell]
        yield about | {"cell": name, "n": int(n[k]), "right": int(right[k]), "error_m": mean_m}


def _chain_row(about: _Row, parts: Sequence[ChainCounts]) -> _Row:
    """One row a kind of sound. A vent that no alarm puts in a cell counts as one that takes for ever: a layout does not
    look quick because it misses the hard ones.
    """
    counts = {name: sum(getattr(p, name) for p in parts) for name in ("n", "detected", "alarmed", "in_a_cell")}
    if about["sound"] != "vent":
        return about | counts | {"heard_s": sum(p.heard_s for p in parts)}
    late = sorted(s for p in parts for s in p.alarm_s)
    return (
        about
        | counts
        | {
            "right": sum(p.right for p in parts),
            "alarm_s_median": _quantile(late, counts["n"], 0.5),
            "alarm_s_95": _quantile(late, counts["n"], 0.95),
        }
    )


def _quantile(ascending: Sequence[float], n: int, share: float) -> float | None:
    """Least time within which at least this share of `n` events was heard of; None when it never was."""
    rank = max(math.ceil(share * n - 1e-9), 1)
    return ascending[rank - 1] if rank <= len(ascending) else None


def _column(name: str, values: Sequence[Any]) -> NDArray[Any]:
    if name in TEXTS:
        return np.array([str(value) for value in values], dtype=object)
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _plain(name: str, value: Any) -> Any:
    if name in TEXTS:
        return value
    if np.isnan(value):
        return None
    return int(value) if name in WHOLES else float(value)


def write_results(folder: Path, table: Table, *, as_csv: bool = False) -> Path:
    """Write the table, Parquet or CSV; CSV too where pyarrow is not installed. Returns its path.

    Raises
    ------
    StoreError
        If the disk refuses it; a table that was there before stays.
    """
    written = None if as_csv else _parquet(table)
    name, other = (CSV, PARQUET) if written is None else (PARQUET, CSV)
    write_whole(folder / name, _csv(table) if written is None else written)
    # Two tables in a folder would sooner or later say two things.
    (folder / other).unlink(missing_ok=True)
    return folder / name


def forget_results(folder: Path) -> None:
    """Remove the table of a run folder, if there is one."""
    for name in (PARQUET, CSV):
        (folder / name).unlink(missing_ok=True)


def table_path(folder: Path) -> Path:
    """The table of a run folder; raises `StoreError` if there is none."""
    found = next((f for f in (folder / PARQUET, folder / CSV) if f.is_file()), None)
    if found is None:
        raise StoreError(f"{folder}: expected the results of a study ({PARQUET} or {CSV}), found none")
    return found


def read_results(path: Path) -> Table:
    """The table of a run folder, or of a Parquet or CSV file.

    Raises
    ------
    StoreError
        If there is none.
    ConfigError
        If it is no table of a study.
    MissingExtra
        If it is Parquet and pyarrow is not installed.
    """
    found = table_path(path) if path.is_dir() else path
    if not found.is_file():
        raise StoreError(f"{path}: expected the results of a study, found no such file")
    rows = _parquet_columns(found) if found.suffix == ".parquet" else _csv_columns(found)
    missing = [name for name in COLUMNS if name not in rows]
    if missing:
        raise ConfigError(f"{found}: expected the columns of a study's table, found no {', '.join(missing)}")
    return Table({name: _column(name, rows[name]) for name in COLUMNS})


def _parquet(table: Table) -> bytes | None:
    """The table as the content of a Parquet file, or None where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None
    kinds = {name: pyarrow.string() if name in TEXTS else pyarrow.float64() for name in COLUMNS}
    kinds |= dict.fromkeys(WHOLES, pyarrow.int64())
    columns = {
        name: pyarrow.array([_plain(name, value) for value in values], type=kinds[name])
        for name, values in table.columns.items()
    }
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def _parquet_columns(path: Path) -> Mapping[str, Sequence[Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "study") from error
    try:
        read: Mapping[str, Sequence[Any]] = pyarrow.parquet.read_table(path).to_pydict()
    except pyarrow.ArrowInvalid as trouble:
        raise ConfigError(f"{path}: expected a Parquet file, found something else") from trouble
    return read


def _csv(table: Table) -> bytes:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in table.rows():
        # `repr` keeps every digit: a table that is read again is the same table.
        lines.writerow(["" if row[n] is None else repr(row[n]) if n not in TEXTS else row[n] for n in COLUMNS])
    return out.getvalue().encode()


def _csv_columns(path: Path) -> Mapping[str, Sequence[Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
        names = list(rows[0]) if rows else []
    try:
        return {name: [row[name] if name in TEXTS else float(row[name] or "nan") for row in rows] for name in names}
    except (TypeError, ValueError) as trouble:
        raise ConfigError(f"{path}: expected the table of a study, found {trouble}") from trouble
