"""Tables and rows of the day and its vents: false alarms a day, recall, latency, thresholds of a site."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from day import (
    AIR,
    DEAD,
    DURING_RAIN,
    DURING_TOOL,
    LAYOUTS,
    LONG_HOURS,
    LONG_S,
    MIC,
    PLAIN,
    SHORT,
    VENT_SNRS_DB,
    WRONG,
    Amount,
    Task,
    of,
)
from hear import Heard
from parts import Part
from rows import Row, share
from scipy.special import gammaincinv

from trad_array.detection.threshold import Maxima, Threshold, find_threshold
from trad_array.errors import TradArrayError
from trad_array.localization.gate import Gate

_All = Sequence[tuple[Task, Heard]]
_SECONDS_A_DAY = 86_400.0
_NAMES = {DURING_RAIN: "during rain", DURING_TOOL: "during an air tool", **WRONG}
# Goals of the issue: recall by level, in the corner layouts.
_GOALS = {-10.0: 95.0, -15.0: 95.0, -20.0: 70.0}


def day_part(heard: _All, amount: Amount) -> Part:
    """Rows and page."""
    found = list(_rows(heard, amount))
    table = "\n\n".join([_everyday_table(heard, amount), _vent_table(heard)])
    page = f"## The whole chain: a day of everyday sounds, and vents\n\n{_about(amount)}\n\n{table}"
    return Part(table=table, page=page, rows=tuple(found), quoted=tuple(r for r in found if r.goal is not None))


def _rows(heard: _All, amount: Amount) -> Iterator[Row]:
    for layout in LAYOUTS:
        yield _false_alarms(heard, layout, amount)
        yield from _tail(heard, layout, amount)
        yield from _recalls(heard, layout)
        detected = _latencies(heard, layout)
        yield _quantile(f"{layout}: onset to detection, -10 dB, median", detected, 0.5, goal=0.4)
        yield _quantile(f"{layout}: onset to detection, -10 dB, 95 %", detected, 0.95, goal=0.8)


def false_alarms_a_day(heard: _All, layout: str, amount: Amount) -> tuple[float, float, float]:
    """Counted alarms a day and their exact 95 % limits: each kind has the weight of what a day holds of it.

    Notes
    -----
    The limits are those of a weighted Poisson count (Fay & Feuer, Stat. Med. 16, 1997); the upper one adds one alarm of
    the kind that was heard least.
    """
    weights, counts = [], []
    for kind in (*SHORT, *LONG_HOURS):
        found = of(heard, layout=layout, group="day", kind=kind)
        if not found:
            continue
        a_day = SHORT[kind] if kind in SHORT else LONG_HOURS[kind] * 3600.0 / LONG_S
        weights.append(a_day / len(found))
        counts.append(sum(h.alarms for h in found))
    rate = float(np.dot(weights, counts))
    variance = float(np.dot(np.square(weights), counts))
    largest = max(weights)
    effective = rate**2 / variance if variance else 0.0
    low = rate / effective * float(gammaincinv(effective, 0.025)) if effective else 0.0
    scale = (variance + largest**2) / (rate + largest)
    high = scale * float(gammaincinv((rate + largest) / scale, 0.975))
    return rate, low, high


def _false_alarms(heard: _All, layout: str, amount: Amount) -> Row:
    rate, low, high = false_alarms_a_day(heard, layout, amount)
    n = sum(len(of(heard, layout=layout, group="day", kind=kind)) for kind in (*SHORT, *LONG_HOURS))
    return Row(f"{layout}: false alarms a day, counted", rate, "a day", 1.0, "lower", n, low, high)


def _tail(heard: _All, layout: str, amount: Amount) -> Iterator[Row]:
    """What tail fits of the log-odds say about the shipped threshold, and about one learned on other days."""
    shipped = Gate().threshold
    fitted = _threshold(_gates(heard, layout, "day"), amount.days, per_day=0.1)
    if fitted is not None:
        name = f"{layout}: gate threshold for 0.1 a day of short sounds (tail fit) less the shipped one"
        low, high = fitted.low - shipped, fitted.high - shipped
        yield Row(name, fitted.value - shipped, "nats", 0.0, "lower", fitted.used, low, high)
    learned = _threshold(_gates(heard, layout, "learn"), amount.learn_days, per_day=1.0)
    if learned is not None:
        count = int((_gates(heard, layout, "day") > learned.value).sum())
        low = float(gammaincinv(count, 0.025)) / amount.days if count else 0.0
        high = float(gammaincinv(count + 1, 0.975)) / amount.days
        name = f"{layout}: gate threshold asked for 1 a day: short sounds above it on other days (wanted: 0.3 to 3)"
        yield Row(name, count / amount.days, "a day", 3.0, "lower", count, low, high)


def _threshold(values: np.ndarray, days: float, *, per_day: float) -> Threshold | None:
    """None when too little was heard."""
    try:
        return find_threshold(Maxima(values, np.ones(len(values)), 24.0 * days), per_day=per_day)
    except TradArrayError:
        return None


def _gates(heard: _All, layout: str, group: str) -> np.ndarray:
    gates = [h.gate for kind in SHORT for h in of(heard, layout=layout, group=group, kind=kind)]
    return np.array([gate for gate in gates if np.isfinite(gate)])


def _recalls(heard: _All, layout: str) -> Iterator[Row]:
    corner = layout != "row-frame"
    for snr_db in sorted(VENT_SNRS_DB, reverse=True):
        found = [h for h in of(heard, layout=layout, group=PLAIN) if h.snr_db == snr_db]
        goal = _GOALS[snr_db] if corner else (85.0 if snr_db == -10.0 else None)
        yield _recall(f"{layout}: vents that raise an alarm, {snr_db:g} dB", found, goal)
        yield _recall(f"{layout}: of these, placed in the right cell", [h for h in found if h.alarm_s == h.alarm_s],
                      None, right=True)  # fmt: skip
    for group, name in WRONG.items():
        yield _recall(f"{layout}: the same, {name}, -10 dB", of(heard, layout=layout, group=group),
                      95.0 if corner else None)  # fmt: skip
    for group, name in ((DURING_RAIN, "rain"), (DURING_TOOL, "an air tool 1.5 to 2.5 m away")):
        found = of(heard, layout=layout, group=group)
        yield _recall(f"{layout}: vents that start during {name}, as loud in band", found, 90.0 if corner else None)


def _recall(name: str, found: Sequence[Heard], goal: float | None, *, right: bool = False) -> Row:
    hits = sum(h.right for h in found) if right else sum(bool(np.isfinite(h.alarm_s)) for h in found)
    return share(name, hits, max(len(found), 1), goal=goal)


def _latencies(heard: _All, layout: str) -> list[float]:
    found = [h for h in of(heard, layout=layout, group=PLAIN) if h.snr_db == -10.0]
    # A vent that is not detected at all counts as the longest latency.
    return [h.detected_s if np.isfinite(h.detected_s) else h.seconds + 2.0 for h in found]


def _quantile(name: str, values: Sequence[float], q: float, *, goal: float) -> Row:
    ordered = np.sort(values)
    n = len(ordered)
    spread = 1.96 * np.sqrt(n * q * (1 - q))
    low, high = (int(np.clip(round(n * q + sign * spread), 0, n - 1)) for sign in (-1, 1))
    value = float(np.quantile(ordered, q))
    return Row(name, value, "s", goal, "lower", n, float(ordered[low]), float(ordered[high]))


def _everyday_table(heard: _All, amount: Amount) -> str:
    lines = ["| layout | sound | a day | heard | alarms | of these placed in a cell | verdicts |", "| --- " * 7 + "|"]
    for layout in LAYOUTS:
        for kind in (*SHORT, *LONG_HOURS):
            found = of(heard, layout=layout, group="day", kind=kind)
            if not found:
                continue
            a_day = f"{SHORT[kind]}" if kind in SHORT else f"{LONG_HOURS[kind]:g} h"
            much = f"{len(found)}" if kind in SHORT else f"{len(found) * LONG_S / 3600:.2f} h"
            verdicts = ", ".join(f"{v} {n}" for v, n in Counter(h.verdict for h in found).most_common(4))
            placed = sum(h.placed for h in found)
            lines.append(
                f"| {layout} | {kind} | {a_day} | {much} | {sum(h.alarms for h in found)} | {placed} | {verdicts} |"
            )
    return "\n".join(lines)


def _vent_table(heard: _All) -> str:
    lines = ["| layout | vents | SNR, dB | n | alarm, % | right cell, % | detected after, s (median, 95 %) |"]
    lines.append("| --- " * 7 + "|")
    for layout in LAYOUTS:
        for group in (PLAIN, AIR, MIC, DEAD, DURING_RAIN, DURING_TOOL):
            by_level: dict[float, list[Heard]] = {}
            for h in of(heard, layout=layout, group=group):
                by_level.setdefault(h.snr_db, []).append(h)
            for snr_db, found in sorted(by_level.items(), reverse=True):
                alarm = 100 * float(np.mean([np.isfinite(h.alarm_s) for h in found]))
                right = 100 * float(np.mean([h.right for h in found]))
                times = [h.detected_s for h in found if np.isfinite(h.detected_s)] or [np.nan]
                after = ", ".join(f"{v:.2f}" for v in np.quantile(times, [0.5, 0.95]))
                name = _NAMES.get(group, group)
                level = "as loud" if group in (DURING_RAIN, DURING_TOOL) else f"{snr_db:g}"
                lines.append(f"| {layout} | {name} | {level} | {len(found)} | {alarm:.0f} | {right:.0f} | {after} |")
    return "\n".join(lines)


_ABOUT = """Simulated. {days:g} days of short sounds, and {speech:g} s of speech, {rain:g} s of rain and {normal:g} s of
cabin noise, for each layout; every kind is counted with the weight that a day gives it. Short sounds at -10 to 20 dB
full band, speech -10 to 15, rain 0 to 20; at least 0.6 m from every cell; RT60 0.2 to 0.64 s (row-frame 0.4 s); fans
x0.7 to 1.6; cabins of -53 to -37 dB re full scale; layouts wrong by what their files say. Vents sound within 25 mm of
the valve and up to 100 mm above it, for 0.3 to 5 s. Nothing was learned on site: the thresholds are the shipped ones.
An alarm is a map that puts the sound in a cell, or a sound that lasts two seconds and that nobody could place."""


def _about(amount: Amount) -> str:
    return _ABOUT.format(days=amount.days, speech=amount.speech_s, rain=amount.rain_s, normal=amount.normal_s)
