"""Folders in LiB-TRAD form, and scenes on disk."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from trad_array.errors import AudioError, ConfigError
from trad_array.learning.dataset import find_dataset
from trad_array.simulation import dataset, save_scene, simulate_dataset, simulate_scene

FS = 16_000


def make(layout, folder, *, count=1, seed=7, **settings):
    rng = np.random.default_rng(seed)
    return simulate_dataset(layout, folder, count=count, rng=rng, **{"seconds": 3.0, **settings})


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_has_the_form_of_the_data_set(row, tmp_path):
    assert make(row, tmp_path, count=2) == 4
    expected = {f"{label}/s000{n}_ch{c}.wav" for label in ("normal", "abnormal") for n in (1, 2) for c in (1, 2, 3, 4)}
    expected |= {f"{label}/s000{n}_truth.json" for label in ("normal", "abnormal") for n in (1, 2)}
    assert set(contents(tmp_path)) == expected
    info = soundfile.info(tmp_path / "abnormal/s0001_ch3.wav")
    assert (info.channels, info.samplerate, info.frames, info.subtype) == (1, FS, 3 * FS, "PCM_16")


def test_the_library_reads_it_back(row, tmp_path):
    make(row, tmp_path, count=3, sets=True, snr_db=(0.0, 5.0))
    found = find_dataset(tmp_path)
    assert dict(found.counts()) == {"normal": 3, "abnormal": 3}
    assert [segment.set_name for segment in found.of("abnormal")] == ["set1", "set2", "set3"]
    for segment in found.segments:
        truth = json.loads(segment.truth.read_text())
        assert truth["set"] == int(segment.set_name[-1])
        assert truth["kind"] == ("vent" if segment.label == "abnormal" else "normal")
        if segment.label == "abnormal":
            assert truth["cell"] in row.cell_names
            assert 0.0 <= truth["snr_db"] <= 5.0
            onset_s, end_s = segment.true_times_s()
            assert 0.0 < onset_s < end_s < 3.0
    assert len({json.loads(s.truth.read_text())["rt60_requested_s"] for s in found.segments}) == 3


def test_a_segment_does_not_depend_on_how_many_there_are(row, tmp_path):
    make(row, tmp_path / "one")
    make(row, tmp_path / "two", count=2)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one.items() <= two.items()
    assert one["normal/s0001_ch1.wav"] != two["normal/s0002_ch1.wav"]


def test_a_second_run_makes_only_what_is_missing_or_other(row, tmp_path):
    assert make(row, tmp_path, count=2) == 4
    before = contents(tmp_path)
    (tmp_path / "abnormal/s0002_ch4.wav").unlink()
    (tmp_path / "normal/s0001_truth.json").write_text("{")
    assert make(row, tmp_path, count=2) == 2
    assert contents(tmp_path) == before
    assert make(row, tmp_path, count=2, seed=8) == 4
    moved = dataclasses.replace(row, mics=row.mics + [0.0, 0.0, 0.1])
    assert make(moved, tmp_path, count=2, seed=8) == 4


def test_an_interruption_leaves_no_half_files(row, tmp_path, monkeypatch):
    whole = dataset.write_recording
    written = []

    def stop_at_the_tenth(path, samples, **more):
        if len(written) == 9:
            raise KeyboardInterrupt
        written.append(path)
        whole(path, samples, **more)

    monkeypatch.setattr(dataset, "write_recording", stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        make(row, tmp_path, count=2)
    assert not list(tmp_path.rglob("*.part"))
    assert len(list(tmp_path.rglob("*_truth.json"))) == 2
    monkeypatch.undo()
    assert make(row, tmp_path, count=2) == 2
    make(row, tmp_path / "straight", count=2)
    straight = contents(tmp_path / "straight")
    assert {name: data for name, data in contents(tmp_path).items() if "straight" not in name} == straight


def test_progress_counts_to_the_end(row, tmp_path):
    seen = []
    make(row, tmp_path, count=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("settings", [{"count": 0}, {"snr_db": (5.0, -5.0)}])
def test_a_folder_that_cannot_be_is_refused_before_it_is_made(row, tmp_path, settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        make(row, tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


def test_a_saved_scene_has_each_microphone_in_its_channel(row, tmp_path):
    scene = simulate_scene(row, rng=np.random.default_rng(1), cell="R1C03", seconds=2.0)
    truth_path = save_scene(tmp_path / "event.wav", scene, channels=(3, 1, 2, 6), more={"seed": 1})
    assert truth_path == tmp_path / "event.truth.json"
    assert json.loads(truth_path.read_text()) == scene.truth | {"seed": 1}
    samples, fs = soundfile.read(tmp_path / "event.wav", always_2d=True)
    assert (fs, samples.shape) == (FS, (2 * FS, 6))
    assert np.abs(samples[:, [2, 0, 1, 5]].T - scene.recording.samples).max() <= 1 / 32768
    assert not samples[:, [3, 4]].any()


def test_a_saved_scene_needs_a_known_suffix(row, tmp_path):
    scene = simulate_scene(row, rng=np.random.default_rng(1), seconds=1.0)
    with pytest.raises(AudioError, match="expected a name ending in .wav"):
        save_scene(tmp_path / "event.mp3", scene, channels=row.mic_channels)
    assert not list(tmp_path.iterdir())
