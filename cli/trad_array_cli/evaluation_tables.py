"""What `trad-array evaluate` says about fitted models, as JSON values and as tables for people."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trad_array.learning.alarm_figures import AlarmFigures
    from trad_array.learning.alarm_metrics import Latency, Rate
    from trad_array.learning.evaluation import SystemResult

MEASURES = (
    ("frame_auc", "AUC of frames, every frame of an abnormal recording counts as abnormal (the paper's protocol)"),
    ("frame_pauc", "The same up to a false positive rate of 0.1, standardised (McClish)"),
    ("clip_auc", "AUC of recordings, by the mean over channels of the mean score"),
    ("true_frame_auc", "AUC of frames, only those between true onset and end count as abnormal"),
)


def model_record(path: str, settings: dict[str, Any], result: "SystemResult") -> dict[str, Any]:
    """JSON object of one model."""
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
        "alarm": alarm_record(result.alarm),
        "suspects": list(result.suspects.names),
        "left_out": result.left_out,
        "unusable": list(result.unusable),
    }


def alarm_record(alarm: "AlarmFigures") -> dict[str, Any]:
    """JSON values of the figures of an alarm; an unreachable threshold is null."""
    f1 = alarm.f1
    return {
        "at_recall": {f"{recall:g}": _rate_record(rate) for recall, rate in alarm.at_recall.items()},
        "by_snr_db": {f"{snr_db:g}": _rate_record(rate) for snr_db, rate in alarm.by_snr.items()},
        "latency": None if alarm.latency is None else asdict(alarm.latency),
        "event_f1": None if f1 is None else asdict(f1) | {"f1": f1.f1},
        "fooled": [asdict(fooled) for fooled in alarm.fooled],
    }


def _rate_record(rate: "Rate") -> dict[str, Any]:
    return asdict(rate) | {"threshold": rate.threshold if isfinite(rate.threshold) else None}


def published_record() -> dict[str, Any]:
    """JSON object of the published figures."""
    from trad_array.learning.published import PUBLISHED

    return {
        "schema": "trad-array/published/1",
        "note": "published for the LiB-TRAD data set, measured on other data than the above",
        "systems": [asdict(system) for system in PUBLISHED],
    }


def model_tables(results: Sequence[tuple[str, "SystemResult"]]) -> list[str]:
    """The same figures for people."""
    tables = []
    for measure, title in MEASURES:
        if any(getattr(s, measure) is not None for _, result in results for s in result.sets):
            tables.append(f"{title}\n{_auc_table(results, measure)}")
    tables.append(f"Alarms of the chain's default trigger, and time to score a frame\n{_alarm_table(results)}")
    tables += [f"{title}\n{columns(rows)}" for title, rows in alarm_tables([(n, r.alarm) for n, r in results])]
    tables.append(f"Published for the LiB-TRAD data set: other data, not a comparison\n{_published_table()}")
    return tables


Rows = list[list[str]]


def alarm_tables(alarms: Sequence[tuple[str, "AlarmFigures"]]) -> list[tuple[str, Rows]]:
    """Title and rows of each table about alarms; those about which nothing is known are left out."""
    tables = [
        ("False alarms a day at the threshold that detects so many events (exact 95 % interval)", _recall_rows(alarms)),
        ("Latency and event F1 of the chain's default trigger", _event_rows(alarms)),
        ("False alarms a day by SNR, at the threshold that detects 95 % of the events", _snr_rows(alarms)),
        ("Which normal sound fools it, at the threshold of 95 %", _fooled_rows(alarms)),
    ]
    return [(title, rows) for title, rows in tables if len(rows) > 1]


def _recall_rows(alarms: Sequence[tuple[str, "AlarmFigures"]]) -> Rows:
    recalls = sorted({recall for _, alarm in alarms for recall in alarm.at_recall})
    rows = [["system", *(f"at {recall:.0%}" for recall in recalls), "events", "normal h"]]
    for name, alarm in alarms:
        if alarm.at_recall:
            first = next(iter(alarm.at_recall.values()))
            rates = [rate_text(alarm.at_recall.get(recall)) for recall in recalls]
            rows.append([name, *rates, str(first.n_events), f"{first.hours:.3f}"])
    return rows


def _event_rows(alarms: Sequence[tuple[str, "AlarmFigures"]]) -> Rows:
    rows = [["system", "latency median s", "95 % s", "heard", "event F1", "hits", "extra", "missed"]]
    for name, alarm in alarms:
        if alarm.latency is not None or alarm.f1 is not None:
            f1 = ["-"] * 4
            if alarm.f1 is not None:
                counts = (alarm.f1.hits, alarm.f1.extra, alarm.f1.missed)
                f1 = [number(alarm.f1.f1, ".3f"), *(str(count) for count in counts)]
            rows.append([name, *_latency_texts(alarm.latency), *f1])
    return rows


def _latency_texts(late: "Latency | None") -> list[str]:
    if late is None:
        return ["-"] * 3
    return [number(late.median_s, ".2f"), number(late.q95_s, ".2f"), f"{late.n_detected} of {late.n}"]


def _snr_rows(alarms: Sequence[tuple[str, "AlarmFigures"]]) -> Rows:
    levels = sorted({snr_db for _, alarm in alarms for snr_db in alarm.by_snr})
    rows = [["system", *(f"{snr_db:g} dB" for snr_db in levels)]]
    rows += [[name, *(rate_text(a.by_snr.get(snr_db)) for snr_db in levels)] for name, a in alarms if a.by_snr]
    return rows


def _fooled_rows(alarms: Sequence[tuple[str, "AlarmFigures"]]) -> Rows:
    kinds = sorted({fooled.kind for _, alarm in alarms for fooled in alarm.fooled})
    rows = [["system", *kinds]]
    for name, alarm in alarms:
        found = {f.kind: f"{f.n_above} of {f.n} ({f.low:.0%} to {f.high:.0%})" for f in alarm.fooled}
        if found:
            rows.append([name, *(found.get(kind, "-") for kind in kinds)])
    return rows


def rate_text(rate: "Rate | None") -> str:
    """A rate with its interval."""
    return "-" if rate is None else f"{rate.value:.3g} ({rate.low:.3g} to {rate.high:.3g})"


def _auc_table(results: Sequence[tuple[str, "SystemResult"]], measure: str) -> str:
    names = sorted({s.set_name for _, result in results for s in result.sets})
    rows = [["system", *names, "harmonic mean"]]
    for path, result in results:
        of_set: dict[str, float | None] = {s.set_name: getattr(s, measure) for s in result.sets}
        rows.append([path, *(auc_text(of_set.get(name)) for name in names), auc_text(result.harmonic_mean[measure])])
    return columns(rows)


def _alarm_table(results: Sequence[tuple[str, "SystemResult"]]) -> str:
    rows = [["system", "abnormal detected", "false alarms", "a day", "95 % below", "normal h", "ms per frame"]]
    for path, result in results:
        n = [(s.detected, s.n_abnormal) for s in result.sets if s.detected is not None]
        detected = f"{sum(d * k for d, k in n) / sum(k for _, k in n):.1%}" if n else "-"
        false_alarms = "-" if result.false_alarms is None else str(result.false_alarms)
        rates = [number(r) for r in (result.false_alarms_per_day, result.false_alarms_per_day_bound)]
        rows.append(
            [path, detected, false_alarms, *rates, f"{result.normal_s / 3600:.3f}", f"{result.ms_per_frame:.3f}"]
        )
    return columns(rows)


def _published_table() -> str:
    from trad_array.learning.published import PUBLISHED

    rows = [["system", "set 1", "set 2", "set 3", "harmonic mean", "ms per frame"]]
    for system in PUBLISHED:
        aucs = [auc_text(system.auc[n]) if system.auc else "-" for n in range(3)]
        rows.append([system.system, *aucs, auc_text(system.harmonic_mean), number(system.ms_per_frame, ".2f")])
    return columns(rows)


def auc_text(value: float | None) -> str:
    """An AUC, or - where there is none."""
    return number(value, ".4f")


def number(value: float | None, form: str = ".1f") -> str:
    """A number in that form, or - where there is none."""
    return "-" if value is None else format(value, form)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text; the first column leans left, numbers lean right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
