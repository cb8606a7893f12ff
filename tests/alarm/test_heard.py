"""From an event of the chain to what the alarm logic needs."""

from trad_array.alarm.heard import sound_of
from trad_array.alarm.rule import AlarmRule, AlarmState, alarm_step
from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.events import OpenEvents, Origin, event_json, event_step
from trad_array_geometry import load_layout

ORIGIN = Origin("wall", "excess")


def test_a_vent_is_an_alert_then_an_alarm_of_its_cell_and_can_be_reset_when_over(hiss):
    layout = load_layout("pack-corners")
    chain = make_chain(layout)
    cell = layout.cell_index("R2C07")
    recording = hiss.recording(layout, layout.cells[cell] + (0.0, 0.0, 0.02), seconds=8.0, spans_s=((3.0, 4.5),))
    rule, state, told, heard, levels = AlarmRule(cells=layout.cell_names), AlarmState(), OpenEvents(), [], []
    now_s = 0.0
    for output, block in zip(run(chain, blocks(recording, size=512)), blocks(recording, size=512), strict=False):
        told, events = event_step(told, output)
        now_s = block.end / block.fs
        for event in events:
            sound = sound_of(event, chain, ORIGIN)
            record = event_json(event, chain, ORIGIN)
            assert (sound.id, sound.level) == (record["id"], record["level"])
            assert sound.cell == (record["best"] if record["verdict"] == "cell" else None)
            assert list(sound.among) == (record["credible_set"] if record["verdict"] == "cell" else [])
            assert sound.over == (record["end_s"] is not None)
            state, _ = alarm_step(rule, state, now_s=now_s, sounds=[sound])
            heard.append(sound)
            levels.append(state.level)
    assert levels[0] == "alert"
    assert levels[-1] == "alarm"
    assert state.first_cell == state.current_cell == "R2C07"
    assert heard[-1].over
    assert heard[-1].probability > 0.9
    assert not any(sound.ended_s is None for sound in state.sounds)
