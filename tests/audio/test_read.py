"""Recordings as they are on disk: formats, channels, rates, blocks."""

import numpy as np
import pytest
import soxr

from trad_array.audio.files import (
    RecordingReader,
    blocks,
    channel_count,
    find_source,
    read_recording,
    write_recording,
)
from trad_array.errors import AudioError

STEP = {"PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 1e-9, "DOUBLE": 1e-7}


@pytest.mark.parametrize(
    ("name", "format", "subtype"),
    [
        *[("a.wav", "WAV", subtype) for subtype in STEP],
        ("a.flac", "FLAC", "PCM_16"),
        ("a.flac", "FLAC", "PCM_24"),
        ("a.wav", "RF64", "PCM_24"),
        ("a.rf64", "RF64", "FLOAT"),
    ],
)
def test_formats(write, four, name, format, subtype):
    recording = read_recording(write(name, four, subtype=subtype, format=format))
    assert recording.samples.dtype == np.float32
    assert recording.samples.shape == four.shape
    assert np.abs(recording.samples - four).max() <= STEP[subtype]
    assert (recording.fs, recording.duration_s) == (16_000, 0.5)


def test_one_file_per_channel_by_pattern_and_by_list(write, four, tmp_path):
    paths = [write(f"night_ch{k + 1}.wav", four[k : k + 1]) for k in range(4)]
    pattern = find_source(str(tmp_path / "night_ch{channel}.wav"), channels=(1, 2, 4))
    assert np.array_equal(read_recording(pattern).samples, four[[0, 1, 3]])
    listed = find_source(", ".join(str(paths[k]) for k in (2, 0)), channels=(1, 2))
    assert np.array_equal(read_recording(listed).samples, four[[2, 0]])
    mapped = find_source(str(tmp_path / "night_ch{channel}.wav"), channels=(1, 2), channel_map=(4, 3))
    assert np.array_equal(read_recording(mapped).samples, four[[3, 2]])


def test_a_file_with_a_comma_in_its_name_is_one_file(write, four):
    path = write("a,b.wav", four)
    assert np.array_equal(read_recording(find_source(str(path), channels=(1, 2, 3, 4))).samples, four)


def test_channel_of_each_microphone(write, four):
    path = write("a.wav", four)
    layout_says = find_source(str(path), channels=(3, 1, 4, 2))
    assert np.array_equal(read_recording(layout_says).samples, four[[2, 0, 3, 1]])
    person_says = find_source(str(path), channels=(1, 2), channel_map=(4, 2))
    assert np.array_equal(read_recording(person_says).samples, four[[3, 1]])
    assert np.array_equal(read_recording(path, channels=[2]).samples, four[[1]])
    assert channel_count(path) == 4


@pytest.mark.parametrize("fs", [48_000, 44_100, 8_000])
@pytest.mark.parametrize("block_s", [0.01, 0.1237, 10.0])
def test_other_rates_are_resampled_as_at_once(write, rng, fs, block_s):
    samples = rng.uniform(-0.5, 0.5, (2, fs)).astype(np.float32)
    source = find_source(str(write("a.wav", samples, fs=fs)), channels=(1, 2))
    with RecordingReader(source, fs=16_000) as reader:
        found = list(reader.blocks(block_s=block_s))
        assert reader.duration_s == 1.0
    whole = soxr.resample(samples.T, fs, 16_000, quality="HQ").T
    assert np.array_equal(np.concatenate([b.samples for b in found], axis=1), whole)
    assert [b.start for b in found] == np.cumsum([0] + [b.samples.shape[1] for b in found[:-1]]).tolist()


@pytest.mark.parametrize("block_s", [1 / 16_000, 0.0317, 0.5, 9.0])
def test_block_size_changes_nothing(write, four, block_s):
    source = find_source(str(write("a.wav", four[:, :800])), channels=(1, 2, 3, 4))
    with RecordingReader(source, fs=16_000) as reader:
        for _ in range(2):  # from the beginning each time
            found = np.concatenate([b.samples for b in reader.blocks(block_s=block_s)], axis=1)
            assert np.array_equal(found, four[:, :800])


def test_a_stretch_of_a_recording(write, four):
    path = write("a.wav", four)
    stretch = read_recording(path, first_s=0.1, last_s=0.3)
    assert np.array_equal(stretch.samples, four[:, 1600:4800])
    assert np.array_equal(read_recording(path, first_s=0.4, last_s=9.0).samples, four[:, 6400:])
    with pytest.raises(AudioError, match=r"expected more than 0.5 s, found 0.5 s"):
        read_recording(path, first_s=0.5)


@pytest.mark.parametrize("fs", [16_000, 44_100, 48_000])
def test_a_late_stretch_is_that_of_the_whole(write, rng, fs):
    path = write("long.flac", 0.3 * rng.standard_normal((2, 5 * fs)), fs=fs, subtype="PCM_24", format="FLAC")
    whole = read_recording(path)
    late = read_recording(path, first_s=3.4, last_s=4.2).samples
    assert np.allclose(late, whole.samples[:, 54_400:67_200], atol=1e-5)
    with RecordingReader(find_source(str(path), channels=(1, 2)), fs=16_000) as reader:
        assert [block.start for block in reader.blocks(from_s=3)][0] == 48_000


def test_blocks_of_a_recording_in_memory(write, four):
    recording = read_recording(write("a.wav", four))
    found = list(blocks(recording, size=3000))
    assert [(b.start, b.end) for b in found] == [(0, 3000), (3000, 6000), (6000, 8000)]
    assert np.array_equal(np.concatenate([b.samples for b in found], axis=1), four)


@pytest.mark.parametrize("suffix", ["wav", "flac", "rf64", "WAV"])
def test_what_is_written_is_read_again(tmp_path, four, suffix):
    path = tmp_path / f"a.{suffix}"
    write_recording(path, four, fs=48_000)
    again = read_recording(path, fs=48_000)
    assert np.abs(again.samples - four).max() <= 2**-15
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_writing_where_it_cannot_be_written(tmp_path, four):
    with pytest.raises(AudioError, match=r"expected a name ending in .wav, .flac or .rf64, found 'a.mp3'"):
        write_recording(tmp_path / "a.mp3", four, fs=16_000)
    with pytest.raises(OSError, match="no such folder") as caught:
        write_recording(tmp_path / "nowhere" / "a.wav", four, fs=16_000)
    assert str(tmp_path / "nowhere") in str(caught.value)
