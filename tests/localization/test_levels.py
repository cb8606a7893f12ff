"""What the levels at the microphones say: near ones hear it louder, and one wrong gain overrules nothing."""

import numpy as np
import pytest

from trad_array.localization.levels import DIFFUSE_PER_M2, level_evidence, level_patterns_db
from trad_array_geometry import load_layout

LEAST = -8.0


def test_patterns_are_differences_between_microphones(shipped_layout, rng):
    points = rng.uniform(0.0, 3.0, (20, 3))
    patterns = level_patterns_db(points, shipped_layout.mics)
    assert patterns.shape == (len(DIFFUSE_PER_M2), 20, shipped_layout.n_mics)
    np.testing.assert_allclose(patterns.mean(axis=-1), 0.0, atol=1e-9)


def test_near_the_microphones_the_level_falls_with_the_square_of_the_distance():
    """Within 0.2 m the room, at most 0.3 of the direct sound at one metre, hardly counts."""
    distances_m = np.array([0.06, 0.1, 0.14, 0.2])
    mics = np.zeros((4, 3))
    mics[:, 0] = distances_m
    (found,) = level_patterns_db(np.zeros((1, 3)), mics)[0]
    expected = -20.0 * np.log10(distances_m)
    np.testing.assert_allclose(found, expected - expected.mean(), atol=0.05)


def test_far_away_and_in_bare_rooms_all_hear_the_same():
    mics = load_layout("pack-corners").mics
    near, far = mics.mean(axis=0) + [0.2, 0.0, 0.0], mics.mean(axis=0) + [30.0, 0.0, 0.0]
    spread = np.ptp(level_patterns_db(np.stack([near, far]), mics), axis=-1)
    assert (spread[:, 1] < 0.1).all()
    assert (np.diff(spread[:, 0]) < 0).all()  # the more echo, the less difference


def test_a_jet_on_a_microphone_is_not_infinitely_loud():
    mics = load_layout("row-corners").mics
    patterns = level_patterns_db(np.stack([mics[0], mics[0] + [0.03, 0.0, 0.0]]), mics)
    assert np.isfinite(patterns).all()
    # Nearer than 50 mm it is no point: the microphone itself hears the same; the others hardly differ.
    assert (np.ptp(patterns[:, :, 0], axis=1) < 0.2).all()


@pytest.mark.parametrize("room", range(len(DIFFUSE_PER_M2)))
def test_the_true_place_has_the_most_evidence_in_every_room(shipped_layout, rng, room):
    points = shipped_layout.mics.mean(axis=0) + rng.uniform(-1.0, 1.0, (40, 3))
    patterns = level_patterns_db(points, shipped_layout.mics)
    for true in range(0, 40, 5):
        evidence = level_evidence(patterns, patterns[room, true] - 37.0)  # how loud it is does not count
        assert evidence[true] > evidence.max() - 0.3  # another place may sound so in another room
        assert evidence[true] > -1.2  # at worst, one room in three explains it


def test_evidence_is_bounded_so_that_a_wrong_gain_overrules_nothing(shipped_layout, rng):
    points = shipped_layout.mics.mean(axis=0) + rng.uniform(-2.0, 2.0, (200, 3))
    patterns = level_patterns_db(points, shipped_layout.mics)
    for true in range(10):
        for mic in range(shipped_layout.n_mics):
            heard_db = patterns[1, true] + 10.0 * (np.arange(shipped_layout.n_mics) == mic)
            evidence = level_evidence(patterns, heard_db)
            assert evidence.min() >= LEAST
            assert evidence.max() <= 0.0
            assert evidence.max() - evidence[true] <= -LEAST


def test_a_decibel_or_two_of_gain_costs_little(rng):
    layout = load_layout("pack-corners")
    patterns = level_patterns_db(layout.cells, layout.mics)
    for cell in range(0, layout.n_cells, 7):
        off = level_evidence(patterns, patterns[1, cell] + rng.choice([-1.5, 1.5], layout.n_mics))[cell]
        assert off > -2.5


@pytest.mark.parametrize("level_db", [-300.0, 0.0, 300.0])
def test_levels_beyond_belief_are_bounded_too(level_db):
    layout = load_layout("row-frame")
    patterns = level_patterns_db(layout.cells, layout.mics)
    evidence = level_evidence(patterns, level_db * (np.arange(layout.n_mics) == 0))
    assert np.isfinite(evidence).all()
    assert (evidence >= LEAST).all()
