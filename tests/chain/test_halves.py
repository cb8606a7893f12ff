"""A second event that is not sure by itself needs both halves of its stretch."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.localization.cut import Window
from trad_array.localization.place import Placed
from trad_array.localization.watch import WatchRule, confirmed, halves
from trad_array.records import Block, CellMap

RULE = WatchRule()


def ramp(first, last):
    """Samples whose value is their index, so that one sees which ones are there."""
    return Block(np.arange(first, last, dtype=np.float64)[None].repeat(2, axis=0), first, 16_000)


@pytest.mark.parametrize(("first", "onset", "end"), [(1_000, 9_000, 25_000), (0, 10, 21), (500, 500, 900)])
def test_each_half_follows_the_whole_background(first, onset, end):
    window = Window(onset, first, end, parent=0)
    one, two = halves(ramp(first, end), window)
    middle = onset + (end - onset) // 2
    background = list(range(first, onset))
    for half, expected in ((one, range(onset, middle)), (two, range(middle, end))):
        assert half.samples[0].tolist() == background + list(expected)
        # Counted so that its event begins where the background ends.
        assert half.end == expected[-1] + 1
        assert half.start + len(background) == expected[0]
    assert (one.fs, two.fs) == (16_000, 16_000)


def a_map(best, gate):
    probability = np.full(13, 0.01)
    probability[best] = 0.8
    none = np.zeros(0)
    return CellMap(probability, probability, 0.08, None, 0, 343.0, none, none.astype(int), gate=gate)


def whole(cell_map):
    none = np.zeros(0)
    return Placed(0, cell_map, None, none, none.astype(bool), none.astype(bool))


@pytest.mark.parametrize(
    ("first", "second", "yes"),
    [
        (a_map(4, 2.0), a_map(4, 1.0), True),
        (a_map(4, 2.0), a_map(5, 2.0), False),  # another cell
        (a_map(5, 2.0), a_map(5, 2.0), False),  # both another cell
        (a_map(4, 2.0), a_map(4, RULE.half_gate), False),  # half of it is not from a cell
        (a_map(4, -3.0), a_map(4, 2.0), False),
        (a_map(4, 2.0), None, False),  # nor could it be placed
    ],
)
def test_both_halves_must_name_the_cell(first, second, yes):
    found = whole(a_map(4, 2.0))
    assert confirmed(found, (first, second), RULE) is yes
    assert not confirmed(replace(found, cell_map=None), (first, second), RULE)
