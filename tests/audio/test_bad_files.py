"""Files that cannot be used: one line each; and damaged ones, whatever the damage."""

import struct
import time

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from trad_array.audio.files import find_source, read_recording
from trad_array.errors import AudioError

FUZZ = settings(
    max_examples=200, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def refused(source) -> str:
    """The one line about why it cannot be used."""
    with pytest.raises(AudioError) as caught:
        read_recording(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_channels_that_differ(write, four, tmp_path):
    source = find_source(str(tmp_path / "c{channel}.wav"), channels=(1, 2))
    write("c1.wav", four[:1])
    write("c2.wav", four[:1, :7999])
    assert "c2.wav: length: expected 8000 samples as in c1.wav, found 7999 samples" in refused(source)
    write("c2.wav", four[:1], fs=44_100)
    assert "c2.wav: sample rate: expected 16000 Hz as in c1.wav, found 44100 Hz" in refused(source)
    write("c2.wav", four[:2])
    assert "c2.wav: expected one channel, one file per microphone, found 2" in refused(source)


def test_number_of_channels(write, four):
    path = str(write("a.wav", four))
    assert "expected 5 channels, found 4" in refused(find_source(path, channels=(1, 2, 3, 5)))
    assert "expected 3 channels, found 4; say which" in refused(find_source(path, channels=(1, 2, 3)))
    with pytest.raises(AudioError, match="channel map: expected 4 channels, one for each microphone, found 2"):
        find_source(path, channels=(1, 2, 3, 4), channel_map=(1, 2))
    with pytest.raises(AudioError, match="expected 3 files, one for each microphone, found 2"):
        find_source("x.wav,y.wav", channels=(1, 2, 3))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_named_with_its_time(write, four, value):
    four[2, 4000] = value
    assert refused(write("a.wav", four)).endswith(f"found {value} in the channel of microphone 3 at 0.2500 s")


def test_what_is_no_recording(write, tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is not sound.\n" * 100)
    (tmp_path / "numbers.raw").write_bytes(bytes(1000))
    (tmp_path / "folder.wav").mkdir()
    assert "expected sound, found an empty file" in refused(tmp_path / "empty.wav")
    assert "expected WAV, FLAC or RF64" in refused(tmp_path / "text.wav")
    assert "expected WAV, FLAC or RF64" in refused(tmp_path / "numbers.raw")
    assert "found a folder" in refused(tmp_path / "folder.wav")
    assert "none.wav: expected a sound file, found none" in refused(tmp_path / "none.wav")
    assert "expected a sound file, found none" in refused(tmp_path / ("x" * 5000))
    assert "found no samples" in refused(write("silent.wav", np.zeros((4, 0))))


@pytest.mark.parametrize("fs", [1, 7999, 384_001, 2_000_000])
def test_absurd_sample_rate(write, four, fs):
    assert f"expected a sample rate of 8000 to 384000 Hz, found {fs}" in refused(write("a.wav", four, fs=fs))


@pytest.mark.parametrize("format", ["WAV", "FLAC", "RF64"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(write, four, format, share):
    path = write("a.snd", four, format=format, subtype="PCM_16")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "truncated" in refused(path)


def test_a_header_written_before_the_length_was_known(write, four):
    path = write("a.wav", four, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFF_FFFF)
    path.write_bytes(data)
    assert read_recording(path).samples.shape == four.shape


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> dict[str, bytes]:
    """Bytes of small good files by format."""
    folder, rng = tmp_path_factory.mktemp("small"), np.random.default_rng(5)
    found = {}
    for format, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("RF64", "PCM_24")):
        path = folder / "a"
        soundfile.write(path, rng.uniform(-0.5, 0.5, (600, 2)), 16_000, format=format, subtype=subtype)
        found[f"{format} {subtype}"] = path.read_bytes()
    return found


def read_or_refuse(path, data: bytes) -> None:
    path.write_bytes(data)
    began = time.monotonic()
    try:
        recording = read_recording(path)
    except AudioError as trouble:
        said = str(trouble)
    else:
        said = ""
        assert np.isfinite(recording.samples).all()
        assert recording.samples.size < 100 * len(data)
    assert "\n" not in said
    assert time.monotonic() - began < 3.0


@seed(4)
@FUZZ
@given(st.data())
def test_damaged_headers(tmp_path, small, data):
    good = bytearray(small[data.draw(st.sampled_from(sorted(small)))])
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, 99))] = data.draw(st.integers(0, 255))
    read_or_refuse(tmp_path / "a.wav", bytes(good))


@seed(5)
@FUZZ
@given(st.data())
def test_damage_anywhere_and_any_end(tmp_path, small, data):
    good = bytearray(small[data.draw(st.sampled_from(sorted(small)))])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    read_or_refuse(tmp_path / "a.wav", bytes(good[: data.draw(st.integers(1, len(good)))]))
