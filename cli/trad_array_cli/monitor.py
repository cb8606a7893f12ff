"""`trad-array monitor`: the watch, here on a recording that is played to it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.listening import ChainChoice, chain_options, site_option, with_progress
from trad_array_cli.main import ALARM_FOUND, OK
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, event_line, fault_json, fault_line, place_words, say

if TYPE_CHECKING:
    from trad_array.chain import Chain, StepOutput
    from trad_array.events import Event, Origin
    from trad_array.records import Block


@click.command()
@click.option("--replay", required=True, metavar="RECORDING", help="Recording to play, named as for `localize`.")
@chain_options
@site_option
@click.option("--fast", is_flag=True, help="As fast as the machine can, instead of in real time.")
@click.option(
    "--block",
    "block_samples",
    type=click.IntRange(1, 1_000_000),
    default=512,
    show_default=True,
    help="Samples handed to the chain at a time; changes nothing but the pace.",
)
@click.option("--fail-on", type=click.Choice(["alarm"]), help="Exit with 10 when an alarm was raised.")
@json_option("events and faults, one a line")
def command(
    choice: ChainChoice,
    site_path: Path | None,
    replay: str,
    channel_map: tuple[int, ...] | None,
    fast: bool,
    block_samples: int,
    fail_on: str | None,
    as_json: bool,
) -> int:
    """Watch a stream and raise alarms.

    Plays a recording to the very chain that hears a live array, in real time or with --fast. Each event is told when it
    is heard (new), when it is placed (update) and when it is over (end), always under the same id. Faults of the
    stream are told as they occur.

    \b
    Examples:
      trad-array monitor --replay night.wav --layout pack-corners
      trad-array monitor --replay night.wav --layout pack-corners --fast --json
    """
    from trad_array.audio.files import RecordingReader, find_source
    from trad_array.chain import run
    from trad_array.events import OpenEvents, Origin, event_step

    chain = choice.with_site(site_path).chain()
    source = find_source(replay, channels=choice.layout.mic_channels, channel_map=channel_map)
    origin = Origin(source=replay, model=choice.model_name)
    told, alarms, heard_s = OpenEvents(), set[int](), 0.0
    said: dict[int, str] = {}
    with RecordingReader(source, fs=chain.features.fs) as reader:
        say(f"watching {replay}: {reader.duration_s:.1f} s, layout {choice.layout.id}, {choice.model_name}")
        blocks = reader.blocks(block_s=block_samples / reader.file_fs)
        paced = with_progress(blocks, total_s=reader.duration_s, label=replay) if fast else _in_real_time(blocks)
        try:
            for output in run(chain, paced):
                _tell_faults(output, chain, origin, as_json=as_json)
                told, events = event_step(told, output)
                for event in events:
                    if event.level == "alarm":
                        alarms.add(event.detection.onset)
                    _tell(event, chain, origin, said, as_json=as_json)
                heard_s += len(output.heard.scores.starts) * chain.features.hop / chain.features.fs
        except KeyboardInterrupt:
            say(f"stopped after {heard_s:.1f} s; open events: {len(told.events)}")
    say(f"heard {heard_s:.1f} s, alarms: {len(alarms)}")
    return ALARM_FOUND if fail_on and alarms else OK


def _in_real_time(blocks: "Iterator[Block]") -> "Iterator[Block]":
    """Hand each block on when its last sample would have been heard."""
    began = time.monotonic()
    for block in blocks:
        wait = began + block.end / block.fs - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield block


def _tell(event: "Event", chain: "Chain", origin: "Origin", said: dict[int, str], *, as_json: bool) -> None:
    """Every message for programs; for people, an update only when it says something else (`said`, by onset)."""
    from trad_array.events import event_json

    record = event_json(event, chain, origin)
    if as_json:
        emit(record)
        return
    if record["state"] == "end":
        said.pop(event.detection.onset, None)
        click.echo(f"end     {event_line(record)}")
        return
    words = f"{record['level'].upper()}: {_words(record)}"
    if said.get(event.detection.onset) == words:
        return
    said[event.detection.onset] = words
    after = "" if record["heard_s"] is None else f" (after {record['heard_s']:.2f} s)"
    click.echo(f"{record['state']:7} {record['onset_s']:.2f} s: {words}{after}")


def _words(record: dict[str, Any]) -> str:
    return "heard" if record["state"] == "new" else place_words(record)


def _tell_faults(output: "StepOutput", chain: "Chain", origin: "Origin", *, as_json: bool) -> None:
    for fault in output.heard.faults:
        if as_json:
            emit(fault_json(fault, chain.layout, fs=chain.features.fs, source=origin.source))
        else:
            click.echo(fault_line(fault, chain.layout, fs=chain.features.fs, source=origin.source))
