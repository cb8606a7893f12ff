"""Raw samples from a pipe: however they are written, the same sound; nothing written is told; the end is the end."""

import os
import time
from threading import Thread

import numpy as np
import pytest

from trad_array.audio.captured import NoSound
from trad_array.audio.raw_input import RawFormat, RawInput, open_raw
from trad_array.errors import AudioError, ConfigError


@pytest.fixture
def through(rng):
    """Write parts into a pipe, with a pause before each, and give what is heard."""

    def call(parts, *, pause_s=0.0, **settings):
        reading, writing = os.pipe()
        form = RawFormat(**settings)
        source = RawInput(reading, name="pipe", format=form, n_mics=len(form.channel_map), owned=True)

        def write():
            for part in parts:
                time.sleep(pause_s)
                os.write(writing, part)
            os.close(writing)

        writer = Thread(target=write)
        writer.start()
        try:
            return list(source.pieces())
        finally:
            writer.join()

    return call


def joined(pieces):
    for one, other in zip(pieces, pieces[1:], strict=False):
        assert other.start == one.end
    return np.concatenate([p.samples for p in pieces], axis=1)


def in_parts(data, sizes):
    at, parts = 0, []
    while at < len(data):
        parts.append(data[at : at + sizes[len(parts) % len(sizes)]])
        at += len(parts[-1])
    return parts


@pytest.mark.parametrize("sizes", [[4096], [1, 2, 4097], [7], [800, 3]])
def test_frames_may_be_cut_anywhere(through, rng, sizes):
    samples = rng.integers(-(2**15), 2**15, (2_000, 4)).astype("<i2")
    pieces = through(in_parts(samples.tobytes(), sizes))
    np.testing.assert_array_equal(joined(pieces), samples.T)
    assert pieces[0].start == 0
    assert pieces[0].fs == 16_000


def test_every_encoding_gives_its_own_numbers(through):
    wide = np.array([[-(2**31), 2**31 - 256], [0, -256], [256, 1 << 20]], "<i4")
    of_24 = b"".join(int(v).to_bytes(4, "little", signed=True)[1:] for v in wide.ravel())
    two = {"open_channels": 2, "channel_map": (2, 1)}
    for data, encoding, dtype in ((wide.tobytes(), "s32le", np.int32), (of_24, "s24le", np.int32)):
        heard = joined(through([data], encoding=encoding, **two))
        assert heard.dtype == dtype
        np.testing.assert_array_equal(heard, wide.T[::-1])
    floats = np.array([[0.5, -1.0], [0.25, 1e-9]], "<f4")
    np.testing.assert_array_equal(joined(through([floats.tobytes()], encoding="f32le", **two)), floats.T[::-1])


def test_when_nothing_is_written_that_is_told_every_second(through):
    frame = np.arange(4, dtype="<i2").tobytes()
    told = through([frame, frame], pause_s=1.3)
    assert [isinstance(t, NoSound) for t in told] == [True, False, True, False]
    assert told[2].for_s == pytest.approx(1.1, abs=0.4)
    assert "pipe: nothing is written" in told[0].reason
    # The samples are counted by the clock: what would have come in the pauses is lost.
    for piece, until_s in ((told[1], 1.3), (told[3], 2.6)):
        assert piece.end / 16_000 == pytest.approx(until_s, abs=0.5)
        assert piece.lost > 0.8 * 16_000
    assert told[3].start - told[3].lost == told[1].end


def test_an_end_within_a_frame_is_an_error_after_all_that_was_whole(through):
    with pytest.raises(AudioError, match=r"expected frames of 8 bytes \(4 channels of s16le\), found 3 bytes"):
        through([bytes(8 * 5 + 3)])


def test_what_is_not_a_number_is_an_error_that_says_where(through):
    samples = np.zeros((100, 4), "<f4")
    samples[80, 2] = np.nan
    with pytest.raises(AudioError, match=r"expected numbers, found nan in the channel of microphone 3 at 0\.0050 s"):
        through([samples.tobytes()], encoding="f32le")


def test_a_named_pipe_is_opened_without_a_writer_and_heard_when_there_is_one(tmp_path, rng):
    path = tmp_path / "mic.fifo"
    os.mkfifo(path)
    samples = rng.integers(-99, 99, (500, 4)).astype("<i2")
    source = open_raw(f"raw:{path}", format=RawFormat(), n_mics=4)
    pieces = source.pieces()
    assert isinstance(next(pieces), NoSound)
    writer = Thread(target=path.write_bytes, args=(samples.tobytes(),))
    writer.start()
    np.testing.assert_array_equal(joined(list(pieces)), samples.T)
    writer.join()
    assert source.name == str(path)


def test_close_ends_it_while_nothing_comes():
    reading, writing = os.pipe()
    source = RawInput(reading, name="pipe", format=RawFormat(), n_mics=4, owned=True)
    closer = Thread(target=lambda: (time.sleep(0.1), source.close(), source.close()))
    closer.start()
    began = time.monotonic()
    assert list(source.pieces()) == []
    assert time.monotonic() - began < 1.0
    closer.join()
    os.close(writing)


@pytest.mark.parametrize("text", ["raw:", "-", "wav:-"])
def test_other_inputs_are_refused(text):
    with pytest.raises(ConfigError, match="expected raw:- or raw:PATH"):
        open_raw(text, format=RawFormat(), n_mics=4)


def test_a_file_that_is_not_there_and_settings_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(AudioError, match="expected a named pipe or a file, found: No such file"):
        open_raw(f"raw:{tmp_path / 'none'}", format=RawFormat(), n_mics=4)
    with pytest.raises(ConfigError, match="expected 3 channels, one for each microphone, found 4"):
        open_raw("raw:-", format=RawFormat(), n_mics=3)
    for wrong in ({"encoding": "s8"}, {"channel_map": (1, 1)}, {"channel_map": (5,)}, {"samplerate_hz": 1}):
        with pytest.raises(ConfigError, match="expected .* found"):
            RawFormat(**wrong)
