"""What a picture of the site shows: shares of cells gathered where cells stand on top of each other or are too many."""

from dataclasses import dataclass
from os.path import commonprefix

import numpy as np
from numpy.typing import NDArray

from trad_array.study.report.scores import ByCell
from trad_array.study.report.shares import Share
from trad_array_geometry import Layout, frozen_array

# With fewer vents than this no share of a single cell is worth a number: its interval is wider than 40 points.
ENOUGH = 20


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """Fields of a picture, each one or several cells.

    centres, sizes : (n, 2), m, in the plane of the picture
    names : n; n, right : (n,), vents and those in the right cell; error_m : (n,), m, NaN where nothing vented
    """

    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    names: tuple[str, ...]
    n: NDArray[np.int64]
    right: NDArray[np.int64]
    error_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("centres", "sizes", "error_m"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        for name in ("n", "right"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.int64))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def p(self) -> NDArray[np.float64]:
        """Share of each field, NaN where nothing vented."""
        return np.where(self.n > 0, self.right / np.maximum(self.n, 1), np.nan)

    def share(self, k: int) -> Share:
        """Counts of one field."""
        return Share(int(self.right[k]), int(self.n[k]))

    def worst(self) -> int | None:
        """The field with the lowest share, None when nothing vented."""
        return int(np.nanargmin(self.p)) if (self.n > 0).any() else None


def enough(by_cell: ByCell) -> bool:
    """Whether most cells vented often enough for the worst of them to be named."""
    return bool(len(by_cell.n)) and float(np.median(by_cell.n)) >= ENOUGH


def cell_counts(layout: Layout, by_cell: ByCell) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Vents, right ones and the mean error of every cell of the layout; each (n_cells,)."""
    place = {name: k for k, name in enumerate(layout.cell_names)}
    n, right = np.zeros(layout.n_cells, dtype=np.int64), np.zeros(layout.n_cells, dtype=np.int64)
    error = np.full(layout.n_cells, np.nan)
    known = [k for k, name in enumerate(by_cell.names) if str(name) in place]
    at = [place[str(by_cell.names[k])] for k in known]
    n[at], right[at], error[at] = by_cell.n[known], by_cell.right[known], by_cell.error_m[known]
    return n, right, error


def from_above(layout: Layout, by_cell: ByCell) -> Fields:
    """Cells seen from above; those on top of each other are one field."""
    _, first, column = np.unique(np.round(layout.cells[:, :2], 4), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    column = rank[column.reshape(-1)]
    first = first[order]
    stacked = len(first) < layout.n_cells
    names = tuple("" if stacked else layout.cell_names[k] for k in first)
    sizes = np.tile(layout.cell_size_m, (len(first), 1))
    return _gathered(layout, by_cell, column, centres=layout.cells[first, :2], sizes=sizes, names=names)


def packs_from_the_side(layout: Layout, by_cell: ByCell, packs: NDArray[np.intp]) -> Fields:
    """Packs of one rack row seen from the side, x and z."""
    width, _ = layout.cell_size_m
    levels = np.unique(np.round(layout.cells[:, 2], 4))
    tall = 0.8 * float(np.diff(levels).min(initial=0.25))
    field = np.full(layout.n_cells, -1)
    centres, sizes = [], []
    for number, pack in enumerate(packs):
        mine = layout.cell_packs == pack
        field[mine] = number
        low, high = layout.cells[mine].min(axis=0), layout.cells[mine].max(axis=0)
        centres.append(((low[0] + high[0]) / 2, low[2] - tall / 2))
        sizes.append((high[0] - low[0] + width, tall))
    names = tuple(layout.pack_names[pack] for pack in packs)
    return _gathered(layout, by_cell, field, centres=np.array(centres), sizes=np.array(sizes), names=names)


def cells_from_the_side(layout: Layout, by_cell: ByCell) -> Fields:
    """Cells seen from the side, x and z; those behind each other are one field."""
    width, _ = layout.cell_size_m
    levels = np.unique(np.round(layout.cells[:, 2], 4))
    tall = 0.8 * float(np.diff(levels).min(initial=0.25))
    _, first, column = np.unique(np.round(layout.cells[:, [0, 2]], 4), axis=0, return_index=True, return_inverse=True)
    centres = layout.cells[first][:, [0, 2]] - (0.0, tall / 2)
    sizes = np.tile((width, tall), (len(first), 1))
    return _gathered(layout, by_cell, column.reshape(-1), centres=centres, sizes=sizes, names=("",) * len(first))


def stacks(layout: Layout) -> list[tuple[str, NDArray[np.float64], NDArray[np.intp]]]:
    """Packs that stand on top of each other: what to call the stack, its middle x, y in m, its cells."""
    found: dict[tuple[float, float], list[int]] = {}
    for pack in range(len(layout.pack_names)):
        x, y = np.round(layout.cells[layout.cell_packs == pack, :2].mean(axis=0), 3)
        found.setdefault((float(x), float(y)), []).append(pack)
    return [
        (
            _stack_name([layout.pack_names[p] for p in packs]),
            np.array(at),
            np.flatnonzero(np.isin(layout.cell_packs, packs)),
        )
        for at, packs in found.items()
    ]


def _stack_name(names: list[str]) -> str:
    """K11 of K11L1 to K11L8; the only name when there is one."""
    if len(names) == 1:
        return names[0]
    start = commonprefix(names)
    short = start.rstrip("-_ ").rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    return short or start or f"{names[0]} to {names[-1]}"


def _gathered(
    layout: Layout,
    by_cell: ByCell,
    field: NDArray[np.intp],
    *,
    centres: NDArray[np.float64],
    sizes: NDArray[np.float64],
    names: tuple[str, ...],
) -> Fields:
    """Counts of the cells of each field added up; cells of field -1 are left out."""
    n, right, error = cell_counts(layout, by_cell)
    use, size = field >= 0, len(names)
    total = np.bincount(field[use], n[use], minlength=size)
    hits = np.bincount(field[use], right[use], minlength=size)
    errors = np.bincount(field[use], (np.nan_to_num(error) * n)[use], minlength=size)
    mean = np.where(total > 0, errors / np.maximum(total, 1), np.nan)
    return Fields(centres, sizes, names, total, hits, mean)
