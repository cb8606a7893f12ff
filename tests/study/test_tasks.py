"""How a study is cut into shards, and what their names depend on."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.study.as_json import digest_of, from_json, to_json
from trad_array.study.plan import plan
from trad_array.study.records import ALL_MICS, MISMATCHES, Choice, Condition, DetectionPart, Study
from trad_array.study.running import run
from trad_array.study.tasks import DETECTION, LOCALIZATION, require_engine, tasks_of


@pytest.fixture
def small_study(small_study):
    """Without the comparison of engines."""
    return replace(small_study, agreement_events=0)


def digests(study: Study) -> set[str]:
    return {task.digest for task in tasks_of(study)}


def test_every_event_of_every_layout_and_condition_is_in_one_shard(small_study):
    study = replace(small_study, events=70, shard_events=30, conditions=(Condition(0.2, -12.0), Condition(0.2, 0.0)))
    tasks = tasks_of(study)
    for choice in study.choices:
        for condition in study.conditions:
            own = sorted((t.first, t.n) for t in tasks if t.choice == choice and t.condition == condition)
            assert own == [(0, 30), (30, 30), (60, 10)]
    assert len(tasks) == len(digests(study)) == 12


def test_each_dead_adds_the_loss_of_each_microphone_where_two_are_left(small_study):
    pair = Choice("pair", (0, 3))
    study = replace(small_study, choices=(*small_study.choices, pair), each_dead=True, events=5)
    lost = {c.name: sorted(t.condition.dead for t in tasks_of(study) if t.choice == c) for c in study.choices}
    assert lost == {"corners": [ALL_MICS, 0, 1, 2, 3], "other": [ALL_MICS, 0, 1, 2, 3], "pair": [ALL_MICS]}


def test_another_loudness_adds_its_shards_and_leaves_the_rest(small_study):
    more = replace(small_study, conditions=(*small_study.conditions, Condition(0.2, -6.0)))
    assert digests(small_study) < digests(more)
    assert {t.condition.snr_db for t in tasks_of(more) if t.digest not in digests(small_study)} == {-6.0}


def test_more_events_keep_the_shards_that_are_whole(small_study):
    few, many = (replace(small_study, events=n, shard_events=20) for n in (40, 60))
    assert digests(few) < digests(many)


def test_where_engines_are_compared_the_time_engine_is_run_too(small_study):
    study = replace(small_study, events=40, shard_events=20, agreement_events=30)
    own = [t for t in tasks_of(study) if t.engine == "spectral"]
    other = [t for t in tasks_of(study) if t.engine == "time"]
    assert sum(t.n for t in own) == 2 * 40
    assert sum(t.n for t in other) == 2 * 30
    assert not {t.engine for t in tasks_of(replace(study, engine="time"))} - {"time"}
    assert len(tasks_of(replace(study, engine="time"))) == len(own)


def test_names_change_nothing(small_study):
    renamed = replace(
        small_study,
        name="another",
        choices=tuple(replace(c, name=f"layout {k}") for k, c in enumerate(small_study.choices)),
        points=replace(small_study.points, names=tuple(f"m{k}" for k in range(len(small_study.points)))),
    )
    assert digests(renamed) == digests(small_study)


def test_a_moved_microphone_changes_the_layouts_that_have_it(small_study):
    moved = small_study.points.positions_m.copy()
    moved[5] += 0.001
    other = replace(small_study, points=replace(small_study.points, positions_m=moved))
    left = {task.choice.name for task in tasks_of(other) if task.digest in digests(small_study)}
    assert left == {"corners"}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: replace(s, seed=8),
        lambda s: replace(s, engine="time"),
        lambda s: replace(s, site=replace(s.site, noise_dbfs=-44.0)),
        lambda s: replace(s, site=replace(s.site, cells=np.array([0, 6]))),
        lambda s: replace(s, site=replace(s.site, jet_heights_m=(0.0,))),
        lambda s: replace(s, conditions=(Condition(0.2, -12.0, mismatch=MISMATCHES["M1"]),)),
        lambda s: replace(s, choices=s.choices[::-1]),  # another reference: vents of another strength
    ],
)
def test_what_a_result_depends_on_is_in_its_name(small_study, change):
    assert digests(change(small_study)).isdisjoint(digests(small_study))


def test_detection_has_one_condition_for_all_durations(small_study):
    study = replace(
        small_study,
        conditions=(Condition(0.2, -12.0, 0.5), Condition(0.2, -12.0, 1.0)),
        detection=DetectionPart(events=3, negatives=("rain",), negative_events=2, duration_s=1.5),
        events=5,
    )
    tasks = tasks_of(study)
    assert sum(t.part == LOCALIZATION for t in tasks) == 4
    assert sorted((t.choice.name, t.sound, t.n, t.condition.duration_s) for t in tasks if t.part == DETECTION) == [
        ("corners", "rain", 2, 1.5),
        ("corners", "vent", 3, 1.5),
        ("other", "rain", 2, 1.5),
        ("other", "vent", 3, 1.5),
    ]


def test_shards_of_one_room_follow_each_other(small_study):
    study = replace(small_study, conditions=(Condition(0.2, 0.0), Condition(0.4, 0.0), Condition(0.2, -6.0)))
    rooms = [task.condition.rt60_s for task in tasks_of(study)]
    assert rooms == sorted(rooms)


def test_a_study_without_layouts_is_refused(small_study):
    with pytest.raises(ConfigError, match="expected layouts"):
        tasks_of(replace(small_study, choices=()))


def test_more_microphones_than_the_spectral_engine_takes_are_refused_before_anything_is_made(small_study, tmp_path):
    points = small_study.points
    nine = replace(
        points,
        names=tuple(f"m{k}" for k in range(9)),
        positions_m=np.linspace([1.0, 1.0, 1.0], [1.8, 1.0, 1.0], 9),
        zones=("wall",) * 9,
        sigma_m=np.full(9, 0.005),
        delay_sigma_s=np.full(9, 3e-5),
    )
    study = replace(small_study, points=nine, choices=(Choice("all nine", tuple(range(9))),))
    with pytest.raises(ConfigError, match='^all nine: expected at most 8 microphones .* found 9; use engine = "time"$'):
        plan(study, tmp_path)
    with pytest.raises(ConfigError, match="^all nine: expected at most 8 microphones"):
        run(study, tmp_path / "run", cache=tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()
    require_engine(replace(study, engine="time"))
    require_engine(replace(study, conditions=(replace(study.conditions[0], dead=0),)))


def test_a_study_comes_back_from_json_as_it_was(small_study):
    again = from_json(Study, to_json(small_study))
    assert digest_of(again) == digest_of(small_study)
    assert again.choices == small_study.choices
    assert again.site.layout.mics.dtype == np.float64
    assert digests(again) == digests(small_study)
