"""A recording is handed to the watch as it is stored, fast or in its own time."""

import time

import numpy as np
import pytest
import soundfile

from trad_array.audio.files import find_source
from trad_array.audio.playback import Playback
from trad_array.errors import AudioError, ConfigError

CHANNELS = (1, 2, 3, 4)


def joined(pieces):
    for one, other in zip(pieces, pieces[1:], strict=False):
        assert other.start == one.end
    return np.concatenate([p.samples for p in pieces], axis=1)


@pytest.mark.parametrize(
    ("name", "subtype", "dtype", "shift"),
    [("a.wav", "PCM_16", np.int16, 0), ("a.flac", "PCM_16", np.int16, 0), ("a.flac", "PCM_24", np.int32, 8),
     ("a.wav", "PCM_32", np.int32, 0)],
)  # fmt: skip
def test_integers_come_back_as_they_were_stored(tmp_path, rng, name, subtype, dtype, shift):
    top = np.iinfo(dtype).max >> shift
    samples = (rng.integers(-top, top, (5_000, 4)) << shift).astype(dtype)
    soundfile.write(tmp_path / name, samples, 48_000, subtype=subtype)
    source = Playback(find_source(str(tmp_path / name), channels=CHANNELS), block_s=0.03)
    pieces = list(source.pieces())
    assert (source.fs, source.duration_s, pieces[0].samples.dtype) == (48_000, 5_000 / 48_000, dtype)
    np.testing.assert_array_equal(joined(pieces), samples.T)


def test_channels_are_mapped_and_files_of_one_channel_are_joined(tmp_path, rng):
    samples = rng.integers(-(2**15), 2**15, (400, 4)).astype(np.int16)
    soundfile.write(tmp_path / "all.wav", samples, 16_000)
    for c in CHANNELS:
        soundfile.write(tmp_path / f"{c}.wav", samples[:, c - 1], 16_000)
    mapped = find_source(str(tmp_path / "all.wav"), channels=CHANNELS, channel_map=(3, 1, 4, 2))
    apart = find_source(str(tmp_path / "{channel}.wav"), channels=(3, 1, 4, 2))
    for source in (mapped, apart):
        np.testing.assert_array_equal(joined(list(Playback(source).pieces())), samples.T[[2, 0, 3, 1]])


def test_floats_stay_floats_and_a_clip_keeps_its_place_in_the_stream(tmp_path, rng):
    samples = rng.standard_normal((100, 4)).astype(np.float32)
    soundfile.write(tmp_path / "f.wav", samples, 16_000, subtype="FLOAT")
    (piece,) = Playback(find_source(str(tmp_path / "f.wav"), channels=CHANNELS), first=123_456).pieces()
    assert (piece.start, piece.end, piece.lost, piece.received_s) == (123_456, 123_556, 0, None)
    np.testing.assert_array_equal(piece.samples, samples.T)


def test_real_time_is_kept_and_close_ends_it(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros((16_000, 4), np.int16), 16_000)
    source = Playback(find_source(str(tmp_path / "long.wav"), channels=CHANNELS), in_real_time=True, block_s=0.1)
    began, told = time.monotonic(), []
    for piece in source.pieces():
        told.append((time.monotonic() - began, piece.end / 16_000))
        if len(told) == 4:
            source.close()
            source.close()
    assert len(told) == 4
    for at_s, end_s in told:
        assert end_s <= at_s + 1e-6
        assert at_s < end_s + 0.25


def test_what_cannot_be_played_is_refused_before_it_is(tmp_path):
    with pytest.raises(AudioError, match="expected a sound file, found none"):
        Playback(find_source(str(tmp_path / "none.wav"), channels=CHANNELS))
    soundfile.write(tmp_path / "two.wav", np.zeros((9, 2)), 16_000)
    with pytest.raises(AudioError, match="expected 4 channels, found 2"):
        Playback(find_source(str(tmp_path / "two.wav"), channels=CHANNELS))
    soundfile.write(tmp_path / "four.wav", np.zeros((9, 4)), 16_000)
    for wrong in ({"block_s": 2.0}, {"first": -1}):
        with pytest.raises(ConfigError, match="expected .* found"):
            Playback(find_source(str(tmp_path / "four.wav"), channels=CHANNELS), **wrong)
