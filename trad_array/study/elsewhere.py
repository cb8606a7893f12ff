"""Places of a room that are no cell: what negatives sound from. They are the same for every layout of a study."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trad_array.simulation.places import (
    CLEAR_OF_CELLS_M,
    CLEAR_OF_MICS_M,
    CLEAR_OF_WALLS_M,
    guards_of,
    room_box,
)
from trad_array.study.records import Study
from trad_array.study.world import World
from trad_array_geometry import LayoutError

# Places anywhere in a room, and patches of roof that rain falls on (the scenes of `simulate` have 24; eight are as
# diffuse to a handful of microphones and a third of the work). Our choice.
N_PLACES, N_PATCHES = 8, 8
RAIN = "rain"
# Where no place is as far from every candidate as should be, this must do, m.
_LEAST_M = 0.05
_TRIES = 4000
_PLACE = 0xE15E


def elsewhere_m(study: Study) -> NDArray[np.float64]:
    """`N_PLACES` places clear of cells, walls and candidate microphones, then `N_PATCHES` of the roof; (n, 3), m.

    Raises
    ------
    LayoutError
        If the room has no such place.
    """
    box, rng = room_box(study.site.layout), np.random.default_rng((study.seed, _PLACE))
    margin = np.minimum(CLEAR_OF_WALLS_M, 0.25 * (box[1] - box[0]))
    drawn = rng.uniform(box[0] + margin, box[1] - margin, (_TRIES, 3))
    drawn = drawn[_nearest(drawn, study.site.layout.cells) >= CLEAR_OF_CELLS_M]
    from_mics = _nearest(drawn, study.points.positions_m)
    places = drawn[from_mics >= CLEAR_OF_MICS_M]
    if not len(places):
        places = drawn[from_mics >= _LEAST_M]
    if not len(places):
        raise LayoutError(
            f"{study.site.layout.id}: room: expected a place {CLEAR_OF_CELLS_M} m from every cell, found none"
        )
    roof = rng.uniform(box[0], box[1], (_TRIES, 3))
    roof[:, 2] = box[1, 2] - 0.01
    roof = roof[_nearest(roof, study.points.positions_m) >= _LEAST_M]
    found: NDArray[np.float64] = np.concatenate([np.resize(places, (N_PLACES, 3)), roof[:N_PATCHES]])
    return found


def negative_places(study: Study, kind: str) -> NDArray[np.float64]:
    """Where sounds of a kind come from, (n, 3), m: guard points where such things stand, the roof, or anywhere."""
    at = study.site.layout.guards[guards_of(study.site.layout, kind)]
    at = at[_nearest(at, study.points.positions_m) >= _LEAST_M]
    if len(at):
        return at
    return elsewhere_m(study)[N_PLACES:] if kind == RAIN else elsewhere_m(study)[:N_PLACES]


def negative_world(world: World, kind: str) -> World:
    """A world in which the places of a kind are the guard points, in their order, and no cell vents.

    Its bank is another one in the same cache, so nothing of it is made twice.
    """
    return world.kept(("negative", kind), lambda: _negative_world(world, kind))


def _negative_world(world: World, kind: str) -> World:
    study, at = world.study, negative_places(world.study, kind)
    names = tuple(f"place {k + 1}" for k in range(len(at)))
    layout = replace(study.site.layout, guards=at, guard_names=names)
    site = replace(study.site, layout=layout, cells=np.zeros(0, dtype=np.intp))
    return World(replace(study, site=site), world.cache)


def _nearest(places: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each place is from the nearest of the points, m; (n_places,)."""
    found: NDArray[np.float64] = np.linalg.norm(places[:, None] - points[None], axis=-1).min(axis=1)
    return found
