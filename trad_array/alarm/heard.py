"""What the alarm logic needs of an event."""

from trad_array.alarm.state import Sound
from trad_array.chain import Chain
from trad_array.events import Event, Origin, event_id
from trad_array.records import CELL


def sound_of(event: Event, chain: Chain, origin: Origin) -> Sound:
    """An event in the words of the alarm logic; its id is the one of `event_json`."""
    cell_map = event.cell_map
    names = chain.layout.cell_names
    cell, probability, among = None, None, tuple[str, ...]()
    if cell_map is not None and event.verdict == CELL:
        cell, probability = names[cell_map.best], float(cell_map.probability[cell_map.best])
        among = tuple(names[k] for k in cell_map.credible_set())
    return Sound(
        id=event_id(event.detection.onset, fs=chain.features.fs, layout=chain.layout, origin=origin),
        level=event.level,
        cell=cell,
        over=event.ended is not None,
        probability=probability,
        among=among,
    )
