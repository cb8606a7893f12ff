"""`check_layout` against a plain loop, and on arrays whose weakness is known."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from trad_array_geometry import Layout, LayoutError, load_layout, pair_delays, travel_times
from trad_array_geometry.check import CLEAR_US, WEAK_US, check_layout, check_without_each


def with_points(mics, cells) -> Layout:
    """A layout of these microphones and cells, without a room."""
    base, n = load_layout("row-corners"), len(mics)
    return replace(
        base,
        mics=np.array(mics, dtype=float),
        mic_names=tuple(f"M{k}" for k in range(n)),
        mic_channels=tuple(range(1, n + 1)),
        mic_roles=("array",) * n,
        mic_sigma_m=np.zeros(n),
        cells=np.array(cells, dtype=float),
        cell_names=tuple(f"K{k}" for k in range(len(cells))),
        guards=np.zeros((0, 3)),
        guard_names=(),
        box_m=None,
    )


def plain_differences_us(layout: Layout) -> dict[tuple[str, str], float]:
    """For every pair of cells, the largest difference over every pair of microphones: the readable twin."""
    delays_us = 1e6 * pair_delays(layout.cells, layout.mics, speed_of_sound=layout.speed_of_sound)
    return {
        (layout.cell_names[a], layout.cell_names[b]): max(
            abs(delays_us[a, pair] - delays_us[b, pair]) for pair in range(delays_us.shape[1])
        )
        for a, b in combinations(range(layout.n_cells), 2)
    }


def test_every_pair_as_in_a_plain_loop(shipped_layout):
    plain = plain_differences_us(shipped_layout)
    found = check_layout(shipped_layout, n_worst=2000)
    assert {(p.first, p.second): p.delay_us for p in found.worst} == pytest.approx(plain)
    assert [p.delay_us for p in found.worst] == sorted(p.delay_us for p in found.worst)
    assert all(p.samples == pytest.approx(p.delay_us * 0.016) for p in found.worst)
    assert found.clear == sum(v >= CLEAR_US for v in plain.values())
    assert found.weak == sum(WEAK_US <= v < CLEAR_US for v in plain.values())
    assert found.alike == sum(v < WEAK_US for v in plain.values())
    few = check_layout(shipped_layout, n_worst=3)
    assert [p.delay_us for p in few.worst] == pytest.approx(sorted(plain.values())[:3])


def test_shipped_layouts_can_tell_their_cells_apart(shipped_layout):
    found = check_layout(shipped_layout)
    assert found.alike == 0
    assert not found.coplanar
    assert not found.collinear
    assert found.mirror_us > 0


@pytest.mark.parametrize("reach_m", [0.4, 0.6, 0.8])
def test_by_near_microphones_as_in_a_plain_loop(reach_m):
    layout = load_layout("pack-corners")
    times_us = 1e6 * travel_times(layout.cells, layout.mics, speed_of_sound=layout.speed_of_sound)
    near = np.linalg.norm(layout.cells[:, None] - layout.mics, axis=-1) <= reach_m
    plain = {}
    for a, b in combinations(range(layout.n_cells), 2):
        steps = [times_us[a, m] - times_us[b, m] for m in range(4) if near[a, m] or near[b, m]]
        plain[layout.cell_names[a], layout.cell_names[b]] = max(steps) - min(steps) if steps else 0.0
    found = check_layout(layout, n_worst=2000, reach_m=reach_m)
    assert {(p.first, p.second): p.delay_us for p in found.worst} == pytest.approx(plain)


def test_without_each_microphone():
    layout = load_layout("row-corners")
    for mic, found in check_without_each(layout):
        alone = check_layout(layout.with_mics([k for k in range(4) if layout.mic_names[k] != mic]), n_worst=1)
        assert (found.n_mics, found.worst) == (3, alone.worst)
        assert "Three microphones give two delays" in found.delays_sentence
    assert [mic for mic, _ in check_without_each(layout)] == ["A", "B", "C", "D"]
    assert check_without_each(layout.with_mics([0, 1])) == ()
    assert check_layout(layout).delays_sentence == ""


def test_two_microphones_count_the_cells_on_one_hyperboloid():
    # Around the axis of the microphones all places sound the same: three cells on one circle, one elsewhere.
    cells = [[0.5, 0.3, 1.0], [0.5, -0.3, 1.0], [0.5, 0.0, 1.3], [0.9, 0.3, 1.0]]
    found = check_layout(with_points([[0, 0, 1], [2, 0, 1]], cells))
    assert (found.alike, found.doubles, found.crowd, found.crowd_cell) == (3, 3, 2, "K0")
    assert "3 of 4 cells look like another, K0 like 2 others" in found.delays_sentence


def test_a_microphone_that_is_not_there_cannot_be_left_out():
    layout = load_layout("row-corners")
    assert layout.without_mics(["B", "D"]).mic_names == ("A", "C")
    with pytest.raises(LayoutError, match="row-corners: mic: expected one of A, B, C, D, found 'X'"):
        layout.without_mics(["X"])
    with pytest.raises(LayoutError, match="expected at least two of role array left, found 1"):
        layout.without_mics(["A", "B", "C"])


FLAT = [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]


def test_cells_mirrored_in_the_plane_of_the_microphones_look_alike():
    found = check_layout(with_points(FLAT, [[0.3, 0.4, 0.8], [0.3, 0.4, 1.2], [0.8, 0.4, 0.8]]))
    assert (found.verdict, found.alike) == ("alike", 1)
    assert {found.worst[0].first, found.worst[0].second} == {"K0", "K1"}
    assert found.worst[0].delay_us == pytest.approx(0.0, abs=1e-6)
    assert "cannot tell all cells apart" in found.sentence
    assert found.coplanar
    assert found.mirror_us == pytest.approx(0.0, abs=1e-6)
    assert "above and below it cannot be told apart" in found.mirror_sentence


def test_a_raised_microphone_takes_the_ambiguity_away():
    raised = [*FLAT[:3], [0, 1, 1.4]]
    found = check_layout(with_points(raised, [[0.3, 0.4, 0.8], [0.3, 0.4, 1.2]]))
    assert not found.coplanar
    assert found.mirror_us > WEAK_US
    assert found.verdict == "clear"
    assert found.flatness_m > 0.05


def test_three_microphones_are_always_in_one_plane():
    found = check_layout(with_points([*FLAT[:2], [0, 1, 1.4]], [[0.3, 0.4, 0.8], [0.8, 0.4, 0.8]]))
    assert found.coplanar
    assert not found.collinear
    assert found.mirror_us == pytest.approx(0.0, abs=1e-6)


def test_microphones_on_one_line():
    found = check_layout(with_points([[0, 0, 1], [0.5, 0, 1], [2, 0, 1]], [[1, 0.3, 1], [1, 0, 1.3], [1.5, 0.3, 1]]))
    assert found.collinear
    assert found.alike == 1
    assert "on one line" in found.mirror_sentence


def test_mirror_image_in_the_room_or_outside():
    layout = with_points(FLAT, [[0.3, 0.4, 0.8], [0.8, 0.4, 0.8]])
    low = replace(layout, box_m=np.array([[-1.0, -1, 0], [2, 2, 1.1]]))
    high = replace(layout, box_m=np.array([[-1.0, -1, 0], [2, 2, 2.0]]))
    assert check_layout(layout).mirror_in_room is None
    assert check_layout(low).mirror_in_room is False
    assert check_layout(high).mirror_in_room is True


def test_one_cell_has_nothing_to_be_mistaken_for():
    found = check_layout(with_points(FLAT, [[0.3, 0.4, 0.8]]))
    assert (found.worst, found.verdict) == ((), "clear")
    assert "one cell only" in found.sentence


def test_one_microphone_is_no_array():
    with pytest.raises(LayoutError, match="expected at least two of role array, found 1"):
        check_layout(with_points(FLAT[:1], [[0.3, 0.4, 0.8]]))
