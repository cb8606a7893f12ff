"""The health of the array as JSON: for status and heartbeat, and what was learned of a site, to outlive a restart."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.alarm.conditions import Condition
from trad_array.alarm.health import HealthRule, HealthState, start_health, working
from trad_array.alarm.lags import LagState, n_bins
from trad_array.alarm.levels import BANDS_HZ, LevelState
from trad_array.errors import ConfigError
from trad_array_geometry import mic_pairs

HEALTH_SCHEMA = "trad-array/health/1"
SAVED_SCHEMA = "trad-array/saved-health/1"


def health_json(rule: HealthRule, state: HealthState) -> dict[str, Any]:
    """What status and heartbeat say of the microphones; what is not known is null, and lags say why.

    `rms_dbfs`, `peak`, `clipped` are of the last whole second; `level_db` is the level in bands of the last minute, and
    `usual_db` its long average. `lag` is "observed", or why it is not.
    """
    second, levels, lags = state.second, state.levels, state.lags
    works = working(rule, state)
    minute = None if levels.now_db is None else levels.now_db.mean(axis=1)
    mics = [
        {
            "mic": name,
            "works": works[k],
            "disabled": name in state.disabled,
            "rms_dbfs": None if second is None else _number(second.rms_db[k]),
            "peak": None if second is None else _number(second.peak[k], 4),
            "clipped": None if second is None else _number(second.clipped[k], 4),
            "level_db": None if minute is None else _number(minute[k]),
            "usual_db": _number(levels.usual_db[k].mean()) if levels.minutes[k] >= rule.learn_minutes else None,
            "lag": lags.why_not[k] or "observed",
        }
        for k, name in enumerate(rule.mics)
    ]
    return {
        "schema": HEALTH_SCHEMA,
        "sound_ago_s": _number(state.now_s - state.heard_s),
        "localizable": sum(works) >= min(rule.needed, len(rule.mics)),
        "mics": mics,
    }


def saved_health(rule: HealthRule, state: HealthState) -> dict[str, Any]:
    """What was learned and which faults hold, to be written down; `restored_health` reads it."""
    levels, lags = state.levels, state.lags
    return {
        "schema": SAVED_SCHEMA,
        "mics": list(rule.mics),
        "faults": [[*key, c.detail] for key, c in state.conditions.items() if c.active],
        "disabled": list(state.disabled),
        "levels": {
            "bands_hz": list(BANDS_HZ),
            "minutes": levels.minutes.tolist(),
            "usual_db": _listed(levels.usual_db),
            "low_db": _listed(levels.low_db),
            "high_db": _listed(levels.high_db),
            "strange_db": _listed(levels.strange_db),
        },
        "lags": {
            "fs": lags.fs,
            "band_hz": list(rule.lags.band_hz),
            "baseline": None if lags.baseline is None else _parts(lags.baseline),
            "unseen": lags.unseen,
        },
    }


def restored_health(rule: HealthRule, record: Mapping[str, Any], *, now_s: float = 0.0) -> HealthState:
    """The health with which a new watch begins: what was learned, and the faults that held, until all is seen well.

    A baseline of other microphones is not used, one that is not whole is learned anew.

    Raises
    ------
    ConfigError
        If the record is of another kind, or damaged.
    """
    if record.get("schema") != SAVED_SCHEMA:
        raise ConfigError(f"saved health: expected schema {SAVED_SCHEMA}, found {record.get('schema')!r}")
    state = start_health(rule, now_s=now_s)
    try:
        if tuple(record["mics"]) != rule.mics:
            return state
        held = {(str(c), str(s)): Condition(1.0, True, str(d)) for c, s, d in record["faults"]}
        return HealthState(
            now_s=now_s,
            heard_s=now_s,
            looked_s=now_s,
            levels=_levels(rule, record["levels"]) or state.levels,
            lags=_lags(rule, record["lags"]) or state.lags,
            conditions=MappingProxyType(held),
            disabled=tuple(str(name) for name in record["disabled"]),
        )
    except (KeyError, TypeError, ValueError) as trouble:
        raise ConfigError(f"saved health: expected what was saved, found a damaged one: {trouble}") from trouble


def _levels(rule: HealthRule, record: Mapping[str, Any]) -> LevelState | None:
    if tuple(record["bands_hz"]) != BANDS_HZ:
        return None
    n_mics = len(rule.mics)
    minutes = np.array(record["minutes"], np.int64)
    if minutes.shape != (n_mics,):
        raise ValueError(f"expected minutes of {n_mics} microphones, found {minutes.shape}")
    return LevelState(
        minutes=minutes,
        usual_db=_array(record["usual_db"], (n_mics, len(BANDS_HZ) - 1), 0.0),
        low_db=_array(record["low_db"], (n_mics,), np.inf),
        high_db=_array(record["high_db"], (n_mics,), -np.inf),
        strange_db=_array(record["strange_db"], (n_mics,), np.nan),
    )


def _lags(rule: HealthRule, record: Mapping[str, Any]) -> LagState | None:
    fs, baseline = int(record["fs"]), record["baseline"]
    if baseline is None or tuple(record["band_hz"]) != rule.lags.band_hz:
        return None
    n_mics = len(rule.mics)
    shape = (2, len(mic_pairs(n_mics)), n_bins(rule.lags, fs))
    real, imaginary = _array(baseline, shape, np.nan)
    whole = np.asarray(real + 1j * imaginary)
    if not np.isfinite(whole).all():
        raise ValueError("expected numbers in the baseline of the lags")
    return LagState(fs=fs, baseline=whole, unseen=int(record["unseen"]), why_not=("not looked at yet",) * n_mics)


def _parts(values: NDArray[np.complexfloating]) -> list[Any]:
    return [np.round(values.real, 4).tolist(), np.round(values.imag, 4).tolist()]


def _listed(values: NDArray[np.float64]) -> list[Any]:
    """Numbers, with null for those that are not known."""
    listed: list[Any] = np.round(values, 3).astype(object).tolist()
    return _with_nulls(listed)


def _with_nulls(values: list[Any]) -> list[Any]:
    return [
        _with_nulls(value) if isinstance(value, list) else value if np.isfinite(value) else None for value in values
    ]


def _array(values: Any, shape: tuple[int, ...], missing: float) -> NDArray[np.float64]:
    found = np.array(values, dtype=np.float64)
    if found.shape != shape:
        raise ValueError(f"expected numbers of shape {shape}, found {found.shape}")
    return np.where(np.isnan(found), missing, found)


def _number(value: float, digits: int = 2) -> float | None:
    """A finite number, or None: no NaN leaves the house."""
    return round(float(value), digits) if np.isfinite(value) else None
