"""Every fault of the array: injected into simulated sound, shown within its limit, and its end shown too."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.alarm.fault_table import ANY_S, CHANNEL_S, NO_AUDIO_S, fault_kind, fault_table
from trad_array.alarm.health import HealthRule, Machine, active_faults, learn_anew, working
from trad_array.audio.captured import Captured
from trad_array.errors import AudioError, ConfigError

FS = 16_000
C = 2


def silent(samples):
    samples[C] = 0.0
    return samples


def stuck(samples):
    samples[C] = -0.25
    return samples


def overloaded(samples):
    samples[C] = np.clip(1e4 * samples[C], -1.0, 1.0)
    return samples


def quieter(samples):
    samples[C] *= 10 ** (-14 / 20)
    return samples


def all_quieter(samples):
    return samples * np.float32(0.1)


def late(samples, by=16):
    samples[C] = np.roll(samples[C], by)
    return samples


def exchanged(samples):
    return samples[[0, 2, 1, 3]]


def shown_and_over(watchman, spoil, code, subject="", *, bad_s, good_s):
    """Spoil the sound for a while; how long until the fault was shown, and its end."""
    began_s = watchman.now_s
    watchman.hear(bad_s, spoil)
    mended_s = watchman.now_s
    assert watchman.when(code, subject, raised=False) == np.inf
    watchman.hear(good_s)
    return watchman.when(code, subject) - began_s, watchman.when(code, subject, raised=False) - mended_s


def test_an_hour_of_a_cabin_raises_nothing(old_hand):
    old_hand.hear(600.0)
    assert old_hand.told == []
    assert active_faults(old_hand.state) == ()
    assert old_hand.state.lags.why_not == ("",) * 4


@pytest.mark.parametrize(("spoil", "code"), [(silent, "mic-silent"), (stuck, "mic-flat"), (overloaded, "mic-clipped")])
def test_a_broken_channel_is_shown_within_thirty_seconds_and_so_is_its_end(old_hand, spoil, code):
    shown_s, over_s = shown_and_over(old_hand, spoil, code, "C", bad_s=40, good_s=40)
    assert 5.0 < shown_s <= CHANNEL_S
    assert 5.0 < over_s <= CHANNEL_S
    assert old_hand.codes == {code}


@pytest.mark.parametrize(("spoil", "code"), [(silent, "mic-silent"), (stuck, "mic-flat")])
@pytest.mark.parametrize("piece_s", [0.032, 0.7, 7.0])
def test_pieces_of_any_length_show_a_dead_channel_from_the_start(watchman, spoil, code, piece_s):
    watchman.size = round(piece_s * FS)
    watchman.hear(28.0, spoil)
    assert watchman.when(code, "C") <= CHANNEL_S
    assert watchman.codes == {code}


@pytest.mark.parametrize("piece_s", [0.01, 0.25, 3.3, 30.0])
def test_the_same_sound_in_other_pieces_gives_the_same_faults_at_the_same_second(cabin_noise, new_watchman, piece_s):
    sound = cabin_noise.copy()
    sound[0, 10 * FS : 40 * FS] = 0.0
    sound[3, 15 * FS : 60 * FS] = 0.5
    fine = new_watchman(sound, piece_s=1.0)
    fine.hear(90.0)
    other = new_watchman(sound, piece_s=piece_s)
    other.hear(90.0)
    assert [(c.code, c.subject, c.raised) for _, c in other.told] == [
        ("mic-silent", "A", True),
        ("mic-flat", "D", True),
        ("not-localizable", "", True),
        ("mic-silent", "A", False),
        ("not-localizable", "", False),
        ("mic-flat", "D", False),
    ]
    for (expected_s, first), (told_s, second) in zip(fine.told, other.told, strict=True):
        assert first == second
        assert expected_s <= told_s + 1e-6 < expected_s + piece_s + 1e-3


def test_a_channel_that_comes_and_goes_is_told_once(watchman):
    for _ in range(20):
        watchman.hear(4.0, silent)
        watchman.hear(1.0)
    assert [c.code for _, c in watchman.told if c.raised] == ["mic-silent"]
    assert all(c.raised for _, c in watchman.told)


def test_no_sound_is_shown_within_ten_seconds_and_so_is_its_end(watchman):
    watchman.hear(20.0)
    watchman.silence(12)
    assert watchman.when("no-audio") - 20.0 <= NO_AUDIO_S
    assert "no sound for 4 s: nothing from the card" in watchman.told[0][1].detail
    watchman.hear(15.0)
    assert watchman.when("no-audio", raised=False) - 32.0 <= NO_AUDIO_S


def test_a_clock_that_goes_on_without_a_word_from_the_source_is_no_sound(watchman):
    watchman.hear(5.0)
    for now_s in np.arange(6.0, 16.0):
        watchman.step(float(now_s))
    assert watchman.when("no-audio") - 5.0 <= NO_AUDIO_S


def test_zeros_on_all_channels_are_no_sound_and_no_broken_microphones(watchman):
    watchman.hear(10.0)
    watchman.hear(12.0, np.zeros_like)
    assert watchman.when("no-audio") - 10.0 <= NO_AUDIO_S
    watchman.hear(10.0)
    assert watchman.when("no-audio", raised=False) - 22.0 <= NO_AUDIO_S
    assert watchman.codes == {"no-audio"}


def test_lost_samples_are_shown_at_once_and_forgotten_after_a_minute(watchman):
    watchman.hear(10.0)
    watchman.hear(1.0, lost=1234)
    assert watchman.when("lost-audio") == 11.0
    assert watchman.told[0][1].detail == "1234 samples were lost, 0.08 s"
    watchman.hear(90.0)
    assert 60.0 <= watchman.when("lost-audio", raised=False) - 11.0 <= ANY_S


def test_sound_across_a_gap_is_not_measured_as_one_second(watchman):
    watchman.hear(0.0)
    half = watchman.sound[:, : FS // 2].copy()
    watchman.step(0.5, Captured(half.copy(), 0, FS))
    watchman.step(1.5, Captured(half.copy(), FS + 7, FS, lost=FS // 2 + 7))
    assert watchman.state.second is None
    watchman.step(2.0, Captured(half.copy(), FS + 7 + FS // 2, FS))
    assert watchman.state.second is not None


def test_a_microphone_that_hears_less_than_the_others_is_shown_within_minutes(old_hand):
    limit_s = fault_kind("mic-differs").limit_s
    shown_s, over_s = shown_and_over(old_hand, quieter, "mic-differs", "C", bad_s=420, good_s=480)
    assert shown_s <= 300.0 <= limit_s
    assert over_s <= limit_s
    assert old_hand.codes == {"mic-differs"}
    assert "microphone C hears 14 dB less than it long did" in old_hand.told[0][1].detail


def test_a_deaf_microphone_is_shown_without_anything_learned(watchman):
    def deaf(samples):
        samples[C] *= 1e-3
        return samples

    watchman.hear(300.0, deaf)
    assert watchman.when("mic-differs", "C") <= 300.0


def test_levels_that_fall_together_are_shown_for_each_microphone(old_hand):
    kind = fault_kind("mic-level")
    began_s = old_hand.now_s
    old_hand.hear(1_000.0, all_quieter)
    assert {old_hand.when("mic-level", name) - began_s <= kind.limit_s for name in "ABCD"} == {True}
    mended_s = old_hand.now_s
    old_hand.hear(900.0)
    assert {old_hand.when("mic-level", n, raised=False) - mended_s <= kind.limit_s for n in "ABCD"} == {True}
    assert old_hand.codes == {"mic-level"}
    # It went by itself: fans that stop at night are told once.
    old_hand.told.clear()
    old_hand.hear(1_000.0, all_quieter)
    assert old_hand.told == []


def test_what_is_wrong_does_not_become_usual(old_hand):
    old_hand.hear(4_200.0, all_quieter)
    assert [c.raised for _, c in old_hand.told] == [True] * 4


def test_after_learning_anew_what_is_heard_is_usual(old_hand):
    old_hand.hear(900.0, all_quieter)
    old_hand.state = learn_anew(old_hand.rule, old_hand.state)
    old_hand.rule = replace(old_hand.rule, learn_minutes=12)
    old_hand.hear(1_200.0, all_quieter)
    assert [c.raised for _, c in old_hand.told] == [True] * 4 + [False] * 4
    assert active_faults(old_hand.state) == ()


def test_exchanged_channels_are_seen_in_the_levels_where_lags_are_not_observable(watchman, rng):
    noise = 0.01 * rng.standard_normal((4, 400 * FS), dtype=np.float32)
    noise[1] += 3.0 * np.roll(noise[1], 1)
    noise[2] -= 0.9 * np.roll(noise[2], 1)

    def fresh(samples):
        start = int(rng.integers(0, 399 * FS))
        return noise[:, start : start + FS].copy()

    watchman.rule = replace(watchman.rule, learn_minutes=12)
    watchman.hear(900.0, fresh)
    assert watchman.told == []
    began_s = watchman.now_s
    watchman.hear(1_860.0, lambda samples: fresh(samples)[[0, 2, 1, 3]])
    assert watchman.when("mics-swapped", "B, C") - began_s <= fault_kind("mics-swapped").limit_s
    assert "channels of microphones B, C look exchanged" in {c.detail for _, c in watchman.told}
    mended_s = watchman.now_s
    watchman.hear(1_860.0, fresh)
    assert watchman.when("mics-swapped", "B, C", raised=False) - mended_s <= fault_kind("mics-swapped").limit_s


def test_a_channel_that_slipped_by_a_millisecond_is_shown_within_the_hour(old_hand):
    limit_s = fault_kind("mic-lag").limit_s
    shown_s, over_s = shown_and_over(old_hand, late, "mic-lag", "C", bad_s=1_920, good_s=1_920)
    assert shown_s <= limit_s
    assert over_s <= limit_s
    assert old_hand.codes == {"mic-lag"}
    assert "channel of microphone C is 1000 us late" in old_hand.told[0][1].detail


def test_a_slip_of_three_samples_is_seen_and_of_one_is_none(old_hand):
    old_hand.hear(660.0, lambda samples: late(samples, 1))
    assert ("mic-lag", "C") not in old_hand.state.conditions
    old_hand.hear(1_860.0, lambda samples: late(samples, -3))
    assert "channel of microphone C is 187 us early" in old_hand.told[0][1].detail


def test_exchanged_channels_are_suspected_within_the_hour(old_hand):
    limit_s = fault_kind("mics-swapped").limit_s
    shown_s, over_s = shown_and_over(old_hand, exchanged, "mics-swapped", "B, C", bad_s=1_920, good_s=1_920)
    assert shown_s <= limit_s
    assert over_s <= limit_s
    assert old_hand.codes == {"mics-swapped"}
    assert old_hand.told[0][1].detail == "channels of microphones B, C look exchanged"


def test_lags_of_independent_noise_are_not_observable_and_never_fine(watchman, rng):
    noise = 0.01 * rng.standard_normal((4, 400 * FS), dtype=np.float32)

    def fresh(samples):
        start = int(rng.integers(0, 399 * FS))
        return noise[:, start : start + FS].copy()

    watchman.hear(4_300.0, fresh)
    assert watchman.state.lags.why_not == ("nothing steady is heard",) * 4
    assert watchman.told == []


def test_one_dead_microphone_leaves_three_two_are_not_localizable(watchman):
    def two_dead(samples):
        samples[:2] = 0.0
        return samples

    watchman.hear(30.0, silent)
    assert watchman.codes == {"mic-silent"}
    assert working(watchman.rule, watchman.state) == (True, True, False, True)
    watchman.hear(40.0)
    began_s = watchman.now_s
    watchman.hear(30.0, two_dead)
    assert watchman.when("not-localizable") - began_s <= CHANNEL_S
    detail = next(c.detail for _, c in watchman.told if c.code == "not-localizable")
    assert detail == "only C, D work, 3 are needed to name a cell; alarms are still raised"
    mended_s = watchman.now_s
    watchman.hear(30.0)
    assert watchman.when("not-localizable", raised=False) - mended_s <= CHANNEL_S


def test_disabled_microphones_count_as_not_working(watchman):
    watchman.step(1.0, machine=Machine(disabled=("A", "B")))
    assert watchman.when("not-localizable") == 1.0
    watchman.step(2.0, machine=Machine(disabled=()))
    assert watchman.when("not-localizable", raised=False) == 2.0


def test_sound_that_waits_is_a_slow_watch(watchman):
    watchman.hear(20.0, queued_s=3.0)
    assert watchman.when("slow") <= CHANNEL_S
    # Between the limits it is neither.
    watchman.hear(20.0, queued_s=1.0)
    assert watchman.when("slow", raised=False) == np.inf
    watchman.hear(20.0, queued_s=0.1)
    assert watchman.when("slow", raised=False) - 40.0 <= CHANNEL_S


@pytest.mark.parametrize(
    ("bad", "between", "good", "code", "subject"),
    [
        (Machine(drift_ppm=-400.0), Machine(drift_ppm=250.0), Machine(drift_ppm=30.0), "clock-drift", ""),
        (
            Machine(free_bytes=10**8),
            Machine(free_bytes=7 * 10**8),
            Machine(free_bytes=2 * 10**9),
            "disk",
            "",
        ),
        (Machine(store="disk is full"), Machine(), Machine(store=""), "store", ""),
        (Machine(outputs=(("siren", "exit 1"),)), Machine(), Machine(outputs=(("siren", ""),)), "output", "siren"),
        (Machine(outputs=(("siren", "exit 1"),)), Machine(), Machine(outputs=()), "output", "siren"),
    ],
)
def test_faults_of_the_machine_have_hysteresis_and_limits(watchman, bad, between, good, code, subject):
    for now_s in range(1, 111):
        watchman.step(float(now_s), machine=bad)
    assert watchman.when(code, subject) <= ANY_S
    for now_s in range(111, 300):
        watchman.step(float(now_s), machine=between)
    assert watchman.when(code, subject, raised=False) == np.inf
    for now_s in range(300, 411):
        watchman.step(float(now_s), machine=good)
    assert watchman.when(code, subject, raised=False) - 300.0 <= ANY_S
    assert watchman.codes - {"no-audio"} == {code}


def test_every_code_of_the_table_has_times_that_fit_its_limit():
    for kind in fault_table():
        assert kind.says
        assert kind.after_s < kind.limit_s
        assert kind.restored_s < kind.limit_s
        assert kind.supervisory or kind.limit_s <= ANY_S or kind.code in ("mic-lag", "mics-swapped")
    assert len({kind.code for kind in fault_table()}) == len(fault_table()) == 15


def test_another_number_of_channels_is_refused(watchman):
    with pytest.raises(AudioError, match="expected 4 channels, found 2"):
        watchman.step(1.0, Captured(np.zeros((2, 100), np.float32), 0, FS))
    with pytest.raises(ConfigError, match="expected names of microphones"):
        HealthRule(mics=("A", "A"))
