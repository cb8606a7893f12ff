"""Expected confusion against a plain covariance, against drawn arrival times, and where it is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from trad_array_geometry import LayoutError, layout_path, load_layout, speed_of_sound, travel_times
from trad_array_geometry.check import check_layout
from trad_array_geometry.confusion import JITTER_S, confusion_matrix, rivals

WARMER = 1e-3


def times_s(layout, cell, *, height_m=0.05, warmer_c=0.0):
    point = layout.cells[[cell]] + [0.0, 0.0, height_m]
    return travel_times(point, layout.mics, speed_of_sound=speed_of_sound(layout.temperature_c + warmer_c))[0]


def covariance(layout, cell):
    """Of the arrival times of a sound at a cell, with drifts by finite differences and an unknown moment."""
    own = (layout.mic_sigma_m / layout.speed_of_sound) ** 2 + layout.mic_delay_sigma_s**2 + JITTER_S**2
    expected = times_s(layout, cell)
    higher = (times_s(layout, cell, height_m=0.051) - expected) / 0.001 * 0.1 / np.sqrt(12)
    warmer = (times_s(layout, cell, warmer_c=WARMER) - expected) / WARMER * layout.temperature_sigma_c
    moment_s = 1.0
    return np.diag(own) + np.outer(higher, higher) + np.outer(warmer, warmer) + moment_s**2


@pytest.mark.parametrize("mics", [(0, 1, 2, 3), (0, 2, 3), (2, 3)])
def test_as_with_a_plain_covariance(mics):
    layout = load_layout("pack-corners").with_mics(mics)
    cells = np.array([0, 1, 14, 20, 33, 51])
    found = confusion_matrix(layout, cells)
    for i, true in enumerate(cells):
        inverse = np.linalg.inv(covariance(layout, true))
        for j, other in enumerate(cells):
            step = times_s(layout, other) - times_s(layout, true)
            expected = 0.0 if i == j else norm.cdf(-np.sqrt(step @ inverse @ step) / 2)
            assert found[i, j] == pytest.approx(expected, rel=0.02, abs=1e-9)


def test_drawn_arrival_times_are_mixed_up_as_often(rng):
    layout = load_layout("pack-corners").without_mics(["A"])
    true, other, n = 50, 51, 40_000
    draws = times_s(layout, true) + rng.multivariate_normal(np.zeros(3), covariance(layout, true) - 1.0, size=n)
    draws += rng.normal(0, 0.01, (n, 1))
    inverse = np.linalg.inv(covariance(layout, true))

    def misfit(cell):
        step = draws - times_s(layout, cell)
        return np.einsum("ni,ij,nj->n", step, inverse, step)

    wrong = float((misfit(other) < misfit(true)).mean())
    expected = confusion_matrix(layout)[true, other]
    assert 0.001 < expected < 0.1
    assert wrong == pytest.approx(expected, abs=4 * np.sqrt(expected / n))


def test_cells_that_no_delay_tells_apart_are_a_coin_toss():
    layout = load_layout("row-corners")
    # Microphones in the plane y = 1; the first two cells mirror each other in it.
    mics, cells = layout.mics * [1, 0, 1] + [0, 1.0, 0], np.array([[2.5, 0.7, 1], [2.5, 1.3, 1], [2.9, 0.7, 1]])
    flat = replace(
        layout, mics=mics + [[0, 0, 0], [0, 0, 0.1], [0.1, 0, 0.3], [0.2, 0, 0]], cells=cells,
        cell_names=("a", "b", "c"), cell_packs=np.zeros(3),
    )  # fmt: skip
    matrix = confusion_matrix(flat)
    assert matrix[0, 1] == pytest.approx(0.5)
    assert matrix[0, 2] < 0.1
    worst = rivals(flat)
    assert worst.cell[:2].tolist() == [1, 0]
    assert worst.probability[:2] == pytest.approx([0.5, 0.5])


def test_the_worst_rival_is_the_largest_of_its_row(shipped_layout):
    matrix, worst = confusion_matrix(shipped_layout), rivals(shipped_layout)
    assert worst.probability == pytest.approx(matrix.max(axis=1))
    assert (worst.cell == matrix.argmax(axis=1)).all()
    assert (np.diag(matrix) == 0).all()
    assert matrix.max() <= 0.5


def test_what_is_lost_is_never_won(shipped_layout):
    whole = rivals(shipped_layout).probability
    for name in shipped_layout.mic_names:
        assert (rivals(shipped_layout.without_mics([name])).probability >= whole).all()
    careless = replace(shipped_layout, mic_sigma_m=np.full(4, 0.02))
    assert (rivals(careless).probability > whole).all()
    nearer = rivals(shipped_layout, reach_m=0.8).probability
    assert (nearer >= whole - 1e-12).all()
    assert rivals(shipped_layout, reach_m=0.01).probability == pytest.approx(0.5)


@pytest.mark.parametrize(("reach_m", "place"), [(1.5, 0), (2.0, 1)])
def test_the_container_is_what_its_comment_says(reach_m, place):
    layout = load_layout("container")
    comment = layout_path("container").read_text(encoding="utf-8")
    said = re.findall(r"(\d+) us +(\d+) cells", re.search(r"posts, heights as here(.*)", comment)[1])
    found = check_layout(layout, n_worst=1, reach_m=reach_m)
    often = int((rivals(layout, reach_m=reach_m).probability > 0.01).sum())
    assert (round(found.worst[0].delay_us), often) == tuple(map(int, said[place]))
    assert (found.n_cells, found.n_mics, found.verdict) == (4992, 48, "clear")
    assert found.clear == 4992 * 4991 // 2


def test_one_microphone_is_no_array():
    with pytest.raises(LayoutError, match="expected at least two of role array, found 1"):
        rivals(load_layout("row-corners").with_mics([0]))
