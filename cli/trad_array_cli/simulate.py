"""`trad-array simulate`: recordings in simulated rooms, with their truth."""

import sys
from pathlib import Path
from typing import Any

import click

from trad_array_cli.options import json_option, layout_option, out_option, seed_option, temperature_option
from trad_array_cli.report import emit, say

KINDS = "air-tool, door, contactor, extinguisher, rain, speech, pcs-whine, hvac"


@click.command(name="simulate", no_args_is_help=True)
@layout_option()
@click.option("--cell", metavar="NAME", help="The cell that vents; with --count drawn for each segment if not given.")
@click.option("--negative", metavar="KIND", help=f"Something else that sounds: {KINDS}.")
@click.option("--normal", is_flag=True, help="Nothing but the noise of the cabin.")
@click.option("--count", type=click.IntRange(1, 99_999), metavar="N", help="A folder of N normal and N abnormal files.")
@click.option("--sets", is_flag=True, help="With --count: three sets in turn, with other rooms and fans.")
@click.option(
    "--rt60", "rt60_s", type=float, metavar="S", help="Reverberation time, 0.15 to 1.5 s or 0.  [default: 0.4]"
)
@click.option(
    "--snr",
    "snr_db",
    type=float,
    metavar="DB",
    help="Full-band ratio at the microphones.  [default: 0; with --count drawn from -10 to 10]",
)
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Length of a recording.")
@click.option("--onset", "onset_s", type=float, metavar="S", help="When the first microphone hears it; else drawn.")
@click.option("--duration", "duration_s", type=float, metavar="S", help="How long it sounds; else drawn.")
@temperature_option()
@click.option("--fs", type=click.IntRange(8_000, 192_000), default=16_000, show_default=True, help="Sampling rate, Hz.")
@seed_option()
@json_option("the truth on one line")
@out_option(metavar="FILE|FOLDER", what="Recording (.wav, .flac), its truth goes beside it; with --count a folder.")
def command(
    layout_name: str,
    cell: str | None,
    negative: str | None,
    normal: bool,
    count: int | None,
    sets: bool,
    rt60_s: float | None,
    snr_db: float | None,
    seconds: float,
    onset_s: float | None,
    duration_s: float | None,
    temperature_c: float | None,
    fs: int,
    seed: int,
    as_json: bool,
    out: Path,
) -> None:
    """Make recordings in simulated rooms.

    A cell vents, or something else sounds, in the layout's room under the noise of fans and a power converter. The
    truth goes beside the recording: cell, onset, ratios, reverberation time, air. Everything is simulated and says so.

    \b
    Examples:
      trad-array simulate --layout pack-corners --cell R2C07 --rt60 0.5 --snr -5 --seed 1 -o event.wav
      trad-array simulate --layout row-frame --negative air-tool -o tool.flac
      trad-array simulate --layout row-corners --count 100 --sets -o segments
    """
    _check_what(cell=cell, negative=negative, normal=normal, count=count)
    _check_folder_options(count=count, sets=sets, rt60_s=rt60_s, onset_s=onset_s)
    import numpy as np

    from trad_array.simulation import save_scene, simulate_dataset, simulate_scene
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    rng = np.random.default_rng(seed)
    if count is None:
        scene = simulate_scene(
            layout,
            rng=rng,
            cell=cell,
            negative=negative,
            rt60_s=0.4 if rt60_s is None else rt60_s,
            snr_db=0.0 if snr_db is None else snr_db,
            seconds=seconds,
            onset_s=onset_s,
            duration_s=duration_s,
            temperature_c=temperature_c,
            fs=fs,
        )
        truth = scene.truth | {"seed": seed}
        truth_file = save_scene(out, scene, channels=layout.mic_channels, more={"seed": seed})
        say(f"{out}: {_in_words(truth)}; truth in {truth_file.name}")
        if as_json:
            emit(truth)
        return
    with click.progressbar(length=2 * count, label="simulating", file=sys.stderr) as bar:
        made = simulate_dataset(
            layout,
            out,
            count=count,
            rng=rng,
            cell=cell,
            rt60_s=0.4 if rt60_s is None else rt60_s,
            snr_db=(-10.0, 10.0) if snr_db is None else (snr_db, snr_db),
            seconds=seconds,
            duration_s=duration_s,
            temperature_c=temperature_c,
            fs=fs,
            sets=sets,
            progress=lambda _done, _total: bar.update(1),
        )
    say(f"{out}: {count} normal and {count} abnormal simulated segments, {2 * count - made} of them were there already")
    if as_json:
        emit({"folder": str(out), "segments": 2 * count, "made": made, "seed": seed, "simulated": True})


def _check_what(*, cell: str | None, negative: str | None, normal: bool, count: int | None) -> None:
    given = [
        name
        for name, said in (("--cell", cell is not None), ("--negative", negative is not None), ("--normal", normal))
        if said
    ]
    if count is None and len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise click.UsageError(f"Expected one of --cell, --negative and --normal, or --count; found {found}.")
    if count is not None and given not in ([], ["--cell"]):
        raise click.UsageError(f"--count makes normal and abnormal segments; it does not go with {given[-1]}.")


def _check_folder_options(*, count: int | None, sets: bool, rt60_s: float | None, onset_s: float | None) -> None:
    if sets and count is None:
        raise click.UsageError("--sets goes with --count.")
    if sets and rt60_s is not None:
        raise click.UsageError("--sets brings its own reverberation times; it does not go with --rt60.")
    if count is not None and onset_s is not None:
        raise click.UsageError("--onset goes with one recording, not with --count.")


def _in_words(truth: dict[str, Any]) -> str:
    what = {"vent": f"cell {truth['cell']} vents", "normal": "noise only"}.get(truth["kind"], truth["kind"])
    when = "" if truth["onset_s"] is None else f" at {truth['onset_s']:.3f} s, {truth['snr_db']:+.1f} dB"
    return f"simulated, {what}{when}, RT60 {truth['rt60_s']:.2f} s"
