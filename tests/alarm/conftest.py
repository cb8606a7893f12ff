"""A watch on a virtual clock: pictures of what sounds in, pictures of levels out."""

import numpy as np
import pytest

from trad_array.alarm.health import FaultChange, HealthRule, health_step, start_health
from trad_array.alarm.rule import Action, AlarmRule, AlarmState, Change, Sound, alarm_step
from trad_array.audio.captured import Captured, NoSound
from trad_array.simulation import simulate_scene
from trad_array_geometry import load_layout

CELLS = {"1": "R1C01", "2": "R1C02", "3": "R1C03"}
LEVELS = {"normal": ".", "alert": "a", "alarm": "A"}


class Clock:
    """Steps the alarm logic and keeps all changes."""

    def __init__(self, rule: AlarmRule) -> None:
        self.rule, self.state, self.now_s = rule, AlarmState(), 0.0
        self.changes: list[Change] = []
        self._on = ""

    def at(self, now_s: float, *given) -> tuple[Change, ...]:
        """Hand over sounds, faults and actions at a time."""
        self.now_s = now_s
        sounds = [g for g in given if isinstance(g, Sound)]
        actions = [g for g in given if isinstance(g, Action)]
        faults = [g for g in given if not isinstance(g, Sound | Action)]
        self.state, changes = alarm_step(
            self.rule, self.state, now_s=now_s, sounds=sounds, faults=faults, actions=actions
        )
        self.changes += changes
        return changes

    def after(self, seconds: float, *given) -> tuple[Change, ...]:
        return self.at(self.now_s + seconds, *given)

    def do(self, kind: str, subject: str = "", *, by: str = "Ada", until_s: float | None = None, comment: str = ""):
        """An action now; its changes."""
        return self.at(self.now_s, Action(kind, by, comment, subject, until_s))

    def kinds(self) -> list[str]:
        return [change.kind for change in self.changes]

    def play(self, picture: str) -> str:
        """One character a second: `.` quiet, `-` alert, `#` lasting and placed nowhere, `r` report, 1 to 3 a cell.

        A sound goes on until the next `.`. Gives the level after each second.
        """
        levels, on = "", self._on
        for character in picture:
            given = []
            if character == "." and on:
                given, on = [Sound(on, self._level, self._cell, over=True)], ""
            elif character != ".":
                on = on or f"s{self.now_s:g}"
                self._cell = CELLS.get(character)
                self._level = {"-": "alert", "r": "report"}.get(character, "alarm")
                given = [Sound(on, self._level, self._cell)]
            self.after(1.0, *given)
            levels += LEVELS[self.state.level]
        self._on = on
        return levels


@pytest.fixture
def clock() -> Clock:
    rule = AlarmRule(cells=tuple(CELLS.values()), mics=("A", "B", "C", "D"), outputs=("json", "siren"))
    return Clock(rule)


FS = 16_000
MICS = ("A", "B", "C", "D")


class Watchman:
    """Feeds the health of the array with sound on the stream's clock and keeps what it says, with the times."""

    def __init__(self, sound: np.ndarray, *, fs: int = FS, rule: HealthRule | None = None, piece_s: float = 1.0):
        self.rule = rule or HealthRule(mics=MICS)
        self.state = start_health(self.rule)
        self.sound, self.fs, self.size = sound, fs, round(piece_s * fs)
        self.at, self.now_s = 0, 0.0
        self.told: list[tuple[float, FaultChange]] = []

    def step(self, now_s: float, piece=None, machine=None) -> None:
        self.now_s = now_s
        self.state, changes = health_step(self.rule, self.state, now_s=now_s, piece=piece, machine=machine)
        self.told += [(now_s, change) for change in changes]

    def hear(self, seconds: float, spoil=None, *, sound: np.ndarray | None = None, lost: int = 0, **piece) -> None:
        """Sound goes on from where it was; `spoil` does something to the samples of each piece, (n_mics, n)."""
        source = self.sound if sound is None else sound
        for _ in range(round(seconds * self.fs / self.size)):
            first = self.at % (source.shape[1] - self.size)
            samples = source[:, first : first + self.size].copy()
            if spoil is not None:
                samples = spoil(samples)
            captured = Captured(samples, self.at, self.fs, lost=lost, **piece)
            self.at += self.size + lost
            lost = 0
            self.step(self.now_s + self.size / self.fs, captured)

    def silence(self, seconds: int) -> None:
        """No sound arrives; the clock goes on."""
        for k in range(seconds):
            self.step(self.now_s + 1.0, NoSound(k + 1.0, "nothing from the card"))

    def when(self, code: str, subject: str = "", *, raised: bool = True, after_s: float = 0.0) -> float:
        """When it was raised, or over; infinite when it was not."""
        times = (t for t, c in self.told if (c.code, c.subject, c.raised) == (code, subject, raised) and t >= after_s)
        return min(times, default=float("inf"))

    @property
    def codes(self) -> set[str]:
        return {change.code for _, change in self.told}


@pytest.fixture(scope="session")
def cabin_noise() -> np.ndarray:
    """A minute and a half of a simulated cabin: fans, a converter, moving air; (4, n)."""
    scene = simulate_scene(load_layout("pack-corners"), rng=np.random.default_rng(3), seconds=97.0, rt60_s=0.4)
    return scene.recording.samples


@pytest.fixture
def new_watchman() -> type[Watchman]:
    return Watchman


@pytest.fixture
def watchman(cabin_noise) -> Watchman:
    return Watchman(cabin_noise)


@pytest.fixture(scope="session")
def _learned(cabin_noise) -> Watchman:
    """One that has heard the cabin for more than an hour."""
    watchman = Watchman(cabin_noise)
    watchman.hear(3_700.0)
    assert watchman.told == []
    return watchman


@pytest.fixture
def old_hand(_learned, cabin_noise) -> Watchman:
    """A copy of one that has heard the cabin for more than an hour."""
    watchman = Watchman(cabin_noise)
    watchman.state, watchman.now_s, watchman.at = _learned.state, _learned.now_s, _learned.at
    return watchman
