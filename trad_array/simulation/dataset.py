"""A folder of simulated segments in the form of LiB-TRAD: `normal/` and `abnormal/`, one file per channel."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trad_array.audio.files import write_recording
from trad_array.errors import ConfigError
from trad_array.simulation.saving import write_truth
from trad_array.simulation.scene import NOISE_DBFS, Scene, simulate_scene
from trad_array_geometry import Layout

LABELS = ("normal", "abnormal")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Room and fans of one set of segments.

    rt60_s : s; fan_speed : factor; noise_dbfs : dB re full scale
    """

    rt60_s: float
    fan_speed: float = 1.0
    noise_dbfs: float = NOISE_DBFS


# Three sets, as the three runaways of the LiB-TRAD paper are three sets: other room, other fan speed, other level, so
# that what was learnt on one can be tested on another. The numbers are ours.
THREE_SETS = (Surroundings(0.3, 1.0, -45.0), Surroundings(0.45, 1.6, -41.0), Surroundings(0.6, 0.75, -49.0))


def simulate_dataset(
    layout: Layout,
    folder: str | Path,
    *,
    count: int,
    rng: np.random.Generator,
    cell: str | None = None,
    rt60_s: float = 0.4,
    snr_db: tuple[float, float] = (-10.0, 10.0),
    seconds: float = 10.0,
    duration_s: float | None = None,
    temperature_c: float | None = None,
    fs: int = 16_000,
    sets: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Simulate `count` segments of normal and `count` of abnormal sound into a folder.

    Files are named `normal/s0001_ch1.wav` (16-bit PCM, channel number of the layout) with `s0001_truth.json` beside
    them. Each file is written whole or not at all, the truth last. A segment that is there already, made by the same
    call, is not made again; segment k is the same whatever `count` is.

    Parameters
    ----------
    layout : Layout
        With a room.
    folder : path
        Made if it is not there.
    count : int
        Segments of each kind.
    rng : numpy.random.Generator
        One number is drawn from it; every segment has a generator of its own.
    cell : str or None
        The cell that vents in the abnormal segments; None draws one for each.
    rt60_s : float, s
    snr_db : (float, float), dB
        Drawn uniformly between these for each abnormal segment.
    seconds : float, s
        Length of a segment.
    duration_s, temperature_c, fs
        As for `simulate_scene`.
    sets : bool
        Three sets in turn, with other rooms and fans (`THREE_SETS`; `rt60_s` is not used), named `set1_0001`,
        `set2_0002`, `set3_0003`, `set1_0004` and so on, and `set` in the truth.
    progress : callable or None
        Called with (done, total) after each segment.

    Returns
    -------
    int
        Segments that were made, those found complete not counted.

    Raises
    ------
    ConfigError, LayoutError, MissingExtra
        As for `simulate_scene`.
    """
    if not 1 <= count <= 99_999:
        raise ConfigError(f"count: expected 1 to 99999 segments of each kind, found {count}")
    if not snr_db[0] <= snr_db[1]:
        raise ConfigError(f"snr_db: expected the lower value first, found {snr_db[0]:g} and {snr_db[1]:g}")
    root = int(rng.integers(2**63))
    digest = _digest(layout)
    made = 0
    for done in range(2 * count):
        number, label = done // 2 + 1, LABELS[done % 2]
        set_number = (number - 1) % len(THREE_SETS) + 1 if sets else None
        around = Surroundings(rt60_s) if set_number is None else THREE_SETS[set_number - 1]
        recipe = _Recipe(
            (root, number, LABELS.index(label)),
            digest,
            label == "abnormal",
            cell,
            snr_db,
            seconds,
            duration_s,
            temperature_c,
            fs,
            around,
        )
        name = f"s{number:04d}" if set_number is None else f"set{set_number}_{number:04d}"
        base = Path(folder) / label / name
        if not _is_complete(base, layout, recipe):
            _write(base, layout, _scene(layout, recipe), {"set": set_number, "recipe": asdict(recipe)})
            made += 1
        if progress is not None:
            progress(done + 1, 2 * count)
    return made


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Everything that decides how a segment sounds; stored in its truth.

    Units as in `simulate_dataset`. `version` is raised when the same recipe begins to sound otherwise, so that a
    folder is not continued with a mixture.
    """

    seed: tuple[int, ...]
    layout: str
    abnormal: bool
    cell: str | None
    snr_db: tuple[float, float]
    seconds: float
    duration_s: float | None
    temperature_c: float | None
    fs: int
    around: Surroundings
    version: int = 1


def _scene(layout: Layout, recipe: _Recipe) -> Scene:
    rng = np.random.default_rng(recipe.seed)
    drawn = layout.cell_names[int(rng.integers(layout.n_cells))]
    return simulate_scene(
        layout,
        rng=rng,
        cell=(recipe.cell or drawn) if recipe.abnormal else None,
        snr_db=float(rng.uniform(*recipe.snr_db)),
        rt60_s=recipe.around.rt60_s,
        fan_speed=recipe.around.fan_speed,
        noise_dbfs=recipe.around.noise_dbfs,
        seconds=recipe.seconds,
        duration_s=recipe.duration_s,
        temperature_c=recipe.temperature_c,
        fs=recipe.fs,
    )


def _write(base: Path, layout: Layout, scene: Scene, more: Mapping[str, Any]) -> None:
    base.parent.mkdir(parents=True, exist_ok=True)
    # An old truth goes first: it must never stand beside new sound.
    _truth_file(base).unlink(missing_ok=True)
    for channel, samples in zip(layout.mic_channels, scene.recording.samples, strict=True):
        write_recording(_channel_file(base, channel), samples[None], fs=scene.recording.fs)
    write_truth(_truth_file(base), {**scene.truth, **more})


def _is_complete(base: Path, layout: Layout, recipe: _Recipe) -> bool:
    """Whether this very segment is there with all its files."""
    try:
        truth = json.loads(_truth_file(base).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = isinstance(truth, dict) and truth.get("recipe") == json.loads(json.dumps(asdict(recipe)))
    return same and all(_channel_file(base, channel).is_file() for channel in layout.mic_channels)


def _truth_file(base: Path) -> Path:
    return base.with_name(f"{base.name}_truth.json")


def _channel_file(base: Path, channel: int) -> Path:
    return base.with_name(f"{base.name}_ch{channel}.wav")


def _digest(layout: Layout) -> str:
    """Name of everything in the layout that can be heard."""
    content = hashlib.blake2b(repr((layout.id, layout.mic_channels, layout.cell_names, layout.guard_names)).encode())
    for numbers in (layout.mics, layout.cells, layout.guards, layout.box_m, layout.temperature_c):
        content.update(np.asarray(numbers, dtype=np.float64).tobytes())
    return content.hexdigest()[:16]
