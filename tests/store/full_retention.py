"""Let bundles go on a full disk, and print what happened as one JSON object; called as `full_disk.py`."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from full_disk import event, fill, free

from trad_array.alarm.disk import write_file
from trad_array.alarm.retention import RetentionRule, carry_out, plan_retention, take_inventory
from trad_array.alarm.store import Store
from trad_array.errors import StoreError


def attempt(store, rule):
    """One run of retention, as a watch does it every few minutes."""
    now = datetime.now(UTC)
    told = []

    def tell(message):
        told.append(message["event"])
        store.keep(message)

    try:
        carry_out(store, plan_retention(rule, take_inventory(store, rule, now=now), now=now), tell=tell)
        said = ""
    except StoreError as trouble:
        said = str(trouble)
    return {"told": sorted(told), "said": said, "folders": sorted(p.name for p in store.bundles.iterdir())}


def main(folder, way):
    if way == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], check=True)
    found = {}
    with Store(folder / "kept") as store:
        for k in range(150):
            store.keep(event(f"e{k}"))
        for name in ("e1", "e2", "e3"):
            (store.bundles / name).mkdir()
            write_file(store.bundles / name / "clip.flac", bytes(500_000))
            write_file(store.bundles / name / "event.json", json.dumps(event(name)).encode())
            store.set_bundle(name, store.bundles / name)
        fill(folder, way)
        # The journal may still have room inside.
        more = iter(range(3_000))
        while store.trouble is None:
            store.keep(event(f"more{next(more)}"))
        rule = replace(RetentionRule(), ceiling_bytes=0)
        found["full"] = [attempt(store, rule), attempt(store, rule)]
        free(folder, way)
        found["freed"] = store.retry() and attempt(store, rule)
        found["rows"] = [e.id for e in store.events() if e.bundle is not None]
        found["logged"] = [e.record["event"] for e in store.log(kinds=["deletion"])]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
