"""What breaks between a microphone and the program is told within its limit, and is over when its cause is."""

import signal
import time
from threading import Thread

import numpy as np
import pytest

FS = 16_000
# s, how far the index of a sample may be from the clock after a recovery: buffers of the server, a busy machine.
NEAR_S = 0.25


def steady(listener, seconds=0.5):
    """Listen for a while; gives what was told last."""
    first = listener.wait_for_sound()
    return listener.wait_for(lambda t: t["kind"] == "sound" and t["end"] - first["start"] > seconds * FS, within_s=8)


def comes_back(listener, before, *, after, within_s=8.0):
    """Sound again, told as a gap that fits the clock; gives the first piece."""
    back = listener.wait_for_sound(within_s=within_s, after=after)
    assert back["lost"] > 0
    assert back["start"] >= before["end"]
    assert (back["end"] - before["end"]) / FS == pytest.approx(back["at_s"] - before["at_s"], abs=NEAR_S)
    # And goes on.
    listener.wait_for(lambda t: t["kind"] == "sound" and t["end"] > back["end"] + FS // 4, within_s=5)
    return back


def last_sound(listener):
    return listener.of("sound")[-1]


def ends_with(listener, **expected):
    listener.end()
    end = listener.of("end")[0]
    assert {name: end[name] for name in expected} == expected
    pieces = listener.of("sound")
    for one, other in zip(pieces, pieces[1:], strict=False):
        assert other["start"] - one["end"] == other["lost"]
    return end


def test_a_server_that_is_killed_is_told_and_found_again(server, listen):
    listener = listen()
    steady(listener)
    server.kill()
    killed_s, at = time.monotonic(), len(listener.told)
    none = listener.wait_for(lambda t: t["kind"] == "none", within_s=3, after=at)
    assert none["at_s"] - killed_s < 2.0
    before, at = last_sound(listener), len(listener.told)
    # While it is away, every second says so, and why.
    later = listener.wait_for(lambda t: t["kind"] == "none" and t["for_s"] > 1.9, within_s=3, after=at)
    assert "trad_array" in later["reason"]
    at = len(listener.told)
    server.start()
    comes_back(listener, before, after=at)
    ends_with(listener, reopened=1, dropped=0)


def test_a_device_that_falls_silent_without_a_word_is_told_and_found_again(server, listen):
    listener = listen()
    steady(listener)
    server.unload("array")
    time.sleep(0.2)
    before, at = last_sound(listener), len(listener.told)
    none = listener.wait_for(lambda t: t["kind"] == "none", within_s=3, after=at)
    assert none["for_s"] == pytest.approx(1.0, abs=0.4)
    at = len(listener.told)
    server.load("array")
    comes_back(listener, before, after=at)
    ends_with(listener, dropped=0)


def test_a_feeder_that_stops_is_told_and_heard_again_when_it_goes_on(server, listen, rng):
    listener = listen("trad_pipe")
    sound = rng.integers(-9_000, 9_000, (FS // 2, 4)).astype(np.int16)
    listener.wait_for(lambda t: t["kind"] == "none", within_s=4)  # it is open
    server.write(sound, in_real_time=True)
    before, at = last_sound(listener), len(listener.told)
    none = listener.wait_for(lambda t: t["kind"] == "none" and t["for_s"] > 1.9, within_s=4, after=at)
    assert "no sound" in none["reason"]
    at = len(listener.told)
    server.write(sound, in_real_time=True)
    back = listener.wait_for_sound(after=at)
    assert back["lost"] > 0
    assert (back["end"] - before["end"]) / FS == pytest.approx(back["at_s"] - before["at_s"], abs=NEAR_S)
    ends_with(listener, dropped=0)


def test_a_stall_of_three_seconds_is_told_and_made_up_for_by_the_clock(server, listen):
    listener = listen()
    steady(listener)
    server.pause()
    time.sleep(0.3)
    before, at = last_sound(listener), len(listener.told)
    listener.wait_for(lambda t: t["kind"] == "none", within_s=2, after=at)
    time.sleep(1.7)
    at = len(listener.told)
    server.go_on()
    comes_back(listener, before, after=at)
    ends_with(listener, dropped=0)


def test_a_short_stall_loses_nothing_and_is_told_as_no_loss(server, listen):
    listener = listen(rule={"silent_s": 2.0})
    steady(listener)
    server.pause()
    time.sleep(0.7)
    server.go_on()
    at = listener.told[-1]
    listener.wait_for(lambda t: t["kind"] == "sound" and t["at_s"] > at["at_s"] + 1.5, within_s=6)
    ends_with(listener, lost=0, dropped=0, reopened=0)


def test_sound_that_goes_missing_unsaid_is_found_by_the_clock(server, listen, rng):
    listener = listen("trad_pipe", rule={"silent_s": 2.0})
    sound = rng.integers(-9_000, 9_000, (3 * FS, 4)).astype(np.int16)

    def write():
        server.write(sound[:FS], in_real_time=True)
        time.sleep(0.4)  # shorter than a silence: nothing but the clock knows
        server.write(sound[FS:], in_real_time=True)

    feeder = Thread(target=write)
    feeder.start()
    loss = listener.wait_for(lambda t: t["kind"] == "sound" and t["lost"], within_s=8)
    assert loss["lost"] / FS == pytest.approx(0.4, abs=0.1)
    assert loss["end"] / FS < 1.0 + 0.4 + 4 * 0.3 + NEAR_S
    feeder.join()
    end = ends_with(listener, reopened=0, dropped=0, overflows=0)
    assert end["lost"] == loss["lost"]


def test_a_listener_that_is_late_loses_what_the_queue_does_not_hold_and_knows_how_much(server, listen):
    listener = listen(rule={"queue_s": 0.5}, slow_s=1.5)
    first = listener.wait_for_sound()
    loss = listener.wait_for(lambda t: t["kind"] == "sound" and t["lost"], within_s=5)
    assert loss["lost"] / FS == pytest.approx(1.0, abs=NEAR_S)
    waited = listener.wait_for(lambda t: t["kind"] == "sound" and t is not first, within_s=1)
    assert waited["queued_s"] == pytest.approx(1.5, abs=NEAR_S)
    listener.wait_for(lambda t: t["kind"] == "sound" and t["end"] > 3 * FS, within_s=8)
    ends_with(listener, lost=loss["lost"], dropped=loss["lost"], reopened=0)


def test_a_program_that_stood_still_itself_does_not_blame_the_card(server, listen):
    listener = listen()
    steady(listener)
    listener.process.send_signal(signal.SIGSTOP)
    time.sleep(1.2)
    listener.process.send_signal(signal.SIGCONT)
    gone_on = listener.told[-1]["at_s"]
    last = listener.wait_for(lambda t: t["kind"] == "sound" and t["at_s"] > gone_on + 2.5, within_s=5)
    first = listener.of("sound")[0]
    assert (last["end"] - first["end"]) / FS == pytest.approx(last["at_s"] - first["at_s"], abs=NEAR_S)
    ends_with(listener, reopened=0)


def test_a_driver_that_hangs_is_given_up_and_the_program_ends(server, listen):
    listener = listen(rule={"give_up_s": 1.0})
    steady(listener, 0.3)
    server.pause()
    assert listener.process.wait(8) == 1
    listener._reader.join(2)
    trouble = listener.of("trouble")[0]
    assert trouble["hopeless"]
    assert "within 1 s" in trouble["text"]
    assert "\n" not in trouble["text"]


def test_a_card_is_closed_in_time_while_the_driver_hangs(server, listen):
    listener = listen(rule={"silent_s": 5.0, "close_s": 0.5})
    steady(listener, 0.3)
    server.pause()
    time.sleep(0.3)
    listener.end(within_s=4)
    assert listener.of("closed")[0]["took_s"] < 1.0


def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(server, listen):
    listener = listen("trad_arary")
    assert listener.process.wait(5) == 1
    listener._reader.join(2)
    (trouble,) = listener.of("trouble")
    assert trouble["text"] == (
        "sound card 'trad_arary': expected a device of that name, found 'trad_array', 'trad_pipe'"
    )
    assert not trouble["hopeless"]


def test_a_part_of_a_name_is_enough_when_one_device_has_it(server, listen):
    listener = listen("PIPE")
    listener.wait_for(lambda t: t["kind"] == "none", within_s=4)
    other = listen("trad_")
    assert other.process.wait(5) == 1
    other._reader.join(2)
    assert "expected a name that only one device has, found 'trad_array', 'trad_pipe'" in other.told[0]["text"]


def test_a_device_that_is_there_but_cannot_be_opened_says_what_was_asked(server, listen):
    server.unload("array")
    listener = listen(form={"open_channels": 64, "channel_map": [1, 2, 3, 64]})
    assert listener.process.wait(8) == 1
    listener._reader.join(2)
    assert "expected 64 channels of int16 at 16000 Hz, found: " in listener.told[0]["text"]
