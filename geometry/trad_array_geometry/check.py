"""Can this array tell its cells apart? Answered from positions alone, before anyone mounts it.

Two cells look alike when no pair of microphones hears a delay difference between them. The largest difference over
all pairs equals the spread over microphones of the difference in travel time, which needs no loop over pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.layout import Layout
from trad_array_geometry.travel import travel_times

# Verdicts on the largest delay difference, our choice: a correlation of 2 to 7 kHz falls to half within 60 us of its
# peak, and 20 mm of microphone error or two samples of skew at 16 kHz are 60 and 125 us.
CLEAR_US = 120.0
WEAK_US = 30.0
# Microphones whose best plane misses none of them by more than this count as coplanar, one line likewise (our choice:
# what a careful person reaches with a tape measure).
FLAT_M = 0.01
REFERENCE_FS = 16_000
# An image nearer to its cell than this is no place of its own: a cell near the plane is its own image.
MIRROR_APART_M = 0.1


@dataclass(frozen=True, slots=True)
class CellPair:
    """Two cells and how far apart they are for the array.

    delay_us : largest difference of a pair delay, microseconds
    samples : the same in samples at 16 kHz
    """

    first: str
    second: str
    delay_us: float
    samples: float


@dataclass(frozen=True, slots=True)
class LayoutCheck:
    """What `check_layout` found.

    worst : the pairs of cells that look most alike, worst first
    clear, weak, alike : number of pairs whose largest delay difference is at least 120 us, at least 30 us, and below
    flatness_m : distance of the farthest microphone from the best plane through them
    coplanar, collinear : all microphones within 10 mm of a plane, of a line
    mirror_us : largest delay difference between a cell and its mirror image in that plane, smallest over the cells
        whose image is at least 0.1 m away: how far a sound from the wrong side is from passing for a cell; 0 for
        coplanar microphones
    mirror_cell : the cell for which it is smallest
    mirror_in_room : whether that mirror image lies in the room, or None when the room is not known
    """

    n_mics: int
    n_cells: int
    worst: tuple[CellPair, ...]
    clear: int
    weak: int
    alike: int
    flatness_m: float
    coplanar: bool
    collinear: bool
    mirror_us: float
    mirror_cell: str
    mirror_in_room: bool | None

    @property
    def verdict(self) -> str:
        """`clear`, `weak` or `alike`: the worst pair decides."""
        if self.alike:
            return "alike"
        return "weak" if self.weak else "clear"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if not self.worst:
            return "There is one cell only; nothing can be mistaken for it but sounds from elsewhere."
        pair = self.worst[0]
        names = f"{pair.first} and {pair.second} (at most {pair.delay_us:.0f} us, {pair.samples:.1f} samples)"
        if self.alike:
            return f"This array cannot tell all cells apart: {self.alike} pairs look alike, first of all {names}."
        if self.weak:
            return f"This array tells the cells apart only with care: {self.weak} pairs are weak, the worst is {names}."
        return f"This array can tell all cells apart; the two most alike are {names}."

    @property
    def mirror_sentence(self) -> str:
        """Coplanarity and mirror ambiguity in words."""
        if self.collinear:
            return "The microphones lie on one line: every point around that line sounds the same to them."
        place = {None: "", True: ", and that place is inside the room", False: ", but that place is outside the room"}
        where = place[self.mirror_in_room]
        if self.coplanar:
            return f"The microphones lie in one plane: above and below it cannot be told apart{where}."
        return (
            f"The microphones miss one plane by {self.flatness_m * 1000:.0f} mm; the mirror image of "
            f"{self.mirror_cell} differs from it by {self.mirror_us:.0f} us{where}."
        )


def check_layout(layout: Layout, *, n_worst: int = 10) -> LayoutCheck:
    """Look at every pair of cells, and at the mirror image of every cell.

    Raises
    ------
    LayoutError
        If fewer than two microphones form the array.
    """
    mics = layout.mics[layout.array_mics]
    if len(mics) < 2:
        raise LayoutError(f"{layout.id}: mics: expected at least two of role array, found {len(mics)}")
    times_us = 1e6 * travel_times(layout.cells, mics, speed_of_sound=layout.speed_of_sound)
    worst, counts = _compare_cells(layout, times_us, n_worst)
    centre, spreads, axes = _principal_axes(mics)
    normal = axes[-1]
    mirrored = layout.cells - 2.0 * ((layout.cells - centre) @ normal)[:, None] * normal
    mirror_us = np.ptp(1e6 * travel_times(mirrored, mics, speed_of_sound=layout.speed_of_sound) - times_us, axis=1)
    apart = np.linalg.norm(mirrored - layout.cells, axis=1) >= MIRROR_APART_M
    nearest = int((np.where(apart, mirror_us, np.inf) if apart.any() else mirror_us).argmin())
    return LayoutCheck(
        n_mics=len(mics),
        n_cells=layout.n_cells,
        worst=worst,
        clear=counts[0],
        weak=counts[1],
        alike=counts[2],
        flatness_m=float(np.abs((mics - centre) @ normal).max()) if len(mics) > 3 else 0.0,
        coplanar=len(mics) <= 3 or bool(spreads[2] <= FLAT_M),
        collinear=len(mics) <= 2 or bool(spreads[1] <= FLAT_M),
        mirror_us=float(mirror_us[nearest]),
        mirror_cell=layout.cell_names[nearest],
        mirror_in_room=_inside(mirrored[nearest], layout.box_m),
    )


def cell_differences_us(times_us: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
    """Largest pair-delay difference between one cell and every cell, shape (n_cells,).

    times_us : array, shape (n_cells, n_mics), travel times, microseconds
    """
    differences: NDArray[np.float64] = np.ptp(times_us - times_us[cell], axis=1)
    return differences


def _compare_cells(
    layout: Layout, times_us: NDArray[np.float64], n_worst: int
) -> tuple[tuple[CellPair, ...], tuple[int, int, int]]:
    """The most alike pairs, worst first, and how many pairs are clear, weak and alike."""
    clear = weak = alike = 0
    candidates: list[tuple[float, int, int]] = []
    for cell in range(layout.n_cells - 1):
        differences = cell_differences_us(times_us[cell:], 0)[1:]
        clear += int((differences >= CLEAR_US).sum())
        alike += int((differences < WEAK_US).sum())
        weak += int(((differences >= WEAK_US) & (differences < CLEAR_US)).sum())
        nearest = np.argsort(differences, kind="stable")[:n_worst]
        candidates += [(float(differences[k]), cell, cell + 1 + int(k)) for k in nearest]
    names = layout.cell_names
    worst = tuple(
        CellPair(names[a], names[b], delay_us, delay_us * 1e-6 * REFERENCE_FS)
        for delay_us, a, b in sorted(candidates)[:n_worst]
    )
    return worst, (clear, weak, alike)


def _principal_axes(
    mics: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre, largest distance from it along each axis (3,), and the axes (3, 3), longest first."""
    centre = mics.mean(axis=0)
    _, _, axes = np.linalg.svd(mics - centre, full_matrices=True)
    spreads = np.abs((mics - centre) @ axes.T).max(axis=0)
    return centre, spreads, axes


def _inside(point: NDArray[np.float64], box_m: NDArray[np.float64] | None) -> bool | None:
    return None if box_m is None else bool(((point >= box_m[0]) & (point <= box_m[1])).all())
