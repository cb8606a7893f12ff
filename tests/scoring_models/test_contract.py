"""What every stored scorer must keep: the chain may cut, reorder and silence as it likes."""

import numpy as np
import pytest

from trad_array.scoring import FrameScorer


def test_follows_the_protocol(scorer):
    assert isinstance(scorer, FrameScorer)
    assert scorer.features.n_mels == 64


@pytest.mark.parametrize("size", [1, 7, 33, 128])
def test_scores_do_not_depend_on_how_frames_are_batched(live_scorer, log_mel, in_context, size):
    whole = live_scorer.score(in_context(log_mel, live_scorer.context))
    n_frames = whole.shape[1]
    parts = [
        live_scorer.score(np.ascontiguousarray(in_context(log_mel, live_scorer.context)[:, k : k + size]))
        for k in range(0, n_frames, size)
    ]
    assert live_scorer.streamable
    # The contract's tolerance: of the scores' scale, for single precision rounds by the size of a batch.
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())


def test_a_score_over_a_batch_depends_on_the_neighbours_and_says_so(make_scorer, log_mel, in_context):
    scorer = make_scorer("batch")
    frames = in_context(log_mel, 1)
    together, alone = scorer.score(frames[:, :128])[:, :16], scorer.score(frames[:, :16])
    assert not scorer.streamable
    assert np.max(np.abs(together - alone) / alone) > 0.01


def test_a_batch_is_128_frames_of_one_microphone(make_scorer, log_mel, in_context):
    scorer = make_scorer("batch")
    frames = in_context(log_mel, 1)
    parts = [scorer.score(frames[mic : mic + 1, k : k + 128]) for mic in range(4) for k in (0, 128)]
    rows = [np.concatenate(parts[2 * mic : 2 * mic + 2], axis=1) for mic in range(4)]
    np.testing.assert_allclose(np.concatenate(rows), scorer.score(frames), rtol=1e-12)


def test_scores_follow_a_permutation_of_microphones(scorer, log_mel, in_context):
    order = [2, 0, 3, 1]
    frames = in_context(log_mel, scorer.context)
    np.testing.assert_allclose(scorer.score(frames[order]), scorer.score(frames)[order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level_db", [-100.0, 0.0, 30.0])
def test_scores_are_finite_for_silence_and_for_full_scale(scorer, level_db, in_context):
    frames = in_context(np.full((2, 40, 64), level_db, dtype=np.float32), scorer.context)
    values = scorer.score(frames)
    assert values.shape == frames.shape[:2]
    assert np.isfinite(values).all()


def test_the_input_is_not_touched(scorer, log_mel, in_context):
    before = log_mel.copy()
    log_mel.flags.writeable = False
    scorer.score(in_context(log_mel, scorer.context))
    np.testing.assert_array_equal(log_mel, before)


def test_no_frames_give_no_scores(scorer):
    assert scorer.score(np.zeros((3, 0, scorer.context, 64), dtype=np.float32)).shape == (3, 0)


def test_a_frame_is_the_last_of_its_context(scorer, log_mel, in_context):
    """More context than the scorer asks for changes nothing."""
    longer = in_context(log_mel, scorer.context + 3)
    just_right = in_context(log_mel[:, 3:], scorer.context)
    np.testing.assert_allclose(scorer.score(longer), scorer.score(just_right), rtol=1e-5, atol=1e-5)


def test_numbers_cannot_be_changed_behind_its_back(scorer):
    for values in scorer.arrays().values():
        assert np.isfinite(values).all()
    with pytest.raises(AttributeError):
        scorer.features = None


def test_gaussian_is_the_textbook_distance(make_scorer, log_mel, in_context):
    scorer = make_scorer("gaussian")
    frame = log_mel[1, 5].astype(float)
    covariance = np.linalg.inv(scorer.whitening @ scorer.whitening.T)
    expected = np.sqrt((frame - scorer.centre) @ np.linalg.solve(covariance, frame - scorer.centre))
    assert scorer.score(in_context(log_mel, 1))[1, 5] == pytest.approx(expected, rel=1e-6)
