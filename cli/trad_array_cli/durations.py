"""Durations as people write them: 90, 90s, 15m, 8h, 2d."""

import re
from typing import Any

import click

_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Duration(click.ParamType[float]):
    """Seconds from a number with one of the units s, m, h, d; without a unit, seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value))
        if match is None or float(match[1]) <= 0.0:
            self.fail(f"expected a duration like 30s, 15m, 8h or 2d, found {value!r}", param, ctx)
        return float(match[1]) * _UNITS_S[match[2]]


DURATION = Duration()


def spoken(seconds: float) -> str:
    """A duration for a person, two figures at most: 42 s, 12 min, 3.5 h, 2.1 d."""
    for limit, unit, size in ((100.0, "s", 1.0), (6000.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400.0:.3g} d"
