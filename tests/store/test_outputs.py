import io
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from trad_array.alarm.outputs import make_output
from trad_array.alarm.outputs.dispatch import Dispatcher, DispatchRule, waits_on_disk
from trad_array.alarm.outputs.json_lines import JsonStream
from trad_array.alarm.outputs.lane import LaneRule
from trad_array.alarm.store import Store
from trad_array.errors import ConfigError, OutputError, StoreError

from .conftest import event, fault

FAST = DispatchRule(LaneRule(first_retry_s=0.02, longest_retry_s=0.05, tries=3, stuck_s=0.2, in_memory=8))
HEARTBEAT = {"schema": "trad-array/heartbeat/1"}


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


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


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


def test_letters_that_a_terminal_does_not_know_are_written_as_json_escapes():
    screen = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    JsonStream("json:-", screen).send({"words": "ü 5 °C → \ufffd"})
    assert json.loads(screen.buffer.getvalue()) == {"words": "ü 5 °C → \ufffd"}


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


def test_json_lines_are_appended_and_rotated(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": -1}\n{"torn')
    output = make_output(f"json:{path}", rotate_bytes=400, rotate_files=2)
    for n in range(40):
        output.send({"n": n, "pad": "x" * 50})
    output.close()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 400 for name in names)
    kept = [m["n"] for name in reversed(names) for m in lines(tmp_path / name)]
    assert kept == list(range(kept[0], 40))
    assert len(kept) > 10


def test_a_line_that_a_power_cut_left_open_is_ended_and_a_file_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": 0}\n{"torn')
    output = make_output(f"json:{path}")
    output.send({"n": 1})
    assert path.read_text() == '{"n": 0}\n{"torn\n{"n": 1}\n'
    path.rename(tmp_path / "moved")
    output.send({"n": 2})
    assert lines(path) == [{"n": 2}]
    path.unlink()
    output.send({"n": 3})
    assert lines(path) == [{"n": 3}]
    output.close()


def test_a_line_is_on_the_disk_when_it_counts_as_delivered_but_a_heartbeat_is_not_waited_for(tmp_path, monkeypatch):
    path, synced = tmp_path / "e.jsonl", []

    def noted(handle, sync=os.fsync):
        sync(handle)
        synced.append((os.readlink(f"/proc/self/fd/{handle}"), path.stat().st_size))

    monkeypatch.setattr(os, "fsync", noted)
    output = make_output(f"json:{path}")
    output.send(HEARTBEAT)
    assert synced == []
    for name in ("a", "b"):
        output.send(event(name))
    ends = [sum(len(line) for line in path.read_bytes().splitlines(keepends=True)[:n]) for n in (2, 3)]
    # The file, the folder that has its new name, and from then on the file alone.
    assert synced == [(str(path), ends[0]), (str(tmp_path), ends[0]), (str(path), ends[1])]
    output.close()


def test_lines_go_into_a_named_pipe_as_well(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output = make_output(f"json:{tmp_path / 'pipe'}")
    output.send(fault("flat"))
    assert json.loads(os.read(reader, 1000)) == fault("flat")
    output.close()
    os.close(reader)


def test_a_file_on_a_full_disk_keeps_whole_lines(tmp_path):
    code = """if True:
        import resource, sys
        from trad_array.alarm.outputs import make_output
        from trad_array.errors import OutputError
        output = make_output("json:" + sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        for n in range(9):
            try:
                output.send({"n": n, "pad": "x" * 20})
            except OutputError as trouble:
                print(trouble)
    """
    path = tmp_path / "e.jsonl"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "e.jsonl" in done.stdout
    assert [m["n"] for m in lines(path)] == [0, 1]


def test_lines_on_a_pipe_that_nobody_reads_any_more_are_an_error():
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        output = JsonStream("json:-", stream)
        output.send({"n": 1})
        assert os.read(read, 100) == b'{"n": 1}\n'
        os.close(read)
        with pytest.raises(OutputError, match="json:-: Broken pipe"):
            output.send({"n": 2})
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_a_command_gets_the_message_on_its_standard_input_without_a_shell(tmp_path):
    path = tmp_path / "a file"
    output = make_output(
        f"exec:{sys.executable} -c 'import sys; open(sys.argv[1], \"w\").write(sys.stdin.read())' '{path}' ; rm"
    )
    output.send({"words": "$(reboot) å"})
    assert lines(path) == [{"words": "$(reboot) å"}]


def test_a_command_that_fails_says_why():
    complain = f"{sys.executable} -c 'import sys; sys.exit(\"no modem\")'"
    with pytest.raises(OutputError, match="ended with exit code 1: no modem"):
        make_output(f"exec:{complain}").send({})
    with pytest.raises(OutputError, match="cannot be run: No such file"):
        make_output("exec:/no/such/program").send({})
    make_output("exec:true").send({"more than a pipe holds": "x" * 500_000})


def test_a_command_runs_without_a_folder_for_temporary_files():
    code = """if True:
        import resource, sys
        from trad_array.alarm.outputs import make_output
        from trad_array.errors import OutputError
        # As on a full disk: no byte can be written to any file.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            make_output("exec:sh -c 'echo no modem >&2; exit 3'").send({})
        except OutputError as trouble:
            print(trouble)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("ended with exit code 3: no modem\n")


def test_of_what_a_command_says_only_the_end_is_kept_and_what_it_leaves_behind_is_not_waited_for(tmp_path):
    # 20 MB of words, then the last ones, and a child in a session of its own that keeps standard error open.
    pid = tmp_path / "pid"
    script = tmp_path / "talks.sh"
    script.write_text(
        f"setsid sleep 5 & echo $! > {pid}; head -c 20000000 /dev/zero | tr '\\0' x >&2; echo END >&2; exit 1"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(OutputError, match="exit code 1: x+END$") as told:
        make_output(f"exec:sh {script}").send({})
    assert time.monotonic() - began < 4
    assert len(str(told.value)) < 700
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000
    assert running(int(pid.read_text()))
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = tmp_path / "slow.sh"
    script.write_text(f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; echo dialling >&2; wait\n")
    output = make_output(f"exec:sh {script}", limit_s=0.5)
    began = time.monotonic()
    with pytest.raises(OutputError, match="killed: not done after 0.5 s: dialling"):
        output.send({})
    assert time.monotonic() - began < 3
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: not running(pid))


def test_closing_does_not_wait_for_a_command(tmp_path):
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [make_output("exec:sleep 60", limit_s=60)])
        dispatcher.dispatch(event("a"))
        time.sleep(0.1)
        began = time.monotonic()
        dispatcher.close(within_s=0.1)
        assert time.monotonic() - began < 2
        assert store.outbox_size() == 1


@pytest.mark.parametrize(
    "text", ["json:", "exec:", "exec: ", "smoke:signal", "json:/no/such/folder/x", "exec:'open", "json:/"]
)
def test_what_is_no_output_is_refused(text):
    with pytest.raises(ConfigError, match="expected"):
        make_output(text)


def test_two_outputs_of_one_name_are_refused(tmp_path):
    with Store(tmp_path) as store, pytest.raises(ValueError, match="expected different ones"):
        Dispatcher(store, [Wall(), Wall()])


def running(pid):
    """Whether a process is there and not only waiting to be buried."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


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
