"""Bad and hostile microphone files: one line that names file, line, element, what was expected and what was found."""

import os
import re
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from trad_array_geometry import LayoutError, load_layout
from trad_array_geometry.formats import import_layout, read_mic_file
from trad_array_geometry.layout_writer import write_checked

XML = '<MicArray name="a">\n<pos Name="A" x="{}" y="1" z="1"/>\n<pos Name="B" x="3" y="1" z="1"/>\n{}</MicArray>'
CFG = "general:\n{{ mics = (\n{{ mu = ({}); sigma2 = ({}); }},\n{{ mu = (3, 1, 1); }} ); }}\n{}"
CSV = "name,x,y,z,channel,delay_s\nA,{},1,1,1,{}\nB,3,1,1,{},\n"
SIGMA = "0, 0, 0, 0, 0, 0, 0, 0, 0"
BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + ']><MicArray><pos Name="&l9;" x="1" y="1" z="1"/></MicArray>'
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><MicArray name="&e;"/>'


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def layout_of(path):
    """The layout that a file becomes with the cells of pack-corners."""
    made = import_layout(read_mic_file(path), layout_id="made", like="pack-corners")
    write_checked(path.with_name("made.toml"), made.text)
    return load_layout(path.with_name("made.toml"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xml", XML.format("nan", ""), 'line 2: pos[1].x: expected a number, found "nan"'),
        ("a.xml", XML.format("1e999", ""), "line 2: pos[1].x: expected a number, found inf"),
        ("a.xml", XML.format("1_0", ""), 'line 2: pos[1].x: expected a number, found "1_0"'),
        ("a.xml", XML.format("2", "<pos/>"), "line 4: pos[3].x: missing, expected a number"),
        ("a.xml", XML.format("3", ""), 'line 3: pos[2].position_m: expected microphones apart, found "B" at 0 mm'),
        ("a.xml", XML.format("9", ""), "line 2: pos[1]: expected mics inside the room [0.0, 0.0, 0.0] to"),
        ("a.xml", XML.format("2", '<pos Name="A" x="1" y="1" z="1"/>'), "line 4: pos[3].name: expected a different"),
        ("a.xml", XML.format("2", "</a>"), "line 4: not valid XML: mismatched tag"),
        ("a.xml", XML.format("2", "") * 2, "line 4: not valid XML: junk after document element"),
        ("a.xml", "<MicArray/>", "pos: missing, expected an element <pos> for each microphone"),
        ("a.xml", '<a><pos x="1" y="1" z="1"/></a>', 'line 1: pos[1].role: expected at least two microphones'),
        ("a.xml", '<?xml version="1.0" encoding="klingon"?><a/>', "line 1: encoding: expected UTF-8, found one that"),
        ("a.xml", BOMB, "line 2: expected no document type, found <!DOCTYPE"),
        ("a.xml", OUTSIDE, "line 1: expected no document type, found <!DOCTYPE"),
        ("a.xml", "<a>" + '<pos x="1" y="1" z="1"/>' * 257 + "</a>", "line 1: pos[257]: expected at most 256 mic"),
        ("a.cfg", CFG.format("2, 1", SIGMA, ""), "line 3: general.mics[1].mu: expected 3 numbers like [0.0, 0.0, 0.0]"),
        ("a.cfg", CFG.format("2, 1, 1e400", SIGMA, ""), "line 3: general.mics[1].mu: expected 3 numbers"),
        ("a.cfg", CFG.format("2, 1, true", SIGMA, ""), "line 3: general.mics[1].mu: expected 3 numbers"),
        ("a.cfg", CFG.format("2, 1, 1", "0, 0", ""), "line 3: general.mics[1].sigma2: expected 9 numbers"),
        ("a.cfg", CFG.format("2, 1, 1", "0, 1" + SIGMA[4:], ""), "line 3: general.mics[1].sigma2: expected a symm"),
        ("a.cfg", CFG.format("2, 1, 1", "-1" + SIGMA[1:], ""), "line 3: general.mics[1].sigma2: expected no variance"),
        ("a.cfg", CFG.format("2, 1, 1", "4" + SIGMA[1:], ""), "line 3: general.mics[1].position_sigma_m: expected 0"),
        ("a.cfg", CFG.format("2, 1, 1", SIGMA, "mapping: { map: (1, 2, 3); };"), "mapping.map: expected 2 channels"),
        ("a.cfg", CFG.format("2, 1, 1", SIGMA, "mapping: { map: (0, 2); };"), "mapping.map: expected a list of whole"),
        ("a.cfg", CFG.format("2, 1, 1", SIGMA, "mapping: { map: (2, 2); };"), "line 4: general.mics[2].channel: exp"),
        ("a.cfg", CFG.format("2, 1, 1", SIGMA, '@include "/etc/passwd"'), 'line 5: expected a setting, found "@inc'),
        ("a.cfg", CFG.format("2, 1, 1", SIGMA, "general = 1;"), "line 5: general: expected once, found twice"),
        ("a.cfg", CFG.format("2 1, 1", SIGMA, ""), 'line 3: expected , or ), found "1"'),
        ("a.cfg", "general: { mics = (1, 2); };", "general.mics: expected a list of groups ( { mu = ... }, ... )"),
        ("a.cfg", "general: { mics = ( {", "line 1: expected a setting or }, found the end of the file"),
        ("a.cfg", "mics = ();", "general: missing, expected a table"),
        ("a.cfg", "mics = " + "(" * 100, "line 1: expected at most 32 groups and lists within each other"),
        ("a.cfg", "mics = (" + "1," * 100_000, "line 1: expected at most 100000 words, found more"),
        ("a.csv", CSV.format("x", 0, 2), 'line 2: mics[1].x: expected a number, found "x"'),
        ("a.csv", CSV.format("2,5", 0, 2), "line 2: expected 6 fields, found 7"),
        ("a.csv", CSV.format('"2,5"', 0, 2), 'line 2: mics[1].x: expected a number, found "2,5"'),
        ("a.csv", CSV.format("2", 5, 2), "line 2: mics[1].delay_s: expected -0.1 to 0.1, found 5"),
        ("a.csv", CSV.format("2", 0, 1), "line 3: mics[2].channel: expected a different one for each, found 1 twice"),
        ("a.csv", CSV.format("2", 0, 1.5), "line 3: mics[2].channel: expected a whole number, found 1.5"),
        ("a.csv", "name,x,y\nA,1,1\n", "line 1: missing column, expected z, found name, x, y"),
        ("a.csv", "name,x,y,z,delay\n", "line 1: unknown column, expected name, x, y, z, position_sigma_m"),
        ("a.csv", "name,x,y,z,x\n", "line 1: expected each column once, found x twice"),
        ("a.csv", "name;x;y;z\n", "line 1: unknown column, expected name"),
        ("a.csv", "name,x,y,z\n", "line 2: expected a line for each microphone, found none"),
        ("a.csv", "", "line 1: expected columns name, x, y, z"),
        ("a.csv", 'name,x,y,z\n"A,1,1,1\n', "line 2: not valid CSV: unexpected end of data"),
        ("a.csv", b"name,x,y,z\n\xff,1,1,1\n", "line 2: expected a text in UTF-8, found other bytes"),
        ("a.csv", "name,x,y,z\n" + "A,1,1,1\n" * 257, "line 258: expected at most 256 lines, found more"),
    ],
)  # fmt: skip
def test_one_line_says_what_is_wrong(tmp_path, name, text, message):
    with pytest.raises(LayoutError, match=re.escape(f"{name}: {message}")) as trouble:
        layout_of(written(tmp_path, name, text))
    assert str(trouble.value).isprintable()
    assert not (tmp_path / "made.toml").exists()


def test_bad_files_of_cells(tmp_path):
    mics = read_mic_file(written(tmp_path, "a.csv", CSV.format("2", 0, 2)))
    for text, message in (
        ("name,x,y,z\na,1,1\n", "cells.csv: line 2: expected 4 fields, found 3"),
        ("name,x,y,z\na,1,1,?\n", 'cells.csv: line 2: cells[1].z: expected a number, found "?"'),
        ("name,x,y,z\na,1,1,1\na,2,1,1\n", 'cells.csv: line 3: cells[2].name: expected a different one for each'),
        ("name,x,y,z\na,1,1,99\n", "cells.csv: line 2: cells[1]: expected cells inside the room"),
        ("name,x,y,z\n", "cells.csv: line 2: expected a line for each cell, found none"),
    ):  # fmt: skip
        with pytest.raises(LayoutError, match=re.escape(message)):
            import_layout(mics, layout_id="x", like="pack-corners", cells=written(tmp_path, "cells.csv", text))
    with pytest.raises(LayoutError, match=re.escape("none.csv: cannot be read: No such file")):
        import_layout(mics, layout_id="x", cells=tmp_path / "none.csv")
    with pytest.raises(LayoutError, match="air.temperature_c: expected -20 to 50, found 99"):
        import_layout(mics, layout_id="x", like="pack-corners", temperature_c=99.0)


def test_what_is_no_file_or_too_large_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path):
        with pytest.raises(LayoutError, match="expected a file, found something else"):
            read_mic_file(path)
    with pytest.raises(LayoutError, match="cannot be read"):
        read_mic_file(tmp_path / "none.xml")
    with (tmp_path / "large.xml").open("wb") as file:
        file.write(b"<MicArray>")
        file.truncate(100_000_000)
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(LayoutError, match="expected at most 2097152 bytes, found more"):
        read_mic_file(tmp_path / "large.xml")
    assert time.perf_counter() - started < 1.0
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.xml", "a.cfg", "a.csv"])
def test_the_largest_files_are_refused_within_a_second(tmp_path, name):
    size = 2 * 1024 * 1024 - 200
    for start, part in (
        ("", "<a>"), ("<a>", "<b/>"), ("<a ", 'b="1" '), ("mics=", "("), ("mics=(", "1,"), ("mics=", '""'),
        ("mics=", "1"),
        ("mics=", "/* "), ("mics=(", "{a=1},"), ("mics=1;", "a;"), ("name,x,y,z\n", "a,1,2,3\n"), ("name,x,y,z\n", ","),
        ("", ",x"), ("name,x,y,z\n", "\n"), ("name,x,y,z\n\"", "a"), ('mics="', "\\a"),
    ):  # fmt: skip
        path = written(tmp_path, name, start + part * ((size - len(start)) // len(part)))
        started = time.perf_counter()
        with pytest.raises(LayoutError):
            read_mic_file(path)
        # A second on a quiet machine; tests share theirs.
        assert time.perf_counter() - started < 3.0, (start, part)


FUZZ = settings(max_examples=200, deadline=2000, suppress_health_check=list(HealthCheck), database=None)
SEEDS = {
    "a.xml": XML.format("2", "<!-- x -->"),
    "a.cfg": CFG.format("2.0, 1, 1", SIGMA, 'mapping: { map: (1, 2); }; # x\nname = "a" "b";'),
    "a.csv": CSV.format("2", "1e-5", "2"),
}
PARTS = st.sampled_from(
    ["<pos", "/>", '"', "'", "&#0;", "&x;", "<!DOCTYPE a>", "<![CDATA[", "mics", "general", "mapping", "{", "}", "(",
     ")", ":", "=", ";",
     ",", "\n", "\r", "\0", "\\", "/*", "#", "@include", "1e309", "-", "nan", "9" * 400, "0x", "L", ".",
     "true", "name,x,y,z\n", "role", "\ufeff", "\ud7ff", "\u2028", "channel"]
)  # fmt: skip

CUTS = st.tuples(st.integers(0, 400), st.integers(0, 30), PARTS | st.text(max_size=4))


def try_it(folder, name, data):
    """Import the bytes in each format; a usable layout or one printable line."""
    path = written(folder, name, data)
    for format in (None, "acoular", "odas", "csv"):
        said = None
        try:
            made = import_layout(read_mic_file(path, format=format), layout_id="made", like="pack-corners")
            write_checked(folder / "made.toml", made.text)
        except LayoutError as trouble:
            said = str(trouble)
        if said is not None:
            assert said.isprintable(), said
            assert said.startswith(f"{name}: "), said
        else:
            layout = load_layout(folder / "made.toml")
            assert np.isfinite(layout.mics).all()
            assert 2 <= layout.n_mics <= 256


@seed(1)
@FUZZ
@given(data=st.one_of(st.binary(max_size=200), st.lists(PARTS, max_size=30).map(lambda parts: "".join(parts).encode())))
def test_no_bytes_give_anything_but_a_layout_error(tmp_path, data):
    try_it(tmp_path, "any.bin", data)


@seed(1)
@FUZZ
@given(
    name=st.sampled_from(list(SEEDS)),
    cuts=st.lists(CUTS, min_size=1, max_size=4),
)
def test_no_damaged_file_gives_anything_but_a_layout_error(tmp_path, name, cuts):
    text = SEEDS[name]
    for at, length, part in cuts:
        at %= len(text) + 1
        text = text[:at] + part + text[at + length :]
    try_it(tmp_path, name, text.encode("utf-8", "surrogatepass"))
