"""`trad-array evaluate`: fitted scorers on the recordings that they have not seen, as the paper does."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.main import SOME_FAILED
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, say
from trad_array_cli.train import NAME_PATTERN, Bar

if TYPE_CHECKING:
    from trad_array.learning.evaluation import SystemResult

MEASURES = (
    ("frame_auc", "AUC of frames, every frame of an abnormal recording counts as abnormal (the paper's protocol)"),
    ("clip_auc", "AUC of recordings, by the mean over channels of the mean score"),
    ("true_frame_auc", "AUC of frames, only those between true onset and end count as abnormal"),
)


@click.command(name="evaluate", no_args_is_help=True)
@click.option(
    "--model",
    "model_paths",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    metavar="FILE",
    help="Model file written by `trad-array train`; may be given several times.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder with normal/ and abnormal/."
)
@click.option(
    "--name-pattern",
    default=NAME_PATTERN,
    show_default=True,
    metavar="PATTERN",
    help="File name of one channel; other audio files are taken as holding all channels.",
)
@json_option("one model a line, then the published figures")
def command(model_paths: tuple[Path, ...], data: Path, name_pattern: str, as_json: bool) -> int:
    """Compare fitted scorers as the paper does.

    Recordings that a model was fitted or calibrated on are left out, known by their content. Tables like the paper's
    2 and 3: AUC per set, harmonic mean over sets, time to score a frame; and beside them the false alarms of the
    chain's default trigger in the normal recordings, because an AUC hides them.

    \b
    Example:
      trad-array evaluate --model ae.model --model attention.model --model cnn.model --data segments
    """
    from trad_array.learning.dataset import find_dataset
    from trad_array.learning.evaluation import evaluate
    from trad_array.scoring import load_model

    models = [(path, load_model(path)) for path in model_paths]
    dataset = find_dataset(data, pattern=name_pattern)
    results: list[tuple[str, SystemResult]] = []
    for path, model in models:
        bar = Bar(f"scoring with {path.name}")
        result = evaluate(model, dataset, progress=bar.show)
        say(f"{path}: {result.left_out} of {len(dataset.segments)} recordings left out, the model has seen them")
        for line in result.unusable:
            say(f"left out: {line}")
        results.append((str(path), result))
        if as_json:
            emit(_record(str(path), model.scorer.settings(), result))
    if as_json:
        emit(_published_record())
    else:
        click.echo("\n\n".join(_tables(results)))
    return SOME_FAILED if any(result.unusable for _, result in results) else 0


def _record(path: str, settings: dict[str, Any], result: "SystemResult") -> dict[str, Any]:
    return {
        "schema": "trad-array/evaluation/1",
        "model": path,
        "kind": result.kind,
        "settings": settings,
        "sets": [asdict(s) for s in result.sets],
        "harmonic_mean": dict(result.harmonic_mean),
        "false_alarms": result.false_alarms,
        "false_alarms_per_day": result.false_alarms_per_day,
        "false_alarms_per_day_bound": result.false_alarms_per_day_bound,
        "normal_s": result.normal_s,
        "ms_per_frame": result.ms_per_frame,
        "left_out": result.left_out,
        "unusable": list(result.unusable),
    }


def _published_record() -> dict[str, Any]:
    from trad_array.learning.published import PUBLISHED

    return {
        "schema": "trad-array/published/1",
        "note": "published for the LiB-TRAD data set, measured on other data than the above",
        "systems": [asdict(system) for system in PUBLISHED],
    }


def _tables(results: Sequence[tuple[str, "SystemResult"]]) -> list[str]:
    """The same figures for people."""
    tables = []
    for measure, title in MEASURES:
        if any(getattr(s, measure) is not None for _, result in results for s in result.sets):
            tables.append(f"{title}\n{_auc_table(results, measure)}")
    tables.append(f"Alarms of the chain's default trigger, and time to score a frame\n{_alarm_table(results)}")
    tables.append(f"Published for the LiB-TRAD data set: other data, not a comparison\n{_published_table()}")
    return tables


def _auc_table(results: Sequence[tuple[str, "SystemResult"]], measure: str) -> str:
    names = sorted({s.set_name for _, result in results for s in result.sets})
    rows = [["system", *names, "harmonic mean"]]
    for path, result in results:
        of_set: dict[str, float | None] = {s.set_name: getattr(s, measure) for s in result.sets}
        rows.append([path, *(_auc(of_set.get(name)) for name in names), _auc(result.harmonic_mean[measure])])
    return _columns(rows)


def _alarm_table(results: Sequence[tuple[str, "SystemResult"]]) -> str:
    rows = [["system", "abnormal detected", "false alarms", "a day", "95 % below", "normal h", "ms per frame"]]
    for path, result in results:
        n = [(s.detected, s.n_abnormal) for s in result.sets if s.detected is not None]
        detected = f"{sum(d * k for d, k in n) / sum(k for _, k in n):.1%}" if n else "-"
        false_alarms = "-" if result.false_alarms is None else str(result.false_alarms)
        rates = [_number(r) for r in (result.false_alarms_per_day, result.false_alarms_per_day_bound)]
        rows.append(
            [path, detected, false_alarms, *rates, f"{result.normal_s / 3600:.3f}", f"{result.ms_per_frame:.3f}"]
        )
    return _columns(rows)


def _published_table() -> str:
    from trad_array.learning.published import PUBLISHED

    rows = [["system", "set 1", "set 2", "set 3", "harmonic mean", "ms per frame"]]
    for system in PUBLISHED:
        aucs = [_auc(system.auc[n]) if system.auc else "-" for n in range(3)]
        rows.append([system.system, *aucs, _auc(system.harmonic_mean), _number(system.ms_per_frame, ".2f")])
    return _columns(rows)


def _auc(value: float | None) -> str:
    return _number(value, ".4f")


def _number(value: float | None, form: str = ".1f") -> str:
    return "-" if value is None else format(value, form)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text; the first column leans left, numbers lean right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
