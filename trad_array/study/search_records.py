"""What a study file says of ranking and searching: its sections [rank] and [search]."""

from dataclasses import dataclass, replace
from typing import Any

from trad_array.errors import ConfigError
from trad_array.settings import read_settings, schema_of, setting
from trad_array.study.records import Condition, Study
from trad_array_geometry.tables import Table

AIMS = ("worst-cell", "mean", "time-to-alarm", "one-dead", "one-dead-worst-cell")
PREVIEWS = ("margin", "log-det")
METHODS = ("auto", "exhaustive", "exchange", "optuna")
CABLES = ("star", "tree")
# Microphones of an array that is searched for.
FEWEST_MICS, MOST_MICS = 3, 16


@dataclass(frozen=True, slots=True)
class At:
    """Which of the study's conditions; what is not set is the last of the study."""

    rt60_s: float | None = setting(None, "Reverberation time, s, one of the study's.")
    snr_db: float | None = setting(None, "Loudness, dB, one of the study's.")
    duration_s: float | None = setting(None, "Duration of a vent, s, one of the study's.")
    mismatch: str | None = setting(None, "Name of what is wrong with the layout file, one of the study's.")
    fans: str | None = setting(None, "State of the fans, one of the study's.")


@dataclass(frozen=True, slots=True)
class RankPlan(At):
    """How `study rank` goes about it."""

    mics: int = setting(4, "Microphones of a layout.", low=2, high=MOST_MICS)
    layouts: int = setting(
        10_000, "Layouts that are previewed; of more combinations so many are drawn.", low=1, high=1_000_000
    )
    shortlist: int = setting(30, "Best by the preview, which are simulated.", low=1, high=1_000)
    spread: int = setting(
        30, "Others from best to worst, simulated to see how far the preview is right.", low=0, high=1_000
    )
    finalists: int = setting(5, "Best by simulation, which the time engine simulates again.", low=0, high=100)
    preview: str = setting("margin", "What is previewed.", choices=PREVIEWS)
    events: int = setting(2_000, "Events for each layout of the short list.", low=1, high=1_000_000)
    final_events: int = setting(500, "Events for each finalist.", low=1, high=100_000)


@dataclass(frozen=True, slots=True)
class SearchPlan(At):
    """How `study optimise` goes about it.

    cable_to_m : where all cables end, m, or None
    """

    mics: int = setting(4, "Microphones of the layout.", low=FEWEST_MICS, high=MOST_MICS)
    aim: str = setting("worst-cell", "What is made as high, or the time as short, as can be.", choices=AIMS)
    method: str = setting("auto", "How layouts are searched; auto tries all when there are few.", choices=METHODS)
    trials: int = setting(3_000, "Layouts that are previewed at most.", low=1, high=1_000_000)
    shortlist: int = setting(12, "Best by the preview, which are simulated.", low=1, high=1_000)
    events: int = setting(2_000, "Events for each layout of the short list.", low=1, high=1_000_000)
    confirm_events: int = setting(
        5_000, "Fresh events on which the best one is compared with the reference.", low=1, high=1_000_000
    )
    cable: str = setting("star", "Each microphone with its own cable, or a tree from one to the next.", choices=CABLES)
    cable_price: float = setting(0.0, "What a metre of cable costs, in P(right).", low=0.0, high=1.0)
    cable_to_m: tuple[float, float, float] | None = None


def read_rank(table: Table, *, mics: int = 4) -> RankPlan:
    """The section [rank]; raises the table's error.

    mics : microphones of a layout where the section does not say
    """
    given = table.has("mics")
    plan = read_settings(RankPlan, table)
    return plan if given else replace(plan, mics=mics)


def read_search(table: Table, *, mics: int = 4) -> SearchPlan:
    """The section [search]; arguments and errors as `read_rank`."""
    ends, given = None, table.has("mics")
    if table.has("cable_to_m"):
        x, y, z = table.vector("cable_to_m", size=3)
        ends = (x, y, z)
    else:
        table.offer("cable_to_m")
    plan = read_settings(SearchPlan, table)
    if plan.cable_price > 0 and ends is None:
        raise table.fail("cable_to_m", "missing, expected where the cables end, since cable_price is above 0")
    return replace(plan, cable_to_m=ends, mics=plan.mics if given else mics)


def rank_schema() -> dict[str, Any]:
    """JSON Schema of [rank]."""
    return schema_of(RankPlan)


def search_schema() -> dict[str, Any]:
    """JSON Schema of [search]."""
    found = schema_of(SearchPlan)
    found["properties"]["cable_to_m"] = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    return found


def condition_at(study: Study, at: At) -> Condition:
    """The last of the study's conditions with the values that are set.

    Raises
    ------
    ConfigError
        If there is none; the message names the first value that no condition has.
    """
    left = list(study.conditions)
    for key, wanted in (
        ("rt60_s", at.rt60_s),
        ("snr_db", at.snr_db),
        ("duration_s", at.duration_s),
        ("mismatch", at.mismatch),
        ("fans", at.fans),
    ):
        if wanted is None:
            continue
        known = list(dict.fromkeys(_value(c, key) for c in left))
        left = [c for c in left if _value(c, key) == wanted]
        if not left:
            raise ConfigError(f"{key}: expected one of the study's, {', '.join(map(str, known))}, found {wanted}")
    return left[-1]


def _value(condition: Condition, key: str) -> float | str:
    if key == "mismatch":
        return condition.mismatch.name
    return condition.fan.name if key == "fans" else float(getattr(condition, key))
