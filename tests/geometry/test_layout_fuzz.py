"""Whatever a layout file holds: a usable layout or one `LayoutError`, never anything else."""

import tomllib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from trad_array_geometry import LayoutError, load_layout

FUZZ = settings(
    max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
VALUES = st.one_of(
    st.integers(-5, 30_000),
    st.sampled_from([10**400, -(10**30), 2**63]),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.lists(st.floats(-10, 10), max_size=4),
    st.sampled_from(["{row}", "{column:06d}{row}", "{", "{row:99999999d}", "{}", "{row!r}"]),
)


def load(path, data: bytes) -> None:
    """Read the bytes as a layout; check what comes out."""
    path.write_bytes(data)
    layout, said = None, f"{path.name}: fine"
    try:
        layout = load_layout(path)
    except LayoutError as trouble:
        said = str(trouble)
    assert said.isprintable(), said
    assert said.startswith(path.name), said
    if layout is None:
        return
    assert layout.mics.shape == (layout.n_mics, 3)
    assert layout.cells.shape == (layout.n_cells, 3)
    assert np.isfinite(layout.mics).all()
    assert np.isfinite(layout.cells).all()
    assert len(layout.array_mics) >= 2
    assert len(set(layout.cell_names)) == layout.n_cells
    assert 300 < layout.speed_of_sound < 370


def written(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    if isinstance(value, list):
        return f"[{', '.join(written(v) for v in value)}]"
    text = repr(value)
    return text if "." not in text or "e" not in text else f"{value:.17e}"


@seed(1)
@FUZZ
@given(st.binary(max_size=200))
def test_random_bytes(tmp_path, data):
    load(tmp_path / "f.toml", data)


@seed(2)
@FUZZ
@given(st.data())
def test_text_cut_and_mutated(tmp_path, good, data):
    text = bytearray(good.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 20))
        text[at : at + length] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"[[", b"nan", b"\n", b'"', b"9" * 400])
        )
        if not text:
            break
    load(tmp_path / "f.toml", bytes(text))


@seed(3)
@FUZZ
@given(st.data())
def test_any_value_at_any_key(tmp_path, good, data):
    lines = good.splitlines()
    keyed = [n for n, line in enumerate(lines) if "=" in line]
    for n in data.draw(st.lists(st.sampled_from(keyed), min_size=1, max_size=3)):
        lines[n] = f"{lines[n].split('=')[0]} = {written(data.draw(VALUES))}"
    text = "\n".join(lines)
    tomllib.loads(text)
    load(tmp_path / "f.toml", text.encode())


@pytest.mark.parametrize("depth", [500, 100_000])
def test_nested_too_deep(tmp_path, depth):
    (tmp_path / "deep.toml").write_text("a = " + "[" * depth)
    with pytest.raises(LayoutError, match="deep.toml: not valid TOML"):
        load_layout(tmp_path / "deep.toml")
