"""The peers of the localization benchmark are set up right: signs, delays, order of cells, speed of sound.

Only those whose packages are there; the toolkit's own and pyroomacoustics' always are.
"""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from trad_array.testing import hiss_cut
from trad_array_geometry import Layout, load_layout

FOLDER = Path(__file__).parents[2] / "benchmarks" / "localization"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("peers")


def some_cells(layout: Layout) -> list[int]:
    return [0, layout.n_cells // 3, layout.n_cells - 1]


def test_what_is_missing_has_a_reason(peers: ModuleType):
    found, missing = peers.available_peers()
    names = [peer.name for peer in found]
    assert len(set(names)) == len(names)
    assert {"plain SRP", "pyroomacoustics SRP-PHAT", "pyroomacoustics MUSIC"} <= set(names)
    assert not {"trad-array", "pyroomacoustics"} & set(missing)
    assert all("not installed: " in reason for reason in missing.values())


def test_every_peer_finds_a_hiss_in_a_free_field(peers: ModuleType, shipped_layout: Layout, rng: np.random.Generator):
    for cell in some_cells(shipped_layout):
        cut = hiss_cut(shipped_layout, shipped_layout.cells[cell], rng)
        # Its noise alone comes first, as in the window of an event.
        before = 0.005 * rng.standard_normal((shipped_layout.n_mics, cut.fs // 10))
        window = np.concatenate([before.astype(np.float32), cut.samples], axis=1)
        untouched = window.copy()
        for peer in peers.available_peers()[0]:
            scores = peer.scores(window, fs=cut.fs, layout=shipped_layout, speed_of_sound=shipped_layout.speed_of_sound)
            assert scores.shape == (shipped_layout.n_cells,)
            assert scores.dtype == np.float64
            assert np.isfinite(scores).all()
            assert int(scores.argmax()) == cell, peer.name
        assert np.array_equal(window, untouched)


def test_every_peer_uses_the_speed_of_sound_it_is_given(peers: ModuleType, hiss):
    layout = load_layout("row-corners")
    # Slower than any air, so that a peer which has a speed of its own names another cell.
    slow = 250.0
    heard = hiss.recording(
        layout, layout.cells[1], seconds=1.1, spans_s=((0.1, 1.1),), snr_db=20.0, speed_of_sound=slow
    )
    for peer in peers.available_peers()[0]:
        told = peer.scores(heard.samples, fs=heard.fs, layout=layout, speed_of_sound=slow)
        assert int(told.argmax()) == 1, peer.name
        not_told = peer.scores(heard.samples, fs=heard.fs, layout=layout, speed_of_sound=343.0)
        assert int(not_told.argmax()) == 0, peer.name


def test_silence_gives_numbers(peers: ModuleType):
    layout = load_layout("row-corners")
    silence = np.zeros((layout.n_mics, 16_000), dtype=np.float32)
    for peer in peers.available_peers()[0]:
        scores = peer.scores(silence, fs=16_000, layout=layout, speed_of_sound=layout.speed_of_sound)
        assert np.isfinite(scores).all(), peer.name
