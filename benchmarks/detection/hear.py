"""One take through the whole chain, as `trad-array monitor` hears it: what was told, how soon, and how near it came."""

from dataclasses import dataclass

import numpy as np
from takes import FS, Take

from trad_array.audio.files import blocks
from trad_array.chain import Chain, run
from trad_array.events import Event, OpenEvents, event_step
from trad_array.localization.cut import Window
from trad_array.localization.gate import Gate
from trad_array.localization.place import Placed
from trad_array.records import Recording


@dataclass(frozen=True, slots=True)
class Heard:
    """What the chain said about one take.

    kind, number : which take; cell : the true one, or -1
    snr_db, band_db, rt60_s, distance_m : of the take; distance of the source to the nearest cell, NaN for rain
    seconds : length of the sound
    detected_s : onset to the first detection of it, or NaN
    alarm_s : onset to the first alarm (end of the sound that it needed), or NaN
    placed : the alarm came from a map, not from the verification time; right : the map names the true cell
    verdict : of the event with the highest level
    alarms : events that were alarms at any time, in the whole take
    gate : highest log-odds "from a cell" over the maps of events, NaN without one
    later_gate : the same over the later windows of sounds that last
    maps : how many maps were made
    """

    kind: str
    number: int
    cell: int
    snr_db: float
    band_db: float
    rt60_s: float
    distance_m: float
    seconds: float
    detected_s: float
    alarm_s: float
    placed: bool
    right: bool
    verdict: str
    alarms: int
    gate: float
    later_gate: float
    maps: int


def hear(chain: Chain, take: Take, *, number: int, snr_db: float, recording: Recording | None = None) -> Heard:
    """Run the chain over the take at that level."""
    recording = take.at(snr_db) if recording is None else recording
    told, maps = _told(chain, recording)
    # What was told before it sounded is about something else.
    first_sample = take.onset_s * FS if take.event is not None else 0.0
    events = [messages for messages in told.values() if messages[-1][0] > first_sample]
    alarms = [_first_alarm(messages) for messages in told.values()]
    ours = [alarm for alarm in map(_first_alarm, events) if alarm is not None and alarm[0] > first_sample]
    first = min(ours, key=lambda item: item[0]) if ours else None
    onsets = {messages[0][1].detection.onset for messages in told.values()}
    gates = [gate for window, gate in map(_gate, maps) if window.onset in onsets]
    later = [gate for window, gate in map(_gate, maps) if window.onset not in onsets]
    detected = [d for d in (messages[0][1].detection.decided_at for messages in events) if d > first_sample]
    placed = first is not None and first[1].verdict == "cell"
    best = first[1].cell_map.best if first is not None and placed and first[1].cell_map is not None else -1
    nearest = np.linalg.norm(chain.layout.cells - take.source_m, axis=1).min()
    return Heard(
        kind=take.kind,
        number=number,
        cell=take.cell,
        snr_db=snr_db,
        band_db=take.band_db + snr_db - take.snr_db,
        rt60_s=take.rt60_s,
        distance_m=float(nearest),
        seconds=take.end_s - take.onset_s,
        detected_s=min(detected) / FS - take.onset_s if detected else np.nan,
        alarm_s=first[0] / FS - take.onset_s if first is not None else np.nan,
        placed=placed,
        right=placed and best == take.cell,
        verdict=_verdict(told),
        alarms=sum(alarm is not None for alarm in alarms),
        gate=max(gates, default=np.nan),
        later_gate=max(later, default=np.nan),
        maps=len(maps),
    )


def _gate(item: tuple[Window, Placed]) -> tuple[Window, float]:
    """A map's log-odds, less the margin of short windows; -inf when there is no map."""
    window, placed = item
    if placed.cell_map is None:
        return window, -np.inf
    short = (window.end - window.onset) / FS < Gate().short_s
    return window, placed.cell_map.gate - (Gate().short_margin if short else 0.0)


_Messages = dict[int, list[tuple[int, Event]]]


def _told(chain: Chain, recording: Recording) -> tuple[_Messages, list[tuple[Window, Placed]]]:
    """Every message about every event, by its onset, with the sample at which it could be told; and every map."""
    state, told, now = OpenEvents(), _Messages(), 0
    maps: list[tuple[Window, Placed]] = []
    for output in run(chain, blocks(recording, size=2048)):
        now += 2048
        state, events = event_step(state, output)
        maps += output.maps
        for event in events:
            told.setdefault(event.detection.onset, []).append((min(now, recording.samples.shape[1]), event))
    return told, maps


def _first_alarm(messages: list[tuple[int, Event]]) -> tuple[int, Event] | None:
    return next((item for item in messages if item[1].level == "alarm"), None)


def _verdict(told: _Messages) -> str:
    """Of the event that was cried out loudest."""
    order = ("alarm", "alert", "report")
    events = [event for messages in told.values() for _, event in messages if event.state != "new"]
    if not events:
        return "not heard"
    loudest = min(events, key=lambda event: order.index(event.level))
    return f"{loudest.level}: {loudest.verdict}"
