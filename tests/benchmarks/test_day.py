"""The day of the detection benchmark counts what it says, on takes that are what they say."""

import importlib
import io
import struct
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trad_array.chain import make_chain
from trad_array_geometry import load_layout

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PACK = load_layout("pack-corners")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / "detection")
    return importlib.import_module


def heard(bench, **known):
    """A record of something that was heard and nothing made of."""
    hear = bench("hear")
    numbers = dict.fromkeys((f.name for f in fields(hear.Heard)), np.nan)
    return hear.Heard(**(numbers | {"alarms": 0, "verdict": "x", "placed": False, "right": False, "maps": 0} | known))


def test_alarms_are_weighed_by_what_a_day_holds_of_a_kind(bench):
    day, tables = bench("day"), bench("day_tables")
    tasks = [
        (day.Task("row-corners", "day", "door", n, 1), heard(bench, kind="door", alarms=n < 2)) for n in range(100)
    ]
    tasks += [(day.Task("row-corners", "day", "speech", n, 1), heard(bench, kind="speech")) for n in range(6)]
    rate, low, high = tables.false_alarms_a_day(tasks, "row-corners", day.QUICK)
    assert rate == pytest.approx(2 * day.SHORT["door"] / 100)  # 50 doors a day, 2 of 100 heard were alarms
    assert low < rate < high
    # Six minutes of an hour of speech without an alarm: one more would be ten a day.
    assert high > 10.0


def test_without_an_alarm_the_limit_is_that_of_what_was_heard_least(bench):
    day, tables = bench("day"), bench("day_tables")
    tasks = [(day.Task("row-corners", "day", "door", n, 1), heard(bench, kind="door")) for n in range(50)]
    rate, low, high = tables.false_alarms_a_day(tasks, "row-corners", day.QUICK)
    assert (rate, low) == (0.0, 0.0)
    assert 3.0 < high < 6.0  # one day without an alarm; two-sided 95 % with one more alarm: 5.6


def test_an_amount_is_eight_numbers(bench):
    amount = bench("day").Amount
    assert amount.parsed("7,0,300,300,600,60,30,20") == amount(7.0, 0.0, 300.0, 300.0, 600.0, 60, 30, 20)
    for text in ("7,0", "a,b,c,d,e,f,g,h", "-1,0,0,0,0,0,0,0"):
        with pytest.raises(ValueError, match=r"expected|convert"):
            amount.parsed(text)


def test_a_day_has_all_its_sounds_and_no_take_twice(bench):
    day = bench("day")
    tasks = list(day._tasks(day.Amount(2.0, 1.0, 120.0, 120.0, 120.0, 3, 2, 2), seed=1))
    assert len(set(tasks)) == len(tasks)
    one = [t for t in tasks if t.layout == "row-frame" and t.group == "day"]
    assert sum(t.kind == "contactor" for t in one) == 2 * day.SHORT["contactor"]
    assert {t.kind for t in one} == {*day.SHORT, *day.LONG_HOURS}
    assert {t.seed for t in tasks if t.group == "learn"} == {day.LEARN_SEED}
    assert day.LEARN_SEED in bench("corpus").TUNING_SEEDS


@pytest.mark.slow
def test_a_pair_is_equally_loud_in_band_and_both_begin_when_they_should(bench):
    takes = bench("takes")
    rng = np.random.default_rng(3)
    during = takes.Wish("air-tool", duration_s=9.0, place="tool", seconds=12.0)
    vent = takes.Wish(takes.VENT, duration_s=2.0, seconds=12.0, onset_s=6.6)
    take, recording = takes.make_pair(PACK, during, vent, rng=rng)
    assert take.onset_s == pytest.approx(6.6, abs=1e-3)
    before, together = recording.samples[:, 80_000:96_000], recording.samples[:, 105_600:121_600]
    louder_db = 10 * np.log10(takes._band_power(together) / takes._band_power(before))
    assert 0.5 < louder_db < 6.0  # about twice the power; the tool itself wavers
    nearest = np.linalg.norm(PACK.cells - take.source_m, axis=1).min()
    assert nearest < 0.11


@pytest.mark.slow
def test_the_chain_is_heard_as_it_tells(bench):
    takes, hear = bench("takes"), bench("hear")
    chain = make_chain(PACK)
    wish = takes.Wish(takes.VENT, duration_s=2.0, seconds=7.0)
    take = takes.make_take(PACK, wish, takes.rng_of("test", PACK, takes.VENT, seed=2, number=0))
    found = hear.hear(chain, take, number=0, snr_db=5.0)
    assert found.right
    assert found.placed
    assert 0.0 < found.detected_s < found.alarm_s < 1.2
    assert found.verdict == "alarm: cell"
    quiet = takes.make_take(PACK, takes.Wish(takes.NORMAL), takes.rng_of("test", PACK, "normal", seed=2, number=0))
    nothing = hear.hear(chain, quiet, number=0, snr_db=0.0)
    assert (nothing.alarms, nothing.verdict) == (0, "not heard")
    assert np.isnan(nothing.alarm_s)


def test_recorded_sounds_are_read_from_a_catalogue(bench, tmp_path, monkeypatch):
    recorded = bench("recorded")
    bodies = []
    for name, seconds in (("Saw. By X. License: CC0", 0.5), ("Nothing", 0.01)):
        wav = io.BytesIO()
        soundfile.write(wav, 0.1 * np.sin(np.arange(round(44_100 * seconds)) / 7), 44_100, format="WAV")
        bodies.append((f'"{name}"\0'.encode(), wav.getvalue()))
    table, data = b"", b""
    for name, wav in bodies:
        table += struct.pack("<II", 16 + len(data), len(wav))
        data += bytes([len(name)]) + name + wav
    path = tmp_path / "sounds.cat"
    path.write_bytes(table + data)
    monkeypatch.setattr(recorded, "CATALOGUE", path)
    recorded.sounds.cache_clear()
    (found,) = recorded.sounds().items()
    recorded.sounds.cache_clear()
    assert found[0] == "00 Saw"
    assert len(found[1]) == 8_000
    assert np.sqrt(np.mean(found[1] ** 2)) == pytest.approx(1.0, rel=1e-3)


def test_without_the_package_the_part_says_so(bench, tmp_path, monkeypatch):
    recorded = bench("recorded")
    monkeypatch.setattr(recorded, "CATALOGUE", tmp_path / "none.cat")
    part = recorded.part(bench("parts").Settings())
    assert part.rows == ()
    assert "not installed" in part.page
