"""The array as a gate: what each clue does, what a sound is otherwise, vents and everyday sounds in simulated rooms."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.events import Origin, event_json, events_of
from trad_array.localization.gate import DIFFUSE, ELSEWHERE, UNPLACED, Clues, Gate
from trad_array.simulation import simulate_scene
from trad_array_geometry import load_layout

GATE = Gate()
ORIGIN = Origin("x", "x")


def clues(**changed):
    """Clues of a sound that is neither here nor there."""
    middle = Clues(cells=20.0, room=15.0, lead=5.0, share=0.7, strength=8.0, fit=0.6, heard_s=1.0, distance_m=0.5)
    return replace(middle, **changed)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("lead", (-1e4, -20.0, -1.0, 0.0, 1.0, 20.0, 1e4)),
        ("strength", (0.2, 1.0, 3.0, 8.0, 50.0)),
        ("fit", (-1.0, 0.0, 0.3, 0.6, 1.0)),
    ],
)
def test_what_speaks_for_a_cell_makes_it_more_probable(name, values):
    for other in ({}, {"lead": -10.0}, {"strength": 2.0}, {"fit": 0.2}):
        odds = [GATE.log_odds(clues(**{**other, name: value})) for value in values]
        assert (np.diff(odds) > 0).all()


def test_a_map_of_very_little_sound_must_be_surer():
    long, short, just = (clues(heard_s=heard_s) for heard_s in (1.0, 0.1, GATE.short_s))
    assert GATE(long) - GATE(short) == pytest.approx(GATE.short_margin)
    assert GATE.short_margin > 0
    assert GATE(just) == GATE(long)
    assert GATE.log_odds(short) == GATE.log_odds(long)  # what is known is the same, what is asked is not


def test_a_map_of_far_microphones_must_be_surer():
    near, just, far = (clues(distance_m=distance_m) for distance_m in (0.2, GATE.far_m, 1.01 * GATE.far_m))
    assert GATE(near) == GATE(just)
    assert GATE(near) - GATE(far) == pytest.approx(GATE.far_margin)
    assert GATE.far_margin > 0


@pytest.mark.parametrize("raised", [0.5, 3.0])
def test_a_threshold_of_a_site_asks_for_so_much_more(raised):
    site = replace(GATE, threshold=GATE.threshold + raised)
    assert GATE(clues()) - site(clues()) == pytest.approx(raised)


def test_odd_clues_are_numbers_all_the_same():
    for share, strength in ((0.0, 0.0), (-0.3, -2.0), (1.0, 1e9)):
        assert np.isfinite(GATE(clues(share=share, strength=strength)))


def doubtful(**changed):
    """Clues at which nobody can tell: log-odds a little above `doubt`."""
    weights = Gate(weights=(0.0, 0.0, 0.0, 0.0, 1.0), bias=0.0)
    return weights, clues(fit=weights.doubt + 0.01, **changed), clues(fit=weights.doubt - 0.01, **changed)


def test_between_doubt_and_threshold_nobody_can_tell():
    gate, above, below = doubtful(room=50.0, cells=1.0)
    assert gate(above) < 0
    assert (gate.otherwise(above), gate.otherwise(below)) == (UNPLACED, ELSEWHERE)


@pytest.mark.parametrize(
    ("room", "cells", "verdict"),
    [
        (50.0, 1.0, ELSEWHERE),
        (2.0, 1.9, ELSEWHERE),
        (1.9, 0.0, DIFFUSE),  # no place stands out
        (50.0, 50.0, DIFFUSE),  # and this one not against the cells
        (-3.0, -5.0, DIFFUSE),
    ],
)
def test_certainly_no_cell_is_a_place_that_stands_out_or_everywhere(room, cells, verdict):
    gate, _, below = doubtful(room=room, cells=cells)
    assert gate.otherwise(below) == verdict


def heard(layout, seed, **what):
    """Events of a simulated recording, as objects for programs, and what is true."""
    scene = simulate_scene(
        layout, rng=np.random.default_rng([21, seed]), seconds=5.5, onset_s=2.5, duration_s=1.5, **what
    )
    chain = make_chain(layout)
    records = [event_json(event, chain, ORIGIN) for event in events_of(run(chain, blocks(scene.recording)))]
    return records, scene.truth


@pytest.mark.parametrize("name", ["row-corners", "pack-corners"])
@pytest.mark.parametrize("seed", range(3))
def test_a_vent_in_a_simulated_cabin_is_an_alarm(name, seed):
    layout = load_layout(name)
    cell = layout.cell_names[int(np.random.default_rng(seed).integers(layout.n_cells))]
    (record,), _ = heard(layout, seed, cell=cell, snr_db=-5.0)
    assert (record["level"], record["verdict"], record["best"]) == ("alarm", "cell", cell)
    assert record["gate"] > GATE.threshold


@pytest.mark.parametrize("name", ["row-corners", "pack-corners"])
def test_an_air_tool_beside_the_cells_is_told_with_its_side_and_no_alarm(name):
    """Now and then nobody can tell, which is an alert until it lasts; mostly it is a report, and the side is right."""
    layout = load_layout(name)
    _, y, z = (float(v) for v in layout.cells.mean(axis=0))
    left, right = float(layout.cells[:, 0].min()), float(layout.cells[:, 0].max())
    reports = 0
    for seed in range(5):
        away_m = float(np.random.default_rng(seed).uniform(1.0, 2.0))
        side, x = ("left of", left - away_m) if seed % 2 else ("right of", right + away_m)
        records, _ = heard(layout, seed, negative="air-tool", source_m=(x, y, z), snr_db=0.0)
        assert records
        assert "alarm" not in {record["level"] for record in records}
        assert all(record["side"].startswith(side) for record in records)
        reports += all(record["verdict"] in (ELSEWHERE, DIFFUSE) for record in records)
    assert reports >= 4


@pytest.mark.parametrize("name", ["row-corners", "pack-corners"])
@pytest.mark.parametrize("seed", range(3))
def test_rain_is_told_as_coming_from_everywhere_and_no_alarm(name, seed):
    records, _ = heard(load_layout(name), seed, negative="rain", snr_db=0.0)
    assert records
    assert {record["level"] for record in records} == {"report"}
    assert DIFFUSE in {record["verdict"] for record in records}


def test_the_page_gives_the_numbers_of_the_gate():
    page = (Path(__file__).parents[2] / "docs" / "detection.md").read_text(encoding="utf-8")
    (formula,) = re.findall(r"^    g = .*", page, flags=re.MULTILINE)
    sign = {True: "+", False: "-"}
    terms = ("log(share)", "log(strength)", "s(cells)", "s(lead)", "fit")
    expected = f"g = {GATE.bias:g} " + " ".join(
        f"{sign[w > 0]} {abs(w):.2f} {term}" for w, term in zip(GATE.weights, terms, strict=True)
    )
    assert expected in formula
    for weight in GATE.weights:
        assert f"| {weight:.2f} |" in page
    assert f"The threshold is {GATE.threshold:g}, and {GATE.threshold + GATE.short_margin:g} for a map" in page
    assert f"less {GATE.far_margin:g} where the microphones are more than {GATE.far_m:g} m" in page
    assert f"between {GATE.doubt:g} and the threshold" in page
