"""`trad-array evaluate --protocol libtrad` as a person runs it, and a scorer of one's own in its table."""

import json
from pathlib import Path

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec
from trad_array.learning.evaluation import system_result
from trad_array.learning.frames import read_corpus
from trad_array.learning.job import Watch
from trad_array.learning.options import TrainingOptions
from trad_array.learning.own import fit_own, own_features
from trad_array.learning.protocol import result_of, start_protocol, train_system
from trad_array.learning.scored import score_segments
from trad_array.plugins import make_scorer
from trad_array.scoring import load_model
from trad_array.testing import check_scorer
from trad_array_cli.main import run

OUTLIER = f"{Path(__file__).parents[2] / 'examples' / 'band_outlier.py'}:BandOutlier"
KURTOSIS = OUTLIER.replace("band_outlier.py:BandOutlier", "kurtosis.py:Kurtosis")


def command(*arguments):
    return run([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def out(data_folder, tmp_path_factory):
    """Results of the experiments on the small data set."""
    out = tmp_path_factory.mktemp("protocol") / "out"
    options = ["--scorers", "gaussian,ae,cnn", "--epochs", 2, "--seed", 3]
    assert command("evaluate", "--protocol", "libtrad", "--data", data_folder, *options, "-o", out) == 0
    return out


def test_tables_stand_beside_the_published_figures(out):
    told = (out / "table2.md").read_text()
    assert "not marked as simulated. 2 epochs, seed 3." in told
    main = [line.split(" | ") for line in told.partition("## ")[0].splitlines() if line.startswith("|")]
    rows = {first.removeprefix("| "): [cell.removesuffix(" |") for cell in others] for first, *others in main}
    assert rows["BEATs, `beats`"] == ["0.5173", "-", "-", "-"]
    assert rows["AE, `ae`"][0] == "0.5012"
    assert all(0.5 < float(cell) < 1.0 for cell in rows["AE, `ae`"])
    assert "0.9971 / 0.9876 / 0.9893" in told
    for split in ("random", "recording", "runaways"):
        assert f"## {split}: set by set" in told
    speeds = (out / "table3.md").read_text()
    assert "| EAT, `eat` | 1.84 | - |" in speeds
    assert "| AE, `ae` | 0.12 | 0.0" in speeds
    assert "## recording: false alarms a day at the threshold that detects so many events" in speeds
    assert "## random: false alarms" not in speeds


def test_everything_is_written_and_nothing_is_left_half_written(out):
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    models = {f"models/{k}-{w}.model" for k in ("gaussian", "ae", "cnn") for w in ("random", "recording", "runaways")}
    pictures = {"loss-ae.png", "loss-cnn.png", "spectrograms.png", "alarms-recording.png", "alarms-runaways.png"}
    assert written == models | pictures | {"table2.md", "table3.md", "results.json"}
    assert all((out / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert load_model(out / "models" / "ae-recording.model").scorer.features == FeatureSpec(front_end="absolute")


def test_figures_are_those_of_the_recordings_that_a_model_has_not_seen(out, dataset):
    """The table's figure again, from the model file and the names in it."""
    record = json.loads((out / "results.json").read_text())
    (told,) = [r for r in record["results"] if (r["system"], r["split"]) == ("gaussian", "recording")]
    model = load_model(out / "models" / "gaussian-recording.model")
    seen = set(model.provenance["training_recordings"]) | set(model.provenance["calibration_recordings"])
    assert 8 <= len(seen) < 12
    unseen = [segment for segment in dataset.segments if segment.name not in seen]
    scored, _ = score_segments(model, unseen)
    result = system_result(model, scored)
    assert [s["frame_auc"] for s in told["sets"]] == [s.frame_auc for s in result.sets]
    assert told["harmonic_mean"]["frame_pauc"] == result.harmonic_mean["frame_pauc"]
    assert told["alarm"]["at_recall"]["0.95"]["count"] == result.alarm.at_recall[0.95].count


def test_a_finished_model_is_not_trained_again(out, data_folder, capsys, tmp_path):
    again = ["evaluate", "--protocol", "libtrad", "--data", data_folder, "--epochs", 2, "--scorers", "ae"]
    before = json.loads((out / "results.json").read_text())
    copy = tmp_path / "copy"
    (copy / "models").mkdir(parents=True)
    for model in (out / "models").iterdir():
        (copy / "models" / model.name).write_bytes(model.read_bytes())
    assert command(*again, "--seed", 3, "-o", copy, "--json") == 0
    printed = capsys.readouterr()
    assert printed.err.count("fitted by the same experiment before") == 3
    after = json.loads(printed.out)
    assert after == json.loads((copy / "results.json").read_text())
    (first,) = [r["sets"] for r in before["results"] if (r["system"], r["split"]) == ("ae", "random")]
    assert [r["sets"] for r in after["results"] if r["split"] == "random"] == [first]
    assert command(*again, "--seed", 4, "--splits", "recording", "-o", copy) == 0
    assert "fitted by the same experiment before" not in capsys.readouterr().err


class Stop(Exception):
    """Stands for Ctrl-C."""


def test_an_interrupted_run_goes_on_after_its_last_epoch(dataset, tmp_path):
    options = TrainingOptions(features=FeatureSpec(front_end="absolute"), epochs=3)
    notes = []

    def stop(done, _total, _loss):
        if done == 2:
            raise Stop

    protocol = start_protocol(dataset, options, tmp_path, seed=1)
    with pytest.raises(Stop):
        train_system(protocol, "ae", "random", watch=Watch(epoch=stop))
    assert [path.name for path in tmp_path.iterdir()] == ["ae-random.model.checkpoint"]
    resumed = train_system(protocol, "ae", "random", watch=Watch(note=notes.append))
    assert [note.partition(": ")[2] for note in notes] == ["going on after epoch 2"]
    assert [path.name for path in tmp_path.iterdir()] == ["ae-random.model"]
    (tmp_path / "other").mkdir()
    unbroken = train_system(start_protocol(dataset, options, tmp_path / "other", seed=1), "ae", "random")
    assert resumed.losses == unbroken.losses


def test_simulated_data_is_called_simulated(longer, tmp_path, capsys):
    data = tmp_path / "data"
    for segment in longer.segments:
        for file in segment.files:
            target = data / file.relative_to(longer.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        truth = dict(segment.known()) | {"simulated": True, "snr_db": 3.0}
        (data / f"{segment.name}_truth.json").write_text(json.dumps(truth))
    arguments = ["--data", data, "--scorers", f"gaussian,{OUTLIER},{KURTOSIS}", "-o", tmp_path / "out"]
    assert command("evaluate", "--protocol", "libtrad", *arguments) == 0
    printed = capsys.readouterr().out
    assert "recordings, simulated. 200 epochs" in printed
    assert "least of all with simulated sound" in printed
    assert f"| `{OUTLIER}` | - | " in printed
    assert "## recording: false alarms a day by SNR" in printed
    assert {path.name for path in (tmp_path / "out" / "models").iterdir()} == {
        f"gaussian-{way}.model" for way in ("random", "recording", "runaways")
    }


def test_a_scorer_of_ones_own_is_fitted_and_calibrated_like_the_others(longer, tmp_path):
    check_scorer(make_scorer(OUTLIER))
    protocol = start_protocol(longer, TrainingOptions(), tmp_path, seed=1)
    trained = train_system(protocol, OUTLIER, "recording")
    check_scorer(trained.detector.scorer)
    assert trained.detector.scorer.level.shape == (64,)
    result = result_of(protocol, OUTLIER, "recording", trained)
    # Decibels above the floor and a strong hiss: hardly a mistake.
    assert all(s.true_frame_auc > 0.95 for s in result.sets)
    assert result.alarm.at_recall[0.95].count == 0
    assert list(tmp_path.iterdir()) == []
    normal = longer.of("normal")
    features = own_features(OUTLIER)
    own = fit_own(OUTLIER, read_corpus(normal[:6], features), read_corpus(normal[6:], features))
    scored, _ = score_segments(own, normal[6:])
    assert abs(np.median(np.concatenate([s.values.ravel() for s in scored]))) < 0.2


OWN = """
import numpy as np
from trad_array.features import FeatureSpec

class Plain:
    features, context = FeatureSpec(front_end="absolute"), 1
    def score(self, log_mel):
        return log_mel.mean(axis=(-1, -2))

class Fails(Plain):
    @classmethod
    def fit(cls, normal_frames):
        raise ZeroDivisionError("no luck")

class Changes(Plain):
    @classmethod
    def fit(cls, normal_frames):
        found = cls()
        found.features = FeatureSpec(n_mels=32)
        return found

class Flat(Plain):
    def score(self, log_mel):
        return log_mel.mean()

class Nan(Plain):
    def score(self, log_mel):
        scores = super().score(log_mel)
        scores[1, 3] = np.nan
        return scores

class Crashes(Plain):
    def score(self, log_mel):
        raise IndexError("too far")

class Needs(Plain):
    def __init__(self, weights):
        pass
"""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Fails", "own.py:Fails: its fit failed: ZeroDivisionError: no luck"),
        ("Changes", "own.py:Changes: expected its fit to give a scorer with the same features, found Changes"),
        ("Flat", r"own.py:Flat: expected scores of shape \(2, 61\), found \(\)"),
        ("Nan", "own.py:Nan: normal/set1_0002: expected finite scores, found nan in frame 3 of channel 2"),
        ("Crashes", "own.py:Crashes: cannot score: IndexError: too far"),
        ("Needs", "own.py:Needs: expected a class that needs no arguments"),
        ("Missing", "expected a class 'Missing' in .*own.py, found NoneType"),
    ],
)
def test_a_scorer_of_ones_own_that_cannot_be_used_is_named(dataset, tmp_path, name, says):
    (tmp_path / "own.py").write_text(OWN)
    normal = dataset.of("normal")
    where = f"{tmp_path}/own.py:{name}"
    corpora = [read_corpus(part, FeatureSpec(front_end="absolute")) for part in (normal[:2], normal[2:4])]
    with pytest.raises(ConfigError, match=says):
        fit_own(where, *corpora)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--scorers", "wizard", "-o", "x"], 3, "scorer: expected one of gaussian"),
        (["--scorers", "none.py:Wizard", "-o", "x"], 3, "none.py: expected a Python file, found none"),
        (["--splits", "coin", "-o", "x"], 2, "--splits: expected some of random, recording, runaways, found coin"),
        ([], 2, "--protocol needs -o OUTDIR"),
        (["--model", "a.model", "-o", "x"], 2, "Expected either --model FILE or --protocol libtrad, found both"),
        (["--plot", "a.png", "-o", "x"], 2, "--plot does not go with --protocol"),
    ],
)
def test_wrong_options_are_told_before_anything_is_done(
    data_folder, tmp_path, monkeypatch, capsys, arguments, code, says
):
    monkeypatch.chdir(tmp_path)
    assert command("evaluate", "--protocol", "libtrad", "--data", data_folder, *arguments) == code
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_options_of_the_protocol_do_not_go_with_a_model(data_folder, capsys):
    assert command("evaluate", "--model", "a.model", "--epochs", 3, "--data", data_folder) == 2
    assert "--epochs does not go with --model" in capsys.readouterr().err
    assert command("evaluate", "--data", data_folder) == 2
    assert "Expected either --model FILE or --protocol libtrad, found neither" in capsys.readouterr().err


def test_a_folder_too_small_for_a_split_is_told(tmp_path, make_dataset, capsys):
    root = make_dataset(tmp_path / "data", n_normal=6, n_abnormal=2, sets=("set1",), seconds=0.6)
    arguments = ["evaluate", "--protocol", "libtrad", "--data", root, "--scorers", "gaussian", "-o", tmp_path / "out"]
    assert command(*arguments) == 0
    printed = capsys.readouterr()
    assert "passed over" in printed.err
    assert "split 'runaways': expected at least 2 sets of abnormal recordings, found 1" in printed.out
    assert command(*arguments[:-1], tmp_path / "no", "--splits", "runaways") == 3
    assert not list((tmp_path / "no").rglob("*.md"))
