"""What the pictures of a study draw and say, read from the figures themselves."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trad_array.plotting import VERMILION
from trad_array.plotting_layout import pack_rows
from trad_array.study.report import agreement_plots, curves, heard_plots, loss_plots
from trad_array.study.report.map_figures import map_figure
from trad_array.study.report.maps import error_map, rack_map, right_map, room_view
from trad_array.study.report.pictures import LeftOut, Picture, pictures, telling
from trad_array.study.report.scores import ByCell, together
from trad_array.study.report.shares import Share
from trad_array.study.report.sheets import MOST, Small, contact_sheet
from trad_array_geometry import load_layout

ROW = load_layout("row-corners")


def axes():
    return Figure().subplots()


def words(ax):
    return [text.get_text() for text in ax.texts]


def counts(layout, right, n=100, error_m=0.01):
    names = np.array(layout.cell_names)
    return ByCell(names, np.full(len(names), n), np.broadcast_to(right, len(names)), np.full(len(names), error_m))


def frames(ax):
    return [p for p in ax.patches if isinstance(p, Rectangle) and to_hex(p.get_edgecolor()).upper() == VERMILION]


def coloured(ax):
    (cells,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    return cells


def test_the_map_has_the_share_of_every_cell_and_frames_the_worst():
    right = np.full(13, 95)
    right[4] = 41
    ax = right_map(ROW, counts(ROW, right), axes())
    assert coloured(ax).get_array().tolist() == pytest.approx((right / 100).tolist())
    assert "R1C05\n41 %" in words(ax)
    (frame,) = frames(ax)
    middle = np.array(frame.get_xy()) + (frame.get_width() / 2, frame.get_height() / 2)
    np.testing.assert_allclose(middle, ROW.cells[4, :2])
    assert "worst cell R1C05: 41 % (32 to 51)" in ax.get_title()
    assert sum(text.endswith(" m)") for text in words(ax)) == 4


def test_the_colours_of_shares_mean_the_same_on_every_map():
    for right in (3, 99):
        cells = coloured(right_map(ROW, counts(ROW, right), axes()))
        assert (cells.norm.vmin, cells.norm.vmax) == (0.0, 1.0)


def test_cells_that_did_not_vent_are_grey_without_a_number():
    names = np.array(ROW.cell_names[:6])
    ax = right_map(ROW, ByCell(names, np.full(6, 50), np.full(6, 40), np.full(6, 0.02)), axes())
    assert np.ma.getmaskarray(coloured(ax).get_array()).tolist() == [False] * 6 + [True] * 7
    assert "R1C13" in words(ax)


def test_the_map_of_errors_is_in_metres():
    by_cell = counts(ROW, 90, error_m=0.03)
    ax = error_map(ROW, by_cell, axes())
    assert coloured(ax).get_array().tolist() == pytest.approx([0.03] * 13)
    # One in ten is wrong: 30 mm on average are 0.30 m when it is wrong.
    assert ax.get_title() == (
        "row-corners: the named cell is 30 mm from the true one on average\n"
        "when the wrong cell is named, it is 0.30 m away"
    )


def test_too_few_vents_a_cell_name_no_worst():
    ax = right_map(ROW, counts(ROW, 2, n=3), axes())
    assert "too few vents a cell (3) to name the worst" in ax.get_title()
    assert not frames(ax)


def test_where_nothing_goes_wrong_nothing_is_the_worst():
    ax = right_map(ROW, counts(ROW, 100), axes())
    assert not frames(ax)
    assert "no vent was put in a wrong cell" in ax.get_title()
    layout = load_layout("container")
    side = rack_map(layout, counts(layout, 100), axes(), packs=pack_rows(layout)[0], side="one")
    assert not frames(side)
    assert side.get_title() == "one"


def test_packs_of_a_container_from_the_side_with_the_worst_framed():
    layout = load_layout("container")
    right = np.full(layout.n_cells, 95)
    bad = layout.pack_names.index("K13L2")
    right[layout.cell_packs == bad] = 60
    by_cell = counts(layout, right)
    rows = pack_rows(layout)
    ax = rack_map(layout, by_cell, axes(), packs=rows[0], side="one")
    assert len(coloured(ax).get_array()) == 48
    assert "K13L2\n60 %" in words(ax)
    assert len(frames(ax)) == 1
    assert "worst pack K13L2, 60.0 %" in ax.get_title()
    above = right_map(layout, by_cell, axes())
    assert len(coloured(above).get_array()) == 12 * 52
    assert "K13\n91 %" in words(above)
    assert len(map_figure(layout, by_cell).axes) == 4


def test_the_room_shows_every_microphone_and_the_boxes(found):
    layout = found.layout("choice-1")
    for above, axis in ((True, 1), (False, 2)):
        ax = room_view(layout, axes(), above=above, boxes=found.study.site.boxes)
        (mics,) = [line for line in ax.lines if line.get_marker() == "o"]
        np.testing.assert_allclose(np.array(mics.get_data()).T, layout.mics[:, (0, axis)])
        assert len([p for p in ax.patches if p.get_linestyle() == "--"]) == 1


def test_curves_go_through_the_shares_with_their_intervals(found):
    mine = [s for s in found.whole if s.at.surroundings == (0.3, "normal", "none", 0.5)]
    styles = curves.styles_of(found.best, "reference")
    ax = curves.snr_curve(mine, axes(), styles=styles, reference="reference")
    drawn = {box.get_label(): box for box in ax.containers}
    assert set(drawn) == set(found.best)
    for name, box in drawn.items():
        line, _, (bars,) = box.lines
        scores = sorted((s for s in mine if s.layout == name), key=lambda s: s.at.snr_db)
        np.testing.assert_allclose(line.get_ydata(), [100 * s.cells.total.p for s in scores])
        ends = np.array([piece[:, 1] for piece in bars.get_segments()])
        np.testing.assert_allclose(ends, [[100 * s.cells.total.low, 100 * s.cells.total.high] for s in scores])


def test_many_layouts_leave_colour_to_the_best_and_the_reference():
    best = [f"L{k}" for k in range(12)]
    styles = curves.styles_of(best, "L9")
    assert set(styles) == {"L9", "L0", "L1", "L2", "L3", "L4"}
    assert len(set(styles.values())) == 6


def test_the_title_says_down_to_where_the_best_holds(found):
    said = curves.curves_title(found.whole, found.best, 0.9)
    worst = [s for s in found.whole if s.layout == found.best[0] and s.at.surroundings == (0.6, "normal", "M1", 0.5)]
    held = [s.at.snr_db for s in sorted(worst, key=lambda s: -s.at.snr_db) if s.cells.total.p >= 0.9]
    assert said == f"{found.best[0]} names 90 % or more down to {min(held):g} dB even with RT60 0.6 s, mismatch M1"


def test_the_tradeoff_has_mean_and_worst_of_every_layout(make):
    many = make(sizes=(4, 3, 6, 8, 8))
    rows = curves.tradeoff_rows(many.comparable)
    assert [row.n_mics for row in rows] == [4, 3, 6, 8, 8]
    ax = curves.mics_tradeoff(many.comparable, axes(), reference="reference")
    heights = sorted(float(box.lines[0].get_ydata()[0]) for box in ax.containers)
    assert heights == pytest.approx(sorted(100 * s.p for row in rows for s in (row.mean, row.worst)))
    assert ax.get_xticks().tolist() == [3, 4, 6, 8]
    for row in rows:
        by_cell = together([s for s in many.comparable if s.layout == row.name])
        assert row.worst.p == min(by_cell.p)


def test_the_title_of_the_tradeoff_says_where_more_brings_little():
    rows = [
        curves.TradeoffRow("a", 3, Share(800, 1000), Share(60, 100)),
        curves.TradeoffRow("b", 4, Share(950, 1000), Share(80, 100)),
        curves.TradeoffRow("c", 6, Share(955, 1000), Share(85, 100)),
    ]
    said = curves.tradeoff_title(rows)
    assert said == "4 microphones name 95 % (worst cell 80 %); more bring less than 1 point; 15 points over 3"


def test_each_lost_microphone_has_its_price(found):
    lost = loss_plots.losses(found.scores, "reference")
    assert [loss.mic for loss in lost] == ["A", "B", "C", "D"]
    ax = loss_plots.loss_plot(lost, axes(), layout="reference")
    assert [float(box.lines[0].get_ydata()[0]) for box in ax.containers] == pytest.approx(
        [100 * loss.without.p for loss in lost]
    )
    worst = max(lost, key=lambda loss: loss.everything.p - loss.without.p)
    assert ax.get_title().startswith(f"reference: losing {worst.mic} costs most, {100 * worst.cost.value:.0f} points")


def test_a_loss_that_does_not_show_is_said():
    same = [loss_plots.Loss(mic, Share(90, 100), Share(90, 100)) for mic in "AB"]
    assert "no single lost microphone costs anything that shows" in loss_plots.loss_title(same, "x")


def test_engines_are_set_against_each_other_condition_by_condition(make):
    both = make(engines=("time", "spectral"), sizes=(4,), each_dead=False, snr_db=(-12.0, 0.0), events=10_000)
    pairs = agreement_plots.agreed(both.scores)
    assert len(pairs) == 8
    ax = agreement_plots.agreement_plot(pairs, axes())
    drawn = [float(box.lines[0].get_xdata()[0]) for box in ax.containers]
    assert drawn == pytest.approx([100 * (pair.spectral.p - pair.time.p) for pair in pairs])
    apart = [*pairs, agreement_plots.Agreed("bad", Share(900, 1000), Share(700, 1000))]
    assert agreement_plots.agreement_title(apart) == "The engines differ at 1 of 9 conditions, by up to 20.0 points"


def test_stages_of_the_chain_are_bars(found):
    made = heard_plots.vents(found.heard)
    ax = heard_plots.detection_plot(made, axes())
    heights = [bar.get_height() for bar in ax.patches]
    names = ["reference", "choice-1", "choice-2"]
    wanted = [
        100
        * sum(getattr(one, stage) for one in made if one.layout == name)
        / sum(one.n for one in made if one.layout == name)
        for stage in ("detected", "alarmed", "right")
        for name in names
    ]
    assert heights == pytest.approx(wanted)


def test_the_bound_of_false_alarms_is_poissons(found):
    others = heard_plots.others(found.heard)
    rate, bound = heard_plots.false_rate([one for one in others if one.sound == "rain"])
    # No alarm in nine times 400 s: -log(0.05) of them, a day.
    assert rate == 0
    assert bound == pytest.approx(-np.log(0.05) * 86_400 / 3_600)
    ax = heard_plots.false_alarm_plot(others, axes())
    assert "9 from 360 in 60 min" in words(ax)
    assert "0 from 360 in 60 min" in words(ax)
    assert ax.get_title() == "9 false alarms from 720 sounds, most (9) from door"


def test_vents_that_are_never_placed_make_a_layout_slow(found):
    from dataclasses import replace

    made = heard_plots.vents(found.heard)[:3]
    made = [made[0], replace(made[1], alarm_s_95=np.nan), replace(made[2], alarm_s_median=np.nan, alarm_s_95=np.nan)]
    ax = heard_plots.delay_plot(made, axes())
    assert [line.get_marker() for line in ax.lines if line.get_marker() != "None"] == ["o", "|", "o", ">"]
    assert any(text.startswith("only ") for text in words(ax))
    assert "under 2 of 3 conditions, under the others never" in ax.get_title()
    # On two lines: one would be longer than the picture.
    assert max(len(line) for line in ax.get_title().splitlines()) < 60


def test_the_sheet_has_two_views_of_each_layout(found):
    shown = [Small(found.layout(name), name, together(found.of(name))) for name in found.best]
    figure = contact_sheet(shown, Figure(), boxes=found.study.site.boxes)
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == found.best
    assert len(figure.axes) == 6


def test_at_most_ten_layouts_are_on_the_sheet(make):
    many = make(sizes=(4,) * 12, each_dead=False, snr_db=(-12.0,), detection=False)
    (sheet,) = [p for p in pictures(many) if isinstance(p, Picture) and p.file == "sheet.png"]
    titles = [ax.get_title() for ax in sheet.draw().axes if ax.get_title()]
    assert len(titles) == MOST
    assert titles[0].startswith(f"1. {many.best[0]}")
    assert sheet.words.startswith("The 10 best of 12 layouts")


def test_maps_are_drawn_where_they_tell_most(found):
    p = {s.at: s.cells.total.p for s in found.of(found.best[0])}
    where, several = telling(found)
    (at,) = {score.at for score in several}
    assert abs(p[at] - 0.8) == min(abs(value - 0.8) for value in p.values())
    assert at.words() in where


def test_maps_are_drawn_of_all_conditions_where_one_has_too_few_vents(make):
    few = make(events=100, detection=False, each_dead=False)
    where, several = telling(few)
    assert where == "over all 20 conditions"
    assert sum(s.cells.total.n for s in several if s.layout == "reference") == 20 * 100


def test_where_the_best_holds_everywhere_the_title_says_so(make):
    loud = make(snr_db=(10.0, 20.0), each_dead=False, detection=False)
    said = curves.curves_title(loud.whole, loud.best, 0.9)
    assert said == f"{loud.best[0]} names 90 % or more down to 10 dB everywhere, the faintest that was tried"


def test_what_is_missing_is_left_out_with_a_word_why(make):
    bare = make(sizes=(4,), each_dead=False, detection=False)
    left = {one.heading: one.why for one in pictures(bare) if isinstance(one, LeftOut)}
    assert left == {
        "How many microphones": "all layouts have 4 microphones",
        "What a lost microphone costs": "the study does not take microphones away (each_dead), "
        "or nothing of it is done yet",
        "The best layouts": "one layout was studied; its map stands above",
        "From sound to alarm": "the study has no detection part, or nothing of it is done yet",
        "Do the two engines agree": "only one engine was used",
    }


def test_every_caption_says_simulated(make):
    both = make(engines=("time", "spectral"), snr_db=(-12.0, -6.0))
    made = [one for one in pictures(both) if isinstance(one, Picture)]
    assert {one.heading for one in made} >= {"Over loudness", "From sound to alarm", "Do the two engines agree"}
    assert all(one.caption.startswith("Simulated") for one in made)
