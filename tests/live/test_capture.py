"""Sound through a real audio server arrives as it was played: every bit, every lag, every channel in its place."""

import numpy as np


def noise(rng, n, channels=4, dtype=np.int16):
    """Loud noise that is at no time zero, so that it can be told from the silence around it."""
    top = np.iinfo(dtype).max
    return (rng.integers(1, top, (n, channels)) * rng.choice([-1, 1], (n, channels))).astype(dtype)


def found(heard, played):
    """The stretch of what was heard that begins where the first channel begins to sound."""
    first = int(np.flatnonzero(heard.any(axis=0))[0])
    return heard[:, first : first + len(played)].T


def test_played_sound_arrives_bit_for_bit_with_its_lags(server, listen, rng):
    source = noise(rng, 16_000, 1)[:, 0]
    lags = (0, 3, 7, 18)
    played = np.stack([np.roll(source, lag) for lag in lags], axis=1)
    listener = listen()
    listener.wait_for_sound()
    assert server.play(played).wait(10) == 0
    listener.wait_for(lambda t: t["kind"] == "sound", within_s=5, after=len(listener.told) + 5)
    heard = listener.end()
    np.testing.assert_array_equal(found(heard, played), played)
    assert sum(t["lost"] for t in listener.of("sound")) == 0


def test_sound_written_into_the_pipe_is_exact_from_its_first_sample(server, listen, rng):
    played = noise(rng, 16_000)
    # A pipe without a writer is a silent device; here it shall not be opened again and again.
    listener = listen("trad_pipe", rule={"silent_s": 30.0})
    listener.wait_for(lambda t: t["kind"] == "none", within_s=5)
    server.write(played, in_real_time=True)
    listener.wait_for(lambda t: t["kind"] == "sound" and t["end"] >= 15_000, within_s=5)
    heard = listener.end()
    n = heard.shape[1]
    np.testing.assert_array_equal(heard, played[:n].T)


def test_six_channels_are_opened_and_four_are_taken_in_the_order_of_the_map(start_server, listen, rng):
    server, order = start_server(channels=6), [5, 1, 6, 2]
    played = noise(rng, 8_000, 6)
    listener = listen(server=server, form={"open_channels": 6, "channel_map": order})
    listener.wait_for_sound()
    assert server.play(played).wait(10) == 0
    listener.wait_for_sound(after=len(listener.told) + 5)
    expected = played[:, [c - 1 for c in order]]
    np.testing.assert_array_equal(found(listener.end(), expected), expected)


def test_thirty_two_bits_at_48_khz_arrive_bit_for_bit(start_server, listen, rng):
    server = start_server(fs=48_000, dtype="int32")
    played = noise(rng, 24_000, dtype=np.int32)
    listener = listen(server=server, form={"samplerate_hz": 48_000, "dtype": "int32"})
    listener.wait_for_sound()
    assert server.play(played).wait(10) == 0
    listener.wait_for_sound(after=len(listener.told) + 5)
    heard = listener.end()
    assert heard.dtype == np.int32
    np.testing.assert_array_equal(found(heard, played), played)
