import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from trad_array.alarm.disk import write_file
from trad_array.alarm.retention import (
    ClassRule,
    Inventory,
    Kept,
    Plan,
    RetentionRule,
    carry_out,
    plan_retention,
    take_inventory,
)
from trad_array.alarm.store import Store
from trad_array.errors import StoreError

from .conftest import event, fault

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MB = 1_000_000


def kept(name, kept_as, days, *, size=MB, locked=False):
    return Kept(name, kept_as, NOW - timedelta(days=days), size, locked)


def gone(rule, *events, **more):
    plan = plan_retention(rule, Inventory(events, **more), now=NOW)
    return [(d.event, d.what) for d in plan.deletions], plan.short_bytes


def test_events_go_after_the_days_of_their_class_oldest_first():
    rule = RetentionRule(alarm=ClassRule(400, 0), alert=ClassRule(90, 0), report=ClassRule(30, 0))
    events = (
        kept("a399", "alarm", 399), kept("a401", "alarm", 401), kept("t89", "alert", 89), kept("t91", "alert", 91),
        kept("r29", "report", 29), kept("r31", "report", 31),
    )  # fmt: skip
    assert gone(rule, *events) == ([("a401", "event"), ("t91", "event"), ("r31", "event")], 0)


def test_the_newest_of_a_class_stay_whatever_their_age():
    rule = RetentionRule(report=ClassRule(30, 2))
    events = [kept(f"r{days}", "report", days) for days in (50, 70, 60, 80)]
    assert gone(rule, *events) == ([("r80", "event"), ("r70", "event")], 0)


def test_locked_events_never_go():
    rule = RetentionRule(alarm=ClassRule(1, 0), ceiling_bytes=0)
    assert gone(rule, kept("x", "alarm", 999, locked=True)) == ([], MB)


def test_for_room_bundles_go_by_class_then_age_and_alarms_of_the_last_day_last():
    events = (
        kept("fresh", "alarm", 0.5), kept("alarm", "alarm", 2), kept("alert", "alert", 3), kept("new", "report", 0.1),
        kept("old", "report", 5), kept("empty", "report", 9, size=0),
    )  # fmt: skip
    order = ["old", "new", "alert", "alarm", "fresh"]
    for n in range(6):
        rule = RetentionRule(ceiling_bytes=(5 - n) * MB)
        assert gone(rule, *events) == ([(name, "bundle") for name in order[:n]], 0)


def test_what_else_is_in_the_folder_counts_and_a_plan_says_what_it_cannot_reach():
    rule = RetentionRule(ceiling_bytes=2 * MB)
    assert gone(rule, kept("x", "alert", 1), other_bytes=3 * MB) == ([("x", "bundle")], MB)


def test_the_log_keeps_a_year_and_ten_thousand_entries():
    rule = RetentionRule()
    for entries, old, number in ((9_000, 5_000, 0), (12_000, 5_000, 2_000), (30_000, 100, 100)):
        plan = plan_retention(rule, Inventory((), log_entries=entries, log_old=old), now=NOW)
        assert sum(d.number for d in plan.deletions) == number
    with pytest.raises(ValueError, match="expected a log of at least 366 days and 10000 entries, found 30 and 10000"):
        RetentionRule(log_days=30)


def test_every_deletion_is_in_the_log_and_told_and_only_these_files_are_gone(tmp_path):
    with Store(tmp_path) as store:
        for name, days, level in (("old", 40, "report"), ("young", 2, "report"), ("big", 1, "alert")):
            at = (NOW - timedelta(days=days)).isoformat().replace("+00:00", "Z")
            store.add_event(event(name, level=level, onset_utc=at))
            folder = store.bundles / name
            folder.mkdir()
            write_file(folder / "clip.flac", bytes(MB if name == "big" else 1_000))
            store.set_bundle(name, folder)
        store.lock("young")
        rule = RetentionRule(ceiling_bytes=MB // 2)
        told = []
        plan = plan_retention(rule, take_inventory(store, rule, now=NOW), now=NOW)
        messages = carry_out(store, plan, tell=lambda m: told.append((m["event"], store.add_deletion(m))))
        assert [(m["event"], m["what"], m["class"], m["bytes"]) for m in messages] == [
            ("old", "event", "report", 1_000),
            ("big", "bundle", "alert", MB),
        ]
        assert [name for name, _ in told] == ["old", "big"]
        assert [e.record["event"] for e in store.log(kinds=["deletion"])] == ["old", "big"]
        assert [p.name for p in store.bundles.iterdir()] == ["young"]
        assert {e.id: e.bundle for e in store.events()} == {"big": None, "young": "young"}
        assert plan_retention(rule, take_inventory(store, rule, now=NOW), now=NOW).deletions == ()


def test_a_deletion_that_could_not_be_told_has_not_happened(tmp_path):
    def no_voice(message):
        raise KeyboardInterrupt

    rule = RetentionRule(ceiling_bytes=0)
    with Store(tmp_path) as store:
        store.add_event(event("x", level="report"))
        (store.bundles / "x").mkdir()
        write_file(store.bundles / "x" / "event.json", json.dumps(event("x", level="report")).encode())
        store.set_bundle("x", store.bundles / "x")
        plan = plan_retention(rule, take_inventory(store, rule, now=NOW), now=NOW)
        with pytest.raises(KeyboardInterrupt):
            carry_out(store, plan, tell=no_voice)
        assert not (store.bundles / "x").exists()
    with Store(tmp_path) as store:
        (found,) = store.events()
        assert found.bundle == "x"
        assert (store.bundles / "x" / "event.json").is_file()
        carry_out(store, plan)
        assert list(store.bundles.iterdir()) == []
    with Store(tmp_path) as store:
        assert store.events()[0].bundle is None


def test_a_deletion_that_nobody_could_be_told_of_is_taken_back_and_leftovers_are_seen_to(tmp_path):
    def no_voice(message):
        raise StoreError("no voice")

    rule = RetentionRule(ceiling_bytes=0)
    with Store(tmp_path) as store:
        for name in ("x", "untold"):
            store.add_event(event(name, level="report"))
            (store.bundles / name).mkdir()
            write_file(store.bundles / name / "event.json", json.dumps(event(name, level="report")).encode())
            store.set_bundle(name, store.bundles / name)
        plan = plan_retention(rule, take_inventory(store, rule, now=NOW), now=NOW)
        with pytest.raises(StoreError, match="no voice"):
            carry_out(store, plan, tell=no_voice)
        assert sorted(p.name for p in store.bundles.iterdir()) == ["untold", "x"]
        # One that a row knows, and one that none does.
        (store.bundles / "untold").rename(store.bundles / "untold.old.part")
        (store.bundles / "told.old.part").mkdir()
        carry_out(store, Plan(()))
        assert sorted(p.name for p in store.bundles.iterdir()) == ["untold", "x"]
        carry_out(store, plan)
        assert list(store.bundles.iterdir()) == []


def test_the_oldest_entries_of_the_log_go_and_that_is_an_entry(tmp_path):
    Store(tmp_path).close()
    # Written past the store: ten thousand commits would take a minute.
    with sqlite3.connect(tmp_path / "watch.db") as db:
        old = [(k, "2026-01-01T00:00:00.000Z", "fault", None, json.dumps(fault(f"f{k}"))) for k in range(10_005)]
        db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", old)
    db.close()
    with Store(tmp_path) as store:
        rule, later = RetentionRule(), datetime.now(UTC) + timedelta(days=500)
        carry_out(store, plan_retention(rule, take_inventory(store, rule, now=later), now=later))
        left = store.log()
        assert (left[0].record["code"], left[-1].record["number"], len(left)) == ("f5", 5, 10_001)
