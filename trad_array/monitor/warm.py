"""Before a watch hears anything: what is made once, so that the first event is told as soon as every other."""

import numpy as np

from trad_array.chain import Chain
from trad_array.localization.place import place
from trad_array.records import Block

# A quiet hiss, full scale = 1; what it is does not matter, for nobody is told.
_LEVEL = 0.01


def warm_up(chain: Chain) -> None:
    """Place a second of noise of no place at all: the localizer makes its tables and imports what it needs.

    Takes some tenths of a second for one pack of cells; without it the first event would be told so much later.
    """
    fs = chain.features.fs
    before = chain.window.pre_roll(fs)
    noise = np.random.default_rng(0).standard_normal((chain.layout.n_mics, before + round(chain.window.window_s * fs)))
    cut = Block((_LEVEL * noise).astype(np.float32), 0, fs)
    place(chain.localizer, cut, chain.layout, onset=before, speed_of_sound=chain.speed_of_sound)
