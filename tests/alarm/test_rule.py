"""Levels, latches and limits of the alarm logic, on a virtual clock."""

import pytest

from trad_array.alarm.fault_table import FaultChange
from trad_array.alarm.rule import Action, AlarmRule, AlarmState, Sound, alarm_step
from trad_array.errors import ConfigError

DEAD = FaultChange("mic-silent", "C", True, "microphone C is digitally silent")
WELL = FaultChange("mic-silent", "C", False, "microphone C is heard again")
HOUR = 3600.0


@pytest.mark.parametrize(
    ("heard", "level"),
    [
        ("....................", "...................."),
        # An alert falls back 10 s after it has ended, an alarm stays.
        ("..--...............", "..aaaaaaaaaaaa....."),
        ("..--11.............", "..aaAAAAAAAAAAAAAAA"),
        ("..--##.............", "..aaAAAAAAAAAAAAAAA"),
        # At once, without waiting for anything.
        ("1..................", "AAAAAAAAAAAAAAAAAAA"),
        # Certainly elsewhere: never more than told, and an alert that turns out so falls back after the off time.
        ("..rr...............", "..................."),
        ("..--rrrr...........", "..aaaaaaaaaaaa....."),
        # A second sound within the off time keeps the level up.
        ("-.....-............", "aaaaaaaaaaaaaaaaa.."),
        # A later map that puts it elsewhere takes nothing back.
        ("..1rr..............", "..AAAAAAAAAAAAAAAAA"),
    ],
)
def test_level_of_one_sound_after_another(clock, heard, level):
    assert clock.play(heard) == level


def test_off_time_is_ten_seconds_to_the_moment(clock):
    clock.at(5.0, Sound("s", "alert"))
    clock.at(7.0, Sound("s", "alert", over=True))
    assert clock.at(16.999) == ()
    (change,) = clock.at(60.0)
    assert (change.kind, change.subject, change.at_s) == ("level", "normal", 17.0)


def test_reset_is_refused_while_the_condition_holds_and_says_why(clock):
    clock.play("11")
    (refused,) = clock.do("reset")
    assert refused.kind == "refused"
    assert refused.detail == "reset refused: the sound from cell R1C01 still sounds"
    clock.play(".")
    clock.after(9.9)
    (refused,) = clock.do("reset")
    assert refused.detail == "reset refused: the sound from cell R1C01 ended only a moment ago"
    clock.after(0.2)
    done, level, sounder = clock.do("reset", comment="valve seen, module out")
    assert (done.kind, done.by, done.comment) == ("reset", "Ada", "valve seen, module out")
    assert (level.subject, sounder.subject) == ("normal", "off")
    (refused,) = clock.do("reset")
    assert refused.detail == "reset refused: nothing is latched"


def test_an_unplaced_alarm_blocks_a_reset_too(clock):
    clock.play("--##")
    assert clock.do("reset")[0].detail == "reset refused: the sound from a place that is not known still sounds"


def test_first_and_current_cell_and_all_with_times(clock):
    clock.play("..11..22..1.")
    state = clock.state
    assert (state.first_cell, state.current_cell) == ("R1C01", "R1C01")
    assert [(item.cell, item.first_s, item.last_s, item.sounds) for item in state.latched] == [
        ("R1C01", 3.0, 12.0, 2),
        ("R1C02", 7.0, 9.0, 1),
    ]
    assert clock.kinds().count("alarm") == 2
    assert clock.kinds().count("again") == 1


def test_a_sharper_map_moves_a_sound_and_the_first_cell_with_it(clock):
    clock.play("--#1")
    assert [item.key for item in clock.state.latched] == ["cell:R1C01"]
    # What is told of an unplaced sound is not lost when it is placed: it began then.
    assert clock.state.latched[0].first_s == 3.0
    clock.play("2.")
    assert (clock.state.first_cell, clock.state.current_cell) == ("R1C02", "R1C02")
    assert [(item.cell, item.sounds) for item in clock.state.latched] == [("R1C01", 0), ("R1C02", 1)]
    assert clock.kinds().count("revised") == 2


@pytest.mark.parametrize("kind", ["ack", "silence"])
def test_a_new_cell_sounds_again_after_an_acknowledgement_or_silencing(clock, kind):
    clock.play("1")
    assert clock.state.sounder == "alarm"
    clock.do(kind)
    assert clock.state.sounder == "off"
    clock.play("11..1")
    assert clock.state.sounder == "off"
    clock.play(".2")
    assert clock.state.sounder == "alarm"
    clock.do(kind, "R1C02")
    assert clock.state.sounder == "off"
    # Nobody knows where it is: perhaps a new one.
    clock.play(".#")
    assert clock.state.sounder == "alarm"


def test_an_acknowledged_sound_that_is_placed_later_sounds_again(clock):
    clock.play("##")
    clock.do("ack")
    clock.play("1")
    assert clock.state.sounder == "alarm"


def test_a_silenced_fault_sounds_again_after_a_day(clock):
    for kind in ("silence", "ack"):
        clock.after(1.0, DEAD)
        assert clock.state.sounder == "fault"
        clock.do(kind)
        since_s = clock.now_s
        assert clock.at(since_s + 24 * HOUR - 0.1) == ()
        assert clock.state.sounder == "off"
        again, sounder = clock.at(since_s + 24 * HOUR + 5.0)
        assert (again.kind, again.subject, again.at_s) == ("sounds-again", "fault:mic-silent:C", since_s + 24 * HOUR)
        assert sounder.subject == "fault"
        clock.after(1.0, WELL)


def test_a_short_silence_does_not_undo_an_acknowledgement(clock):
    clock.at(1.0, DEAD)
    clock.do("silence", until_s=100.0)
    clock.do("ack")
    assert [(c.kind, c.at_s) for c in clock.at(200.0)] == [("expired", 100.0)]
    assert clock.state.sounder == "off"
    clock.do("silence", until_s=300.0)
    assert [c.kind for c in clock.at(1.0 + 24 * HOUR)] == ["expired", "sounds-again", "sounder"]


def test_an_alarm_that_was_silenced_for_a_while_sounds_again(clock):
    clock.play("1.")
    clock.do("silence", until_s=60.0)
    assert clock.at(59.0) == ()
    assert [(c.kind, c.at_s) for c in clock.at(61.0)] == [("sounds-again", 60.0), ("sounder", 60.0)]


def test_a_fault_that_comes_back_is_a_new_one(clock):
    clock.at(1.0, DEAD)
    clock.do("ack")
    assert [c.kind for c in clock.at(2.0, WELL)] == ["restored"]
    assert [c.kind for c in clock.at(3.0, DEAD)] == ["fault", "sounder"]
    assert clock.state.acknowledged == ()


def test_faults_and_alarm_hold_together_and_the_alarm_wins(clock):
    swapped = FaultChange("mic-differs", "B", True, "microphone B hears 14 dB less")
    clock.at(1.0, DEAD, swapped)
    assert (clock.state.level, clock.state.sounder) == ("normal", "fault")
    clock.play("1")
    assert (clock.state.level, clock.state.sounder) == ("alarm", "alarm")
    assert [f.code for f in clock.state.faults] == ["mic-silent"]
    assert [f.code for f in clock.state.supervisory] == ["mic-differs"]
    clock.do("ack", "cell:R1C01")
    assert clock.state.sounder == "fault"


def test_a_disabled_cell_is_told_but_raises_nothing(clock):
    clock.do("disable", "cell:R1C01", comment="leaking hose until Friday")
    assert clock.play("--11") == "aa.."
    told = [c for c in clock.changes if c.kind == "disabled-alarm"]
    assert [c.subject for c in told] == ["cell:R1C01"]
    assert clock.state.latched == ()
    assert clock.state.is_disabled("cell:R1C01")
    # Another cell, or a sound that nobody placed, is as serious as ever.
    assert clock.play(".2") == ".A"


def test_a_sound_that_may_be_a_cell_beside_the_disabled_one_is_an_alarm(clock):
    clock.do("disable", "cell:R1C01")
    clock.at(1.0, Sound("s", "alarm", "R1C01", among=("R1C01", "R1C02")))
    assert clock.state.level == "alarm"
    clock.at(2.0, Sound("s", "alarm", "R1C01", among=("R1C01", "R1C02"), over=True))
    clock.at(20.0)
    clock.do("reset")
    clock.do("disable", "cell:R1C02")
    clock.at(30.0, Sound("t", "alarm", "R1C01", among=("R1C01", "R1C02")))
    assert clock.state.level == "normal"


def test_a_disablement_expires_and_what_sounds_then_is_an_alarm(clock):
    clock.do("disable", "cell:R1C01", until_s=20.0)
    assert clock.play("....1111111111111111") == 19 * "." + "A"
    expired = next(c for c in clock.changes if c.kind == "expired")
    assert (expired.subject, expired.at_s, expired.by) == ("cell:R1C01", 20.0, "Ada")


def test_a_disablement_ends_by_itself_after_eight_hours(clock):
    clock.do("disable", "mic:B")
    clock.at(8 * HOUR - 1)
    assert clock.state.is_disabled("mic:B")
    assert [c.kind for c in clock.at(8 * HOUR)] == ["expired"]
    assert clock.state.disabled == ()


def test_a_disabled_microphone_is_quiet_about_its_fault_but_shows_it(clock):
    clock.do("disable", "mic:C")
    clock.at(1.0, DEAD)
    assert clock.state.sounder == "off"
    assert [f.subject for f in clock.state.faults] == ["C"]
    clock.do("enable", "mic:C")
    assert clock.state.sounder == "fault"


def test_ends_are_told_in_the_unit_of_an_operator(clock):
    assert [clock.do("disable", "mic:C", until_s=until_s)[0].detail for until_s in (90.0, 15 * 60.0, 8 * HOUR)] == [
        "mic:C disabled for 90 s",
        "mic:C disabled for 15 min",
        "mic:C disabled for 8 h",
    ]


def test_of_many_names_a_refusal_lists_the_first_and_the_last():
    names = tuple(f"C{k:02d}" for k in range(1, 53))
    _, (refused,) = alarm_step(
        AlarmRule(cells=names), AlarmState(), now_s=0.0, actions=[Action("disable", "Ada", subject="cell:X")]
    )
    assert refused.detail == "disable refused: expected one of C01, C02, ... C52 (52 in all), found X"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action("disable", "Ada", subject="cell:R1C03"), "no cell would be left"),
        (Action("disable", "Ada", subject="cell:Q9"), "expected one of R1C01, R1C02, R1C03, found Q9"),
        (Action("disable", "Ada", subject="door"), "expected cell:NAME, mic:NAME or output:NAME, found 'door'"),
        (Action("disable", "Ada", subject="mic:A", until_s=-1.0), "its end lies in the past"),
        (Action("disable", "Ada", subject="mic:A", until_s=31 * 24 * HOUR), "expected at most 720 h, found 744 h"),
        (Action("enable", "Ada", subject="mic:A"), "expected one of cell:R1C01, cell:R1C02, found 'mic:A'"),
        (Action("enable", "Ada", subject="test"), "there is no test"),
        (Action("test", "Ada", until_s=9 * HOUR), "expected at most 8 h, found 9 h"),
        (Action("ack", "Ada"), "nothing is there to ack"),
        (Action("silence", "Ada", subject="R1C02"), "expected one of nothing, found R1C02"),
        (Action("silence", "Ada", until_s=float("inf")), "its end lies in the past, or never comes"),
        (Action("ack", " "), "expected the name of who does it, found none"),
        (Action("shout", "Ada"), "expected one of ack, silence, reset, disable, enable, test"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(clock, action, reason):
    clock.do("disable", "cell:R1C01")
    clock.do("disable", "cell:R1C02")
    before = clock.state
    (change,) = clock.at(0.0, action)
    assert change.kind == "refused"
    assert change.detail == f"{action.kind} refused: {reason}"
    assert clock.state == before


def test_a_test_marks_alarms_keeps_sounders_off_and_hides_no_fault(clock):
    clock.do("test")
    clock.play("1...")
    assert clock.state.level == "alarm"
    assert clock.state.sounder == "off"
    assert [(item.cell, item.test) for item in clock.state.latched] == [("R1C01", True)]
    assert next(c for c in clock.changes if c.kind == "alarm").detail == "alarm: cell R1C01 (test)"
    clock.after(1.0, DEAD)
    assert clock.state.sounder == "fault"
    clock.after(1.0, WELL)
    # Over after half an hour by itself; what was heard in it stays latched, marked and quiet.
    changes = clock.at(0.5 * HOUR)
    assert [(c.kind, c.at_s) for c in changes] == [("expired", 0.5 * HOUR)]
    assert (clock.state.test, clock.state.sounder, clock.state.level) == (None, "off", "alarm")
    # The same cell again is real.
    clock.play("1")
    assert clock.state.sounder == "alarm"


def test_what_sounds_when_a_test_ends_is_an_alarm(clock):
    clock.do("test", until_s=5.0)
    clock.play("..1")
    clock.do("ack")
    assert clock.state.sounder == "off"
    clock.play("111")
    assert clock.state.sounder == "alarm"
    assert [item.test for item in clock.state.latched] == [False]


def test_no_test_begins_while_an_alarm_is_latched(clock):
    clock.play("1.")
    assert clock.do("test")[0].kind == "refused"
    assert clock.state.sounder == "alarm"


def test_a_test_can_be_ended(clock):
    clock.do("test")
    assert [c.kind for c in clock.do("enable", "test")] == ["enable"]
    assert clock.state.test is None


def test_a_sound_of_which_nothing_more_is_heard_is_over_after_five_minutes(clock):
    clock.at(1.0, Sound("s", "alert"))
    changes = clock.at(1_000.0)
    assert [(c.kind, c.at_s) for c in changes] == [("lapsed", 301.0), ("level", 311.0)]


def test_an_incident_that_nobody_resets_does_not_grow(clock):
    for k in range(300):
        clock.after(20.0, Sound(f"s{k}", "alarm"))
        clock.after(1.0, Sound(f"s{k}", "alarm", over=True))
        if k < 250:
            clock.do("ack")
    assert len(clock.state.latched) <= 52
    assert sum(item.sounds for item in clock.state.latched) == 300
    assert clock.state.latched[0].first_s == 20.0
    # 50 were not acknowledged.
    assert clock.state.sounder == "alarm"
    clock.do("ack")
    assert clock.state.sounder == "off"
    assert len(clock.state.acknowledged) == len(clock.state.latched)
    clock.after(20.0, Sound("one more", "alarm"))
    assert clock.state.sounder == "alarm"


def test_a_clock_that_goes_backwards_stands_still(clock):
    clock.at(100.0, Sound("s", "alarm", "R1C01"))
    clock.at(50.0)
    assert (clock.state.at_s, clock.state.level) == (100.0, "alarm")


def test_a_fault_that_is_told_twice_is_one(clock):
    assert [c.kind for c in clock.at(1.0, DEAD, DEAD)] == ["fault", "sounder"]
    assert clock.at(2.0, FaultChange("disk", "", False, "space again")) == ()


@pytest.mark.parametrize("limits", [{"off_s": -1}, {"sounds_again_s": 90_000}, {"lapse_s": 10}, {"disable_s": 1e9}])
def test_limits_out_of_range_are_refused(limits):
    with pytest.raises(ConfigError, match=f"alarm.{next(iter(limits))}"):
        AlarmRule(**limits)
