"""What is weighed by `peak_memory`: `python memory_program.py WHAT CACHE SEED LAYOUTS WORKERS`."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from sites import PACK, pack_study

from trad_array.study.bank import open_bank
from trad_array.study.records import MISMATCHES, Choice, Condition, Study
from trad_array.study.running import run
from trad_array_geometry import load_layout

CONDITIONS = tuple(Condition(1.0, snr_db, mismatch=MISMATCHES["M1"]) for snr_db in (-20.0, -12.0))


def with_layouts(study: Study, n: int) -> Study:
    """The study with its reference and n - 1 layouts of four drawn from all its places."""
    rng = np.random.default_rng([study.seed, 0x4D])
    drawn = [tuple(sorted(map(int, rng.choice(len(study.points), 4, replace=False)))) for _ in range(n - 1)]
    return replace(
        study, choices=(study.choices[0], *(Choice(f"drawn {k + 1}", points) for k, points in enumerate(drawn)))
    )


def simulated(study: Study, cache: Path, *, workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(study, Path(folder), cache=cache, workers=workers)


def whole_responses(n_mics: int) -> None:
    """Mirror images of two cells at some microphones, as pyroomacoustics makes them."""
    import pyroomacoustics

    layout = load_layout(PACK)
    assert layout.box_m is not None
    size = layout.box_m[1] - layout.box_m[0]
    absorption, order = pyroomacoustics.inverse_sabine(CONDITIONS[0].rt60_s, size)
    room = pyroomacoustics.ShoeBox(size, fs=16_000, materials=pyroomacoustics.Material(absorption), max_order=order)
    for cell in (0, layout.n_cells - 1):
        room.add_source(layout.cells[cell] - layout.box_m[0])
    room.add_microphone_array((layout.mics[:n_mics] - layout.box_m[0]).T)
    room.compute_rir()


def main() -> None:
    what, cache, seed, layouts, workers = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6])
    if what == "peer":
        whole_responses(layouts)
        return
    study = replace(pack_study(seed=seed, conditions=CONDITIONS), agreement_events=0)
    if what == "build":
        open_bank(study.site, study.points, rt60_s=CONDITIONS[0].rt60_s, seed=seed, cache=cache, workers=workers)
    elif what == "spectral":
        simulated(replace(with_layouts(study, layouts), events=500), cache, workers=workers)
    else:
        simulated(replace(with_layouts(study, 2), engine="time", events=100), cache, workers=workers)


if __name__ == "__main__":
    main()
