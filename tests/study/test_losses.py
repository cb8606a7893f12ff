"""Which lines pass through which boxes, and what the filter of a box takes off."""

import numpy as np
import pytest

from trad_array.study.losses import HALF, crossed, loss_filter
from trad_array.study.records import Box

CUBE = Box("cube", (1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
LID = Box("lid", (1.0, 1.0, 1.5), (2.0, 2.0, 1.5))


@pytest.mark.parametrize(
    ("box", "start", "end", "through"),
    [
        (CUBE, (0.0, 1.5, 1.5), (3.0, 1.5, 1.5), True),  # along an axis
        (CUBE, (0.0, 0.0, 0.0), (3.0, 3.0, 3.0), True),  # from corner to corner
        (CUBE, (0.0, 0.5, 1.5), (3.0, 0.5, 1.5), False),  # beside
        (CUBE, (0.0, 1.5, 1.5), (0.9, 1.5, 1.5), False),  # ends before
        (CUBE, (2.1, 1.5, 1.5), (3.0, 1.5, 1.5), False),  # begins behind
        (CUBE, (1.5, 1.5, 1.5), (3.0, 1.5, 1.5), True),  # begins inside
        (CUBE, (0.0, 1.0, 1.5), (3.0, 1.0, 1.5), False),  # in a face
        (CUBE, (0.0, 2.0, 1.5), (2.0, 0.0, 1.5), False),  # touches an edge, at (1, 1)
        (CUBE, (0.0, 2.2, 1.5), (2.2, 0.0, 1.5), True),  # cuts that corner off
        (CUBE, (2.0, 1.5, 1.5), (3.0, 1.5, 1.5), False),  # begins on a face and leaves
        (LID, (1.5, 1.5, 1.0), (1.5, 1.5, 2.0), True),
        (LID, (0.8, 1.5, 1.0), (0.9, 1.5, 2.0), False),
        (LID, (1.5, 1.5, 1.6), (1.5, 1.5, 2.0), False),
        (LID, (0.0, 1.5, 1.5), (3.0, 1.5, 1.5), False),  # in its plane
    ],
)
def test_a_straight_line_passes_through_or_not(box, start, end, through):
    there = crossed([box], np.array([start]), np.array([end]))
    back = crossed([box], np.array([end]), np.array([start]))
    assert there.shape == (1, 1, 1)
    assert bool(there[0, 0, 0]) is bool(back[0, 0, 0]) is through


def test_lines_agree_with_walking_along_them(rng):
    starts, ends = rng.uniform(0, 3, (40, 3)), rng.uniform(0, 3, (30, 3))
    found = crossed([CUBE], starts, ends)[0]
    along = np.linspace(0, 1, 4001)[:, None, None, None]
    walked = starts[:, None] + along * (ends[None] - starts[:, None])
    inside = ((walked > 1.0) & (walked < 2.0)).all(axis=-1).any(axis=0)
    assert np.array_equal(found[inside], np.ones(inside.sum(), dtype=bool))
    assert (found != inside).mean() < 0.005
    assert 0.1 < found.mean() < 0.9


@pytest.mark.parametrize("fs", [16_000, 48_000])
def test_the_filter_has_the_loss_of_the_box_and_no_delay(fs):
    taps = loss_filter([Box("b", (0, 0, 0), (1, 1, 1), loss_db=12.0, slope_db=4.0)], fs=fs)
    assert np.allclose(taps, taps[::-1])
    response = np.fft.rfft(np.roll(np.pad(taps, (0, 8192 - len(taps))), -HALF))
    hz = np.fft.rfftfreq(8192, 1 / fs)
    for at, loss_db in ((2_000, 8.0), (4_000, 12.0), (7_000, 12.0 + 4.0 * np.log2(1.75))):
        found = response[int(np.abs(hz - at).argmin())]
        assert -20 * np.log10(np.abs(found)) == pytest.approx(loss_db, abs=0.2)
        assert abs(found.imag) < 1e-9


def test_no_frequency_gains_and_no_box_is_no_filter():
    taps = loss_filter([Box("b", (0, 0, 0), (1, 1, 1), loss_db=3.0, slope_db=12.0)], fs=16_000)
    assert np.abs(np.fft.rfft(taps, 8192)).max() < 1.02
    nothing = loss_filter([], fs=16_000)
    assert nothing[HALF] == pytest.approx(1.0)
    assert np.abs(np.delete(nothing, HALF)).max() < 1e-12
