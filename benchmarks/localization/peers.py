"""Other people's localizers on our cells, behind one small interface; as a script, a check of how they are set up.

    pip install -c constraints.txt -r benchmarks/localization/requirements.txt
    pip install --no-deps -r benchmarks/localization/requirements-no-deps.txt
    OMP_NUM_THREADS=1 python benchmarks/localization/peers.py

Each `peer_*.py` holds one package: what had to be patched stands at its top. All peers hear the same window and score
the same cells with the same speed of sound; where one may choose, it gets 2 to 7 kHz and the settings that did best in
trials over the shipped layouts. The check is easy on purpose (a steady hiss, 10 dB, exact delays): a peer that is bad
at it in the corner layouts is more likely set up wrongly than bad. It is no comparison.
"""

import argparse
import importlib
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trad_array.simulation import simulate_scene
from trad_array_geometry import Layout, load_layout

# File of each package, or of a published method that the library has. It holds `PEERS`, its ready-made peers.
_MODULES = {
    "trad-array": "peer_plain",
    "pyroomacoustics": "peer_pyroomacoustics",
    "acoular": "peer_acoular",
    "xsrp": "peer_xsrp",
    "opensoundscape": "peer_opensoundscape",
    "trad-array wavelet-xcorr": "peer_lyu",
}
FS = 16_000
PRE_S, WINDOW_S = 0.1, 1.1


class Peer(Protocol):
    """Something that says which cell a window of sound came from."""

    @property
    def name(self) -> str:
        """Shown in tables."""
        ...

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        """Score each cell.

        Parameters
        ----------
        samples : array, shape (layout.n_mics, n), float32, full scale = 1
            One event with the noise just before it, such as 0.1 s and 1 s.
        fs : int, Hz
        layout : Layout; only microphones of role "array" are used
        speed_of_sound : float, m/s

        Returns
        -------
        array, shape (layout.n_cells,), float64, finite; higher = more likely. Scales differ between peers.
        """
        ...


def available_peers() -> tuple[list[Peer], dict[str, str]]:
    """The peers whose packages can be imported, and for each of the other packages why it cannot."""
    found: list[Peer] = []
    missing: dict[str, str] = {}
    for package, module in _MODULES.items():
        try:
            found += importlib.import_module(module).PEERS
        except ImportError as trouble:
            missing[package] = f"not installed: {trouble}"
    return found, missing


def main() -> None:
    """Print right answers and time of each peer over easy simulated scenes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--layouts", nargs="+", default=["pack-corners", "row-corners"])
    parser.add_argument("--scenes", type=int, default=10, help="per layout")
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--rt60-s", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    peers, missing = available_peers()
    layouts = [load_layout(name) for name in options.layouts]
    windows = [
        (layout, *_window(layout, [options.seed, k], rt60_s=options.rt60_s, snr_db=options.snr_db))
        for layout in layouts
        for k in range(options.scenes)
    ]
    print("| peer |", " | ".join(options.layouts), "| ms |")
    print("| --- |", " | ".join("---" for _ in layouts), "| --- |")
    for peer in peers:
        print(f"| {peer.name} |", " | ".join(_tried(peer, windows, layouts)), "|", flush=True)
    for package, reason in missing.items():
        print(f"{package}: {reason}")


def _window(layout: Layout, seed: list[int], *, rt60_s: float, snr_db: float) -> tuple[int, NDArray[np.float32]]:
    """A drawn cell and what is heard from 0.1 s before its 1 s vent to the end of it."""
    rng = np.random.default_rng(seed)
    cell = int(rng.integers(layout.n_cells))
    scene = simulate_scene(
        layout,
        rng=rng,
        cell=layout.cell_names[cell],
        rt60_s=rt60_s,
        snr_db=snr_db,
        seconds=2.0,
        onset_s=0.5,
        duration_s=1.0,
        fs=FS,
    )
    first = round((float(scene.truth["onset_s"]) - PRE_S) * FS)
    return cell, scene.recording.samples[:, first : first + round(WINDOW_S * FS)]


def _tried(peer: Peer, windows: list[tuple[Layout, int, NDArray[np.float32]]], layouts: list[Layout]) -> list[str]:
    """Right answers of each layout, then the median time of an event; each layout is first heard once unmeasured."""
    right = {layout.id: 0 for layout in layouts}
    times_s = []
    for layout in layouts:
        mine = [(cell, samples) for other, cell, samples in windows if other is layout]
        peer.scores(mine[0][1], fs=FS, layout=layout, speed_of_sound=layout.speed_of_sound)
        for cell, samples in mine:
            began = time.perf_counter()
            scores = peer.scores(samples, fs=FS, layout=layout, speed_of_sound=layout.speed_of_sound)
            times_s.append(time.perf_counter() - began)
            right[layout.id] += int(scores.argmax()) == cell
    n = len(windows) // len(layouts)
    return [*(f"{right[layout.id]}/{n}" for layout in layouts), f"{1000 * float(np.median(times_s)):.1f}"]


if __name__ == "__main__":
    main()
