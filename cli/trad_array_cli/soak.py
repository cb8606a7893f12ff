"""`trad-array soak`: a watch that only listens, before one that cries."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.durations import DURATION, spoken
from trad_array_cli.listening import ChainChoice, chain_options, site_option
from trad_array_cli.main import OK
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, say
from trad_array_cli.watch_setup import health_of, open_source, source_options

if TYPE_CHECKING:
    from trad_array.audio.captured import SoundSource
    from trad_array.site.soak import Notes, Soaked

STOPPED = 130


@click.command()
@click.argument("recordings", nargs=-1, metavar="[RECORDING...]")
@source_options
@chain_options
@site_option
@click.option("--for", "for_s", type=DURATION, metavar="8h|3d", help="How long to listen; without it until Ctrl-C.")
@click.option(
    "--max-false-alarms-per-day",
    "alarms_per_day",
    type=click.FloatRange(min=0.0, min_open=True),
    default=0.1,
    show_default=True,
    metavar="N",
    help="Rate that the thresholds shall be told for.",
)
@click.option(
    "--max-alerts-per-day",
    "alerts_per_day",
    type=click.FloatRange(min=0.0, min_open=True),
    default=1000.0,
    show_default=True,
    metavar="N",
    help="The same of sounds that are taken for events at all.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="REPORT.json", help="Write the report here, too.")
@json_option("one object")
def command(
    choice: ChainChoice,
    recordings: tuple[str, ...],
    site_path: Path | None,
    channel_map: tuple[int, ...] | None,
    for_s: float | None,
    alarms_per_day: float,
    alerts_per_day: float,
    out: Path | None,
    as_json: bool,
    **where: Any,  # click's: the options that say where the sound comes from
) -> int:
    """Listen without a word, and say what a watch would have cried.

    Over a sound card (--device), raw samples (--input) or recordings: false alerts and alarms a day with exact 95 %
    intervals, levels by the hour, gaps and faults, and the thresholds that a wanted rate would need. All that is heard
    is taken for normal. Ctrl-C ends it with a report of what was heard. `trad-array learn` makes a site file.

    \b
    Examples:
      trad-array soak --device trad_array --layout pack-corners --for 3d -o soak.json
      trad-array soak week/*.flac --layout row-corners --json
    """
    from trad_array.site.normal_sound import Listener
    from trad_array.site.soak import Notes, soak, soaked

    if out is not None and not out.parent.is_dir():
        raise FileNotFoundError(f"{out}: no such folder: {out.parent}")
    choice = choice.with_site(site_path).with_source(channel_map=channel_map, **where)
    notes = Notes(health_of(choice), Listener(choice.chain()))
    stopped = False
    try:
        soak(notes.listener.chain, _sources(choice, recordings, where), notes, until_s=for_s or float("inf"),
             progress=_progress())  # fmt: skip
    except KeyboardInterrupt:
        stopped = True
    found = soaked(notes, alarms_per_day=alarms_per_day, alerts_per_day=alerts_per_day)
    record = soak_json(found, notes)
    if out is not None:
        out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if as_json:
        emit(record)
    else:
        for line in soak_lines(record):
            click.echo(line)
    return STOPPED if stopped else OK


def _sources(choice: ChainChoice, recordings: tuple[str, ...], where: dict[str, Any]) -> "Iterator[SoundSource]":
    """The live source, or each recording as fast as it goes."""
    if not recordings:
        if choice.config.source.device is None and where["replay"] is None and where["raw"] is None:
            raise click.UsageError("expected recordings, --device, --input or --replay, found none")
        yield open_source(choice, replay=where["replay"], raw=where["raw"], fast=where["fast"])[0]
        return
    if any(where[name] for name in ("device", "replay", "raw")):
        raise click.UsageError("expected recordings or one of --device, --input and --replay, found both")
    for recording in recordings:
        yield open_source(choice, replay=recording, raw=None, fast=True)[0]


def _progress() -> Callable[[float], None]:
    """Say once a minute how far it is."""
    due = [time.monotonic() + 60.0]

    def told(now_s: float) -> None:
        if time.monotonic() >= due[0]:
            due[0] += 60.0
            say(f"heard {spoken(now_s)}")

    return told


def soak_json(found: "Soaked", notes: "Notes") -> dict[str, Any]:
    """The report as a JSON object."""
    mics = notes.listener.chain.layout.mic_names
    return {
        "schema": "trad-array/soak/1",
        "hours": round(found.hours, 4),
        "alerts": found.alerts,
        "alerts_per_day": _interval(found.alerts_per_day),
        "alarms": found.alarms,
        "alarms_per_day": _interval(found.alarms_per_day),
        "gaps": notes.gaps,
        "lost_s": round(notes.lost_s, 3),
        "faults": [asdict(fault) for fault in notes.faults],
        "levels_dbfs": [
            {"hour": hour.number, "mics": {mic: _numbers(hour.level_db[:, k]) for k, mic in enumerate(mics)}}
            for hour in notes.hours()
        ],
        "gate": None if found.gate is None else asdict(found.gate),
        "trigger": None if found.trigger is None else asdict(found.trigger),
        "why_no_threshold": found.why_not or None,
    }


def soak_lines(record: dict[str, Any]) -> Iterator[str]:
    """The report for a person."""
    yield f"heard {record['hours']:.2f} h, gaps: {record['gaps']}, lost: {record['lost_s']:.1f} s"
    for what in ("alerts", "alarms"):
        low, middle, high = record[f"{what}_per_day"]
        upper = "any number" if high is None else f"{high:.3g}"
        yield f"{what}: {record[what]}, {middle:.3g} a day (95 % interval {low:.3g} to {upper})"
    for fault in record["faults"]:
        over = "still there" if fault["over_s"] is None else f"over after {spoken(fault['over_s'] - fault['at_s'])}"
        subject = f" {fault['subject']}" if fault["subject"] else ""
        yield f"fault at {spoken(fault['at_s'])}: {fault['code']}{subject}, {over}"
    for hour in record["levels_dbfs"]:
        levels = ", ".join(f"{mic} {_level(values)}" for mic, values in hour["mics"].items())
        yield f"hour {hour['hour'] + 1}: {levels} dBFS (10, 50, 90 %)"
    if record["gate"] is None:
        yield f"thresholds for such rates cannot be told: {record['why_no_threshold']}"
        return
    yield f"from a cell: log-odds above {record['gate']['value']:.2f} for {record['gate']['wanted_per_day']:g} a day"
    if record["trigger"] is not None:
        wanted = record["trigger"]["wanted_per_day"]
        yield f"trigger: fused score above {record['trigger']['value']:.2f} for {wanted:g} a day"


def _level(values: list[float | None]) -> str:
    return "silent" if values[1] is None else "/".join(f"{value:.0f}" for value in values)


def _interval(values: tuple[float, float, float]) -> list[float | None]:
    return [round(value, 4) if value != float("inf") else None for value in values]


def _numbers(values: Any) -> list[float | None]:
    return [None if value != value else round(float(value), 1) for value in values]
