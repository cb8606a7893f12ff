"""`train`, `evaluate` and `localize` with an encoder, as a person runs them."""

import json

import pytest
import soundfile

from trad_array_cli.main import run
from trad_array_geometry import load_layout


def command(*arguments):
    return run([str(argument) for argument in arguments])


@pytest.mark.parametrize(("name", "back_end"), [("wakeword", "knn"), ("onnx", "mahalanobis"), ("beats", "cosine")])
def test_from_a_folder_to_tables(checkpoint, data_folder, tmp_path, capsys, name, back_end):
    path, encoder = tmp_path / f"{name}.model", checkpoint(name)
    more = [] if encoder is None else ["--encoder", encoder]
    train = ["train", "--scorer", name, *more, "--back-end", back_end, "--data", data_folder, "-o", path, "--json"]
    assert command(*train) == 0
    printed = capsys.readouterr()
    assert f"{name}: encoding" in printed.err
    summary = json.loads(printed.out)
    assert (summary["kind"], summary["streamable"], summary["loss_curve"]) == (name, True, None)
    assert command("evaluate", "--model", path, "--data", data_folder, "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[0])
    assert result["settings"]["back_end"] == back_end
    assert 0.0 <= result["sets"][0]["frame_auc"] <= 1.0


def test_localize_with_an_encoder(checkpoint, data_folder, tmp_path, hiss, capsys):
    path = tmp_path / "own.model"
    assert command("train", "--scorer", "onnx", "--encoder", checkpoint("onnx"), "--data", data_folder, "-o", path) == 0
    layout = load_layout("pack-corners")
    recording = hiss.recording(layout, layout.cells[3], seconds=6.0, spans_s=((3.0, 5.0),), snr_db=20.0, noise=0.003)
    soundfile.write(tmp_path / "night.wav", recording.samples.T, 16_000)
    capsys.readouterr()
    assert command("localize", tmp_path / "night.wav", "--layout", "pack-corners", "--model", path, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events
    assert events[0]["model"] == str(path)
    (tmp_path / "own.onnx").write_bytes(b"another")
    assert command("localize", tmp_path / "night.wav", "--layout", "pack-corners", "--model", path) == 3
    assert "expected the weights of onnx that the model was fitted with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scorer", "beats"], "get BEATs_iter3_plus_AS2M.pt, published in the folder beats"),
        (["--scorer", "eat", "--encoder", "none"], "none: expected the weights of eat, found nothing; get the folder"),
        (["--scorer", "dasheng", "--encoder", "text.pt"], "text.pt: expected a checkpoint that holds numbers only"),
        (["--scorer", "onnx", "--encoder", "text.pt"], "text.pt: expected an ONNX network"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(data_folder, tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pt").write_text("no weights")
    assert command("train", *arguments, "--data", data_folder, "-o", "a.model") == 3
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["text.pt"]
    assert printed.out == ""
