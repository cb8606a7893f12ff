"""The map in characters, and the picture on a terminal."""

import io

import numpy as np
import pytest
from rich.console import Console

from trad_array.alarm.health import HealthRule
from trad_array.alarm.limits import AlarmRule
from trad_array.audio.captured import Captured
from trad_array.audio.to_rate import ToRate
from trad_array.chain import make_chain
from trad_array.events import Origin
from trad_array.monitor.text_map import text_map
from trad_array.monitor.watch import Watch, watch_step
from trad_array_cli.view import View
from trad_array_geometry import load_layout


def event(layout, best: str, p: float) -> dict:
    rest = (1.0 - p) / (layout.n_cells - 1)
    return {"best": best, "cells": [{"id": name, "p": p if name == best else rest} for name in layout.cell_names]}


def test_cells_stand_where_they_stand_and_the_best_is_marked():
    layout = load_layout("pack-corners")
    n_columns = len(np.unique(layout.cells[:, 0]))
    n_rows = len(np.unique(layout.cells[:, 1]))
    rows = text_map(event(layout, "R2C07", 0.9), layout)
    assert [len(row) for row in rows] == [n_columns + 2] * n_rows
    # From above: the row that is farther back stands higher.
    assert [row.index("X") for row in rows if "X" in row] == [7]
    assert "X" in rows[n_rows - 2]


def test_a_layout_that_is_no_grid_of_a_fitting_size_is_not_drawn():
    layout = load_layout("container")
    assert text_map(event(layout, layout.cell_names[0], 0.5), layout) == []
    assert text_map({"best": None, "cells": []}, load_layout("row-frame")) == []


@pytest.fixture
def drawn(hiss):
    """The picture after a vent, as text without colours."""
    layout = load_layout("row-frame")
    watch = Watch(
        chain=make_chain(layout),
        rate=ToRate(16_000, 16_000),
        origin=Origin("card", "excess"),
        health=HealthRule(mics=layout.mic_names),
        alarm=AlarmRule(cells=layout.cell_names, mics=layout.mic_names),
    )
    samples = hiss.recording(layout, layout.cells[5], seconds=9.0, spans_s=((5.0, 8.0),)).samples
    out = io.StringIO()
    view = View(watch, console=Console(file=out, force_terminal=True, width=100, height=60, color_system=None))
    state = watch.start()
    for at in range(0, samples.shape[1], 1_600):
        state, output = watch_step(watch, state, Captured(samples[:, at : at + 1_600], at, 16_000), machine=None)
        view.step(state, output)
    view.end()
    return out.getvalue(), layout


def test_the_view_shows_level_microphones_and_cell(drawn):
    text, layout = drawn
    last = text[text.rindex("trad-array: row-frame") :]
    assert f"first cell {layout.cell_names[5]}" in last
    assert "ALARM" in last
    assert all(f"{name} " in last for name in layout.mic_names)
    assert "dBFS" in last
    assert "X" in last
