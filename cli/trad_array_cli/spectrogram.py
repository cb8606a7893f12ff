"""`trad-array spectrogram`: what the scorers see."""

from pathlib import Path

import click

from trad_array_cli.figures import check_suffix, save_spectrograms
from trad_array_cli.options import out_option
from trad_array_cli.report import say

MAX_PANELS = 6


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@out_option(metavar="FILE.png", what="Where to draw (png, pdf or svg).")
@click.option("--channel", type=click.IntRange(min=1), default=1, show_default=True, help="Channel to draw, from 1.")
@click.option("--start", "first_s", type=click.FloatRange(min=0), default=0.0, show_default=True, help="Seconds.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=600),
    default=60.0,
    show_default=True,
    help="At most so much of each file.",
)
def command(files: tuple[Path, ...], out: Path, channel: int, first_s: float, seconds: float) -> None:
    """Draw recordings as mel spectrograms, side by side.

    One decibel scale for all, so that a normal and an abnormal recording can be compared (the paper's Fig. 5).

    \b
    Example:
      trad-array spectrogram normal.wav abnormal.wav -o both.png
    """
    from trad_array.audio.files import read_recording

    check_suffix(out)
    if len(files) > MAX_PANELS:
        raise click.UsageError(f"expected at most {MAX_PANELS} files, found {len(files)}")
    panels = {
        f"{path.name}{'' if channel == 1 else f', channel {channel}'}": read_recording(
            path, channels=[channel], first_s=first_s, last_s=first_s + seconds
        )
        for path in files
    }
    save_spectrograms(panels, out)
    say(f"drawn: {out}")
