"""A map of the cells in characters, for terminals."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from trad_array_geometry import Layout

# From improbable to probable.
_SHADES = " .:-=+*#@"
# Maps that would be wider or higher are not drawn.
_WIDEST, _HIGHEST = 72, 24


def text_map(event: Mapping[str, Any], layout: Layout) -> list[str]:
    """The cells seen from above, one character each: the more probable, the darker; the best is an X.

    Parameters
    ----------
    event : an event's JSON object with a map, or without cells

    Returns
    -------
    rows from the back to the front; none when the cells stand in no grid of a size that fits
    """
    p = {cell["id"]: cell["p"] for cell in event["cells"]}
    columns, rows = (np.unique(np.round(layout.cells[:, axis], 3)) for axis in (0, 1))
    if not p or len(columns) > _WIDEST or len(rows) > _HIGHEST or len(columns) * len(rows) > 4 * layout.n_cells:
        return []
    top = max(p.values()) or 1.0
    drawn = [[" "] * len(columns) for _ in rows]
    for name, (x, y, _) in zip(layout.cell_names, layout.cells, strict=True):
        shade = "X" if name == event["best"] else _SHADES[round((len(_SHADES) - 1) * p[name] / top)]
        row, column = np.searchsorted(rows, round(y, 3)), np.searchsorted(columns, round(x, 3))
        drawn[len(rows) - 1 - int(row)][int(column)] = shade
    return [f"|{''.join(row)}|" for row in drawn]
