"""A site: what is left out, what is merged, what must not creep, its file, and the chain that uses it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.detection.calibration import Calibration
from trad_array.detection.threshold import Maxima
from trad_array.errors import AudioError, ConfigError
from trad_array.events import events_of
from trad_array.localization.gate import Gate
from trad_array.plugins import make_localizer
from trad_array.records import Recording
from trad_array.site import apply_site, read_site, write_site
from trad_array.site.learning import (
    CREEP_PERIODS,
    HALF_LIFE_DAYS,
    LOWEST_ODDS,
    MOST_RAISED,
    MOST_RISE_DB,
    Wish,
    learn,
    merged,
    rises,
)
from trad_array.site.normal_sound import Listener, Sound, calibrate
from trad_array.site.record import LearnedFrom
from trad_array_geometry import load_layout

LAYOUT = load_layout("pack-corners")
CHAIN = make_chain(LAYOUT)
FS = 16_000
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def quiet_listener():
    """Ten seconds of noise, really heard."""
    samples = 0.01 * np.random.default_rng(1).standard_normal((4, 10 * FS))
    listener = Listener(CHAIN)
    listener.hear("noise.wav", blocks(Recording(samples.astype(np.float32), FS)))
    assert listener.levels() is not None
    return listener


@pytest.fixture
def site_of(quiet_listener):
    """Learn from made-up sounds: (at_s, odds, peak) of each, in so many days, at so many dB."""

    def made(sounds, *, days, old=None, date="2026-05-01", louder_db=0.0, mic=0, names=("week.wav",), **wish):
        levels = quiet_listener._levels.copy()
        levels[mic] = np.roll(levels[mic], round(2 * louder_db), axis=-1)  # steps of half a decibel
        listener = Listener(CHAIN, list(names), [days * DAY_S / len(names)] * len(names), _levels=levels)
        for at_s, odds, peak in sounds:
            listener.sounds[0, round(at_s * FS)] = Sound(0, at_s, at_s + 1.0, odds, peak)
        recordings = [LearnedFrom(name, f"{date}-{name}", 1.0) for name in names]
        return learn(
            listener,
            recordings=recordings,
            calibration=Calibration(np.full(4, 0.7), np.full(4, 0.25)),
            wish=Wish(**wish),
            date=date,
            version="0.1.0",
            old=old,
        )

    return made


def many(rng, *, days, a_day=300, centre=-4.0):
    n = int(rng.poisson(a_day * days))
    at_s = np.sort(rng.uniform(0.0, days * DAY_S, n))
    return list(zip(at_s, rng.normal(centre, 1.5, n), rng.exponential(20.0, n) + 6.0, strict=True))


def test_a_threshold_for_one_a_day_holds_on_days_that_were_not_heard(site_of, rng):
    learned = site_of(many(rng, days=3.0, centre=-2.0), days=3.0, alarms_per_day=1.0, all_normal=True)
    gate = learned.site.gate
    unseen = [odds for _, odds, _ in many(rng, days=7.0, centre=-2.0)]
    assert 0.3 <= sum(odds > gate.value for odds in unseen) / 7.0 <= 3.0
    assert gate.per_day_low < 1.0 < gate.per_day_high
    assert learned.site.trigger.value == CHAIN.hearing.events.on  # 300 events a day are not too many
    assert learned.site.hours == pytest.approx(72.0)


def test_too_many_events_raise_the_trigger_but_never_make_it_deaf(site_of, rng):
    at_s = np.arange(0.0, 2 * DAY_S, 57.6)  # 1500 a day, none of them one run with the next
    sounds = [(at, -5.0, 6.0 + peak) for at, peak in zip(at_s, rng.exponential(20.0, len(at_s)), strict=True)]
    raised = site_of(sounds, days=2.0, alarms_per_day=2.0, alerts_per_day=1_200.0).site.trigger
    assert 6.0 < raised.value < 12.0
    assert sum(peak > raised.value for *_, peak in sounds) / 2.0 <= 1_200.0
    most = site_of(sounds, days=2.0, alarms_per_day=2.0, alerts_per_day=1.0).site.trigger
    assert (most.value, most.way) == (MOST_RAISED * 6.0, "kept")


def test_what_looks_like_a_cell_is_told_and_does_not_teach(site_of, rng):
    everyday = many(rng, days=3.0, centre=-6.0)
    vents = [(DAY_S, 7.0, 80.0), (DAY_S + 4.0, 6.0, 70.0), (2 * DAY_S, 9.0, 90.0)]
    alone = site_of(everyday, days=3.0, alarms_per_day=1.0)
    mixed = site_of(everyday + vents, days=3.0, alarms_per_day=1.0)
    assert [(a.name, a.at_s, a.odds) for a in mixed.abnormal] == [
        ("week.wav", DAY_S, 7.0),
        ("week.wav", 2 * DAY_S, 9.0),
    ]
    assert mixed.site.gate.value == alone.site.gate.value == LOWEST_ODDS
    assert mixed.site.periods[-1].abnormal == 2
    assert mixed.if_normal.value > LOWEST_ODDS
    as_normal = site_of(everyday + vents, days=3.0, alarms_per_day=1.0, all_normal=True)
    assert not as_normal.abnormal
    assert as_normal.site.gate.value == pytest.approx(mixed.if_normal.value, abs=0.01)


def test_too_little_sound_keeps_what_was_heard_and_adding_to_it_makes_it_enough(site_of, rng):
    first = site_of(many(rng, days=0.5), days=0.5, alarms_per_day=0.3)
    assert first.site.gate is None
    assert first.site.hours_missing == pytest.approx(24.0 / 0.3 / 4.0 - 12.0)
    assert "8.0 h are missing" in first.refused
    with pytest.raises(ConfigError, match=r"site: expected thresholds, found 12\.0 h of sound and none yet: 8\.0 h"):
        apply_site(first.site, CHAIN)
    second = site_of(many(rng, days=0.5), days=0.5, alarms_per_day=0.3, old=first.site)
    assert second.site.gate.hours == pytest.approx(24.0)
    assert second.site.hours_missing == 0.0
    forced = site_of(many(rng, days=0.5), days=0.5, alarms_per_day=0.3, force=True)
    assert forced.site.gate.way == "forced"
    assert not forced.refused


def test_old_sound_counts_less_the_older_it_is(site_of, rng):
    old = site_of(many(rng, days=2.0), days=2.0).site
    new = site_of(many(rng, days=1.0), days=1.0, date="2026-07-30", names=("later.wav",)).site
    both = merged(old, new)
    kept = 0.5 ** (90 / HALF_LIFE_DAYS)
    assert both.hours == pytest.approx(kept * 48.0 + 24.0)
    assert both.sounds.count == pytest.approx(kept * old.sounds.count + new.sounds.count)
    assert [r.name for r in both.recordings] == ["week.wav", "later.wav"]
    assert len(both.periods) == 2
    again = merged(old, replace(new, recordings=old.recordings))
    assert len(again.recordings) == 1


def test_levels_move_with_the_seasons_by_hours(site_of):
    old = site_of([], days=2.0).site
    new = site_of([], days=2.0, louder_db=2.0, mic=1).site
    moved = merged(old, new).levels.middle - old.levels.middle
    np.testing.assert_allclose(moved[1], 1.0, atol=1e-6)
    np.testing.assert_allclose(moved[[0, 2, 3]], 0.0, atol=1e-6)


def test_a_hiss_band_that_has_risen_is_not_learned(site_of):
    old = site_of([], days=2.0).site
    message = (
        rf"microphone {LAYOUT.mic_names[2]}: 2 to 7 kHz has risen by {MOST_RISE_DB + 0.5} dB since 2026-05-01 "
        r"\(below 1 kHz \+3\.5 dB\): a slow leak"
    )
    with pytest.raises(ConfigError, match=message):
        site_of([], days=2.0, louder_db=MOST_RISE_DB + 0.5, mic=2, old=old, date="2026-06-01")
    accepted = site_of([], days=2.0, louder_db=3.5, mic=2, old=old, date="2026-06-01", accept_rise=True)
    assert accepted.site.levels.middle[2].mean() > old.levels.middle[2].mean() + 1.0
    site_of([], days=2.0, louder_db=MOST_RISE_DB - 0.5, mic=2, old=old, date="2026-06-01")
    site_of([], days=2.0, louder_db=-9.0, mic=2, old=old, date="2026-06-01")


def test_a_hiss_band_that_creeps_up_from_period_to_period_is_not_learned(site_of):
    site = site_of([], days=2.0).site
    for n in range(1, CREEP_PERIODS):
        site = site_of([], days=2.0, louder_db=0.5 * n, mic=3, old=site, date=f"2026-06-0{n}").site
    with pytest.raises(
        ConfigError, match=rf"{LAYOUT.mic_names[3]}: .* in each of the last 3 periods, together by 1\.5"
    ):
        site_of([], days=2.0, louder_db=0.5 * CREEP_PERIODS, mic=3, old=site, date="2026-06-09")
    # One period in which it did not rise, and it is weather.
    wavering = site_of([], days=2.0, louder_db=0.5, mic=3, old=site, date="2026-06-08").site
    assert not rises(wavering, replace(wavering.periods[-1], hiss_db=site.periods[-1].hiss_db))


def test_sound_without_a_quiet_second_is_refused(rng):
    listener = Listener(CHAIN)
    samples = (0.01 * rng.standard_normal((4, FS))).astype(np.float32)
    listener.hear("second.wav", blocks(Recording(samples, FS)))
    with pytest.raises(AudioError, match="expected quiet seconds of every microphone, found no quiet second"):
        learn(
            listener,
            recordings=[],
            calibration=CHAIN.hearing.calibration,
            wish=Wish(),
            date="2026-05-01",
            version="0",
        )


def test_a_site_goes_into_its_file_and_back(site_of, rng, tmp_path):
    path = tmp_path / "site.toml"
    site = site_of(
        many(rng, days=3.0, a_day=400),
        days=3.0,
        alarms_per_day=1.0,
        names=('ni"ght\\1\n.wav', "Straße.flac", "half\udcff.wav"),
    ).site
    write_site(path, site)
    again = read_site(path)
    assert again.recordings[0].name == 'ni"ght\\1\n.wav'
    assert again.recordings[1].name == "Straße.flac"
    np.testing.assert_allclose(again.sounds.values, site.sounds.values, atol=1e-4)
    np.testing.assert_allclose(again.levels.middle, site.levels.middle, atol=0.05)
    for name in ("value", "low", "high", "per_day", "per_day_high", "hours"):
        assert getattr(again.gate, name) == pytest.approx(np.clip(getattr(site.gate, name), -1e6, 1e6), abs=1e-5)
    assert again.periods[0].hiss_db == pytest.approx(site.periods[0].hiss_db, abs=0.01)
    write_site(path, again)
    assert path.stat().st_size < 60_000
    assert [p.name for p in tmp_path.iterdir()] == ["site.toml"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "schema: missing"),
        (lambda text: text.replace("site/1", "site/2"), "expected trad-array/site/1, found trad-array/site/2"),
        (lambda text: text[: len(text) // 2], "not valid TOML|missing|expected"),
        (lambda text: text.replace("hours_missing", "hours_mising"), "hours_missing: missing"),
        (lambda text: text.replace("score_scale = 0.25", "score_scale = 0.0"), "expected at least 1e-09, found 0"),
        (lambda text: text.replace('way = "counted"', 'way = "guessed"'), "way: expected one of fitted"),
        (lambda text: text.replace("[peaks]\nhours = ", "[peaks]\nhours = -"), "hours: expected at least 0"),
        (lambda text: text + "\n[extra]\n", "extra: unknown key"),
    ],
)
def test_a_damaged_file_is_one_clear_line(site_of, tmp_path, change, message):
    path = tmp_path / "site.toml"
    write_site(path, site_of([], days=40.0).site)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as trouble:
        read_site(path)
    assert "\n" not in str(trouble.value)


def test_no_file_and_no_folder(site_of, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_site(tmp_path / "none.toml")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_site(tmp_path / "none" / "site.toml", site_of([], days=2.0).site)


def test_the_chain_of_a_site_has_its_thresholds_and_hears_as_they_say(site_of, with_vent):
    site = site_of([], days=40.0).site
    assert site.gate.value == LOWEST_ODDS
    vents = [e for e in events_of(run(apply_site(site, CHAIN), blocks(with_vent))) if e.verdict == "cell"]
    assert [round(event.detection.onset / FS) for event in vents] == [18]
    deaf = replace(site, gate=replace(site.gate, value=40.0))
    assert not [e for e in events_of(run(apply_site(deaf, CHAIN), blocks(with_vent))) if e.verdict == "cell"]
    chain = apply_site(replace(site, trigger=replace(site.trigger, value=9.0)), CHAIN)
    assert chain.hearing.events.on == 9.0
    assert chain.hearing.calibration.scale.tolist() == [0.25] * 4


def test_a_site_of_another_layout_scorer_or_localizer_is_refused(site_of):
    site = site_of([], days=40.0).site
    with pytest.raises(ConfigError, match="expected layout row-corners with .* found pack-corners"):
        apply_site(site, make_chain(load_layout("row-corners")))
    with pytest.raises(ConfigError, match="learned with the scorer Excess, found Other"):
        apply_site(replace(site, scorer="Other"), CHAIN)
    with pytest.raises(ConfigError, match="expected robust"):
        apply_site(site, make_chain(LAYOUT, localizer=make_localizer("srp-phat")))


def test_learning_from_real_recordings_ends_in_a_site(everyday, with_vent):
    """Nothing made up: two recordings through the chain, calibrated on themselves."""
    calibration = calibrate(CHAIN, [blocks(everyday), blocks(with_vent)])
    hearing = replace(CHAIN.hearing, calibration=calibration)
    listener = Listener(replace(CHAIN, hearing=hearing))
    for name, recording in (("a.wav", everyday), ("b.wav", with_vent)):
        listener.hear(name, blocks(recording))
    learned = learn(
        listener, recordings=[], calibration=calibration, wish=Wish(force=True), date="2026-05-01", version="0"
    )
    (odd,) = learned.abnormal
    assert odd.name == "b.wav"
    # A vent that begins softly is taken up as a faint sound, half a second before it is loud.
    assert 17.4 < odd.at_s < 18.1
    assert odd.at_s < odd.end_s < 22.0
    assert learned.site.hours == pytest.approx((50.0 - (odd.end_s - odd.at_s)) / 3600.0)
    assert len(learned.site.sounds.values) >= 2
    assert learned.site.sounds.values.max() < Gate().threshold == learned.site.gate.value
    assert math.isfinite(learned.site.levels.middle.sum())
    assert isinstance(learned.site.sounds, Maxima)
