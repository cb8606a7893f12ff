"""How far the spectral engine is from the time engine: the same events through both, and what differs.

Both engines are given the same cells, hisses, displaced microphones and stretches of noise; what is drawn inside them
is not the same, so that their shares of right cells scatter like those of two samples.
"""

from dataclasses import dataclass, replace

import numpy as np

from trad_array.reliability import wilson
from trad_array.study.records import ALL_MICS, Choice, Condition, Study

# Operating points of a study at which the engines are held against each other. Our choice.
SAMPLE = 6


@dataclass(frozen=True, slots=True)
class Agreement:
    """Right cells of both engines, among as many events each."""

    n: int
    time: int
    spectral: int

    @property
    def difference(self) -> float:
        """Share of right cells, spectral less time."""
        return (self.spectral - self.time) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference."""
        return difference_interval(self.spectral, self.n, self.time, self.n)


def difference_interval(right: int, n: int, other_right: int, other_n: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares of samples that know nothing of each other.

    Newcombe, Statistics in Medicine 17, 1998, method 10: from the Wilson intervals of both.
    """
    p, q = right / n, other_right / other_n
    p_low, p_high = (float(end) for end in wilson(right, n))
    q_low, q_high = (float(end) for end in wilson(other_right, other_n))
    return p - q - float(np.hypot(p - p_low, q_high - q)), p - q + float(np.hypot(p_high - p, q - q_low))


def sample(study: Study) -> tuple[tuple[Choice, Condition], ...]:
    """Operating points of a study at which both engines are run: spread over its layouts and conditions."""
    pairs = [(choice, condition) for condition in study.conditions for choice in study.choices]
    count = min(SAMPLE, len(pairs))
    chosen = [pairs[int(k)] for k in np.linspace(0, len(pairs) - 1, count)]
    return tuple((choice, _with_a_loss(study, choice, condition, k)) for k, (choice, condition) in enumerate(chosen))


def _with_a_loss(study: Study, choice: Choice, condition: Condition, number: int) -> Condition:
    """Every second point of a study that tries the loss of each microphone has one lost, each in turn."""
    n = len(choice.points)
    if not study.each_dead or condition.dead != ALL_MICS or number % 2 == 0 or n < 3:
        return condition
    return replace(condition, dead=number // 2 % n)
