"""Kill a watch with SIGKILL at random moments; after each, look whether everything that it had announced is there.

`python killed.py FOLDER SEED ROUNDS` prints one JSON object. Each watch is a process of its own, forked from this one
so that a hundred of them start in no time.
"""

import json
import os
import select
import signal
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np

from trad_array.alarm.bundle import Evidence, changed_files, write_bundle
from trad_array.alarm.clip import Clip
from trad_array.alarm.outputs.dispatch import Dispatcher
from trad_array.alarm.store import Store
from trad_array.audio.captured import Captured

SOUND = Captured(np.arange(16_000, dtype=np.int16).reshape(4, 4_000), 0, 16_000)


class Pipe:
    """An output: whatever is written there has been announced, whatever becomes of the process."""

    name = "pipe"

    def __init__(self, handle):
        self._handle = handle

    def send(self, message):
        os.write(self._handle, f"{message['id']} {message['state']}\n".encode())

    def close(self):
        pass


class There(set):
    """Messages found in the log so far, and the number of the last one."""

    last = 0


def watch(folder, handle, number):
    """Hear events for ever: announce, and keep evidence."""
    store = Store(folder)
    dispatcher = Dispatcher(store, [Pipe(handle)])
    bundle = None
    for k in range(10_000):
        name = f"e{number:03d}-{k:04d}"
        message = {"schema": "trad-array/event/1", "id": name, "level": "alarm", "layout": {}, "note": "x" * 3_000}
        for state in ("new", "update", "end"):
            dispatcher.dispatch({**message, "state": state})
        evidence = Evidence(message, [message], "", {}, clip=Clip(name, (SOUND,), 0, 100, 4_000, is_whole=True))
        if bundle is not None and k % 3 == 0:
            write_bundle(store.bundles, Evidence({**message, "id": bundle}, [], "", {}))  # replaces the one before
        bundle = write_bundle(store.bundles, evidence).name
        store.set_bundle(name, store.bundles / name)


def killed_after(folder, delay_s, number):
    """Start a watch, kill it so long after its start (every fourth) or first word, and give what it had announced."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            watch(folder, write, number)
        finally:
            os._exit(1)  # only reached when something is wrong: the parent notices
    os.close(write)
    if number % 4:
        select.select([read], [], [], 10.0)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the watch ended by itself"
    with os.fdopen(read) as pipe:
        return [tuple(line.split()) for line in pipe if line.endswith("\n")]


def look(folder, checked, announced, there):
    """What is wrong after a restart, and what the kill had hit."""
    wrong = []
    bundles = Path(folder) / "events"
    halves = len(list(bundles.glob("*.part"))) if bundles.is_dir() else 0
    with Store(folder) as store:
        notes = store.take_notes()
        wrong += [note for note in notes if "half written" not in note]
        log = store.log(after=there.last)
        there |= {(entry.event, entry.record["state"]) for entry in log}
        there.last = log[-1].seq if log else there.last
        wrong += [f"announced and lost: {message}" for message in announced if message not in there]
        rows = {event.id: event for event in store.events()}
        wrong += [f"in the log, no event: {name}" for name, _ in there if name not in rows]
        for path in bundles.iterdir():
            if path.name.endswith(".part"):
                wrong.append(f"half a bundle: {path.name}")
            elif (changed := path.stat().st_ino) not in checked:
                checked.add(changed)
                wrong += [f"{path.name}: {name} is not as it was written" for name in changed_files(path)]
                if rows.get(path.name) is None or rows[path.name].bundle != path.name:
                    wrong.append(f"a bundle that no row knows: {path.name}")
    db = sqlite3.connect(Path(folder) / "watch.db")
    if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        wrong.append("the database is damaged")
    db.close()
    return wrong, halves


def main(folder, seed, rounds):
    rng = np.random.default_rng(seed)
    wrong, announced, in_a_bundle, silent, there = [], 0, 0, 0, There()
    checked = set()
    for number in range(rounds):
        told = killed_after(folder, rng.uniform(0.0, 0.1), number)
        found, halves = look(folder, checked, told, there)
        wrong += found
        announced += len(told)
        in_a_bundle += halves > 0
        silent += not told
    found = {"wrong": wrong, "announced": announced, "in_a_bundle": in_a_bundle, "silent": silent}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
