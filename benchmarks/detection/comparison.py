"""Every detector on the same takes: fit, listen, count. One part of the benchmark, see `parts`."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import comparison_tables
import corpus
import pictures
from corpus import Place, Size
from judging import Estimate, Figures, figures_of, frame_aucs
from limit import LIMIT
from listening import Task, Told, listen
from parts import Part, Settings
from systems import System, Trained, all_systems, frame_ms, train
from takes import NORMAL, VENT
from workers import results_of

from trad_array.learning.training import BatchReadingWarning

# Seconds that fits take, very roughly, to start the long ones first and to tell the time left.
_LONG_FITS = {"attention-ae": 6.0, "wakeword": 6.0, "beats": 20.0, "eat": 20.0, "dasheng": 20.0, "cnn": 3.0}
# How often the time of a frame is taken.
_ROUNDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Everything that tables and pictures are made of.

    settings : of the run
    trained : every system, also those that take no part
    figures : by the name of the system; frame_ms : likewise, of each measurement
    limit : frame AUC of `limit`, averaged over 0.5 s, by SNR: of all frames, and of those of the first second
    chosen : name of our best system, by the tuning takes; tuned : mean frame AUC there, by name
    """

    settings: Settings
    trained: tuple[Trained, ...]
    figures: Mapping[str, Figures]
    frame_ms: Mapping[str, tuple[float, ...]]
    limit: tuple[Mapping[float, Estimate], Mapping[float, Estimate]]
    chosen: str | None
    tuned: Mapping[str, float]


def part(settings: Settings) -> Part:
    """Run the comparison."""
    results = run(settings)
    return Part(
        table=comparison_tables.comparison(results),
        page=comparison_tables.page(results),
        rows=tuple(comparison_tables.rows_of(results)),
        quoted=tuple(comparison_tables.quoted(results)),
        draw=partial(pictures.draw, results),
    )


def run(settings: Settings) -> Results:
    """Fit every system, let it hear every take, count."""
    systems = all_systems(also=settings.also, encoders=settings.encoders)
    if settings.only:
        systems = tuple(s for s in systems if s.name.startswith(settings.only) or s.own)
    with tempfile.TemporaryDirectory(prefix="detection-") as folder:
        trained = _fitted(systems, Path(folder), settings)
        able = tuple(t for t in trained if t.trouble is None)
        tuned = _tuned(tuple(t for t in able if t.system.ours), settings)
        places = corpus.test_places(settings.size, seed=settings.seed)
        told = _heard(places, able, settings, label="test takes through every detector")
        times_ms = _frame_times(able)
    figures = {t.system.name: figures_of([said for said in told if said.system == t.system.name]) for t in able}
    vents = [said for said in told if said.system == LIMIT and said.place.suite == "test"]
    limit = (frame_aucs(vents, smoothed=True), frame_aucs(vents, smoothed=True, early=True))
    chosen = max(tuned, key=lambda name: tuned[name]) if tuned else None
    return Results(settings, trained, figures, times_ms, limit, chosen, tuned)


def _frame_times(able: Sequence[Trained]) -> dict[str, tuple[float, ...]]:
    """Time of a frame, ms, by name; after the workers, all systems in turn, so that what disturbs one round is seen."""
    rounds = [[frame_ms(t) for t in able] for _ in range(_ROUNDS)]
    return {t.system.name: tuple(times) for t, times in zip(able, zip(*rounds, strict=True), strict=True)}


def _fitted(systems: Sequence[System], folder: Path, settings: Settings) -> tuple[Trained, ...]:
    size, seed = settings.size, settings.seed
    results_of(
        partial(corpus.write_training, size=size, folder=folder / "data"),
        corpus.training_places(size, seed=seed),
        workers=settings.workers,
        label="training corpus",
    )
    (folder / "models").mkdir()
    order = sorted(range(len(systems)), key=lambda n: -_fit_price(systems[n]))
    found = results_of(
        partial(_train, folder=folder, size=size, seed=seed),
        [systems[n] for n in order],
        workers=settings.workers,
        label="fits",
        price=_fit_price,
    )
    by_name = {trained.system.name: trained for trained in found}
    return tuple(by_name[system.name] for system in systems)


def _train(system: System, *, folder: Path, size: Size, seed: int) -> Trained:
    with warnings.catch_warnings():
        # It takes part to show what it does; the page says that it cannot watch a stream.
        warnings.simplefilter("ignore", BatchReadingWarning)
        return train(system, folder / "data", folder / "models", size, seed=seed)


def _fit_price(system: System) -> float:
    return 0.0 if system.missing else _LONG_FITS.get(system.kind, 1.0)


def _tuned(ours: tuple[Trained, ...], settings: Settings) -> dict[str, float]:
    """Mean frame AUC of our own systems over the tuning takes, by name."""
    if len(ours) < 2:
        return {t.system.name: 0.0 for t in ours}
    told = _heard(corpus.tuning_places(settings.size), ours, settings, label="tuning takes")
    found = {}
    for t in ours:
        aucs = frame_aucs([said for said in told if said.system == t.system.name], smoothed=True)
        found[t.system.name] = sum(estimate.value for estimate in aucs.values()) / len(aucs)
    return found


def _heard(places: Sequence[Place], trained: tuple[Trained, ...], settings: Settings, *, label: str) -> list[Told]:
    tasks = [Task(place, settings.size, trained) for place in places]
    price = partial(_listen_price, size=settings.size)
    return [said for task in results_of(listen, tasks, workers=settings.workers, label=label, price=price)
            for said in task]  # fmt: skip


def _listen_price(task: Task, size: Size) -> float:
    """Seconds of sound that every detector hears."""
    if task.place.kind == NORMAL:
        return size.normal_s
    return 7 * (size.longest_s + 2.9) if task.place.kind == VENT else 6.0
