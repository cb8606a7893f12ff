"""A study and a table of plausible counts, drawn by a seeded function: no engine runs here."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from trad_array.study.as_json import to_json
from trad_array.study.records import FANS, MISMATCHES, Box, Choice, Condition, DetectionPart, Points, Site, Study
from trad_array.study.report.run_folder import Found
from trad_array.study.results import Table, write_results
from trad_array_geometry import load_layout

COLUMNS = (
    "study measure engine layout mics n_mics rt60_s snr_db duration_s fan mismatch dead sound cell n right error_m "
    "detected alarmed in_a_cell alarm_s_median alarm_s_95 heard_s"
).split()


def made_study(
    layout="row-corners",
    *,
    sizes=(4, 4, 3),
    snr_db=(-24.0, -18.0, -12.0, -6.0, 0.0),
    rt60_s=(0.3, 0.6),
    mismatches=("none", "M1"),
    cells=None,
    name="a made study",
    each_dead=True,
):
    """A study of layouts that differ in the number of microphones, at random places around the cells."""
    rng = np.random.default_rng(5)
    site_layout = load_layout(layout)
    low, high = site_layout.cells.min(axis=0) - (0.3, 0.3, 0.0), site_layout.cells.max(axis=0) + (0.3, 0.3, 0.4)
    low = np.maximum(low, site_layout.box_m[0] + 0.02)
    high = np.minimum(high, site_layout.box_m[1] - 0.02)
    free = [n for n in sizes[1:]]
    own = site_layout.mics[: sizes[0]]
    positions = np.concatenate([own, rng.uniform(low, high, (sum(free), 3))])
    names = tuple(site_layout.mic_names[: sizes[0]]) + tuple(f"W{k:02d}" for k in range(sum(free)))
    bounds = np.cumsum([0, len(own), *free])
    choices = tuple(
        Choice("reference" if k == 0 else f"choice-{k}", tuple(range(bounds[k], bounds[k + 1])))
        for k in range(len(sizes))
    )
    n = len(positions)
    conditions = [
        Condition(rt60, snr, 0.5, FANS["normal"], MISMATCHES[m]) for rt60, m, snr in product(rt60_s, mismatches, snr_db)
    ]
    studied = np.arange(site_layout.n_cells) if cells is None else np.asarray(cells)
    return Study(
        name,
        7,
        Site(site_layout, studied, boxes=(Box("rack <1>", tuple(low + 0.1), tuple(high - 0.1)),)),
        Points(names, positions, ("wall",) * n, np.full(n, 0.005), np.full(n, 3e-5)),
        choices,
        tuple(conditions),
        each_dead=each_dead,
        detection=DetectionPart(events=50, negatives=("door", "rain"), negative_events=40),
    )


def chance(layout, cells, condition, n_mics, penalty):
    """A plausible share for each cell: falls with SNR, echoes, mismatch, distance from the microphones."""
    far = np.linalg.norm(layout.cells[cells][:, None] - layout.mics[None], axis=-1)
    near = np.sort(far, axis=1)[:, : min(4, n_mics)].mean(axis=1)
    hard = 10 * condition.rt60_s + 4 * (condition.mismatch.name != "none") + 6 * (near - near.min()) + penalty
    return 1 / (1 + np.exp(-(condition.snr_db + 20 - hard + 1.2 * n_mics) / 2.5))


def made_table(study, *, engines=("spectral",), events=2000, detection=True, seed=3):
    """Counts of every layout, condition, lost microphone and engine, as columns."""
    rng = np.random.default_rng(seed)
    rows = []
    for choice in study.choices:
        rows += _localization(study, choice, rng, engines=engines, events=events)
        if detection:
            rows += _detection(study, choice, rng)
    columns = {name: [row.get(name) for row in rows] for name in COLUMNS}
    text = {"study", "measure", "engine", "layout", "mics", "fan", "mismatch", "dead", "sound", "cell"}
    return {
        name: np.array(["" if v is None else v for v in values] if name in text else np.array(values, dtype=float))
        for name, values in columns.items()
    }


def _localization(study, choice, rng, *, engines, events):
    layout = replace(study.site.layout, mics=study.points.positions_m[list(choice.points)])
    cells = study.site.cells
    names = [study.points.names[k] for k in choice.points]
    for condition in study.conditions:
        for dead in ("", *(names if study.each_dead else ())):
            n = rng.multinomial(events, np.full(len(cells), 1 / len(cells)))
            lost = 0 if not dead else 3 + 4 * names.index(dead)
            p = chance(layout, cells, condition, len(names) - bool(dead), lost)
            for engine in engines:
                right = rng.binomial(n, p)
                error = 0.09 * (1 - right / np.maximum(n, 1))
                for k, cell in enumerate(cells):
                    yield _row(study, choice, names, condition) | {
                        "measure": "localization",
                        "engine": engine,
                        "dead": dead,
                        "sound": "hiss",
                        "cell": layout.cell_names[cell],
                        "n": n[k],
                        "right": right[k],
                        "error_m": error[k] if n[k] else np.nan,
                    }


def _detection(study, choice, rng):
    names = [study.points.names[k] for k in choice.points]
    part = study.detection
    for condition in study.conditions[:3]:
        condition = replace(condition, duration_s=part.duration_s)
        for sound in ("vent", *part.negatives):
            vent = sound == "vent"
            n = part.events if vent else part.negative_events
            detected = rng.binomial(n, 0.9)
            alarmed = rng.binomial(detected, 0.9) if vent else (1 if sound == "door" else 0)
            in_a_cell = rng.binomial(alarmed, 0.9) if vent else alarmed
            yield _row(study, choice, names, condition) | {
                "measure": "detection",
                "engine": "chain",
                "dead": "",
                "sound": sound,
                "n": n,
                "right": rng.binomial(in_a_cell, 0.9) if vent else np.nan,
                "detected": detected,
                "alarmed": alarmed,
                "in_a_cell": in_a_cell,
                "alarm_s_median": 1.2 if vent else np.nan,
                "alarm_s_95": 1.9 if vent else np.nan,
                "heard_s": 400.0,
            }


def _row(study, choice, names, condition):
    return {
        "study": study.name,
        "layout": choice.name,
        "mics": ";".join(names),
        "n_mics": len(names),
        "rt60_s": condition.rt60_s,
        "snr_db": condition.snr_db,
        "duration_s": condition.duration_s,
        "fan": condition.fan.name,
        "mismatch": condition.mismatch.name,
    }


@pytest.fixture(scope="session")
def make():
    """`make(**for the study)`: a study with its table."""

    def made(*, engines=("spectral",), events=2000, detection=True, **about):
        study = made_study(**about)
        return Found(study, made_table(study, engines=engines, events=events, detection=detection))

    return made


@pytest.fixture(scope="session")
def found(make):
    """Three layouts around a row of thirteen cells."""
    return make()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """`run_folder(found)`: the folder that a run of it would have left."""

    def made(found, *, as_csv=True):
        folder = tmp_path_factory.mktemp("run")
        record = {"study": to_json(found.study), "versions": {"numpy": "0.0", "python": "<b>3</b>"}, "seed": 7}
        (folder / "study.json").write_text(json.dumps(record))
        write_results(folder, Table(found.table), as_csv=as_csv)
        return folder

    return made
