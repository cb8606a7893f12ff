"""Sites of the benchmark: the shipped layouts in their rooms, and where else microphones may stand around the pack."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from trad_array.study.records import Choice, Condition, Points, Site, Study
from trad_array_geometry import Layout, load_layout

Places = Mapping[str, Sequence[float]]

PACK = "pack-corners"
# Two posts at the ends of the pack, two microphones on each; two and four more around the pack.
POSTS: Places = {
    "post 1 low": (2.45, 1.22, 1.25),
    "post 1 high": (2.45, 1.22, 1.75),
    "post 2 low": (3.55, 1.22, 1.30),
    "post 2 high": (3.55, 1.22, 1.70),
}
SIX: Places = {"E": (3.00, 0.84, 1.457), "F": (3.00, 1.60, 1.357)}
EIGHT: Places = {**SIX, "G": (2.50, 1.22, 1.427), "H": (3.50, 1.22, 1.527)}
# Under the ceiling and on the long walls, as in examples/pack.toml.
CEILING: Places = {
    "ceiling 1": (2.20, 0.60, 2.80),
    "ceiling 2": (3.80, 0.60, 2.80),
    "ceiling 3": (3.80, 1.84, 2.80),
    "ceiling 4": (2.20, 1.84, 2.30),
}
WALLS: Places = {
    "wall 1": (2.40, 0.05, 1.30),
    "wall 2": (3.60, 0.05, 1.60),
    "wall 3": (3.60, 2.39, 1.30),
    "wall 4": (2.40, 2.39, 1.90),
}


def candidates() -> Places:
    """Forty places for microphones of the pack.

    Sixteen on a frame 30 mm outside of its outline, 30 and 420 mm above the valves, at corners and mid-sides; twelve
    under the ceiling; six on each long wall.
    """
    layout = load_layout(PACK)
    low, high = layout.cells.min(axis=0), layout.cells.max(axis=0)
    x = (low[0] - 0.066, (low[0] + high[0]) / 2, high[0] + 0.066)
    y = (low[1] - 0.117, (low[1] + high[1]) / 2, high[1] + 0.117)
    found = {
        f"frame {i}{j} {'low' if above_m < 0.1 else 'high'}": (x[i], y[j], float(high[2]) + above_m)
        for i, j, above_m in product(range(3), range(3), (0.03, 0.42))
        if (i, j) != (1, 1)
    }
    roof = product(np.linspace(1.5, 4.5, 4), np.linspace(0.5, 1.94, 3))
    found |= {f"roof {k + 1}": (float(a), float(b), 2.80) for k, (a, b) in enumerate(roof)}
    sides = product((0.03, 2.41), np.linspace(1.8, 4.2, 3), (1.3, 1.9))
    return found | {f"side {k + 1}": (float(a), float(b), c) for k, (b, a, c) in enumerate(sides)}


def study_of(
    layout_name: str,
    *,
    seed: int,
    extra: Mapping[str, Places] | None = None,
    added: Mapping[str, Places] | None = None,
    loose: Places | None = None,
    conditions: Sequence[Condition] = (Condition(0.5, -20.0),),
) -> Study:
    """A study of every cell of a shipped layout, which is the reference.

    extra : whole layouts by name; added : layouts that have its microphones and these; loose : places in no layout
    """
    layout = load_layout(layout_name)
    own = {name: tuple(map(float, at)) for name, at in zip(layout.mic_names, layout.mics, strict=True)}
    places: dict[str, Sequence[float]] = dict(own)
    for more in (*(extra or {}).values(), *(added or {}).values(), loose or {}):
        places |= more
    index = {name: k for k, name in enumerate(places)}
    choices = [Choice(layout_name, tuple(index[name] for name in own))]
    choices += [Choice(name, tuple(sorted(index[mic] for mic in mics))) for name, mics in (extra or {}).items()]
    choices += [
        Choice(name, tuple(sorted(index[mic] for mic in (*own, *mics)))) for name, mics in (added or {}).items()
    ]
    return Study(layout_name, seed, _site(layout), _points(places), tuple(choices), tuple(conditions))


def pack_study(*, seed: int, conditions: Sequence[Condition]) -> Study:
    """The pack with its own four microphones and forty more places."""
    return study_of(PACK, seed=seed, loose=candidates(), conditions=conditions)


def free_points(study: Study) -> tuple[int, ...]:
    """The places of a study that are in no layout."""
    taken = {point for choice in study.choices for point in choice.points}
    return tuple(k for k in range(len(study.points)) if k not in taken)


def _site(layout: Layout) -> Site:
    return Site(layout, np.arange(layout.n_cells))


def _points(places: Places) -> Points:
    n = len(places)
    at = np.array([tuple(place) for place in places.values()])
    return Points(tuple(places), at, ("bench",) * n, np.full(n, 0.005), np.full(n, 30e-6))
