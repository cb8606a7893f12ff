"""The three sentences at the top."""

import dataclasses

import numpy as np

from trad_array.study.report.answer import answer, first_failed
from trad_array.study.report.run_folder import Found
from trad_array.study.report.scores import together
from trad_array.study.report.shares import difference, points_words, share_words


def test_the_answer_names_the_best_its_lead_and_what_fails_first(found):
    which, how_much, fails = answer(found)
    best, second = found.best[:2]
    shares = {name: counted(found, name) for name in (best, second)}
    assert f"{best} (4 microphones)" in which
    assert share_words(shares[best]) in which
    assert points_words(difference(shares[best], shares[second])) in how_much
    assert second in how_much
    assert "RT60 0.6 s, mismatch M1" in fails
    assert "without microphone D" in fails


def counted(found, name):
    """Share over all conditions, from the table itself."""
    from trad_array.study.report.shares import Share

    table = found.table
    rows = (table["measure"] == "localization") & (table["layout"] == name) & (table["dead"] == "")
    return Share(int(table["right"][rows].sum()), int(table["n"][rows].sum()))


def test_the_loudest_condition_below_nine_in_ten_fails_first(found):
    mine = found.of(found.best[0])
    failed = first_failed(mine)
    assert failed is not None
    assert failed.cells.total.p < 0.9
    assert all(s.cells.total.p >= 0.9 for s in mine if s.at.snr_db > failed.at.snr_db)


def test_what_chance_can_explain_is_said(make):
    close = make(sizes=(4, 4), events=60)
    column = np.array(close.table["right"])
    same = close.table | {"right": np.where(close.table["measure"] == "localization", np.minimum(column, 2), column)}
    assert "which chance can explain" in answer(Found(close.study, same))[1]


def test_one_layout_has_nothing_to_be_compared_with(make):
    which, how_much, _ = answer(make(sizes=(4,)))
    assert "reference (4 microphones) names" in which
    assert how_much == "There is nothing to compare it with: one layout was studied."


def test_nothing_localized_is_one_sentence(found):
    detection = found.table["measure"] == "detection"
    only = {name: column[detection] for name, column in found.table.items()}
    assert answer(dataclasses.replace(found, table=only)) == (
        "Nothing has been localized yet: the table has no row of localization.",
    )


def test_that_nothing_fails_is_said_with_the_weakest(make):
    loud = make(snr_db=(20.0, 30.0), each_dead=False)
    assert answer(loud)[2].startswith("Nothing falls below 90 % with it; the weakest is")


def test_the_worst_cell_is_named_with_its_interval_and_only_when_cells_vented_often_enough(make):
    many, few = make(sizes=(4, 4), events=2000), make(sizes=(4, 4), events=13, snr_db=(-12.0,))
    cell, share = together(many.of(many.best[0])).worst()
    assert f", {share_words(share)} in its worst cell {cell}" in answer(many)[0]
    assert "worst cell" not in answer(few)[0]


def test_layouts_that_are_right_as_often_are_not_told_apart(make):
    made = make(sizes=(4, 4), each_dead=False)
    localized = made.table["measure"] == "localization"
    same = made.table | {"right": np.where(localized, made.table["n"], made.table["right"])}
    assert "names the right cell as often as any: in 100 %" in answer(Found(made.study, same))[0]
