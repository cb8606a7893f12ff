"""`trad-array train` and `trad-array evaluate` as a person runs them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from trad_array.scoring import load_model
from trad_array_cli.main import run


def command(*arguments):
    return run([str(argument) for argument in arguments])


@pytest.fixture
def trained(data_folder, tmp_path, capsys):
    """Function: a model trained by the command on the small data set, and what it printed."""

    def train(kind, *more):
        path = tmp_path / f"{kind}.model"
        options = ["--epochs", 2, "--front-end", "absolute", "--seed", 3, *more]
        assert command("train", "--scorer", kind, "--data", data_folder, "-o", path, *options) == 0
        return path, capsys.readouterr()

    return train


def test_train_writes_a_model_a_picture_and_a_summary(trained, tmp_path):
    path, printed = trained("attention-ae", "--json")
    (summary,) = [json.loads(line) for line in printed.out.splitlines()]
    assert summary["schema"] == "trad-array/training/1"
    assert summary["kind"] == "attention-ae"
    assert summary["provenance"]["seed"] == 3
    assert len(summary["provenance"]["losses"]) == 2
    picture = tmp_path / "attention-ae-loss.png"
    assert summary["loss_curve"] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "fitted on 9 normal and 0 abnormal recordings, calibrated on 1, loss" in printed.err
    assert load_model(path).provenance["counts"] == summary["provenance"]["counts"]
    assert {entry.name for entry in tmp_path.iterdir()} == {"attention-ae.model", "attention-ae-loss.png"}


def test_gaussian_has_no_loss_curve(trained, tmp_path):
    _, printed = trained("gaussian", "--json")
    assert json.loads(printed.out)["loss_curve"] is None
    assert {entry.name for entry in tmp_path.iterdir()} == {"gaussian.model"}


def test_attention_over_a_batch_warns(trained):
    path, printed = trained("attention-ae", "--attention", "batch", "--json")
    assert "trad-array: warning: attention over a batch" in printed.err
    assert json.loads(printed.out)["streamable"] is False
    assert load_model(path).scorer.settings()["attention"] == "batch"


def test_evaluate_prints_tables_like_the_papers(trained, data_folder, capsys):
    gaussian, _ = trained("gaussian")
    cnn, _ = trained("cnn")
    assert command("evaluate", "--model", gaussian, "--model", cnn, "--data", data_folder) == 0
    printed = capsys.readouterr()
    assert f"{gaussian}: 10 of 20 recordings left out, the model has seen them" in printed.err
    assert f"{cnn}: 16 of 20 recordings left out, the model has seen them" in printed.err
    tables = printed.out.split("\n\n")
    assert [table.splitlines()[0].split(",")[0] for table in tables] == [
        "AUC of frames",
        "The same up to a false positive rate of 0.1",
        "AUC of recordings",
        "AUC of frames",
        "Alarms of the chain's default trigger",
        "False alarms a day at the threshold that detects so many events (exact 95 % interval)",
        "Latency and event F1 of the chain's default trigger",
        "Which normal sound fools it",
        "Published for the LiB-TRAD data set: other data",
    ]
    assert tables[0].splitlines()[1].split() == ["system", "set1", "set2", "harmonic", "mean"]
    assert tables[0].splitlines()[2].split()[0] == str(gaussian)
    assert "0.9971  0.9876  0.9893" in tables[-1]


def test_evaluate_as_json(trained, data_folder, capsys):
    path, _ = trained("attention-ae", "--attention", "batch")
    assert command("evaluate", "--model", path, "--data", data_folder, "--json") == 0
    result, published = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [s["set_name"] for s in result["sets"]] == ["set1", "set2"]
    assert all(0.0 <= s["frame_auc"] <= 1.0 for s in result["sets"])
    assert result["settings"]["attention"] == "batch"
    assert result["false_alarms"] is None
    assert {system["system"]: system["harmonic_mean"] for system in published["systems"]}["attention-AE"] == 0.6291


@pytest.fixture
def told(data_folder, tmp_path):
    """The small data set with more in its truths: levels of the hisses, and two normal recordings that are tools."""
    root = tmp_path / "told"
    shutil.copytree(data_folder, root)
    for n, truth in enumerate(sorted((root / "abnormal").glob("*.json"))):
        truth.write_text(json.dumps(json.loads(truth.read_text()) | {"kind": "vent", "snr_db": [-5.0, 5.0][n % 2]}))
    for name in ("set1_tool", "set2_tool"):
        for channel in (1, 2):
            shutil.copy(
                root / "abnormal" / f"{name[:4]}_0000_ch{channel}.wav", root / "normal" / f"{name}_ch{channel}.wav"
            )
        (root / "normal" / f"{name}.truth.json").write_text(json.dumps({"kind": "air-tool"}))
    return root


def test_evaluate_tells_what_an_alarm_is_judged_by(trained, told, tmp_path, capsys):
    path, _ = trained("gaussian")
    picture = tmp_path / "alarms.png"
    assert command("evaluate", "--model", path, "--data", told, "--plot", picture, "--json") == 0
    result, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert picture.read_bytes().startswith(b"\x89PNG")
    alarm = result["alarm"]
    # Two tools that hiss like vents, in the four normal recordings of 2 s that are left.
    rate = alarm["at_recall"]["0.95"]
    assert (rate["n_events"], rate["recall"]) == (8, 1.0)
    assert rate["hours"] == pytest.approx(4 * 61 * 512 / 16_000 / 3600)
    assert rate["value"] == pytest.approx(rate["count"] * 24 / rate["hours"])
    assert list(alarm["by_snr_db"]) == ["-5", "5"]
    assert {entry["kind"]: (entry["n"], entry["n_above"]) for entry in alarm["fooled"]} == {
        "air-tool": (2, rate["count"]),
        "normal": (2, 0),
    }
    assert alarm["latency"]["n_detected"] == alarm["latency"]["n"] == 8
    # Three frames of 64 ms, one hop of 32 ms apart, and no more than one hop late.
    assert 0.064 < alarm["latency"]["median_s"] < 0.2
    f1 = alarm["event_f1"]
    assert (f1["hits"], f1["extra"], f1["missed"]) == (8, 2, 0)
    assert f1["f1"] == pytest.approx(16 / 18)
    assert command("evaluate", "--model", path, "--data", told) == 0
    tables = capsys.readouterr().out
    assert "False alarms a day by SNR, at the threshold that detects 95 % of the events\nsystem" in tables
    assert "air-tool" in tables


def damage(segment):
    """A NaN in the first channel."""
    soundfile.write(f"{segment}_ch1.wav", np.full(4800, np.nan), 16_000, subtype="FLOAT")


def test_unusable_recordings_are_named_and_the_exit_code_says_so(tmp_path, make_dataset, capsys):
    root = make_dataset(tmp_path / "d", n_normal=20, n_abnormal=0, sets=("set1",), seconds=0.3)
    train = ["train", "--scorer", "gaussian", "--front-end", "absolute", "--data", root, "-o", tmp_path / "a.model"]
    assert command(*train, "--json") == 0
    first, second, *_ = json.loads(capsys.readouterr().out)["provenance"]["training_recordings"]
    damage(root / first)
    assert command(*train) == 4
    assert f"left out: {first}: expected numbers, found nan" in capsys.readouterr().err
    damage(root / second)
    assert command(*train) == 3
    assert "2 of 14 segments cannot be used, expected at most 10%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["train", "--scorer", "ae", "--data", "none", "-o", "a.model"], 3, "none: expected folders normal/"),
        (["train", "--scorer", "ae", "--data", ".", "-o", "no/such/a.model"], 2, "in a folder that can be written to"),
        (["train", "--scorer", "ae", "--data", "."], 2, "'-o'"),
        (["evaluate", "--model", "none.model", "--data", "."], 3, "none.model: cannot be read: No such file"),
        (["evaluate", "--model", "text.model", "--data", "."], 3, "text.model: expected a trad-array model file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.model").write_text("no model")
    assert command(*arguments) == code
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_help_shows_an_example(capsys):
    for name in ("train", "evaluate"):
        assert command(name, "--help") == 0
        assert f"  trad-array {name} --" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(data_folder, tmp_path):
    script = "import sys; from trad_array_cli.main import run; sys.exit(run(sys.argv[1:]))"

    def arguments(path):
        options = ["--scorer", "ae", "--front-end", "absolute", "--epochs", "25", "--seed", "3"]
        return [sys.executable, "-c", script, "train", "--data", str(data_folder), "-o", str(path), *options]

    path, checkpoint = tmp_path / "killed.model", tmp_path / "killed.model.checkpoint"
    started = subprocess.Popen(arguments(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60.0
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not path.exists()
    again = subprocess.run(arguments(path), capture_output=True, text=True, check=True)
    assert "killed.model.checkpoint: going on after epoch" in again.stderr
    subprocess.run(arguments(tmp_path / "whole.model"), capture_output=True, check=True)
    one, other = (load_model(tmp_path / name).scorer.arrays() for name in ("killed.model", "whole.model"))
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    assert not checkpoint.exists()
