"""`trad-array devices`: which sound cards there are, and what one of them hears."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.durations import DURATION
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, say

if TYPE_CHECKING:
    from trad_array.audio.device_trial import DeviceTrial


def card_options(function: Callable[..., int]) -> Callable[..., int]:
    """`--samplerate`, `--dtype`, `--open-channels`: how a sound card is opened."""
    for option in (
        click.option(
            "--open-channels",
            type=click.IntRange(1, 256),
            default=4,
            show_default=True,
            metavar="N",
            help="Channels to open the card with; some kits need 6 or 8.",
        ),
        click.option(
            "--dtype",
            type=click.Choice(["int16", "int32", "float32"]),
            default="int32",
            show_default=True,
            help="Samples to ask of the card.",
        ),
        click.option(
            "--samplerate",
            "samplerate_hz",
            type=click.IntRange(8_000, 384_000),
            default=48_000,
            show_default=True,
            metavar="HZ",
            help="Rate to ask of the card.",
        ),
    ):
        function = option(function)
    return function


@click.command()
@click.option("--device", metavar="NAME", help="A card to try: its name, or a part that only one has.")
@click.option("--test", "seconds", type=DURATION, metavar="5s|2m", help="How long to listen to it.")
@card_options
@json_option()
def command(
    device: str | None, seconds: float | None, samplerate_hz: int, dtype: str, open_channels: int, as_json: bool
) -> int:
    """List sound cards that can record, or try one.

    A trial tells the level of each channel, which channels carry one signal, how much faster or slower than this
    machine's clock the card runs, and what was lost. Speed needs minutes to be known to a few millionths.

    \b
    Examples:
      trad-array devices
      trad-array devices --device "USB Mic Array" --test 5
      trad-array devices --device trad_array --test 5 --samplerate 16000 --dtype int16 --json
    """
    if (device is None) != (seconds is None):
        raise click.UsageError("expected --device NAME and --test S together, found one of them")
    if device is None or seconds is None:
        return _list(as_json=as_json)
    from trad_array.audio.capture_rule import CaptureFormat
    from trad_array.audio.device_trial import try_device

    wanted = CaptureFormat(samplerate_hz, dtype, open_channels, tuple(range(1, open_channels + 1)))
    trial = try_device(device, wanted, seconds=seconds)
    if as_json:
        emit(_trial_json(trial))
    else:
        for line in _trial_lines(trial):
            click.echo(line)
    return 0


def _list(*, as_json: bool) -> int:
    from dataclasses import asdict

    from trad_array.audio.sound_card import list_devices

    found = list_devices()
    if not found and not as_json:
        say("no sound card that can record")
    for device in found:
        if as_json:
            emit(asdict(device))
        else:
            click.echo(
                f"{device.name}  ({device.host}, says up to {device.channels} channels, {device.samplerate_hz:g} Hz)"
            )
    return 0


def _trial_lines(trial: "DeviceTrial") -> list[str]:
    """A trial for a person."""
    form = trial.format
    lines = [
        f"{trial.device}: {trial.heard_s:.1f} s heard, {form.open_channels} channels of {form.dtype} at "
        f"{form.samplerate_hz} Hz"
    ]
    lines += [
        f"  channel {level.channel}: {_db(level.rms_dbfs)} rms, {_db(level.peak_dbfs)} peak" for level in trial.levels
    ]
    n = len(trial.levels)
    pairs = [f"{a + 1}-{b + 1} {_number(trial.correlation[a][b])}" for a in range(n) for b in range(a + 1, n)]
    if pairs:
        lines.append(f"  correlation: {', '.join(pairs)}")
    drift = trial.drift
    lines.append(
        "  clock: too short to measure"
        if drift is None
        else f"  clock: {drift.ppm:+.0f} ppm, give or take {drift.sure_ppm:.0f}, over {drift.over_s:.0f} s"
    )
    counts = trial.counts
    lines.append(
        f"  lost: {counts.lost} samples, of these {counts.dropped} dropped by this program; "
        f"overflows {counts.overflows}, opened again {counts.reopened} times"
    )
    lines += [f"  channel {c} does not move: no microphone is so quiet" for c in trial.silent]
    lines += [f"  channels {a} and {b} carry one signal" for a, b in trial.alike()]
    return lines


def _trial_json(trial: "DeviceTrial") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "schema": "trad-array/device-trial/1",
        "device": trial.device,
        "samplerate_hz": trial.format.samplerate_hz,
        "dtype": trial.format.dtype,
        "heard_s": round(trial.heard_s, 6),
        "levels": [asdict(level) for level in trial.levels],
        "correlation": [list(row) for row in trial.correlation],
        "silent": list(trial.silent),
        "alike": [list(pair) for pair in trial.alike()],
        "drift": None if trial.drift is None else asdict(trial.drift),
        "counts": asdict(trial.counts),
    }


def _db(value: float | None) -> str:
    return "silent" if value is None else f"{value:.1f} dBFS"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
