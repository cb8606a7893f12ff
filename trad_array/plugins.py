"""Names to parts: a short name, `file.py:Class` or `module:Class`."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trad_array.detection.fusion import Fuser
from trad_array.errors import ConfigError
from trad_array.localization.localizer import Localizer
from trad_array.scoring.frame_scorer import FrameScorer

# To ship a new part, move its file into the package and add one line here; the contract tests then cover it.
SCORERS: Mapping[str, str] = {"excess": "trad_array.scoring.excess:Excess"}
FUSERS: Mapping[str, str] = {
    "k-of-n": "trad_array.detection.fusion:KOfN",
    "median": "trad_array.detection.fusion:Median",
    "top-k-mean": "trad_array.detection.fusion:TopKMean",
}
LOCALIZERS: Mapping[str, str] = {
    "robust": "trad_array.localization.robust:Robust",
    "srp-phat": "trad_array.localization.cells:Cells",
    "wavelet-xcorr": "trad_array.localization.delays_first:DelaysFirst",
}


def make_scorer(name: str) -> FrameScorer:
    """Scorer of that name, with its defaults; raises `ConfigError` when there is none."""
    scorer: FrameScorer = _made(name, SCORERS, "scorer", FrameScorer)
    return scorer


def make_fuser(name: str) -> Fuser:
    """Fuser of that name, with its defaults; raises `ConfigError` when there is none."""
    fuser: Fuser = _made(name, FUSERS, "fuser", Fuser)
    return fuser


def make_localizer(name: str) -> Localizer:
    """Localizer of that name, with its defaults; raises `ConfigError` when there is none."""
    localizer: Localizer = _made(name, LOCALIZERS, "localizer", Localizer)
    return localizer


def _made(name: str, shipped: Mapping[str, str], kind: str, protocol: type) -> Any:
    where = shipped.get(name, name)
    if ":" not in where:
        raise ConfigError(
            f"{kind}: expected one of {', '.join(shipped)}, file.py:Class or module:Class, found {name!r}"
        )
    place, _, attribute = where.rpartition(":")
    module = _from_file(Path(place), kind) if place.endswith(".py") else _from_module(place, kind)
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise ConfigError(f"{kind}: expected a class {attribute!r} in {place}, found {type(found).__name__}")
    try:
        part = found()
    except TypeError as trouble:
        raise ConfigError(f"{kind}: {name}: expected a class that needs no arguments: {trouble}") from trouble
    if not isinstance(part, protocol):
        raise ConfigError(
            f"{kind}: {name}: expected the members of {protocol.__name__}, found {attribute} without them"
        )
    return part


def _from_file(path: Path, kind: str) -> Any:
    if not path.is_file():
        raise ConfigError(f"{kind}: {path}: expected a Python file, found none")
    spec = importlib.util.spec_from_file_location(f"trad_array_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{kind}: {path}: expected a Python file, found something else")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name while they are made.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as trouble:
        raise ConfigError(f"{kind}: {path}: cannot be imported: {type(trouble).__name__}: {trouble}") from trouble
    return module


def _from_module(name: str, kind: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as trouble:
        raise ConfigError(f"{kind}: {name}: cannot be imported: {trouble}") from trouble
