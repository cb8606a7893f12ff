"""Messages to all outputs: stored first, told at once, told again until they have arrived."""

import sqlite3
import sys
import threading
import time

import pytest

from trad_array.alarm.outputs import make_output
from trad_array.alarm.outputs.dispatch import Dispatcher, DispatchRule, waits_on_disk
from trad_array.alarm.outputs.lane import LaneRule
from trad_array.alarm.store import Store
from trad_array.errors import OutputError, StoreError

from .conftest import HEARTBEAT, event, fault, lines, until

FAST = DispatchRule(LaneRule(first_retry_s=0.02, longest_retry_s=0.05, tries=3, stuck_s=0.2, in_memory=8))


class Wall:
    """An output that a test can break, make slow, or have refuse some messages."""

    def __init__(self, name="wall"):
        self.name = name
        self.got, self.refuse = [], lambda message: False
        self.gate = threading.Event()
        self.gate.set()

    def send(self, message):
        self.gate.wait()
        if self.refuse(message):
            raise OutputError(f"{self.name}: no line")
        self.got.append(message)

    def close(self):
        self.gate.set()

    @property
    def names(self):
        return [m.get("id") or m.get("n") or m["schema"].split("/")[1] for m in self.got]


def test_a_message_is_on_the_disk_before_any_output_has_it(tmp_path):
    seen = []

    class Looks(Wall):
        def send(self, message):
            seen.append([e.id for e in store.events()])

    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [Looks()])
        dispatcher.dispatch(event("a"))
        until(lambda: seen)
        dispatcher.close()
    assert seen == [["a"]]


def test_messages_arrive_within_milliseconds_and_in_order(tmp_path):
    wall, late_s, sent_s = Wall(), [], {}
    wall.send = lambda m: late_s.append(time.perf_counter() - sent_s[m["id"]])
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall])
        for k in range(30):
            sent_s[f"e{k}"] = time.perf_counter()
            dispatcher.dispatch(event(f"e{k}"))
            until(lambda k=k: len(late_s) == k + 1)
        dispatcher.close()
    assert sorted(late_s)[15] < 0.05


def test_a_broken_output_gets_everything_later_in_order_and_stops_nobody(tmp_path):
    good, bad = Wall("good"), Wall("bad")
    bad.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [good, bad], rule=FAST)
        for k in range(30):
            dispatcher.dispatch(event(f"e{k}") if k % 2 else fault("flat", n=k))
        until(lambda: len(good.got) == 30)
        state = {s.name: s for s in dispatcher.states()}
        assert (state["good"].ok, state["bad"].ok, state["bad"].reason) == (True, False, "bad: no line")
        assert state["bad"].waiting == 30
        bad.refuse = lambda m: False
        until(lambda: len(bad.got) == 30)
        assert bad.got == good.got
        until(lambda: all(s.ok and not s.waiting for s in dispatcher.states()))
        dispatcher.close()


def test_what_did_not_arrive_is_delivered_after_a_restart_before_what_is_new(tmp_path):
    wall = Wall()
    wall.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        for k in range(20):
            dispatcher.dispatch(event(f"e{k}"))
        dispatcher.dispatch(HEARTBEAT)
        dispatcher.close()
    wall = Wall()
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(event("new"))
        until(lambda: len(wall.got) == 21)
        assert wall.names == [*(f"e{k}" for k in range(20)), "new"]
        dispatcher.close()
        assert store.outbox_size() == 0


def test_of_heartbeats_and_reports_only_the_newest_waits(tmp_path):
    wall = Wall()
    wall.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(fault("flat"))
        until(lambda: not dispatcher.states()[0].ok)
        for k in range(100):
            dispatcher.dispatch({**HEARTBEAT, "n": f"h{k}"})
            dispatcher.dispatch(event(f"r{k}", level="report"))
        assert dispatcher.states()[0].waiting == 3
        wall.refuse = lambda m: False
        until(lambda: len(wall.got) == 3)
        assert wall.names == ["fault", "h99", "r99"]
        assert len(store.events()) == 100
        dispatcher.close()


def test_the_end_of_an_alert_must_arrive_although_it_is_a_report_by_then(tmp_path):
    assert waits_on_disk(event("x", level="report"), announced=True)
    assert not waits_on_disk(event("x", level="report"), announced=False)
    assert not waits_on_disk(HEARTBEAT, announced=False)
    wall = Wall()
    wall.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(event("x", level="alert"))
        dispatcher.dispatch({**event("x", level="report"), "state": "end"})
        dispatcher.dispatch(event("y", level="report"))
        assert [m["level"] for _, m in store.outbox("wall")] == ["alert", "report"]
        dispatcher.close()


def test_a_single_message_that_is_refused_does_not_hold_up_those_after_it(tmp_path):
    wall = Wall()
    wall.refuse = lambda m: m.get("id") == "poison"
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        for name in ("a", "poison", "b", "c"):
            dispatcher.dispatch(event(name))
        until(lambda: len(wall.got) == 3)
        assert wall.names == ["a", "b", "c"]
        until(lambda: dispatcher.states()[0].refused == 1)
        (state,) = dispatcher.states()
        assert (state.ok, state.waiting) == (False, 1)
        wall.refuse = lambda m: False
        until(lambda: dispatcher.states()[0].ok)
        assert wall.names == ["a", "b", "c", "poison"]
        until(lambda: store.outbox_size() == 0)
        dispatcher.close()


def test_an_alarm_does_not_wait_for_the_end_of_a_pause(tmp_path):
    wall = Wall()
    wall.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=DispatchRule(LaneRule(first_retry_s=60.0)))
        dispatcher.dispatch(fault("flat"))
        until(lambda: not dispatcher.states()[0].ok)
        wall.refuse = lambda m: False
        dispatcher.dispatch(event("fire"))
        until(lambda: wall.names == ["fault", "fire"], seconds=2.0)
        dispatcher.close()


def test_an_output_that_hangs_is_seen_and_stops_neither_the_others_nor_the_end(tmp_path):
    good, slow = Wall("good"), Wall("slow")
    slow.gate.clear()
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [slow, good], rule=FAST)
        began = time.monotonic()
        for k in range(50):
            dispatcher.dispatch(event(f"e{k}"))
        until(lambda: len(good.got) == 50)
        until(lambda: not dispatcher.states()[0].ok)
        assert "has not taken a message" in dispatcher.states()[0].reason
        slow.gate.set()
        until(lambda: len(slow.got) == 50)
        assert slow.got == good.got
        slow.gate.clear()
        dispatcher.dispatch(event("last"))
        dispatcher.close(within_s=0.1)
        assert time.monotonic() - began < 10


def test_an_output_of_somebody_else_may_have_mistakes(tmp_path):
    wall = Wall()
    mistakes = [KeyError("x"), ZeroDivisionError()]
    wall.refuse = lambda m: mistakes and (_ for _ in ()).throw(mistakes.pop())
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(event("a"))
        until(lambda: wall.names == ["a"])
        dispatcher.close()


def test_with_a_disk_that_is_gone_the_outputs_are_told_all_the_same(tmp_path):
    wall, folder = Wall(), tmp_path / "kept"
    with Store(folder) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(event("a"))
        folder.rename(tmp_path / "away")
        for k in range(20):
            dispatcher.dispatch(event(f"e{k}"))
        until(lambda: len(wall.got) == 21)
        assert store.trouble is not None
        (tmp_path / "away").rename(folder)
        assert store.retry()
        assert len(store.events()) == 21
        until(lambda: store.outbox_size() == 0)
        dispatcher.close()
    assert wall.names == ["a", *(f"e{k}" for k in range(20))]


def test_a_disk_that_does_not_answer_holds_up_neither_the_watch_nor_the_alarm(tmp_path):
    wall = Wall()
    rule = DispatchRule(LaneRule(), commit_limit_s=0.1)
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=rule)
        dispatcher.dispatch(event("before"))
        until(lambda: wall.names == ["before"] and store.outbox_size() == 0)
        # Somebody else holds the file; SQLite waits for him, as it would for a disk.
        other = sqlite3.connect(tmp_path / "watch.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for k in range(20):
            dispatcher.dispatch(event(f"e{k}"))
        assert time.monotonic() - began < 1.0
        until(lambda: len(wall.got) >= 21, seconds=1.0)
        assert "has not answered" in dispatcher.trouble
        assert time.monotonic() - began < 1.5
        other.execute("ROLLBACK")
        other.close()
        until(lambda: len(store.events()) == 21 and store.outbox_size() == 0)
        assert dispatcher.trouble is None
        # Told at once, and once more when it was kept: at least once, and the first time in order.
        assert list(dict.fromkeys(wall.names)) == ["before", *(f"e{k}" for k in range(20))]
        dispatcher.close()


def test_an_alarm_with_half_a_letter_arrives_everywhere_and_holds_up_nothing(tmp_path):
    wall, path = Wall(), tmp_path / "e.jsonl"
    with Store(tmp_path / "kept") as store:
        dispatcher = Dispatcher(store, [wall, make_output(f"json:{path}")], rule=FAST)
        dispatcher.dispatch(event("a", note="J\udcfcrgen"))
        dispatcher.dispatch({**HEARTBEAT, "id": "\ud800"})
        dispatcher.dispatch(event("b"))
        until(lambda: wall.names == ["a", "\ufffd", "b"] and store.outbox_size() == 0)
        assert [m.get("note") for m in lines(path)] == ["J\ufffdrgen", None, None]
        assert dispatcher.trouble is None
        assert all(state.ok for state in dispatcher.states())
        dispatcher.close()


def test_a_rotten_row_of_the_outbox_is_let_go_of_and_said_and_what_is_after_it_arrives(tmp_path):
    wall = Wall()
    wall.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        for name in ("a", "b", "c"):
            dispatcher.dispatch(event(name))
        dispatcher.close()
    with sqlite3.connect(tmp_path / "watch.db") as db:
        db.execute("UPDATE messages SET json = substr(json, 1, 30) WHERE event = 'a'")
        db.execute("UPDATE messages SET json = '[1]' WHERE event = 'b'")
    db.close()
    wall = Wall()
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(event("d"))
        until(lambda: wall.names == ["c", "d"] and store.outbox_size() == 0)
        until(lambda: dispatcher.states()[0].waiting == 0)
        assert dispatcher.states()[0].ok
        notes = store.take_notes()
        assert len(notes) == 2
        assert all("for wall cannot be read: let go of" in note for note in notes)
        with pytest.raises(StoreError, match="cannot be read"):
            store.log()
        dispatcher.close()


def test_an_output_that_ends_its_thread_is_shown_and_goes_on(tmp_path):
    wall = Wall()
    wall.refuse = lambda m: sys.exit("enough")
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(event("a"))
        until(lambda: not dispatcher.states()[0].ok)
        assert dispatcher.states()[0].reason == "wall: SystemExit: enough"
        wall.refuse = lambda m: False
        until(lambda: wall.names == ["a"] and dispatcher.states()[0].ok)
        dispatcher.close()
        assert store.outbox_size() == 0


def test_an_error_that_cannot_be_told_and_a_message_that_was_emptied_do_not_end_an_output(tmp_path):
    class Odd(OutputError):
        def __str__(self):
            return str(1 / 0)

    wall = Wall()
    wall.refuse = lambda m: m.clear() or (_ for _ in ()).throw(Odd())
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=FAST)
        dispatcher.dispatch(dict(HEARTBEAT))
        until(lambda: not dispatcher.states()[0].ok)
        assert dispatcher.states()[0].reason == "wall: ZeroDivisionError: division by zero"
        dispatcher.dispatch(dict(HEARTBEAT))
        wall.refuse = lambda m: False
        dispatcher.dispatch(event("a"))
        until(lambda: wall.got and wall.got[-1].get("id") == "a" and dispatcher.states()[0].ok)
        dispatcher.close()


def test_an_output_whose_name_holds_half_a_letter_works_like_any_other(tmp_path):
    path = tmp_path / b"\xfc.jsonl".decode(errors="surrogateescape")
    with Store(tmp_path / "kept") as store:
        dispatcher = Dispatcher(store, [make_output(f"json:{path}")], rule=FAST)
        dispatcher.dispatch(event("a"))
        until(lambda: path.exists() and len(lines(path)) == 1 and store.outbox_size() == 0)
        assert dispatcher.trouble is None
        dispatcher.close()


@pytest.mark.parametrize("behind", [False, True])
def test_a_disk_that_hangs_while_a_message_is_sent_does_not_hold_up_the_next_one(tmp_path, behind):
    wall = Wall()
    lane = LaneRule(in_memory=2 if behind else 256, disk_limit_s=0.2)
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall], rule=DispatchRule(lane, commit_limit_s=0.1))
        until(lambda: not dispatcher.states()[0].waiting)
        wall.gate.clear()
        for k in range(6 if behind else 1):
            dispatcher.dispatch(event(f"e{k}"))
        # Somebody else holds the file; SQLite waits two seconds for him, again and again, as for a disk.
        other = sqlite3.connect(tmp_path / "watch.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        wall.gate.set()
        until(lambda: "e0" in wall.names)
        time.sleep(0.05)
        began = time.monotonic()
        dispatcher.dispatch(event("next"))
        until(lambda: "next" in wall.names, seconds=1.0)
        assert time.monotonic() - began < 1.0
        assert dispatcher.states()[0].ok
        other.execute("ROLLBACK")
        other.close()
        until(lambda: store.outbox_size() == 0 and not dispatcher.states()[0].waiting)
        assert set(wall.names) == {*(f"e{k}" for k in range(6 if behind else 1)), "next"}
        dispatcher.close()


def test_what_waits_too_long_or_for_nobody_goes_and_is_told(tmp_path):
    wall, old = Wall(), Wall("old")
    old.refuse = lambda m: True
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [wall, old], rule=FAST)
        for k in range(5):
            dispatcher.dispatch(event(f"e{k}"))
        until(lambda: len(wall.got) == 5)
        dispatcher.close()
        dispatcher = Dispatcher(store, [again := Wall()], rule=FAST)
        (message,) = dispatcher.tidy()
        assert (message["output"], message["number"]) == ("old", 5)
        until(lambda: again.names == ["deletion"])
        assert dispatcher.tidy() == ()
        dispatcher.close()


def test_two_outputs_of_one_name_are_refused(tmp_path):
    with Store(tmp_path) as store, pytest.raises(ValueError, match="expected different ones"):
        Dispatcher(store, [Wall(), Wall()])


def test_an_output_that_is_left_out_gets_nothing_then_or_later_and_the_others_do(tmp_path):
    siren, log = Wall("siren"), Wall("log")
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [siren, log], rule=FAST)
        dispatcher.dispatch(event(1))
        until(lambda: len(siren.got) == len(log.got) == 1)
        dispatcher.leave_out(["siren"])
        dispatcher.dispatch(event(2))
        until(lambda: len(log.got) == 2)
        dispatcher.leave_out([])
        dispatcher.dispatch(event(3))
        until(lambda: len(siren.got) == 2)
        dispatcher.close()
        assert siren.names == [event(1)["id"], event(3)["id"]]
        assert log.names == [event(n)["id"] for n in (1, 2, 3)]
        assert store.outbox_size() == 0
