"""The loop with real parts: a store on disk, outputs, a socket, a recording that plays."""

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from trad_array.alarm.health import HealthRule
from trad_array.alarm.limits import AlarmRule
from trad_array.alarm.outputs import make_output
from trad_array.alarm.outputs.dispatch import Dispatcher
from trad_array.alarm.retention import RetentionRule
from trad_array.alarm.store import Store
from trad_array.audio.files import find_source, write_recording
from trad_array.audio.playback import Playback
from trad_array.audio.to_rate import ToRate
from trad_array.chain import make_chain
from trad_array.errors import ControlError
from trad_array.events import Origin
from trad_array.monitor.control import ControlServer, ask
from trad_array.monitor.keeper import Keeper, Provenance
from trad_array.monitor.runner import Surroundings, run_watch
from trad_array.monitor.watch import Watch
from trad_array_geometry import layout_path, load_layout

LAYOUT = load_layout("row-frame")
CELL = LAYOUT.cell_names[5]


@pytest.fixture
def recording(hiss, tmp_path) -> Path:
    heard = hiss.recording(LAYOUT, LAYOUT.cells[5], seconds=12.0, spans_s=((6.0, 8.0),))
    write_recording(tmp_path / "vent.wav", heard.samples, fs=16_000)
    return tmp_path / "vent.wav"


@pytest.fixture
def watch(recording) -> Watch:
    return Watch(
        chain=make_chain(LAYOUT),
        rate=ToRate(16_000, 16_000),
        origin=Origin(recording.name, "excess"),
        health=HealthRule(mics=LAYOUT.mic_names, free_bytes=1, free_ok_bytes=2),
        alarm=AlarmRule(cells=LAYOUT.cell_names, mics=LAYOUT.mic_names),
    )


@pytest.fixture
def open_keeper(tmp_path, watch):
    opened = []

    def opener(*outputs: str) -> Keeper:
        store = Store(tmp_path / "watch")
        keeper = Keeper(
            store,
            Dispatcher(store, [make_output(text) for text in outputs]),
            provenance=Provenance(layout_path("row-frame").read_text(), {}),
            retention=RetentionRule(),
            health=watch.health,
            draw=False,
        )
        opened.append(keeper)
        return keeper

    yield opener
    for keeper in opened:
        keeper.close()


def play(recording: Path, *, in_real_time: bool = False) -> Playback:
    source = find_source(str(recording), channels=LAYOUT.mic_channels)
    return Playback(source, in_real_time=in_real_time, block_s=0.1)


def test_events_are_kept_with_their_sound_and_told_also_when_another_output_is_broken(
    recording, watch, open_keeper, tmp_path
):
    told = tmp_path / "told.jsonl"
    keeper = open_keeper(f"json:{told}", f"exec:{sys.executable} -c 'raise SystemExit(3)'")
    run_watch(watch, watch.start(), play(recording), Surroundings(keeper, keeper), stop=threading.Event())
    keeper.close()
    messages = [json.loads(line) for line in told.read_text().splitlines()]
    events = [m for m in messages if m["schema"] == "trad-array/event/1"]
    assert (events[-1]["state"], events[-1]["best"]) == ("end", CELL)
    with Store(tmp_path / "watch") as store:
        (kept,) = store.events()
        assert (kept.id, kept.kept_as) == (events[-1]["id"], "alarm")
        assert [entry.record for entry in store.log(event=kept.id)] == events
        assert store.outbox_size() > 0  # of the broken one
        bundle = store.bundles / kept.id
    assert json.loads((bundle / "event.json").read_text()) == events[-1]
    assert (bundle / "clip.flac").stat().st_size > 10_000


def test_a_latched_alarm_and_its_acknowledgement_outlive_a_restart(recording, watch, open_keeper, tmp_path):
    keeper, control = open_keeper(), ControlServer(tmp_path / "watch.sock")
    around = Surroundings(keeper, keeper, control)
    answers: list[dict] = []

    def operator() -> None:
        while not answers:
            try:
                if ask(control.path, {"do": "status"})["latched"]:
                    answers.append(ask(control.path, {"do": "ack", "by": "Ada", "comment": "", "subject": ""}))
            except ControlError as trouble:
                answers.append({"error": str(trouble)})
            time.sleep(0.1)

    thread = threading.Thread(target=operator)
    thread.start()
    run_watch(watch, watch.start(), play(recording, in_real_time=True), around, stop=threading.Event())
    thread.join(5.0)
    control.close()
    keeper.close()
    assert answers[0]["done"], answers
    again = open_keeper()
    alarm, health, said = again.earlier()
    assert said == ()
    assert alarm is not None
    assert health is not None
    assert (alarm.level, alarm.first_cell) == ("alarm", CELL)
    assert [mark.by for mark in alarm.acknowledged] == ["Ada"]


def test_a_note_of_the_array_that_cannot_be_used_does_not_cost_the_latched_alarm(recording, watch, open_keeper):
    keeper = open_keeper()
    run_watch(watch, watch.start(), play(recording), Surroundings(keeper, keeper), stop=threading.Event())
    keeper.close()
    with Store(keeper.store.folder) as store:
        store.set_value("health", {"schema": "trad-array/health/99"})
    alarm, health, said = open_keeper().earlier()
    assert health is None
    assert alarm is not None
    assert (alarm.level, alarm.first_cell) == ("alarm", CELL)
    assert ["learned of the array" in line for line in said] == [True]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"do": "dance"}, "expected status, ack"),
        ({"do": "ack", "by": 3}, "by: expected a text"),
        ({"do": "silence", "by": "Ada", "for_s": "soon"}, "silence: "),
        ({"do": "ack", "by": ""}, "expected the name of who does it"),
        ({"do": "ack", "by": "Ada", "comment": "T\udcfcr"}, "comment: expected a text of printable characters"),
        ({"do": "silence", "by": "Ada", "for_s": 10**400}, "silence: "),
        ({"do": "disable", "by": "Ada", "subject": "cell:R1C01", "for_s": -1}, "expected a time over 0 s"),
        ({"do": "lock", "subject": "x\udcfc"}, "expected a watch that keeps events"),
        ({"do": "disable", "by": "Ada", "subject": "cell:NOWHERE"}, "NOWHERE"),
    ],
)
def test_a_wish_that_cannot_be_done_is_answered_with_why(recording, watch, tmp_path, request_, said):
    control = ControlServer(tmp_path / "watch.sock")
    stop, found = threading.Event(), []

    class Nobody:
        def tell(self, messages, *, but=()) -> None:
            """Nobody listens."""

        def outputs(self) -> tuple:
            return ()

    def operator() -> None:
        try:
            ask(control.path, request_)
        except ControlError as trouble:
            found.append(str(trouble))
        stop.set()

    thread = threading.Thread(target=operator)
    thread.start()
    run_watch(
        watch, watch.start(), play(recording, in_real_time=True), Surroundings(Nobody(), None, control), stop=stop
    )
    thread.join(5.0)
    control.close()
    assert said in found[0]


def test_the_loop_stops_when_it_is_told_to_and_ends_what_is_on(recording, watch, open_keeper, tmp_path):
    stop = threading.Event()
    told = tmp_path / "told.jsonl"
    keeper = open_keeper(f"json:{told}")
    threading.Timer(7.0, stop.set).start()
    began = time.monotonic()
    run_watch(watch, watch.start(), play(recording, in_real_time=True), Surroundings(keeper, keeper), stop=stop)
    assert time.monotonic() - began < 9.0
    keeper.close()
    events = [json.loads(line) for line in told.read_text().splitlines() if "event/1" in line]
    assert events[-1]["state"] == "end"
    assert np.isfinite(events[-1]["end_s"])
