"""A watch on a virtual clock: pictures of what sounds in, pictures of levels out."""

import pytest

from trad_array.alarm.rule import Action, AlarmRule, AlarmState, Change, Sound, alarm_step

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
