"""What a ranking and a search found, as files: JSON for programs, CSV of all previews, layout files to mount."""

import csv
import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trad_array.errors import StoreError
from trad_array.study.as_json import to_json
from trad_array.study.choice_layout import choice_layout
from trad_array.study.files import write_whole
from trad_array.study.ranking import Ranked, Ranking, layout_name
from trad_array.study.records import Choice, Condition, Study
from trad_array.study.search import Found, Judged
from trad_array_geometry.layout_writer import write_layout

RANKING, PREVIEWS, SEARCH = "ranking.json", "previews.csv", "search.json"
# Best layouts that are written as files.
_LAYOUT_FILES = 10


def write_ranking(folder: Path, study: Study, found: Ranking) -> tuple[Path, ...]:
    """Write `ranking.json`, `previews.csv` and the best layouts; returns the layout files, best first.

    Raises
    ------
    StoreError
        If they cannot be written.
    """
    record = {
        "schema": "trad-array/study-ranking/1",
        "simulated": True,
        "study": study.name,
        "seed": study.seed,
        "condition": condition_json(found.condition),
        "preview": found.preview_of,
        "n_possible": found.n_possible,
        "n_previewed": len(found.layouts),
        "spearman_margin": _number(found.spearman),
        "spearman_log_det": _number(found.spearman_log_det),
        "layouts": [_ranked_json(study, row) for row in found.rows],
    }
    write_whole(folder / RANKING, _text(record))
    write_whole(folder / PREVIEWS, _previews(study, found))
    best = [row.choice for row in found.rows if row.role != "reference"][:_LAYOUT_FILES]
    return tuple(
        write_choice(folder / f"best-{place:02d}.toml", study, choice) for place, choice in enumerate(best, start=1)
    )


def write_found(folder: Path, study: Study, found: Found) -> Path:
    """Write `search.json` and `best.toml`, the path of which is returned; errors as `write_ranking`."""
    record = {
        "schema": "trad-array/study-search/1",
        "simulated": True,
        "study": study.name,
        "seed": study.seed,
        "condition": condition_json(found.condition),
        "plan": to_json(found.plan),
        "method": found.method,
        "n_possible": found.n_possible,
        "n_tried": found.n_tried,
        "best": _judged_json(study, found.best),
        "reference": _judged_json(study, found.reference),
        "difference": asdict(found.difference),
        "worst_cell_difference": None if found.worst_difference is None else list(found.worst_difference),
        "candidates": [
            {
                "mics": [study.points.names[k] for k in c.choice.points],
                "preview": c.preview,
                "simulated": _number(c.simulated),
            }
            for c in found.candidates
        ],
    }
    write_whole(folder / SEARCH, _text(record))
    return write_choice(folder / "best.toml", study, found.best.choice)


def write_choice(path: Path, study: Study, choice: Choice) -> Path:
    """Write one layout as a file that `--layout` reads; errors as `write_ranking`."""
    layout = choice_layout(study.site, study.points, Choice(f"{study.name} {path.stem}", choice.points))
    comment = f"Found by a simulated study, {study.name}; where microphones and cells are is assumed, not measured."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_layout(path, layout, comment=comment)
    except OSError as trouble:
        raise StoreError(f"{path}: cannot be written: {trouble.strerror or trouble}") from trouble
    return path


def condition_json(condition: Condition) -> dict[str, Any]:
    """A condition as JSON values, its fans and mismatch by name."""
    return {
        "rt60_s": condition.rt60_s,
        "snr_db": condition.snr_db,
        "duration_s": condition.duration_s,
        "fan": condition.fan.name,
        "mismatch": condition.mismatch.name,
    }


def _ranked_json(study: Study, row: Ranked) -> dict[str, Any]:
    found = asdict(row)
    found["choice"] = row.choice.name
    found["mics"] = [study.points.names[k] for k in row.choice.points]
    return found


def _judged_json(study: Study, judged: Judged) -> dict[str, Any]:
    return {
        "layout": judged.choice.name,
        "mics": [study.points.names[k] for k in judged.choice.points],
        "value": _number(judged.value),
        "share": asdict(judged.share),
        "decisive": asdict(judged.decisive),
        "cable_m": judged.cable_m,
    }


def _previews(study: Study, found: Ranking) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["layout", "margin", "margin_worst", "log_det", "log_det_worst"])
    margin, log_det = found.preview.margin, found.preview.log_det
    columns = (margin.mean(axis=1), margin.min(axis=1), log_det.mean(axis=1), log_det.min(axis=1))
    for layout, *values in zip(found.layouts, *columns, strict=True):
        table.writerow([layout_name(study.points, layout), *(f"{value:.6f}" for value in values)])
    return text.getvalue().encode()


def _text(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, allow_nan=False, indent=1, ensure_ascii=False) + "\n").encode()


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
