"""What is trained on is never tested; recordings stay together as far as they are known."""

import json

import numpy as np
import pytest

from trad_array.errors import AudioError
from trad_array.learning.dataset import Dataset, Segment, find_dataset
from trad_array.learning.frames import Corpus
from trad_array.learning.protocol_splits import (
    SPLITS,
    frames_for,
    protocol_split,
    random_frames,
    recordings_of,
    why_not,
)


def segments(label, counts, tmp_path, *, truth=None):
    """So many segments of each set, all with that truth."""
    path = None
    if truth is not None:
        path = tmp_path / "truth.json"
        path.write_text(json.dumps(truth))
    return tuple(
        Segment(f"{label}/{name}_{n:04}", label, name, (tmp_path / "none.wav",), path)
        for name, count in counts.items()
        for n in range(1, count + 1)
    )


@pytest.fixture
def as_published(tmp_path):
    """Numbers of segments as in LiB-TRAD: 1000 and 41 of charging, 100, 185 and 186 of three runaways."""
    normal = segments("normal", {"charge1": 1000, "charge2": 41}, tmp_path)
    return Dataset(tmp_path, normal + segments("abnormal", {"set1": 100, "set2": 185, "set3": 186}, tmp_path))


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("way", ["recording", "runaways"])
def test_no_recording_is_in_two_parts(as_published, way, supervised):
    split = protocol_split(as_published, way, supervised=supervised, seed=3)
    parts = [split.fitting, split.calibration, split.test]
    names = [segment.name for part in parts for segment in part]
    assert len(names) == len(set(names))
    for group in recordings_of(as_published.segments):
        assert sum(not set(group).isdisjoint(part) for part in parts) <= 1
    assert all(segment.label == "normal" for segment in split.calibration)
    assert any(segment.label == "abnormal" for segment in split.fitting) == supervised
    normal_test = sum(segment.label == "normal" for segment in split.test)
    assert normal_test / 1041 == pytest.approx(0.2, abs=0.03)


def test_the_papers_shares(as_published):
    unsupervised = protocol_split(as_published, "recording", supervised=False, seed=0)
    assert sum(s.label == "abnormal" for s in unsupervised.test) == 471
    supervised = protocol_split(as_published, "recording", supervised=True, seed=0)
    for name, count in (("set1", 100), ("set2", 185), ("set3", 186)):
        tested = sum(s.set_name == name for s in supervised.test if s.label == "abnormal")
        assert tested / count == pytest.approx(0.2, abs=0.06)
    # Systems are compared on the same normal sound.
    assert {s for s in supervised.test if s.label == "normal"} == {s for s in unsupervised.test if s.label == "normal"}


def test_across_runaways_only_the_last_set_is_tested(as_published):
    split = protocol_split(as_published, "runaways", supervised=True, seed=0)
    assert {s.set_name for s in split.test if s.label == "abnormal"} == {"set3"}
    assert {s.set_name for s in split.fitting if s.label == "abnormal"} == {"set1", "set2"}


def test_normal_sound_of_the_tested_runaway_is_not_trained_on(tmp_path):
    counts = {"set1": 8, "set2": 8, "set3": 8}
    data = Dataset(tmp_path, segments("normal", counts, tmp_path) + segments("abnormal", counts, tmp_path))
    split = protocol_split(data, "runaways", supervised=False, seed=0)
    assert {s.set_name for s in split.test} == {"set3"}
    assert {s.set_name for s in split.fitting + split.calibration} == {"set1", "set2"}
    assert len(split.test) == 16


def test_which_segments_are_one_recording(tmp_path):
    numbered = segments("normal", {"charge": 620}, tmp_path)
    assert [len(group) for group in recordings_of(numbered)] == [30] * 20 + [20]
    # A gap in the numbers is the end of a recording; a small set is kept in ten parts or more.
    some = [s for s in numbered[:30] if s.name != "normal/charge_0005"]
    assert [len(group) for group in recordings_of(some)] == [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]
    assert {len(g) for g in recordings_of(segments("normal", {"a": 7}, tmp_path, truth={"simulated": True}))} == {1}
    named = segments("normal", {"a": 7, "b": 2}, tmp_path, truth={"simulated": True, "recording": "monday"})
    assert [len(group) for group in recordings_of(named)] == [7, 2]


def test_every_frame_is_for_one_part(tmp_path):
    (normal,) = segments("normal", {"a": 1}, tmp_path)
    (abnormal,) = segments("abnormal", {"a": 1}, tmp_path)
    n = 16 * 5000
    for supervised in (False, True):
        parts = [frames_for(p, normal, n, supervised=supervised, seed=1) for p in ("fitting", "calibration", "test")]
        assert (np.sum(parts, axis=0) == 1).all()
        assert [part.mean() for part in parts] == pytest.approx([0.72, 0.08, 0.2], abs=0.02)
        trained, calibrated, tested = (
            frames_for(p, abnormal, n, supervised=supervised, seed=1).mean() for p in ("fitting", "calibration", "test")
        )
        assert (trained, tested) == pytest.approx((0.8, 0.2) if supervised else (0.0, 1.0), abs=0.02)
        assert calibrated == 0.0
    # What is drawn for the beginning does not depend on how long the recording is.
    short = frames_for("test", normal, 100, supervised=False, seed=1)
    np.testing.assert_array_equal(short, frames_for("test", normal, n, supervised=False, seed=1)[:100])


def test_random_stretches_are_cut_as_they_are_tested(tmp_path):
    (segment,) = segments("normal", {"a": 1}, tmp_path)
    frames = np.arange(311.0)[None, :, None]
    corpus = Corpus((segment,), (frames,), ())
    for part in ("fitting", "calibration", "test"):
        cut = random_frames(corpus, part, supervised=False, seed=5)
        kept = frames_for(part, segment, 311, supervised=False, seed=5)
        np.testing.assert_array_equal(np.concatenate([f.ravel() for f in cut.frames]), np.flatnonzero(kept))
        assert {f.shape[1] for f in cut.frames} <= {16, 7}


def test_what_cannot_be_split_is_said(tmp_path, make_dataset):
    one_set = find_dataset(make_dataset(tmp_path / "a", n_normal=4, n_abnormal=2, sets=("set1",), seconds=0.1))
    assert "split 'runaways': expected at least 2 sets of abnormal recordings, found 1" in why_not(one_set, "runaways")
    assert why_not(one_set, "recording") is None
    few = find_dataset(make_dataset(tmp_path / "b", n_normal=2, n_abnormal=1, sets=("set1",), seconds=0.1))
    assert "expected at least 3 normal recordings and an abnormal one to test, found 2 and 1" in why_not(
        few, "recording"
    )
    normal_only = find_dataset(make_dataset(tmp_path / "c", n_abnormal=0, sets=("set1",), seconds=0.1))
    for way in SPLITS:
        with pytest.raises(AudioError, match="expected abnormal segments, found none"):
            protocol_split(normal_only, way, supervised=False, seed=0)
