"""Moments from which a watch can be heard again with the same result.

All that the chain remembers for longer than a few seconds is the noise floor and which microphones are alive, and both
change only at the ends of ticks. Whoever starts there with them, a few seconds before an event and in quiet, hears what
the watch heard, sample for sample.
"""

import io
import json
import zipfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from trad_array.chain import Chain, ChainState
from trad_array.detection.live import LiveState
from trad_array.errors import ConfigError
from trad_array.events import Origin
from trad_array.features.noise_floor import FloorState

SCHEMA = "trad-array/replay/1"
FILE_NAME = "replay.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The end of a tick.

    at : samples at the rate of the model, first sample of the first frame after it
    quiet : no event was on or beginning, and no sound too faint for one was followed
    fresh : nothing was heard before it; the stream, or what follows a gap, begins there
    floor, live : what was learned until then
    """

    at: int
    quiet: bool
    fresh: bool
    floor: FloorState
    live: LiveState


def moment_of(chain: Chain, state: ChainState) -> Moment:
    """The last end of a tick before a state; whether it was quiet is said of the state."""
    hearing = state.hearing
    busy = (
        chain.hearing.events.active(hearing.events)
        or hearing.faint.trigger.onset is not None
        or bool(state.watch.sounds or state.faint.candidates or state.faint.events or state.ring.waiting)
    )
    at = hearing.carry_start - int(hearing.tick.shape[1]) * chain.features.hop
    fresh = not state.ring.chunks or state.ring.start == at
    return Moment(at, not busy, fresh, hearing.floor, hearing.live)


def state_at(chain: Chain, moment: Moment) -> ChainState:
    """The chain as it was at a quiet moment, but for the last seconds of sound."""
    state = chain.start(at=moment.at)
    return replace(state, hearing=replace(state.hearing, floor=moment.floor, live=moment.live))


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What a clip needs to be heard again as it was heard.

    moment : to start from
    clip_start : samples at the capture rate, index of the first sample of the clip since the stream began
    capture_fs : Hz
    origin : of the watch
    layout : id of its layout
    """

    moment: Moment
    clip_start: int
    capture_fs: int
    origin: Origin
    layout: str

    def to_bytes(self) -> bytes:
        """As a file, numbers only."""
        origin = self.origin
        words = {
            "schema": SCHEMA,
            "at": self.moment.at,
            "quiet": self.moment.quiet,
            "fresh": self.moment.fresh,
            "ticks": self.moment.floor.ticks,
            "clip_start": self.clip_start,
            "capture_fs": self.capture_fs,
            "layout": self.layout,
            "source": origin.source,
            "model": origin.model,
            "started_at": None if origin.started_at is None else origin.started_at.isoformat(),
        }
        out = io.BytesIO()
        np.savez(out, words=np.array(json.dumps(words)), level=self.moment.floor.level, live=self.moment.live.live)
        return out.getvalue()


def read_replay(path: Path) -> Replay:
    """What `Replay.to_bytes` wrote; raises `ConfigError` when the file is not that."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            words, level, live = json.loads(str(stored["words"])), stored["level"], stored["live"]
        if words["schema"] != SCHEMA:
            raise ConfigError(f"{path}: expected {SCHEMA}, found {words['schema']}")
        floor, live = FloorState(level, int(words["ticks"])), LiveState(live)
        moment = Moment(int(words["at"]), bool(words["quiet"]), bool(words["fresh"]), floor, live)
        started = words["started_at"]
        origin = Origin(words["source"], words["model"], None if started is None else datetime.fromisoformat(started))
        return Replay(moment, int(words["clip_start"]), int(words["capture_fs"]), origin, words["layout"])
    except (OSError, EOFError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as trouble:
        if isinstance(trouble, ConfigError):
            raise
        raise ConfigError(f"{path}: expected what a watch wrote beside a clip, found something else") from trouble
