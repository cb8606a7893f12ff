"""`trad-array localize` as a person and a program use it."""

import json
import struct

import numpy as np
import pytest
import soundfile

PACK = ("--layout", "pack-corners")
FIELDS = {
    *("schema", "id", "onset_s", "end_s", "onset_utc", "level", "score", "channels", "best", "cells", "p_elsewhere"),
    *("credible_set", "position_m", "tdoa_us", "layout", "model", "speed_of_sound_m_s"),
}


def png_size(path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_a_vent_is_one_event_with_all_fields(objects, vent):
    (event,) = objects("localize", vent, *PACK, "--json")
    assert set(event) >= FIELDS
    assert event["schema"] == "trad-array/event/1"
    assert (event["best"], event["level"], event["state"]) == ("R2C07", "alarm", "end")
    assert event["onset_s"] == pytest.approx(3.0, abs=0.1)
    assert event["end_s"] == pytest.approx(4.0, abs=0.3)
    assert event["onset_utc"] is None
    p = [cell["p"] for cell in event["cells"]]
    assert len(p) == 52
    assert p == sorted(p, reverse=True)
    assert sum(p) + event["p_elsewhere"] == pytest.approx(1.0, abs=1e-4)
    assert event["best"] in event["credible_set"]
    assert [c["mic"] for c in event["channels"]] == ["A", "B", "C", "D"]
    assert all(c["clipped"] is False and -45 < c["level_dbfs"] < -25 for c in event["channels"])
    assert len(event["tdoa_us"]) == 6
    assert len(event["position_m"]) == 3
    assert event["layout"] == {"id": "pack-corners", "provenance": "assumed"}
    assert event["model"] == "excess"
    # 343.2 * sqrt(298.15 / 293.15), ISO 9613-1 at the layout's 25 degrees
    assert event["speed_of_sound_m_s"] == pytest.approx(346.11, abs=0.01)


def test_words_for_a_person(cli, vent):
    code, out, err = cli("localize", vent, *PACK)
    assert code == 0
    assert "ALARM: cell R2C07" in out
    assert out.count("\n") == 1
    assert err == ""


def test_exit_codes(cli, vent, text, folder):
    assert cli("localize", vent, *PACK, "--fail-on", "alarm")[0] == 10
    code, out, err = cli("localize", text, vent, folder / "none.wav", *PACK)
    assert code == 4
    assert "R2C07" in out
    assert err.count("\n") == 2
    assert cli("localize", text, *PACK)[0] == 3
    assert cli("localize", vent, *PACK, "--fail-on", "smoke")[0] == 2
    assert cli("localize", vent, *PACK, "--heatmap", folder / "nowhere" / "x.png")[0] == 2


def test_each_bad_input_is_one_line(cli, vent, text, folder):
    soundfile.write(folder / "five.wav", np.zeros((1000, 5)), 16_000)
    (folder / "bad.toml").write_text("schema = 1\n")
    (folder / "late.txt").write_text("90\t91\tx\n")
    (folder / "model.npz").write_bytes(b"no model")
    bad = (
        ((text, *PACK), "expected WAV"),
        ((folder / "five.wav", *PACK), "expected 4 channels, found 5"),
        ((folder, *PACK), "found a folder"),
        ((vent, "--layout", "bad-name"), "expected a layout file or one of"),
        ((vent, "--layout", folder / "bad.toml"), "id: missing"),
        ((vent, *PACK, "--events", folder / "late.txt"), "found one at 90 s"),
        ((vent, *PACK, "--events", folder / "none.txt"), "cannot be read"),
        ((vent, *PACK, "--channel-map", "1,2"), "channel map: expected 4 channels"),
        ((vent, *PACK, "--temperature-c", "90"), "temperature_c: expected -20 to 50"),
        ((vent, *PACK, "--model", folder / "model.npz"), "model.npz"),
    )
    for arguments, said in bad:
        code, out, err = cli("localize", *arguments)
        assert (code, out) == (3, ""), err
        assert said in err
        assert err.count("\n") == 1
        assert err.startswith("trad-array: ")


def test_whole_and_labels(objects, vent, folder):
    (whole,) = objects("localize", vent, *PACK, "--events", "whole", "--json")
    assert (whole["onset_s"], whole["end_s"], whole["best"]) == (0.0, 6.0, "R2C07")
    (folder / "audacity.txt").write_text("3.0\t4.0\tvent\n")
    head, row = "Selection\tBegin Time (s)\tEnd Time (s)\n", "1\t3.0\t4.0\n"
    (folder / "raven.txt").write_text(head + row)
    for name in ("audacity.txt", "raven.txt"):
        (event,) = objects("localize", vent, *PACK, "--events", folder / name, "--json")
        assert (event["onset_s"], event["end_s"], event["best"]) == (3.0, 4.0, "R2C07")


def test_a_picture_for_each_event(cli, two_vents, tmp_path):
    code, out, _ = cli("localize", two_vents, *PACK, "--heatmap", tmp_path / "cells.png")
    assert code == 0
    assert out.count("R2C07") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells-2.png", "cells.png"]
    assert {png_size(p)[0] for p in tmp_path.iterdir()} == {1200}


def test_monitor_tells_the_same_event_until_it_ends(objects, vent):
    messages = objects("monitor", "--replay", vent, *PACK, "--fast", "--json")
    told = [message for message in messages if message["schema"] == "trad-array/event/1"]
    states = [event["state"] for event in told]
    assert (states[0], set(states[1:-1]), states[-1]) == ("new", {"update"}, "end")
    (event,) = objects("localize", vent, *PACK, "--json")
    assert {e["id"] for e in told} == {event["id"]}
    assert told[-1] == event
    (state,) = [message for message in messages if message["schema"] == "trad-array/state/1"]
    assert (state["level"], state["first_cell"]) == ("alarm", event["best"])


def test_heatmap_of_an_event_written_earlier(cli, vent, tmp_path):
    _, out, _ = cli("localize", vent, *PACK, "--json")
    (tmp_path / "events.jsonl").write_text(out)
    assert cli("heatmap", tmp_path / "events.jsonl", "-o", tmp_path / "again.png")[0] == 0
    assert png_size(tmp_path / "again.png")[0] == 1200
    (tmp_path / "bad.jsonl").write_text("[1, 2")
    code, _, err = cli("heatmap", tmp_path / "bad.jsonl", "-o", tmp_path / "bad.png")
    assert (code, err.count("\n")) == (3, 1)
    assert not (tmp_path / "bad.png").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("cells", 3), ("cells", [{"id": "R1C01"}]), ("p_elsewhere", float("nan")), ("onset_s", "soon"), ("tdoa_us", None)],
)
def test_an_event_with_other_values_is_one_line(cli, objects, vent, tmp_path, key, value):
    (event,) = objects("localize", vent, *PACK, "--json")
    for record in ({**event, key: value}, {k: v for k, v in event.items() if k != key}):
        (tmp_path / "e.json").write_text(json.dumps(record))
        code, _, err = cli("heatmap", tmp_path / "e.json", "-o", tmp_path / "e.png")
        assert (code, err.count("\n")) == (3, 1)
        assert err.startswith("trad-array: ")


def test_spectrograms_side_by_side(cli, vent, two_vents, tmp_path):
    assert cli("spectrogram", vent, two_vents, "-o", tmp_path / "both.png")[0] == 0
    assert png_size(tmp_path / "both.png")[0] >= 1200


def test_labels_with_one_onset_are_one_event_as_long_as_the_longest(objects, vent, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("3.0\t3.5\tpop\n3.0\t4.0\thiss\n")
    (event,) = objects("localize", vent, *PACK, "--events", labels, "--json")
    assert (event["best"], event["onset_s"], event["end_s"]) == ("R2C07", 3.0, 4.0)


def test_aligned_channels_of_each_event(cli, two_vents, tmp_path):
    code, _, err = cli("localize", two_vents, *PACK, "--aligned", tmp_path / "channels.png")
    assert code == 0, err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["channels-2.png", "channels.png"]
    assert {png_size(p) for p in tmp_path.iterdir()} == {(1200, 800)}


def test_an_event_without_a_map_has_no_aligned_channels(cli, vent, tmp_path):
    samples, fs = soundfile.read(vent)
    samples[:, 1:] = 0.0
    soundfile.write(tmp_path / "one.wav", samples, fs)
    arguments = ("localize", tmp_path / "one.wav", *PACK, "--events", "whole", "--aligned", tmp_path / "c.png")
    code, out, err = cli(*arguments)
    assert code == 0, err
    assert "not localizable" in out
    assert "not drawn: " in err
    assert not (tmp_path / "c.png").exists()


def test_monitor_says_an_update_to_people_only_when_it_says_something_else(cli, vent):
    _, out, _ = cli("monitor", "--replay", vent, *PACK, "--fast")
    lines = [line.split(" (after")[0].removeprefix("update").strip() for line in out.splitlines()]
    updates = [line for line in out.splitlines() if line.startswith("update")]
    assert 1 <= len(updates) <= 4
    assert len(set(lines)) == len(lines)
    assert "(after 0." in updates[0]


def test_cells_that_look_alike_to_the_array_are_named_at_the_start(cli, vent, tmp_path):
    shown = cli("layouts", "show", "pack-corners")[1]
    alike = shown.replace("pitch_m = 0.073", "pitch_m = 0.004").replace("row_pitch_m = 0.178", "row_pitch_m = 0.004")
    assert alike != shown
    (tmp_path / "alike.toml").write_text(alike)
    _, _, err = cli("localize", vent, "--layout", tmp_path / "alike.toml")
    assert "cannot tell all cells apart" in err
    assert "cannot tell all cells apart" not in cli("localize", vent, *PACK)[2]
