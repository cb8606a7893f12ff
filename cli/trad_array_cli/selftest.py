"""`trad-array selftest`: a chirp through a loudspeaker, heard by every microphone."""

from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.devices import card_options
from trad_array_cli.main import MISFIT_FOUND, OK
from trad_array_cli.options import channel_map_option, json_option, layout_option, metres
from trad_array_cli.report import emit

if TYPE_CHECKING:
    from trad_array.audio.selftest import SelftestResult
    from trad_array_geometry import Layout


@click.command()
@layout_option()
@click.option("--device", required=True, metavar="NAME", help="Sound card of the microphones.")
@click.option("--play-device", required=True, metavar="NAME", help="Sound card of the loudspeaker.")
@click.option(
    "--at",
    "place_m",
    required=True,
    metavar="X,Y,Z",
    callback=metres,
    help="Where the loudspeaker is, m, in the layout's coordinates; best nearer to some microphones than to others.",
)
@channel_map_option()
@card_options
@json_option("the whole result")
def command(
    layout_name: str,
    device: str,
    play_device: str,
    place_m: tuple[float, float, float],
    channel_map: tuple[int, ...] | None,
    samplerate_hz: int,
    dtype: str,
    open_channels: int,
    as_json: bool,
) -> int:
    """Check every microphone with a chirp.

    Plays half a second of rising tone and compares what each microphone hears with what its distance says: is it deaf,
    too loud or too quiet, too late or too early? The arrival times together give the speed of sound. Exits with 11 when
    something is wrong. Keep the room quiet, and nothing between loudspeaker and microphones.

    \b
    Examples:
      trad-array selftest --layout pack-corners --device "USB Mic Array" --play-device USB --at 0.5,-0.4,0.1
    """
    from trad_array.audio.capture_rule import CaptureFormat
    from trad_array.audio.loudspeaker import play_and_listen
    from trad_array.audio.selftest import ChirpRule, chirp, judge_chirp
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    channels = channel_map or layout.mic_channels
    wanted = CaptureFormat(samplerate_hz, dtype, open_channels, tuple(channels))
    samples = play_and_listen(
        chirp(ChirpRule(), fs=samplerate_hz),
        play_device=play_device,
        device=device,
        format=wanted,
        n_mics=layout.n_mics,
    )
    result = judge_chirp(samples, layout, place_m, fs=samplerate_hz)
    if as_json:
        emit(_as_json(result, layout))
    else:
        _tell(result)
    return OK if result.fine else MISFIT_FOUND


def _tell(result: "SelftestResult") -> None:
    for mic in result.mics:
        measured = (
            ""
            if mic.gain_db is None or mic.late_s is None
            else f"{mic.gain_db:+.1f} dB, {1e6 * mic.late_s:+.0f} us beside the others"
        )
        click.echo(f"microphone {mic.name}: {'; '.join(part for part in (measured, *mic.faults) if part)}")
    if result.speed_m_s is not None:
        click.echo(f"speed of sound: {result.speed_m_s:.1f} +- {result.speed_sigma_m_s or 0.0:.1f} m/s")
    for fault in result.faults:
        click.echo(fault)
    click.echo("all as the layout says" if result.fine else "something is wrong")


def _as_json(result: "SelftestResult", layout: "Layout") -> dict[str, Any]:
    from dataclasses import asdict

    record = asdict(result) | {"fine": result.fine, "layout": layout.id}
    return {"schema": "trad-array/selftest/1"} | record
