"""What a map says, in words: the same ones under a picture, on a line and in a log."""

from collections.abc import Mapping
from typing import Any

# More cells of the credible set than this are counted, not named.
_NAMED = 4


def map_words(fields: Mapping[str, Any]) -> str:
    """Where a sound came from, and how sure that is, in one line.

    Parameters
    ----------
    fields : of an event's JSON object or of `trad_array.events.map_json`: `best` (not None), `cells`, `p_elsewhere`,
        `elsewhere`, `side`, `direction`, `credible_set`, `credible_span_m`, and `verdict` of an event
    """
    best, elsewhere = fields["best"], fields["p_elsewhere"]
    likely = next(cell["p"] for cell in fields["cells"] if cell["id"] == best)
    if elsewhere >= 0.5:
        return f"{_not_from_a_cell(fields)}; best cell {best}"
    if likely < 0.5 * (1.0 - elsewhere):
        return f"cannot tell: {_counted(fields)} (best {best}, {percent(likely)})"
    others = [name for name in fields["credible_set"] if name != best]
    doubt = f"; 90 % set also {', '.join(others)}" if others else ""
    if len(others) > _NAMED:
        doubt = f"; 90 % set: {_counted(fields)}"
    return f"cell {best}, {percent(likely)} (elsewhere {percent(elsewhere)}{doubt})"


def _not_from_a_cell(fields: Mapping[str, Any]) -> str:
    """Where a sound that no cell made comes from."""
    verdict = fields.get("verdict") or "elsewhere"
    if verdict == "diffuse":
        return "heard, not from a cell: from no single place (rain on the roof, or far away among echoes)"
    if verdict == "unplaced":
        return f"heard, not placed (elsewhere {percent(fields['p_elsewhere'])})"
    near, side = fields["elsewhere"], fields.get("side")
    if near == "outside":
        return "heard, not from a cell: outside the array"
    where = side or "elsewhere"
    hint = f", perhaps {near}" if near not in (None, "room") else ""
    return f"heard, not from a cell: {where}{hint}{_direction_words(fields)}"


def percent(p: float) -> str:
    """A probability for a person; never a bare 0 or 100 %."""
    if p >= 0.995:
        return "> 99 %"
    return "< 1 %" if p < 0.01 else f"{100 * p:.0f} %"


def _counted(fields: Mapping[str, Any]) -> str:
    """How many cells the credible set has, and how far apart they are."""
    number, span_m = len(fields["credible_set"]), fields["credible_span_m"]
    return f"{number} cells within {span_m:.2f} m" if span_m is not None else f"{number} cells"


def _direction_words(fields: Mapping[str, Any]) -> str:
    """Where a sound from elsewhere comes from, seen from the array."""
    way = fields.get("direction")
    if way is None or way["azimuth_deg"] is None:
        return ""
    return (
        f", from {way['azimuth_deg']:.0f} degrees around, {way['elevation_deg']:.0f} up, {way['distance_m']:.1f} m away"
    )
