"""Shards on disk, and the table made of them."""

import random
from dataclasses import replace

import numpy as np
import pytest

from trad_array.errors import ConfigError, StoreError
from trad_array.study.records import Condition, DetectionPart
from trad_array.study.results import (
    COLUMNS,
    CSV,
    PARQUET,
    read_results,
    read_shard,
    table_of,
    write_results,
    write_shard,
)
from trad_array.study.tasks import DETECTION, CellCounts, ChainCounts, TaskResult, tasks_of


@pytest.fixture
def study(small_study):
    return replace(
        small_study,
        events=30,
        shard_events=10,
        each_dead=True,
        agreement_events=0,
        detection=DetectionPart(events=30, negatives=("door",), negative_events=4, duration_s=1.0),
    )


def counts(task):
    """Made-up counts, another for each shard."""
    rng = random.Random(task.digest)
    if task.part == DETECTION:
        late = tuple(rng.uniform(0.1, 1.0) for _ in range((task.n + 1) // 2)) if task.sound == "vent" else ()
        return ChainCounts(task.n, 1, task.n - 1, 3, 2, late, 0.0 if task.sound == "vent" else float(task.n))
    n = np.array([2, task.n - 2, 0])
    return CellCounts(n, np.array([1, 2, 0]), np.array([rng.uniform(0, 3), rng.uniform(0, 3), 0.0]))


def filled(study, *, seed=0):
    tasks = list(tasks_of(study))
    random.Random(seed).shuffle(tasks)
    return table_of(study, tasks, {task.digest: TaskResult(task.digest, counts(task)) for task in tasks})


def test_a_shard_is_read_as_it_was_written(study, tmp_path):
    for task in tasks_of(study):
        made = TaskResult(task.digest, counts(task))
        write_shard(tmp_path, made)
        found = read_shard(tmp_path, task.digest)
        assert found is not None
        if isinstance(made.counts, ChainCounts):
            assert found.counts == made.counts
        else:
            for name in ("n", "right", "error_m"):
                np.testing.assert_array_equal(getattr(found.counts, name), getattr(made.counts, name))


@pytest.mark.parametrize("content", [b"", b'{"schema": "trad-array/study-sh', b"[]", b'{"found": {}}'])
def test_a_damaged_shard_is_taken_for_missing(study, tmp_path, content):
    task = tasks_of(study)[0]
    write_shard(tmp_path, TaskResult(task.digest, counts(task)))
    next((tmp_path / "shards").iterdir()).write_bytes(content)
    assert read_shard(tmp_path, task.digest) is None


def test_the_table_has_a_row_for_each_layout_condition_and_cell_or_sound(study):
    table = filled(study)
    assert tuple(table.columns) == COLUMNS
    rows = list(table.rows())
    # Two layouts, five states of four microphones, three cells; then two layouts, a vent and a door.
    assert [row["measure"] for row in rows] == ["localization"] * 30 + ["detection"] * 4
    assert {row["dead"] for row in rows if row["layout"] == "other"} == {"", "p0", "p1", "p4", "p5"}
    assert {row["mics"] for row in rows if row["layout"] == "other"} == {"p0;p1;p4;p5"}
    first = rows[0]
    assert (first["n"], first["right"], first["n_mics"], first["detected"]) == (6, 3, 4, None)
    # No event fell on the third cell: no error is known.
    assert (rows[2]["n"], rows[2]["error_m"]) == (0, None)
    door = rows[-1]
    assert (door["sound"], door["n"], door["heard_s"], door["right"], door["cell"]) == ("door", 4, 4.0, None, "")


def test_a_vent_that_no_alarm_places_counts_as_never(study):
    vents = [row for row in filled(study).rows() if row["sound"] == "vent"]
    # 16 of 30 vents were placed: half of all were, and 95 % never.
    assert len(vents) == 2
    for row in vents:
        assert 0.1 < row["alarm_s_median"] <= 1.0
        assert row["alarm_s_95"] is None


@pytest.mark.parametrize("as_csv", [False, True])
def test_the_file_is_the_same_whatever_order_shards_came_in(study, tmp_path, as_csv):
    written = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        written.append(write_results(folder, filled(study, seed=seed), as_csv=as_csv).read_bytes())
    assert written[0] == written[1] == written[2]


def test_parquet_and_csv_say_the_same_to_the_last_digit(study, tmp_path):
    table = filled(study)
    assert write_results(tmp_path, table).name == PARQUET
    parquet = read_results(tmp_path)
    assert write_results(tmp_path, table, as_csv=True).name == CSV
    assert not (tmp_path / PARQUET).exists()
    for name in COLUMNS:
        np.testing.assert_array_equal(parquet[name], table[name])
        np.testing.assert_array_equal(read_results(tmp_path)[name], table[name])


def test_counts_in_parquet_are_whole_numbers_or_nothing(study, tmp_path):
    import pyarrow.parquet

    found = pyarrow.parquet.read_table(write_results(tmp_path, filled(study)))
    assert str(found.schema.field("right").type) == "int64"
    assert found["detected"].null_count == 30
    assert str(found.schema.field("error_m").type) == "double"


def test_no_results_and_other_files_are_one_line(tmp_path):
    with pytest.raises(StoreError, match="expected the results of a study"):
        read_results(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="found no study, measure"):
        read_results(other)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no")
    with pytest.raises(ConfigError, match="expected a Parquet file"):
        read_results(broken)


def test_the_time_engine_has_rows_of_its_own_where_engines_are_compared(study):
    table = filled(replace(study, each_dead=False, agreement_events=25))
    hiss = table.where(table["measure"] == "localization")
    counted = [
        (engine, layout, hiss["n"][(hiss["engine"] == engine) & (hiss["layout"] == layout)].sum())
        for engine in ("spectral", "time")
        for layout in ("corners", "other")
    ]
    assert counted == [
        ("spectral", "corners", 30),
        ("spectral", "other", 30),
        ("time", "corners", 25),
        ("time", "other", 25),
    ]


def test_conditions_that_share_a_shard_each_get_their_row(study):
    twice = replace(study, conditions=(Condition(0.2, -12.0), Condition(0.2, -6.0)))
    rows = [row for row in filled(twice).rows() if row["measure"] == "localization"]
    assert len(rows) == 60
