"""Large arrays: pack first, then cell.

A table of pair delays for 48 microphones and 5000 cells under every hypothesis would need gigabytes, and microphones
six metres away hear mostly echoes. So each pack is first judged by the microphones nearest to it, every cell with one
hypothesis and wide tolerances; then the cells of the best packs are weighed in full by the microphones nearest to the
best one. Both steps use the same evidence as a small array.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.event_correlations import EventSpec, event_correlations
from trad_array.localization.evidence import own_heights, places, summed, temper, tolerant
from trad_array.localization.hypotheses import Prior, pair_sigmas
from trad_array.records import Block
from trad_array_geometry import Layout

# Height above the valve of the single hypothesis of the first step: the middle of the likely ones.
_JET_M = 0.03


@dataclass(frozen=True, slots=True)
class PackRule:
    """When and how packs come first; numbers are our choice.

    mics : microphones that judge a pack; arrays of at most so many are weighed as a whole
    packs : best packs whose cells are weighed in full
    unheard : probability, in the first step, that a pair does not hear the direct sound of a pack
    """

    mics: int = 8
    packs: int = 8
    unheard: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class _Site:
    """What the first step needs of a layout.

    near : (n_packs, n_near), indices into the array microphones, nearest first
    pairs : (n_pairs, 2), every pair that some pack needs, as indices into the array microphones, i < j
    pack_pairs : (n_packs, n_near_pairs), indices into `pairs`
    cell_delays_s : (n_near_pairs, n_cells), s, of the cell's pack, channel delays included
    pack_cells : for each pack, indices of its cells
    """

    near: NDArray[np.intp]
    pairs: NDArray[np.intp]
    pack_pairs: NDArray[np.intp]
    cell_delays_s: NDArray[np.float64]
    pack_cells: tuple[NDArray[np.intp], ...]

    @property
    def max_delay_s(self) -> float:
        return float(np.abs(self.cell_delays_s).max())


def best_packs(
    cut: Block, layout: Layout, *, onset: int, speed_of_sound: float, spec: EventSpec, prior: Prior, rule: PackRule
) -> Layout:
    """The layout with only the microphones and cells that the second step needs.

    onset : index of the first sample of the event in the cut

    Raises
    ------
    AudioError
        If the cut is too short for the microphones of a pack.
    """
    site = _site(layout, speed_of_sound, rule.mics)
    array = layout.array_mics
    found = event_correlations(
        cut.samples[array], onset=onset, fs=cut.fs, spec=spec, max_delay_s=site.max_delay_s, pairs=site.pairs
    )
    widest = pair_sigmas(layout, speed_of_sound, prior, pairs=array[site.pairs])[-1]
    heights = own_heights(found)
    log = tolerant(found, height=heights, pair_sigmas_s=widest, factor=temper(rule.mics), unheard=rule.unheard)
    scores = np.array(
        [
            summed(log[used], places(found, site.cell_delays_s[:, cells])).max(initial=-np.inf)
            for used, cells in zip(site.pack_pairs, site.pack_cells, strict=True)
        ]
    )
    order = np.argsort(-scores, kind="stable")[: rule.packs]
    cells = np.sort(np.concatenate([site.pack_cells[pack] for pack in order]))
    return _part(layout, tuple(array[site.near[order[0]]].tolist()), tuple(cells.tolist()))


@lru_cache(maxsize=16)
def _part(layout: Layout, mics: tuple[int, ...], cells: tuple[int, ...]) -> Layout:
    """Sub-layout, the same object each time, so that the tables for it are found again."""
    return layout.with_mics(sorted(mics)).with_cells(cells)


@lru_cache(maxsize=4)
def _site(layout: Layout, speed_of_sound: float, n_near: int) -> _Site:
    mics = layout.mics[layout.array_mics]
    lateness = layout.mic_delay_s[layout.array_mics]
    pack_cells = tuple(np.flatnonzero(layout.cell_packs == pack) for pack in range(len(layout.pack_names)))
    centres = np.stack([layout.cells[cells].mean(axis=0) for cells in pack_cells])
    distances = np.linalg.norm(centres[:, None] - mics[None], axis=-1)
    near = np.sort(np.argsort(distances, axis=1, kind="stable")[:, :n_near], axis=1)
    first, second = np.triu_indices(near.shape[1], k=1)
    wanted = np.stack([near[:, first], near[:, second]], axis=-1)
    pairs, places = np.unique(wanted.reshape(-1, 2), axis=0, return_inverse=True)
    delays = np.zeros((len(first), layout.n_cells))
    for pack, cells in enumerate(pack_cells):
        points = layout.cells[cells] + [0.0, 0.0, _JET_M]
        times = np.linalg.norm(mics[near[pack]][:, None] - points[None], axis=-1) / speed_of_sound
        times = times + lateness[near[pack]][:, None]
        delays[:, cells] = times[first] - times[second]
    return _Site(near, pairs, places.reshape(len(near), -1), delays, pack_cells)
