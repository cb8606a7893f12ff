"""Fits the numbers of `trad_array.localization.robust.Certainty` on scenes that no table reports, and prints them.

    python benchmarks/localization/fit_certainty.py [--scenes 500] [--seed 100]

Cells: vents with mismatches of all sizes, -25 to 20 dB. Elsewhere: loud vents 0.3 m and farther from every cell.
Nothing is written; whoever likes the numbers puts them into the source.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from scenes import FS, PRE_ROLL_S, Condition, make_case

from trad_array.localization.robust import Robust, Weighed
from trad_array_geometry import load_layout

LAYOUTS = ("row-corners", "row-frame", "pack-corners")
# Share of loud sounds from elsewhere that may be given to a cell, in any layout.
ALLOWED = 0.004


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=500, help="vents for each layout, and as many sounds elsewhere")
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    cells = {name: list(_weighed(name, "cell", options.scenes, options.seed)) for name in LAYOUTS}
    other = {name: list(_weighed(name, "elsewhere", options.scenes, options.seed)) for name in LAYOUTS}
    print(f"cells = {_best_temper([case for found in cells.values() for case in found]):.2f}")
    _fit_elsewhere(cells, other)


def _weighed(name: str, place: str, n: int, seed: int) -> Iterator[tuple[Condition, int, Weighed]]:
    layout, robust, rng = load_layout(name), Robust(), np.random.default_rng([seed, 7])
    for number in range(n):
        condition = Condition(
            name,
            rt60_s=float(rng.choice([0.0, 0.2, 0.4, 0.64])),
            snr_db=float(np.round(rng.uniform(-25.0 if place == "cell" else 0.0, 20.0), 1)),
            mismatch=str(rng.choice(["spread", "spread", "M0", "M1"] if place == "cell" else ["M0", "M1"])),
            duration_s=float(rng.choice([0.1, 0.5, 1.0, 2.0])),
            place=place,
        )
        case = make_case(layout, condition, seed=seed, number=number)
        onset = round(PRE_ROLL_S * FS)
        yield condition, case.cell, robust.weigh(case.cut, layout, speed_of_sound=layout.speed_of_sound, onset=onset)


def _best_temper(cases: list[tuple[Condition, int, Weighed]]) -> float:
    """Temper with the smallest mean negative logarithm of the true cell's probability."""
    losses = {}
    for temper in np.arange(0.4, 1.6, 0.05):
        loss = 0.0
        for _, cell, weighed in cases:
            log = temper * (weighed.cells - weighed.cells.max())
            loss += float(np.log(np.exp(log).sum()) - log[cell])
        losses[float(temper)] = loss / len(cases)
    return min(losses, key=lambda temper: losses[temper])


def _fit_elsewhere(
    cells: dict[str, list[tuple[Condition, int, Weighed]]], other: dict[str, list[tuple[Condition, int, Weighed]]]
) -> None:
    """Logistic regression with both classes weighing the same, then a bias that keeps the allowed share."""
    from sklearn.linear_model import LogisticRegression

    def table(cases: list[tuple[Condition, int, Weighed]]) -> np.ndarray:
        return np.array([[np.clip(w.room_over_cells, -40.0, 60.0), np.log(max(w.z, 1.0))] for _, _, w in cases])

    x = np.concatenate([table(c) for c in [*cells.values(), *other.values()]])
    y = np.repeat([0, 1], [sum(map(len, cells.values())), sum(map(len, other.values()))])
    model = LogisticRegression(C=100.0, class_weight="balanced", max_iter=1000).fit(x, y)
    (elsewhere, loudness), bias = model.coef_[0], float(model.intercept_[0])
    shift = max(-float(np.quantile(model.decision_function(table(found)), ALLOWED)) for found in other.values())
    print(f"elsewhere = {elsewhere:.2f}, loudness = {-loudness:.2f}, bias = {bias + shift:.2f} (balanced {bias:.2f})")
    for name in LAYOUTS:
        taken = model.decision_function(table(other[name])) + shift < 0
        kept = model.decision_function(table(cells[name])) + shift < 0
        loud = np.array([c.snr_db >= -10 for c, _, _ in cells[name]])
        print(
            f"{name}: elsewhere given to a cell {100 * taken.mean():.1f} %, vents kept "
            f"{100 * kept[loud].mean():.0f} % from -10 dB, {100 * kept[~loud].mean():.0f} % below"
        )


if __name__ == "__main__":
    main()
