"""Faults of the cables, seen in the samples alone: channels without sound, and one signal on two channels."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from trad_array.localization.place import DEAD_DBFS
from trad_array.records import Recording

# One channel predicts the other but for this share of its power: no two microphones are so alike (our choice).
_SAME_SHARE = 1e-3
# A channel this far below the median one hardly hears anything.
_DEAF_DB = 40.0


@dataclass(frozen=True, slots=True)
class WiringFault:
    """One fault.

    kind : "dead", "deaf" or "identical"
    mics : indices of the microphones
    """

    kind: str
    mics: tuple[int, ...]


def find_wiring_faults(recording: Recording) -> tuple[WiringFault, ...]:
    """Dead, deaf and identical channels of a recording, in the order of the microphones."""
    # Differences twice: low frequencies, which are alike at all microphones, count little.
    sound = np.diff(recording.samples.astype(np.float64), n=2, axis=1)
    level_db = 10 * np.log10(np.mean(recording.samples.astype(np.float64) ** 2, axis=1) + 1e-30)
    varying = np.ptp(sound, axis=1) > 0
    dead = [k for k in range(len(sound)) if level_db[k] < DEAD_DBFS or not varying[k]]
    live = [k for k in range(len(sound)) if k not in dead]
    middle = float(np.median(level_db[live])) if live else 0.0
    faults = [WiringFault("dead", (k,)) for k in dead]
    faults += [WiringFault("deaf", (k,)) for k in live if level_db[k] < middle - _DEAF_DB]
    power = np.einsum("kn,kn->k", sound, sound)
    for i, j in combinations(live, 2):
        common = float(sound[i] @ sound[j]) ** 2 / (power[i] * power[j])
        if 1.0 - common < _SAME_SHARE:
            faults.append(WiringFault("identical", (i, j)))
    return tuple(faults)
