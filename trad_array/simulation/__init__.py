"""Simulated rooms and sounds. Everything that comes from here is simulated and says so."""

from trad_array.simulation.dataset import simulate_dataset
from trad_array.simulation.negatives import NEGATIVE_KINDS, negative
from trad_array.simulation.rooms import Responses, measure_rt60, room_responses
from trad_array.simulation.saving import save_scene
from trad_array.simulation.scene import Scene, simulate_scene
from trad_array.simulation.sounds import fan, hum, pcs_whine, vent

__all__ = [
    "NEGATIVE_KINDS",
    "Responses",
    "Scene",
    "fan",
    "hum",
    "measure_rt60",
    "negative",
    "pcs_whine",
    "room_responses",
    "save_scene",
    "simulate_dataset",
    "simulate_scene",
    "vent",
]
