"""Fill the disk under a watch, give room again, and print what happened as one JSON object.

`python full_disk.py FOLDER mount` mounts a disk of 20 MB on the folder and fills it; it needs the right to mount, as in
`unshare -rm`. `python full_disk.py FOLDER limit` forbids this process to write files larger than 400 kB.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from trad_array.alarm.bundle import Evidence, write_bundle
from trad_array.alarm.clip import Clip
from trad_array.alarm.outputs.dispatch import Dispatcher
from trad_array.alarm.store import Store
from trad_array.audio.captured import Captured
from trad_array.errors import StoreError


class Heard:
    name = "heard"

    def __init__(self):
        self.got = []

    def send(self, message):
        self.got.append(message["id"])

    def close(self):
        pass


def fill(folder, way):
    if way == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        return
    with open(folder / "ballast", "ab", buffering=0) as ballast:
        for size in (65_536, 512):
            try:
                while ballast.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def free(folder, way):
    if way == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (folder / "ballast").unlink()


def event(name):
    return {"schema": "trad-array/event/1", "id": name, "level": "alarm", "state": "end", "note": "x" * 4_000}


def soon(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def bundle_fails(store):
    sound = np.random.default_rng(1).integers(-(2**15), 2**15, (4, 200_000)).astype(np.int16)
    clip = Clip("e0", (Captured(sound, 0, 48_000),), 0, 1, 200_000, is_whole=True)
    try:
        write_bundle(store.bundles, Evidence(event("e0"), [event("e0")], "", {}, clip=clip))
    except StoreError as trouble:
        return str(trouble)
    return "written"


def started_read_only(folder):
    """What a watch says that is started on a read-only disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        Store(folder / "kept").close()
    except StoreError as trouble:
        return str(trouble)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    return "started"


def main(folder, way):
    if way == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], check=True)
    found = {}
    store = Store(folder / "kept")
    heard = Heard()
    dispatcher = Dispatcher(store, [heard])
    names = [f"e{k}" for k in range(200)]
    for k, name in enumerate(names):
        if k == 20:
            fill(folder, way)
        dispatcher.dispatch(event(name))
    found["trouble"], found["waiting"] = store.trouble, store.waiting
    found["all heard while full"] = soon(lambda: heard.got == names)
    found["bundle"] = bundle_fails(store)
    found["left of the bundle"] = [p.name for p in store.bundles.iterdir()]
    free(folder, way)
    found["written when there is room"] = store.retry() and sorted(e.id for e in store.events()) == sorted(names)
    found["outbox empty"] = soon(lambda: store.outbox_size() == 0)
    dispatcher.close()
    store.close()
    fill(folder, way)
    with Store(folder / "kept") as store:
        for k in range(200):
            store.keep(event(f"second{k}"))
        found["second trouble"], found["second waiting"] = store.trouble, store.waiting
        free(folder, way)
        found["second written"] = store.retry() and len(store.events()) == 400
        found["notes"] = store.take_notes()
    if way == "mount":
        found["read-only"] = started_read_only(folder)
    db = sqlite3.connect(folder / "kept" / "watch.db")
    found["integrity"] = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main(Path(sys.argv[1]), sys.argv[2])
