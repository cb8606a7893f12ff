"""Results of calibrations and checks as versioned JSON objects: numbers or null, never NaN."""

from dataclasses import asdict
from typing import Any

import numpy as np

from trad_array.array_calibration.ambient import AmbientResult
from trad_array.array_calibration.calibrate import Calibration
from trad_array.array_calibration.diagnose import Diagnosis
from trad_array_geometry import Layout


def calibration_json(result: Calibration, layout: Layout) -> dict[str, Any]:
    """What `calibrate` found; `layout` is the one it began with."""
    found = result.layout
    return {
        "schema": "trad-array/calibration/1",
        "layout": layout.id,
        "mics": [
            {
                "name": name,
                "channel": found.mic_channels[k],
                "channel_before": layout.mic_channels[k],
                "position_m": [_number(v, 5) for v in found.mics[k]],
                "moved_mm": _number(float(1e3 * np.linalg.norm(result.moved_m[k])), 2),
                "position_sigma_mm": _number(1e3 * found.mic_sigma_m[k], 2),
                "delay_us": _number(1e6 * found.mic_delay_s[k], 2),
                "delay_sigma_us": _number(1e6 * found.mic_delay_sigma_s[k], 2),
            }
            for k, name in enumerate(found.mic_names)
        ],
        "channels_exchanged": result.order != tuple(range(layout.n_mics)),
        "orders_that_fit_as_well": [_channels(order, layout) for order in result.rivals],
        "sounds": [_rounded(asdict(sound)) for sound in result.sounds],
        "n_used": result.n_used,
        "temperature_c": _number(found.temperature_c, 2),
        "temperature_sigma_c": _number(found.temperature_sigma_c, 2),
        "height_mm": _number(1e3 * result.height_m, 1),
        "residual_us": _number(result.residual_us, 2),
        "delay_error_before": _rounded(asdict(result.before)),
        "delay_error_after": _rounded(asdict(result.after)),
    }


def ambient_json(result: AmbientResult, layout: Layout) -> dict[str, Any]:
    """What `listen_ambient` found; a bound that is not there is null."""
    names = layout.mic_names
    return {
        "schema": "trad-array/calibration-ambient/1",
        "layout": layout.id,
        "bounds": [
            {
                "mics": [names[k] for k in bound.mics],
                "sounds": bound.n_sources,
                "low_us": _number(bound.low_us, 1),
                "high_us": _number(bound.high_us, 1),
            }
            for bound in result.bounds
        ],
        "broken": [[names[k] for k in pair] for pair in result.broken],
        "late": None if result.late is None else names[result.late],
        "orders_that_mend": [_channels(order, layout) for order in result.orders],
        "observed": dict(zip(names, result.observed, strict=True)),
        "calibration": None if result.calibration is None else calibration_json(result.calibration, layout),
        "not_observable": list(result.not_observable),
    }


def diagnosis_json(diagnosis: Diagnosis, layout: Layout) -> dict[str, Any]:
    """What a check found."""
    return {
        "schema": "trad-array/calibration-check/1",
        "layout": layout.id,
        "fits": diagnosis.fits,
        "sentence": diagnosis.sentence,
        "residual_us": None if diagnosis.residual_us is None else _number(diagnosis.residual_us, 2),
        "findings": [
            {**_rounded(asdict(finding)), "mics": [layout.mic_names[k] for k in finding.mics]}
            for finding in diagnosis.findings
        ],
        "sounds": [
            {"name": name, "at_s": _number(at_s, 3), "residual_us": _number(off, 2)}
            for name, at_s, off in diagnosis.sounds
        ],
        "unheard": list(diagnosis.unheard),
    }


def _channels(order: tuple[int, ...], layout: Layout) -> list[int]:
    """Channel of each microphone in that order."""
    return [layout.mic_channels[k] for k in order]


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _number(value, 3) if isinstance(value, float) else value for key, value in values.items()}


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
