"""A watch that was warmed up has nothing left to make or to import when the first event comes."""

import subprocess
import sys

PROGRAM = """
import sys
import numpy as np
from trad_array.chain import make_chain
from trad_array.localization.place import place
from trad_array.monitor.warm import warm_up
from trad_array.records import Block
from trad_array.testing import hiss_cut
from trad_array_geometry import load_layout

layout = load_layout("pack-corners")
chain = make_chain(layout)
if "warm" in sys.argv:
    warm_up(chain)
before = set(sys.modules)
cut = hiss_cut(layout, layout.cells[7], np.random.default_rng(1))
found = place(chain.localizer, cut, layout, onset=0, speed_of_sound=chain.speed_of_sound)
print(found.cell_map.best, *sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""


def first_event(*arguments):
    """The best cell of the first event, and the packages that it had to load parts of."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    best, *packages = done.stdout.split()
    return int(best), packages


def test_the_first_event_loads_nothing_and_is_placed_the_same():
    cold, warm = first_event(), first_event("warm")
    assert "scipy" in cold[1]
    assert warm == (7, [])
    assert cold[0] == 7
