"""What the tables of the guide say of layouts and messages is so."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from trad_array.alarm.retention import Deletion, Plan, carry_out
from trad_array.alarm.state import AlarmState, Change
from trad_array.alarm.store import Store
from trad_array.monitor.messages import change_json, heartbeat_json, notice_json, state_message
from trad_array.records import Fault
from trad_array_geometry import load_layout

DOCS = Path(__file__).parents[1] / "docs"
ORIGIN = {"source": "USB", "started_at": datetime(2026, 1, 1, tzinfo=UTC)}


def rows(page, heading=""):
    """Cells of all rows of the first table after a heading."""
    text = (DOCS / page).read_text(encoding="utf-8").split(heading, 1)[1] if heading else (DOCS / page).read_text()
    table = re.search(r"^\|.*?\n\n", text + "\n\n", flags=re.DOTALL | re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].strip().splitlines()[2:]]


def messages():
    """One of each kind that the watch itself makes."""
    layout = load_layout("pack-corners")
    change = Change("fault", 3.0, "fault:mic-silent:C", "microphone C is digitally silent")
    return {
        "raised": change_json(change, layout, **ORIGIN),
        "noticed": notice_json(Fault("dead", at=16_000, channel=2, detail="silent"), layout, fs=16_000, **ORIGIN),
        "action": change_json(Change("ack", 3.0, "cell:R1C01", "acknowledged", "Ada"), layout, **ORIGIN),
        "state": state_message(AlarmState(), [change], now_s=3.0, **ORIGIN),
        "heartbeat": heartbeat_json(AlarmState(), now_s=3.0, array={"sound_until_s": 3.0, "mics": []}, **ORIGIN),
    }


def deleted(folder):
    """What retention tells when it lets go of entries of the log."""
    with Store(folder) as store:
        (message,) = carry_out(store, Plan((Deletion(None, "log", "log", 3, 0, "old"),)))
    return message


@pytest.mark.parametrize("kind", ["raised", "noticed", "action", "state", "heartbeat", "deletion"])
def test_the_page_names_the_fields_of_a_message(kind, tmp_path):
    message = deleted(tmp_path) if kind == "deletion" else messages()[kind]
    named = {name for row in rows("watch.md", f"### `{message['schema']}`") for name in re.findall(r"`(\w+)", row[0])}
    # Only deletions of what no output took name an output.
    assert named - {"output"} == set(message) - {"schema"}


@pytest.mark.parametrize("row", rows("mount.md"), ids=lambda row: row[0])
def test_the_page_says_where_the_microphones_of_a_layout_are(row):
    layout = load_layout(row[0].strip("`"))
    above_mm = 1000 * (layout.mics[:, 2] - layout.cells[:, 2].max())
    assert [int(cell) for cell in row[3:]] == pytest.approx(above_mm, abs=0.5)
    half_m = np.array([0.072, 0.174]) / 2
    low, high = layout.cells[:, :2].min(axis=0) - half_m, layout.cells[:, :2].max(axis=0) + half_m
    beside_mm = 1000 * np.maximum(low - layout.mics[:, :2], layout.mics[:, :2] - high)
    said = [int(number) for number in re.findall(r"\d+", row[2])]
    assert (said[0], said[-1]) == pytest.approx((beside_mm.min(), beside_mm.max()), abs=0.5)
    # Counterclockwise from the front left corner, as the page says.
    right, back = (layout.mics[:, :2] > layout.cells[:, :2].mean(axis=0)).T
    assert [*zip(right, back, strict=True)] == [(False, False), (True, False), (True, True), (False, True)]
