"""The paper's protocol: AUC against counting pairs, harmonic mean, and who is left out of the test."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.errors import AudioError
from trad_array.learning.dataset import find_dataset
from trad_array.learning.evaluation import SystemResult, auc, evaluate, harmonic_mean
from trad_array.learning.training import fit


@pytest.fixture(scope="module")
def gaussian(dataset, quick):
    return fit("gaussian", dataset, quick, rng=np.random.default_rng(1)).model


def test_auc_counts_pairs(rng):
    normal, abnormal = rng.integers(0, 6, 40), rng.integers(2, 9, 30)
    wins = [float(a > n) + 0.5 * float(a == n) for a in abnormal for n in normal]
    assert auc(normal, abnormal) == pytest.approx(np.mean(wins), rel=1e-12)


def test_auc_of_simple_cases():
    assert auc(np.array([0.0, 1.0]), np.array([2.0])) == 1.0
    assert auc(np.array([2.0]), np.array([0.0, 1.0])) == 0.0
    assert auc(np.zeros(3), np.zeros(5)) == 0.5
    assert auc(np.zeros(0), np.zeros(5)) is None


def test_harmonic_mean():
    assert harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert harmonic_mean([0.0, 1.0]) == 0.0
    assert harmonic_mean([0.9, None]) is None
    assert harmonic_mean([]) is None


def test_a_hiss_is_told_from_noise(gaussian, dataset):
    result = evaluate(gaussian, dataset)
    assert [s.set_name for s in result.sets] == ["set1", "set2"]
    for of_set in result.sets:
        assert (of_set.n_normal, of_set.n_abnormal) == (1, 4)
        assert of_set.clip_auc == 1.0
        assert of_set.detected == 1.0
        # A third of an abnormal recording is normal sound: two thirds of its frames win, of the rest half.
        assert of_set.frame_auc == pytest.approx(2 / 3 + 1 / 6, abs=0.05)
        assert of_set.true_frame_auc > 0.98
    assert result.harmonic_mean["clip_auc"] == 1.0
    assert result.ms_per_frame > 0.0


def test_training_recordings_are_left_out_even_when_renamed(gaussian, data_folder, tmp_path, make_dataset):
    root = make_dataset(tmp_path / "copy")  # same seed, same sound
    assert evaluate(gaussian, find_dataset(root)).left_out == 10
    (known,) = gaussian.provenance["calibration_recordings"]
    for channel in (1, 2):
        (root / f"{known}_ch{channel}.wav").rename(root / "normal" / f"set1_new_ch{channel}.wav")
    result = evaluate(gaussian, find_dataset(root))
    assert result.left_out == 10
    assert sum(s.n_normal for s in result.sets) == 2


def test_other_data_is_tested_whole(gaussian, tmp_path, make_dataset):
    root = make_dataset(tmp_path / "other", n_normal=2, n_abnormal=1, sets=("set9",), seed=99)
    result = evaluate(gaussian, find_dataset(root))
    assert result.left_out == 0
    assert (result.sets[0].n_normal, result.sets[0].n_abnormal) == (2, 1)


def test_normal_recordings_of_all_sets_when_a_set_has_none(gaussian, tmp_path, make_dataset):
    root = make_dataset(tmp_path / "a", n_normal=3, n_abnormal=0, sets=("set8", "set9"), seed=98)
    make_dataset(root, n_normal=0, n_abnormal=2, sets=("set3",), seed=97)
    (only,) = evaluate(gaussian, find_dataset(root)).sets
    assert (only.set_name, only.n_normal, only.n_abnormal) == ("set3", 6, 2)


def test_without_true_times_there_is_no_auc_against_them(gaussian, tmp_path, make_dataset):
    root = make_dataset(tmp_path / "a", n_normal=2, n_abnormal=2, sets=("set1",), seed=98)
    (root / "abnormal" / "set1_0001_truth.json").unlink()
    result = evaluate(gaussian, find_dataset(root))
    assert result.sets[0].true_frame_auc is None
    assert result.harmonic_mean["true_frame_auc"] is None
    assert result.sets[0].frame_auc is not None


def test_both_classes_are_needed(gaussian, tmp_path, make_dataset):
    root = make_dataset(tmp_path / "a", n_normal=2, n_abnormal=0, sets=("set1",), seconds=0.3, seed=98)
    with pytest.raises(AudioError, match="expected abnormal segments, found none"):
        evaluate(gaussian, find_dataset(root))


def test_false_alarms_have_an_upper_limit_that_time_brings_down():
    """No alarm in 20 minutes only bounds the rate below about 216 a day; below 1 a day needs 72 h (95 %)."""
    quiet = SystemResult(
        kind="gaussian",
        left_out=0,
        unusable=(),
        sets=(),
        harmonic_mean={},
        false_alarms=0,
        normal_s=20 * 60.0,
        ms_per_frame=0.1,
    )
    assert quiet.false_alarms_per_day == 0.0
    assert quiet.false_alarms_per_day_bound == pytest.approx(-np.log(0.05) * 72, rel=1e-6)
    assert replace(quiet, normal_s=72 * 3600.0).false_alarms_per_day_bound < 1.0
    assert replace(quiet, false_alarms=None).false_alarms_per_day_bound is None
