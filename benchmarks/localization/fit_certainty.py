"""Fits the temper of `trad_array.localization.robust.Certainty` on scenes that no table reports, and prints it.

    python benchmarks/localization/fit_certainty.py [--scenes 500] [--seed 100]

Vents with mismatches of all sizes, -25 to 20 dB. Nothing is written; whoever likes the number puts it into the source.
Whether a sound comes from a cell at all is fitted by benchmarks/detection/fit_gate.py.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from scenes import FS, PRE_ROLL_S, Condition, make_case

from trad_array.localization.robust import Robust, Weighed
from trad_array_geometry import load_layout

LAYOUTS = ("row-corners", "row-frame", "pack-corners")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=500, help="vents for each layout")
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    cases = [case for name in LAYOUTS for case in _weighed(name, options.scenes, options.seed)]
    print(f"cells = {_best_temper(cases):.2f}")


def _weighed(name: str, n: int, seed: int) -> Iterator[tuple[Condition, int, Weighed]]:
    layout, robust, rng = load_layout(name), Robust(), np.random.default_rng([seed, 7])
    for number in range(n):
        condition = Condition(
            name,
            rt60_s=float(rng.choice([0.0, 0.2, 0.4, 0.64])),
            snr_db=float(np.round(rng.uniform(-25.0, 20.0), 1)),
            mismatch=str(rng.choice(["spread", "spread", "M0", "M1"])),
            duration_s=float(rng.choice([0.1, 0.5, 1.0, 2.0])),
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


if __name__ == "__main__":
    main()
