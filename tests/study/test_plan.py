"""What a study will compute: counts, what the cache has, time and disk."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.errors import StoreError
from trad_array.study.plan import measured_response_s, plan, require_disk
from trad_array.study.records import FANS, Condition, DetectionPart
from trad_array.study.results import SHARDS, write_shard
from trad_array.study.tasks import CellCounts, TaskResult, tasks_of
from trad_array.study.world import World


def test_counts_follow_from_the_study(small_study, tmp_path):
    conditions = tuple(Condition(0.2, snr_db) for snr_db in (-20.0, -10.0, 0.0))
    study = replace(small_study, conditions=conditions, events=250, shard_events=100, agreement_events=0)
    planned = plan(study, tmp_path)
    assert (planned.layouts, planned.points, planned.cells) == (2, 6, 3)
    assert (planned.shards, planned.events) == (2 * 3 * 3, 2 * 3 * 250)
    with_losses = plan(replace(study, each_dead=True), tmp_path)
    assert (with_losses.shards, with_losses.events) == (5 * planned.shards, 5 * planned.events)
    # Both engines at a sample of conditions: six of them here, the time engine's part in shards of its own.
    with_agreement = plan(replace(study, agreement_events=60), tmp_path)
    assert with_agreement.events == planned.events + 6 * 60
    part = DetectionPart(events=4, negatives=("door", "rain"), negative_events=3)
    assert planned.sounds == planned.detection_s == 0
    assert plan(replace(study, detection=part), tmp_path).sounds == 2 * 3 * (4 + 2 * 3)


def test_shards_that_the_run_folder_has_are_not_computed_again(small_study, tmp_path):
    study = replace(small_study, events=300, shard_events=100, agreement_events=0)
    first, *others = tasks_of(study)
    (tmp_path / SHARDS).mkdir()
    write_shard(tmp_path, TaskResult(first.digest, CellCounts(np.full(3, 33), np.full(3, 20), np.zeros(3))))
    planned = plan(study, tmp_path / "cache", folder=tmp_path)
    assert (planned.shards, planned.shards_kept) == (1 + len(others), 1)
    assert planned.events == sum(task.n for task in others) == 500


def test_what_is_in_the_cache_is_not_made_again(small_study, tmp_path):
    fans = tuple(Condition(0.2, -10.0, fan=fan) for fan in FANS.values())
    study = replace(small_study, conditions=fans)
    before = plan(study, tmp_path)
    assert not list(tmp_path.iterdir())
    n_sources = 3 * 2 + len(study.site.layout.guards) + 3
    (room,) = before.rooms
    assert 0 < room.responses <= 6 * n_sources
    assert (room.responses_kept, room.noise, room.noise_kept) == (0, 12, 0)
    world = World(study, tmp_path)
    world.noise(0.2, FANS["normal"])
    written = sum(path.stat().st_size for path in tmp_path.rglob("*.npy"))
    halfway = plan(study, tmp_path)
    assert halfway.rooms[0].responses_kept == room.responses
    assert halfway.rooms[0].noise_kept == 6
    assert before.cache_bytes - halfway.cache_bytes == pytest.approx(written, rel=0.01)
    world.noise(0.2, FANS["fast"])
    after = plan(study, tmp_path)
    assert after.cache_bytes == 0
    assert after.response_s == after.noise_s == 0


def test_time_grows_with_work_and_is_shared(small_study, tmp_path):
    one = plan(replace(small_study, events=10_000_000), tmp_path)
    slow = plan(replace(small_study, events=10_000_000, engine="time"), tmp_path)
    assert one.event_s > 60
    assert replace(one, workers=2).seconds < 0.6 * one.seconds
    assert plan(small_study, tmp_path, workers=3).workers == 3
    assert slow.seconds > 4 * one.seconds
    assert 1e-5 < measured_response_s() < 0.1


def test_the_estimate_of_a_bank_is_of_the_right_size(small_site, small_study, tmp_path):
    import time

    site = replace(small_site, cells=np.arange(13), jet_heights_m=tuple(0.01 * k for k in range(8)))
    study = replace(small_study, site=site)
    World(study, tmp_path / "warm").bank(0.2)
    planned = plan(study, tmp_path)
    begun = time.process_time()
    World(study, tmp_path).bank(0.2)
    assert planned.response_s / 4 < time.process_time() - begun < 4 * planned.response_s + 1


def test_a_disk_that_is_too_small_is_one_line(small_study, tmp_path):
    planned = plan(small_study, tmp_path / "cache", folder=tmp_path / "run")
    require_disk(planned, tmp_path / "cache", tmp_path / "run")
    small = replace(planned, cache_free=1_000_000, run_free=1_000_000)
    with pytest.raises(StoreError, match=r"cache: expected [0-9]+ MB of free disk for this study, found 1$"):
        require_disk(small, tmp_path / "cache", tmp_path / "run")
    full_run = replace(planned, run_free=0, one_disk=False)
    with pytest.raises(StoreError, match=r"run: expected [0-9]+ MB of free disk for this study, found 0$"):
        require_disk(full_run, tmp_path / "cache", tmp_path / "run")
