"""Limits of the supervision of the array, and what it is told of the machine it runs on."""

from dataclasses import dataclass, field

from trad_array.alarm.lags import LagRule
from trad_array.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HealthRule:
    """Limits of the supervision; how long each must hold stands in the table of faults. Our choice.

    mics : names of the microphones, in the order of the channels
    needed : working microphones that the localizer needs
    clipped_share : of the samples of a second, from which the second is overloaded
    loud_db : the others are loud too from here on, over what long was usual; then an overload may be the sound's
    learn_minutes : of sound before levels are judged
    quieter_db, louder_db : outside the levels of ordinary minutes
    louder_after_s : s, for which a microphone must be louder: rain may last
    differs_db : against the others, compared with what long was usual
    deaf_db : against the others, whatever was usual
    fell_db : alone and so much quieter: no sound does that
    queued_s, queued_ok_s : s that sound waits for the watch: too long, and well again
    drift_ppm, drift_ok_ppm : of the card's clock
    free_bytes, free_ok_bytes : on the disk
    lags : see there
    """

    mics: tuple[str, ...]
    needed: int = 3
    clipped_share: float = 0.001
    loud_db: float = 10.0
    learn_minutes: int = 60
    quieter_db: float = 15.0
    louder_db: float = 20.0
    louder_after_s: float = 6 * 3600.0
    differs_db: float = 10.0
    deaf_db: float = 40.0
    fell_db: float = 12.0
    queued_s: float = 2.0
    queued_ok_s: float = 0.5
    drift_ppm: float = 300.0
    drift_ok_ppm: float = 200.0
    free_bytes: int = 500_000_000
    free_ok_bytes: int = 1_000_000_000
    lags: LagRule = field(default_factory=LagRule)

    def __post_init__(self) -> None:
        if not self.mics or len(set(self.mics)) != len(self.mics):
            raise ConfigError(f"health: expected names of microphones, each once, found {', '.join(self.mics)!r}")
        if not 1 <= self.needed or not 0.0 < self.clipped_share < 1.0:
            raise ConfigError("health: expected needed of at least 1 and clipped_share between 0 and 1")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the watch knows beside the sound; None where nobody looked.

    drift_ppm : of the card's clock against the monotonic one
    free_bytes : on the disk of the store
    outputs : name and trouble of every output, "" when it works
    store : its trouble, "" when it works
    disabled : microphones that an operator has disabled
    """

    drift_ppm: float | None = None
    free_bytes: int | None = None
    outputs: tuple[tuple[str, str], ...] | None = None
    store: str | None = None
    disabled: tuple[str, ...] | None = None
