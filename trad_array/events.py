"""Detections, maps and ends to events: one record per sound, and its JSON object for everybody outside."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from trad_array.chain import Chain, StepOutput
from trad_array.localization.gate import DIFFUSE, ELSEWHERE, UNPLACED
from trad_array.localization.place import Placed
from trad_array.records import CELL, CellMap, Detection, Ended
from trad_array_geometry import Layout, LayoutError

SCHEMA = "trad-array/event/1"
# A cell of this probability is sure.
SURE = 0.9
# Cells that are no wider apart across than this stand in one row, m.
_ONE_ROW_M = 0.1
# A place that is not farther out than this is among the cells, m.
_AMONG_M = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One sound, as far as it is known.

    detection : always
    placed : its sharpest map so far, once the first window is complete
    ended : once it is over
    sure_at : samples, end of the first window after which one cell was at least 90 % sure, or None
    settled : its last window was heard
    lasts : it has gone on for the verification time
    """

    detection: Detection
    placed: Placed | None = None
    ended: Ended | None = None
    sure_at: int | None = None
    settled: bool = False
    lasts: bool = False

    @property
    def state(self) -> str:
        """`new` when just detected, `update` when placed, `end` when over: the same id in every message."""
        if self.placed is None:
            return "new"
        return "end" if self.ended is not None and self.settled else "update"

    @property
    def cell_map(self) -> CellMap | None:
        """The map, if there is one."""
        return None if self.placed is None else self.placed.cell_map

    @property
    def verdict(self) -> str | None:
        """`cell`, `elsewhere`, `diffuse` or `unplaced`; None before the first map, and when there can be none."""
        return None if self.cell_map is None else self.cell_map.verdict

    @property
    def level(self) -> str:
        """How loud to cry.

        `alarm`: from a cell, or lasting and placed nowhere else. `alert`: heard, and not placed so far. `report`: from
        a place that is no cell, or from everywhere at once.
        """
        if self.verdict == CELL:
            return "alarm"
        if self.verdict in (ELSEWHERE, DIFFUSE):
            return "report"
        return "alarm" if self.lasts else "alert"


@dataclass(frozen=True, slots=True)
class Origin:
    """What an event's JSON object says about the stream it was heard in.

    source : file or device
    model : name of the scorer, or of its model file
    started_at : when sample 0 was heard, or None
    """

    source: str
    model: str
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenEvents:
    """Events that are not over yet, in the order of their onsets."""

    events: tuple[Event, ...] = ()


def event_step(state: OpenEvents, output: StepOutput) -> tuple[OpenEvents, tuple[Event, ...]]:
    """Take what a step brought to light; give back every event about which something new is known.

    An event that is detected, placed and over within one step is given each time: `new`, `update` for each map that is
    sharper than the one before, `end`.
    """
    current = {event.detection.onset: event for event in state.events}
    told: list[Event] = []
    for detection in output.heard.detections:
        current[detection.onset] = Event(detection)
        told.append(current[detection.onset])
    for placed in output.placed:
        before = current[placed.onset]
        current[placed.onset] = _with_map(before, placed)
        if current[placed.onset].placed is not before.placed:
            told.append(current[placed.onset])
    for lasting in output.heard.lasting:
        before = current[lasting.onset]
        current[lasting.onset] = replace(before, lasts=True)
        if current[lasting.onset].level != before.level:
            told.append(current[lasting.onset])
    for ended in output.heard.ended:
        current[ended.onset] = replace(current[ended.onset], ended=ended)
    over = tuple(event for event in current.values() if event.state == "end")
    left = tuple(event for event in current.values() if event.state != "end")
    return OpenEvents(left), (*told, *over)


def _with_map(event: Event, placed: Placed) -> Event:
    """The event with another map, if that is at least as sharp as the one it has.

    A map that puts the sound in a cell stays against those that do not: an alarm is not taken back by the machine.
    """
    sure_at = event.sure_at
    if sure_at is None and placed.cell_map is not None and placed.cell_map.probability.max() >= SURE:
        sure_at = placed.heard_until
    before = None if event.placed is None else event.placed.cell_map
    if before is not None and not _better(placed.cell_map, before):
        return replace(event, sure_at=sure_at, settled=event.settled or placed.final)
    return replace(event, placed=placed, sure_at=sure_at, settled=event.settled or placed.final)


def _better(new: CellMap | None, before: CellMap) -> bool:
    if new is None:
        return False
    if new.from_a_cell != before.from_a_cell:
        return new.from_a_cell
    return new.sharpness >= before.sharpness


def events_of(outputs: Iterable[StepOutput]) -> Iterator[Event]:
    """Every event of a stream, once, when it is over."""
    state = OpenEvents()
    for output in outputs:
        state, events = event_step(state, output)
        yield from (event for event in events if event.state == "end")


def event_json(event: Event, chain: Chain, origin: Origin) -> dict[str, Any]:
    """The versioned JSON object of an event: numbers or null, never NaN. docs/events.md explains every field.

    Times count from the stream's first sample; `onset_utc` is null when nobody knows when that was.
    """
    fs = chain.features.fs
    onset = event.detection.onset
    cell_map = event.cell_map
    return {
        "schema": SCHEMA,
        "id": event_id(onset, fs=fs, layout=chain.layout, origin=origin),
        "state": event.state,
        "level": event.level,
        "verdict": event.verdict,
        "lasts": event.lasts,
        "onset_s": _number(onset / fs, 6),
        "end_s": None if event.ended is None else _number(event.ended.end / fs, 6),
        "onset_utc": _utc(onset, fs=fs, origin=origin),
        "score": _number(event.detection.score if event.ended is None else event.ended.peak, 3),
        "channels": _channels(event, chain.layout),
        **map_json(cell_map, chain.layout),
        "position_m": _position(event.placed),
        "position_residual_us": _residual(event.placed),
        "why_not_placed": event.placed.why_not or None if event.placed is not None else None,
        "doubts": [] if event.placed is None else list(event.placed.doubts),
        "heard_s": None if event.placed is None else _number((event.placed.heard_until - onset) / fs, 4),
        "sure_after_s": None if event.sure_at is None else _number((event.sure_at - onset) / fs, 4),
        "layout": {"id": chain.layout.id, "provenance": chain.layout.provenance},
        "model": origin.model,
        "source": origin.source,
        "speed_of_sound_m_s": _number(chain.speed_of_sound, 3),
    }


def map_from_json(record: Mapping[str, Any], layout: Layout, *, fs: int) -> CellMap | None:
    """The map inside an event's JSON object, or None when the event was not placed.

    Raises
    ------
    LayoutError
        If the event speaks of other cells or microphones than the layout has.
    """
    cells = {cell["id"]: cell for cell in record["cells"]}
    if not cells:
        return None
    if set(cells) != set(layout.cell_names):
        raise LayoutError(f"{layout.id}: expected the {len(cells)} cells of the event, found other ones")
    probability = np.array([cells[name]["p"] for name in layout.cell_names])
    elsewhere = float(record["p_elsewhere"])
    total = probability.sum() + elsewhere  # 1 but for the rounding of each number
    mics = {name: k for k, name in enumerate(layout.mic_names)}
    if not {name for pair in record["tdoa_us"] for name in pair["mics"]} <= set(mics):
        raise LayoutError(f"{layout.id}: expected the microphones of the event, found {', '.join(mics)}")
    return CellMap(
        power=np.array([cells[name]["power"] for name in layout.cell_names]),
        probability=probability / total,
        elsewhere=elsewhere / total,
        place=record["elsewhere"],
        otherwise=next((v for v in (DIFFUSE, UNPLACED) if v == record.get("verdict")), ELSEWHERE),
        gate=float(record.get("gate") or 0.0),
        place_m=None if record.get("elsewhere_m") is None else tuple(record["elsewhere_m"]),
        onset=round(record["onset_s"] * fs),
        speed_of_sound=record["speed_of_sound_m_s"],
        pair_delays_s=np.array([pair["delay_us"] * 1e-6 for pair in record["tdoa_us"]]),
        pairs=np.array([[mics[name] for name in pair["mics"]] for pair in record["tdoa_us"]], dtype=np.intp),
    )


def event_id(onset: int, *, fs: int, layout: Layout, origin: Origin) -> str:
    """Name of an event: the same each time the same sound is heard, sorted by time where the time is known."""
    when = _utc(onset, fs=fs, origin=origin)
    stamp = f"s{onset:012d}" if when is None else when.replace("-", "").replace(":", "").replace(".", "")
    mark = hashlib.sha256(f"{origin.source}\n{layout.id}\n{onset}".encode()).hexdigest()[:8]
    return f"{stamp}-{mark}"


def map_json(cell_map: CellMap | None, layout: Layout) -> dict[str, Any]:
    """The part of an event's JSON object that tells its map; nulls and empty lists without one."""
    if cell_map is None:
        nothing: dict[str, Any] = dict.fromkeys(
            ("best", "gate", "p_elsewhere", "elsewhere", "elsewhere_m", "side", "direction")
        )
        return nothing | {"cells": [], "credible_set": [], "credible_span_m": None, "tdoa_us": []}
    order = np.argsort(-cell_map.probability, kind="stable")
    credible = cell_map.credible_set()
    return {
        "best": layout.cell_names[cell_map.best],
        "cells": [
            {
                "id": layout.cell_names[k],
                "p": _number(cell_map.probability[k], 6),
                "power": _number(cell_map.power[k], 6),
            }
            for k in order
        ],
        "gate": _number(cell_map.gate, 3),
        "p_elsewhere": _number(cell_map.elsewhere, 6),
        "elsewhere": cell_map.place,
        "elsewhere_m": None if cell_map.place_m is None else [_number(value, 3) for value in cell_map.place_m],
        "side": _side(cell_map, layout),
        "direction": _direction(cell_map, layout),
        "credible_set": [layout.cell_names[k] for k in credible],
        "credible_span_m": _number(_span_m(layout.cells[list(credible)]), 3),
        "tdoa_us": [
            {"mics": [layout.mic_names[i], layout.mic_names[j]], "delay_us": _number(delay * 1e6, 2)}
            for (i, j), delay in zip(cell_map.pairs, cell_map.pair_delays_s, strict=True)
        ],
    }


def _side(cell_map: CellMap, layout: Layout) -> str | None:
    """On which side of the cells the best place that is not a cell lies: the axis along which it is farthest out."""
    if cell_map.place_m is None:
        return None
    place = np.array(cell_map.place_m)
    beyond = np.concatenate([layout.cells.min(axis=0) - place, place - layout.cells.max(axis=0)])
    words = ("left of", "in front of", "below", "right of", "behind", "above")
    what = "row" if np.ptp(layout.cells[:, 1]) < _ONE_ROW_M else "pack" if len(layout.pack_names) == 1 else "packs"
    return (
        f"{words[int(beyond.argmax())]} the {what}" if beyond.max() > _AMONG_M else f"between the cells of the {what}"
    )


def _direction(cell_map: CellMap, layout: Layout) -> dict[str, float | None] | None:
    """Where the best place that is not a cell lies, seen from the middle of the array."""
    if cell_map.place_m is None:
        return None
    x, y, z = np.array(cell_map.place_m) - layout.mics[layout.array_mics].mean(axis=0)
    return {
        "azimuth_deg": _number(np.degrees(np.arctan2(y, x)), 1),
        "elevation_deg": _number(np.degrees(np.arctan2(z, np.hypot(x, y))), 1),
        "distance_m": _number(np.sqrt(x * x + y * y + z * z), 2),
    }


def _span_m(points: np.ndarray) -> float:
    """Diagonal of the box around some points, m."""
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _channels(event: Event, layout: Layout) -> list[dict[str, Any]]:
    scores = event.detection.channels if event.ended is None else event.ended.channels
    placed = event.placed
    return [
        {
            "mic": name,
            "channel": layout.mic_channels[k],
            "score": _number(scores[k], 3) if scores else None,
            "level_dbfs": None if placed is None else _number(placed.level_dbfs[k], 2),
            "clipped": None if placed is None else bool(placed.clipped[k]),
            "used": None if placed is None else bool(placed.used[k]),
        }
        for k, name in enumerate(layout.mic_names)
    ]


def _position(placed: Placed | None) -> list[float | None] | None:
    if placed is None or placed.position is None:
        return None
    return [_number(value, 4) for value in placed.position.position_m]


def _residual(placed: Placed | None) -> float | None:
    return None if placed is None or placed.position is None else _number(placed.position.residual_us, 2)


def _utc(onset: int, *, fs: int, origin: Origin) -> str | None:
    if origin.started_at is None:
        return None
    when = (origin.started_at + timedelta(seconds=onset / fs)).astimezone(UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: float, digits: int) -> float | None:
    """A finite number, or None: no NaN leaves the house."""
    return round(float(value), digits) if np.isfinite(value) else None
