"""Where simulated things sound: cells, fans, doors, and anywhere that is not a cell."""

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array_geometry import Layout, LayoutError

# A sound that is not a cell stays this far from every cell, m. Our choice: a cell's length and a few pitches more.
CLEAR_OF_CELLS_M = 0.6
# And this far from the walls and microphones, m.
CLEAR_OF_WALLS_M = 0.1
CLEAR_OF_MICS_M = 0.3
# Patches of roof that rain falls on, each with its own drops.
RAIN_PATCHES = 24

# Words in the names of guard points that say what stands there.
_FAN_WORDS = ("fan", "hvac", "ventilat")
_CONVERTER_WORDS = ("pcs", "inverter", "converter", "transformer")
_GUARDS_OF = {"door": ("door",), "pcs-whine": _CONVERTER_WORDS, "hvac": ("hvac", "fan"), "contactor": _CONVERTER_WORDS}


def room_box(layout: Layout) -> NDArray[np.float64]:
    """The layout's room, shape (2, 3), m.

    Raises
    ------
    LayoutError
        If the layout does not say how large the room is.
    """
    if layout.box_m is None:
        raise LayoutError(f"{layout.id}: room: expected min_m and max_m of the room to simulate, found none")
    return layout.box_m


def noise_places(layout: Layout) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names and positions of the steady noise: two fans or more, then the power converter; shape (n, 3), m.

    Fans stand at the guard points called so, and in corners of the room until there are two; the converter stands at
    its guard point or in a corner.
    """
    corners = _corners(layout)
    fans = _guards_called(layout, _FAN_WORDS)
    while len(fans) < 2:
        taken = [at for _, at in fans]
        fans.append(("corner", _farthest(corners, np.array(taken or [layout.cells.mean(axis=0)]))))
    converters = _guards_called(layout, _CONVERTER_WORDS)[:1]
    if not converters:
        converters = [("corner", _farthest(corners, np.array([at for _, at in fans])))]
    places = fans + converters
    roles = ["fan"] * len(fans) + ["converter"]
    return tuple(f"{role} ({name})" for role, (name, _) in zip(roles, places, strict=True)), np.stack(
        [at for _, at in places]
    )


def event_places(
    layout: Layout,
    kind: str,
    *,
    cell: str | None,
    source_m: tuple[float, float, float] | None,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Where an event sounds; shape (n, 3), m: one point, or the patches of roof that rain falls on."""
    box = room_box(layout)
    if source_m is not None:
        place = np.asarray(source_m, dtype=np.float64)
        if place.shape != (3,) or not ((place >= box[0]) & (place <= box[1])).all():
            raise ConfigError(
                f"source_m: expected x, y, z within {box[0].tolist()} to {box[1].tolist()}, found {source_m}"
            )
        return place.reshape(1, 3)
    if cell is not None:
        return layout.cells[[layout.cell_index(cell)]]
    if kind == "rain":
        patches = rng.uniform(box[0], box[1], (RAIN_PATCHES, 3))
        patches[:, 2] = box[1, 2] - 0.01
        return patches
    guards = [at for _, at in _guards_called(layout, _GUARDS_OF.get(kind, ())) if _clear(layout, at)]
    if guards:
        return guards[int(rng.integers(len(guards)))].reshape(1, 3)
    return _elsewhere(layout, rng).reshape(1, 3)


def guards_of(layout: Layout, kind: str) -> NDArray[np.intp]:
    """Indices of the guard points, inside the room and clear of the cells, where a sound of this kind comes from."""
    box, words = room_box(layout), _GUARDS_OF.get(kind, ())
    return np.array(
        [
            k
            for k, (name, at) in enumerate(zip(layout.guard_names, layout.guards, strict=True))
            if any(word in name.lower() for word in words)
            and ((at >= box[0]) & (at <= box[1])).all()
            and float(np.linalg.norm(layout.cells - at, axis=1).min()) >= CLEAR_OF_CELLS_M
        ],
        dtype=np.intp,
    )


def _elsewhere(layout: Layout, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random point of the room that is clear of cells, microphones and walls."""
    box = room_box(layout)
    margin = np.minimum(CLEAR_OF_WALLS_M, 0.25 * (box[1] - box[0]))
    for _ in range(1000):
        place: NDArray[np.float64] = rng.uniform(box[0] + margin, box[1] - margin)
        if _clear(layout, place):
            return place
    raise LayoutError(f"{layout.id}: room: expected a place {CLEAR_OF_CELLS_M} m from every cell, found none")


def _clear(layout: Layout, place: NDArray[np.float64]) -> bool:
    from_cells = float(np.linalg.norm(layout.cells - place, axis=1).min())
    from_mics = float(np.linalg.norm(layout.mics - place, axis=1).min())
    return from_cells >= CLEAR_OF_CELLS_M and from_mics >= CLEAR_OF_MICS_M


def _guards_called(layout: Layout, words: tuple[str, ...]) -> list[tuple[str, NDArray[np.float64]]]:
    """Guard points inside the room whose name contains one of the words."""
    box = room_box(layout)
    return [
        (name, at)
        for name, at in zip(layout.guard_names, layout.guards, strict=True)
        if any(word in name.lower() for word in words) and ((at >= box[0]) & (at <= box[1])).all()
    ]


def _corners(layout: Layout) -> NDArray[np.float64]:
    """The eight corners of the room, drawn in by a tenth of its size or 0.3 m; shape (8, 3), m."""
    box = room_box(layout)
    margin = np.minimum(0.3, 0.1 * (box[1] - box[0]))
    ends = np.stack([box[0] + margin, box[1] - margin])
    return np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


def _farthest(candidates: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """The candidate whose nearest neighbour among `taken` is farthest away."""
    distances: NDArray[np.float64] = np.linalg.norm(candidates[:, None] - taken[None], axis=-1).min(axis=1)
    best: NDArray[np.float64] = candidates[int(distances.argmax())]
    return best
