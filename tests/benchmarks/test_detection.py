"""The detection benchmark: corpora apart, figures counted right, detectors of one's own in the table."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from trad_array.learning.alarm_metrics import ScoredEvent
from trad_array.simulation import NEGATIVE_KINDS

ROOT = Path(__file__).parents[2]
OWN = f"{ROOT / 'examples' / 'band_outlier.py'}:BandOutlier"


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        patch.syspath_prepend(ROOT / "benchmarks" / "detection")
        yield importlib.import_module


def test_corpora_share_no_seed_and_training_hears_no_everyday_sound(bench):
    corpus = bench("corpus")
    size = corpus.QUICK
    parts = {
        "training": corpus.training_places(size, seed=1),
        "tuning": corpus.tuning_places(size),
        "test": corpus.test_places(size, seed=1),
        "another seed": corpus.test_places(size, seed=2),
    }
    seeds = {name: set(corpus.seeds_of(places)) for name, places in parts.items()}
    assert all(len(seeds[name]) == len(places) for name, places in parts.items())
    assert len(set.union(*seeds.values())) == sum(len(found) for found in seeds.values())
    assert not {place.kind for place in parts["training"] + parts["tuning"]} & set(NEGATIVE_KINDS)
    assert {place.kind for place in parts["test"]} == {"vent", "normal", *NEGATIVE_KINDS}
    assert set(corpus.A_DAY) == set(NEGATIVE_KINDS) - {"pcs-whine"}


def test_the_test_hears_fans_and_levels_that_training_does_not(bench):
    corpus = bench("corpus")
    trained = corpus.surroundings(corpus.places("training", "normal", 1, seed=1)[0])
    for layout in range(3):
        places = corpus.places("test", "vent", 12, seed=1)[layout::3]
        around = [corpus.surroundings(place) for place in places]
        assert len({place.layout for place in places}) == 1
        assert {a.noise_dbfs[0] for a in around} == {-53.0, -37.0}
        assert all(not set(a.fan_speeds) & set(trained.fan_speeds) for a in around)
    assert corpus.surroundings(corpus.places("home", "vent", 1, seed=1)[0]) == trained


def event(kind, peak, *, snr_db=None, late_s=0.2):
    return ScoredEvent(kind, snr_db, 2.6, 5.0, np.array([2.6 + late_s]), np.array([peak]))


def planted(bench, *, heard, quiet_peaks):
    """What a detector says that hears a known share of the vents at each level, at a peak of 10, else 1."""
    corpus, listening = bench("corpus"), bench("listening")
    place = {kind: corpus.Place("test", kind, "row-corners", 1, 0) for kind in ("vent", "normal", "door", "rain")}
    vents = [
        listening.Told("planted", place["vent"], events=(event("vent", 10.0 if n < hits else 1.0, snr_db=snr_db),))
        for snr_db, hits in heard.items()
        for n in range(20)
    ]
    doors = [listening.Told("planted", place["door"], events=(event("door", p),)) for p in (12.0, 2.0, 2.0, 2.0)]
    rain = [listening.Told("planted", place["rain"], events=(event("rain", 2.0),))]
    normal = [listening.Told("planted", place["normal"], blocks=np.float32(quiet_peaks), hours=1.0)]
    at_home = corpus.Place("home", "vent", "row-corners", 1, 0)
    home = [listening.Told("planted", at_home, events=(event("vent", 5.0, snr_db=-10.0),))]
    home += [listening.Told("planted", at_home, blocks=np.array([1.0, 6.0, 1.0]), hours=0.5)]
    return vents + doors + rain + normal + home


def test_a_planted_detector_gets_the_figures_it_was_planted_with(bench):
    heard = {-25.0: 0, -20.0: 5, -15.0: 10, -10.0: 19, -5.0: 20, 0.0: 20}
    found = bench("judging").figures_of(planted(bench, heard=heard, quiet_peaks=[0.1] * 1798 + [11.0, 11.0]))
    # 95 % of 20 vents are 19 of them: the threshold is 10, and two blocks of an hour reach it.
    assert found.normal[0.95].threshold == 10.0
    assert (found.normal[0.95].count, found.normal[0.95].value) == (2, 48.0)
    assert found.normal[0.99].threshold == 1.0
    assert (found.home_normal.threshold, found.home_normal.count, found.home_normal.value) == (5.0, 1, 48.0)
    assert found.everyday[0.95].value == pytest.approx(48.0 + 50 * 0.25)
    assert found.everyday[0.99].value == pytest.approx(48.0 + 50 + 120)
    assert found.everyday[0.95].low < found.everyday[0.95].value < found.everyday[0.95].high
    assert [(f.kind, f.n_above, f.n) for f in found.fooled] == [("door", 1, 4), ("rain", 0, 1)]


def test_recall_and_latency_are_those_at_one_false_alarm_a_day(bench):
    heard = {-25.0: 0, -20.0: 5, -15.0: 10, -10.0: 15, -5.0: 20, 0.0: 20}
    quiet = np.linspace(0.0, 1.0, 1800)
    found = bench("judging").figures_of(planted(bench, heard=heard, quiet_peaks=quiet))
    assert 1.0 < found.threshold < 10.0
    assert found.recall == {snr_db: (hits, 20) for snr_db, hits in heard.items()}
    assert (found.latency.n_detected, found.latency.n) == (15, 20)
    assert found.latency.median_s == pytest.approx(0.2)
    assert found.hours == 1.0


def test_the_tail_threshold_is_exceeded_as_often_as_asked(bench):
    maxima = np.random.default_rng(0).exponential(size=18_000)  # 10 h of blocks of 2 s
    for per_day in (1.0, 10.0):
        true = math.log(43_200 / per_day)
        assert bench("judging").tail_threshold(maxima, 10.0, per_day=per_day) == pytest.approx(true, rel=0.12)
    days = np.random.default_rng(1).exponential(size=100)
    assert bench("judging").tail_threshold(days, 24.0 * 100, per_day=0.5) == np.sort(days)[-50]


def test_frame_auc_is_the_share_of_pairs_in_the_right_order(bench):
    corpus, judging, listening = bench("corpus"), bench("judging"), bench("listening")
    place = corpus.Place("test", "vent", "row-corners", 1, 0)
    rng = np.random.default_rng(0)

    def frames(shift, n):
        values = np.float32(shift + rng.normal(size=(4, n)))
        return listening.Frames(values, np.arange(n) < n // 2)

    told = [
        listening.Told("s", place, (frames(0, 50), frames(0, 50)), {-20.0: (frames(1, n), frames(2, n))})
        for n in (4, 30, 90)
    ]
    for smoothed in (False, True):
        quiet = np.concatenate([t.quiet[smoothed].values.ravel() for t in told])
        loud = np.concatenate([t.venting[-20.0][smoothed].values.ravel() for t in told])
        found = judging.frame_aucs(told, smoothed=smoothed)[-20.0]
        assert found.value == pytest.approx((loud[:, None] > quiet).mean())
        assert found.low < found.value < found.high
        assert found.n == 3


def test_the_causal_mean_looks_back_only(bench):
    values = np.array([[1.0, 3.0, 5.0, 7.0]])
    np.testing.assert_allclose(bench("listening").causal_mean(values, 2), [[1.0, 2.0, 4.0, 6.0]])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "101"], "chosen with"),
        (["--seed", "200"], "chosen with"),
        (["--also", "gaussian"], "expected FILE.py:CLASS"),
        (["--also", "nowhere.py:Mine"], "nowhere.py"),
        (["--encoder", "beats"], "expected NAME=PATH"),
        (["--encoder", "beats=/nowhere.pt"], "expected the weights of beats"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_simulated(bench, capsys, arguments, said):
    with pytest.raises(SystemExit):
        bench("command").main(arguments)
    assert said in capsys.readouterr().err


def test_every_kind_of_part_a_has_a_row_and_weights_that_are_missing_are_told(bench):
    systems = bench("systems").all_systems(also=[OWN])
    missing = {system.name: system.missing for system in systems}
    assert {"ae", "cnn", "gaussian", "wavelet-xgboost", "wavelet-xcorr", "bottleneck-ae"} < set(missing)
    assert sum(name.startswith("attention-ae") for name in missing) == 3
    assert {name for name, why in missing.items() if why} == {"beats", "eat", "dasheng"}
    assert missing["band_outlier.py:BandOutlier"] is None
    assert len(set(missing)) == len(systems)
    given = bench("systems").all_systems(encoders={"beats": "b.pt"})
    assert [s.encoder for s in given if s.kind == "beats"] == ["b.pt"] * 3


@pytest.fixture(scope="module")
def tiny(bench):
    """A run of the real thing: two systems and one of one's own, a few takes."""
    size = bench("corpus").Size(3, 1, 3, 2, 1, 1.0, 1, 2, 20.0, 4, 3, 16)
    settings = bench("parts").Settings(size=size, workers=1, also=(OWN,), only=("gaussian", "dasheng", "ours: excess"))
    return bench("comparison").part(settings)


@pytest.mark.slow
def test_a_detector_of_ones_own_is_in_the_table_without_touching_the_library(tiny):
    lines = {line.split("|")[1].strip("* "): line for line in tiny.table.splitlines()[2:]}
    assert list(lines) == ["gaussian", "dasheng", "ours: excess", "band_outlier.py:BandOutlier", "limit: spectra known"]
    assert "weights not at hand" in lines["dasheng"]
    assert len({line.count("|") for line in tiny.table.splitlines()}) == 1
    names = [row.name for row in tiny.rows]
    assert any(name.startswith("band_outlier.py:BandOutlier: events heard") for name in names)
    assert len(set(names)) == len(names)
    assert "simulated" in (ROOT / "benchmarks" / "detection" / "command.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_results_page_and_pictures_are_written(bench, tiny, tmp_path, monkeypatch, capsys):
    command, rows, comparison = (bench(name) for name in ("command", "rows", "comparison"))
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: benchmarks/results/detection.json -->\nold\n<!-- end -->\nafter\n")
    for module, name, value in (
        (comparison, "part", lambda settings: tiny),
        (command, "PARTS", ("comparison",)),
        (rows, "RESULTS", tmp_path / "results"),
        (rows, "README", readme),
        (command, "DOCS", tmp_path),
        (command, "PAGE", tmp_path / "detection-results.md"),
        (command, "LAST", tmp_path / "results" / "detection-parts"),
    ):
        monkeypatch.setattr(module, name, value)
    assert command.main(["--no-write"]) == 0
    assert list(tmp_path.iterdir()) == [readme]
    assert command.main([]) == 0
    assert "limit: spectra known" in capsys.readouterr().out
    found = json.loads((tmp_path / "results" / "detection.json").read_text())
    assert len(found) == len(tiny.rows) > 30
    for row in found:
        assert set(row) == {"name", "value", "unit", "goal", "better", "n", "low", "high"}
        assert row["low"] <= row["value"] + 1e-9
        assert row["value"] <= row["high"] + 1e-9
    goals = {row["goal"] for row in found if row["goal"] is not None}
    assert {0.95, 0.98, 0.995} <= goals
    page = (tmp_path / "detection-results.md").read_text()
    assert "**simulated**" in page
    for name in ("roc", "det", "fooled"):
        assert f"figures/detection-{name}.png" in page
        assert (tmp_path / "figures" / f"detection-{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "old" not in readme.read_text()
    assert "frame AUC at -25 dB" in readme.read_text()
