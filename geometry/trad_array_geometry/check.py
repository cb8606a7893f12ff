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
    doubles : number of cells that look like another one
    crowd, crowd_cell : how many others the cell with the most of them looks like, and its name
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
    doubles: int
    crowd: int
    crowd_cell: str
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
    def delays_sentence(self) -> str:
        """What fewer than four microphones can say at all; empty for four and more."""
        if self.n_mics > 3:
            return ""
        where = "a curve of places" if self.n_mics == 3 else "a whole surface of places (a hyperboloid)"
        count = {2: "Two microphones give one delay", 3: "Three microphones give two delays"}[self.n_mics]
        if not self.doubles:
            return f"{count}: each sound fits {where}; no two of the cells lie on the same."
        most = f"{self.crowd_cell} like {self.crowd} other{'s' if self.crowd > 1 else ''}"
        return f"{count}: each sound fits {where}; {self.doubles} of {self.n_cells} cells look like another, {most}."

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


def check_layout(layout: Layout, *, n_worst: int = 10, reach_m: float = np.inf) -> LayoutCheck:
    """Look at every pair of cells, and at the mirror image of every cell.

    Parameters
    ----------
    layout : Layout
    n_worst : int, how many pairs to name
    reach_m : float, m
        Two cells are compared by the microphones that are within this of at least one of them.

    Raises
    ------
    LayoutError
        If fewer than two microphones form the array.
    """
    heard = within_reach(layout, reach_m)
    mics = layout.mics[layout.array_mics]
    times_us = 1e6 * travel_times(layout.cells, mics, speed_of_sound=layout.speed_of_sound)
    pairs = _compare_cells(times_us, heard, n_worst)
    names = layout.cell_names
    centre, spreads, axes = _principal_axes(mics)
    normal = axes[-1]
    mirrored = layout.cells - 2.0 * ((layout.cells - centre) @ normal)[:, None] * normal
    mirror_us = np.ptp(1e6 * travel_times(mirrored, mics, speed_of_sound=layout.speed_of_sound) - times_us, axis=1)
    apart = np.linalg.norm(mirrored - layout.cells, axis=1) >= MIRROR_APART_M
    nearest = int((np.where(apart, mirror_us, np.inf) if apart.any() else mirror_us).argmin())
    return LayoutCheck(
        n_mics=len(mics),
        n_cells=layout.n_cells,
        worst=tuple(CellPair(names[a], names[b], us, us * 1e-6 * REFERENCE_FS) for us, a, b in pairs.worst),
        clear=pairs.clear,
        weak=pairs.weak,
        alike=int(pairs.lookalikes.sum()) // 2,
        doubles=int((pairs.lookalikes > 0).sum()),
        crowd=int(pairs.lookalikes.max()),
        crowd_cell=names[int(pairs.lookalikes.argmax())],
        flatness_m=float(np.abs((mics - centre) @ normal).max()) if len(mics) > 3 else 0.0,
        coplanar=len(mics) <= 3 or bool(spreads[2] <= FLAT_M),
        collinear=len(mics) <= 2 or bool(spreads[1] <= FLAT_M),
        mirror_us=float(mirror_us[nearest]),
        mirror_cell=names[nearest],
        mirror_in_room=_inside(mirrored[nearest], layout.box_m),
    )


def check_without_each(layout: Layout, *, reach_m: float = np.inf) -> tuple[tuple[str, LayoutCheck], ...]:
    """The check without each microphone of the array in turn, with its name; empty when only two form the array."""
    names = [layout.mic_names[k] for k in layout.array_mics]
    if len(names) < 3:
        return ()
    return tuple((name, check_layout(layout.without_mics([name]), n_worst=1, reach_m=reach_m)) for name in names)


def within_reach(layout: Layout, reach_m: float) -> NDArray[np.bool_]:
    """Which microphone of the array is within `reach_m` of which cell, shape (n_cells, n_array_mics).

    Raises
    ------
    LayoutError
        If fewer than two microphones form the array.
    """
    mics = layout.mics[layout.array_mics]
    if len(mics) < 2:
        raise LayoutError(f"{layout.id}: mics: expected at least two of role array, found {len(mics)}")
    distances_m = travel_times(layout.cells, mics, speed_of_sound=1.0)
    heard: NDArray[np.bool_] = distances_m <= reach_m
    return heard


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """All pairs of cells compared.

    worst : (delay difference in microseconds, first cell, second cell), most alike first
    clear, weak : number of pairs; lookalikes : (n_cells,), how many others each cell looks like
    """

    worst: list[tuple[float, int, int]]
    clear: int
    weak: int
    lookalikes: NDArray[np.intp]


def _compare_cells(times_us: NDArray[np.float64], heard: NDArray[np.bool_], n_worst: int) -> _Pairs:
    """Compare every pair of cells, one cell with all later ones at a time."""
    # Microphones first: then NumPy takes the largest of a column for many cells at once.
    times, near = np.ascontiguousarray(times_us.T), None if heard.all() else np.ascontiguousarray(heard.T)
    clear = weak = 0
    lookalikes = np.zeros(times.shape[1], dtype=np.intp)
    candidates: list[tuple[float, int, int]] = []
    for cell in range(times.shape[1] - 1):
        differences = _differences_us(times[:, cell:], None if near is None else near[:, cell:])
        alike = differences < WEAK_US
        n_clear = int((differences >= CLEAR_US).sum())
        clear += n_clear
        weak += len(differences) - n_clear - int(alike.sum())
        lookalikes[cell] += int(alike.sum())
        lookalikes[cell + 1 :] += alike
        nearest = np.argsort(differences, kind="stable")[:n_worst]
        candidates += [(float(differences[k]), cell, cell + 1 + int(k)) for k in nearest]
    return _Pairs(sorted(candidates)[:n_worst], clear, weak, lookalikes)


def _differences_us(times_us: NDArray[np.float64], near: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Largest pair-delay difference between the first cell and each of the others, shape (n_cells - 1,).

    times_us, near : (n_mics, n_cells); with `near`, by the microphones near to at least one of both cells
    """
    steps = times_us[:, 1:] - times_us[:, :1]
    if near is None:
        return np.asarray(steps.max(axis=0) - steps.min(axis=0))
    used = near[:, :1] | near[:, 1:]
    spread = np.where(used, steps, -np.inf).max(axis=0) - np.where(used, steps, np.inf).min(axis=0)
    return np.asarray(np.maximum(spread, 0.0))


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
