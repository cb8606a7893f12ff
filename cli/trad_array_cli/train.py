"""`trad-array train`: a folder of recordings to a model file."""

import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array.learning.kinds import KINDS
from trad_array_cli.main import SOME_FAILED
from trad_array_cli.options import json_option, out_option, seed_option
from trad_array_cli.report import emit, say

if TYPE_CHECKING:
    from trad_array.learning.training import Fitted

NAME_PATTERN = "{name}_ch{channel}.wav"


@click.command(name="train", no_args_is_help=True)
@click.option(
    "--scorer",
    "kind",
    type=click.Choice(list(KINDS)),
    required=True,
    help="What to fit. Some kinds learn from abnormal recordings too, most from normal ones alone.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder with normal/ and, for supervised kinds, abnormal/.",
)
@out_option(metavar="FILE", what="Model file; the loss curve goes beside it as FILE-loss.png.")
@click.option(
    "--attention",
    type=click.Choice(["components", "window", "batch", "none"]),
    default="components",
    show_default=True,
    help="What attends to what in attention-ae; batch is for reproducing the paper only.",
)
@click.option(
    "--score",
    "distance",
    type=click.Choice(["mahalanobis", "mse"]),
    default="mahalanobis",
    show_default=True,
    help="Score of the autoencoders: distance of the code (the paper's equation 4) or reconstruction error.",
)
@click.option(
    "--encoder",
    metavar="PATH",
    help="Weights for beats, eat, dasheng or onnx; without them a message says which file to get.",
)
@click.option(
    "--back-end",
    type=click.Choice(["knn", "mahalanobis", "cosine"]),
    default="knn",
    show_default=True,
    help="How vectors of an encoder are compared with normal ones.",
)
@click.option(
    "--front-end",
    type=click.Choice(["floor", "absolute"]),
    default="floor",
    show_default=True,
    help="Decibels above the tracked noise floor, or re full scale as in the paper.",
)
@click.option(
    "--context", type=click.IntRange(8, 1024), default=16, show_default=True, help="Frames of cnn and attention window."
)
@click.option("--epochs", type=click.IntRange(1, 100_000), default=200, show_default=True, help="The paper's.")
@click.option(
    "--early-stop",
    type=click.IntRange(0, 100_000),
    default=0,
    show_default=True,
    metavar="N",
    help="Stop after N epochs without progress on recordings kept from the fit; keep the best epoch. 0: never.",
)
@click.option("--batch", type=click.IntRange(1, 1_000_000), default=128, show_default=True, help="The paper's.")
@click.option(
    "--labels",
    type=click.Choice(["segment", "truth"]),
    default="segment",
    show_default=True,
    help="What a supervised kind takes for abnormal: all of an abnormal recording as in the paper, or onset to end.",
)
@click.option(
    "--energies",
    type=click.Choice(["relative", "absolute"]),
    default="relative",
    show_default=True,
    help="What wavelet-xgboost looks at: each band's share of a frame, or decibels.",
)
@click.option(
    "--name-pattern",
    default=NAME_PATTERN,
    show_default=True,
    metavar="PATTERN",
    help="File name of one channel; other audio files are taken as holding all channels.",
)
@seed_option()
@json_option("one summary")
def command(
    kind: str,
    data: Path,
    out: Path,
    attention: str,
    distance: str,
    encoder: str | None,
    back_end: str,
    front_end: str,
    context: int,
    epochs: int,
    early_stop: int,
    batch: int,
    labels: str,
    energies: str,
    name_pattern: str,
    seed: int,
    as_json: bool,
) -> int:
    """Fit a scorer on a folder of recordings.

    80 % of the recordings are used, the rest is left for `trad-array evaluate`, which knows them by what the model
    file says. Training that was stopped goes on when the same command is run again; it loses at most one epoch.

    \b
    Examples:
      trad-array simulate --layout row-corners --count 100 --sets -o segments
      trad-array train --scorer attention-ae --data segments -o attention.model
      trad-array train --scorer cnn --front-end absolute --data segments -o cnn.model
      trad-array train --scorer beats --encoder BEATs_iter3_plus_AS2M.pt --data segments -o beats.model
      trad-array train --scorer bottleneck-ae --early-stop 10 --data segments -o bottleneck.model
      trad-array train --scorer wavelet-xgboost --labels truth --data segments -o trees.model
    """
    _check_out(out)
    import numpy as np

    from trad_array.features import FeatureSpec
    from trad_array.learning.dataset import find_dataset
    from trad_array.learning.options import TrainingOptions
    from trad_array.learning.training import BatchReadingWarning, train_to_file

    options = TrainingOptions(
        features=FeatureSpec(front_end=front_end),
        attention=attention,
        distance=distance,
        context=context,
        epochs=epochs,
        early_stop=early_stop,
        batch=batch,
        labels=labels,
        encoder=encoder,
        back_end=back_end,
        energies=energies,
    )
    dataset = find_dataset(data, pattern=name_pattern)
    provenance = {"command": shlex.join(["trad-array", *sys.argv[1:]]), "seed": seed, "data": str(data)}
    with _watching(out) as watch, warnings.catch_warnings(record=True, category=BatchReadingWarning) as warned:
        warnings.simplefilter("always", BatchReadingWarning)
        fitted = train_to_file(
            kind, dataset, options, out, rng=np.random.default_rng(seed), watch=watch, provenance=provenance
        )
    for warning in warned:
        say(f"trad-array: warning: {warning.message}")
    _tell(fitted, out, as_json=as_json)
    return SOME_FAILED if fitted.unusable else 0


def _check_out(out: Path) -> None:
    """Before hours of training: can the file be written at all?"""
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise click.BadParameter(f"expected a file in a folder that can be written to, found {out}", param_hint="-o")


class Bar:
    """A progress bar on standard error whose length is known when the first step is done."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._done = 0
        self._bar: Any = None

    def show(self, done: int, total: int, loss: float | None = None) -> None:
        """Move the bar to `done` of `total`."""
        if self._bar is None:
            self._bar = click.progressbar(length=total, label=self._label, file=sys.stderr, item_show_func=_loss_text)
            self._bar.__enter__()
        self._bar.update(done - self._done, loss)
        self._done = done
        if done >= total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands and go to the next line."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar, self._done = None, 0


def _loss_text(loss: float | None) -> str | None:
    return None if loss is None else f"loss {loss:.4g}"


@contextmanager
def _watching(out: Path) -> Iterator[Any]:
    from trad_array.learning.job import Watch

    reading, training = Bar("reading"), Bar("training")
    try:
        yield Watch(reading=reading.show, epoch=training.show, note=say)
    except KeyboardInterrupt:
        checkpoint = out.with_name(out.name + ".checkpoint")
        if checkpoint.exists():
            training.close()
            say(f"{checkpoint}: run the same command again to go on from here")
        raise
    finally:
        reading.close()
        training.close()


def _tell(fitted: "Fitted", out: Path, *, as_json: bool) -> None:
    for line in fitted.unusable:
        say(f"left out: {line}")
    suspicion = fitted.suspects.line()
    if suspicion is not None:
        say(f"trad-array: warning: {suspicion}")
    picture = _draw(fitted, out)
    story = fitted.model.provenance
    counts = story["counts"]
    used = counts["fitting"]
    loss = f", loss {fitted.losses[0]:.4g} to {fitted.losses[-1]:.4g}" if fitted.losses else ""
    say(
        f"{out}: {fitted.model.kind} fitted on {used['normal']} normal and {used['abnormal']} abnormal recordings, "
        f"calibrated on {counts['calibration']['normal']}{loss}"
    )
    if as_json:
        emit(
            {
                "schema": "trad-array/training/1",
                "model": str(out),
                "kind": fitted.model.kind,
                "streamable": bool(getattr(fitted.model.scorer, "streamable", True)),
                "loss_curve": None if picture is None else str(picture),
                "unusable": list(fitted.unusable),
                "provenance": dict(story),
            }
        )


def _draw(fitted: "Fitted", out: Path) -> Path | None:
    """Loss curve beside the model file; None for a scorer without epochs."""
    if not fitted.losses:
        return None
    from trad_array.learning.curves import loss_curve
    from trad_array_cli.figures import new_figure, save_figure

    figure = new_figure(8.0, 5.0)
    epochs = len(fitted.losses)
    loss_curve(fitted.losses, figure.add_subplot(), title=f"{out.name}: {fitted.model.kind}, {epochs} epochs")
    picture = out.with_name(f"{out.stem}-loss.png")
    save_figure(figure, picture)
    return picture
