"""Trees as arrays give the margins that XGBoost gives; relative energies survive a change of level."""

from dataclasses import replace

import numpy as np
import pytest
import xgboost

from trad_array.features.wavelets import DB4
from trad_array.learning.boosted import trees_of
from trad_array.learning.training import fit
from trad_array.scoring.wavelet_xgboost import described, frame_energies


@pytest.mark.parametrize("depth", [1, 3, 6])
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_trees_sum_to_xgboosts_margin(rng, depth, share):
    values = rng.normal(size=(400, 5)).astype(np.float32)
    labels = (values[:, 0] * values[:, 1] + 0.3 * rng.normal(size=400) > np.quantile(values[:, 0], 1 - share)) * 1.0
    data = xgboost.DMatrix(values, label=labels, nthread=1)
    booster = xgboost.train({"max_depth": depth, "objective": "binary:logistic", "nthread": 1}, data, 30)
    # Values at a threshold go the way that XGBoost sends them.
    trees = trees_of(booster)
    at = values.copy()
    at[: len(trees.threshold), 0] = trees.threshold[:, 0]
    for shown in (values, at):
        expected = booster.predict(xgboost.DMatrix(shown, nthread=1), output_margin=True)
        np.testing.assert_allclose(trees(shown), expected, rtol=1e-5, atol=1e-5)


def test_relative_energies_survive_a_change_of_level_and_absolute_ones_do_not(rng):
    frames = 0.05 * rng.normal(size=(6, 1024))
    noise = rng.uniform(0.5, 1.5, 32)
    for energies_as, same in (("relative", True), ("absolute", False)):
        quiet, loud = (described(frame_energies(g * frames, DB4), noise, energies_as=energies_as) for g in (0.3, 3.0))
        assert np.allclose(quiet, loud, atol=0.01) == same


def test_the_usual_noise_is_subtracted_at_any_level(rng):
    """Of a fan that runs four times as loud nothing is left but the floor; a hiss on it stands out in its bands."""
    noise = np.geomspace(10.0, 0.01, 32)
    fan, hiss = 4.0 * noise, np.where(np.arange(32) // 8 == 2, 1.0, 0.0)
    left = described(np.stack([fan, fan + hiss]), noise, energies_as="absolute")
    np.testing.assert_allclose(left[0], 10 * np.log10(0.02 * fan), atol=0.01)
    np.testing.assert_allclose(left[1][16:24], 0.0, atol=0.2)


def test_early_stop_keeps_the_best_rounds(dataset, quick):
    notes = []
    from trad_array.learning.job import Watch

    options = replace(quick, epochs=80, early_stop=3, labels="truth")
    fitted = fit("wavelet-xgboost", dataset, options, rng=np.random.default_rng(3), watch=Watch(note=notes.append))
    kept = len(fitted.losses)
    assert kept < 80
    assert notes[0].startswith(f"early stop: epoch {kept} of ")
    assert len(fitted.model.scorer.arrays()["trees/leaf"]) == kept
    assert fitted.model.provenance["validation_recordings"]
