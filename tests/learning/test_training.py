"""Every kind of scorer is fitted, the same twice for the same seed, and an interruption costs at most an epoch."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from trad_array.chain import score_recording
from trad_array.errors import AudioError, ConfigError
from trad_array.features import FeatureSpec
from trad_array.learning.dataset import find_dataset
from trad_array.learning.evaluation import evaluate
from trad_array.learning.job import Watch
from trad_array.learning.options import TrainingOptions
from trad_array.learning.training import BatchReadingWarning, fit, train_to_file
from trad_array.scoring import load_model

KINDS = [
    ("gaussian", "none"),
    ("ae", "none"),
    ("attention-ae", "components"),
    ("attention-ae", "window"),
    ("cnn", "none"),
    ("bottleneck-ae", "none"),
    ("wavelet-xgboost", "none"),
    ("wavelet-xcorr", "none"),
]
WITHOUT_EPOCHS = ("gaussian", "wavelet-xcorr")


def same_numbers(one, other):
    first, second = one.scorer.arrays(), other.scorer.arrays()
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def mean_score(model, segments, *, after_s):
    """Mean calibrated score after that time, by the chain."""
    scores = [score_recording(segment.read(16_000), model) for segment in segments]
    return float(np.mean([s.values[:, s.starts > after_s * 16_000].mean() for s in scores]))


@pytest.mark.parametrize(("kind", "attention"), KINDS)
@pytest.mark.parametrize("front_end", ["absolute", "floor"])
def test_a_fitted_scorer_hears_the_hiss(longer, quick, tmp_path, kind, attention, front_end):
    options = replace(quick, attention=attention, epochs=8, features=FeatureSpec(front_end=front_end), labels="truth")
    fitted = train_to_file(kind, longer, options, tmp_path / "a.model", rng=np.random.default_rng(1))
    model = load_model(tmp_path / "a.model")
    assert same_numbers(model, fitted.model)
    assert model.scorer.streamable
    normal, abnormal = (mean_score(model, longer.of(label), after_s=2.0) for label in ("normal", "abnormal"))
    assert abs(normal) < 2.0
    assert abnormal > normal + 5.0
    assert len(fitted.losses) == (0 if kind in WITHOUT_EPOCHS else 8)
    assert kind in WITHOUT_EPOCHS or fitted.losses[-1] < fitted.losses[0]


def test_calibration_comes_from_recordings_kept_from_the_fit(dataset, quick):
    story = fit("gaussian", dataset, quick, rng=np.random.default_rng(1)).model.provenance
    fitting, calibration = set(story["training_recordings"]), set(story["calibration_recordings"])
    assert len(fitting) == 9
    assert len(calibration) == 1
    assert not fitting & calibration
    assert story["counts"]["fitting"] == {"normal": 9, "abnormal": 0}


def test_held_out_normal_sound_scores_0_plus_minus_1(dataset, quick):
    model = fit("gaussian", dataset, quick, rng=np.random.default_rng(1)).model
    (name,) = model.provenance["calibration_recordings"]
    (segment,) = [s for s in dataset.segments if s.name == name]
    values = score_recording(segment.read(16_000), model).values
    np.testing.assert_allclose(np.median(values, axis=1), 0.0, atol=0.05)
    np.testing.assert_allclose(1.4826 * np.median(np.abs(values), axis=1), 1.0, atol=0.05)


@pytest.mark.parametrize(("kind", "attention"), KINDS)
def test_same_seed_same_model(dataset, quick, kind, attention):
    options = replace(quick, attention=attention, epochs=2)
    one, same, other = (fit(kind, dataset, options, rng=np.random.default_rng(seed)).model for seed in (5, 5, 6))
    assert same_numbers(one, same)
    assert not same_numbers(one, other)


def test_global_generators_and_threads_are_left_alone(dataset, quick):
    before, legacy, threads = torch.get_rng_state(), np.random.get_state(), torch.get_num_threads()  # noqa: NPY002
    fit("ae", dataset, replace(quick, epochs=1), rng=np.random.default_rng(5))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], legacy[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_provenance_says_how_it_came_about(dataset, quick):
    more = {"seed": 9, "command": "trad-array train"}
    story = fit("ae", dataset, quick, rng=np.random.default_rng(9), provenance=more).model.provenance
    assert (story["seed"], story["command"]) == (9, "trad-array train")
    assert story["versions"]["torch"] == torch.__version__
    assert len(story["losses"]) == 3
    assert story["options"]["attention"] == "none"
    assert story["date_utc"].endswith("+00:00")
    assert json.loads(json.dumps(story)) == story


def test_attention_over_a_batch_warns_and_cannot_stream(dataset, quick):
    options = replace(quick, attention="batch", epochs=1)
    with pytest.warns(BatchReadingWarning, match="depends on its neighbours"):
        model = fit("attention-ae", dataset, options, rng=np.random.default_rng(1)).model
    assert not model.scorer.streamable
    with pytest.raises(ConfigError, match="batch"):
        score_recording(dataset.segments[0].read(16_000), model)


class Stop(Exception):
    """Stands for Ctrl-C."""


def stop_after(epoch):
    def tell(done, _total, _loss):
        if done == epoch:
            raise Stop

    return tell


@pytest.mark.parametrize(("kind", "attention"), [("attention-ae", "components"), ("cnn", "none")])
def test_interrupted_and_resumed_equals_unbroken(dataset, quick, tmp_path, kind, attention):
    options = replace(quick, attention=attention, epochs=4)
    unbroken = fit(kind, dataset, options, rng=np.random.default_rng(3))
    path = tmp_path / "a.model"
    with pytest.raises(Stop):
        train_to_file(kind, dataset, options, path, rng=np.random.default_rng(3), watch=Watch(epoch=stop_after(2)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.model.checkpoint"]
    notes, epochs = [], []
    watch = Watch(note=notes.append, epoch=lambda done, _total, _loss: epochs.append(done))
    resumed = train_to_file(kind, dataset, options, path, rng=np.random.default_rng(3), watch=watch)
    assert notes == [f"{path}.checkpoint: going on after epoch 2"]
    assert epochs == [3, 4]
    assert resumed.losses == unbroken.losses
    assert same_numbers(resumed.model, unbroken.model)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.model"]


def early(quick, **more):
    """Options with which training stops well before its last epoch."""
    return replace(quick, epochs=60, early_stop=2, learning_rate=3e-3, **more)


def held_out(story):
    return [set(story[f"{name}_recordings"]) for name in ("training", "calibration", "validation")]


@pytest.mark.parametrize("kind", ["ae", "cnn"])
def test_early_stop_keeps_recordings_apart_and_the_best_epoch(dataset, quick, kind):
    notes, epochs = [], []
    watch = Watch(note=notes.append, epoch=lambda done, _total, _loss: epochs.append(done))
    options = early(quick, distance="mse")
    fitted = fit(kind, dataset, options, rng=np.random.default_rng(3), watch=watch)
    training, calibration, validation = held_out(fitted.model.provenance)
    assert validation
    assert not training & validation
    assert not calibration & validation
    kept = len(fitted.losses)
    assert epochs[-1] < 60
    assert kept == epochs[-1] - 2
    assert notes == [f"early stop: epoch {kept} of {epochs[-1]} kept"]
    evaluated = evaluate(fitted.model, dataset)
    assert evaluated.left_out == len(training | calibration | validation)


def test_the_best_epochs_weights_are_those_of_a_shorter_run(dataset, quick):
    fitted = fit("ae", dataset, early(quick), rng=np.random.default_rng(3))
    shorter = replace(early(quick), epochs=len(fitted.losses))
    assert same_numbers(fitted.model, fit("ae", dataset, shorter, rng=np.random.default_rng(3)).model)


def test_an_early_stop_after_an_interruption_is_the_same(dataset, quick, tmp_path):
    options, path = early(quick), tmp_path / "a.model"
    unbroken = fit("ae", dataset, options, rng=np.random.default_rng(3))
    for epoch in (1, len(unbroken.losses) + 1):
        watch = Watch(epoch=stop_after(epoch))
        with pytest.raises(Stop):
            train_to_file("ae", dataset, options, path, rng=np.random.default_rng(3), watch=watch)
    resumed = train_to_file("ae", dataset, options, path, rng=np.random.default_rng(3))
    assert resumed.losses == unbroken.losses
    assert same_numbers(resumed.model, unbroken.model)


def test_early_stop_needs_two_recordings_and_leaves_other_kinds_alone(dataset, quick, tmp_path, make_dataset):
    two = find_dataset(make_dataset(tmp_path / "d", n_normal=3, n_abnormal=0, sets=("set1",), seconds=0.3))
    with pytest.raises(AudioError, match="early stop: expected at least 2 normal recordings to fit on"):
        fit("ae", two, early(quick), rng=np.random.default_rng(3))
    with pytest.raises(ConfigError, match="early_stop: expected 0 or more epochs, found -1"):
        replace(quick, early_stop=-1)
    one, other = (fit("gaussian", dataset, o, rng=np.random.default_rng(3)).model for o in (quick, early(quick)))
    assert same_numbers(one, other)


@pytest.mark.parametrize("change", [{"learning_rate": 2e-3}, {"attention": "window"}, {"epochs": 5}])
def test_a_checkpoint_of_other_settings_is_not_used(dataset, quick, tmp_path, change):
    path = tmp_path / "a.model"
    with pytest.raises(Stop):
        train_to_file(
            "attention-ae", dataset, quick, path, rng=np.random.default_rng(3), watch=Watch(epoch=stop_after(1))
        )
    notes, options = [], replace(quick, **change)
    found = train_to_file(
        "attention-ae", dataset, options, path, rng=np.random.default_rng(3), watch=Watch(note=notes.append)
    )
    assert notes == [f"{path}.checkpoint: checkpoint of other settings or other data, starting anew"]
    assert same_numbers(found.model, fit("attention-ae", dataset, options, rng=np.random.default_rng(3)).model)


def test_a_checkpoint_of_other_data_is_not_used(tmp_path, make_dataset, quick):
    notes, path = [], tmp_path / "a.model"
    for seed, epoch in ((1, stop_after(1)), (2, Watch().epoch)):
        data = find_dataset(make_dataset(tmp_path / str(seed), n_abnormal=0, seconds=0.5, seed=seed))
        watch = Watch(note=notes.append, epoch=epoch)
        try:
            train_to_file("ae", data, quick, path, rng=np.random.default_rng(3), watch=watch)
        except Stop:
            continue
    assert notes == [f"{path}.checkpoint: checkpoint of other settings or other data, starting anew"]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 nor this"])
def test_a_damaged_checkpoint_is_not_used(dataset, quick, tmp_path, content):
    path, notes = tmp_path / "a.model", []
    path.with_name("a.model.checkpoint").write_bytes(content)
    train_to_file("ae", dataset, quick, path, rng=np.random.default_rng(3), watch=Watch(note=notes.append))
    assert len(notes) == 1
    assert "damaged checkpoint" in notes[0]
    assert notes[0].endswith("starting anew")


def test_unusable_recordings_are_named_and_counted(tmp_path, make_dataset, quick):
    root = make_dataset(tmp_path / "d", n_normal=20, n_abnormal=0, sets=("set1",), seconds=0.3)
    data = find_dataset(root)
    split_name = next(
        iter(fit("gaussian", data, quick, rng=np.random.default_rng(1)).model.provenance["training_recordings"])
    )
    (root / f"{split_name}_ch1.wav").write_bytes(b"")
    fitted = fit("gaussian", data, quick, rng=np.random.default_rng(1))
    assert len(fitted.unusable) == 1
    assert f"{split_name}_ch1.wav" in fitted.unusable[0]
    assert fitted.model.provenance["counts"]["unusable"] == 1
    assert split_name not in fitted.model.provenance["training_recordings"]


def test_what_cannot_be_fitted_is_said(dataset, quick, tmp_path, make_dataset):
    rng = np.random.default_rng(1)
    with pytest.raises(ConfigError, match="scorer: expected one of gaussian.*, found 'wizard'"):
        fit("wizard", dataset, quick, rng=rng)
    with pytest.raises(ConfigError, match="attention: expected one of components.*, found 'telepathy'"):
        TrainingOptions(attention="telepathy")
    with pytest.raises(ConfigError, match="epochs: expected at least 1, found 0"):
        TrainingOptions(epochs=0)
    short = find_dataset(make_dataset(tmp_path / "short", seconds=0.2))
    with pytest.raises(AudioError, match="expected at least 16 frames, found fewer in all segments"):
        fit("cnn", short, quick, rng=rng)


def test_digital_silence_can_be_fitted(tmp_path, make_segment, quick, dataset):
    for n in range(4):
        make_segment(tmp_path / "normal", f"s{n}", np.zeros((2, 8_000)))
    data = find_dataset(tmp_path)
    for kind in ("gaussian", "ae"):
        model = fit(kind, data, quick, rng=np.random.default_rng(1)).model
        assert np.isfinite(score_recording(dataset.segments[0].read(16_000), model).values).all()
