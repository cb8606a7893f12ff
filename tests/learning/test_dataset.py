"""Folders in LiB-TRAD form: what is found, and what is said when something is missing."""

import json

import numpy as np
import pytest
import soundfile

from trad_array.errors import AudioError, ConfigError
from trad_array.features import FeatureSpec
from trad_array.learning.dataset import find_dataset
from trad_array.learning.frames import contexts_of, pool_frames, read_corpus, segment_frames
from trad_array.learning.split import split_recordings

ABSOLUTE = FeatureSpec(front_end="absolute")


def test_segments_sets_channels_and_truth(dataset):
    assert dict(dataset.counts()) == {"normal": 12, "abnormal": 8}
    assert {segment.set_name for segment in dataset.segments} == {"set1", "set2"}
    first = dataset.of("abnormal")[0]
    assert first.name == "abnormal/set1_0000"
    assert [path.name for path in first.files] == ["set1_0000_ch1.wav", "set1_0000_ch2.wav"]
    assert first.true_times_s() == (pytest.approx(2 / 3, abs=1e-4), 2.0)
    assert dataset.of("normal")[0].true_times_s() is None


def test_channels_are_in_the_order_of_their_numbers(tmp_path, make_segment):
    levels = np.repeat(np.arange(1, 12)[:, None] / 20, 4000, axis=1)
    make_segment(tmp_path / "normal", "a", levels)
    recording = find_dataset(tmp_path).segments[0].read(16_000)
    np.testing.assert_allclose(recording.samples[:, 0], np.arange(1, 12) / 20, atol=1e-4)


def test_sub_folders_are_sets_and_other_names_are_one_set(tmp_path, make_segment, rng, make_noise):
    sound = make_noise(rng, n_channels=2, seconds=0.2)
    make_segment(tmp_path / "normal" / "runaway-1", "a", sound)
    make_segment(tmp_path / "normal", "b", sound)
    assert {s.name: s.set_name for s in find_dataset(tmp_path).segments} == {
        "normal/runaway-1/a": "runaway-1",
        "normal/b": "all",
    }


def test_other_pattern_and_multi_channel_files_at_another_rate(tmp_path, rng, make_noise):
    (tmp_path / "normal").mkdir()
    (tmp_path / "abnormal").mkdir()
    sound = make_noise(rng, n_channels=2, seconds=1.0)
    for channel in (0, 1):
        soundfile.write(tmp_path / "normal" / f"mic{channel}-night.wav", sound[channel], 16_000)
    soundfile.write(tmp_path / "abnormal" / "whole.flac", np.repeat(sound, 3, axis=1).T, 48_000)
    found = find_dataset(tmp_path, pattern="mic{channel}-{name}.wav")
    assert [s.name for s in found.segments] == ["abnormal/whole", "normal/night"]
    assert [s.read(16_000).samples.shape for s in found.segments] == [(2, 16_000), (2, 16_000)]


def test_a_missing_channel_is_named(data_folder, tmp_path, make_dataset):
    root = make_dataset(tmp_path / "d", seconds=0.1)
    (root / "normal" / "set2_0003_ch2.wav").unlink()
    with pytest.raises(AudioError, match=r"normal/set2_0003: expected channels 1, 2, found no 2"):
        find_dataset(root)


def test_nothing_there(tmp_path):
    with pytest.raises(AudioError, match=r"expected folders normal/ and abnormal/, found no such folder"):
        find_dataset(tmp_path / "none")
    with pytest.raises(AudioError, match=r"expected folders normal/ and abnormal/, found neither"):
        find_dataset(tmp_path)
    (tmp_path / "normal").mkdir()
    with pytest.raises(AudioError, match=r"expected audio files in normal/ and abnormal/"):
        find_dataset(tmp_path)


@pytest.mark.parametrize("pattern", ["{name}.wav", "ch{channel}.wav", "{name}{name}{channel}"])
def test_a_pattern_needs_name_and_channel(tmp_path, pattern):
    with pytest.raises(ConfigError, match=r"expected \{name\} and \{channel\} once each"):
        find_dataset(tmp_path, pattern=pattern)


def test_different_lengths_and_rates_are_said(tmp_path, make_segment, rng, make_noise):
    sound = make_noise(rng, n_channels=2, seconds=0.5)
    make_segment(tmp_path / "normal", "a", sound)
    soundfile.write(tmp_path / "normal" / "a_ch2.wav", sound[1, :100], 16_000)
    with pytest.raises(AudioError, match=r"length: expected 8000 samples .*, found 100"):
        find_dataset(tmp_path).segments[0].read(16_000)
    soundfile.write(tmp_path / "normal" / "a_ch2.wav", sound[1], 8_000)
    with pytest.raises(AudioError, match=r"sample rate: expected 16000 Hz .*, found 8000"):
        find_dataset(tmp_path).segments[0].read(16_000)


@pytest.mark.parametrize("text", ["{", "[1]", '{"onset_s": "soon", "end_s": 2}'])
def test_a_truth_file_that_cannot_be_understood_is_named(tmp_path, make_dataset, text):
    root = make_dataset(tmp_path / "d", n_normal=1, n_abnormal=1, sets=("set1",), seconds=0.1)
    (root / "abnormal" / "set1_0000_truth.json").write_text(text)
    with pytest.raises(AudioError, match="set1_0000_truth.json: expected JSON with onset_s and end_s"):
        find_dataset(root).of("abnormal")[0].true_times_s()


def test_a_digest_follows_the_content_not_the_name(tmp_path, make_dataset):
    root = make_dataset(tmp_path / "d", n_normal=2, n_abnormal=0, sets=("set1",), seconds=0.1)
    a, b = (segment.digest() for segment in find_dataset(root).segments)
    for channel in (1, 2):
        (root / "normal" / f"set1_0000_ch{channel}.wav").rename(root / "normal" / f"zz_ch{channel}.wav")
    assert a != b
    assert {s.name: s.digest() for s in find_dataset(root).segments} == {"normal/set1_0001": b, "normal/zz": a}


def test_a_few_damaged_recordings_are_left_out_and_named(tmp_path, make_dataset):
    root = make_dataset(tmp_path / "d", n_normal=10, n_abnormal=0, sets=("set1",), seconds=0.3)
    (root / "normal" / "set1_0004_ch1.wav").write_bytes(b"RIFFnothing")
    corpus = read_corpus(find_dataset(root).segments, ABSOLUTE)
    assert len(corpus.segments) == len(corpus.frames) == 9
    assert len(corpus.unusable) == 1
    assert "set1_0004_ch1.wav" in corpus.unusable[0]


def test_many_damaged_recordings_are_an_error(tmp_path, make_dataset):
    root = make_dataset(tmp_path / "d", n_normal=10, n_abnormal=0, sets=("set1",), seconds=0.3)
    for n in (4, 7):
        (root / "normal" / f"set1_000{n}_ch1.wav").write_bytes(b"")
    with pytest.raises(
        AudioError, match=r"2 of 10 segments cannot be used, expected at most 10%; the first: .*_0004_ch1"
    ):
        read_corpus(find_dataset(root).segments, ABSOLUTE)


def test_recordings_of_other_channel_counts_do_not_go_together(tmp_path, rng, make_noise):
    (tmp_path / "normal").mkdir()
    for name, n in (("a", 2), ("b", 3)):
        soundfile.write(tmp_path / "normal" / f"{name}.wav", make_noise(rng, n_channels=n, seconds=0.2).T, 16_000)
    with pytest.raises(AudioError, match=r"normal/b: expected 2 channels as in normal/a, found 3"):
        read_corpus(find_dataset(tmp_path).segments, ABSOLUTE)


def test_contexts_in_a_pool_do_not_cross_channels_or_segments(dataset):
    corpus = read_corpus(dataset.of("normal")[:3], ABSOLUTE)
    pool = pool_frames(corpus, ABSOLUTE, context=5)
    expected = np.concatenate([contexts_of(frames, 5).reshape(-1, 5, 64) for frames in corpus.frames])
    np.testing.assert_array_equal(pool.rows[pool.last[:, None] + np.arange(-4, 1)], expected)
    assert not pool.target.any()


def test_targets_are_the_segments_label_or_the_true_times(dataset):
    corpus = read_corpus(dataset.of("abnormal")[:1], ABSOLUTE)
    assert pool_frames(corpus, ABSOLUTE, context=1).target.all()
    target = pool_frames(corpus, ABSOLUTE, context=1, labels="truth").target
    n_frames = 1 + (32_000 - 1024) // 512
    middles_s = (np.arange(n_frames) * 512 + 512) / 16_000
    np.testing.assert_array_equal(target, np.tile(middles_s >= 10_666 / 16_000, 2))


def test_the_floor_of_an_abnormal_segment_is_learned_before_the_event(tmp_path, rng, make_noise, make_segment):
    """A step of 20 dB at a known time stands 20 dB above the floor to the very end."""
    sound = make_noise(rng, n_channels=1, seconds=8.0)
    sound[:, 64_000:] *= 10
    make_segment(tmp_path / "abnormal", "a", sound)
    (tmp_path / "abnormal" / "a_truth.json").write_text(json.dumps({"onset_s": 4.0, "end_s": 8.0}))
    segment, spec = find_dataset(tmp_path).segments[0], FeatureSpec(front_end="floor")
    frames = segment_frames(segment, segment.read(16_000), spec)
    assert frames.shape[1] == 1 + (128_000 - 1024) // 512 - 32
    assert abs(float(frames[:, :80].mean())) < 1.0
    assert float(frames[:, -20:].mean()) == pytest.approx(20.0, abs=1.0)


def test_too_short_for_the_floor(tmp_path, rng, make_noise, make_segment):
    make_segment(tmp_path / "normal", "a", make_noise(rng, n_channels=1, seconds=0.9))
    segment = find_dataset(tmp_path).segments[0]
    with pytest.raises(AudioError, match=r"normal/a: 0.90 s are too short for features 'floor'"):
        segment_frames(segment, segment.read(16_000), FeatureSpec(front_end="floor"))


def _names(segments):
    return {segment.name for segment in segments}


@pytest.mark.parametrize("supervised", [False, True])
def test_a_split_uses_every_recording_once(dataset, rng, supervised):
    split = split_recordings(dataset, supervised=supervised, rng=rng)
    parts = [_names(split.fitting), _names(split.calibration), _names(split.test)]
    assert sum(len(part) for part in parts) == len(dataset.segments)
    assert set().union(*parts) == _names(dataset.segments)
    assert {segment.label for segment in split.calibration} == {"normal"}
    # 80 % of 6 normal recordings of each of two sets, rounded, one of them for calibration; 80 % of 4 abnormal ones.
    assert len(split.calibration) == 1
    assert len(split.fitting) == 2 * 5 - 1 + (2 * 3 if supervised else 0)


def test_every_kind_splits_the_normal_recordings_alike(dataset):
    one, other = (
        split_recordings(dataset, supervised=supervised, rng=np.random.default_rng(4)) for supervised in (False, True)
    )
    assert _names(one.fitting) == {name for name in _names(other.fitting) if name.startswith("normal")}
    assert one.calibration == other.calibration


def test_a_split_needs_recordings_of_the_classes(tmp_path, make_dataset, rng):
    one_class = find_dataset(make_dataset(tmp_path / "a", n_abnormal=0, seconds=0.1))
    with pytest.raises(AudioError, match="expected abnormal segments, found none"):
        split_recordings(one_class, supervised=True, rng=rng)
    lonely = find_dataset(make_dataset(tmp_path / "b", n_normal=1, sets=("set1",), seconds=0.1))
    with pytest.raises(AudioError, match="expected at least 2 normal recordings to train with"):
        split_recordings(lonely, supervised=False, rng=rng)
