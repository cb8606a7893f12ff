"""`trad-array evaluate --protocol libtrad`: trains and tests every system in every split, and writes what came out."""

import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trad_array_cli.main import SOME_FAILED
from trad_array_cli.protocol_tables import Run, run_record, table_2, table_3
from trad_array_cli.report import emit, say
from trad_array_cli.train import Bar

if TYPE_CHECKING:
    from trad_array.learning.dataset import Dataset, Segment
    from trad_array.learning.evaluation import SystemResult
    from trad_array.learning.protocol import Protocol, Trained

_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_SPECTROGRAM_SETS = 3


def run_libtrad(
    data: Path,
    out: Path,
    *,
    scorers: tuple[str, ...],
    splits: tuple[str, ...],
    epochs: int,
    seed: int,
    name_pattern: str,
    as_json: bool,
) -> int:
    """Run the experiments; returns the exit code."""
    from trad_array.features import FeatureSpec
    from trad_array.learning.dataset import find_dataset
    from trad_array.learning.options import TrainingOptions
    from trad_array.learning.protocol import check_system, simulated_share, start_protocol
    from trad_array.learning.protocol_splits import SPLITS

    unknown = [split for split in splits if split not in SPLITS]
    if unknown or not splits or not scorers:
        raise click.UsageError(f"--splits: expected some of {', '.join(SPLITS)}, found {', '.join(unknown) or 'none'}.")
    for name in scorers:
        check_system(name)
    dataset = find_dataset(data, pattern=name_pattern)
    options = TrainingOptions(features=FeatureSpec(front_end="absolute"), epochs=epochs)
    provenance = {"command": shlex.join(["trad-array", *sys.argv[1:]]), "seed": seed, "data": str(data)}
    protocol = start_protocol(dataset, options, out / "models", seed=seed, provenance=provenance)
    (out / "models").mkdir(parents=True, exist_ok=True)
    _draw_spectrograms(dataset, out / "spectrograms.png")
    with _told_how_to_go_on(out):
        trained, results, notes = _run_all(protocol, scorers, splits)
    for name in scorers:
        _draw_losses({way: t.losses for (n, way), t in trained.items() if n == name}, name, out)
    _draw_alarms(results, out)
    ran = {way: SPLITS[way] for way in splits if any(split == way for _, split in results)}
    run = Run(str(data), simulated_share(dataset), dataset.counts(), epochs, seed, ran, scorers, results, notes)
    record = run_record(run)
    _write(out / "table2.md", table_2(run))
    _write(out / "table3.md", table_3(run))
    _write(out / "results.json", json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    say(f"written: {out}/table2.md, table3.md, results.json and pictures; models in {out / 'models'}")
    if as_json:
        emit(record)
    else:
        click.echo(f"{table_2(run)}\n{table_3(run)}")
    unusable = {line for t in trained.values() for line in t.unusable} | {
        line for result in results.values() for line in result.unusable
    }
    for line in sorted(unusable):
        say(f"left out: {line}")
    return SOME_FAILED if unusable else 0


def _run_all(
    protocol: "Protocol", scorers: tuple[str, ...], splits: tuple[str, ...]
) -> "tuple[dict[tuple[str, str], Trained], dict[tuple[str, str], SystemResult], list[str]]":
    """Fit and test; a split that the folder is too small for is passed over and told."""
    from trad_array.errors import AudioError
    from trad_array.learning.job import Watch
    from trad_array.learning.protocol import result_of, train_system
    from trad_array.learning.protocol_splits import why_not

    trained: dict[tuple[str, str], Trained] = {}
    results: dict[tuple[str, str], SystemResult] = {}
    notes = [note for note in (why_not(protocol.dataset, way) for way in splits) if note is not None]
    for note in notes:
        say(f"passed over: {note}")
    possible = [way for way in splits if why_not(protocol.dataset, way) is None]
    if not possible:
        raise AudioError(notes[0])
    for way in possible:
        for name in scorers:
            bars = [Bar(f"{word} {name}, {way}") for word in ("reading for", "training", "testing")]
            try:
                watch = Watch(reading=bars[0].show, epoch=bars[1].show, note=say)
                done = trained[name, way] = train_system(protocol, name, way, watch=watch)
                if done.kept:
                    say(f"{name}, {way}: taken from {protocol.models}, fitted by the same experiment before")
                result = results[name, way] = result_of(protocol, name, way, done, progress=bars[2].show)
            finally:
                for bar in bars:
                    bar.close()
            for who in (done.suspects, result.suspects):
                if who.line() is not None:
                    say(f"trad-array: warning: {name}, {way}: {who.line()}")
    return trained, results, notes


@contextmanager
def _told_how_to_go_on(out: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say(f"{out / 'models'}: run the same command again to go on from here")
        raise


def _draw_spectrograms(dataset: "Dataset", path: Path) -> None:
    """The first recording of each set, normal above and abnormal below, on one decibel scale (the paper's Fig. 5)."""
    from trad_array.errors import AudioError
    from trad_array.plotting import mel_spectrogram
    from trad_array_cli.figures import new_figure, save_figure

    rows = [_firsts(dataset.of(label)) for label in ("normal", "abnormal")]
    figure = new_figure(width=5.0 * max(len(row) for row in rows) + 1.0, height=8.0)
    axes = figure.subplots(2, max(len(row) for row in rows), squeeze=False)
    image = None
    for row, of_row in zip(axes, rows, strict=True):
        for ax in row[len(of_row) :]:
            ax.set_axis_off()
        for ax, segment in zip(row, of_row, strict=False):
            try:
                image = mel_spectrogram(segment.read(16_000), ax, title=segment.name)
            except AudioError as trouble:
                ax.set_title(f"{segment.name} cannot be read")
                say(f"not drawn: {trouble}")
    if image is not None:
        figure.colorbar(image, ax=axes.ravel().tolist(), label="dB re full scale", fraction=0.03, pad=0.01)
        save_figure(figure, path)


def _firsts(segments: "Sequence[Segment]") -> "list[Segment]":
    """The first recording of each set, of the first few sets."""
    first = {segment.set_name: segment for segment in reversed(segments)}
    return [first[name] for name in sorted(first)[:_SPECTROGRAM_SETS]]


def _draw_losses(losses: dict[str, tuple[float, ...]], name: str, out: Path) -> None:
    """Loss of every epoch, one line for each split (the paper's Fig. 7); nothing for a scorer without epochs."""
    if not any(losses.values()):
        return
    from trad_array.learning.curves import loss_curve
    from trad_array_cli.figures import new_figure, save_figure

    figure = new_figure(8.0, 5.0)
    ax = figure.add_subplot()
    for (way, values), colour in zip(losses.items(), _COLOURS, strict=False):
        loss_curve(values, ax, title=f"{name}: training loss", label=way, colour=colour)
    ax.legend()
    save_figure(figure, out / f"loss-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.png")


def _draw_alarms(results: "dict[tuple[str, str], SystemResult]", out: Path) -> None:
    from trad_array_cli.evaluate import draw_alarms

    for way in dict.fromkeys(way for _, way in results if way != "random"):
        draw_alarms([(name, result) for (name, w), result in results.items() if w == way], out / f"alarms-{way}.png")


def _write(path: Path, text: str) -> None:
    """A whole file or none."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
