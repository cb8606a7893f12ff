"""trad-array hears a lithium-battery cell fail.

The names below are what a script needs; everything is documented where it is defined. Heavy packages (torch,
pyroomacoustics, matplotlib) are imported only by the functions that need them.
"""

from trad_array.audio.files import blocks, read_recording
from trad_array.chain import Chain, make_chain, run
from trad_array.events import Event, event_json, events_of
from trad_array.plotting import cell_heatmap, mel_spectrogram
from trad_array.records import Block, CellMap, Detection, Recording
from trad_array.scoring import load_model
from trad_array_geometry import Layout, load_layout

__all__ = [
    "Block",
    "CellMap",
    "Chain",
    "Detection",
    "Event",
    "Layout",
    "Recording",
    "blocks",
    "cell_heatmap",
    "event_json",
    "events_of",
    "load_layout",
    "load_model",
    "make_chain",
    "mel_spectrogram",
    "read_recording",
    "run",
]
