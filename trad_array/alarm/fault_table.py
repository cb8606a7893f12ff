"""Every fault of the array that the watch knows: what it says, after how long it is shown and its end is shown."""

from dataclasses import dataclass

# Hard limits: no audio, one channel, any fault. Our own, modelled on the practice of fire panels.
NO_AUDIO_S, CHANNEL_S, ANY_S = 10.0, 30.0, 100.0


@dataclass(frozen=True, slots=True)
class FaultChange:
    """A fault that was raised, or that is over.

    code : as in `fault_table`
    subject : microphone (or several), output, or "" when it concerns the whole array
    raised : False when it is over
    detail : one line for a person
    """

    code: str
    subject: str
    raised: bool
    detail: str


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One row of the table.

    code : its name
    says : what a person reads
    after_s : s, for which it must hold before it is raised; s of sound for what is heard, else of the clock
    restored_s : s, for which all must be well before it is over
    limit_s : s, within which it is shown at the latest; the same holds for its end
    supervisory : a suspicion or a limit of use that is to be looked at; the array still hears
    note : when the times are other ones, or it cannot be told
    """

    code: str
    says: str
    after_s: float
    restored_s: float
    limit_s: float
    supervisory: bool = False
    note: str = ""


# Suspicions take longer than 100 s by intent: what a loud event does for minutes must raise none.
_LEARNED = "needs an hour of sound first"
_TABLE = (
    FaultKind("no-audio", "no sound arrives, or all microphones are silent", 4.0, 3.0, NO_AUDIO_S),
    FaultKind("lost-audio", "samples were lost", 0.0, 60.0, ANY_S, note="shown with the next sound"),
    FaultKind("mic-silent", "the microphone is digitally silent", 15.0, 10.0, CHANNEL_S),
    FaultKind("mic-flat", "the microphone is stuck at one value", 15.0, 10.0, CHANNEL_S),
    FaultKind(
        "mic-clipped",
        "the microphone is overloaded",
        20.0,
        20.0,
        CHANNEL_S,
        supervisory=True,
        note="after 300 s while the others are loud too, and during the first hour",
    ),
    FaultKind(
        "mic-level",
        "the microphone is louder or quieter than it long was",
        600.0,
        300.0,
        1_800.0,
        supervisory=True,
        note=f"{_LEARNED}; when louder, after 6 h: rain may last",
    ),
    FaultKind(
        "mic-differs",
        "the microphone hears less or more than the others, other than it long was",
        600.0,
        300.0,
        900.0,
        supervisory=True,
        note=f"{_LEARNED}, but not when it hears next to nothing; after 2 min when it alone became quiet",
    ),
    FaultKind(
        "mic-lag",
        "the channel is late or early against the others",
        1_200.0,
        1_200.0,
        3_600.0,
        note=f"{_LEARNED}, and steady noise in the cabin; elsewhere it says that it is not observable",
    ),
    FaultKind(
        "mics-swapped",
        "channels look exchanged",
        1_200.0,
        1_200.0,
        3_600.0,
        note=f"{_LEARNED}, and steady noise in the cabin or unlike microphones",
    ),
    FaultKind("clock-drift", "the sound card's clock drifts", 60.0, 60.0, ANY_S, supervisory=True),
    FaultKind("slow", "the watch does not keep up with the sound", 5.0, 10.0, CHANNEL_S),
    FaultKind("disk", "little space is left on the disk", 0.0, 10.0, ANY_S),
    FaultKind("output", "an output does not work", 0.0, 0.0, ANY_S),
    FaultKind("store", "events cannot be stored", 0.0, 0.0, ANY_S),
    FaultKind(
        "not-localizable", "too few microphones work to name a cell; alarms are still raised", 0.0, 0.0, CHANNEL_S
    ),
)
_BY_CODE = {kind.code: kind for kind in _TABLE}


def fault_table() -> tuple[FaultKind, ...]:
    """All faults, in the order in which they are documented."""
    return _TABLE


def fault_kind(code: str) -> FaultKind:
    """The row of a code; a code that is not in the table is a fault that is shown at once."""
    return _BY_CODE.get(code) or FaultKind(code, code, 0.0, 0.0, ANY_S)
