"""Make a bank in two processes and say how far it is: `python banked.py CACHE`."""

import signal
import sys
from pathlib import Path

import numpy as np

from trad_array.study.bank import open_bank
from trad_array.study.records import Points, Site
from trad_array_geometry import load_layout

if __name__ == "__main__":
    # Where tests run in the background, Ctrl-C is ignored from the beginning.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    layout = load_layout("row-corners")
    site = Site(layout, np.arange(13), jet_heights_m=tuple(0.02 * k for k in range(10)))
    places = np.stack([np.linspace(0.5, 5.5, 24), np.full(24, 0.4), np.full(24, 2.0)], axis=1)
    n = len(places)
    points = Points(tuple(map(str, range(n))), places, ("z",) * n, np.full(n, 0.005), np.full(n, 30e-6))
    open_bank(
        site,
        points,
        rt60_s=0.3,
        seed=1,
        cache=Path(sys.argv[1]),
        workers=2,
        batch=1,
        progress=lambda done, of: sys.stdout.write(f"{done} {of}\n") and sys.stdout.flush(),
    )
