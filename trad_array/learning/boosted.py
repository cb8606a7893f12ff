"""Fits the boosted trees of `wavelet-xgboost`."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.features.wavelets import DB4
from trad_array.learning.frames import Corpus, FramePool, pool_frames
from trad_array.learning.job import Job
from trad_array.learning.options import TrainingOptions
from trad_array.scoring.trees import Trees, filled_trees
from trad_array.scoring.wavelet_xgboost import WaveletXGBoost, described, frame_energies

# Our choice; the number of rounds is `TrainingOptions.epochs`.
_PARAMETERS = {"max_depth": 4, "eta": 0.1, "subsample": 0.8, "objective": "binary:logistic", "tree_method": "hist"}


def fit_kind(job: Job) -> tuple[WaveletXGBoost, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`; one epoch is one round of boosting, its loss the log loss of the training."""
    options = job.options
    corpus = _of_energies(job.corpus)
    noise = _noise(corpus)
    pools = [_pool(part, noise, options) for part in (corpus, *_validation(job))]
    booster, losses = _boosted(pools, job)
    scorer = WaveletXGBoost(
        features=options.features, energies=options.energies, low=DB4, noise=noise, trees=trees_of(booster)
    )
    return scorer, losses


def trees_of(booster: Any) -> Trees:
    """Trees of a fitted `xgboost.Booster` with the objective "binary:logistic", which sum to its logit."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    share = float(learner["learner_model_param"]["base_score"].strip("[]"))
    return filled_trees(learner["gradient_booster"]["model"]["trees"], base=math.log(share / (1.0 - share)))


def _of_energies(corpus: Corpus) -> Corpus:
    """The same segments with packet energies instead of samples."""
    return replace(
        corpus,
        frames=tuple(np.stack([frame_energies(channel, DB4) for channel in frames]) for frames in corpus.frames),
    )


def _noise(corpus: Corpus) -> NDArray[np.float64]:
    """Mean packet energies of normal frames; digital silence counts as a little more than nothing."""
    normal = [
        frames.reshape(-1, frames.shape[-1])
        for segment, frames in zip(corpus.segments, corpus.frames, strict=True)
        if segment.label == "normal"
    ]
    mean: NDArray[np.float64] = np.concatenate(normal).mean(axis=0, dtype=np.float64)
    return np.maximum(mean, 1e-12)


def _validation(job: Job) -> list[Corpus]:
    return [] if job.validation is None else [_of_energies(job.validation)]


def _pool(corpus: Corpus, noise: NDArray[np.float64], options: TrainingOptions) -> FramePool:
    frames = tuple(
        np.stack([described(channel, noise, energies_as=options.energies) for channel in energies])
        for energies in corpus.frames
    )
    return pool_frames(replace(corpus, frames=frames), options.features, context=1, labels=options.labels)


def _boosted(pools: list[FramePool], job: Job) -> tuple[Any, tuple[float, ...]]:
    """Booster and its loss after every round; with a second pool it stops early and keeps the best rounds."""
    import xgboost

    data = [xgboost.DMatrix(pool.rows, label=pool.target, nthread=1) for pool in pools]
    normal, abnormal = (float(np.sum(pools[0].target == value)) for value in (0.0, 1.0))
    story: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        # One thread: the order of sums, and so the model, does not depend on the number of cores.
        _PARAMETERS | {"scale_pos_weight": normal / max(abnormal, 1.0), "seed": job.seeds[0], "nthread": 1},
        data[0],
        num_boost_round=job.options.epochs,
        evals=list(zip(data, ("fitting", "held"), strict=False)),
        evals_result=story,
        early_stopping_rounds=job.options.early_stop if len(data) > 1 else None,
        verbose_eval=False,
    )
    losses = story["fitting"]["logloss"]
    for epoch, loss in enumerate(losses, 1):
        job.watch.epoch(epoch, job.options.epochs, loss)
    if len(data) > 1:
        kept = booster.best_iteration + 1
        job.watch.note(f"early stop: epoch {kept} of {len(losses)} kept")
        return booster[:kept], tuple(losses[:kept])
    return booster, tuple(losses)
