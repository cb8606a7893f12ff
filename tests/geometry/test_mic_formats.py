"""Microphones of acoular XML, ODAS cfg and CSV files: what is read, what is written, and what is said of a bad file."""

import re
import xml.dom.minidom

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from trad_array_geometry import LayoutError, load_layout
from trad_array_geometry.formats import export_mics, import_layout, read_mic_file, write_mic_file
from trad_array_geometry.layout_writer import write_checked

# Written by hand after acoular's description of its files: names with tabs, another XML version, a comment.
ACOULAR = """<?xml version="1.1" encoding="utf-8"?><MicArray name="frame">
  <!-- a square of 40 cm -->
  <pos Name="Point \t1" x="-0.2" y="-0.2" z="0"/>
  <pos Name="Point 2" x="\t0.2\t" y="-2e-1" z="0.0"/>
  <pos Name="Point 3" x="+.2" y=".2" z="0.1"/>
  <pos x="-0.2" y="0.2" z="0.3"/>
</MicArray>
"""

# Written by hand after the ODAS wiki and the manual of libconfig: every kind of comment, both signs of a setting.
ODAS = r"""# a square
version = "2.1";
raw: { fS = 16000; nBits = 16; nChannels = 8L;
       interface: { type = "file"; path = "a \"b\" // c.raw" "and more"; } }
mapping: { map: (2, 3, 5, 8); };
/* the array
   itself */
general:
{
    epsilon = 1E-20; size: { hopSize = 128, frameSize = 0x100 };
    speedofsound: { mu = 343.0; sigma2 = 25.0; };
    mics = (
        { mu = ( -0.2, -0.2, 0.0 ); // A
          sigma2 = ( +1E-6, 0, 0, 0, +1E-6, 0, 0, 0, +1E-6 );
          direction = ( 0.0, 0.0, 1.0 ); angle = ( 80.0, 100.0 ); },
        { mu = [ 0.2, -0.2, 0 ]; sigma2 = ( 0.0, 0.0, 0.0, 0.0, 4E-6, 0.0, 0.0, 0.0, 1E-6 ); },
        { mu = ( 0.2, 0.2, 0.1 ); sigma2 = ( 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 ); gain = 1.0; },
        { mu = ( -0.2, 0.2, 0.3 ) },
    );
    flag = True;
};
ssl: { nPots = 4; };
"""

CSV = """\ufeffName, x, y, z, channel, role, position_sigma_m, delay_s, delay_sigma_s
"left, low",-0.2,-0.2,0,2,,0.001,,
B,0.2,-0.2,0,3,array,,1e-4,2e-5

C,0.2,0.2,0.1,5,array,0.002,0,0
R,-0.2,0.2,0.3,8,reference,,,
"""
SQUARE = [[-0.2, -0.2, 0.0], [0.2, -0.2, 0.0], [0.2, 0.2, 0.1], [-0.2, 0.2, 0.3]]
CENTRE = (3.0, 1.2, 1.4)
CFG = "general: {{ mics = ( {} ); }};"


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def imported(folder, path, **more):
    """The layout that a file becomes, with everything else from pack-corners."""
    more = {"like": "pack-corners", "origin_m": CENTRE} | more
    made = import_layout(read_mic_file(path), layout_id="made", **more)
    write_checked(folder / "made.toml", made.text)
    return load_layout(folder / "made.toml"), made


@pytest.mark.parametrize(("name", "text"), [("a.xml", ACOULAR), ("a.cfg", ODAS), ("a.csv", CSV)])
def test_positions_are_moved_to_the_origin_and_all_else_comes_from_the_template(tmp_path, name, text):
    layout, made = imported(tmp_path, written(tmp_path, name, text))
    like = load_layout("pack-corners")
    np.testing.assert_allclose(layout.mics, np.add(SQUARE, CENTRE), atol=1e-9)
    assert (layout.id, layout.provenance, layout.calibration) == ("made", "assumed", None)
    assert (layout.cell_names, layout.guard_names, layout.cell_size_m) == (
        like.cell_names, like.guard_names, like.cell_size_m,
    )  # fmt: skip
    np.testing.assert_array_equal(layout.cells, like.cells)
    np.testing.assert_array_equal(layout.box_m, like.box_m)
    assert (layout.temperature_c, layout.temperature_sigma_c) == (25.0, 8.0)
    assert made.origins == "cells, room, air and guards of pack-corners"


def test_acoular_names_are_kept_and_sigmas_assumed(tmp_path):
    layout, made = imported(tmp_path, written(tmp_path, "a.xml", ACOULAR))
    assert layout.mic_names == ("Point 1", "Point 2", "Point 3", "M4")
    assert layout.mic_channels == (1, 2, 3, 4)
    assert layout.mic_sigma_m.tolist() == [0.005] * 4
    assert "no sigmas" in made.notes[0]


def test_odas_channels_and_sigmas_are_kept_and_losses_said(tmp_path):
    layout, made = imported(tmp_path, written(tmp_path, "a.cfg", ODAS))
    assert layout.mic_channels == (2, 3, 5, 8)
    # One millimetre in every direction; 0, 2 and 1 mm along x, y and z; exact; not said.
    assert layout.mic_sigma_m == pytest.approx([0.001, 0.002, 0.0, 0.005], abs=1e-9)
    said = "\n".join(made.notes)
    for words in (
        "direction and angle",
        "of 1 microphones differs by direction (M2",
        "1 of 4 microphones is 0",
        "1 of 4",
    ):
        assert words in said


def test_odas_sigma_is_the_largest_along_any_direction(tmp_path):
    # Spread only along the diagonal of x and y, 3 mm: neither 3 mm along x nor along y.
    mics = (
        "{ mu = (0.0, 0.0, 0.0); sigma2 = (4.5E-6, 4.5E-6, 0.0, 4.5E-6, 4.5E-6, 0.0, 0.0, 0.0, 0.0); },"
        "{ mu = (1.0, 0.0, 0.0); sigma2 = (1E-6, 0.0, 0.0, 0.0, 1E-6, 0.0, 0.0, 0.0, 1E-6); }"
    )
    found = read_mic_file(written(tmp_path, "a.cfg", CFG.format(mics)))
    assert [row.values["position_sigma_m"] for row in found.rows] == pytest.approx([0.003, 0.001], abs=1e-9)


def test_csv_keeps_everything(tmp_path):
    layout, made = imported(tmp_path, written(tmp_path, "a.csv", CSV))
    assert layout.mic_names == ("left, low", "B", "C", "R")
    assert layout.mic_channels == (2, 3, 5, 8)
    assert layout.mic_roles == ("array", "array", "array", "reference")
    assert layout.mic_sigma_m.tolist() == [0.001, 0.005, 0.002, 0.005]
    assert layout.mic_delay_s == pytest.approx([0.0, 1e-4, 0.0, 0.0], abs=1e-12)
    assert layout.mic_delay_sigma_s == pytest.approx([3e-5, 2e-5, 0.0, 3e-5], abs=1e-12)
    assert made.notes == ()


def test_cells_of_a_csv_file_with_and_without_a_template(tmp_path):
    path = written(tmp_path, "mics.csv", CSV)
    cells = written(tmp_path, "cells.csv", "name,x,y,z,pack\nleft,3,1.2,1,\nright,3.1,1.2,1,east\n")
    alone, made = imported(tmp_path, path, like=None, cells=cells, temperature_c=12.0)
    assert alone.cells.tolist() == [[3.0, 1.2, 1.0], [3.1, 1.2, 1.0]]
    assert [alone.pack_names[n] for n in alone.cell_packs] == ["made", "east"]
    assert (alone.box_m, alone.n_guards, alone.temperature_c) == (None, 0, 12.0)
    assert made.origins == "cells of cells.csv, no room, air of 12 C"
    both, made = imported(tmp_path, path, cells=cells)
    assert (both.cell_names, both.guard_names) == (("left", "right"), ("fan", "door", "PCS"))
    assert both.box_m.tolist() == load_layout("pack-corners").box_m.tolist()
    assert made.origins == "cells of cells.csv, room, air and guards of pack-corners"
    with pytest.raises(LayoutError, match=r"^mics.csv: it has no cells: expected a layout"):
        import_layout(read_mic_file(path), layout_id="x")


def test_the_packs_of_a_template_stay(tmp_path):
    path = written(tmp_path, "a.xml", ACOULAR)
    layout, _ = imported(tmp_path, path, like="container")
    assert layout.pack_names == load_layout("container").pack_names
    np.testing.assert_array_equal(layout.cells, load_layout("container").cells)


def test_the_format_is_found_by_content_then_name_and_can_be_said(tmp_path):
    for text, expected in ((ACOULAR, "acoular"), (ODAS, "odas"), (CSV, "csv")):
        assert read_mic_file(written(tmp_path, "any.txt", text)).format == expected
    utf16 = ACOULAR.replace("utf-8", "utf-16").encode("utf-16")
    assert len(read_mic_file(written(tmp_path, "any.txt", utf16)).rows) == 4
    swapped = "x,y,z,name\n0,0,0,A\n1,0,0,B\n"
    assert read_mic_file(written(tmp_path, "a.csv", swapped)).format == "csv"
    assert read_mic_file(written(tmp_path, "a.txt", swapped), format="csv").format == "csv"
    with pytest.raises(LayoutError, match=r"^a.txt: format: expected acoular XML \(.xml\), ODAS"):
        read_mic_file(written(tmp_path, "a.txt", swapped))
    with pytest.raises(LayoutError, match=r"^a.csv: line 1: not valid XML"):
        read_mic_file(written(tmp_path, "a.csv", swapped), format="acoular")
    with pytest.raises(LayoutError, match=r"^format: expected one of acoular, odas, csv, found 'json'"):
        read_mic_file(written(tmp_path, "a.csv", swapped), format="json")


# ---- what is written -------------------------------------------------------------------------------------------------


def read_as_acoular_does(text):
    """Names and positions, by another XML library, the one that acoular reads with: every `pos`, its x, y and z."""
    found = xml.dom.minidom.parseString(text).getElementsByTagName("pos")
    return [p.getAttribute("Name") for p in found], [[float(p.getAttribute(a)) for a in "xyz"] for p in found]


def read_as_odas_does(text):
    """Settings of `general.mics` in their order, by looking for them; floats must look like floats to libconfig."""
    text = re.sub(r"#[^\n]*", "", text)
    lists = {}
    for key in ("mu", "sigma2", "direction", "angle"):
        lists[key] = [part.split(",") for part in re.findall(rf"\b{key} = \(([^)]*)\);", text)]
        for number in (n for numbers in lists[key] for n in numbers):
            assert re.fullmatch(r"\s*-?\d+(\.\d+)?([eE][-+]?\d+)?\s*", number), number
            assert "." in number or "e" in number, number
    return {key: np.array(value, dtype=float) for key, value in lists.items()}, re.search(r"map: \((.*?)\);", text)[1]


def test_what_is_exported_is_read_by_other_readers():
    layout = load_layout("pack-corners")
    names, positions = read_as_acoular_does(export_mics(layout, "acoular").text)
    assert (names, positions) == (list("ABCD"), layout.mics.tolist())
    settings_, channels = read_as_odas_does(export_mics(layout, "odas", origin_m=(3.0, 1.2, 1.2)).text)
    np.testing.assert_allclose(settings_["mu"], layout.mics - [3.0, 1.2, 1.2], atol=1e-9)
    np.testing.assert_allclose(settings_["sigma2"], np.tile(np.eye(3).ravel() * 25e-6, (4, 1)), rtol=1e-9)
    # ODAS lets through what comes within the first angle of the direction: here from everywhere.
    assert settings_["angle"].tolist() == [[180.0, 180.0]] * 4
    assert channels == "1, 2, 3, 4"


def test_reference_microphones_go_into_csv_only_and_acoular_is_ordered_by_channel(tmp_path):
    layout, _ = imported(tmp_path, written(tmp_path, "a.csv", CSV))
    layout = layout.with_mics([2, 0, 3, 1])
    made = export_mics(layout, "acoular")
    assert read_as_acoular_does(made.text)[0] == ["left, low", "B", "C"]
    said = "\n".join(made.notes)
    for words in ("no place for sigmas", "no place for delays", "give it channels 2, 3, 5 only", "left out: R"):
        assert words in said
    made = export_mics(layout, "odas")
    assert read_as_odas_does(made.text)[1] == "5, 2, 3"
    assert "delays" in "".join(made.notes)
    assert export_mics(layout, "csv").n_mics == 4


def test_names_that_a_format_cannot_carry_do_no_harm(tmp_path):
    names = ("<&\"'>", "a\nmu = (9.0, 9.0, 9.0);\x01", "=1+1,2", "*/ { ( \u00e9")
    layout = load_layout("pack-corners")
    layout = type(layout)(**{key: getattr(layout, key) for key in layout.__slots__} | {"mic_names": names})
    for format, name in (("acoular", "a.xml"), ("odas", "a.cfg"), ("csv", "a.csv")):
        write_mic_file(tmp_path / name, export_mics(layout, format).text)
        found = read_mic_file(tmp_path / name)
        assert [row.values["position_m"] for row in found.rows] == layout.mics.tolist()
    assert read_as_acoular_does(export_mics(layout, "acoular").text)[0][::3] == [names[0], names[3]]


COORDINATES = st.floats(0.0, 1.0).map(lambda v: round(v, 7))
SIGMAS = st.floats(0.0, 0.5)
MICS = st.lists(
    st.tuples(COORDINATES, COORDINATES, COORDINATES, SIGMAS, st.floats(-0.01, 0.01)), min_size=2, max_size=9
)


@seed(1)
@settings(max_examples=60, deadline=2000, suppress_health_check=list(HealthCheck), database=None)
@given(mics=MICS, channels=st.permutations(range(1, 10)))
def test_there_and_back_keeps_positions_to_a_micrometre_and_what_else_the_format_has(tmp_path, mics, channels):
    # Two centimetres apart along x at least, inside the room of pack-corners.
    rows = [
        f"N{k},{1 + 0.1 * k + 0.08 * x!r},{y!r},{z!r},{sigma!r},{delay!r},{abs(delay)!r},{channels[k]}"
        for k, (x, y, z, sigma, delay) in enumerate(mics)
    ]
    text = "\n".join(["name,x,y,z,position_sigma_m,delay_s,delay_sigma_s,channel", *rows])
    first, _ = imported(tmp_path, written(tmp_path, "first.csv", text), origin_m=(0, 0, 0))
    for format, name in (("acoular", "b.xml"), ("odas", "b.cfg"), ("csv", "b.csv")):
        origin_m = (1.5, 0.5, -0.25)
        made = export_mics(first, format, origin_m=origin_m)
        again, _ = imported(tmp_path, written(tmp_path, name, made.text), origin_m=origin_m)
        order = np.argsort(first.mic_channels) if format == "acoular" else np.arange(first.n_mics)
        np.testing.assert_allclose(again.mics, first.mics[order], rtol=0, atol=1e-6)
        if format != "acoular":
            np.testing.assert_allclose(again.mic_sigma_m, first.mic_sigma_m, rtol=0, atol=1e-6)
            assert again.mic_channels == first.mic_channels
        if format == "csv":
            np.testing.assert_allclose(again.mic_delay_s, first.mic_delay_s, rtol=0, atol=1e-9)
            np.testing.assert_allclose(again.mic_delay_sigma_s, first.mic_delay_sigma_s, rtol=0, atol=1e-9)


def test_nothing_is_overwritten_unasked(tmp_path):
    path = written(tmp_path, "a.xml", "mine")
    with pytest.raises(LayoutError, match="expected a name that is free"):
        write_mic_file(path, "yours")
    assert path.read_text() == "mine"
    write_mic_file(path, "yours", overwrite=True)
    assert (path.read_text(), [p.name for p in tmp_path.iterdir()]) == ("yours", ["a.xml"])
