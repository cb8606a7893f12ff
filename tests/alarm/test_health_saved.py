"""What was learned of a site outlives a restart, and so do faults that hold."""

import json

import numpy as np
import pytest

from trad_array.alarm.health import HealthRule, active_faults, start_health
from trad_array.alarm.health_json import health_json, restored_health, saved_health
from trad_array.errors import ConfigError

C = 2


def restarted(watchman, record=None):
    """Through a file and into a new watch, whose clock begins at 0."""
    record = saved_health(watchman.rule, watchman.state) if record is None else record
    record = json.loads(json.dumps(record, allow_nan=False))
    watchman.state = restored_health(watchman.rule, record)
    watchman.now_s, watchman.at = 0.0, 0
    watchman.told.clear()


def late(samples):
    samples[C] = np.roll(samples[C], 16)
    return samples


def quieter(samples):
    samples[C] *= 0.2
    return samples


def test_a_slip_and_a_loss_during_a_restart_are_seen_against_what_was_learned_before(old_hand):
    restarted(old_hand)
    old_hand.hear(1_860.0, lambda samples: quieter(late(samples)))
    assert old_hand.when("mic-lag", "C") <= 1_800.0
    assert old_hand.when("mic-differs", "C") <= 300.0
    assert old_hand.codes == {"mic-lag", "mic-differs"}


def test_a_fault_that_held_holds_after_a_restart_until_all_is_well(watchman):
    def silent(samples):
        samples[C] = 0.0
        return samples

    watchman.hear(30.0, silent)
    restarted(watchman)
    assert [(f.code, f.subject) for f in active_faults(watchman.state)] == [("mic-silent", "C")]
    watchman.hear(30.0, silent)
    assert watchman.told == []
    watchman.hear(20.0)
    assert [(c.code, c.raised) for _, c in watchman.told] == [("mic-silent", False)]


def test_what_was_learned_of_other_microphones_is_not_used(old_hand):
    record = saved_health(old_hand.rule, old_hand.state)
    other = HealthRule(mics=("E", "F", "G", "H"))
    state = restored_health(other, record)
    assert state.levels.minutes.tolist() == [0, 0, 0, 0]
    assert state.lags.baseline is None


def test_a_watch_that_has_learned_nothing_can_be_saved(watchman):
    restarted(watchman)
    watchman.hear(20.0)
    assert watchman.told == []


@pytest.mark.parametrize("spoil", ["schema", "mics", "levels", "lags", "minutes", "baseline", "faults"])
def test_a_damaged_record_is_refused(old_hand, spoil):
    record = saved_health(old_hand.rule, old_hand.state)
    if spoil in ("schema", "mics", "levels", "lags"):
        del record[spoil]
    elif spoil == "minutes":
        record["levels"]["minutes"] = [1, 2]
    elif spoil == "baseline":
        record["lags"]["baseline"][0][0][0] = None
    else:
        record["faults"] = [["disk"]]
    with pytest.raises(ConfigError, match="saved health: expected"):
        restored_health(old_hand.rule, record)


def test_status_says_what_is_known_and_why_something_is_not(old_hand):
    fresh = health_json(old_hand.rule, start_health(old_hand.rule))
    assert [mic["lag"] for mic in fresh["mics"]] == ["still learning"] * 4
    assert {mic[name] for mic in fresh["mics"] for name in ("rms_dbfs", "level_db", "usual_db")} == {None}
    record = json.loads(json.dumps(health_json(old_hand.rule, old_hand.state), allow_nan=False))
    assert record["schema"] == "trad-array/health/1"
    assert record["localizable"] is True
    for mic, samples in zip(record["mics"], old_hand.sound, strict=True):
        assert mic["lag"] == "observed"
        assert mic["rms_dbfs"] == pytest.approx(10 * np.log10(np.mean(samples**2)), abs=3.0)
        assert mic["level_db"] == pytest.approx(mic["usual_db"], abs=1.0)
