"""Encoder and back end as a scorer: the contract, a model file that knows its encoder again, fits by the seed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run, score_recording
from trad_array.errors import AudioError, ConfigError, WeightsError
from trad_array.events import events_of
from trad_array.learning import evaluate
from trad_array.learning.dataset import find_dataset
from trad_array.learning.job import Watch
from trad_array.learning.options import TrainingOptions
from trad_array.learning.training import fit, train_to_file
from trad_array.scoring import load_model
from trad_array.scoring.embeddings.back_ends import BACK_ENDS
from trad_array.scoring.embeddings.encoder import ENCODERS, load_encoder, weights_path
from trad_array.testing import check_scorer
from trad_array_geometry import load_layout


@pytest.fixture
def fitted(dataset, options, checkpoint, tmp_path):
    """Function: a model of that encoder, fitted to the small data set, as it comes back from its file."""

    def make(name, back_end="knn"):
        path = tmp_path / f"{name}.model"
        asked = options(checkpoint(name), back_end)
        fitted = train_to_file(name, dataset, asked, path, rng=np.random.default_rng(3))
        return path, fitted.model, load_model(path)

    return make


def same_numbers(one, other):
    first, second = one.scorer.arrays(), other.scorer.arrays()
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_is_fitted_stored_and_keeps_the_contract(fitted, dataset, name):
    path, model, found = fitted(name)
    assert same_numbers(found, model)
    assert found.scorer.settings() == model.scorer.settings()
    spec = found.scorer.features
    assert spec.front_end == "waveform"
    assert name == "onnx" or (spec.n_fft, spec.hop) == (ENCODERS[name].window, ENCODERS[name].hop)
    check_scorer(found.scorer)
    for segment in dataset.of("abnormal")[:1]:
        recording = segment.read(16_000)
        scores = score_recording(recording, found)
        np.testing.assert_array_equal(scores.values, score_recording(recording, model).values)
        assert np.isfinite(scores.values).all()


@pytest.mark.parametrize("name", ENCODERS)
def test_a_vector_is_the_same_alone_and_among_others_bit_for_bit(checkpoint, rng, name):
    given = checkpoint(name)
    encoder = load_encoder(name, weights_path(name, None if given is None else str(given)))
    windows = (0.1 * rng.standard_normal((5, encoder.window))).astype(np.float32)
    np.testing.assert_array_equal(encoder(windows)[3:4], encoder(windows[3:4]))


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_every_back_end_hears_the_hiss(dataset, options, make_onnx, back_end):
    """Random numbers times log-mel: enough of an encoder for a loud hiss."""
    asked = options(make_onnx("batch", 8, 64), back_end)
    model = fit("onnx", dataset, asked, rng=np.random.default_rng(3)).model
    check_scorer(model.scorer)
    assert evaluate(model, dataset).sets[0].true_frame_auc > 0.95
    assert model.scorer.settings()["back_end"] == back_end


def test_the_chain_places_what_an_encoder_hears(fitted, hiss):
    layout = load_layout("pack-corners")
    _, _, found = fitted("onnx")
    chain = make_chain(layout, model=found)
    assert chain.features.n_fft == 4_000
    recording = hiss.recording(layout, layout.cells[5], seconds=6.0, spans_s=((3.0, 5.0),), snr_db=20.0, noise=0.003)
    events = list(events_of(run(chain, blocks(recording))))
    assert events
    assert layout.cell_names[events[-1].cell_map.best] == layout.cell_names[5]


def test_same_seed_same_model(dataset, options, checkpoint):
    asked = options(checkpoint("onnx"))
    one, same, other = (fit("onnx", dataset, asked, rng=np.random.default_rng(seed)).model for seed in (5, 5, 6))
    assert same_numbers(one, same)
    assert not same_numbers(one, other)


def test_a_changed_encoder_is_noticed(fitted, make_onnx):
    path, _, found = fitted("onnx")
    place = path.parent / "own.onnx"
    assert found.scorer.weights.path == str(place)
    place.write_bytes(make_onnx("batch", 4_000, seed=9).read_bytes())
    with pytest.raises(WeightsError, match="expected the weights of onnx that the model was fitted with") as trouble:
        load_model(path)
    assert str(trouble.value).startswith(f"{path}: {place}: ")
    place.unlink()
    with pytest.raises(WeightsError, match="expected the weights of onnx, found nothing"):
        load_model(path)


def test_a_changed_folder_is_noticed_and_its_readme_is_not(fitted):
    path, _, _ = fitted("eat")
    (path.parent / "eat" / "README.md").write_text("about it")
    load_model(path)
    config = path.parent / "eat" / "config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(WeightsError, match="expected the weights of eat that the model was fitted with"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoder": "ears"}, "encoder: expected one of beats, eat"),
        ({"path": 3}, "path and digest: expected texts"),
        ({"back_end": "guess"}, "back_end: expected one of knn"),
        ({"left_out": 7}, "do not fit"),
    ],
)
def test_settings_that_do_not_fit_are_said(fitted, change, says):
    path, _, _ = fitted("onnx")
    with np.load(path) as archive:
        entries = {name: archive[name] for name in archive.files}
    meta = json.loads(str(entries["meta"]))
    meta["settings"] |= change
    with path.open("wb") as file:
        np.savez(file, **(entries | {"meta": np.array(json.dumps(meta))}))
    with pytest.raises(WeightsError, match=says) as trouble:
        load_model(path)
    assert "\n" not in str(trouble.value)


def test_another_window_than_the_encoders_is_said(fitted):
    _, model, _ = fitted("onnx")
    scorer = model.scorer
    longer = replace(scorer.features, n_fft=8_000)
    with pytest.raises(WeightsError, match="expected an encoder of 8000 samples, found one of 4000"):
        type(scorer).restore(longer, scorer.settings(), scorer.arrays())
    with pytest.raises(ValueError, match="expected the waveform at 16000 Hz"):
        type(scorer).restore(replace(longer, front_end="absolute"), scorer.settings(), scorer.arrays())


def test_what_happens_is_told_and_stored(dataset, options, checkpoint):
    notes = []
    model = fit(
        "onnx", dataset, options(checkpoint("onnx")), rng=np.random.default_rng(1), watch=Watch(note=notes.append)
    ).model
    # Five of the six training recordings, two channels, windows of a quarter second every eighth in 3 s.
    assert notes[0] == "onnx: encoding 230 windows of 0.25 s"
    assert model.scorer.left_out[1] == 230
    assert model.provenance["versions"]["onnxruntime"]
    assert model.provenance["options"]["encoder"].endswith("own.onnx")


def test_a_click_in_the_training_sound_is_left_out(tmp_path, data_folder, options, checkpoint, rng):
    root = tmp_path / "clicked"
    shutil.copytree(data_folder, root)
    for path in sorted((root / "normal").glob("*.wav")):
        sound, fs = soundfile.read(path)
        sound[9_000:9_040] += 0.9 * rng.standard_normal((40, 1))
        soundfile.write(path, sound, fs)
    model = fit("onnx", find_dataset(root), options(checkpoint("onnx")), rng=np.random.default_rng(1)).model
    left_out, total = model.scorer.left_out
    # A click lies in two of 23 windows.
    assert 2 / 23 * total * 0.8 <= left_out <= 0.1 * total


def test_what_cannot_be_fitted_is_said(dataset, options, checkpoint, tmp_path):
    rng = np.random.default_rng(1)
    with pytest.raises(ConfigError, match="encoder: expected a file for beats, found none; get BEATs_iter3_plus_AS2M"):
        fit("beats", dataset, options(None), rng=rng)
    with pytest.raises(ConfigError, match="back_end: expected one of knn, mahalanobis, cosine, found 'guess'"):
        TrainingOptions(back_end="guess")
    (tmp_path / "short" / "normal").mkdir(parents=True)
    for n in range(4):
        soundfile.write(tmp_path / "short" / "normal" / f"{n}.wav", np.zeros((3_000, 2)), 16_000)
    with pytest.raises(AudioError, match="too short|cannot be used"):
        fit("onnx", find_dataset(tmp_path / "short"), options(checkpoint("onnx")), rng=rng)
