"""The localization benchmark counts what it says: scenes, oracle, tables."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from trad_array_geometry import load_layout, travel_times

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / "localization")
    return importlib.import_module


def test_an_event_at_several_levels_is_the_one_simulated_alone(bench):
    scenes, layout = bench("scenes"), load_layout("row-corners")
    condition = scenes.Condition("row-corners", 0.2, 0.0, "M1", 0.1)
    alone = scenes.make_case(layout, condition, seed=1, number=3)
    family = dict(scenes.make_family(layout, condition, (0.0, 20.0), seed=1, number=3))
    quiet, loud = (case for case in family.values())
    assert [at.snr_db for at in family] == [0.0, 20.0]
    assert quiet.cell == loud.cell == alone.cell
    assert np.abs(quiet.cut.samples - alone.cut.samples).max() < 1e-6
    onset = round(scenes.PRE_ROLL_S * scenes.FS)
    before = slice(0, onset - round(0.1 * scenes.FS))
    assert np.abs(loud.cut.samples[:, before] - quiet.cut.samples[:, before]).max() < 1e-4  # ringing of the delays
    assert loud.cut.samples[:, onset:].std() > 3 * quiet.cut.samples[:, onset:].std()


def test_the_oracle_knows_the_cell_when_nothing_is_off(bench):
    oracle, mismatch = bench("oracle"), bench("scenes").Mismatch("none", mic_m=1e-4)
    layout = load_layout("pack-corners")
    for cell in (0, 20, 51):
        times_s = 0.3 + travel_times(layout.cells[[cell]], layout.mics, speed_of_sound=layout.speed_of_sound)[0]
        assert int(oracle.oracle_log_evidence(times_s, layout, mismatch).argmax()) == cell


def test_every_group_has_a_name_of_its_own_and_the_tuning_seeds_are_refused(bench, monkeypatch, capsys):
    suites = bench("suites")
    names = [
        g.name for g in (*suites.quick(suites.SUITES, scenes=200, peers=40), *suites.full(suites.SUITES, scenes=1))
    ]
    assert len(set(names)) == len(names)
    monkeypatch.setattr("sys.argv", ["run.py", "--seed", "101"])
    with pytest.raises(SystemExit):
        bench("run").main()
    assert "fitted" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_run_fills_every_table(bench):
    suites, trials, sections = bench("suites"), bench("trials"), bench("sections")
    groups = suites.quick(["row-corners"], scenes=16, peers=0)
    found = bench("counts").Found(a for group in groups for a in trials.work(group, 0, 1 if group.taps else 2, 1))
    parts = sections.sections(found)
    assert len(parts) == 8
    assert all(part.rows for part in parts)
    for row in (row for part in parts for row in part.rows):
        assert row.n >= 1
        assert row.low <= row.value + 1e-9
        assert row.value <= row.high + 1e-9
