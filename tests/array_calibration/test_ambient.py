"""Everyday sound bounds channel delays; named events give them; the rest is said to be unknown."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.array_calibration.ambient import listen_ambient
from trad_array.array_calibration.named_events import sounds_from_events
from trad_array.errors import AudioError, LayoutError
from trad_array.records import Recording
from trad_array_geometry import load_layout, mic_pairs, travel_times

FS = 16_000


def everyday(layout, *, seed=1, n=14, late_s=(0, 0, 0, 0)):
    """One hiss after the other from all around the array, in a free field."""
    rng = np.random.default_rng(seed)
    low, high = layout.box_m
    parts = []
    for _ in range(n):
        place = rng.uniform(low + 0.3, high - 0.3)
        times = travel_times(place[None], layout.mics, speed_of_sound=layout.speed_of_sound)[0] + np.array(late_s)
        source = np.fft.rfft(rng.standard_normal(FS))
        turn = np.exp(-2j * np.pi * np.fft.rfftfreq(FS, 1 / FS) * times[:, None])
        parts.append(0.05 * np.fft.irfft(source * turn, FS) + 0.005 * rng.standard_normal((4, FS)))
    return Recording(np.concatenate(parts, axis=1).astype(np.float32), FS, source="everyday")


def events(layout, cells, *, late_us=(0, 0, 0, 0), order=(0, 1, 2, 3), rng=None):
    """Event objects with exact delays as the given truth makes them."""
    found = []
    for cell in cells:
        place = layout.cells[[layout.cell_index(cell)]] + (0.0, 0.0, 0.02)
        times = 1e6 * travel_times(place, layout.mics, speed_of_sound=layout.speed_of_sound)[0] + np.array(late_us)
        times = times[list(order)] + (0 if rng is None else 8 * rng.standard_normal(4))
        pairs = [
            {"mics": [layout.mic_names[i], layout.mic_names[j]], "delay_us": float(times[i] - times[j])}
            for i, j in mic_pairs(4)
        ]
        found.append({"schema": "trad-array/event/1", "level": "alarm", "best": cell, "onset_s": 1.0, "tdoa_us": pairs})
    return found


CELLS = ("R1C02", "R1C12", "R2C06", "R3C09", "R4C02", "R4C11")


@pytest.mark.parametrize("late_s", [0.0, 4e-3, -4e-3])
def test_bounds_hold_the_true_delay(pack, late_s):
    result = listen_ambient([everyday(pack, late_s=(0, 0, late_s, 0))], pack)
    true_us = 1e6 * np.array([0, 0, late_s, 0])
    for bound in result.bounds:
        i, j = bound.mics
        assert bound.n_sources >= 10
        assert bound.low_us <= true_us[i] - true_us[j] <= bound.high_us
    assert result.late == (2 if late_s else None)
    assert bool(result.broken) == bool(late_s)
    assert result.calibration is None
    assert any(line.startswith("microphone positions") for line in result.not_observable)
    assert any(line.startswith("channel delays") for line in result.not_observable)


def test_silence_bounds_nothing(pack):
    result = listen_ambient([Recording(np.zeros((4, 2 * FS), dtype=np.float32), FS)], pack)
    assert all(np.isinf(bound.low_us) and np.isinf(bound.high_us) for bound in result.bounds)
    assert any("no sound was clear enough" in line for line in result.not_observable)
    with pytest.raises(AudioError, match="expected 4 channels, found 1"):
        listen_ambient([Recording(np.zeros((1, FS), dtype=np.float32), FS)], pack)


def test_named_events_give_the_delays(pack, rng):
    known = sounds_from_events(pack, events(pack, CELLS, late_us=(0, 90, -90, 0), rng=rng), source="x")
    result = listen_ambient([], pack, known=known)
    assert 1e6 * result.calibration.layout.mic_delay_s == pytest.approx([0, 90, -90, 0], abs=25)
    assert result.observed == (True,) * 4
    # The positions were believed.
    assert np.linalg.norm(result.calibration.moved_m, axis=1).max() < 0.01


def test_named_events_show_exchanged_channels(pack, rng):
    known = sounds_from_events(pack, events(pack, CELLS, order=(3, 1, 2, 0), rng=rng), source="x")
    result = listen_ambient([], pack, known=known)
    assert result.calibration.layout.mic_channels == (4, 2, 3, 1)


def test_an_exchange_that_mirrors_a_row_is_said_to_be_unknown():
    row = load_layout("row-corners")
    known = sounds_from_events(row, events(row, ("R1C03", "R1C07", "R1C11")), source="x")
    result = listen_ambient([], row, known=known)
    assert result.calibration.order == (0, 1, 2, 3)
    assert any(line.startswith("exchange of channels 2 and 3") for line in result.not_observable)


def test_events_that_cannot_be_used(pack):
    (event,) = events(pack, ["R1C02"])
    with pytest.raises(AudioError, match="expected events that were placed"):
        sounds_from_events(pack, [{**event, "level": "alert"}, {"schema": "other"}, 3], source="x")
    with pytest.raises(LayoutError, match="found 'Q7'"):
        sounds_from_events(pack, [{**event, "best": "Q7"}], source="x")
    for broken in ({"tdoa_us": [{"mics": ["A", "Q"], "delay_us": 1.0}]}, {"tdoa_us": [7]}, {"onset_s": None}):
        with pytest.raises(AudioError, match="expected a whole event"):
            sounds_from_events(pack, [{**event, **broken}], source="x")
    pairs = [dict(pair) for pair in event["tdoa_us"]]
    pairs[0]["delay_us"] += 2_000.0
    with pytest.raises(AudioError, match="delays that agree"):
        sounds_from_events(pack, [{**event, "tdoa_us": pairs}], source="x")


def test_layout_delays_count_as_known(pack):
    late = replace(pack, mic_delay_s=np.array([0, 0, 4e-3, 0]))
    result = listen_ambient([everyday(pack, late_s=(0, 0, 4e-3, 0))], late)
    assert result.broken == ()
