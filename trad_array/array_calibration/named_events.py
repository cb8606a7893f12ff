"""Events that `trad-array localize --json` has named, taken as sounds at known places, with little trust.

An event says which cell it came from and how much later one microphone of each pair heard it. The cell was found with
the layout that is now in doubt: a neighbour may be meant. So its place counts as known to 20 mm only, events that fit
no cell are left out by the fit, and a person should look at them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.arrivals import Arrivals
from trad_array.array_calibration.calibrate import HeardSound
from trad_array.array_calibration.known import VENT_SIGMA_M, KnownSound
from trad_array.errors import AudioError
from trad_array.events import SCHEMA
from trad_array.records import CELL
from trad_array_geometry import Layout

# Pair delays that miss a common set of arrival times by more than this are peaks of different paths (our choice).
_CLOSED_S = 100e-6
# What an event's only set of arrivals is taken to be supported by, in units of chance; it has no rival.
_SUPPORT = 10.0


def sounds_from_events(layout: Layout, records: Iterable[Mapping[str, Any]], *, source: str) -> tuple[HeardSound, ...]:
    """Events that were placed in a cell, as heard sounds; others, and those whose delays do not close, are left out.

    Parameters
    ----------
    records : JSON objects as `trad_array.events.event_json` makes them
    source : where they come from, for messages

    Raises
    ------
    AudioError
        If an object is no whole event, or no event is left.
    LayoutError
        If an event names a cell that the layout does not have.
    """
    found = []
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping) or record.get("schema") != SCHEMA:
            continue
        try:
            # An alarm may also be a sound that lasts and is placed nowhere; events of earlier versions say no verdict.
            from_a_cell = record["level"] == "alarm" and record.get("verdict", CELL) == CELL
            if not from_a_cell or record["best"] is None or not record["tdoa_us"]:
                continue
            at_s, place = float(record["onset_s"]), layout.cells[layout.cell_index(str(record["best"]))]
            times_s = _arrival_times(layout, record["tdoa_us"])
        except (KeyError, TypeError, IndexError, AttributeError) as trouble:
            raise AudioError(
                f"{source}: object {number}: expected a whole event, found one without {trouble}"
            ) from None
        if times_s is not None:
            sound = KnownSound(str(record["best"]), place, VENT_SIGMA_M, at_s, at_s)
            found.append(HeardSound(sound, Arrivals(times_s[None], np.array([_SUPPORT])), at_s))
    if not found:
        raise AudioError(f"{source}: expected events that were placed in a cell, found none with delays that agree")
    return tuple(found)


def _arrival_times(layout: Layout, pairs: Iterable[Mapping[str, Any]]) -> NDArray[np.float64] | None:
    """Least squares over the pairs, mean 0, NaN for microphones without one; None when they do not close."""
    index = {name: k for k, name in enumerate(layout.mic_names)}
    rows, delays_s = [], []
    for pair in pairs:
        first, second = (index[name] for name in pair["mics"])
        row = np.zeros(layout.n_mics)
        row[first], row[second] = 1.0, -1.0
        rows.append(row)
        delays_s.append(1e-6 * float(pair["delay_us"]))
    system, wanted = np.array(rows), np.array(delays_s)
    heard = system.any(axis=0)
    times = np.linalg.lstsq(system, wanted, rcond=None)[0]
    if np.sqrt(np.mean((system @ times - wanted) ** 2)) > _CLOSED_S:
        return None
    times[~heard] = np.nan
    centred: NDArray[np.float64] = times - np.nanmean(times)
    return centred
