import json
import sqlite3
import subprocess
import sys

import pytest

from trad_array.alarm.disk import write_file
from trad_array.alarm.store import Store
from trad_array.alarm.store_view import StoreReader
from trad_array.errors import StoreError

from .conftest import event, fault


def test_an_event_is_one_row_with_its_first_and_last_message_and_the_log_has_all(tmp_path):
    with Store(tmp_path) as store:
        store.add_event(event("b", level="alert", onset_utc="2026-01-02T00:00:01.000Z"))
        store.add_event(event("b", level="alarm", verdict="cell", best="R1C05", onset_utc="2026-01-02T00:00:01.000Z"))
        store.add_event(event("a", level="report", verdict="elsewhere", best="R1C01"))
    with Store(tmp_path) as store:
        (found,) = store.events(ids=["b"])
        assert (found.first["level"], found.last["level"], found.cell) == ("alert", "alarm", "R1C05")
        (other,) = store.events(kept_as=["report"])
        assert (other.id, other.cell, other.locked) == ("a", None, False)
        assert [(e.kind, e.event, e.record["level"]) for e in store.log()] == [
            ("event", "b", "alert"),
            ("event", "b", "alarm"),
            ("event", "a", "report"),
        ]


def test_what_was_an_alarm_once_is_kept_as_one(tmp_path):
    with Store(tmp_path) as store:
        for level in ("alert", "alarm", "report"):
            store.add_event(event("x", level=level))
        store.add_event(event("y", level="alert"))
        store.add_event(event("y", level="report"))
        assert [(e.id, e.level, e.kept_as) for e in store.events(newest_first=False)] == [
            ("x", "report", "alarm"),
            ("y", "report", "report"),
        ]


def test_the_log_answers_by_kind_event_number_and_time(tmp_path):
    with Store(tmp_path) as store:
        first = store.add_fault(fault("flat"))
        store.add_action({"schema": "trad-array/action/1", "action": "ack", "name": "Ada"})
        store.add_state({"schema": "trad-array/state/1", "level": "normal"})
        store.add_event(event("x"))
        assert [e.record["name"] for e in store.log(kinds=["action"])] == ["Ada"]
        assert [e.kind for e in store.log(after=first)] == ["action", "state", "event"]
        assert [e.kind for e in store.log(limit=2, newest_first=True)] == ["event", "state"]
        assert [e.event for e in store.log(event="x")] == ["x"]
        assert store.log(since_utc="2999-01-01T00:00:00.000Z") == []


def test_values_outlive_the_monitor(tmp_path):
    with Store(tmp_path) as store:
        store.set_value("latched", {"cells": ["R1C05"]})
        store.set_value("latched", {"cells": ["R1C05", "R1C06"]})
    with Store(tmp_path) as store:
        assert store.value("latched") == {"cells": ["R1C05", "R1C06"]}
        assert store.value("never set", 7) == 7


def test_numbers_of_messages_only_grow_also_over_restarts(tmp_path):
    seen = []
    for _ in range(3):
        with Store(tmp_path) as store:
            seen += [store.add_fault(fault("flat")) for _ in range(2)]
    assert seen == sorted(set(seen))


def test_a_second_monitor_on_the_same_folder_is_refused_until_the_first_ends(tmp_path):
    hold = (
        "import sys; from trad_array.alarm.store import Store; s = Store(sys.argv[1]); print('up', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "up\n"
        with pytest.raises(StoreError, match=f"expected to be the only monitor.*process {other.pid}"):
            Store(tmp_path)
        other.kill()
    Store(tmp_path).close()


def test_somebody_else_may_look_while_the_monitor_writes(tmp_path):
    with Store(tmp_path) as store, StoreReader(tmp_path) as reader:
        store.add_event(event("x"))
        assert [e.id for e in reader.events()] == ["x"]
        store.add_fault(fault("flat"))
        assert [e.kind for e in reader.log(limit=1, newest_first=True)] == ["fault"]
    with pytest.raises(StoreError, match="found none"):
        StoreReader(tmp_path / "nowhere")


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "watch.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / "watch.db").read_bytes()
    for opened in (Store, StoreReader):
        with pytest.raises(StoreError, match=r"version 1 or older, found 99"):
            opened(tmp_path)
    assert (tmp_path / "watch.db").read_bytes() == before


@pytest.mark.parametrize("how", ["not a database", "pages overwritten"])
def test_a_damaged_database_is_put_aside_and_bundles_are_known_again(tmp_path, how):
    with Store(tmp_path) as store:
        for k in range(200):
            store.add_event(event(f"e{k}", note="x" * 2000))
        folder = store.bundles / "e7"
        folder.mkdir()
        write_file(folder / "event.json", json.dumps(event("e7", verdict="cell", best="R2C01")).encode())
    path = tmp_path / "watch.db"
    damaged = bytearray(path.read_bytes())
    damaged[:] = b"no database at all" * 100 if how == "not a database" else damaged
    if how == "pages overwritten":
        damaged[20_000:60_000] = bytes(255 for _ in range(40_000))
    path.write_bytes(damaged)
    with Store(tmp_path) as store:
        (note,) = store.take_notes()
        assert "damaged" in note
        assert "1 events known again" in note
        (found,) = store.events()
        assert (found.id, found.cell, found.bundle) == ("e7", "R2C01", "e7")
        store.add_event(event("new"))
        assert store.take_notes() == ()
    (aside,) = tmp_path.glob("watch.damaged-*.db")
    assert aside.read_bytes() == bytes(damaged)


def test_while_the_folder_is_gone_everything_waits_in_memory_and_is_written_when_it_is_back(tmp_path):
    folder = tmp_path / "kept"
    with Store(folder) as store:
        store.add_event(event("before"))
        folder.rename(tmp_path / "away")
        with pytest.raises(StoreError, match=r"watch.db.*1 writes wait in memory"):
            store.add_event(event("during"))
        with pytest.raises(StoreError, match="2 writes wait"):
            store.add_fault(fault("disk"))
        with pytest.raises(StoreError):
            store.free_bytes()
        assert (store.waiting, store.retry()) == (2, False)
        (tmp_path / "away").rename(folder)
        assert store.retry()
        assert (store.waiting, store.trouble) == (0, None)
        assert [e.event or e.kind for e in store.log()] == ["before", "during", "fault"]


def test_what_waits_in_memory_is_bounded_and_reports_go_first(tmp_path):
    folder = tmp_path / "kept"
    with Store(folder, most_waiting=4) as store:
        folder.rename(tmp_path / "away")
        for k, level in enumerate(["report", "alarm", "report", "alarm", "alarm", "alarm"]):
            with pytest.raises(StoreError):
                store.add_event(event(f"e{k}", level=level))
        assert store.dropped == 2
        (tmp_path / "away").rename(folder)
        assert store.retry()
        assert [e.id for e in store.events(newest_first=False)] == ["e1", "e3", "e4", "e5"]
        assert "2 records were lost" in store.take_notes()[0]


def test_a_database_that_somebody_removed_is_begun_anew_and_said(tmp_path):
    with Store(tmp_path) as store:
        store.add_event(event("old"))
        (tmp_path / "watch.db").unlink()
        store.add_event(event("new"))
        assert [e.id for e in store.events()] == ["new"]
        assert "somebody removed it" in store.take_notes()[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "x", "level": "alarm"},
        {"schema": "trad-array/event/1", "id": "x"},
        {"schema": "trad-array/event/1", "id": "x", "level": "alarm", "score": float("nan")},
        {"schema": "trad-array/heartbeat/1"},
    ],
)
def test_what_is_no_message_is_refused_and_blocks_nothing(tmp_path, wrong):
    with Store(tmp_path) as store:
        with pytest.raises(ValueError, match=r"message|event|JSON"):
            store.keep(wrong)
        store.add_event(event("y"))
        assert [e.event for e in store.log()] == ["y"]


def test_a_text_with_half_a_letter_is_kept_without_it_and_blocks_nothing(tmp_path):
    # What a Latin-1 terminal makes of "Jürgen", in UTF-8.
    name = b"J\xfcrgen".decode(errors="surrogateescape")
    with Store(tmp_path) as store:
        store.add_action({"schema": "trad-array/action/1", "action": "ack", "name": name})
        store.add_event(event(name, best=name, verdict="cell"))
        store.set_value("who", name)
        assert [e.record.get("name") or e.event for e in store.log()] == ["J\ufffdrgen"] * 2
        assert (store.value("who"), store.events()[0].cell, store.trouble) == ("J\ufffdrgen", "J\ufffdrgen", None)
        with pytest.raises(StoreError, match="cannot be read"):
            store.lock(name)


def test_a_bundle_with_half_a_letter_does_not_keep_the_store_from_opening(tmp_path):
    with Store(tmp_path) as store:
        for folder in (store.bundles / "x", store.bundles / b"\xfc".decode(errors="surrogateescape")):
            folder.mkdir()
            write_file(folder / "event.json", json.dumps(event("x", cell="\udcfc")).encode())
    with Store(tmp_path) as store:
        assert [e.last["cell"] for e in store.events()] == ["\ufffd"]


def test_a_write_that_no_database_takes_is_let_go_of_and_said(tmp_path):
    folder = tmp_path / "kept"
    with Store(folder) as store:
        with pytest.raises(StoreError, match="not stored, no database takes it: OverflowError"):
            store.delivered("an output", 2**70)
        assert "no database takes it" in store.trouble
        (note,) = store.take_notes()
        assert "no database takes it" in note
        store.add_event(event("after"))
        # The same among others that waited for the disk.
        folder.rename(tmp_path / "away")
        for seq in (1, 2**70, 2):
            with pytest.raises(StoreError):
                store.delivered("an output", seq)
        store.keep(event("last"))
        (tmp_path / "away").rename(folder)
        assert store.retry()
        assert (store.waiting, [e.event for e in store.log()]) == (0, ["after", "last"])


def test_a_locked_event_says_so_and_only_events_can_be_locked(tmp_path):
    with Store(tmp_path) as store:
        store.add_event(event("x"))
        store.lock("x")
        assert [e.id for e in store.events(locked=True)] == ["x"]
        store.unlock("x")
        assert store.events(locked=True) == []
        with pytest.raises(StoreError, match="found no 'z'"):
            store.lock("z")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/below: cannot keep events there: Not a directory"):
        Store(tmp_path / "file" / "below")


def test_a_closed_store_is_not_opened_again_by_mistake(tmp_path):
    store = Store(tmp_path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.add_event(event("x"))
    store.close()
