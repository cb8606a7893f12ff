"""Microphones of an ODAS configuration: `general.mics` and `mapping.map`, in libconfig.

After the ODAS wiki and the program's own reader: `mu` is the position in metres, seen from an origin that ODAS listens
from; `sigma2` its covariance in square metres, 3 x 3, row by row; `direction` and `angle` where a microphone hears; all
microphones of `general.mics` follow the channels of `mapping.map`, counted from 1. There are no names, delays or roles.
"""

from typing import Any

import numpy as np

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.formats.libconfig import Group, parse_libconfig
from trad_array_geometry.formats.rows import MicFile, MicRow, decoded, require_few, table_of
from trad_array_geometry.layout import Layout
from trad_array_geometry.tables import Table, shown

# Variances that differ by less than this share are one (our choice; files have a few digits).
ISOTROPIC = 1e-6


def read_odas(data: bytes, name: str) -> MicFile:
    """Microphones of an ODAS cfg file, named M1, M2, ...; what else it sets is passed over.

    Raises
    ------
    LayoutError
        If it is not such a file; names line and setting.
    """
    root = parse_libconfig(decoded(data, name), name)
    general = _table(root, name).table("general")
    general.offer("mics")
    found = root["general"].get("mics")
    if not isinstance(found, list) or not found or not all(isinstance(mic, Group) for mic in found):
        raise general.fail("mics", f"expected a list of groups ( {{ mu = ... }}, ... ), found {shown(found)}")
    require_few(len(found), name=name, where="general.mics")
    channels = _channels(root, name, len(found))
    rows, lossy, exact, silent = [], [], 0, 0
    for number, mic in enumerate(found, start=1):
        where = f"line {mic.line}: general.mics[{number}]"
        table = table_of(mic, name=name, where=where)
        values: dict[str, Any] = {"name": f"M{number}", "position_m": list(table.vector("mu", size=3))}
        if channels:
            values["channel"] = channels[number - 1]
        if "sigma2" in mic:
            sigma_m, isotropic = _sigma(table)
            values["position_sigma_m"] = sigma_m
            exact += sigma_m == 0.0
            lossy += [] if isotropic else [f"M{number}"]
        else:
            silent += 1
        rows.append(MicRow(where, values))
    return MicFile(name, "odas", tuple(rows), _notes(len(rows), lossy, exact, silent, mapped=bool(channels)))


def _table(root: Group, name: str) -> Table:
    return Table(root, file=name, path="", error=LayoutError)


def _channels(root: Group, name: str, n_mics: int) -> tuple[int, ...]:
    """Channel of each microphone; none when the file does not map them."""
    if "mapping" not in root:
        return ()
    mapping = _table(root, name).table("mapping")
    channels = mapping.wholes("map", low=1, high=1024)
    if len(channels) != n_mics:
        raise mapping.fail("map", f"expected {n_mics} channels, one for each of general.mics, found {len(channels)}")
    return channels


def _sigma(table: Table) -> tuple[float, bool]:
    """Largest standard deviation of a microphone's place along any direction, m; and whether all are that."""
    covariance = np.array(table.vector("sigma2", size=9)).reshape(3, 3)
    scale = float(np.abs(covariance).max())
    if np.abs(covariance - covariance.T).max() > ISOTROPIC * scale:
        raise table.fail("sigma2", "expected a symmetric covariance, 3 x 3 row by row, found another")
    variances = np.linalg.eigvalsh(covariance)
    if variances[0] < -ISOTROPIC * scale:
        raise table.fail("sigma2", f"expected no variance below 0, found {variances[0]:g}")
    largest = max(float(variances[-1]), 0.0)
    return largest**0.5, bool(variances[-1] - variances[0] <= ISOTROPIC * scale)


def _notes(n_mics: int, lossy: list[str], exact: int, silent: int, *, mapped: bool) -> tuple[str, ...]:
    notes = ["direction and angle are not kept: the microphones of a layout hear all around"]
    if lossy:
        notes.append(
            f"sigma2 of {len(lossy)} microphones differs by direction ({lossy[0]} first): the largest standard "
            "deviation is kept, for every direction"
        )
    if exact:
        notes.append(f"sigma2 of {exact} of {n_mics} microphones is 0, as if their places were known exactly: kept")
    if silent:
        notes.append(f"{silent} of {n_mics} microphones have no sigma2: they get the sigma that layouts assume")
    if not mapped:
        notes.append("no mapping: microphones are taken for channels 1, 2, ...")
    return tuple(notes)


def odas_text(layout: Layout) -> tuple[str, tuple[str, ...]]:
    """The geometry part of an ODAS cfg file of the array's microphones, and what is lost."""
    order = layout.array_mics.tolist()
    c = layout.speed_of_sound
    # The speed of sound changes by half a part per part of the absolute temperature (ISO 9613-1).
    c_sigma = 0.5 * c * layout.temperature_sigma_c / (layout.temperature_c + 273.15)
    channels = ", ".join(str(layout.mic_channels[k]) for k in order)
    mics = ",\n".join(_mic_text(layout, k) for k in order)
    text = f"""# Microphones of {shown(layout.id)}: metres, x along a row of cells, y across the rows, z up.
# Geometry only: put it into a configuration that has raw, ssl, sst and the rest.

mapping:
{{
    map: ({channels});
}};

general:
{{
    speedofsound:
    {{
        mu = {c:.3f};
        sigma2 = {c_sigma**2:.3f};
    }};

    mics = (
{mics}
    );
}};
"""
    notes = ["an ODAS cfg has no names: they stand in comments"]
    if np.any(layout.mic_delay_s[order]):
        notes.append("an ODAS cfg has no place for delays of channels: they are left out")
    return text, tuple(notes)


def _mic_text(layout: Layout, k: int) -> str:
    # Every number with a point or an exponent: libconfig takes others for whole numbers, and a whole number for 0.0
    # where ODAS asks for a float.
    mu = ", ".join(repr(round(float(v), 9) + 0.0) for v in layout.mics[k])
    variance = repr(float(f"{float(layout.mic_sigma_m[k]) ** 2:.12g}"))
    sigma2 = ", ".join(variance if n in (0, 4, 8) else "0.0" for n in range(9))
    return f"""        # {shown(layout.mic_names[k])}
        {{
            mu = ( {mu} );
            sigma2 = ( {sigma2} );
            direction = ( 0.0, 0.0, 1.0 );
            angle = ( 180.0, 180.0 );
        }}"""
