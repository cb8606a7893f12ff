"""Pictures of a bundle and a preview of its sound, from nothing but its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

from trad_array.alarm import disk
from trad_array.errors import AudioError, StoreError
from trad_array.records import CellMap
from trad_array_geometry import Layout, load_layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What is drawn of the sound: so much before the onset, and at least so much of it, s; as `trad-array localize` does.
_BEFORE_S, _LEAST_S = 0.2, 0.1
PREVIEW_FS = 16_000
# The loudest sample of a preview: quiet hisses are made audible.
_PREVIEW_PEAK = 0.7


def draw_pictures(folder: Path) -> tuple[str, ...]:
    """Write `heatmap.png`, `aligned.png` and `preview.flac`; return one line for each that cannot be made.

    Raises
    ------
    StoreError
        If the bundle cannot be read or written.
    """
    from trad_array.events import map_from_json

    try:
        event = json.loads((folder / "event.json").read_text(encoding="utf-8"))
        layout = load_layout(folder / "layout.toml")
        about = _about(folder)
        cell_map = map_from_json(event, layout, fs=about["fs"] if about else 1)
        missing = None
        _heatmap(folder, event, cell_map, layout)
        if about is not None:
            _preview(folder, about)
            missing = _aligned(folder, event, cell_map, layout, about)
    except (OSError, ValueError, KeyError, soundfile.LibsndfileError) as trouble:
        raise StoreError(f"{folder}: cannot be drawn: {trouble}") from trouble
    return () if missing is None else (missing,)


def _about(folder: Path) -> Any:
    path = folder / "clip.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _heatmap(folder: Path, event: Mapping[str, Any], cell_map: CellMap | None, layout: Layout) -> None:
    from trad_array.plotting import cell_heatmap

    width, depth = np.ptp(layout.cells[:, :2], axis=0)
    figure = _figure(height=6.5 if width > 2.0 * depth else 8.0)
    cell_heatmap(cell_map, layout, figure.subplots())
    _save(figure, folder / "heatmap.png", event)


def _aligned(
    folder: Path, event: Mapping[str, Any], cell_map: CellMap | None, layout: Layout, about: Mapping[str, Any]
) -> str | None:
    """The channels shifted by the delays of the map, or why there is no such picture."""
    from trad_array.plotting_aligned import aligned_channels

    if cell_map is None:
        return "aligned.png: the event has no map"
    fs, onset = about["fs"], about["onset"] - about["start"]
    first = max(0, onset - round(_BEFORE_S * fs))
    last = onset + round(max(event.get("heard_s") or 0.0, _LEAST_S) * fs)
    samples, _ = soundfile.read(folder / about["file"], start=first, stop=last, dtype="float32", always_2d=True)
    figure = _figure(height=8.0)
    ax, below = figure.subplots(2, 1, height_ratios=[5, 1])
    start_s = event["onset_s"] - (onset - first) / fs
    try:
        aligned_channels(
            samples.T, cell_map, layout, ax, fs=fs, onset=onset - first, start_s=start_s, envelope_ax=below
        )
    except AudioError as trouble:
        return f"aligned.png: {trouble}"
    _save(figure, folder / "aligned.png", event)
    return None


def _preview(folder: Path, about: Mapping[str, Any]) -> None:
    """The first one or two microphones at 16 kHz, made loud enough to be heard."""
    parts: list[np.ndarray] = []
    with soundfile.SoundFile(folder / about["file"]) as sound:
        n = min(2, sound.channels)
        resampler = soxr.ResampleStream(sound.samplerate, PREVIEW_FS, n, dtype="float32")
        for block in sound.blocks(sound.samplerate, dtype="float32", always_2d=True):
            parts.append(resampler.resample_chunk(np.ascontiguousarray(np.nan_to_num(block[:, :n]))))
        parts.append(resampler.resample_chunk(np.zeros((0, n), np.float32), last=True))
    samples = np.concatenate(parts)
    loudest = float(np.abs(samples).max(initial=0.0))
    part = folder / f"preview.flac{disk.PART}"
    soundfile.write(
        part, samples * (_PREVIEW_PEAK / loudest if loudest else 1.0), PREVIEW_FS, format="FLAC", subtype="PCM_16"
    )
    disk.sync_file(part)
    part.replace(folder / "preview.flac")


def _figure(*, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(12.0, height), dpi=100, layout="constrained")


def _save(figure: "Figure", path: Path, event: Mapping[str, Any]) -> None:
    figure.suptitle(f"{event['id']}: {event['level']}", fontsize=9, color="#444444")
    part = path.with_name(path.name + disk.PART)
    figure.savefig(part, format="png")
    disk.sync_file(part)
    part.replace(path)
