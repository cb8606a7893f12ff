"""Looks at the array: what one second, one minute and ten minutes of sound say of each microphone."""

from collections.abc import Collection, Mapping

import numpy as np

from trad_array.alarm.conditions import Look
from trad_array.alarm.fault_table import fault_kind
from trad_array.alarm.health_rule import HealthRule
from trad_array.alarm.lags import LagLook
from trad_array.alarm.levels import LevelState, Minute, Second
from trad_array.array_calibration.swaps import Order

_MINUTE_S = 60.0
# A level is well again when it is this much within its limit, dB.
_BACK_DB = 3.0
# What no sound can do counts so much faster.
_HASTE = 5.0
# Spectra of the channels are unlike the usual ones from here on, and alike up to here, dB.
_UNLIKE_DB, _ALIKE_DB = 3.0, 1.0


def slow(rule: HealthRule, queued_s: float, duration_s: float) -> Look:
    """How long sound waited before it was taken."""
    bad = True if queued_s > rule.queued_s else False if queued_s < rule.queued_ok_s else None
    return Look("slow", "", bad, duration_s, f"sound waits {queued_s:.1f} s before it is heard")


def clipped(rule: HealthRule, levels: LevelState, second: Second, mic: int) -> Look:
    """An overload while the others hear nothing special is the microphone's; a loud event may last for minutes."""
    share = float(second.clipped[mic])
    bad = share > rule.clipped_share and not second.dead[mic]
    detail = f"microphone {rule.mics[mic]} is overloaded: {100 * share:.1f} % of its samples are at full scale"
    return Look(
        "mic-clipped", rule.mics[mic], bad, 1.0, detail, 1.0 if not _loud(rule, levels, second, mic) else 1 / 15
    )


def _loud(rule: HealthRule, levels: LevelState, second: Second, mic: int) -> bool:
    """Whether the other microphones hear more than usual, or nobody knows what is usual."""
    others = (levels.minutes >= rule.learn_minutes) & ~second.dead
    others[mic] = False
    if not others.any():
        return True
    over = second.bands_db.mean(axis=1) - levels.usual_db.mean(axis=1)
    return bool(np.median(over[others]) > rule.loud_db)


def differs(rule: HealthRule, minute: Minute, mic: int) -> Look:
    """One microphone against the others: what all hear is not its fault."""
    more_db, alone_db, moved_db = (
        float(values[mic]) for values in (minute.against_others_db, minute.alone_db, minute.moved_db)
    )
    name = rule.mics[mic]
    if alone_db < -rule.deaf_db:
        detail = f"microphone {name} hears {-alone_db:.0f} dB less than the others"
        return Look("mic-differs", name, True, _MINUTE_S, detail, _HASTE)
    if not np.isfinite(more_db):
        return Look("mic-differs", name, None, _MINUTE_S)
    bad = True if abs(more_db) > rule.differs_db else False if abs(more_db) < rule.differs_db - _BACK_DB else None
    word = "less" if more_db < 0 else "more"
    detail = f"against the others, microphone {name} hears {abs(more_db):.0f} dB {word} than it long did"
    # No sound makes one microphone hear less than it did.
    fell = max(more_db, moved_db) < -rule.fell_db
    return Look("mic-differs", name, bad, _MINUTE_S, detail, _HASTE if fell else 1.0)


def level(rule: HealthRule, minute: Minute, mic: int) -> Look:
    """One microphone against its own ordinary minutes; what is loud for hours may be the weather."""
    off_db, name = float(minute.off_db[mic]), rule.mics[mic]
    if not np.isfinite(off_db):
        return Look("mic-level", name, None, _MINUTE_S)
    out = off_db < -rule.quieter_db or off_db > rule.louder_db
    back = -rule.quieter_db + _BACK_DB < off_db < rule.louder_db - _BACK_DB
    word = "quieter" if off_db < 0 else "louder"
    detail = f"microphone {name} is {abs(off_db):.0f} dB {word} than in ordinary minutes"
    slowly = fault_kind("mic-level").after_s / rule.louder_after_s
    return Look("mic-level", name, out if out or back else None, _MINUTE_S, detail, 1.0 if off_db < 0 else slowly)


def lag_looks(rule: HealthRule, look: LagLook) -> list[Look]:
    """What ten minutes of everyday sound say of the channels' delays."""
    looks = []
    for name, late_s in zip(rule.mics, look.late_s, strict=True):
        way = "late" if (late_s or 0.0) > 0 else "early"
        detail = f"channel of microphone {name} is {1e6 * abs(late_s or 0.0):.0f} us {way} against how it long was"
        looks.append(Look("mic-lag", name, None if late_s is None else late_s != 0.0, _epoch_s(rule), detail))
    return looks


def swap_looks(
    rule: HealthRule, order: Order | None, misfits_db: Mapping[Order, float], suspected: Collection[str]
) -> list[Look]:
    """What ten minutes say of the channels' order: by their lags, and where those are not observable by their levels.

    Parameters
    ----------
    order : from the lags, or None
    misfits_db : from `order_misfits`
    suspected : microphones of exchanges that are suspected, as in the subjects of the faults
    """
    straight = tuple(range(len(rule.mics)))
    if order is None and misfits_db and misfits_db[straight] > _UNLIKE_DB:
        # Of orders that fit alike, the one that moves the fewest channels.
        best = min(
            misfits_db, key=lambda o: (misfits_db[o] >= _ALIKE_DB, sum(np.not_equal(o, straight)), misfits_db[o])
        )
        order = best if misfits_db[best] < _ALIKE_DB else None
    looks = []
    if order is not None and order != straight:
        names = _moved(rule, order)
        detail = f"channels of microphones {names} look exchanged"
        looks.append(Look("mics-swapped", names, True, _epoch_s(rule), detail))
    for names in suspected:
        if order is not None and _moved(rule, order) == names:
            continue
        exchanged = [off_db for o, off_db in misfits_db.items() if _moved(rule, o) == names]
        refuted = bool(exchanged) and misfits_db[straight] < _ALIKE_DB and min(exchanged) > _UNLIKE_DB
        looks.append(Look("mics-swapped", names, False if order is not None or refuted else None, _epoch_s(rule)))
    return looks


def _epoch_s(rule: HealthRule) -> float:
    return float(rule.lags.epoch * rule.lags.every_s)


def _moved(rule: HealthRule, order: Order) -> str:
    return ", ".join(rule.mics[k] for k, source in enumerate(order) if k != source)
