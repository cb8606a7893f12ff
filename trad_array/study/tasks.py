"""A study cut into shards, each named by what its result depends on, and the work of one shard.

The name is a digest of the values that go into the result: a study that is stopped goes on, and a changed one computes
only what the change touches. Names of the study, of layouts and of microphones are no part of it.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.localization.event_correlations import EventSpec
from trad_array.localization.hypotheses import Prior
from trad_array.localization.packs import PackRule
from trad_array.study.acoustics import FS
from trad_array.study.acoustics import VERSION as ROOMS
from trad_array.study.agreement import sample
from trad_array.study.as_json import digest_of, to_json
from trad_array.study.draws import heard_slots
from trad_array.study.elsewhere import negative_places
from trad_array.study.noise import VERSION as NOISE
from trad_array.study.records import ALL_MICS, Choice, Condition, Study
from trad_array_geometry import Layout, frozen_array

if TYPE_CHECKING:
    from trad_array.study.world import World

LOCALIZATION, DETECTION = "localization", "detection"
HISS, VENT = "hiss", "vent"
# Module of each engine; its `VERSION` is part of the digests, so that another version computes anew.
ENGINES = {"spectral": "trad_array.study.spectral_engine", "time": "trad_array.study.time_engine"}
# What detection is heard with.
CHAIN = "trad_array.study.detection"
# Raised when shards get another content: also by another way to draw events, hisses, levels or losses.
_FORMAT = 1
# Events of a shard of detection, and of one in which the engines are compared: some seconds of work.
_DETECTION_SHARD, _COMPARED_SHARD = 25, 500


@dataclass(frozen=True, slots=True)
class Task:
    """One shard: events number `first` to `first + n - 1` of one layout under one condition.

    part : "localization" or "detection"
    engine : "spectral" or "time", for localization; detection is always heard, "time"
    condition : its `dead` says which microphone of the choice is lost
    sound : "hiss", "vent" or a negative kind
    digest : of all that the result depends on
    """

    part: str
    engine: str
    choice: Choice
    condition: Condition
    sound: str
    first: int
    n: int
    digest: str

    @property
    def words(self) -> str:
        """Which shard, for a person."""
        place = f"layout {self.choice.name}, RT60 {self.condition.rt60_s:g} s, {self.condition.snr_db:+g} dB"
        events = f"events {self.first} to {self.first + self.n - 1}"
        return f"{self.part} of {self.sound} ({self.engine}), {place}, {events}"


@dataclass(frozen=True, slots=True, eq=False)
class CellCounts:
    """Localization, by studied cell.

    n, right : (n_studied,), events and those whose cell was named
    error_m : (n_studied,), m, sum over events of the distance from the named cell to the true one
    """

    n: NDArray[np.int64]
    right: NDArray[np.int64]
    error_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, kind in (("n", np.int64), ("right", np.int64), ("error_m", np.float64)):
            object.__setattr__(self, name, frozen_array(getattr(self, name), kind))


@dataclass(frozen=True, slots=True)
class ChainCounts:
    """Detection: of `n` sounds, how many were detected, alarmed for, put in a cell, put in the right cell.

    alarm_s : s, from the onset to the alarm that names a cell, of those vents that got one
    heard_s : s, of sound that was no vent
    """

    n: int
    right: int
    detected: int
    alarmed: int
    in_a_cell: int
    alarm_s: tuple[float, ...] = ()
    heard_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TaskResult:
    """What one shard found."""

    digest: str
    counts: CellCounts | ChainCounts


def tasks_of(study: Study) -> tuple[Task, ...]:
    """Every shard of a study, in an order in which neighbours share a room and a layout.

    The loss of each microphone is tried for localization alone, where at least two are left.

    Raises
    ------
    ConfigError
        If the study has no layouts or no conditions, or no such engine.
    """
    if not study.choices or not study.conditions:
        raise ConfigError(f"{study.name}: expected layouts and conditions to compute, found none")
    basis = _site_basis(study)
    found = [*_localization(study, basis), *_detection(study, basis)]
    order = {choice.name: k for k, choice in enumerate(study.choices)}
    return tuple(
        sorted(
            found, key=lambda t: (t.part == DETECTION, t.condition.rt60_s, order[t.choice.name], t.condition.fan.name)
        )
    )


def require_engine(study: Study) -> None:
    """Raise `ConfigError` about layouts that the spectral engine of a study refuses, before rooms are made for it."""
    if study.engine != "spectral":
        return
    most = PackRule().mics
    for choice in study.choices:
        n = max(len(heard_slots(choice, condition)) for condition in study.conditions)
        if n > most:
            raise ConfigError(
                f"{choice.name}: expected at most {most} microphones for the spectral engine, found {n}; "
                'use engine = "time"'
            )
    shortest_s = EventSpec().n_frame / FS
    for condition in study.conditions:
        if condition.duration_s < shortest_s:
            raise ConfigError(
                f"conditions.duration_s: expected at least {shortest_s:g} s for the spectral engine, found "
                f'{condition.duration_s:g}; use engine = "time"'
            )


def conditions_of(study: Study, choice: Choice) -> Iterator[Condition]:
    """Conditions of localization for one layout, the loss of each of its microphones after each."""
    for condition in study.conditions:
        yield condition
        if study.each_dead and condition.dead == ALL_MICS and len(choice.points) > 2:
            for dead in range(len(choice.points)):
                yield replace(condition, dead=dead)


def detection_conditions(study: Study) -> tuple[Condition, ...]:
    """Conditions of detection: those of the study with the duration of its detection part, each once."""
    return tuple(dict.fromkeys(replace(c, duration_s=study.detection.duration_s) for c in study.conditions))


def detection_sounds(study: Study) -> Iterator[tuple[str, int]]:
    """Each sound of the detection part, and how many events of it."""
    part = study.detection
    if part.events:
        yield VENT, part.events
    if part.negative_events:
        for kind in part.negatives:
            yield kind, part.negative_events


def run_task(world: "World", task: Task) -> TaskResult:
    """Compute one shard; what comes out depends on the study and the task alone."""
    if task.part == DETECTION:
        from trad_array.study.detection import detected

        counts = detected(world, task.choice, task.condition, kind=task.sound, first=task.first, n=task.n)
        return TaskResult(task.digest, counts)
    engine = importlib.import_module(ENGINES[task.engine])
    answers = engine.localized(world, task.choice, task.condition, first=task.first, n=task.n)
    return TaskResult(task.digest, _by_cell(world.study, answers.cell, answers.named))


def _by_cell(study: Study, cell: NDArray[np.intp], named: NDArray[np.intp]) -> CellCounts:
    """Counts of each studied cell."""
    layout, studied = study.site.layout, study.site.cells
    where = np.full(layout.n_cells, -1)
    where[studied] = np.arange(len(studied))
    row, error_m = where[cell], np.linalg.norm(layout.cells[named] - layout.cells[cell], axis=1)
    return CellCounts(
        n=np.bincount(row, minlength=len(studied)),
        right=np.bincount(row[named == cell], minlength=len(studied)),
        error_m=np.bincount(row, weights=error_m, minlength=len(studied)).astype(np.float64),
    )


def compared(study: Study) -> tuple[tuple[Choice, Condition], ...]:
    """Where the spectral engine of a study is held against the time engine: that one is run there too."""
    return sample(study) if study.engine == "spectral" and study.agreement_events else ()


def _localization(study: Study, basis: dict[str, Any]) -> Iterator[Task]:
    if study.engine not in ENGINES:
        raise ConfigError(f"engine: expected one of {', '.join(ENGINES)}, found {study.engine!r}")
    for choice in study.choices:
        for condition in conditions_of(study, choice):
            for first, n in _cut(study.events, study.shard_events):
                yield _task(study, basis, (LOCALIZATION, study.engine, choice, condition, HISS, first, n))
    for choice, condition in compared(study):
        for first, n in _cut(study.agreement_events, min(study.shard_events, _COMPARED_SHARD)):
            yield _task(study, basis, (LOCALIZATION, "time", choice, condition, HISS, first, n))


def _detection(study: Study, basis: dict[str, Any]) -> Iterator[Task]:
    sounds = tuple(detection_sounds(study))
    for choice in study.choices:
        for condition in detection_conditions(study) if sounds else ():
            for sound, events in sounds:
                for first, n in _cut(events, _DETECTION_SHARD):
                    yield _task(study, basis, (DETECTION, "time", choice, condition, sound, first, n))


def _task(study: Study, basis: dict[str, Any], what: tuple[str, str, Choice, Condition, str, int, int]) -> Task:
    """A shard with its digest."""
    part, engine, choice, condition, sound, first, n = what
    module = CHAIN if part == DETECTION else ENGINES[engine]
    own: dict[str, Any] = {
        "part": part,
        "engine": [engine, _version(module)],
        "mics": _mics(study, choice),
        "condition": to_json(condition),
        "sound": sound,
        "events": [first, n],
    }
    if part == DETECTION and sound != VENT:
        own["places"] = to_json(negative_places(study, sound))
    return Task(*what, digest_of(basis | own))


def _site_basis(study: Study) -> dict[str, Any]:
    """What every shard depends on."""
    site = study.site
    return {
        "format": [_FORMAT, ROOMS, NOISE],
        "localizer": [repr(EventSpec()), repr(Prior()), repr(PackRule())],
        "seed": study.seed,
        "layout": _place_basis(site.layout),
        "cells": to_json(site.cells),
        "jet_heights_m": to_json(site.jet_heights_m),
        "boxes": to_json(site.boxes),
        "noise_dbfs": site.noise_dbfs,
        "reference": _mics(study, study.choices[0]),
    }


def _place_basis(layout: Layout) -> list[Any]:
    """All of the site's layout but its microphones and its names; those of guards say what stands there."""
    return [
        to_json(value)
        for value in (
            layout.cells,
            layout.cell_packs,
            layout.guards,
            layout.guard_names,
            layout.box_m,
            layout.temperature_c,
            layout.temperature_sigma_c,
        )
    ]


def _mics(study: Study, choice: Choice) -> list[Any]:
    """Where the microphones of a choice are, and what its file admits of them."""
    at, points = list(choice.points), study.points
    return [to_json(values[at]) for values in (points.positions_m, points.sigma_m, points.delay_sigma_s)]


def _cut(events: int, shard: int) -> Iterator[tuple[int, int]]:
    """First event and number of events of each shard."""
    for first in range(0, events, shard):
        yield first, min(shard, events - first)


def _version(module: str) -> int:
    """Version of what an engine computes."""
    return int(importlib.import_module(module).VERSION)
