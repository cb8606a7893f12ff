"""Does the sound come from a cell at all? The array as a gate, after the map and before the alarm.

Spectra alone cannot tell a vent from an air tool or from rain; but a cell that vents is somewhere known. Five clues are
weighed against each other. The weights come from a logistic regression on simulated everyday sounds and vents, as
benchmarks/detection/fit_gate.py makes them; threshold, margins and doubt are our choice on others. No table reports any
of these. The gate grades, it swallows nothing: what it does not let through is told as a sound from elsewhere, from no
single place, or as not placed.
"""

from dataclasses import dataclass

import numpy as np

# What a sound is when it is not placed in a cell.
ELSEWHERE, DIFFUSE, UNPLACED = "elsewhere", "diffuse", "unplaced"


@dataclass(frozen=True, slots=True)
class Clues:
    """What the map knows about "from a cell or not".

    cells : log-evidence of "a cell" over "no sound from a place", nats
    room : the same of "elsewhere in the room", levels at the microphones included
    lead : log-evidence of "a cell" over "elsewhere in the room or from everywhere", levels included
    share : correlation at the best cell over what the pairs could reach together, consistent with a place or not
    strength : correlation at the best cell over the spread of the noise
    fit : evidence of the best cell over what any delays could reach, microphones off by as much as the layout says
    heard_s : sound after the onset that the map was made from
    distance_m : from the best cell to the microphones, median
    """

    cells: float
    room: float
    lead: float
    share: float
    strength: float
    fit: float
    heard_s: float
    distance_m: float

    def vector(self) -> tuple[float, ...]:
        """The five clues as the gate weighs them: logarithms, so that a loud sound is not a thousand times as sure."""
        return (
            float(np.log(max(self.share, 0.01))),
            float(np.log(max(self.strength, 0.1))),
            _squeezed(self.cells),
            _squeezed(self.lead),
            self.fit,
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """Log-odds that a sound comes from a cell.

    weights : of the clues, in the order of `Clues.vector`
    bias : log-odds without any clue
    threshold : log-odds from which on a sound counts as from a cell; `trad-array learn` finds it for a site
    short_s, short_margin : a map from less sound must be so much surer: chance is great in a tenth of a second
    far_m, far_margin : where the microphones are farther from the cell than this, echoes are louder than the direct
        sound, chance makes more of them, and a map must be so much surer
    doubt : log-odds below which a sound is certainly not from a cell; between this and the threshold nobody can tell
    clear : nats by which a place elsewhere must stand out to be named
    """

    weights: tuple[float, float, float, float, float] = (-4.29, 3.18, -0.99, 2.59, 4.60)
    bias: float = -10.25
    threshold: float = 3.0
    short_s: float = 0.25
    short_margin: float = 2.0
    far_m: float = 1.0
    far_margin: float = 0.5
    doubt: float = -1.5
    clear: float = 2.0

    def __call__(self, clues: Clues) -> float:
        """Log-odds of "from a cell" above the threshold: positive lets the sound through."""
        margin = self.short_margin if clues.heard_s < self.short_s else 0.0
        return self.log_odds(clues) - self.threshold - margin

    def log_odds(self, clues: Clues) -> float:
        """Log-odds of "from a cell" before any threshold, vents and everyday sounds being as frequent."""
        margin = self.far_margin if clues.distance_m > self.far_m else 0.0
        return float(np.dot(self.weights, clues.vector())) + self.bias - margin

    def otherwise(self, clues: Clues) -> str:
        """What the sound is when it is not let through."""
        if self.log_odds(clues) >= self.doubt:
            return UNPLACED
        return ELSEWHERE if clues.room >= self.clear and clues.room > clues.cells else DIFFUSE


def _squeezed(nats: float) -> float:
    return float(np.sign(nats) * np.log1p(abs(nats)))
