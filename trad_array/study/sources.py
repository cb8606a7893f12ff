"""Everything that sounds in a study: cells at each height of the jet, guard points, the steady noise of the cabin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.simulation.places import noise_places, room_box
from trad_array.study.records import Points, Site
from trad_array_geometry import LayoutError

# Nothing sounds nearer to a microphone than this, m: a jet that blows into it. Our choice.
CLEAR_M = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Places of sound, each once.

    positions_m : (n_sources, 3), m; names : n_sources
    cell_rows : (n_layout_cells, n_heights), row of each cell and height; -1 for a cell that is not studied
    guard_rows : rows of the guard points inside the room; noise_rows : rows of the steady noise, the converter last
    """

    positions_m: NDArray[np.float64]
    names: tuple[str, ...]
    cell_rows: NDArray[np.intp]
    guard_rows: NDArray[np.intp]
    noise_rows: NDArray[np.intp]


def sources_of(site: Site) -> Sources:
    """All places of sound of a site; two things at one place are one source.

    Raises
    ------
    LayoutError
        If the layout has no room, or a jet is outside of it.
    """
    layout, box = site.layout, room_box(site.layout)
    rows: dict[tuple[float, ...], int] = {}
    names: list[str] = []

    def row(name: str, at: NDArray[np.float64]) -> int:
        key = tuple(round(float(v), 6) for v in at)
        if key not in rows:
            rows[key] = len(rows)
            names.append(name)
        return rows[key]

    cell_rows = np.full((layout.n_cells, len(site.jet_heights_m)), -1, dtype=np.intp)
    for cell in site.cells:
        for k, height_m in enumerate(site.jet_heights_m):
            name = layout.cell_names[cell] + (f" + {height_m:g} m" if height_m else "")
            at = layout.cells[cell] + (0.0, 0.0, height_m)
            if not ((at >= box[0]) & (at <= box[1])).all():
                raise LayoutError(f"{layout.id}: jet_heights_m: expected jets inside the room, found {name}")
            cell_rows[cell, k] = row(name, at)
    guards = [
        row(name, at)
        for name, at in zip(layout.guard_names, layout.guards, strict=True)
        if ((at >= box[0]) & (at <= box[1])).all()
    ]
    noise = [row(name, at) for name, at in zip(*noise_places(layout), strict=True)]
    positions = np.array(list(rows), dtype=np.float64).reshape(-1, 3)
    return Sources(positions, tuple(names), cell_rows, np.array(guards, np.intp), np.array(noise, np.intp))


def require_clear(sources: Sources, points: Points) -> None:
    """Raise `ConfigError` about the first point that a source is nearer to than `CLEAR_M`, naming both."""
    for name, at in zip(points.names, points.positions_m, strict=True):
        distances = np.linalg.norm(sources.positions_m - at, axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] < CLEAR_M:
            raise ConfigError(
                f"microphone {name}: expected at least {1000 * CLEAR_M:g} mm from everything that sounds, "
                f"found {sources.names[nearest]} at {1000 * distances[nearest]:.1f} mm"
            )
