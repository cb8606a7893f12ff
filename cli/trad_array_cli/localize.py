"""`trad-array localize`: recorded events."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.figures import check_suffix, numbered, save_aligned, save_heatmap
from trad_array_cli.listening import DETECT, WHOLE, ChainChoice, chain_options, site_option, with_progress
from trad_array_cli.main import ALARM_FOUND, BAD_INPUT, OK, SOME_FAILED
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, event_line, fault_line, say

if TYPE_CHECKING:
    from trad_array.audio.files import RecordingReader, Source
    from trad_array.chain import Chain
    from trad_array.detection.listed import Listed

# A longer stretch than this is not one sound; labels or detection say which parts of it are.
LONGEST_WHOLE_S = 60.0
# A label that marks a mere point stands for this much sound.
POINT_LABEL_S = 1.0


@click.command()
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@chain_options
@site_option
@click.option(
    "--events",
    "which",
    default=DETECT,
    show_default=True,
    metavar="detect|whole|LABELS.txt",
    help="Find events; or take each file as one; or read them from Audacity labels or a Raven table.",
)
@click.option(
    "--heatmap",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the first event's map here, those of further events as FILE-2.png, FILE-3.png, ...",
)
@click.option(
    "--aligned",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the first event's channels, shifted by the delays of its cell; further events as with --heatmap.",
)
@click.option("--fail-on", type=click.Choice(["alarm"]), help="Exit with 10 when an alarm was found.")
@json_option("one event a line")
def command(
    choice: ChainChoice,
    site_path: Path | None,
    recordings: tuple[str, ...],
    channel_map: tuple[int, ...] | None,
    which: str,
    heatmap: Path | None,
    aligned: Path | None,
    fail_on: str | None,
    as_json: bool,
) -> int:
    """Find events in recordings and say which cell each came from.

    A RECORDING is a multi-channel WAV, FLAC or RF64 file; or a pattern with {channel} for one file per microphone,
    like 'night_ch{channel}.wav'; or such files with commas between them. Any sample rate. A file that cannot be used is
    reported and the others are still done.

    \b
    Examples:
      trad-array localize night.wav --layout pack-corners --heatmap cells.png
      trad-array localize 'seg7_ch{channel}.wav' --layout row-frame --events whole --json
      trad-array localize night.wav --layout pack-corners --aligned channels.png
      trad-array localize a.wav b.wav --layout my-array.toml --events labels.txt
    """
    check_suffix(heatmap)
    check_suffix(aligned)
    chain = choice.with_site(site_path).chain()
    records: list[dict[str, Any]] = []
    failed = 0
    for text in recordings:
        try:
            for record in _events(text, chain, choice.model_name, channel_map, which, quiet=as_json):
                records.append(record)
                _tell(record, as_json=as_json)
                if heatmap is not None:
                    _draw(record, chain, heatmap, number=len(records))
                if aligned is not None:
                    _draw_aligned(record, chain, _source(text, chain, channel_map), aligned, number=len(records))
        except ValueError as trouble:
            _require_ours(trouble)
            failed += 1
            say(f"trad-array: {trouble}")
    if failed:
        return BAD_INPUT if failed == len(recordings) else SOME_FAILED
    return ALARM_FOUND if fail_on and any(r["level"] == "alarm" for r in records) else OK


def _events(
    text: str, chain: "Chain", model_name: str, channel_map: tuple[int, ...] | None, which: str, *, quiet: bool
) -> Iterator[dict[str, Any]]:
    """JSON objects of one recording's events, as they are found."""
    from trad_array.audio.files import RecordingReader
    from trad_array.chain import run
    from trad_array.events import OpenEvents, Origin, event_json, event_step

    source = _source(text, chain, channel_map)
    fs = chain.features.fs
    with RecordingReader(source, fs=fs) as reader:
        if which != DETECT:
            chain = chain.with_events(_listed(which, reader, source, fs=fs))
        origin = Origin(source=text, model=model_name)
        state, found = OpenEvents(), 0
        stream = with_progress(reader.blocks(), total_s=reader.duration_s, label=text)
        for output in run(chain, stream):
            for fault in output.heard.faults:
                say(fault_line(fault, chain.layout, fs=fs, source=text))
            state, events = event_step(state, output)
            for event in events:
                if event.state == "end":
                    found += 1
                    yield event_json(event, chain, origin)
    if not found and not quiet:
        say(f"{text}: {reader.duration_s:.1f} s, no event")


def _source(text: str, chain: "Chain", channel_map: tuple[int, ...] | None) -> "Source":
    """The files behind what the person wrote."""
    from trad_array.audio.files import find_source

    return find_source(text, channels=chain.layout.mic_channels, channel_map=channel_map)


def _listed(which: str, reader: "RecordingReader", source: "Source", *, fs: int) -> "Listed":
    """The stretches that the person named; of labels with one onset the longest counts."""
    from trad_array.audio.labels import read_labels
    from trad_array.detection.listed import Listed
    from trad_array.errors import AudioError

    if which == WHOLE:
        if reader.duration_s > LONGEST_WHOLE_S:
            raise AudioError(
                f"{source.name}: --events whole: expected at most {LONGEST_WHOLE_S:g} s, "
                f"found {reader.duration_s:.1f} s"
            )
        return Listed(((0, round(reader.duration_s * fs)),))
    labels = read_labels(Path(which))
    beyond = [label for label in labels if label.onset_s >= reader.duration_s]
    if beyond:
        raise AudioError(
            f"{which}: expected events within the {reader.duration_s:.2f} s of {source.name}, "
            f"found one at {beyond[0].onset_s:g} s"
        )
    spans: dict[int, int] = {}
    for label in labels:
        end_s = label.end_s if label.end_s > label.onset_s else label.onset_s + POINT_LABEL_S
        onset = round(label.onset_s * fs)
        spans[onset] = max(spans.get(onset, onset + 1), round(end_s * fs))
    return Listed(tuple(sorted(spans.items())))


def _tell(record: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(record)
    else:
        click.echo(event_line(record))


def _draw(record: dict[str, Any], chain: "Chain", heatmap: Path, *, number: int) -> None:
    path = numbered(heatmap, number)
    save_heatmap(record, chain.layout, path, fs=chain.features.fs)
    say(f"drawn: {path}")


def _draw_aligned(record: dict[str, Any], chain: "Chain", source: "Source", aligned: Path, *, number: int) -> None:
    path = numbered(aligned, number)
    drawn = save_aligned(record, source, chain.layout, path, fs=chain.features.fs)
    say(f"drawn: {path}" if drawn else f"not drawn: {path}: {record['why_not_placed']}")


def _require_ours(trouble: ValueError) -> None:
    """Let a bug through; our own errors about one input go on to the next input."""
    from trad_array.errors import TradArrayError

    if not isinstance(trouble, TradArrayError):
        raise trouble
