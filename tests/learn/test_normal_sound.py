"""What is noted of normal sound: how near each sound came to an alarm, how loud it is, how restless the scores are."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.detection.calibration import Calibration
from trad_array.detection.listed import Listed
from trad_array.events import events_of
from trad_array.localization.robust import Certainty, Robust
from trad_array.records import Recording
from trad_array.site.learning import Wish, learn
from trad_array.site.normal_sound import Listener, alarm_odds, calibrate
from trad_array.site.record import gate_of
from trad_array_geometry import load_layout

LAYOUT = load_layout("pack-corners")
FS = 16_000


def with_threshold(threshold):
    gate = replace(Certainty().gate, threshold=threshold)
    return make_chain(LAYOUT, localizer=Robust(certainty=Certainty(gate=gate)))


def heard(recording, chain):
    listener = Listener(chain)
    listener.hear("it.wav", blocks(recording))
    return listener


def cells(recording, chain):
    return [event for event in events_of(run(chain, blocks(recording))) if event.verdict == "cell"]


@pytest.mark.parametrize(("at", "snr_db"), [("cell", 6.0), ("aside", 6.0), ("cell", -8.0)])
def test_the_noted_odds_are_the_threshold_at_which_the_sound_is_an_alarm_no_more(hiss, at, snr_db):
    """The third sound is too faint for the trigger: only the watch for faint sounds takes it up.

    What the second one reaches, a second event during the first, would need both halves of its stretch, too: there the
    odds are an upper limit.
    """
    point = LAYOUT.cells[20] if at == "cell" else np.array([2.0, 1.5, 0.6])
    recording = hiss.recording(LAYOUT, point, seconds=9.0, spans_s=((5.0, 7.0),), snr_db=snr_db)
    listener = heard(recording, make_chain(LAYOUT))
    odds = max(sound.odds for sound in listener.sounds.values())
    assert np.isfinite(odds)
    chain = make_chain(LAYOUT)
    own = [alarm_odds(w, p, chain) for o in run(chain, blocks(recording)) for w, p in o.maps if w.parent is None]
    assert max(own) <= odds
    assert (max(own) < odds) == (at == "aside")
    assert cells(recording, with_threshold(max(own) - 0.05))
    assert not cells(recording, with_threshold(odds + 0.05))
    loud = [sound for sound in listener.sounds.values() if not np.isnan(sound.peak)]
    assert bool(loud) == (snr_db > 0)


def test_the_peak_of_a_sound_is_the_highest_score_of_its_event(everyday):
    chain = make_chain(LAYOUT)
    (event,) = events_of(run(chain, blocks(everyday)))
    (sound,) = (s for s in heard(everyday, chain).sounds.values() if not np.isnan(s.peak))
    assert sound.peak == event.ended.peak
    assert sound.at_s == event.detection.onset / FS
    assert sound.at_s < 12.1 < 12.9 < sound.end_s


def test_levels_are_those_of_the_quiet_seconds(rng):
    loudness = np.array([1.0, 2.0, 1.0, 0.5])[:, None]
    samples = 0.01 * loudness * rng.standard_normal((4, 45 * FS))
    samples[:, 20 * FS : 24 * FS] *= 30.0
    listener = heard(Recording(samples.astype(np.float32), FS), make_chain(LAYOUT))
    levels = listener.levels()
    band = levels.between(2_000.0, 7_000.0)
    np.testing.assert_allclose(band - band[0], 20 * np.log10(loudness[:, 0]), atol=0.6)
    assert (levels.low <= levels.middle).all()
    assert (levels.middle <= levels.high).all()
    assert np.ptp(levels.high[0] - levels.low[0]) < 6.0  # the loud stretch is not in them


def test_a_hiss_that_grows_all_the_time_is_warned_of(rng):
    growing = np.linspace(0.0, 0.02, 90 * FS)
    samples = 0.01 * rng.standard_normal((4, 90 * FS))
    samples[1] = np.hypot(0.01, growing) * rng.standard_normal(90 * FS)
    chain = make_chain(LAYOUT)
    listener = heard(Recording(samples.astype(np.float32), FS), chain)
    learned = learn(
        listener, recordings=[], calibration=calibrate(chain, []), wish=Wish(), date="2026-05-01", version="0"
    )
    (drift,) = learned.drifts
    assert drift.mic == LAYOUT.mic_names[1]
    assert 3.0 < drift.rise_db < 7.0
    assert "2 to 7 kHz has risen by" in drift.line()


def test_a_microphone_that_was_never_heard_is_named(rng):
    samples = (0.01 * rng.standard_normal((4, 8 * FS))).astype(np.float32)
    samples[2] = 0.0
    listener = heard(Recording(samples, FS), make_chain(LAYOUT))
    assert listener.levels() is None
    assert listener.silent() == (LAYOUT.mic_names[2],)
    assert listener.faults == {"dead": 1}


def test_what_was_heard_before_a_person_stops_it_is_kept(everyday):
    def stopped():
        for block in blocks(everyday):
            if block.start >= 20 * FS:
                raise KeyboardInterrupt
            yield block

    listener = Listener(make_chain(LAYOUT))
    with pytest.raises(KeyboardInterrupt):
        listener.hear("it.wav", stopped())
    assert listener.heard_s == [20.0]
    assert any(11.9 < sound.at_s < 12.1 for sound in listener.sounds.values())
    assert listener.levels() is not None


def test_calibrated_scores_of_normal_sound_are_0_plus_minus_1(rng):
    chain = make_chain(LAYOUT)
    # Two microphones hear a noise that wavers, as fans beat: their scores are restless.
    waver = 1.0 + 0.3 * np.sin(2 * np.pi * 3.0 * np.arange(60 * FS) / FS)
    samples = 0.01 * rng.standard_normal((4, 60 * FS))
    samples[:2] *= waver
    recording = Recording(samples.astype(np.float32), FS)
    found = calibrate(chain, [blocks(recording)])
    assert (found.scale[:2] > 1.5 * found.scale[2:]).all()
    quiet = replace(chain, hearing=replace(chain.hearing, calibration=found, events=Listed(())))
    outputs = list(run(quiet, blocks(recording)))[5:]
    scores = np.concatenate([output.heard.scores.values for output in outputs], axis=1)
    np.testing.assert_allclose(np.median(scores, axis=1), 0.0, atol=0.1)
    deviation = np.median(np.abs(scores - np.median(scores, axis=1, keepdims=True)), axis=1)
    np.testing.assert_allclose(1.4826 * deviation, 1.0, atol=0.1)


def test_a_dead_microphone_and_no_sound_keep_the_calibration_of_the_chain(rng):
    chain = make_chain(LAYOUT)
    own = chain.hearing.calibration
    samples = (0.01 * rng.standard_normal((4, 20 * FS))).astype(np.float32)
    samples[3] = 0.0
    found = calibrate(chain, [blocks(Recording(samples, FS))])
    assert (found.centre[3], found.scale[3]) == (own.centre[0], own.scale[0])
    assert isinstance(calibrate(chain, []), Calibration)


def test_a_localizer_without_a_gate_is_refused(everyday):
    from trad_array.errors import ConfigError
    from trad_array.plugins import make_localizer

    with pytest.raises(ConfigError, match="expected robust, whose gate has a threshold, found Cells"):
        gate_of(make_chain(LAYOUT, localizer=make_localizer("srp-phat")))
