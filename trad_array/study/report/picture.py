"""A picture of a report before it is drawn, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a report.

    file : name of its PNG
    heading : of the section it belongs to
    words : what it says, one line
    caption : how it came about
    draw : makes the figure
    folded : whether the page shows it only when asked
    step : one of several of its section that are shown one at a time
    """

    file: str
    heading: str
    words: str
    caption: str
    draw: Callable[[], "Figure"]
    folded: bool = False
    step: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A section without a picture, and why."""

    heading: str
    why: str
