import numpy as np
import pytest
import soundfile

from trad_array.alarm.clip import ClipRule, Clips, clip_begin, clip_end, clip_finish, clip_step
from trad_array.alarm.clip_file import read_clip, write_clip
from trad_array.audio.captured import Captured
from trad_array.audio.files import read_recording

from .conftest import noise, pieces

FS = 8_000
RULE = ClipRule(before_s=0.5, after_s=0.1, longest_s=3.0, late_s=0.5)


def clips_of(rule, stream, happenings):
    """Clips of a stream; happenings: (sample at which it is told, "begin" or "end", event, sample)."""
    state, done, left = Clips(), [], list(happenings)
    for piece in stream:
        state, new = clip_step(rule, state, piece)
        done += new
        while left and left[0][0] <= piece.end:
            _, what, name, at = left.pop(0)
            if what == "begin":
                state = clip_begin(rule, state, name, onset=at)
            else:
                state = clip_end(rule, state, name, end=at)
    return [*done, *clip_finish(state)[1]]


@pytest.mark.parametrize("size", [1, 37, 400, 4_000, 40_000])
def test_a_clip_has_the_same_samples_however_the_stream_is_cut(rng, size):
    sound = noise(rng, 2, 40_000)
    (clip,) = clips_of(
        RULE, pieces(sound[:, :24_000] if size == 1 else sound, fs=FS, size=size), [
            (12_000, "begin", "a", 10_000), (17_000, "end", "a", 15_000)
        ]
    )  # fmt: skip
    whole = np.concatenate(list(clip.stretches()), axis=1)
    # Half a second before the onset to a tenth after the end, unless the stream came in pieces that are told late.
    first = 6_000 if size < 40_000 else clip.start
    np.testing.assert_array_equal(whole, sound[:, first : clip.end])
    assert clip.end >= 15_800
    assert clip.is_whole
    if size <= 400:
        assert (clip.start, clip.onset, clip.end) == (6_000, 10_000, 15_800)


def test_overlapping_events_have_their_own_clips_and_share_the_sound(rng):
    sound = noise(rng, 4, 40_000)
    found = clips_of(
        RULE,
        pieces(sound, fs=FS, size=400),
        [(9_000, "begin", "a", 8_800), (12_000, "begin", "b", 11_800), (16_000, "end", "b", 15_600),
         (20_000, "end", "a", 19_600)],
    )  # fmt: skip
    assert [(c.event, c.start, c.end) for c in found] == [("b", 7_800, 16_400), ("a", 4_800, 20_400)]
    for clip in found:
        np.testing.assert_array_equal(np.concatenate(list(clip.stretches()), axis=1), sound[:, clip.start : clip.end])
    assert {id(p) for p in found[0].pieces} <= {id(p) for p in found[1].pieces}


def test_memory_is_bounded_while_nothing_happens_and_while_an_event_does_not_end(rng):
    sound = noise(rng, 2, 100 * FS)
    state, most_quiet_s, most_s, done = Clips(), 0.0, 0.0, []
    for k, piece in enumerate(pieces(sound, fs=FS, size=400)):
        state, new = clip_step(RULE, state, piece)
        done += new
        if k < 1_000:
            most_quiet_s = max(most_quiet_s, state.seconds)
        elif k % 20 == 0:
            state = clip_begin(RULE, state, f"e{k}", onset=piece.end)
        most_s = max(most_s, state.seconds)
    assert most_quiet_s <= 1.0 + 400 / FS  # before_s + late_s + a piece
    assert most_s <= 3.0 + 2 * 400 / FS
    assert {(c.end - c.start) / FS for c in done} == {3.0}
    assert not any(c.is_whole for c in done)


def test_a_clip_of_many_channels_is_cut_off_by_its_bytes(rng):
    rule = ClipRule(before_s=0.1, longest_s=100.0, most_bytes=2 * 32 * 8_000)
    (clip,) = clips_of(rule, pieces(noise(rng, 32, 20_000), fs=FS, size=500), [(2_000, "begin", "a", 2_000)])
    assert (clip.end - clip.start, clip.is_whole) == (8_000, False)


def test_sound_that_went_missing_is_silence_of_its_length_and_is_told(rng):
    sound = noise(rng, 2, 20_000)
    parts = [p for p in pieces(sound, fs=FS, size=400) if not 9_600 <= p.start < 10_800]
    (clip,) = clips_of(RULE, parts, [(8_800, "begin", "a", 8_600), (15_000, "end", "a", 14_000)])
    whole = np.concatenate(list(clip.stretches()), axis=1)
    sound[:, 9_600:10_800] = 0
    np.testing.assert_array_equal(whole, sound[:, clip.start : clip.end])
    assert clip.gaps == ((9_600 - clip.start, 1_200),)


def test_where_the_stream_begins_anew_the_clips_end(rng):
    stream = [*pieces(noise(rng, 2, 8_000), fs=FS, size=400), *pieces(noise(rng, 2, 8_000), fs=FS, size=400)]
    (clip,) = clips_of(RULE, stream, [(6_000, "begin", "a", 6_000)])
    assert (clip.start, clip.end, clip.is_whole) == (2_000, 8_000, False)


@pytest.mark.parametrize(
    ("kind", "n_mics", "file", "subtype"),
    [
        ("int16", 4, "clip.flac", "PCM_16"),
        ("int24", 4, "clip.flac", "PCM_24"),
        ("int24", 8, "clip.flac", "PCM_24"),
        ("float24", 4, "clip.flac", "PCM_24"),
        ("int16", 9, "clip.rf64", "PCM_16"),
        ("int24", 16, "clip.rf64", "PCM_24"),
        ("int32", 4, "clip.rf64", "PCM_32"),
        ("float32", 4, "clip.rf64", "FLOAT"),
    ],
)
def test_what_is_read_back_is_what_was_captured_bit_for_bit(rng, tmp_path, kind, n_mics, file, subtype):
    sound = noise(rng, n_mics, 12_345, kind=kind)
    (clip,) = clips_of(RULE, pieces(sound, fs=48_000, size=1_000), [(2_000, "begin", "a", 1_500)])
    about = write_clip(clip, tmp_path).as_json()
    assert (about["file"], about["subtype"], about["fs"], about["exact"]) == (file, subtype, 48_000, True)
    back = read_clip(tmp_path, about)
    assert back.dtype == sound.dtype
    np.testing.assert_array_equal(back, sound)
    # Any program that reads the format, and our own recordings, hear the same.
    assert soundfile.info(tmp_path / file).channels == n_mics
    heard = read_recording(tmp_path / file, fs=48_000).samples
    np.testing.assert_array_equal(heard, Captured(sound, 0, 48_000).full_scale())


def test_extremes_and_numbers_that_are_none_survive(tmp_path):
    odd = np.array([[-1.0, 1.0, 0.0, 2.5, -(2.0**-23), np.nan, np.inf]], dtype=np.float32)
    for sound, subtype in ((odd, "FLOAT"), (odd[:, :1], "PCM_24"), (odd[:, 4:5], "PCM_24"), (odd[:, 1:2], "FLOAT")):
        clip = clips_of(RULE, [Captured(sound.copy(), 0, FS)], [(1, "begin", "a", 0)])[0]
        about = write_clip(clip, tmp_path).as_json()
        assert about["subtype"] == subtype
        np.testing.assert_array_equal(read_clip(tmp_path, about), sound)
