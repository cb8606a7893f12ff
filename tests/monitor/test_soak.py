"""A watch that only listens: what it notes of sounds, levels, faults and gaps."""

import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from trad_array.alarm.health import HealthRule
from trad_array.audio.captured import Captured, NoSound
from trad_array.chain import make_chain
from trad_array.site.normal_sound import Listener
from trad_array.site.soak import Notes, soak, soaked
from trad_array_geometry import load_layout

LAYOUT = load_layout("row-frame")
FS = 16_000


class Source:
    """Pieces that were made before; `SoundSource`."""

    name, fs = "card", FS

    def __init__(self, pieces) -> None:
        self._pieces, self.closed = pieces, threading.Event()

    def pieces(self) -> Iterator[Captured | NoSound]:
        yield from self._pieces

    def close(self) -> None:
        self.closed.set()


def pieces(samples: np.ndarray, *, first: int = 0, lost: int = 0, size: int = 1_600):
    for at in range(0, samples.shape[1], size):
        yield Captured(samples[:, at : at + size], first + at, FS, lost=lost if at == 0 else 0)


@pytest.fixture
def notes() -> Notes:
    return Notes(HealthRule(mics=LAYOUT.mic_names), Listener(make_chain(LAYOUT)))


def hear(notes: Notes, *parts, until_s: float = math.inf) -> Source:
    source = Source([piece for part in parts for piece in part])
    soak(notes.listener.chain, [source], notes, until_s=until_s)
    return source


def test_two_vents_are_two_alarms_and_the_interval_is_that_of_poisson(notes, hiss):
    heard = hiss.recording(LAYOUT, LAYOUT.cells[5], seconds=60.0, spans_s=((10.0, 11.0), (40.0, 41.5)))
    source = hear(notes, pieces(heard.samples))
    found = soaked(notes, alarms_per_day=0.1, alerts_per_day=1000.0)
    assert (found.alerts, found.alarms) == (2, 2)
    low, middle, high = found.alarms_per_day
    days = 60.0 / 86_400.0
    assert middle == pytest.approx(2 / days)
    # Exact limits for two events: 0.2422 and 7.2247 (tables of the Poisson distribution).
    assert (low * days, high * days) == (pytest.approx(0.2422, abs=1e-3), pytest.approx(7.2247, abs=1e-3))
    assert found.gate is None
    assert "are missing" in found.why_not
    assert source.closed.is_set()


def test_levels_are_those_of_the_sound_hour_by_hour(notes, rng):
    """White noise of 0.01 and, an hour later, of 0.1, in one microphone only of 0.001."""
    loud = np.array([1.0, 1.0, 1.0, 0.1])[:, None]
    quiet = (rng.standard_normal((4, 30 * FS)) * 0.01 * loud).astype(np.float32)
    later = (rng.standard_normal((4, 30 * FS)) * 0.1 * loud).astype(np.float32)
    hear(notes, pieces(quiet), pieces(later, first=3_600 * FS, lost=3_570 * FS))
    first, second = notes.hours()
    assert (first.number, second.number) == (0, 1)
    np.testing.assert_allclose(first.level_db[1], [-40, -40, -40, -60], atol=0.6)
    np.testing.assert_allclose(second.level_db[1], [-20, -20, -20, -40], atol=0.6)
    assert notes.gaps == 1
    assert notes.lost_s == pytest.approx(3_570.0)


def test_faults_are_noted_with_their_ends(notes, rng):
    sound = (rng.standard_normal((4, 60 * FS)) * 0.01).astype(np.float32)
    sound[2, 10 * FS : 30 * FS] = 0.0
    silence = [NoSound(float(k), "unplugged") for k in range(1, 9)]
    hear(notes, pieces(sound), silence, pieces(sound[:, 30 * FS :], first=68 * FS, lost=8 * FS))
    found = {(fault.code, fault.subject): fault for fault in notes.faults}
    dead = found["mic-silent", LAYOUT.mic_names[2]]
    assert 10.0 < dead.at_s <= 40.0
    assert dead.over_s is not None
    assert 30.0 < dead.over_s <= 60.0
    assert 60.0 < found["no-audio", ""].at_s <= 70.0


def test_it_ends_when_it_was_told_to(notes, rng):
    sound = (rng.standard_normal((4, 30 * FS)) * 0.01).astype(np.float32)
    hear(notes, pieces(sound), until_s=10.0)
    assert soaked(notes, alarms_per_day=1.0, alerts_per_day=1.0).hours == pytest.approx(10.0 / 3600.0, rel=0.02)
