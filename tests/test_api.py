"""Names that programs may rely on, and the layout of the examples."""

from pathlib import Path

import numpy as np
import pytest

import trad_array
from trad_array_geometry import formats, load_layout

ROOT = Path(__file__).parents[1]


def test_public_names_are_pinned():
    assert trad_array.__all__ == sorted(trad_array.__all__, key=lambda name: (name[0].islower(), name))
    assert all(hasattr(trad_array, name) for name in trad_array.__all__)
    assert set(trad_array.__all__) == {
        "Block", "CellMap", "Chain", "Detection", "Event", "Layout", "Recording", "blocks", "cell_heatmap",
        "event_json", "events_of", "load_layout", "load_model", "make_chain", "mel_spectrogram",
        "read_recording", "run",
    }  # fmt: skip


def test_names_of_microphone_formats_are_pinned():
    assert all(hasattr(formats, name) for name in formats.__all__)
    assert set(formats.__all__) == {
        "FORMATS", "Exported", "Imported", "MicFile", "MicRow", "export_mics", "format_of_name", "import_layout",
        "read_mic_file", "write_mic_file",
    }  # fmt: skip


def test_the_example_layout_has_eight_microphones_and_twelve_candidates():
    layout = load_layout(ROOT / "examples" / "mimii-valve.toml")
    assert (layout.n_mics, layout.n_cells) == (8, 12)
    assert np.linalg.norm(layout.mics, axis=1) == pytest.approx(0.034, abs=1e-4)
    assert np.linalg.norm(layout.cells, axis=1) == pytest.approx(0.1, abs=1e-4)
