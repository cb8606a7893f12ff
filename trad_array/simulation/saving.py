"""A scene on disk: the sound, and the truth beside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trad_array.audio.files import write_recording
from trad_array.simulation.scene import Scene


def save_scene(
    path: str | Path, scene: Scene, *, channels: Sequence[int], more: Mapping[str, Any] | None = None
) -> Path:
    """Write one multi-channel file, and the truth as `NAME.truth.json` beside it; each whole or not at all.

    Parameters
    ----------
    path : path, ending in .wav, .flac or .rf64
        16-bit samples.
    scene : Scene
    channels : n_mics numbers from 1
        Channel of the file for each microphone (`Layout.mic_channels`); channels between them are silent.
    more : mapping or None
        JSON values to add to the truth.

    Returns
    -------
    Path
        Of the truth.

    Raises
    ------
    AudioError
        If the suffix names no format that can be written.
    """
    path = Path(path)
    samples = np.zeros((max(channels), scene.recording.samples.shape[1]), dtype=np.float32)
    samples[[channel - 1 for channel in channels]] = scene.recording.samples
    write_recording(path, samples, fs=scene.recording.fs)
    truth_path = path.with_suffix(".truth.json")
    write_truth(truth_path, {**scene.truth, **(more or {})})
    return truth_path


def write_truth(path: Path, truth: Mapping[str, Any]) -> None:
    """Write a truth as JSON; a whole file or none."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(truth, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
