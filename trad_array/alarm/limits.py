"""Limits of the alarm logic, modelled on the practice of fire panels. They are our own; no standard is claimed."""

from dataclasses import dataclass

from trad_array.errors import ConfigError

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """Limits of the alarm logic; our choice.

    off_s : s after its end for which a sound still counts
    lapse_s : s without a word about a sound after which it is taken for over; the trigger ends each after 120 s
    sounds_again_s : s after which a fault that was acknowledged or silenced sounds again, if it still holds
    disable_s, disable_most_s : s, of a disablement: when nothing is said, and at most
    test_s, test_most_s : s, the same of a test
    cells, mics, outputs : names that can be disabled, never all of one kind; not checked where empty
    """

    off_s: float = 10.0
    lapse_s: float = 300.0
    sounds_again_s: float = 24 * _HOUR_S
    disable_s: float = 8 * _HOUR_S
    disable_most_s: float = 30 * 24 * _HOUR_S
    test_s: float = 0.5 * _HOUR_S
    test_most_s: float = 8 * _HOUR_S
    cells: tuple[str, ...] = ()
    mics: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("off_s", 0.0, 600.0),
            ("lapse_s", 150.0, 3600.0),
            ("sounds_again_s", 60.0, 24 * _HOUR_S),
            ("disable_s", 1.0, self.disable_most_s),
            ("disable_most_s", self.disable_s, 366 * 24 * _HOUR_S),
            ("test_s", 1.0, self.test_most_s),
            ("test_most_s", self.test_s, 24 * _HOUR_S),
        ):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"alarm.{name}: expected {low:g} to {high:g} s, found {getattr(self, name):g}")

    def names(self, kind: str) -> tuple[str, ...] | None:
        """Names of all cells, microphones or outputs; None for another kind."""
        return {"cell": self.cells, "mic": self.mics, "output": self.outputs}.get(kind)
