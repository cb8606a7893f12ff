"""Fitted scorers inside the chain: cut anywhere, same scores and detections; a batch reading is refused."""

import numpy as np
import pytest

from trad_array.detection.calibration import fit_calibration
from trad_array.errors import ConfigError
from trad_array.hearing import Hearing, join_heard
from trad_array.records import Block

N = 40_000


@pytest.fixture
def sound(rng):
    samples = 0.01 * rng.standard_normal((2, N))
    samples[:, 25_000:33_000] += 0.1 * rng.standard_normal((2, 8_000))
    return samples.astype(np.float32)


def hear(hearing, sound, size):
    state, heard = hearing.start(), []
    for first in range(0, N, size):
        state, more = hearing.step(state, Block(sound[:, first : first + size], first, 16_000))
        heard.append(more)
    return join_heard([*heard, hearing.finish(state)])


@pytest.mark.parametrize("size", [1, 17, 160, 511, 512, 513, 1024, 4096])
def test_every_stored_scorer_can_be_cut_anywhere(live_scorer, sound, size):
    raw = hear(Hearing(2, scorer=live_scorer), sound[:, :24_000].repeat(2, axis=1)[:, :N], N).scores.values
    hearing = Hearing(2, scorer=live_scorer, calibration=fit_calibration(raw))
    whole = hear(hearing, sound, N)
    cut = hear(hearing, sound, size)
    spec = live_scorer.features
    assert whole.scores.values.shape == (2, 1 + (N - spec.n_fft) // spec.hop)
    scale = max(1.0, float(np.abs(whole.scores.values).max()))
    np.testing.assert_allclose(cut.scores.values, whole.scores.values, rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_array_equal(cut.scores.starts, whole.scores.starts)
    assert [d.onset for d in cut.detections] == [d.onset for d in whole.detections]
    assert [(e.onset, e.end) for e in cut.ended] == [(e.onset, e.end) for e in whole.ended]


def test_attention_over_a_batch_cannot_run_on_a_stream(make_scorer):
    with pytest.raises(ConfigError, match='found attention reading "batch"'):
        Hearing(2, scorer=make_scorer("batch"))
