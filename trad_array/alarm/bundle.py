"""Evidence of an event: one folder with its sound, what was said of it, and everything that it was heard with."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import soundfile

from trad_array.alarm import disk
from trad_array.alarm.bundle_page import page
from trad_array.alarm.clip import Clip
from trad_array.alarm.clip_file import CLIP_JSON, write_clip
from trad_array.errors import StoreError

EVENT, MESSAGES, LAYOUT, CONFIG = "event.json", "messages.jsonl", "layout.toml", "config.json"
HASHES, PAGE = "hashes.json", "index.html"
HEATMAP, ALIGNED, PREVIEW = "heatmap.png", "aligned.png", "preview.flac"
_OWN = (EVENT, MESSAGES, LAYOUT, CONFIG, CLIP_JSON, HASHES, PAGE, HEATMAP, ALIGNED, PREVIEW, "clip.flac", "clip.rf64")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PACKAGES = ("trad-array", "numpy", "scipy", "soundfile", "soxr", "sounddevice", "matplotlib")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a bundle is made of.

    event : its last message
    messages : all of them, in their order
    layout_toml : text of the layout file
    config : the settings that it was heard with
    clip : its sound, or None when there is none
    hashes : SHA-256 of what is not in the bundle, by name: the model, the site file
    extra : more files, by name
    """

    event: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    layout_toml: str
    config: Mapping[str, Any]
    clip: Clip | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, bytes] = field(default_factory=dict)


def write_bundle(bundles: Path, evidence: Evidence) -> Path:
    """Write the evidence of an event; return its folder, which is there whole or not at all.

    Pictures are not in it: `draw_bundle` adds them. A bundle of the same event is replaced.

    Raises
    ------
    StoreError
        If a name cannot be a file's, or the disk refuses. Nothing is left behind then.
    """
    name = str(evidence.event["id"])
    for wrong in (n for n in (name, *evidence.extra) if not _NAME.fullmatch(n) or n in _OWN or n.endswith(disk.PART)):
        raise StoreError(f"{bundles}: expected the name of an event or of an extra file, found {wrong!r}")
    folder, part = bundles / name, bundles / (name + disk.PART)
    try:
        if part.exists():
            shutil.rmtree(part)
        part.mkdir()
        _fill(part, evidence)
        old = disk.hide(folder) if folder.exists() else None
        part.rename(folder)
        disk.sync_folder(bundles)
        if old is not None:
            shutil.rmtree(old)
    except OSError as trouble:
        raise StoreError(f"{folder}: cannot be written: {trouble.strerror or trouble}") from trouble
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def refresh_bundle(folder: Path, event: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    """Say in a bundle what came after it was written; raises `StoreError` when the disk refuses."""
    try:
        _write_words(folder, event, messages)
        _seal(folder)
    except OSError as trouble:
        raise StoreError(f"{folder}: cannot be written: {trouble.strerror or trouble}") from trouble


def draw_bundle(folder: Path) -> tuple[str, ...]:
    """Add pictures and a preview of the sound to a bundle, and put them on its page; return what could not be made.

    It needs nothing but the folder, some seconds, and the memory of matplotlib: see `draw_apart`. Nobody else may write
    in the folder meanwhile.

    Raises
    ------
    StoreError
        If the bundle cannot be read or written.
    """
    from trad_array.alarm.bundle_pictures import draw_pictures

    missing = draw_pictures(folder)
    try:
        _seal(folder)
    except OSError as trouble:
        raise StoreError(f"{folder}: cannot be written: {trouble.strerror or trouble}") from trouble
    return missing


def draw_apart(folder: Path, *, limit_s: float = 120.0) -> None:
    """`draw_bundle` in a process of its own, of low priority: it takes neither time nor memory from the watch.

    Raises
    ------
    StoreError
        If it fails, or takes longer than `limit_s`; the bundle is whole without pictures.
    """
    code = (
        "import sys, pathlib; from trad_array.alarm.bundle import draw_bundle; draw_bundle(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(folder.absolute())]
    if (nice := shutil.which("nice")) is not None:
        command = [nice, "-n", "10", *command]
    # The child finds the modules where this process does.
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, env=surroundings, check=False
        )
    except subprocess.TimeoutExpired as trouble:
        raise StoreError(f"{folder}: expected its pictures within {limit_s:g} s, found none") from trouble
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(f"{folder}: pictures cannot be drawn: {last}")


def undrawn(bundles: Path) -> tuple[Path, ...]:
    """Bundles that nobody has drawn yet, oldest first: where the process ended in between."""
    return tuple(
        folder
        for folder in sorted(bundles.iterdir())
        if not folder.name.endswith(disk.PART) and (folder / PAGE).is_file() and not (folder / HEATMAP).is_file()
    )


def changed_files(folder: Path) -> tuple[str, ...]:
    """Files of a bundle that are missing or not as they were written; raises `StoreError` without `hashes.json`."""
    try:
        written = json.loads((folder / HASHES).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as trouble:
        raise StoreError(f"{folder / HASHES}: expected the hashes of a bundle: {trouble}") from trouble
    return tuple(
        name for name, sha in written.items() if not (folder / name).is_file() or _sha256(folder / name) != sha
    )


def _fill(part: Path, evidence: Evidence) -> None:
    """All files of a bundle, its folder given."""
    _write_words(part, evidence.event, evidence.messages)
    disk.write_file(part / LAYOUT, evidence.layout_toml.encode(), in_part=True)
    disk.write_file(part / CONFIG, _pretty(evidence.config), in_part=True)
    for name, content in evidence.extra.items():
        disk.write_file(part / name, content, in_part=True)
    if evidence.clip is not None:
        disk.write_file(part / CLIP_JSON, _pretty(write_clip(evidence.clip, part).as_json()), in_part=True)
    made_with = {
        "schema": "trad-array/hashes/1",
        "given": dict(evidence.hashes),
        "versions": _versions(),
        "files": {},
    }
    disk.write_file(part / HASHES, _pretty(made_with), in_part=True)
    _seal(part)


def _write_words(folder: Path, event: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    lines = "".join(disk.json_text(message) + "\n" for message in messages)
    disk.write_file(folder / EVENT, _pretty(event), in_part=True)
    disk.write_file(folder / MESSAGES, lines.encode(), in_part=True)


def _seal(folder: Path) -> None:
    """Make page and hashes agree with the other files."""
    about = json.loads((folder / HASHES).read_text(encoding="utf-8"))
    names = sorted(p.name for p in folder.iterdir() if p.name not in (HASHES, PAGE) and p.suffix != disk.PART)
    about["files"] = {name: _sha256(folder / name) for name in names}
    disk.write_file(folder / PAGE, page(folder, about).encode(), in_part=True)
    about["files"][PAGE] = _sha256(folder / PAGE)
    disk.write_file(folder / HASHES, _pretty(about))


def _pretty(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    """What computed it: packages, libsndfile, Python and the machine."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found | {"libsndfile": str(soundfile.__libsndfile_version__)}
