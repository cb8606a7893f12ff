"""`trad-array evaluate`: fitted scorers on the recordings that they have not seen, or the paper's experiments."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.main import SOME_FAILED
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, say
from trad_array_cli.train import NAME_PATTERN, Bar

if TYPE_CHECKING:
    from trad_array.learning.evaluation import SystemResult

# The options of one way to use the command, which make no sense in the other.
_ONLY_PROTOCOL = ("out", "scorers", "splits", "epochs", "seed")
_ONLY_MODEL = ("model_paths", "plot")


@click.command(name="evaluate", no_args_is_help=True)
@click.option(
    "--model",
    "model_paths",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Model file written by `trad-array train`; may be given several times.",
)
@click.option(
    "--protocol", type=click.Choice(["libtrad"]), help="Instead: train and test systems as the LiB-TRAD paper does."
)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder with normal/ and abnormal/."
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="With --model: draw events detected and missed against false alarms a day (png, pdf or svg).",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="OUTDIR",
    help="With --protocol: folder for tables, pictures and models; made if it is not there.",
)
@click.option(
    "--scorers",
    metavar="A,B,...",
    default="gaussian,ae,attention-ae,cnn",
    show_default=True,
    help="With --protocol: kinds as of `train --scorer`, or your own as file.py:Class.",
)
@click.option(
    "--splits",
    metavar="A,B,...",
    default="random,recording,runaways",
    show_default=True,
    help="With --protocol: ways to split the recordings.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="With --protocol; the paper's.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="With --protocol: same seed, same result."
)
@click.option(
    "--name-pattern",
    default=NAME_PATTERN,
    show_default=True,
    metavar="PATTERN",
    help="File name of one channel; other audio files are taken as holding all channels.",
)
@json_option("one model a line, then the published figures; with --protocol what results.json says")
@click.pass_context
def command(
    ctx: click.Context,
    model_paths: tuple[Path, ...],
    protocol: str | None,
    data: Path,
    plot: Path | None,
    out: Path | None,
    scorers: str,
    splits: str,
    epochs: int,
    seed: int,
    name_pattern: str,
    as_json: bool,
) -> int:
    """Compare scorers: fitted models, or the paper's experiments.

    With --model, recordings that a model was fitted or calibrated on are left out, known by their content. Tables like
    the paper's 2 and 3: AUC per set, harmonic mean over sets, time to score a frame; and beside them what an alarm is
    judged by, because an AUC hides it: false alarms a day at a wanted recall, latency, which sound fools it.

    With --protocol libtrad, systems are trained and tested in three splits of the folder; tables beside the published
    figures, loss curves, spectrograms and models go to OUTDIR. A run that was stopped goes on when it is run again.

    \b
    Examples:
      trad-array evaluate --model ae.model --model cnn.model --data segments --plot alarms.png
      trad-array evaluate --protocol libtrad --data segments -o paper
      trad-array evaluate --protocol libtrad --data segments --scorers ae,mine.py:Mine --epochs 20 -o quick
    """
    _check_options(ctx, protocol=protocol)
    if protocol is not None:
        from trad_array_cli.evaluate_protocol import run_libtrad

        if out is None:
            raise click.UsageError("--protocol needs -o OUTDIR, a folder for its tables.")
        return run_libtrad(
            data,
            out,
            scorers=_listed(scorers),
            splits=_listed(splits),
            epochs=epochs,
            seed=seed,
            name_pattern=name_pattern,
            as_json=as_json,
        )
    return _evaluate_models(model_paths, data, plot=plot, name_pattern=name_pattern, as_json=as_json)


def _check_options(ctx: click.Context, *, protocol: str | None) -> None:
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    names = {parameter.name: parameter.opts[-1] for parameter in ctx.command.params}
    if (protocol is None) == ("model_paths" not in given):
        found = "neither" if protocol is None else "both"
        raise click.UsageError(f"Expected either --model FILE or --protocol libtrad, found {found}.")
    wrong = [name for name in (_ONLY_PROTOCOL if protocol is None else _ONLY_MODEL) if name in given]
    if wrong:
        raise click.UsageError(f"{names[wrong[0]]} does not go with {'--model' if protocol is None else '--protocol'}.")


def _listed(text: str) -> tuple[str, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _evaluate_models(
    paths: tuple[Path, ...], data: Path, *, plot: Path | None, name_pattern: str, as_json: bool
) -> int:
    from trad_array.learning.dataset import find_dataset
    from trad_array.learning.evaluation import evaluate
    from trad_array.scoring import load_model
    from trad_array_cli.evaluation_tables import model_record, model_tables, published_record
    from trad_array_cli.figures import check_suffix

    check_suffix(plot)
    models = [(path, load_model(path)) for path in paths]
    dataset = find_dataset(data, pattern=name_pattern)
    results: list[tuple[str, SystemResult]] = []
    for path, model in models:
        bar = Bar(f"scoring with {path.name}")
        result = evaluate(model, dataset, progress=bar.show)
        say(f"{path}: {result.left_out} of {len(dataset.segments)} recordings left out, the model has seen them")
        tell_doubts(result)
        results.append((str(path), result))
        if as_json:
            emit(model_record(str(path), model.scorer.settings(), result))
    if plot is not None:
        draw_alarms(results, plot)
    if as_json:
        emit(published_record())
    else:
        click.echo("\n\n".join(model_tables(results)))
    return SOME_FAILED if any(result.unusable for _, result in results) else 0


def tell_doubts(result: Any) -> None:
    """What a person should hear about recordings that were left out, or do not look normal."""
    for line in result.unusable:
        say(f"left out: {line}")
    suspicion = result.suspects.line()
    if suspicion is not None:
        say(f"trad-array: warning: {suspicion}")


def draw_alarms(results: "list[tuple[str, SystemResult]]", path: Path) -> None:
    """Events detected, and missed, against false alarms a day."""
    from trad_array.plotting_detection import alarm_det, alarm_roc
    from trad_array_cli.figures import new_figure, save_figure

    curves = {Path(name).name: result.alarm.curve for name, result in results if result.alarm.curve is not None}
    if not curves:
        say(f"{path}: not drawn: no events or no normal sound to draw")
        return
    figure = new_figure(14.0, 6.0)
    left, right = figure.subplots(1, 2)
    alarm_roc(curves, left, title="Events detected")
    alarm_det(curves, right, title="Events missed")
    save_figure(figure, path)
    say(f"drawn: {path}")
