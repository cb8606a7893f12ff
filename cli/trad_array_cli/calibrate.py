"""`trad-array calibrate`: where the microphones really are, and whether a recording fits the layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.main import MISFIT_FOUND, OK
from trad_array_cli.options import channel_map_option, json_option, layout_option, out_option
from trad_array_cli.report import emit, say

if TYPE_CHECKING:
    from trad_array.array_calibration.calibrate import Calibration, HeardSound
    from trad_array.array_calibration.known import KnownSound
    from trad_array.records import Recording
    from trad_array_geometry import Layout

# Residuals above this say that the sounds do not go together (our choice).
SUSPICIOUS_US = 60.0
FEW_SOUNDS = 3
LONGEST_AMBIENT_S = 600.0

at_option = click.option(
    "--at", "at", multiple=True, metavar="CELL@S", help="A sound at this cell (or guard point) at about this second."
)
taps_option = click.option(
    "--taps",
    type=click.Path(path_type=Path),
    metavar="LABELS.txt",
    help="Audacity labels whose text is the cell's name, instead of --at or with it.",
)
events_option = click.option(
    "--events",
    "events_file",
    type=click.Path(path_type=Path),
    metavar="EVENTS.jsonl",
    help="Events of `trad-array localize --json` as sounds at their cells, with little trust.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite the file, even if it is the layout itself.")
date_option = click.option("--date", metavar="YYYY-MM-DD", help="Date to write into the layout; without it today.")


@click.group()
def command() -> None:
    """Find where the microphones really are, and whether a recording fits the layout.

    \b
    Examples:
      trad-array calibrate plan --layout pack-corners
      trad-array calibrate sounds taps.wav --layout my.toml --at R1C01@3.2 --at R1C13@7.5 -o corrected.toml
      trad-array calibrate check taps.wav --layout corrected.toml --at R2C07@12
      trad-array calibrate ambient shift.wav --layout my.toml --events events.jsonl
    """


@command.command()
@layout_option()
@click.option("--sounds", "n_sounds", type=click.IntRange(1, 50), default=8, show_default=True, help="At most so many.")
@json_option("the plan on one line")
def plan(layout_name: str, n_sounds: int, as_json: bool) -> None:
    """Say at which cells to make sounds, and how well the delays will be known after each.

    From the layout alone: 20 mm, 150 us and 8 degrees of doubt, or more where the layout says so.
    """
    from dataclasses import asdict

    from trad_array.array_calibration.expected import plan_sounds
    from trad_array_geometry import load_layout

    before, steps = plan_sounds(load_layout(layout_name), n_sounds=n_sounds)
    if as_json:
        emit({"layout": layout_name, "before": asdict(before), "sounds": [asdict(step) for step in steps]})
        return
    click.echo(
        f"no sound:  worst cell {before.worst_us:4.0f} us ({before.worst_cell}), median {before.median_us:4.0f} us"
    )
    for number, step in enumerate(steps, start=1):
        error = step.error
        click.echo(
            f"{number:2} {step.cell:7} worst cell {error.worst_us:4.0f} us ({error.worst_cell}), "
            f"median {error.median_us:4.0f} us"
        )
    some = steps[: min(4, len(steps))]
    where = ", ".join(step.cell for step in some)
    many = "1 sound" if len(some) == 1 else f"{len(some)} sounds"
    click.echo(
        f"{many} at {where}: expected delay error at the worst cell from {before.worst_us:.0f} to "
        f"{some[-1].error.worst_us:.0f} us"
    )


@command.command()
@click.argument("recording", metavar="RECORDING")
@layout_option()
@at_option
@taps_option
@channel_map_option()
@date_option
@force_option
@json_option("the result on one line")
@out_option(metavar="FILE.toml", what="Write the corrected layout here.", required=False)
def sounds(
    recording: str,
    layout_name: str,
    at: tuple[str, ...],
    taps: Path | None,
    channel_map: tuple[int, ...] | None,
    date: str | None,
    force: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Correct positions, channel delays, air and channel numbers from sounds at known cells.

    Somebody plays a chirp from a phone, or taps, 0 to 50 mm above the valves of a few cells, at least a second apart,
    while the array records. `trad-array calibrate plan` says at which cells. Each sound is looked for within 0.3 s of
    its time. Microphones are believed to 20 mm, channels to 150 us, the air to 8 degrees, or as the layout says if that
    is more. Give delay_sigma_us in the layout when channels may be later than half a millisecond.

    \b
    Example:
      trad-array calibrate sounds taps.wav --layout my.toml --at R1C01@3.2 --at R1C13@7.5 -o corrected.toml
      trad-array calibrate sounds taps.wav --layout my.toml --taps labels.txt -o corrected.toml
    """
    from trad_array.array_calibration.calibrate import calibrate, hear_sounds
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    known = _known_sounds(layout, at, taps)
    heard, unheard = hear_sounds(_read(recording, layout, channel_map), layout, known)
    for line in unheard:
        say(f"not used: {line}")
    result = calibrate(layout, heard)
    _tell_calibration(result, layout, as_json=as_json)
    if out is not None:
        _write(result, layout_name, out, date=date, force=force, method="sounds at known cells")


@command.command()
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@layout_option()
@at_option
@events_option
@channel_map_option()
@date_option
@force_option
@json_option("the result on one line")
@out_option(metavar="FILE.toml", what="Write the corrected delays and channels here.", required=False)
def ambient(
    recordings: tuple[str, ...],
    layout_name: str,
    at: tuple[str, ...],
    events_file: Path | None,
    channel_map: tuple[int, ...] | None,
    date: str | None,
    force: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Look for late and exchanged channels in everyday sound; says what cannot be known from it.

    Sounds from unknown places only bound the channel delays: no pair hears a sound further apart than its distance
    allows. Events that were named (--events) and sounds at known places in the first recording (--at, also guard
    points, like a door) give the delays themselves, the positions being believed. At most ten minutes of each
    recording are heard.

    \b
    Example:
      trad-array calibrate ambient shift.wav --layout my.toml --events events.jsonl
    """
    from trad_array.array_calibration.ambient import listen_ambient
    from trad_array.array_calibration.calibrate import hear_sounds
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    read = [_read(text, layout, channel_map, last_s=LONGEST_AMBIENT_S) for text in recordings]
    known: list[HeardSound] = list(_named(layout, events_file)) if events_file else []
    if at:
        heard, unheard = hear_sounds(read[0], layout, _known_sounds(layout, at, None))
        known += heard
        for line in unheard:
            say(f"not used: {line}")
    result = listen_ambient(read, layout, known=known)
    names = layout.mic_names
    if as_json:
        from trad_array.array_calibration.as_json import ambient_json

        emit(ambient_json(result, layout))
    else:
        for bound in result.bounds:
            i, j = bound.mics
            if bound.seen_us is not None:
                click.echo(
                    f"{names[i]} against {names[j]}: {bound.n_sources} sounds; "
                    f"later by {bound.low_us:.0f} to {bound.high_us:.0f} us"
                )
        for i, j in result.broken:
            click.echo(f"hint: {names[i]} and {names[j]} hear sounds further apart than their distance allows")
        if result.late is not None:
            click.echo(f"hint: channel {layout.mic_channels[result.late]} ({names[result.late]}) is in all these pairs")
        if result.calibration is not None:
            _tell_calibration(result.calibration, layout, as_json=False)
        for line in result.not_observable:
            click.echo(f"not observable: {line}")
    if out is not None:
        if result.calibration is None:
            raise click.UsageError("-o needs known sources: --events or --at.")
        _write(result.calibration, layout_name, out, date=date, force=force, method="named events, positions kept")


@command.command()
@click.argument("recording", required=False, metavar="[RECORDING]")
@layout_option()
@at_option
@taps_option
@events_option
@channel_map_option()
@json_option("the verdict on one line")
def check(
    recording: str | None,
    layout_name: str,
    at: tuple[str, ...],
    taps: Path | None,
    events_file: Path | None,
    channel_map: tuple[int, ...] | None,
    as_json: bool,
) -> int:
    """Say whether sounds at known cells fit the layout, and if not, which microphone or channel is wrong.

    One sound is enough to see that something is wrong; several tell a late channel from a misplaced microphone.
    Exit code 0: it fits; 11: it does not.

    \b
    Examples:
      trad-array calibrate check taps.wav --layout my.toml --at R1C01@3.2
      trad-array calibrate check --layout my.toml --events events.jsonl
    """
    from trad_array.array_calibration.as_json import diagnosis_json
    from trad_array.array_calibration.diagnose import check_recording, check_sounds
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    if recording is not None and events_file is None:
        known = _known_sounds(layout, at, taps)
        diagnosis = check_recording(_read(recording, layout, channel_map), layout, known)
    elif recording is None and events_file is not None and not at and taps is None:
        diagnosis = check_sounds(layout, _named(layout, events_file))
    else:
        raise click.UsageError("Expected a RECORDING with --at or --taps, or --events alone.")
    if as_json:
        emit(diagnosis_json(diagnosis, layout))
    else:
        click.echo(diagnosis.sentence)
        for line in diagnosis.unheard:
            say(f"not used: {line}")
    return OK if diagnosis.fits else MISFIT_FOUND


def _known_sounds(layout: "Layout", at: tuple[str, ...], taps: Path | None) -> "list[KnownSound]":
    from trad_array.array_calibration.known import known_sound, sounds_from_labels
    from trad_array.audio.labels import read_labels

    if not at and taps is None:
        raise click.UsageError("Expected --at CELL@SECONDS or --taps LABELS.txt, found neither.")
    known = [known_sound(layout, text) for text in at]
    return known + (list(sounds_from_labels(layout, read_labels(taps))) if taps else [])


def _read(
    text: str, layout: "Layout", channel_map: tuple[int, ...] | None, last_s: float = float("inf")
) -> "Recording":
    from trad_array.audio.files import find_source, read_recording

    return read_recording(find_source(text, channels=layout.mic_channels, channel_map=channel_map), last_s=last_s)


def _named(layout: "Layout", path: Path) -> "tuple[HeardSound, ...]":
    import json

    from trad_array.array_calibration.named_events import sounds_from_events
    from trad_array.errors import AudioError

    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        records = [json.loads(line) for line in lines]
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as trouble:
        raise AudioError(f"{path}: expected one JSON object a line, found something else") from trouble
    return sounds_from_events(layout, records, source=str(path))


def _tell_calibration(result: "Calibration", layout: "Layout", *, as_json: bool) -> None:
    from trad_array.array_calibration.ambient import exchange_words
    from trad_array.array_calibration.as_json import calibration_json

    if as_json:
        emit(calibration_json(result, layout))
        return
    if result.order != tuple(range(layout.n_mics)):
        click.echo(f"{exchange_words(result.order, layout)}: the sounds fit only so; corrected")
    for order in result.rivals:
        click.echo(f"not observable: {exchange_words(order, layout)}: these sounds fit as well")
    for line in _mic_lines(result):
        click.echo(line)
    for sound in result.sounds:
        click.echo(_sound_line(sound))
    click.echo(
        f"air {result.layout.temperature_c:.1f} +- {result.layout.temperature_sigma_c:.1f} degrees; "
        f"sounds {1e3 * result.height_m:.0f} mm above the valves; residual {result.residual_us:.0f} us"
    )
    click.echo(
        f"expected delay error at the worst cell {result.after.worst_cell}: from {result.before.worst_us:.0f} to "
        f"{result.after.worst_us:.0f} us (median over cells {result.after.median_us:.0f} us)"
        + (", if the channels are as said" if result.rivals else "")
    )
    if result.n_used < FEW_SOUNDS:
        say("warning: so few sounds cannot contradict each other; make at least four")
    if result.residual_us > SUSPICIOUS_US:
        say("warning: the sounds do not go together: wrong cells, wrong times, or a layout that is further off")


def _mic_lines(result: "Calibration") -> list[str]:
    corrected, lines = result.layout, []
    for k, name in enumerate(corrected.mic_names):
        moved = 1e3 * result.moved_m[k]
        length = float((moved**2).sum() ** 0.5)
        lines.append(
            f"{name} (channel {corrected.mic_channels[k]}): moved {length:.0f} mm "
            f"({moved[0]:+.0f} {moved[1]:+.0f} {moved[2]:+.0f}), delay {1e6 * corrected.mic_delay_s[k]:+.0f} us; "
            f"sigma {1e3 * corrected.mic_sigma_m[k]:.0f} mm, {1e6 * corrected.mic_delay_sigma_s[k]:.0f} us"
        )
    return lines


def _sound_line(sound: Any) -> str:
    where = f"sound at {sound.name} ({sound.at_s:.2f} s)"
    if sound.used:
        return f"{where}: residual {sound.before_us:.0f} us, corrected {sound.after_us:.0f} us"
    better = f"; {sound.better_cell} would fit" if sound.better_cell else ""
    return f"{where}: does not fit ({sound.after_us:.0f} us), left out: wrong cell?{better}"


def _write(result: "Calibration", source: str, out: Path, *, date: str | None, force: bool, method: str) -> None:
    from datetime import date as calendar

    from trad_array_geometry.layout_writer import write_calibrated

    noted = result.noted(date=date or calendar.today().isoformat(), method=method)
    write_calibrated(source, out, noted, overwrite=force)
    say(f"written: {out}")
