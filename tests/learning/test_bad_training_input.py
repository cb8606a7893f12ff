"""What cannot be trained on or tested with is said in one line, and nothing half written stays behind."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trad_array.errors import AudioError, ConfigError
from trad_array.learning.checks import Suspects, find_suspects
from trad_array.learning.dataset import Segment, find_dataset
from trad_array.learning.evaluation import evaluate
from trad_array.learning.job import Watch
from trad_array.learning.training import fit, train_to_file
from trad_array.scoring.model_file import Model
from trad_array_cli.main import run


def command(*arguments):
    return run([str(argument) for argument in arguments])


def one_line(capsys):
    """The last line on standard error, without a traceback before it."""
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert printed.out == ""
    return printed.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("classes", "arguments", "says"),
    [
        ("normal", ["train", "--scorer", "cnn", "-o", "x.model"], "abnormal: expected abnormal segments, found none"),
        ("abnormal", ["train", "--scorer", "ae", "-o", "x.model"], "normal: expected normal segments, found none"),
        ("normal", ["evaluate", "--protocol", "libtrad", "-o", "out"], "expected abnormal segments, found none"),
        ("abnormal", ["evaluate", "--protocol", "libtrad", "-o", "out"], "expected normal segments, found none"),
    ],
)
def test_a_folder_with_one_class_only(tmp_path, monkeypatch, make_dataset, capsys, classes, arguments, says):
    monkeypatch.chdir(tmp_path)
    counts = {"n_normal": 0, "n_abnormal": 0, f"n_{classes}": 4}
    make_dataset(tmp_path / "d", seconds=0.3, **counts)
    assert command(*arguments, "--data", "d") == 3
    assert says in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_clips_of_a_lower_rate_than_others(tmp_path, make_dataset, make_noise, make_segment, rng, quick, capsys):
    root = make_dataset(tmp_path / "d", seconds=0.3)
    make_segment(root / "normal", "set1_0099", make_noise(rng, n_channels=2, seconds=0.3)[:, ::2], fs=8_000)
    says = r"expected one sample rate, or all of at least 16000 Hz, found 1 at 8000 Hz \(such as normal/set1_0099\), 20"
    with pytest.raises(AudioError, match=says):
        fit("gaussian", find_dataset(root), quick, rng=rng)
    for arguments in (["train", "--scorer", "ae", "-o", tmp_path / "x.model"],
                      ["evaluate", "--protocol", "libtrad", "-o", tmp_path / "out"]):  # fmt: skip
        assert command(*arguments, "--data", root) == 3
        assert "found 1 at 8000 Hz" in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_clips_of_higher_rates_may_be_mixed(tmp_path, make_dataset, make_noise, make_segment, rng, quick):
    root = make_dataset(tmp_path / "d", seconds=0.3)
    make_segment(root / "normal", "set1_0099", make_noise(rng, n_channels=2, seconds=0.9), fs=48_000)
    model = fit("gaussian", find_dataset(root), quick, rng=rng).model
    assert evaluate(model, find_dataset(root)).left_out == 11


def test_too_little_normal_sound(tmp_path, make_dataset, quick, rng):
    data = find_dataset(make_dataset(tmp_path / "d", n_normal=3, sets=("set1",), seconds=0.1))
    with pytest.raises(AudioError, match=r"too little normal sound: expected at least 0.5 s to fit on, found 0.06 s"):
        fit("gaussian", data, quick, rng=rng)


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_hostile_checkpoint_is_not_run(dataset, quick, tmp_path):
    path, mark, notes = tmp_path / "a.model", tmp_path / "mark", []
    path.with_name("a.model.checkpoint").write_bytes(pickle.dumps(Touch(mark)))
    train_to_file("ae", dataset, quick, path, rng=np.random.default_rng(1), watch=Watch(note=notes.append))
    assert not mark.exists()
    assert len(notes) == 1
    assert "damaged checkpoint (UnpicklingError), starting anew" in notes[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.model"]


def test_a_hostile_model_is_not_run(data_folder, tmp_path, capsys):
    path, mark = tmp_path / "a.model", tmp_path / "mark"
    for content in (pickle.dumps(Touch(mark)), b""):
        path.write_bytes(content)
        assert command("evaluate", "--model", path, "--data", data_folder) == 3
        assert f"{path}: expected a trad-array model file, found something else" in one_line(capsys)
    np.savez(tmp_path / "b.npz", allow_pickle=True, meta=np.array([Touch(mark)], dtype=object))
    assert command("evaluate", "--model", tmp_path / "b.npz", "--data", data_folder) == 3
    assert "expected a trad-array model file" in one_line(capsys)
    assert not mark.exists()


def test_a_checkpoint_of_another_kind_is_not_taken_up(dataset, quick, tmp_path):
    def stop(_done, _total, _loss):
        raise KeyboardInterrupt

    path, notes = tmp_path / "a.model", []
    with pytest.raises(KeyboardInterrupt):
        train_to_file("ae", dataset, quick, path, rng=np.random.default_rng(1), watch=Watch(epoch=stop))
    train_to_file("attention-ae", dataset, quick, path, rng=np.random.default_rng(1), watch=Watch(note=notes.append))
    assert notes == [f"{path}.checkpoint: checkpoint of other settings or other data, starting anew"]


def test_vents_in_normal_sound_are_reported_not_removed(tmp_path, make_dataset, quick, capsys):
    root = make_dataset(tmp_path / "d", n_normal=60, n_abnormal=4, sets=("set1",), seconds=1.0, seed=5)
    for n, vent in ((3, 0), (11, 1)):
        for channel in (1, 2):
            (root / "abnormal" / f"set1_000{vent}_ch{channel}.wav").rename(
                root / "normal" / f"set1_{n:04}_ch{channel}.wav"
            )
        (root / "abnormal" / f"set1_000{vent}_truth.json").unlink()
    data = find_dataset(root)
    told = {name: 0 for name in ("normal/set1_0003", "normal/set1_0011")}
    for seed in range(4):
        fitted = fit("gaussian", data, quick, rng=np.random.default_rng(seed))
        tested = evaluate(fitted.model, data)
        seen = fitted.model.provenance["training_recordings"] | fitted.model.provenance["calibration_recordings"]
        # Every one of them is told of where it is met, if there are others to compare it with, and no other is.
        assert set(fitted.suspects.names) == told.keys() & seen.keys()
        assert set(tested.suspects.names) <= told.keys() - seen.keys()
        assert fitted.suspects.n == len(seen) == 48
        for name in told.keys() & seen.keys():
            told[name] += 1
    assert min(told.values()) > 0
    train = ["train", "--scorer", "gaussian", "--front-end", "absolute", "--data", root, "-o", tmp_path / "a.model"]
    assert command(*train) == 0
    err = capsys.readouterr().err
    assert "of 48 clips look abnormal among the normal ones, is there a vent in them? normal/set1_00" in err


def test_normal_sound_raises_no_suspicion(longer, quick):
    fitted = fit("gaussian", longer, quick, rng=np.random.default_rng(1))
    assert fitted.suspects.names == ()
    assert evaluate(fitted.model, longer).suspects.line() is None


def test_who_stands_out_is_found_in_each_set():
    segments = [Segment(f"normal/{s}_{n}", "normal", s, ()) for s in ("set1", "set2", "set3") for n in range(20)]
    levels = np.concatenate([np.linspace(2, 3, 20), np.linspace(40, 44, 20), np.linspace(2, 3, 20)])
    assert find_suspects(segments, levels).names == ()
    levels[[7, 33]] = 12.0, 80.0
    found = find_suspects(segments, levels)
    assert found.names == ("normal/set2_13", "normal/set1_7")
    assert found.line() == (
        "2 of 60 clips look abnormal among the normal ones, is there a vent in them? normal/set2_13, normal/set1_7"
    )
    assert "a, b, c, d, e and 2 more" in Suspects(tuple("abcdefg"), 400).line()
    assert find_suspects(segments[:4], np.array([1.0, 1.0, 1.0, 99.0])).names == ()


class Nan:
    """A scorer that gives NaN for a loud frame, as a division by zero would."""

    context = 1

    def __init__(self, features):
        self.features = features

    def score(self, log_mel):
        scores = log_mel[:, :, -1, 30:].mean(axis=-1).astype(np.float64)
        return np.where(scores > -45.0, np.nan, scores)


def test_nan_scores_name_the_scorer_and_the_recording(dataset, quick, rng):
    model = fit("gaussian", dataset, quick, rng=rng).model
    broken = Model(kind="broken", scorer=Nan(quick.features), calibration=model.calibration, provenance={})
    with pytest.raises(ConfigError, match=r"^scorer broken: abnormal/set1_0000: expected finite scores, found nan in"):
        evaluate(broken, dataset)


def test_a_recording_that_a_scorer_has_no_number_for_stops_training(tmp_path, make_dataset, quick, monkeypatch, capsys):
    """Weights that have grown to infinity: the scorer is broken, not the recordings."""
    from trad_array.scoring.gaussian import Gaussian

    root = make_dataset(tmp_path / "d", seconds=0.5)
    whole = Gaussian.score
    monkeypatch.setattr(Gaussian, "score", lambda self, log_mel: whole(self, log_mel) * np.inf)
    arguments = ["train", "--scorer", "gaussian", "--front-end", "absolute", "--data", root]
    assert command(*arguments, "-o", tmp_path / "a.model") == 3
    assert "scorer gaussian: normal/set" in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_damaged_recording_is_named_by_the_protocol(tmp_path, make_dataset, capsys):
    root = make_dataset(tmp_path / "d", n_normal=20, n_abnormal=6, sets=("set1",), seconds=0.6)
    soundfile.write(root / "normal" / "set1_0004_ch1.wav", np.full(9600, np.nan), 16_000, subtype="FLOAT")
    arguments = ["--scorers", "gaussian", "--splits", "recording", "--data", root]
    assert command("evaluate", "--protocol", "libtrad", *arguments, "-o", tmp_path / "out") == 4
    printed = capsys.readouterr()
    assert "left out: normal/set1_0004: expected numbers, found nan" in printed.err
    assert "# Table 2" in printed.out
