"""Layout files: what a good one becomes, and the one line about each bad one."""

import numpy as np
import pytest

from trad_array_geometry import LayoutError, layout_names, layout_path, load_layout, speed_of_sound


def test_four_layouts_ship():
    assert layout_names() == ("container", "pack-corners", "row-corners", "row-frame")


def test_shipped_layouts_say_that_they_are_assumed(shipped_layout):
    assert shipped_layout.provenance == "assumed"
    assert layout_path(shipped_layout.id).read_text().count("#") > 5
    assert len(set(shipped_layout.mics[:, 2])) == shipped_layout.n_mics == 4
    for points in (shipped_layout.cells, shipped_layout.mics, shipped_layout.guards):
        assert ((points > shipped_layout.box_m[0]) & (points < shipped_layout.box_m[1])).all()


@pytest.mark.parametrize(("name", "n_cells"), [("pack-corners", 52), ("row-corners", 13), ("row-frame", 13)])
def test_shipped_layouts_have_the_cells_of_the_paper(name, n_cells):
    layout = load_layout(name)
    assert layout.n_cells == n_cells
    assert (layout.cell_names[0], layout.cell_names[12]) == ("R1C01", "R1C13")


def test_a_layout_file_becomes_positions(tmp_path, good):
    (tmp_path / "bench.toml").write_text(good)
    layout = load_layout(tmp_path / "bench.toml")
    assert layout.cell_names == ("R1C01", "R1C02", "R1C03", "R2C01", "R2C02", "R2C03")
    assert layout.cells[5] == pytest.approx([1.2, 1.2, 0.7])
    assert layout.mic_channels == (1, 2, 3, 7)
    assert layout.array_mics.tolist() == [0, 1, 2]
    assert layout.mic_sigma_m == pytest.approx([0.005] * 4)
    assert layout.box_m.tolist() == [[0, 0, 0], [4, 3, 2.5]]
    assert layout.cell_size_m == pytest.approx((0.09, 0.18))
    assert (layout.temperature_c, layout.temperature_sigma_c) == (20.0, 5.0)
    assert layout.speed_of_sound == speed_of_sound(20.0)
    with pytest.raises(ValueError, match="read-only"):
        layout.mics[0, 0] = 1.0


def test_listed_cells_and_no_room(tmp_path, good):
    head, mics = good.split("[room]")[0], good[good.index("[[mics]]") :]
    cells = '[[cells]]\nname = "left"\nposition_m = [1, 1, 1]\n[[cells]]\nname = "right"\nposition_m = [1.5, 1, 1]\n'
    (tmp_path / "listed.toml").write_text(head + cells + mics)
    layout = load_layout(tmp_path / "listed.toml")
    assert layout.cell_names == ("left", "right")
    assert layout.box_m is None
    assert layout.cell_index("right") == 1
    with pytest.raises(LayoutError, match="expected one of left to right, found 'up'"):
        layout.cell_index("up")


def test_some_microphones_in_another_order():
    layout = load_layout("row-frame").with_mics([2, 0])
    assert (layout.mic_names, layout.mic_channels) == (("C", "A"), (3, 1))
    assert np.array_equal(layout.mics, load_layout("row-frame").mics[[2, 0]])


BAD = {
    "unknown key": ("rows = 2", "row = 2\nrows = 2", ("cells.row", "did you mean rows?")),
    "unknown key at the root": ("schema = 1", "schema = 1\nwindow = 3", ("window", "unknown key, expected one of")),
    "unit": ("pitch_m = 0.1\n", "pitch = 0.1\n", ("cells.pitch", "missing unit, expected pitch_m", '"pitch"')),
    "unit of an option": ("temperature_c = 20.0", "temperature_c = 20.0\ntemperature_sigma = 3", ("sigma_c", "unit")),
    "name": ('name = "B"', 'name = "A"', ("mics[2].name", "expected a different", 'found "A" twice')),
    "channel": ("channel = 7", "channel = 3", ("mics[4].channel", "expected a different", "found 3 twice")),
    "guard": (
        '[[guards]]\nname = "fan"',
        '[[guards]]\nname = "fan"\nposition_m = [1, 1, 1]\n[[guards]]\nname = "fan"',
        ("guards[2].name", "expected a different", 'found "fan" twice'),
    ),
    "coincident": (
        "[1.3, 0.9, 0.9]",
        "[0.9, 0.9, 0.8005]",
        ("mics[2].position_m", "expected microphones apart", 'found "B" at 0.5 mm from "A"'),
    ),
    "cell outside": (
        "origin_m = [1.0",
        "origin_m = [3.85",
        ("cells: expected cells inside the room", "found R1C03 at [4.05, 1.0, 0.7]"),
    ),
    "microphone outside": ("[1.3, 1.3, 0.75]", "[1.3, 1.3, 2.75]", ("mics[3]: expected mics inside", "found C at")),
    "type": ("rows = 2", 'rows = "two"', ("cells.rows", "expected a whole number", 'found "two"')),
    "fraction": ("rows = 2", "rows = 2.5", ("cells.rows", "expected a whole number", "found 2.5")),
    "truth": ("pitch_m = 0.1\n", "pitch_m = true\n", ("cells.pitch_m", "expected a number", "found True")),
    "vector": ("[1.3, 1.3, 0.75]", "[1.3, 1.3]", ("mics[3].position_m", "expected 3 numbers", "found [1.3, 1.3]")),
    "missing": ("columns = 3\n", "", ("cells.columns", "missing, expected a whole number")),
    "missing table": ("[air]\ntemperature_c = 20.0", "", ("air: missing, expected a table",)),
    "missing row pitch": ("row_pitch_m = 0.2\n", "", ("cells.row_pitch_m", "missing, expected a number")),
    "not a table": (
        "[air]\ntemperature_c",
        "air = 3\n[other]\ntemperature_c",
        ("air: expected a table [air], found 3",),
    ),
    "schema": ("schema = 1", "schema = 2", ("schema: expected 1, found 2",)),
    "provenance": ('"measured"', '"guessed"', ("provenance: expected one of assumed, measured", 'found "guessed"')),
    "role": ('"reference"', '"spare"', ("mics[4].role: expected one of array, reference", 'found "spare"')),
    "temperature": ("temperature_c = 20.0", "temperature_c = 80", ("air.temperature_c: expected -20 to 50, found 80",)),
    "nan": (
        "[1.3, 0.9, 0.9]",
        "[1.3, nan, 0.9]",
        ("mics[2].position_m", "expected 3 numbers", "found [1.3, nan, 0.9]"),
    ),
    "inf": ("pitch_m = 0.1\n", "pitch_m = inf\n", ("cells.pitch_m", "expected a number", "found inf")),
    "huge": ("pitch_m = 0.1\n", "pitch_m = 1" + "0" * 400 + "\n", ("cells.pitch_m", "expected a number", "found 1000")),
    "huge place": ("[1.3, 0.9, 0.9]", "[1" + "0" * 400 + ", 1, 1]", ("mics[2].position_m", "expected 3 numbers")),
    "too many": ("columns = 3", "columns = 20000", ("cells.columns", "expected at most 20000 cells, found 2 x 20000")),
    "pattern": ("rows = 2", 'names = "{line}"\nrows = 2', ("cells.names", "{column:02d}", 'found "{line}"')),
    "pattern attack": ("rows = 2", 'names = "{row.__class__}"\nrows = 2', ("cells.names", "expected a text with")),
    "one name for all": (
        "rows = 2",
        'names = "cell"\nrows = 2',
        ("cells.names", "expected a different name", '"cell"'),
    ),
    "one line": ('name = "B"', 'name = "x\\ny"', ("mics[3].name", "found")),
    "key on two lines": ("rows = 2", '"a\\nb" = 1\nrows = 2', ("unknown key",)),
    "room": ("max_m = [4.0", "max_m = [-4.0", ("room.max_m: expected every coordinate above min_m", "found [-4.0")),
    "size": ("rows = 2", "size_m = [0, 1]\nrows = 2", ("cells.size_m", "expected two numbers above 0", "found [0")),
    "toml": ("rows = 2", "rows == 2", ("not valid TOML", "line 12")),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_layout_gives_one_line_with_file_key_expected_and_found(what, tmp_path, good):
    old, new, said = BAD[what]
    assert good.count(old) == 1
    text = good.replace(old, new)
    if what == "one line":
        text = text.replace('name = "C"', 'name = "x\\ny"')
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(LayoutError) as caught:
        load_layout(tmp_path / "bad.toml")
    message = str(caught.value)
    assert message.startswith("bad.toml: ")
    assert message.isprintable()
    assert len(message) < 300
    for part in said:
        assert part in message


def test_at_least_two_microphones_of_the_array(tmp_path, good):
    text = good
    for name in "AB":
        text = text.replace(f'name = "{name}"', f'name = "{name}"\nrole = "reference"')
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(LayoutError, match=r'expected at least two microphones of role "array", found 1'):
        load_layout(tmp_path / "bad.toml")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.toml").write_text("")
    (tmp_path / "folder.toml").mkdir()
    for name, said in {
        "none.toml": "cannot be read: No such file",
        "folder.toml": "cannot be read",
        "binary.toml": "expected a TOML text in UTF-8, found other bytes at 0",
        "empty.toml": "schema: missing, expected a whole number",
    }.items():
        with pytest.raises(LayoutError) as caught:
            load_layout(tmp_path / name)
        assert f"{name}: {said}" in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, "a\0b"])
def test_a_name_that_is_neither_shipped_nor_a_file(name):
    with pytest.raises(LayoutError, match="row-corners, row-frame, found neither"):
        load_layout(name)
