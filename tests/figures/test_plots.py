"""What the pictures say, read from the figures themselves."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trad_array.plotting import VERMILION, cell_heatmap, map_sentence, mel_spectrogram
from trad_array.records import CellMap, Recording
from trad_array_geometry import load_layout, mic_pairs

LAYOUT = load_layout("row-corners")


def made_map(probability, elsewhere, place="fan"):
    probability = np.asarray(probability, dtype=float)
    return CellMap(
        power=probability,
        probability=probability,
        elsewhere=elsewhere,
        place=place,
        onset=0,
        speed_of_sound=346.0,
        pair_delays_s=np.zeros(6),
        pairs=mic_pairs(4),
    )


def shares(**cells):
    values = np.zeros(13)
    for name, p in cells.items():
        values[LAYOUT.cell_index(name)] = p
    return values


SURE = made_map(shares(R1C04=0.97, R1C05=0.02), 0.01)
DOUBTFUL = made_map(shares(R1C04=0.5, R1C05=0.3), 0.2)
ELSEWHERE = made_map(shares(R1C04=0.1, R1C05=0.05), 0.85)


@pytest.mark.parametrize(
    ("cell_map", "sentence"),
    [
        (SURE, "Cell R1C04, 97 % (1 % elsewhere)"),
        (DOUBTFUL, "Cell R1C04, 50 % (20 % elsewhere; 90 % set: 2 cells)"),
        (ELSEWHERE, "Heard, but not placed in a cell: 85 % elsewhere, perhaps fan"),
        (None, "row-corners: 13 cells, 4 microphones (assumed positions)"),
    ],
)
def test_the_title_says_how_sure_the_map_is(cell_map, sentence):
    assert map_sentence(cell_map, LAYOUT) == sentence
    assert cell_heatmap(cell_map, LAYOUT, Figure().subplots()).get_title() == sentence


@pytest.mark.parametrize(("cell_map", "thick", "thin"), [(SURE, 1, 1), (DOUBTFUL, 1, 2), (ELSEWHERE, 0, 2)])
def test_the_best_cell_has_a_thick_frame_and_the_credible_set_a_thin_one(cell_map, thick, thin):
    ax = cell_heatmap(cell_map, LAYOUT, Figure().subplots())
    frames = [p for p in ax.patches if isinstance(p, Rectangle) and to_hex(p.get_edgecolor()).upper() == VERMILION]
    assert sum(p.get_linewidth() > 3 for p in frames) == thick
    assert sum(p.get_linewidth() < 3 for p in frames) == thin


def test_cells_microphones_and_guard_points_carry_their_names():
    ax = cell_heatmap(SURE, LAYOUT, Figure().subplots())
    words = " ".join(text.get_text() for text in ax.texts)
    for name in (*LAYOUT.cell_names, *LAYOUT.guard_names, "A (1.03 m high)", "97 %"):
        assert name in words


def test_a_more_probable_cell_is_darker():
    ax = cell_heatmap(DOUBTFUL, LAYOUT, Figure().subplots())
    fills = [sum(p.get_facecolor()[:3]) for p in ax.patches if p.get_fill()]
    assert fills[3] < fills[4] < fills[5]


def test_a_spectrogram_shows_a_tone_where_it_is(rng):
    time_s = np.arange(32_000) / 16_000
    tone = (0.1 * np.sin(2 * np.pi * 3000 * time_s) * (time_s > 1)).astype(np.float32)
    image = mel_spectrogram(Recording(tone[None], 16_000), Figure().subplots())
    levels = np.asarray(image.get_array())
    assert levels[:, :28].max() < -90
    # 64 bands from 0 to 8 kHz: 3 kHz lies at 31.5 of 45.2 mel on Slaney's scale, band 64 * 31.5 / 45.2 = 44.
    assert abs(int(levels[:, 40].argmax()) - 44) <= 1
