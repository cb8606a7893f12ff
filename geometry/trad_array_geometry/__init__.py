"""Knows where things are: layouts, air, travel times. The lowest floor; it imports neither of the others."""

from trad_array_geometry.air import speed_of_sound
from trad_array_geometry.arrays import frozen_array
from trad_array_geometry.errors import LayoutError, TradArrayError
from trad_array_geometry.layout import CalibrationNote, Layout, layout_names, layout_path, load_layout
from trad_array_geometry.travel import max_pair_delays, mic_pairs, pair_delays, travel_times

__all__ = [
    "CalibrationNote",
    "Layout",
    "LayoutError",
    "TradArrayError",
    "frozen_array",
    "layout_names",
    "layout_path",
    "load_layout",
    "max_pair_delays",
    "mic_pairs",
    "pair_delays",
    "speed_of_sound",
    "travel_times",
]
