"""What the alarm logic needs of an event."""

from trad_array.alarm.state import Sound
from trad_array.chain import Chain
from trad_array.events import Event, Origin, event_id
from trad_array.records import CELL


def sound_of(event: Event, chain: Chain, origin: Origin) -> Sound:
    """An event in the words of the alarm logic; its id is the one of `event_json`."""
    cell_map = event.cell_map
    cell = None if cell_map is None or event.verdict != CELL else chain.layout.cell_names[cell_map.best]
    return Sound(
        id=event_id(event.detection.onset, fs=chain.features.fs, layout=chain.layout, origin=origin),
        level=event.level,
        cell=cell,
        over=event.ended is not None,
        probability=None if cell is None or cell_map is None else float(cell_map.probability[cell_map.best]),
    )
