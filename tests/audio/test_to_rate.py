"""Captured sound at another rate: the same samples however the stream is cut, and wherever it begins."""

import numpy as np
import pytest
import soxr

from trad_array.audio.captured import Captured
from trad_array.audio.to_rate import ToRate, to_rate_finish, to_rate_step
from trad_array.errors import ConfigError

RATES = (48_000, 44_100, 32_000, 8_000, 16_000)


def sound(rng, fs, seconds=2.0):
    return rng.integers(-(2**31), 2**31, (4, round(seconds * fs))).astype(np.int32)


def at_rate(rule, pieces, *, finish=True):
    """Blocks of a stream; each must begin where the one before ended, or say what is missing between."""
    state, out = rule.start(), []
    for piece in pieces:
        state, blocks = to_rate_step(rule, state, piece)
        out += blocks
    out += to_rate_finish(rule, state) if finish else ()
    for before, after in zip(out, out[1:], strict=False):
        assert after.start - before.end == after.lost
    return out


def cut(samples, fs, sizes, *, start=0):
    at, pieces = 0, []
    while at < samples.shape[1]:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(Captured(samples[:, at : at + size].copy(), start + at, fs))
        at += size
    return pieces


def joined(blocks):
    return np.concatenate([b.samples for b in blocks], axis=1)


@pytest.mark.parametrize("fs", RATES)
def test_cut_anywhere_gives_the_same_samples(fs, rng):
    samples, rule = sound(rng, fs), ToRate(fs, 16_000)
    whole = joined(at_rate(rule, cut(samples, fs, [samples.shape[1]])))
    for sizes in ([17], [1, 4801, 3], [512], [fs], [2205, 1]):
        pieces = cut(samples, fs, sizes)
        np.testing.assert_array_equal(joined(at_rate(rule, pieces)), whole)


@pytest.mark.parametrize("fs", RATES)
def test_a_replay_from_the_middle_gives_the_same_samples_from_there_on(fs, rng):
    samples, rule = sound(rng, fs), ToRate(fs, 16_000)
    whole = joined(at_rate(rule, cut(samples, fs, [999])))
    for wanted in (0, 1, 8_000, 12_345, 20_001):
        begin = rule.begin_for(wanted)
        later = at_rate(rule, cut(samples[:, begin:], fs, [777], start=begin))
        assert later[0].start <= wanted
        assert later[0].lost == 0
        np.testing.assert_array_equal(joined(later)[:, wanted - later[0].start :], whole[:, wanted:])


@pytest.mark.parametrize("fs", [48_000, 44_100, 32_000, 8_000])
def test_pages_are_what_the_whole_is(fs, rng):
    samples = (0.1 * rng.standard_normal((4, 2 * fs + 123))).astype(np.float32)
    blocks = at_rate(ToRate(fs, 16_000), cut(samples, fs, [480]))
    expected = soxr.resample(samples.T, fs, 16_000, quality="HQ").T
    got = joined(blocks)
    assert blocks[0].start == 0
    assert abs(got.shape[1] - expected.shape[1]) <= 1
    # At the very ends the library's own assumption about what lies outside shows.
    inner = slice(160, min(got.shape[1], expected.shape[1]) - 160)
    assert 20 * np.log10(np.abs(got[:, inner] - expected[:, inner]).max() / 0.1) < -100.0


def test_equal_rates_pass_untouched_and_at_once(rng):
    samples = rng.integers(-(2**15), 2**15, (4, 1000)).astype(np.int16)
    blocks = at_rate(ToRate(16_000, 16_000), cut(samples, 16_000, [100]), finish=False)
    assert len(blocks) == 10
    np.testing.assert_array_equal(joined(blocks), samples / np.float32(32768))
    assert ToRate(16_000, 16_000).delay_s == 0.0


@pytest.mark.parametrize("fs", [48_000, 44_100])
def test_after_a_gap_indices_are_true_and_what_is_missing_is_told(fs, rng):
    samples, rule = sound(rng, fs, 3.0), ToRate(fs, 16_000)
    whole = joined(at_rate(rule, cut(samples, fs, [512])))
    stop, go_on = fs + 11, 2 * fs + 77
    after = cut(samples[:, go_on:], fs, [512], start=go_on)
    after[0] = Captured(after[0].samples, go_on, fs, lost=go_on - stop)
    blocks = at_rate(rule, cut(samples[:, :stop], fs, [512]) + after)
    gaps = [k for k, b in enumerate(blocks) if b.lost]
    assert len(gaps) == 1
    first = blocks[gaps[0]]
    # Nothing of the gap is made up, and no more than the longest delay on either side of it is dropped.
    assert blocks[gaps[0] - 1].end <= stop * 16_000 / fs <= blocks[gaps[0] - 1].end + rule.delay_s * 16_000
    assert first.start - rule.delay_s * 16_000 <= go_on * 16_000 / fs <= first.start
    for block in blocks[:-1]:
        np.testing.assert_array_equal(block.samples, whole[:, block.start : block.end])


def test_a_block_waits_no_longer_than_the_delay_says(rng):
    fs, rule = 48_000, ToRate(48_000, 16_000)
    state = rule.start()
    for piece in cut(sound(rng, fs), fs, [480]):
        state, _ = to_rate_step(rule, state, piece)
        assert piece.end - (state.told or 0) * 3 <= rule.delay_s * fs + 480


def test_a_piece_that_is_too_short_gives_nothing_until_the_end(rng):
    rule = ToRate(48_000, 16_000)
    state, blocks = to_rate_step(rule, rule.start(), cut(sound(rng, 48_000, 0.01), 48_000, [480])[0])
    assert blocks == ()
    assert [b.samples.shape for b in to_rate_finish(rule, state)] == [(4, 160)]
    assert to_rate_finish(rule, rule.start()) == ()


@pytest.mark.parametrize("settings", [(0, 16_000), (48_000, -1), (48_000, 16_000, 0.0), (48_000, 16_000, 0.1, -1.0)])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="expected .* found"):
        ToRate(*settings)
