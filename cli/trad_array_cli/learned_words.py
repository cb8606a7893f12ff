"""What was learned of a site, for people and for programs."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trad_array.detection.threshold import Threshold
    from trad_array.site.learning import Learned
    from trad_array.site.record import Period

# More stretches that look abnormal are counted, not named.
_NAMED = 20
# What is not bounded stands in a site file as a million.
_OPEN = 1e6


def learned_lines(learned: "Learned", *, clips: int, faults: Mapping[str, int]) -> Iterator[str]:
    """The summary for a person."""
    site, period = learned.site, learned.site.periods[-1]
    before = f", {site.hours:.2f} h with what was learned before" if len(site.periods) > 1 else ""
    yield f"heard {period.hours:.2f} h of normal sound{before}; {period.sounds} runs of everyday sounds"
    if faults:
        yield "faults of the stream: " + ", ".join(f"{kind} {n} x" for kind, n in sorted(faults.items()))
    yield from _abnormal_lines(learned, clips=clips)
    for drift in learned.drifts:
        yield f"warning: {drift.line()}: a leak that grows sounds like that, and so does a day that begins"
    if site.gate is None or site.trigger is None:
        yield f"no thresholds yet: {site.hours_missing:.1f} h of normal sound are missing"
        return
    if learned.refused:
        yield f"the thresholds stay as they were: {site.hours_missing:.1f} h of normal sound are missing for others"
    yield f"from a cell: log-odds above {_ends(site.gate)}"
    asked = f"{site.trigger.wanted_per_day:g} at most"
    yield f"trigger: fused score above {site.trigger.value:.2f}; events a day: {_rate(site.trigger)}, asked for {asked}"
    yield f"expected false alarms a day: {_rate(site.gate)}, asked for {site.gate.wanted_per_day:g}; {_way(site.gate)}"
    low, middle, high = (_few_digits(rate) for rate in learned.unplaced_per_day)
    if learned.unplaced_per_day[1] > 0:
        yield f"beside them, alarms at any threshold: {middle} a day ({low} to {high}) last and are placed nowhere"


def _abnormal_lines(learned: "Learned", *, clips: int) -> Iterator[str]:
    if not learned.abnormal:
        return
    named = len({stretch.name for stretch in learned.abnormal})
    yield (
        f"{named} of {clips} clips look{'s' if named == 1 else ''} abnormal: {len(learned.abnormal)} x something that "
        "passes for a cell that vents, left out; listen to it"
    )
    for stretch in learned.abnormal[:_NAMED]:
        yield f"  {stretch.name}: {stretch.at_s:.1f} to {stretch.end_s:.1f} s, log-odds {stretch.odds:.1f}"
    if len(learned.abnormal) > _NAMED:
        yield f"  and {len(learned.abnormal) - _NAMED} more"
    if learned.if_normal is not None:
        yield f"  if they are everyday sounds: --all-normal, log-odds above {learned.if_normal.value:.2f}"


def _ends(found: "Threshold") -> str:
    if found.value > found.high:
        return f"{found.value:.2f}, the lowest allowed; {found.high:.2f} would do"
    return f"{found.value:.2f}{_interval(found.low, found.high)}"


def _interval(low: float, high: float) -> str:
    if abs(high) >= _OPEN:
        return ""
    return f" (95 % interval up to {high:.2f})" if abs(low) >= _OPEN else f" (95 % interval {low:.2f} to {high:.2f})"


def _rate(found: "Threshold") -> str:
    low, middle, high = (_few_digits(v) for v in (found.per_day_low, found.per_day, found.per_day_high))
    return f"{middle} ({low} to {high})"


def _few_digits(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.2g}"


def _way(found: "Threshold") -> str:
    """What a threshold rests on."""
    if found.way == "fitted":
        return f"tail of the {found.used} highest of {found.maxima:.0f} sounds in {found.hours:.1f} h"
    if found.way == "counted":
        return f"counted in {found.hours:.1f} h"
    return f"FORCED: too little sound ({found.hours:.2f} h), the careful end of what is known"


def learned_json(learned: "Learned", *, clips: int, faults: Mapping[str, int]) -> dict[str, Any]:
    """The same as a JSON object; what is not bounded or not known is null."""
    site = learned.site
    return {
        "schema": "trad-array/learned/1",
        "layout": site.layout,
        "date": site.date,
        "hours": _number(site.hours),
        "hours_missing": _number(site.hours_missing),
        "refused": learned.refused or None,
        "clips": clips,
        "abnormal_clips": len({stretch.name for stretch in learned.abnormal}),
        "abnormal": [_rounded(asdict(stretch)) for stretch in learned.abnormal],
        "faults": dict(faults),
        "drifts": [_rounded(asdict(drift)) for drift in learned.drifts],
        "gate": _threshold(site.gate),
        "trigger": _threshold(site.trigger),
        "gate_if_all_normal": _threshold(learned.if_normal),
        "unplaced_per_day": dict(zip(("low", "value", "high"), map(_number, learned.unplaced_per_day), strict=True)),
        "mics": [
            {
                "name": name,
                "score_centre": _number(site.calibration.centre[k]),
                "score_scale": _number(site.calibration.scale[k]),
                "hiss_db": _number(site.periods[-1].hiss_db[k]),
            }
            for k, name in enumerate(site.mics)
        ],
        "periods": [_period(period) for period in site.periods],
    }


def _period(period: "Period") -> dict[str, Any]:
    return {"date": period.date, "hours": _number(period.hours), "sounds": period.sounds, "abnormal": period.abnormal}


def _threshold(found: "Threshold | None") -> dict[str, Any] | None:
    return None if found is None else _rounded(asdict(found))


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _number(value) if isinstance(value, float) else value for key, value in values.items()}


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
