"""Records of the alarm logic: what it is told, what it remembers, what it tells. Times are seconds of the stream."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["normal", "alert", "alarm"]
Sounder = Literal["off", "fault", "alarm"]
ACTIONS = ("ack", "silence", "reset", "disable", "enable", "test")


@dataclass(frozen=True, slots=True)
class Sound:
    """What the alarm logic needs of an event.

    id : the event's
    level : "alarm", "alert" or "report", as the event says
    cell : where it comes from, or None when nothing placed it in a cell
    over : it has ended
    probability : of that cell, or None
    among : cells that it may be, the 90 % credible set; empty when `cell` alone is meant
    """

    id: str
    level: str
    cell: str | None = None
    over: bool = False
    probability: float | None = None
    among: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What an operator wants.

    kind : "ack", "silence", "reset", "disable", "enable" or "test"
    by : name of the operator; nobody may act without one
    comment : why
    subject : what is meant; "" for all when acknowledging, silencing or resetting; "cell:NAME", "mic:NAME" or
        "output:NAME" when disabling and enabling; "test" to enable everything again that a test keeps off
    until_s : s of the stream, when a silence, a disablement or a test ends; None for the default
    """

    kind: str
    by: str
    comment: str = ""
    subject: str = ""
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed, or a wish that was refused; each is worth a line in the log.

    kind : "level" or "sounder" (the subject is the new one); "alarm" (a cell, or a place that is not known, joined the
        incident), "again" (a cell of the incident is heard again), "revised" (a sound was moved to another cell),
        "disabled-alarm" (an alarm of a disabled cell: neither latched nor sounded), "lapsed" (a sound of which nothing
        more was heard); "fault", "restored"; "sounds-again", "expired"; an action's kind when it was done; "refused"
    at_s : s of the stream
    subject : what it is about
    detail : one line for a person
    by, comment : of the action behind it
    """

    kind: str
    at_s: float
    subject: str = ""
    detail: str = ""
    by: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class OpenSound:
    """A sound that is on, or has ended within the off time.

    id, level, cell, among : as last told
    began_s, heard_s : s, first and last message
    ended_s : s, or None while it is on
    """

    id: str
    level: str
    cell: str | None
    began_s: float
    heard_s: float
    ended_s: float | None = None
    among: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Latched:
    """A cell of the incident, or a sound that lasted and was placed nowhere. It stays until a reset.

    key : "cell:NAME", or "unplaced:ID" of the sound
    cell : name or None
    first_s, last_s : s, when it was first and last told
    sounds : how many sounds are said to come from it; 0 when the only one was placed in another cell later
    test : it was heard during a test only, and does not sound
    """

    key: str
    cell: str | None
    first_s: float
    last_s: float
    sounds: int = 1
    test: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """An acknowledgement, a silence, a disablement or a test.

    key : what it is for
    since_s, until_s : s; None for no end
    by, comment : of the operator
    """

    key: str
    since_s: float
    until_s: float | None
    by: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that holds.

    code, subject, detail : as in `FaultChange`
    since_s : s
    supervisory : see `FaultKind`
    """

    code: str
    subject: str
    since_s: float
    detail: str
    supervisory: bool = False

    @property
    def key(self) -> str:
        """Its name for acknowledging and silencing."""
        return f"fault:{self.code}:{self.subject}" if self.subject else f"fault:{self.code}"

    @property
    def device(self) -> str:
        """What can be disabled to keep it quiet: "mic:NAME", "output:NAME", or ""."""
        if not self.subject:
            return ""
        return f"{'output' if self.code == 'output' else 'mic'}:{self.subject}"


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Everything the alarm logic remembers: one level and independent sets, of which any combination may hold.

    at_s : s, the last step
    sounds : on, or ended within the off time
    latched : the incident, in the order in which its cells were first told
    acknowledged, silenced : by key, of what is latched and of faults
    trouble : faults and supervisory ones
    disabled : by "cell:NAME", "mic:NAME" or "output:NAME"; each ends by itself
    test : or None
    """

    at_s: float = 0.0
    sounds: tuple[OpenSound, ...] = ()
    latched: tuple[Latched, ...] = ()
    acknowledged: tuple[Mark, ...] = ()
    silenced: tuple[Mark, ...] = ()
    trouble: tuple[ActiveFault, ...] = ()
    disabled: tuple[Mark, ...] = ()
    test: Mark | None = None

    @property
    def level(self) -> Level:
        """Alarm while anything is latched, alert while a sound that nobody placed elsewhere is on."""
        if self.latched:
            return "alarm"
        return "alert" if any(self.counts(sound) for sound in self.sounds) else "normal"

    @property
    def sounder(self) -> Sounder:
        """What should be heard: the alarm, else a fault, of what is neither acknowledged nor silenced."""
        quiet = {mark.key for mark in (*self.acknowledged, *self.silenced)}
        if any(not item.test and item.key not in quiet for item in self.latched):
            return "alarm"
        off = {mark.key for mark in self.disabled}
        sounding = (fault for fault in self.trouble if fault.device not in off)
        return "fault" if any(fault.key not in quiet for fault in sounding) else "off"

    @property
    def faults(self) -> tuple[ActiveFault, ...]:
        """What keeps the array from hearing or telling."""
        return tuple(fault for fault in self.trouble if not fault.supervisory)

    @property
    def supervisory(self) -> tuple[ActiveFault, ...]:
        """What is to be looked at."""
        return tuple(fault for fault in self.trouble if fault.supervisory)

    @property
    def first_cell(self) -> str | None:
        """The cell with which the incident began, as far as it is known; a sound that moved on does not count."""
        named = [item for item in self.latched if item.cell is not None and item.sounds > 0]
        return min(named, key=lambda item: item.first_s).cell if named else None

    @property
    def current_cell(self) -> str | None:
        """The cell of the incident that was told last."""
        named = [item for item in self.latched if item.cell is not None and item.sounds > 0]
        return max(named, key=lambda item: item.last_s).cell if named else None

    def disabled_names(self, kind: str) -> tuple[str, ...]:
        """Names of the cells, microphones or outputs ("cell", "mic", "output") that are disabled."""
        return tuple(mark.key.removeprefix(f"{kind}:") for mark in self.disabled if mark.key.startswith(f"{kind}:"))

    def is_disabled(self, key: str) -> bool:
        """Whether a cell, microphone or output is."""
        return any(mark.key == key for mark in self.disabled)

    def counts(self, sound: OpenSound) -> bool:
        """Whether a sound may raise the level: one may not that can only come from disabled cells."""
        if sound.level == "report":
            return False
        cells = () if sound.cell is None else sound.among or (sound.cell,)
        return not cells or not all(self.is_disabled(f"cell:{cell}") for cell in cells)

    def holds(self, sound: OpenSound) -> bool:
        """Whether a sound stands in the way of a reset."""
        return sound.level == "alarm" and self.counts(sound)
