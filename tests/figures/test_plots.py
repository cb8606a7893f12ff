"""What the pictures say, read from the figures themselves."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trad_array.events import map_json
from trad_array.plotting import VERMILION, cell_heatmap, map_sentence, mel_spectrogram
from trad_array.plotting_certainty import outline_segments
from trad_array.records import CellMap, Recording
from trad_array_cli.report import place_words
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
UNKNOWN = made_map(shares(R1C04=0.3, R1C05=0.28, R1C06=0.22, R1C07=0.15), 0.05)
ELSEWHERE = made_map(shares(R1C04=0.1, R1C05=0.05), 0.85)


@pytest.mark.parametrize(
    ("cell_map", "sentence"),
    [
        (SURE, "Cell R1C04, 97 % (elsewhere 1 %)"),
        (DOUBTFUL, "Cell R1C04, 50 % (elsewhere 20 %; 90 % set also R1C05)"),
        # Four cells at 73 mm: 219 mm from the first to the last.
        (UNKNOWN, "Cannot tell: 4 cells within 0.22 m (best R1C04, 30 %)"),
        (ELSEWHERE, "Heard, not from a cell: elsewhere, perhaps fan; best cell R1C04"),
        (None, "row-corners: 13 cells, 4 microphones (assumed positions)"),
    ],
)
def test_the_title_says_how_sure_the_map_is(cell_map, sentence):
    assert map_sentence(cell_map, LAYOUT) == sentence
    assert cell_heatmap(cell_map, LAYOUT, Figure().subplots()).get_title() == sentence


def frames(ax):
    """Frames of best cells."""
    return [p for p in ax.patches if isinstance(p, Rectangle) and to_hex(p.get_edgecolor()).upper() == VERMILION]


def outline_length_m(ax):
    """Length of the outline of the credible set."""
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    return sum(np.linalg.norm(np.diff(piece, axis=0)) for piece in lines[-1].get_segments()) if lines else 0.0


def legend_words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("cell_map", "best", "n_outlined"), [(SURE, 1, 1), (DOUBTFUL, 1, 2), (UNKNOWN, 1, 4), (ELSEWHERE, 0, 2)]
)
def test_the_best_cell_has_a_frame_and_the_credible_set_one_outline(cell_map, best, n_outlined):
    ax = cell_heatmap(cell_map, LAYOUT, Figure().subplots())
    assert len(frames(ax)) == best
    # Neighbours share one outline: two long sides, and the pitch of 73 mm for each cell twice; 72 x 174 mm with gaps.
    length_m = 2 * (n_outlined * 0.073 + LAYOUT.cell_size_m[1])
    assert outline_length_m(ax) == pytest.approx(length_m, rel=0.15)
    words = legend_words(ax)
    assert ("best cell" in words, "90 % set" in words) == (best == 1, best == 1)
    assert ("90 % set, if it was a cell at all" in words) == (best == 0)


def test_cells_apart_are_outlined_each():
    pieces = outline_segments(LAYOUT, np.array([0, 1, 5]))
    assert sum(np.linalg.norm(b - a) for a, b in pieces) > 4 * LAYOUT.cell_size_m[1]
    xs = {round(float(x), 3) for piece in pieces for x in piece[:, 0]}
    middle = (LAYOUT.cells[0, 0] + LAYOUT.cells[1, 0]) / 2
    upright = [piece for piece in pieces if piece[0, 0] == piece[1, 0]]
    assert len(upright) == 4
    assert all(abs(piece[0, 0] - middle) > 0.03 for piece in upright), xs


def test_a_place_elsewhere_is_marked_where_it_is_or_by_an_arrow():
    for place_m, arrows in (((2.7, 2.3, 0.5), 0), ((5.8, 0.2, 2.0), 1)):
        ax = cell_heatmap(replace(ELSEWHERE, place_m=place_m), LAYOUT, Figure().subplots())
        (diamond,) = [line for line in ax.lines if line.get_marker() == "D"]
        at = np.array([diamond.get_xdata()[0], diamond.get_ydata()[0]])
        assert (np.allclose(at, place_m[:2]), len(arrow_heads(ax))) == (arrows == 0, arrows)
        # Inside the picture, and in the direction of the place.
        assert ax.get_xlim()[0] < at[0] < ax.get_xlim()[1]
        assert ax.get_ylim()[0] < at[1] < ax.get_ylim()[1]
        assert "best place that is no cell" in legend_words(ax)
        (words,) = [text.get_text() for text in ax.texts if text.get_text().startswith("fan?")]
        assert words.startswith(f"fan?, 85 %\n{place_m[2]:.2f} m high")
        assert ("further" in words) == bool(arrows)
    sure = cell_heatmap(replace(SURE, place_m=(5.8, 0.2, 2.0)), LAYOUT, Figure().subplots())
    assert not [line for line in sure.lines if line.get_marker() == "D"]


def arrow_heads(ax):
    return [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]


def test_of_stacked_packs_the_most_probable_one_is_drawn():
    container = load_layout("container")
    values = np.zeros(container.n_cells)
    values[[700, 701, 3000]] = 0.6, 0.25, 0.1
    ax = cell_heatmap(made_map(values, 0.05), container, Figure().subplots())
    fills = [p for p in ax.patches if p.get_fill()]
    assert len(fills) == 52
    pack = container.pack_names[container.cell_packs[700]]
    assert f"pack {pack}, which holds 89 %" in ax.get_xlabel()
    assert ax.get_title().startswith(f"Cell {container.cell_names[700]}, 60 %")


def test_the_words_are_those_of_the_command_line():
    for cell_map in (SURE, DOUBTFUL, UNKNOWN, ELSEWHERE):
        record = map_json(cell_map, LAYOUT) | {"doubts": [], "why_not_placed": None}
        assert map_sentence(cell_map, LAYOUT).lower() == place_words(record).lower()


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
