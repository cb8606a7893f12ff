"""Power cut and full disk: real processes killed, a real disk filled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# How a test may come by a disk of its own: as anybody in a namespace, as root, as somebody who may become root.
WAYS = (["unshare", "--map-root-user", "--mount"], ["unshare", "--mount"], ["sudo", "-n", "-E", "unshare", "--mount"])


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def way_to_mount():
    """The first way in which a disk can be mounted here, or None in a sandbox that allows no mounts at all."""
    trial = ["sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    for way in WAYS:
        try:
            if subprocess.run([*way, *trial], capture_output=True, check=False).returncode == 0:
                return way
        except FileNotFoundError:
            continue
    return None


MOUNT = way_to_mount()


def test_killed_a_hundred_times_nothing_announced_is_lost_and_nothing_is_half(tmp_path):
    found = run([sys.executable, HERE / "killed.py", tmp_path, "20260101", "100"])
    assert found["wrong"] == []
    # The kills were where it matters: after announcements, within bundles, and before anything was heard.
    assert found["announced"] >= 75
    assert found["in_a_bundle"] >= 10
    assert found["silent"] >= 1


@pytest.mark.parametrize("way", ["limit"] if MOUNT is None else ["limit", "mount"])
def test_with_a_full_disk_everything_is_announced_and_written_when_there_is_room(tmp_path, way):
    found = run([*(MOUNT if way == "mount" else []), sys.executable, HERE / "full_disk.py", tmp_path, way])
    cause = "the disk is full" if way == "mount" else "disk I/O error"
    for which in ("", "second "):
        assert cause in found[f"{which}trouble"]
        assert f"{found[f'{which}waiting']} writes wait in memory" in found[f"{which}trouble"]
        assert found[f"{which}waiting"] > 10
    assert found["all heard while full"]
    assert "cannot be written" in found["bundle"]
    assert found["left of the bundle"] == []
    assert found["written when there is room"]
    assert found["outbox empty"]
    assert found["second written"]
    assert found["notes"] == []
    assert found["integrity"] == "ok"
    if way == "mount":
        assert "kept: cannot keep events there: Read-only file system" in found["read-only"]


@pytest.mark.parametrize("way", ["limit"] if MOUNT is None else ["limit", "mount"])
def test_on_a_full_disk_what_was_told_to_be_deleted_is_gone_and_nothing_is_left_behind(tmp_path, way):
    found = run([*(MOUNT if way == "mount" else []), sys.executable, HERE / "full_retention.py", tmp_path, way])
    bundles = {"e1", "e2", "e3"}
    told = set()
    for once in (*found["full"], found["freed"]):
        told |= set(once["told"])
        assert set(once["folders"]) == bundles - told
    if way == "mount":
        # Each run makes room, which the log takes first.
        assert all(once["told"] for once in found["full"])
    assert (found["freed"]["folders"], found["rows"]) == ([], [])
    assert sorted(found["logged"]) == ["e1", "e2", "e3"]
