"""A calibrated layout back into its file: only what the calibration found is changed, comments and the rest stay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.layout import Layout, layout_path
from trad_array_geometry.layout_file import read_layout


def write_calibrated(source: str | Path, target: Path, layout: Layout, *, overwrite: bool = False) -> None:
    """Write a corrected layout as a copy of the file that it came from.

    Changed are `provenance`, the temperature of the air and its sigma, the channel, position, delay and sigmas of each
    microphone, and `[calibration]`. Everything else, comments too, stays as it stands in the source. The file is
    written whole or not at all, and only when `load_layout` reads it.

    Parameters
    ----------
    source : shipped name or file of the layout before the calibration
    target : file to write
    layout : the corrected layout, its microphones in the order of the source
    overwrite : whether `target` may exist already, or be the source

    Raises
    ------
    LayoutError
        If the target exists and may not be overwritten, the source has other microphones, or what would be written
        is not a usable layout.
    OSError
        If the folder does not exist or the file cannot be written.
    """
    if target.exists() and not overwrite:
        raise LayoutError(f"{target}: expected a name that is free, found a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: no such folder: {target.parent}")
    write_checked(target, calibrated_text(layout_path(source), layout))


def calibrated_text(source: Path, layout: Layout) -> str:
    """The text of the source file with what a calibration found; see `write_calibrated`."""
    import tomlkit

    read_layout(source)
    document = tomlkit.parse(source.read_bytes().decode("utf-8"))
    mics: Any = document["mics"]
    names = tuple(str(mic["name"]) for mic in mics)
    if names != layout.mic_names:
        raise LayoutError(f"{source}: mics: expected {', '.join(layout.mic_names)}, found {', '.join(names)}")
    document["provenance"] = layout.provenance
    air: Any = document["air"]
    _set(air, {"temperature_c": (layout.temperature_c, 2), "temperature_sigma_c": (layout.temperature_sigma_c, 2)})
    for k, mic in enumerate(mics):
        mic["channel"] = layout.mic_channels[k]
        mic["position_m"] = [round(float(v), 4) for v in layout.mics[k]]
        _set(
            mic,
            {
                "position_sigma_m": (layout.mic_sigma_m[k], 4),
                "delay_us": (1e6 * layout.mic_delay_s[k], 1),
                "delay_sigma_us": (1e6 * layout.mic_delay_sigma_s[k], 1),
            },
        )
    if layout.calibration is not None:
        note = layout.calibration
        table: Any = document.get("calibration")
        if table is None:
            table = tomlkit.table()
            document["calibration"] = table
        table.update({"date": note.date, "method": note.method, "n_sounds": note.n_sounds})
        _set(table, {"residual_us": (note.residual_us, 2)})
    return tomlkit.dumps(document)


def _set(table: Any, numbers: Mapping[str, tuple[float, int]]) -> None:
    """Put numbers into a table, rounded; a key that is new goes to the table's end."""
    for key, (value, digits) in numbers.items():
        table[key] = round(float(value), digits) + 0.0


def write_layout(target: Path, layout: Layout, *, comment: str = "") -> None:
    """Write a whole layout into a new file, every cell by itself; what stands there is replaced.

    Parameters
    ----------
    target : file to write, in a folder that exists
    layout : what `load_layout` shall read; the footprint of a cell, which only drawings use, is not kept
    comment : lines to stand at the top

    Raises
    ------
    LayoutError
        If it would not be a usable layout.
    OSError
        If the file cannot be written.
    """
    write_checked(target, layout_text(layout, comment=comment))


def write_checked(target: Path, text: str) -> None:
    """Write the text of a layout file, whole or not at all and only when it is usable; raises like `write_layout`."""
    part = target.with_name(target.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        read_layout(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def layout_text(layout: Layout, *, comment: str = "") -> str:
    """The text of a layout file that says what the layout says; its calibration is left out."""
    import tomlkit

    document = tomlkit.document()
    for line in comment.splitlines():
        document.add(tomlkit.comment(line))
    document.update({"schema": 1, "id": layout.id, "provenance": layout.provenance})
    document["air"] = {"temperature_c": layout.temperature_c, "temperature_sigma_c": layout.temperature_sigma_c}
    if layout.box_m is not None:
        document["room"] = {"min_m": layout.box_m[0].tolist(), "max_m": layout.box_m[1].tolist()}
    document["mics"] = [
        {
            "name": name,
            "channel": layout.mic_channels[k],
            "position_m": _metres(layout.mics[k]),
            "position_sigma_m": round(float(layout.mic_sigma_m[k]), 6),
            "delay_us": round(1e6 * float(layout.mic_delay_s[k]), 3),
            "delay_sigma_us": round(1e6 * float(layout.mic_delay_sigma_s[k]), 3),
            "role": layout.mic_roles[k],
        }
        for k, name in enumerate(layout.mic_names)
    ]
    document["cells"] = [
        {"name": name, "position_m": _metres(at), "pack": layout.pack_names[pack]}
        for name, at, pack in zip(layout.cell_names, layout.cells, layout.cell_packs, strict=True)
    ]
    if layout.n_guards:
        document["guards"] = [
            {"name": name, "position_m": _metres(at)}
            for name, at in zip(layout.guard_names, layout.guards, strict=True)
        ]
    return tomlkit.dumps(document)


def _metres(at: Any) -> list[float]:
    return [round(float(v), 6) + 0.0 for v in at]
