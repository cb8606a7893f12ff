"""Layouts of many packs: a grid of cells repeated, packs of listed cells, and the container that ships."""

import numpy as np
import pytest

from trad_array_geometry import LayoutError, load_layout

PACKS = """[packs]
columns = 2
rows = 1
levels = 2
pitch_m = [0.5, 0.0, 0.4]
names = "K{column}L{level}"

[cells]
"""


@pytest.fixture
def packed(good) -> str:
    return good.replace("[cells]\n", PACKS)


def load(folder, text):
    (folder / "packed.toml").write_text(text)
    return load_layout(folder / "packed.toml")


def test_the_grid_of_cells_is_repeated_for_every_pack(tmp_path, packed, good):
    layout, one = load(tmp_path, packed), load(tmp_path, good)
    assert layout.pack_names == ("K1L1", "K1L2", "K2L1", "K2L2")
    assert layout.cell_packs.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    assert layout.cell_names[:6] == tuple(f"K1L1-{name}" for name in one.cell_names)
    for pack, offset_m in enumerate([(0, 0, 0), (0, 0, 0.4), (0.5, 0, 0), (0.5, 0, 0.4)]):
        assert layout.cells[layout.cell_packs == pack] == pytest.approx(one.cells + offset_m)
    assert layout.cell_index("K2L1-R2C03") == 17
    assert (one.pack_names, set(one.cell_packs)) == (("bench",), {0})
    assert layout.cell_size_m == one.cell_size_m


def test_names_may_put_the_pack_anywhere(tmp_path, packed):
    text = packed.replace("rows = 2\ncolumns = 3", 'names = "{row}.{column}@{pack}"\nrows = 2\ncolumns = 3')
    assert load(tmp_path, text).cell_names[6] == "1.1@K1L2"
    short = packed.replace('names = "K{column}L{level}"\n', "").replace("levels = 2\n", "")
    assert load(tmp_path, short).cell_names[6] == "K102L1-R1C01"


def test_listed_cells_name_their_packs(tmp_path, good):
    cells = "".join(
        f'[[cells]]\nname = "{name}"\nposition_m = [{x}, 1, 1]\n{pack}'
        for name, x, pack in (("a", 1, 'pack = "east"\n'), ("b", 1.2, ""), ("c", 1.4, 'pack = "east"\n'))
    )
    layout = load(tmp_path, good[: good.index("[cells]")] + cells + good[good.index("[[mics]]") :])
    assert layout.pack_names == ("east", "bench")
    assert layout.cell_packs.tolist() == [0, 1, 0]


BAD = {
    "too many": ("levels = 2", "levels = 20000", "packs.columns: expected at most 20000 packs, found 2 x 1 x 20000"),
    "too many cells": (
        "levels = 2",
        "levels = 5000",
        "cells.columns: expected at most 20000 cells, found 2 x 3 in 10000",
    ),
    "pitch": ("0.4]", "0.0]", "packs.pitch_m: expected 0.001 to 100 along z, found 0"),
    "vector": ("[0.5, 0.0, 0.4]", "0.5", "packs.pitch_m: expected 3 numbers like [0.0, 0.0, 0.0], found 0.5"),
    "missing": ("pitch_m = [0.5, 0.0, 0.4]\n", "", "packs.pitch_m: missing, expected 3 numbers"),
    "unit": ("pitch_m = [0.5", "pitch = [0.5", "packs.pitch: missing unit, expected pitch_m"),
    "unknown": ("levels = 2", "floors = 2", "packs.floors: unknown key"),
    "none": ("levels = 2", "levels = 0", "packs.levels: expected 1 to 20000, found 0"),
    "pattern": ("K{column}L{level}", "K{pack}", "packs.names: expected a text with {row}, {column:02d} and {level}"),
    "attack": ("K{column}L{level}", "{level.real}", "packs.names: expected a text with"),
    "one name for all": ("K{column}L{level}", "K{column}", "packs.names: expected a different name for each pack"),
    "outside": ("[0.5, 0.0", "[3.5, 0.0", "cells: expected cells inside the room"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_packs_give_one_line(what, tmp_path, packed):
    old, new, said = BAD[what]
    assert packed.count(old) == 1
    with pytest.raises(LayoutError) as caught:
        load(tmp_path, packed.replace(old, new))
    assert str(caught.value).startswith(f"packed.toml: {said}")
    assert str(caught.value).isprintable()


def test_listed_cells_cannot_be_repeated(tmp_path, packed):
    listed = '[[cells]]\nname = "a"\nposition_m = [1, 1, 1]\n'
    text = packed[: packed.index("[cells]")] + listed + packed[packed.index("[[mics]]") :]
    with pytest.raises(LayoutError, match=r"packs: expected a grid \[cells\] to repeat, found listed"):
        load(tmp_path, text)


def test_the_container_has_twelve_racks_of_eight_packs():
    layout = load_layout("container")
    assert (layout.n_cells, layout.n_mics, layout.provenance) == (4992, 48, "assumed")
    assert np.bincount(layout.cell_packs).tolist() == [52] * 96
    assert layout.box_m[1] - layout.box_m[0] == pytest.approx([6.06, 2.44, 2.90])
    for points in (layout.cells, layout.mics, layout.guards):
        assert ((points > layout.box_m[0]) & (points < layout.box_m[1])).all()
    racks = {name[:3] for name in layout.pack_names}
    assert len(racks) == 12
    for rack in racks:
        heights = [z for name, (_, _, z) in zip(layout.mic_names, layout.mics, strict=True) if f"K{name[:2]}" == rack]
        assert len(heights) == len(set(heights)) == 4


def test_nothing_in_the_container_stands_in_anything_else():
    layout = load_layout("container")
    half, foot_m = np.array([*layout.cell_size_m]) / 2, 0.207
    for mic in layout.mics:
        inside = (np.abs(layout.cells[:, :2] - mic[:2]) < half).all(axis=1)
        inside &= (mic[2] <= layout.cells[:, 2]) & (mic[2] >= layout.cells[:, 2] - foot_m)
        assert not inside.any()
    for axis, size_m in ((0, 2 * half[0]), (1, 2 * half[1]), (2, foot_m)):
        assert np.diff(np.unique(np.round(layout.cells[:, axis], 6))).min() >= size_m - 1e-9
    aisle_m = np.diff(np.unique(np.round(layout.cells[:, 1], 6))).max() - 2 * half[1]
    assert aisle_m > 0.8
