"""Sum over what is not known, or take the best of it? The choice behind `Robust`, measured on the same correlations.

    python benchmarks/localization/variants.py [--scenes 200] [--seed 2]

sum: the marginal likelihood, as shipped. joint maximum: the highest mean correlation over jet heights and speeds of
sound. envelope: the highest correlation within the errors of each pair, then the same. exact: the layout file taken at
its word.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from scenes import FS, PRE_ROLL_S, Condition, make_case

from trad_array.localization.event_correlations import EventCorrelations, event_correlations
from trad_array.localization.evidence import places, summed
from trad_array.localization.hypotheses import Hypotheses, hypotheses
from trad_array.localization.robust import Robust
from trad_array_geometry import load_layout, pair_delays

CONDITIONS = (
    *(Condition(name, 0.64, snr) for name, snr in (("row-corners", -25), ("row-frame", -20), ("pack-corners", -25))),
    *(Condition(name, 0.4, 10, "M1") for name in ("row-corners", "row-frame", "pack-corners")),
    *(Condition(name, 0.4, 10, "M2") for name in ("row-corners", "row-frame", "pack-corners")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    print("| condition | exact | joint maximum | envelope | sum |\n| --- | --- | --- | --- | --- |", flush=True)
    for condition in CONDITIONS:
        right = np.zeros(4)
        for number in range(options.scenes):
            right += _right(condition, seed=options.seed, number=number)
        shares = " | ".join(f"{100 * value / options.scenes:.0f}" for value in right)
        print(f"| {condition.layout}, {condition.snr_db:g} dB, {condition.mismatch} | {shares} |", flush=True)


def _right(condition: Condition, *, seed: int, number: int) -> NDArray[np.bool_]:
    layout, robust = load_layout(condition.layout), Robust()
    case = make_case(layout, condition, seed=seed, number=number)
    speed, onset = layout.speed_of_sound, round(PRE_ROLL_S * FS)
    known = hypotheses(layout, speed, robust.prior, layout)
    found = event_correlations(case.cut.samples, onset=onset, fs=FS, spec=robust.spec, max_delay_s=known.max_delay_s)
    exact = summed(found.values, places(found, pair_delays(layout.cells, layout.mics, speed_of_sound=speed).T))
    joint = summed(found.values, places(found, known.cell_delays_s)).max(axis=1)
    envelope = summed(_envelope(found, known), places(found, known.cell_delays_s)).max(axis=1)
    best = robust(case.cut, layout, speed_of_sound=speed, onset=onset).best
    return np.array([exact.argmax(), joint.argmax(), envelope.argmax(), best]) == case.cell


def _envelope(found: EventCorrelations, known: Hypotheses) -> NDArray[np.float64]:
    """Highest correlation within one standard deviation of the widest errors of each pair."""
    from scipy.ndimage import maximum_filter1d

    reach = int(np.ceil(float(known.pair_sigmas_s[-1].mean()) / found.step_s))
    return np.asarray(maximum_filter1d(found.values, 2 * reach + 1, axis=1))


if __name__ == "__main__":
    main()
