"""A run from its study to its table: stopped, killed, changed, on one process, on two and on a cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import active_children

import pytest

from trad_array.errors import StoreError, WorkerError
from trad_array.study.as_json import to_json
from trad_array.study.records import Condition, DetectionPart
from trad_array.study.results import PARQUET, read_results
from trad_array.study.running import read_run, run

# A run of its own, whose two workers note which shards they begin and who they are.
PROGRAM = """
import json, os, sys
from pathlib import Path

from trad_array.study.as_json import from_json
from trad_array.study.executors import Processes
from trad_array.study.records import Study
from trad_array.study.running import run
from trad_array.study.tasks import run_task


def noted(world, task):
    with Path(sys.argv[4]).open("a") as log:
        log.write(f"{task.digest} {os.getpid()}\\n")
    return run_task(world, task)


if __name__ == "__main__":
    study = from_json(Study, json.loads(Path(sys.argv[1]).read_text()))
    run(study, Path(sys.argv[2]), cache=Path(sys.argv[3]), executor=Processes(2, work=noted))
"""


@pytest.fixture(scope="module")
def study(small_study):
    return replace(
        small_study,
        engine="time",
        events=16,
        shard_events=4,
        conditions=(Condition(0.2, -12.0), Condition(0.2, -20.0)),
        detection=DetectionPart(events=1, negatives=("air-tool",), negative_events=1, duration_s=0.5),
    )


@pytest.fixture(scope="module")
def alone(study, small_cache, tmp_path_factory):
    """The folder of a run on one process."""
    folder = tmp_path_factory.mktemp("alone")
    run(study, folder, cache=small_cache, workers=1)
    return folder


class Told:
    """Keeps what a run tells, and does something after so many shards."""

    def __init__(self, *, after=None, then=None):
        self.events, self.rooms = [], []
        self._after, self._then = after, then

    def __call__(self, progress):
        if progress.stage == "rooms":
            self.rooms.append(progress)
        if progress.stage == "events":
            self.events.append(progress)
            if self._after is not None and len(self.events) - 1 == self._after:
                self._then()

    @property
    def made(self):
        """Shards that were computed."""
        return max(len(self.events) - 1, 0)


def shards(folder):
    return {path.name for path in (folder / "shards").glob("*.json")}


def stop():
    raise KeyboardInterrupt


def test_one_process_and_two_give_the_same_file(study, alone, small_cache, tmp_path):
    run(study, tmp_path, cache=small_cache, workers=2)
    assert (tmp_path / PARQUET).read_bytes() == (alone / PARQUET).read_bytes()


def test_vents_are_named_where_they_are_loud(alone, study):
    table = read_results(alone)
    hiss = table.where(table["measure"] == "localization")
    assert hiss["n"].sum() == 2 * 2 * 16
    loud = hiss.where((hiss["snr_db"] == -12.0) & (hiss["layout"] == "corners"))
    assert loud["right"].sum() / loud["n"].sum() > 0.9


def test_a_run_says_what_it_was(alone, study):
    finished = read_run(alone)
    assert to_json(finished.study) == to_json(study)
    assert finished.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(finished.versions) >= {"trad-array", "numpy", "numba", "pyroomacoustics"}
    assert json.loads((alone / "study.json").read_text())["seed"] == study.seed


def test_progress_counts_up_and_the_time_left_comes_to_nothing(study, small_cache, tmp_path):
    told = Told()
    run(study, tmp_path, cache=small_cache, workers=1, progress=told)
    assert [p.done for p in told.events] == list(range(len(shards(tmp_path)) + 1))
    # The first shard sets the clock.
    assert [p.left_s for p in told.events[:2]] == [None, None]
    assert all(p.left_s > 0 for p in told.events[2:-1])
    assert told.events[-1].left_s == 0


def test_ctrl_c_keeps_what_is_done_and_the_same_call_goes_on(study, alone, small_cache, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path, cache=small_cache, workers=2, progress=Told(after=5, then=stop))
    assert len(shards(tmp_path)) == 5
    told = Told()
    run(study, tmp_path, cache=small_cache, workers=1, progress=told)
    assert told.events[0].kept == 5
    assert told.made == len(shards(alone)) - 5
    assert (tmp_path / PARQUET).read_bytes() == (alone / PARQUET).read_bytes()


def test_a_scheduler_that_does_not_answer_is_told_before_rooms_are_made(study, tmp_path):
    told = Told()
    with pytest.raises(WorkerError, match="expected a Dask scheduler"):
        run(study, tmp_path / "run", cache=tmp_path / "cache", scheduler="tcp://127.0.0.1:1", progress=told)
    assert not told.rooms
    assert not (tmp_path / "cache").exists()


def test_another_loudness_computes_only_its_own_shards(study, alone, small_cache, tmp_path):
    for name in shards(alone):
        (tmp_path / "shards").mkdir(exist_ok=True)
        (tmp_path / "shards" / name).write_bytes((alone / "shards" / name).read_bytes())
    told = Told()
    more = replace(study, conditions=(*study.conditions, Condition(0.2, -6.0)))
    table = run(more, tmp_path, cache=small_cache, workers=1, progress=told)
    # Two layouts: 16 events in shards of 4, and a shard each of vents and of air tools.
    assert told.made == 2 * (4 + 2)
    again = Told()
    run(more, tmp_path, cache=small_cache, workers=1, progress=again)
    assert again.made == 0
    old = table.where(table["snr_db"] != -6.0)
    assert list(old.rows()) == list(read_results(alone).rows())


def test_a_changed_study_that_is_stopped_does_not_pass_off_the_old_table_as_its_own(study, small_cache, tmp_path):
    run(study, tmp_path, cache=small_cache, workers=1)
    changed = replace(study, seed=study.seed + 1)

    def stop(progress):
        if progress.stage == "events":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(changed, tmp_path, cache=small_cache, workers=1, progress=stop)

    with pytest.raises(StoreError, match="found none"):
        read_run(tmp_path)
    seen = []
    run(study, tmp_path, cache=small_cache, workers=1, progress=seen.append)
    assert seen[-1].kept == seen[-1].total
    assert read_run(tmp_path).study.seed == study.seed


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(study, alone, small_cache, tmp_path):
    killed = []

    def kill_one():
        killed.append(active_children()[0].pid)
        os.kill(killed[0], signal.SIGKILL)

    run(study, tmp_path, cache=small_cache, workers=2, progress=Told(after=3, then=kill_one))
    assert len(killed) == 1
    assert (tmp_path / PARQUET).read_bytes() == (alone / PARQUET).read_bytes()


def wait_for(what, *, seconds=40.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def test_killed_in_mid_run_only_what_is_missing_is_computed(study, alone, small_cache, tmp_path):
    folder, log = tmp_path / "run", tmp_path / "begun"
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "study.json").write_text(json.dumps(to_json(study)))
    arguments = [tmp_path / "program.py", tmp_path / "study.json", folder, small_cache, log]
    process = subprocess.Popen([sys.executable, *map(str, arguments)])
    try:
        wait_for(lambda: folder.is_dir() and len(shards(folder)) >= 4)
        # While it is at work, nobody else may be.
        with pytest.raises(StoreError, match=rf"found another one \(process {process.pid}\)"):
            run(study, folder, cache=small_cache, workers=1)
    finally:
        process.kill()
        process.wait()
    begun = [line.split() for line in log.read_text().splitlines()]
    for pid in {int(pid) for _, pid in begun}:
        wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), seconds=10.0)
    kept = shards(folder)
    assert 4 <= len(kept) < len(shards(alone))
    # What was begun and is not kept: one shard of each of the two workers at most.
    begun = [line.split() for line in log.read_text().splitlines()]
    assert len({digest for digest, _ in begun} - {name.removesuffix(".json") for name in kept}) <= 2
    before = {name: (folder / "shards" / name).stat().st_mtime_ns for name in kept}
    told = Told()
    run(study, folder, cache=small_cache, workers=1, progress=told)
    assert told.made == len(shards(alone)) - len(kept)
    assert {name: (folder / "shards" / name).stat().st_mtime_ns for name in kept} == before
    assert (folder / PARQUET).read_bytes() == (alone / PARQUET).read_bytes()


def test_a_full_disk_is_one_line_and_what_is_done_stays(study, alone, small_cache, files_up_to, tmp_path):
    limits = []

    def fill():
        limits.append(files_up_to(100))
        limits[0].__enter__()

    try:
        with pytest.raises(StoreError, match=r"shards/\w+\.json: cannot be written: no space left on the disk$"):
            run(study, tmp_path, cache=small_cache, workers=1, progress=Told(after=3, then=fill))
    finally:
        limits[0].__exit__(None, None, None)
    assert len(shards(tmp_path)) == 3
    assert not list((tmp_path / "shards").glob("*.part"))
    run(study, tmp_path, cache=small_cache, workers=1)
    assert (tmp_path / PARQUET).read_bytes() == (alone / PARQUET).read_bytes()


def test_a_table_that_cannot_be_written_leaves_the_old_one(study, alone, small_cache, files_up_to, tmp_path):
    few = replace(study, events=4, conditions=study.conditions[:1], detection=DetectionPart())
    run(few, tmp_path, cache=small_cache, workers=1)
    before = (tmp_path / PARQUET).read_bytes()
    with files_up_to(1000), pytest.raises(StoreError, match="no space left on the disk"):
        run(few, tmp_path, cache=small_cache, workers=1)
    assert (tmp_path / PARQUET).read_bytes() == before


def test_a_cluster_gives_the_same_file_though_a_worker_is_killed(study, alone, small_cache, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        worker = next(iter(cluster.workers.values())).pid
        told = Told(after=3, then=lambda: os.kill(worker, signal.SIGKILL))
        run(study, tmp_path, cache=small_cache, scheduler=cluster.scheduler_address, progress=told)
        assert worker not in {nanny.pid for nanny in cluster.workers.values()}
    assert told.made == len(shards(alone))
    assert (tmp_path / PARQUET).read_bytes() == (alone / PARQUET).read_bytes()
