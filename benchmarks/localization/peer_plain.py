"""The toolkit's own plain near-field SRP-PHAT, as a row beside the peers."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.cells import Cells
from trad_array.records import Block
from trad_array_geometry import Layout


@dataclass(frozen=True, slots=True)
class PlainSrp:
    """`trad_array.localization.cells.Cells` with its defaults; a cell's score is its steered power.

    The room around the cells is not searched: no peer searches it either, and the cells' powers do not depend on it.
    """

    name: str = "plain SRP"

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        return Cells()(Block(samples, 0, fs), _without_room(layout), speed_of_sound=speed_of_sound).power


PEERS = (PlainSrp(),)


@lru_cache(maxsize=8)
def _without_room(layout: Layout) -> Layout:
    return replace(layout, box_m=None)
