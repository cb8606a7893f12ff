"""Layouts: where microphones, cells and everything else that makes noise are, in metres.

One right-handed frame for all positions: x along a row of cells, y across the rows, z up. A layout is read from one
TOML file; four ship with the package (`layout_names`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry.air import speed_of_sound
from trad_array_geometry.arrays import frozen_array
from trad_array_geometry.errors import LayoutError


@dataclass(frozen=True, slots=True)
class CalibrationNote:
    """How a calibrated layout came about.

    date : "2026-11-24"
    method : what was heard, in words
    n_sounds : how many sounds the fit used
    residual_us : root mean square of the delay residuals that the fit left, microseconds
    """

    date: str
    method: str
    n_sounds: int
    residual_us: float


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Read-only description of one array and what it listens to.

    id : str, short name written into every result
    provenance : "assumed", "measured" or "calibrated"
    mics : (n_mics, 3), m
    mic_names, mic_channels (counted from 1, as on the sound card), mic_roles ("array" or "reference"): n_mics each
    mic_sigma_m : (n_mics,), m, standard deviation of each microphone's position along each axis
    mic_delay_s : (n_mics,), s, how much later a channel arrives than it should; 0 unless somebody measured it
    mic_delay_sigma_s : (n_mics,), s, standard deviation of that
    cells : (n_cells, 3), m, the valves; cell_names : n_cells
    cell_size_m : (2,), m, footprint of a cell along x and y, for drawing
    pack_names : n_packs, at least one; cell_packs : (n_cells,), index of the pack that each cell belongs to
    guards : (n_guards, 3), m, known places of noise that are not cells; guard_names : n_guards
    box_m : (2, 3), m, lowest and highest corner of the room, or None when it is not known
    temperature_c, temperature_sigma_c : degrees Celsius, what is assumed of the air
    calibration : how positions and delays were measured, or None
    """

    id: str
    provenance: str
    mics: NDArray[np.float64]
    mic_names: tuple[str, ...]
    mic_channels: tuple[int, ...]
    mic_roles: tuple[str, ...]
    mic_sigma_m: NDArray[np.float64]
    mic_delay_s: NDArray[np.float64]
    mic_delay_sigma_s: NDArray[np.float64]
    cells: NDArray[np.float64]
    cell_names: tuple[str, ...]
    cell_size_m: tuple[float, float]
    pack_names: tuple[str, ...]
    cell_packs: NDArray[np.intp]
    guards: NDArray[np.float64]
    guard_names: tuple[str, ...]
    box_m: NDArray[np.float64] | None
    temperature_c: float
    temperature_sigma_c: float
    calibration: CalibrationNote | None = None

    def __post_init__(self) -> None:
        for name in ("mics", "cells", "guards", "mic_sigma_m", "mic_delay_s", "mic_delay_sigma_s"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        object.__setattr__(self, "cell_packs", frozen_array(self.cell_packs, np.intp))
        if self.box_m is not None:
            object.__setattr__(self, "box_m", frozen_array(self.box_m, np.float64))

    @property
    def n_mics(self) -> int:
        """Number of microphones, reference microphones included."""
        return len(self.mic_names)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cell_names)

    @property
    def n_guards(self) -> int:
        """Number of guard points."""
        return len(self.guard_names)

    @property
    def array_mics(self) -> NDArray[np.intp]:
        """Indices of the microphones that form the array; the others only serve as a reference."""
        return np.flatnonzero([role == "array" for role in self.mic_roles])

    @property
    def speed_of_sound(self) -> float:
        """Speed of sound at the layout's temperature, m/s."""
        return speed_of_sound(self.temperature_c)

    def with_mics(self, indices: Sequence[int]) -> "Layout":
        """The same layout with only these microphones, in this order."""
        return replace(
            self,
            mics=self.mics[list(indices)],
            mic_sigma_m=self.mic_sigma_m[list(indices)],
            mic_delay_s=self.mic_delay_s[list(indices)],
            mic_delay_sigma_s=self.mic_delay_sigma_s[list(indices)],
            mic_names=tuple(self.mic_names[k] for k in indices),
            mic_channels=tuple(self.mic_channels[k] for k in indices),
            mic_roles=tuple(self.mic_roles[k] for k in indices),
        )

    def with_cells(self, indices: Sequence[int]) -> "Layout":
        """The same layout with only these cells, in this order; packs keep their names and numbers."""
        chosen = list(indices)
        return replace(
            self,
            cells=self.cells[chosen],
            cell_names=tuple(self.cell_names[k] for k in chosen),
            cell_packs=self.cell_packs[chosen],
        )

    def without_mics(self, names: Sequence[str]) -> "Layout":
        """The same layout without the microphones of these names.

        Raises
        ------
        LayoutError
            If the layout has no microphone of one of the names, or fewer than two of the array are left.
        """
        for name in names:
            if name not in self.mic_names:
                raise LayoutError(f"{self.id}: mic: expected one of {', '.join(self.mic_names)}, found {name!r}")
        left = self.with_mics([k for k, name in enumerate(self.mic_names) if name not in names])
        if len(left.array_mics) < 2:
            raise LayoutError(
                f"{self.id}: mics: expected at least two of role array left, found {len(left.array_mics)}"
            )
        return left

    def cell_index(self, name: str) -> int:
        """Index of the cell of that name.

        Raises
        ------
        LayoutError
            If the layout has no such cell.
        """
        if name not in self.cell_names:
            known = f"{self.cell_names[0]} to {self.cell_names[-1]}"
            raise LayoutError(f"{self.id}: cell: expected one of {known}, found {name!r}")
        return self.cell_names.index(name)


def layout_names() -> tuple[str, ...]:
    """Names of the layouts that ship with the package."""
    folder = files("trad_array_geometry") / "layouts"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def layout_path(name_or_path: str | Path) -> Path:
    """File behind a shipped name or a path; a name without a folder and without `.toml` is a shipped one.

    Raises
    ------
    LayoutError
        If there is no such shipped layout or file.
    """
    text = str(name_or_path)
    if text in layout_names():
        return Path(str(files("trad_array_geometry") / "layouts" / f"{text}.toml"))
    path = Path(text)
    if path.suffix != ".toml" and not _exists(path):
        raise LayoutError(f"{text[:60]}: expected a layout file or one of {', '.join(layout_names())}, found neither")
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have, or a folder that may not be looked into
        return False


def load_layout(name_or_path: str | Path) -> Layout:
    """Read a shipped layout by its name, or any layout by the path of its TOML file.

    Raises
    ------
    LayoutError
        If the file cannot be read or does not describe a usable layout; the message names file, key, what was
        expected and what was found.

    Examples
    --------
    >>> load_layout("pack-corners").n_cells
    52
    """
    from trad_array_geometry.layout_file import read_layout

    return read_layout(layout_path(name_or_path))
