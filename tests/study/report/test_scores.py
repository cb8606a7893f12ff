"""The tidy table gathered by layout and condition."""

import numpy as np
import pytest

from trad_array.study.report.scores import (
    at_common_points,
    best_first,
    heard,
    scores,
    share_of,
    surroundings_words,
    together,
)


def test_every_row_is_counted_once(found):
    table = found.table
    rows = table["measure"] == "localization"
    assert sum(score.cells.total.n for score in found.scores) == table["n"][rows].sum()
    assert sum(score.cells.total.hits for score in found.scores) == table["right"][rows].sum()
    # Three layouts of 4, 4 and 3 microphones, 20 conditions, each with all and without each.
    assert len(found.scores) == 20 * (5 + 5 + 4)


def test_the_order_of_rows_does_not_matter(found):
    order = np.random.default_rng(0).permutation(len(found.table["n"]))
    mixed = scores({name: column[order] for name, column in found.table.items()})
    wanted = {(s.layout, s.at, s.dead): s.cells.total for s in found.scores}
    assert {(s.layout, s.at, s.dead): s.cells.total for s in mixed} == wanted


def test_cells_of_several_conditions_add_up(found):
    mine = found.of("reference")
    by_cell = together(mine)
    name = by_cell.names[3]
    rows = [
        (s.cells.n[k], s.cells.right[k], s.cells.error_m[k]) for s in mine for k in [list(s.cells.names).index(name)]
    ]
    n, right, error = (np.array(column) for column in zip(*rows, strict=True))
    assert (by_cell.n[3], by_cell.right[3]) == (n.sum(), right.sum())
    assert by_cell.error_m[3] == pytest.approx((n * error).sum() / n.sum())
    worst = by_cell.worst()
    assert worst is not None
    assert worst[1].p == min(by_cell.right / by_cell.n)


def test_the_best_comes_first(found):
    shares = [share_of(found.of(name)).p for name in found.best]
    assert shares == sorted(shares, reverse=True)
    assert set(found.best) == {"reference", "choice-1", "choice-2"}


def test_layouts_are_compared_where_all_of_them_were_tried(found):
    # As after a stop: the last layout has only the easy conditions.
    easy = [s for s in found.whole if s.layout != "choice-2" or s.at.snr_db >= -6.0]
    common = at_common_points(easy)
    assert {s.at.snr_db for s in common} == {-6.0, 0.0}
    assert best_first(easy) == best_first(common)


def test_sounds_of_the_chain_keep_what_is_not_known(found):
    vents = [one for one in heard(found.table) if one.sound == "vent"]
    doors = [one for one in heard(found.table) if one.sound == "door"]
    assert all(one.right is not None and one.n == 50 for one in vents)
    assert all(one.right is None and np.isnan(one.alarm_s_median) for one in doors)
    assert len(vents) == len(doors) == 9


def test_words_leave_out_what_is_the_same_everywhere():
    one, other = (0.3, "normal", "none", 0.5), (0.6, "normal", "M1", 0.5)
    assert surroundings_words(one) == "RT60 0.3 s, normal fans, file exact, 0.5 s long"
    assert surroundings_words(one, [one, other]) == "RT60 0.3 s, file exact"
