"""Impulse responses: arrival times, reverberation, level of the tail, and nothing global touched."""

import sys

import numpy as np
import pytest

from trad_array.errors import ConfigError, MissingExtra
from trad_array.simulation import measure_rt60, room_responses
from trad_array.simulation.rooms import FADE_S, TRANSITION_S, early_response, reflections, walls_for
from trad_array_geometry import LayoutError, load_layout, mic_pairs, pair_delays

FS = 16_000
C = 346.1
BOXES = {
    "cabin": np.array([[0.0, 0.0, 0.0], [6.06, 2.44, 2.90]]),
    "room": np.array([[-1.0, 0.5, 0.0], [5.0, 4.1, 2.80]]),
    "hall": np.array([[0.0, 0.0, 0.0], [12.0, 8.0, 4.0]]),
}


def points(box, shares):
    return box[0] + np.array(shares) * (box[1] - box[0])


def responses(box, *, rt60_s, seed=1, sources=((0.1, 0.3, 0.8), (0.5, 0.45, 0.4), (0.9, 0.6, 0.3)), fs=FS):
    mics = points(box, [[0.40, 0.35, 0.42], [0.60, 0.35, 0.45], [0.60, 0.65, 0.43], [0.40, 0.65, 0.55]])
    rng = np.random.default_rng(seed)
    return room_responses(box, points(box, sources), mics, rt60_s=rt60_s, fs=fs, speed_of_sound=C, rng=rng)


def arrival_samples(response):
    """Delay of a lone pulse from the slope of its phase, 500 Hz to 6 kHz."""
    n = 1 << 13
    frequencies = np.fft.rfftfreq(n, 1 / FS)
    coarse = int(np.abs(response).argmax())
    spectrum = np.fft.rfft(response, n) * np.exp(2j * np.pi * frequencies * coarse / FS)
    band = (frequencies > 500) & (frequencies < 6_000)
    slope = np.polyfit(frequencies[band], np.unwrap(np.angle(spectrum[band])), 1)[0]
    return coarse - slope * FS / (2 * np.pi)


@pytest.mark.parametrize("name", ["pack-corners", "row-corners", "row-frame"])
def test_direct_sound_arrives_when_geometry_says(name):
    layout = load_layout(name)
    c = layout.speed_of_sound
    sources = np.vstack([layout.cells, layout.guards])
    made = room_responses(
        layout.box_m, sources, layout.mics, rt60_s=0, fs=FS, speed_of_sound=c, rng=np.random.default_rng(0)
    )
    heard = np.array([[arrival_samples(response) for response in row] for row in made.impulse])
    first, second = mic_pairs(layout.n_mics).T
    expected = pair_delays(sources, layout.mics, speed_of_sound=c) * FS
    assert np.abs(heard[:, first] - heard[:, second] - expected).max() < 0.1
    distances = np.linalg.norm(sources[:, None] - layout.mics, axis=-1)
    assert np.abs(heard - distances / c * FS).max() < 0.1


def test_direct_sound_does_not_depend_on_the_walls():
    bare, live = (responses(BOXES["cabin"], rt60_s=rt60_s).impulse for rt60_s in (0.0, 0.5))
    for without, within in zip(bare.reshape(-1, bare.shape[-1]), live.reshape(-1, live.shape[-1]), strict=True):
        peak = int(np.abs(without).argmax())
        assert within[peak] == pytest.approx(without[peak], rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("rt60_s", [0.2, 0.4, 0.8])
def test_measured_reverberation_time_is_near_the_request(box, rt60_s):
    made = responses(BOXES[box], rt60_s=rt60_s)
    assert made.rt60_s == pytest.approx(rt60_s, rel=0.05)
    each = [measure_rt60(response, FS) for response in made.impulse.reshape(-1, made.impulse.shape[-1])]
    assert np.allclose(each, rt60_s, rtol=0.15)


@pytest.mark.parametrize("rt60_s", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("fs", [16_000, 48_000])
def test_reverberation_time_of_a_known_decay(rt60_s, fs):
    t = np.arange(int(1.2 * rt60_s * fs)) / fs
    decay = np.random.default_rng(3).standard_normal(len(t)) * 10 ** (-3 * t / rt60_s)
    assert measure_rt60(decay, fs) == pytest.approx(rt60_s, rel=0.03)
    assert measure_rt60(np.concatenate([np.zeros(500), 0.01 * decay]), fs) == pytest.approx(rt60_s, rel=0.03)


def test_reverberation_time_of_one_pulse_and_of_silence():
    pulse = np.zeros(1000)
    pulse[100] = 1.0
    assert measure_rt60(pulse, FS) == 0.0
    with pytest.raises(ConfigError, match="silence"):
        measure_rt60(np.zeros(1000), FS)


@pytest.mark.slow
@pytest.mark.parametrize("rt60_s", [0.3, 0.6])
def test_tail_continues_the_mirror_images_at_their_level(rt60_s):
    """The images of pyroomacoustics to a high order are the reference, before and after the change to the tail."""
    import pyroomacoustics as pra

    box = BOXES["cabin"]
    size = box[1] - box[0]
    surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    absorption = 1 - np.exp(-0.161 * (343 / C) * size.prod() / (surface * rt60_s))
    room = pra.ShoeBox(size, fs=FS, materials=pra.Material(absorption), max_order=22)
    room.set_sound_speed(C)
    sources, mics = points(box, [(0.1, 0.3, 0.8), (0.9, 0.6, 0.3)]), points(box, [[0.4, 0.35, 0.42], [0.6, 0.65, 0.55]])
    for source in sources:
        room.add_source(source)
    room.add_microphone_array(mics.T)
    room.compute_rir()
    reference = np.array([[room.rir[m][s][40:2000] for m in range(2)] for s in range(2)])
    rng = np.random.default_rng(0)
    made = room_responses(box, sources, mics, rt60_s=rt60_s, fs=FS, speed_of_sound=C, rng=rng).impulse[..., :1960]
    for start_s, stop_s in ((0.0, 0.018), (0.018, 0.035), (0.035, 0.07)):
        stretch = slice(int(start_s * FS), int(stop_s * FS))
        step_db = 10 * np.log10((made[..., stretch] ** 2).sum() / (reference[..., stretch] ** 2).sum())
        assert abs(step_db) < 2.0, (start_s, step_db)
    early = slice(0, int((TRANSITION_S - 0.012) * FS))
    assert np.corrcoef(made[..., early].ravel(), reference[..., early].ravel())[0, 1] > 0.99


def test_same_seed_same_room_and_other_seed_other_tail():
    first, again, other = (responses(BOXES["room"], rt60_s=0.3, seed=seed).impulse for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    early = int(0.019 * FS)
    assert np.array_equal(first[..., :early], other[..., :early])


@pytest.mark.parametrize("rt60_s", [0.0, 0.3])
def test_early_responses_of_one_list_of_reflections_begin_as_those_of_the_room(rt60_s):
    box = BOXES["room"]
    sources = points(box, [(0.3, 0.3, 0.6), (0.5, 0.45, 0.4)])
    mics = points(box, [[0.40, 0.35, 0.42], [0.60, 0.65, 0.55]])
    rng = np.random.default_rng(0)
    whole = room_responses(box, sources, mics, rt60_s=rt60_s, fs=FS, speed_of_sound=C, rng=rng).impulse
    walls = walls_for(box, rt60_s, speed_of_sound=C)
    lists = reflections(box, sources, walls, speed_of_sound=C)
    n = min(int((TRANSITION_S - FADE_S) * FS), whole.shape[-1])
    for source, (at, mirrored) in enumerate(zip(sources, lists, strict=True)):
        for mic, place in enumerate(mics):
            early = early_response(at, mirrored, place, fs=FS, speed_of_sound=C)
            assert np.abs(early[:n] - whole[source, mic, :n]).max() < 1e-4 * np.abs(whole[source, mic]).max()


def test_nothing_global_is_touched():
    import pyroomacoustics as pra

    pra.random.seed(1)

    def state():
        legacy = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global generator is what is watched
        return legacy, pra.constants.get("c"), pra.random.get_rng().bit_generator.state

    before = state()
    responses(BOXES["room"], rt60_s=0.3)
    assert state() == before


def test_responses_are_read_only_and_nothing_sounds_before_it_was_emitted():
    made = responses(BOXES["room"], rt60_s=0.3)
    assert not made.impulse.flags.writeable
    near = room_responses(
        BOXES["room"],
        np.array([[1.0, 1.0, 1.0]]),
        np.array([[1.0, 1.0, 1.1]]),
        rt60_s=0,
        fs=FS,
        speed_of_sound=C,
        rng=np.random.default_rng(0),
    )
    assert int(np.abs(near.impulse[0, 0]).argmax()) == round(0.1 / C * FS)
    assert np.abs(near.impulse[0, 0, :1]).max() < 0.05 * np.abs(near.impulse).max()


@pytest.mark.parametrize("rt60_s", [-1.0, 0.05, 9.0, float("nan")])
def test_a_reverberation_time_that_cannot_be_made_is_refused(rt60_s):
    with pytest.raises(ConfigError, match="rt60_s: expected 0.15 to 1.5 s, or 0"):
        responses(BOXES["room"], rt60_s=rt60_s)


def test_points_outside_the_room_or_on_a_microphone_are_refused():
    with pytest.raises(LayoutError, match="sources: expected points inside the room"):
        responses(BOXES["room"], rt60_s=0.3, sources=((0.5, 0.5, 1.2),))
    with pytest.raises(ConfigError, match="from a microphone"):
        responses(BOXES["room"], rt60_s=0.3, sources=((0.40, 0.35, 0.42),))


def test_a_missing_engine_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(MissingExtra, match=r"trad-array\[sim\]"):
        responses(BOXES["room"], rt60_s=0.3)
