"""Fits the weights of `trad_array.localization.gate.Gate` on simulated sounds that no table reports, and prints them.

    python benchmarks/detection/fit_gate.py [--vents 120] [--everyday 400] [--seed 400]

Vents in cells at -20 to 0 dB, everyday sounds of all kinds at -10 to 20 dB, half of them at least 0.6 m from every cell
and the others nearer, which count a fifth; maps from a quarter, half and a whole second. Logistic regression, both
classes weighing the same. Nothing is written; whoever likes the numbers puts them into the source.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from takes import FS, VENT, Take, Wish, make_take, rng_of  # noqa: E402
from workers import results_of  # noqa: E402

from trad_array.localization.gate import Clues  # noqa: E402
from trad_array.localization.robust import Robust  # noqa: E402
from trad_array.records import Block  # noqa: E402
from trad_array.simulation import NEGATIVE_KINDS  # noqa: E402
from trad_array_geometry import Layout, load_layout  # noqa: E402

LAYOUTS = ("row-corners", "row-frame", "pack-corners")
WINDOWS_S = (0.25, 0.5, 1.0)
VENT_SNRS_DB, EVERYDAY_SNRS_DB = (-20.0, -15.0, -10.0, 0.0), (-10.0, 5.0, 20.0)
NEAR_WEIGHT = 0.2
# The trigger tells an onset about so much after the first sound, s.
_LATE_S = 0.05


@dataclass(frozen=True, slots=True)
class Task:
    """One take of the fit."""

    layout: str
    kind: str
    number: int
    seed: int


def main() -> None:
    """Simulate, weigh, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vents", type=int, default=120, help="for each layout")
    parser.add_argument("--everyday", type=int, default=400, help="for each layout")
    parser.add_argument("--seed", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tasks = [Task(layout, VENT, n, options.seed) for layout in LAYOUTS for n in range(options.vents)]
    tasks += [
        Task(layout, NEGATIVE_KINDS[n % len(NEGATIVE_KINDS)], n, options.seed)
        for layout in LAYOUTS
        for n in range(options.everyday)
    ]
    found = results_of(vectors, tasks, workers=options.workers, label="weighing sounds")
    x = np.concatenate(found)
    y = np.concatenate([np.full(len(f), t.kind == VENT) for t, f in zip(tasks, found, strict=True)])
    weight = np.concatenate(
        [np.full(len(f), NEAR_WEIGHT if _near(t) else 1.0) for t, f in zip(tasks, found, strict=True)]
    )
    _fit(x, y, weight)


def vectors(task: Task) -> np.ndarray:
    """Clues of one take at all its levels and windows, shape (n, 5)."""
    layout = _layout(task.layout)
    take = make_take(
        layout,
        Wish(task.kind, place="near" if _near(task) else "far"),
        rng_of("fit", layout, task.kind, seed=task.seed, number=task.number),
    )
    levels = VENT_SNRS_DB if task.kind == VENT else EVERYDAY_SNRS_DB
    return np.array([_clues(take, layout, snr_db, window_s).vector() for snr_db in levels for window_s in WINDOWS_S])


def _clues(take: Take, layout: Layout, snr_db: float, window_s: float) -> Clues:
    onset = round((take.onset_s + _LATE_S) * FS)
    samples = take.at(snr_db).samples
    cut = Block(samples[:, onset - 2 * FS : onset + round(window_s * FS)], 0, FS)
    return Robust().weigh(cut, layout, speed_of_sound=layout.speed_of_sound, onset=2 * FS).clues


def _near(task: Task) -> bool:
    """Every second round of the kinds sounds near the cells."""
    return task.kind != VENT and (task.number // len(NEGATIVE_KINDS)) % 2 == 1


def _fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
    from sklearn.linear_model import LogisticRegression

    weight = weight / np.where(y, weight[y].sum(), weight[~y].sum())
    middle, spread = x.mean(axis=0), x.std(axis=0)
    model = LogisticRegression(C=1.0, max_iter=1000).fit((x - middle) / spread, y, sample_weight=weight * len(y) / 2)
    weights = model.coef_[0] / spread
    print("weights =", ", ".join(f"{w:.2f}" for w in weights), f"bias = {model.intercept_[0] - weights @ middle:.2f}")
    odds = model.decision_function((x - middle) / spread)
    print(f"vents above 3: {100 * np.mean(odds[y] > 3):.1f} %, everyday sounds: {100 * np.mean(odds[~y] > 3):.2f} %")


@lru_cache(maxsize=4)
def _layout(name: str) -> Layout:
    return load_layout(name)


if __name__ == "__main__":
    main()
