"""What the pictures of a layout's confusion say, read from the figures themselves."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from trad_array.plotting_layout import (
    confusion_bar,
    confusion_map,
    confusion_matrix_plot,
    confusion_sentence,
    pack_map,
    pack_rows,
    share,
)
from trad_array_geometry import load_layout
from trad_array_geometry.confusion import Rivals, confusion_matrix, rivals

ROW = load_layout("row-corners")


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_the_matrix_names_its_cells_and_says_what_matters():
    matrix = np.zeros((13, 13))
    matrix[2, 3], matrix[3, 2], matrix[5, 6] = 0.25, 0.003, 0.0002
    ax = confusion_matrix_plot(matrix, ROW.cell_names, Figure().subplots())
    assert sorted(words(ax)) == ["0.3", "25"]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(ROW.cell_names)
    (image,) = ax.images
    assert np.ma.getmaskarray(image.get_array()).diagonal().all()
    assert image.get_array()[2, 3] == pytest.approx(0.25)


def test_a_cell_in_danger_is_darker_and_says_so():
    probability = np.full(13, 1e-6)
    probability[4], probability[5] = 0.3, 0.02
    ax = confusion_map(ROW, Rivals(np.arange(13)[::-1], probability), Figure().subplots())
    fills = [sum(patch.get_facecolor()[:3]) for patch in ax.patches]
    assert fills[4] < fills[5] < fills[6]
    assert "R1C05\n30 %" in words(ax)
    assert "R1C07" in words(ax)
    assert sum("m high" in text for text in words(ax)) == 4


def test_a_lost_microphone_is_not_drawn():
    left = ROW.without_mics(["B"])
    ax = confusion_map(left, rivals(left), Figure().subplots())
    assert not any(text.startswith("B (") for text in words(ax))


def test_packs_from_the_side_each_with_its_worst_cell():
    layout = load_layout("container")
    rows = pack_rows(layout)
    assert [len(row) for row in rows] == [48, 48]
    assert pack_rows(ROW) == []
    probability = np.full(layout.n_cells, 1e-6)
    probability[layout.cell_index("K13L2-R2C05")] = 0.12
    worst = Rivals(np.arange(layout.n_cells), probability)
    first, second = Figure().subplots(2, 1)
    pack_map(layout, worst, first, packs=rows[0], side="one")
    pack_map(layout, worst, second, packs=rows[1], side="two")
    assert "K13L2  12 %" in words(first)
    assert "K13L3" in words(first)
    mics = {name for name in layout.mic_names if name in words(first)}
    assert mics == {f"1{rack}{letter}" for rack in range(1, 7) for letter in "ABCD"}
    assert {name for name in layout.mic_names if name in words(second)} == set(layout.mic_names) - mics


@pytest.mark.parametrize(
    ("p", "text"), [(0.5, "50 %"), (0.0296, "3 %"), (0.0099, "1 %"), (0.0014, "0.1 %"), (2e-5, "< 0.01 %")]
)
def test_small_probabilities_keep_a_digit(p, text):
    assert share(p) == text


def test_the_title_names_the_two_most_alike():
    pack = load_layout("pack-corners").without_mics(["A"])
    matrix = confusion_matrix(pack)
    true, other = np.unravel_index(matrix.argmax(), matrix.shape)
    sentence = confusion_sentence(pack, rivals(pack))
    assert sentence.startswith(f"Most easily taken: {pack.cell_names[true]} for {pack.cell_names[other]}, ")
    assert f"{int((matrix.max(axis=1) >= 0.01).sum())} of 52 cells are mixed up once in a hundred times" in sentence
    assert "none of the 13 cells" in confusion_sentence(ROW, rivals(ROW))


def test_the_colour_bar_has_a_unit():
    figure = Figure()
    ax = figure.subplots()
    confusion_bar([ax])
    (bar,) = [other for other in figure.axes if other is not ax]
    assert "probability" in bar.get_ylabel()
    assert "%" in bar.get_ylabel()
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0.01", "0.1", "1", "10", "50"]
