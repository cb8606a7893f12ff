"""One self-contained file a model: numbers, feature spec, calibration, provenance. No pickle anywhere.

The file is a NumPy `.npz` archive, read with `allow_pickle=False`, with a JSON text under the name `meta`. It can be
looked into with `numpy.load` alone.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.detection.calibration import Calibration
from trad_array.errors import ConfigError, WeightsError
from trad_array.features import FeatureSpec
from trad_array.scoring.frame_scorer import StoredScorer

SCHEMA = "trad-array/model/1"
# What a model may unpack to; the largest, the whitening of an encoder's vectors, takes 34 MB. Keeps a crafted archive
# from filling the memory.
MAX_MODEL_BYTES = 64 * 1024 * 1024

# No rate, window or number of bands is larger; keeps a damaged number from asking for gigabytes later.
_MAX_FEATURE_NUMBER = 1_000_000

# Short name of every scorer that can be stored, and where its class lives.
STORED_SCORERS: Mapping[str, str] = {
    "gaussian": "trad_array.scoring.gaussian:Gaussian",
    "attention-ae": "trad_array.scoring.attention_ae:AttentionAE",
    "ae": "trad_array.scoring.attention_ae:AttentionAE",
    "cnn": "trad_array.scoring.cnn:CNN",
    "beats": "trad_array.scoring.embeddings.scorer:EmbeddingScorer",
    "eat": "trad_array.scoring.embeddings.scorer:EmbeddingScorer",
    "dasheng": "trad_array.scoring.embeddings.scorer:EmbeddingScorer",
    "wakeword": "trad_array.scoring.embeddings.scorer:EmbeddingScorer",
    "onnx": "trad_array.scoring.embeddings.scorer:EmbeddingScorer",
    "bottleneck-ae": "trad_array.scoring.bottleneck_ae:BottleneckAE",
    "wavelet-xcorr": "trad_array.scoring.wavelet_threshold:WaveletThreshold",
    "wavelet-xgboost": "trad_array.scoring.wavelet_xgboost:WaveletXGBoost",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted scorer with everything needed to use it.

    kind : short name, one of `STORED_SCORERS`
    provenance : how it came about (command, seed, data, date, versions), JSON values
    """

    kind: str
    scorer: StoredScorer
    calibration: Calibration
    provenance: Mapping[str, Any]


def save_model(model: Model, path: Path) -> None:
    """Write a model file; a half-written file never takes the place of a whole one."""
    meta = {
        "schema": SCHEMA,
        "kind": model.kind,
        "features": asdict(model.scorer.features),
        "settings": model.scorer.settings(),
        "provenance": dict(model.provenance),
    }
    arrays = {f"scorer/{name}": np.asarray(values) for name, values in model.scorer.arrays().items()}
    arrays["calibration/centre"] = model.calibration.centre
    arrays["calibration/scale"] = model.calibration.scale
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, meta=np.array(json.dumps(meta)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_model(path: str | Path) -> Model:
    """Read a model file.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of another kind, or its numbers do not fit together; or if the encoder that
        it was fitted with is gone or has changed.
    MissingExtra
        If that encoder needs a package that is not installed.
    """
    path = Path(path)
    meta, arrays = _read_archive(path)
    kind = str(meta.get("kind"))
    if kind not in STORED_SCORERS:
        raise WeightsError(f"{path}: kind: expected one of {', '.join(STORED_SCORERS)}, found {kind!r}")
    try:
        features = _features(meta["features"])
        calibration = Calibration(centre=arrays["calibration/centre"], scale=arrays["calibration/scale"])
        scorer_arrays = {n.removeprefix("scorer/"): a for n, a in arrays.items() if n.startswith("scorer/")}
        scorer = _scorer_class(kind).restore(features, meta["settings"], scorer_arrays)
        provenance = dict(meta["provenance"])
    except KeyError as trouble:
        raise WeightsError(f"{path}: expected {trouble.args[0]!r} in a model of kind {kind!r}, found none") from trouble
    except WeightsError as trouble:  # of another file that the model needs
        raise WeightsError(f"{path}: {trouble}") from trouble
    except (ConfigError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError) as trouble:
        raise WeightsError(f"{path}: numbers do not fit a model of kind {kind!r}: {trouble}") from trouble
    return Model(kind=kind, scorer=scorer, calibration=calibration, provenance=provenance)


def require(
    arrays: Mapping[str, NDArray[Any]],
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.float32] | type[np.float64] = np.float32,
) -> NDArray[Any]:
    """Array of that name in that dtype, checked to have the shape and to be finite; raises KeyError or ValueError."""
    values = arrays[name]
    if values.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, found {values.shape}")
    # Compared before the cast: what float32 cannot hold would become infinite.
    if values.dtype.kind not in "fiu" or not (np.abs(values) <= np.finfo(dtype).max).all():
        raise ValueError(f"{name}: expected finite numbers, found {values.dtype} with NaN, infinities or text")
    return values.astype(dtype)


def _scorer_class(kind: str) -> type[StoredScorer]:
    module, name = STORED_SCORERS[kind].split(":")
    found: type[StoredScorer] = getattr(import_module(module), name)
    return found


def _features(values: dict[str, Any]) -> FeatureSpec:
    known = {field.name for field in fields(FeatureSpec)}
    if set(values) != known:
        raise ValueError(f"features: expected {sorted(known)}, found {sorted(values)}")
    for name in ("fs", "n_fft", "hop", "n_mels"):
        if type(values[name]) is not int or not 0 < values[name] <= _MAX_FEATURE_NUMBER:
            raise ValueError(f"features.{name}: expected a whole number above 0, found {values[name]!r}")
    return FeatureSpec(**values)


def _read_archive(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
        if total > MAX_MODEL_BYTES:
            raise WeightsError(f"{path}: expected a model under {MAX_MODEL_BYTES} bytes, found {total}")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(str(arrays.pop("meta")))
    except OSError as trouble:
        raise WeightsError(f"{path}: cannot be read: {trouble.strerror or trouble}") from trouble
    except WeightsError:
        raise
    except Exception as trouble:  # zipfile, zlib, numpy and json each have their own ways to say "damaged"
        raise WeightsError(
            f"{path}: expected a trad-array model file, found something else or a damaged one "
            f"({type(trouble).__name__})"
        ) from trouble
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        found = meta.get("schema") if isinstance(meta, dict) else type(meta).__name__
        raise WeightsError(f"{path}: schema: expected {SCHEMA!r}, found {found!r}")
    return meta, arrays
