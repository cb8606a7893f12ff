"""A model file comes back as it was, or gives one line that says what is wrong with it; never a traceback."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trad_array.detection.calibration import Calibration
from trad_array.errors import WeightsError
from trad_array.features import FeatureSpec
from trad_array.scoring import Model, load_model, save_model
from trad_array.scoring.attention_ae import AttentionAE
from trad_array.scoring.gaussian import Gaussian


def _model(kind, scorer):
    calibration = Calibration(centre=np.array([1.0, 2.0, 3.0, 4.0]), scale=np.array([0.1, 0.2, 0.3, 0.4]))
    return Model(kind=kind, scorer=scorer, calibration=calibration, provenance={"seed": 5, "command": "trad-array"})


@pytest.fixture
def saved(tmp_path, make_scorer):
    """Function: file with a model of that kind."""

    def save(name="gaussian", kind=None):
        path = tmp_path / f"{name}.model"
        save_model(_model(kind or name, make_scorer(name)), path)
        return path

    return save


def _entries(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def _rewrite(path, entries):
    with path.open("wb") as file:
        np.savez(file, **entries)


def _change_meta(path, change):
    entries = _entries(path)
    meta = json.loads(str(entries["meta"]))
    change(meta)
    _rewrite(path, entries | {"meta": np.array(json.dumps(meta))})


def _message(path):
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def test_a_model_comes_back_as_it_was(kind_and_scorer, tmp_path, log_mel, in_context):
    kind, scorer = kind_and_scorer
    path = tmp_path / "a.model"
    save_model(_model(kind, scorer), path)
    found = load_model(path)
    frames = in_context(log_mel, scorer.context)
    np.testing.assert_array_equal(found.scorer.score(frames), scorer.score(frames))
    assert (found.kind, found.scorer.features, found.scorer.context) == (kind, scorer.features, scorer.context)
    assert found.provenance == {"seed": 5, "command": "trad-array"}
    np.testing.assert_array_equal(found.calibration.scale, [0.1, 0.2, 0.3, 0.4])
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.model"]


def test_missing_file(tmp_path):
    assert "cannot be read" in _message(tmp_path / "none.model")


def test_folder(tmp_path):
    assert "cannot be read" in _message(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"PK\x03\x04", bytes(1000)])
def test_not_a_model(tmp_path, content):
    path = tmp_path / "a.model"
    path.write_bytes(content)
    assert "expected a trad-array model file" in _message(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_truncated(saved, share):
    path = saved("cnn")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "damaged" in _message(path)


def test_flipped_byte_in_the_numbers(saved):
    path = saved("cnn")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    assert "damaged" in _message(path)


def test_other_schema(saved):
    path = saved()
    _change_meta(path, lambda meta: meta.update(schema="trad-array/model/99"))
    assert "expected 'trad-array/model/1', found 'trad-array/model/99'" in _message(path)


@pytest.mark.parametrize("kind", ["wizard", None, ["cnn"]])
def test_unknown_kind(saved, kind):
    path = saved()
    _change_meta(path, lambda meta: meta.update(kind=kind))
    assert "kind: expected one of gaussian" in _message(path)


@pytest.mark.parametrize("kind", ["cnn", "attention-ae"])
def test_numbers_of_another_kind(saved, kind):
    path = saved()
    _change_meta(path, lambda meta: meta.update(kind=kind))
    assert f"in a model of kind '{kind}'" in _message(path)


def test_missing_numbers(saved):
    path = saved("components", "attention-ae")
    entries = _entries(path)
    del entries["scorer/encoder/1/bias"]
    _rewrite(path, entries)
    assert "encoder/1/bias" in _message(path)


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("scorer/centre", np.zeros(63), "centre: expected shape (64,), found (63,)"),
        ("scorer/centre", np.full(64, np.nan), "centre: expected finite numbers"),
        ("scorer/whitening", np.full((64, 64), np.inf), "whitening: expected finite numbers"),
        ("scorer/whitening", np.full((64, 64), "x"), "whitening"),
        ("scorer/whitening", np.zeros((64, 64), dtype=complex), "whitening: expected finite numbers"),
        ("calibration/scale", np.array([1.0, 0.0, 1.0, 1.0]), "scales above 0"),
        ("calibration/centre", np.zeros(3), "calibration"),
    ],
)
def test_numbers_that_do_not_fit(saved, name, bad, says):
    path = saved()
    _rewrite(path, _entries(path) | {name: bad})
    assert says in _message(path)


def test_numbers_too_large_for_single_precision(saved):
    path = saved("cnn")
    _rewrite(path, _entries(path) | {"scorer/weight": np.full(64, 1e300)})
    assert "weight: expected finite numbers" in _message(path)


def test_no_spread_in_a_band(saved):
    path = saved("ae")
    _rewrite(path, _entries(path) | {"scorer/band_std": np.zeros(64)})
    assert "band_std: expected numbers above 0, found 0" in _message(path)


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("attention", "telepathy", "attention: expected one of components"),
        ("distance", 3, "distance: expected one of mahalanobis"),
        ("context", "16", "context: expected a whole number"),
        ("context", True, "context: expected a whole number"),
        ("context", 4000, "context: expected 1 to 1"),
    ],
)
def test_settings_that_do_not_fit(saved, name, wrong, says):
    path = saved("components", "attention-ae")
    _change_meta(path, lambda meta: meta["settings"].update({name: wrong}))
    assert says in _message(path)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("n_mels", 64.0), ("n_mels", 32), ("hop", 0), ("fs", 10**400), ("f_max_hz", 9e9), ("front_end", "ear"), ("x", 1)],
)
def test_features_that_do_not_fit(saved, name, wrong):
    path = saved("cnn")
    _change_meta(path, lambda meta: meta["features"].update({name: wrong}))
    assert "do not fit a model of kind 'cnn'" in _message(path)


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("trees/feature", np.full((20, 7), 32), "expected values 0 to 31, found 32 to 32"),
        ("trees/feature", np.full((20, 7), -1), "expected values 0 to 31, found -1 to -1"),
        ("trees/leaf", np.zeros((20, 9)), "trees of 2 ** depth leaves, found (20, 9)"),
        ("trees/leaf", np.zeros((20, 16)), "trees/feature: expected shape (20, 15), found (20, 7)"),
        ("trees/leaf", np.zeros(8), "trees/feature: expected shape (1, 7), found (20, 7)"),
        ("low", np.zeros(7), "low: expected an even number of taps up to 128, found 7"),
        ("noise", np.zeros(32), "noise: expected numbers above 0, found 0"),
    ],
)
def test_trees_and_wavelets_that_do_not_fit(saved, name, bad, says):
    path = saved("wavelet-xgboost")
    _rewrite(path, _entries(path) | {f"scorer/{name}": bad})
    assert says in _message(path)


@pytest.mark.parametrize("kind", ["wavelet-xgboost", "wavelet-xcorr"])
def test_a_scorer_of_samples_refuses_bands(saved, kind):
    path = saved(kind)
    _change_meta(path, lambda meta: meta["features"].update(front_end="absolute"))
    assert "features: expected waveform" in _message(path)


class _Opened:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_inside_is_not_opened(saved, tmp_path):
    path, trace = saved(), tmp_path / "trace"
    entries = _entries(path)
    del entries["scorer/centre"]
    _rewrite(path, entries)
    objects = np.empty(64, dtype=object)
    objects[0] = _Opened(trace)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, objects, allow_pickle=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("scorer/centre.npy", buffer.getvalue())
    assert "damaged" in _message(path)
    assert not trace.exists()


def test_a_bare_pickle_is_not_opened(tmp_path):
    path, trace = tmp_path / "a.model", tmp_path / "trace"
    path.write_bytes(pickle.dumps(_Opened(trace)))
    assert "damaged" in _message(path)
    assert not trace.exists()


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.model"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scorer/centre.npy", bytes(65 * 1024 * 1024))
    assert path.stat().st_size < 100_000
    assert "expected a model under 67108864 bytes, found 68157440" in _message(path)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """A small model of every part: its path, to be overwritten, and its bytes."""
    path = tmp_path_factory.mktemp("fuzz") / "a.model"
    spec = FeatureSpec(n_mels=8)
    save_model(_model("gaussian", Gaussian(spec, np.arange(8.0), np.eye(8))), path)
    return path, path.read_bytes()


def _loaded(path):
    """The model, or one line that begins with the path."""
    try:
        return load_model(path)
    except WeightsError as trouble:
        line = str(trouble)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


@given(data=st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_damage_gives_an_error_or_the_same_model(whole_file, data):
    path, content = whole_file
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path.write_bytes(damaged)
    found = _loaded(path)
    if isinstance(found, Model):
        np.testing.assert_array_equal(found.scorer.arrays()["centre"], np.arange(8.0))
        np.testing.assert_array_equal(found.scorer.arrays()["whitening"], np.eye(8))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_PLACES = (
    "kind",
    "features",
    "settings",
    "provenance",
    "features/n_mels",
    "features/fs",
    "features/hop",
    "features/f_max_hz",
)


@given(place=st.sampled_from(_PLACES), value=_JSON)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_json_in_the_description_gives_a_model_or_an_error(whole_file, place, value):
    path, content = whole_file
    path.write_bytes(content)

    def change(meta):
        *outer, last = place.split("/")
        (meta[outer[0]] if outer else meta)[last] = value

    _change_meta(path, change)
    found = _loaded(path)
    if isinstance(found, Model):
        assert found.scorer.features.n_mels == 8


def test_a_reading_that_needs_context_says_so(make_scorer):
    scorer = make_scorer("components")
    with pytest.raises(ValueError, match="context: expected 2 to 1024 frames with attention 'window', found 1"):
        AttentionAE.restore(scorer.features, scorer.settings() | {"attention": "window"}, scorer.arrays())
