"""The pictures of a report: which there are, and each as a figure.

A figure is drawn when it is asked for, so that one at a time is in memory.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trad_array.study.report import agreement_plots, curves, heard_plots, loss_plots
from trad_array.study.report.map_figures import map_figure, new_figure
from trad_array.study.report.maps import error_title, right_title
from trad_array.study.report.picture import LeftOut, Picture
from trad_array.study.report.places import ENOUGH
from trad_array.study.report.run_folder import Found
from trad_array.study.report.scores import Heard, Score, share_of, shared_words, surroundings_words, together
from trad_array.study.report.sheets import MOST, Small, contact_sheet, sheet_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Layouts whose maps are drawn: as many as a reader turns over; of errors the best and the reference.
_MAPPED, _ERRORS = 12, 2
_PANELS = 12


RIGHT, ERROR, CURVE = "Which cells are named rightly", "How far off the named cell is", "Over loudness"
MICS, LOSSES, SHEET = "How many microphones", "What a lost microphone costs", "The best layouts"
HEARD, AGREEMENT = "From sound to alarm", "Do the two engines agree"


def pictures(found: Found) -> Iterator[Picture | LeftOut]:
    """All of them, in the order of the page."""
    if not found.best:
        for heading in (RIGHT, ERROR, CURVE, MICS, LOSSES, SHEET):
            yield LeftOut(heading, "nothing has been localized")
    else:
        yield _curve(found)
        yield from _maps(found)
        yield _mics(found)
        yield _losses(found)
        yield _sheet(found)
    yield from _heard(found)
    yield _agreement(found)


def telling(found: Found) -> tuple[str, list[Score]]:
    """The scores that maps are drawn of, of all layouts, and what they have in common in words.

    The condition at which the best layout is nearest to four right of five (our choice): maps that are all right or all
    wrong look alike. All conditions together where one has too few vents for a cell to be judged.
    """
    among = [score.at for score in found.comparable]
    at = min(found.of(found.best[0]), key=lambda score: abs(score.cells.total.p - 0.8)).at
    mine = [score for score in found.comparable if score.at == at]
    if len(set(among)) == 1:
        return f"at {at.words()}", mine
    if min(float(np.median(score.cells.n)) for score in mine) < ENOUGH:
        return f"over all {len(set(among))} conditions", found.comparable
    return f"at {at.words()}, the condition at which {found.best[0]} is nearest to 80 %", mine


def _across(panels: int) -> int:
    """Panels beside each other."""
    return panels if panels <= 2 else 2 if panels == 4 else 3


def _curve(found: Found) -> Picture:
    kinds = curves.surroundings_of(found.whole)
    shown = kinds[:_PANELS]
    styles = curves.styles_of(found.best, found.reference)
    words = curves.curves_title(found.whole, found.best, 0.9)

    def draw() -> "Figure":
        across = _across(len(shown))
        down = -(-len(shown) // across)
        figure = new_figure(max(4.6 * across, 7.5), 3.9 * down + 1.0)
        axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
        for ax, where in zip(axes, shown, strict=False):
            mine = [score for score in found.whole if score.at.surroundings == where]
            curves.snr_curve(mine, ax, styles=styles, reference=found.reference, title=surroundings_words(where, kinds))
            ax.label_outer()
            ax.tick_params(labelbottom=True)
            ax.set_xlabel(f"vent over fans at {found.reference}, dB")
        for ax in axes[len(shown) :]:
            ax.set_axis_off()
        entries, names = axes[0].get_legend_handles_labels()
        figure.legend(entries, names, loc="outside lower center", ncols=min(len(names), 4), frameon=False)
        figure.suptitle(words)
        return figure

    faint = len(found.best) - len(styles)
    said = f" {faint} more {'layout is' if faint == 1 else 'layouts are'} drawn faint." if faint > 0 else ""
    same = shared_words(kinds)
    same = f" All with {same}." if same else ""
    cut = "" if len(kinds) <= _PANELS else f" The first {_PANELS} of {len(kinds)} surroundings are drawn."
    return Picture(
        "curve.png",
        CURVE,
        words,
        "Simulated. Share of vents put in the right cell, with 95 % intervals (Wilson); loudness is the "
        f"full-band ratio of the vent to the fans at {found.reference}, so a vent is equally loud for every layout."
        + same
        + said
        + cut,
        draw,
    )


def _maps(found: Found) -> Iterator[Picture | LeftOut]:
    where, several = telling(found)
    names = list(dict.fromkeys([found.best[0], found.reference, *found.best]))[:_MAPPED]
    known = [name for name in names if found.layout(name) is not None]
    for heading, kind, most in ((RIGHT, "right", _MAPPED), (ERROR, "error", _ERRORS)):
        drawn = False
        for number, name in enumerate(known[:most]):
            mine = [score for score in several if score.layout == name]
            if mine:
                drawn = True
                yield _map(found, name, mine, where=where, heading=heading, kind=kind, number=number)
        if not drawn:
            yield LeftOut(heading, "no layout of the study is in the table")


def _map(
    found: Found, name: str, mine: Sequence[Score], *, where: str, heading: str, kind: str, number: int
) -> Picture:
    layout, by_cell = found.layout(name), together(mine)
    if layout is None:
        raise KeyError(name)
    title = right_title if kind == "right" else error_title
    words = title(layout, by_cell).replace("\n", "; ")
    n = by_cell.total.n
    return Picture(
        f"{kind}-{number + 1}.png",
        heading,
        words,
        f"Simulated: {n} vents {where}. Microphones beyond the picture are hollow, at its edge. Coordinates are those "
        "of the study file.",
        lambda: map_figure(layout, by_cell, boxes=found.study.site.boxes, error=kind == "error"),
        folded=number > 1 or (number == 1 and name != found.reference),
    )


def _mics(found: Found) -> Picture | LeftOut:
    sizes = {len(score.mics) for score in found.comparable}
    if len(sizes) < 2:
        return LeftOut(MICS, f"all layouts have {sizes.pop()} microphones")
    rows = curves.tradeoff_rows(found.comparable)
    n_points = len({score.at for score in found.comparable})

    def draw() -> "Figure":
        figure = new_figure(9.0, 5.4)
        curves.mics_tradeoff(found.comparable, figure.subplots(), reference=found.reference)
        return figure

    return Picture(
        "microphones.png",
        MICS,
        curves.tradeoff_title(rows),
        f"Simulated. Each layout once, over {n_points} {'condition' if n_points == 1 else 'conditions'} that all have, "
        "with 95 % intervals (Wilson); lines join the best of each size. The worst of many cells is partly the "
        "unluckiest: its interval is for one cell.",
        draw,
    )


def _losses(found: Found) -> Picture | LeftOut:
    engine = found.whole[0].engine
    mine = [score for score in found.scores if score.engine == engine]
    by_layout = {name: loss_plots.losses(mine, name) for name in dict.fromkeys([*found.best[:5], found.reference])}
    by_layout = {name: lost for name, lost in by_layout.items() if lost}
    if not by_layout:
        return LeftOut(LOSSES, "the study does not take microphones away (each_dead), or nothing of it is done yet")
    first = next(iter(by_layout))

    def draw() -> "Figure":
        across = _across(len(by_layout))
        down = -(-len(by_layout) // across)
        figure = new_figure(max(5.2 * across, 7.0), 4.3 * down)
        axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for ax, (name, lost) in zip(axes, by_layout.items(), strict=False):
            loss_plots.loss_plot(lost, ax, layout=name)
            ax.label_outer()
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("microphone that is lost")
        for ax in axes[len(by_layout) :]:
            ax.set_axis_off()
        return figure

    return Picture(
        "losses.png",
        LOSSES,
        loss_plots.loss_title(by_layout[first], first),
        "Simulated. Blue: all microphones. Points: without the one below, at the same conditions, with 95 % intervals "
        "(Wilson). The localizer knows which microphone is lost and leaves it out.",
        draw,
    )


def _sheet(found: Found) -> Picture | LeftOut:
    names = [name for name in found.best if found.layout(name) is not None][:MOST]
    if len(names) < 2:
        return LeftOut(SHEET, "one layout was studied; its map stands above")
    shown = [_small(found, name, rank) for rank, name in enumerate(names, start=1)]

    def draw() -> "Figure":
        return contact_sheet(shown, new_figure(*sheet_size(shown)), boxes=found.study.site.boxes)

    counted = f"the {len(names)} best of {len(found.best)}" if len(found.best) > len(names) else f"all {len(names)}"
    return Picture(
        "sheet.png",
        SHEET,
        f"{counted.capitalize()} layouts, from {share_of(found.of(names[0]))} to {share_of(found.of(names[-1]))}",
        "Simulated. Best first, each from above and from the side; black: microphones, triangles: guard points, cells "
        "from white (never named rightly) to dark blue (always), over all conditions that the layouts share.",
        draw,
    )


def _small(found: Found, name: str, rank: int) -> Small:
    layout, mine = found.layout(name), found.of(name)
    if layout is None:
        raise KeyError(name)
    short = name if len(name) <= 24 else f"{name[:23]}\u2026"
    return Small(layout, f"{rank}. {short}, {layout.n_mics} mics\n{share_of(mine)}", together(mine))


def _heard(found: Found) -> Iterator[Picture | LeftOut]:
    heard = found.heard
    shown = list(dict.fromkeys([*found.best[:_MAPPED], found.reference]))
    heard = sorted((one for one in heard if one.layout in shown or not found.best), key=lambda one: _rank(shown, one))
    made = heard_plots.vents(heard)
    if not made:
        yield LeftOut(HEARD, "the study has no detection part, or nothing of it is done yet")
        return

    def draw() -> "Figure":
        figure = new_figure(max(7.5, 1.6 * len({one.layout: 0 for one in made})), 5.0)
        heard_plots.detection_plot(made, figure.subplots())
        return figure

    yield Picture(
        "detection.png",
        HEARD,
        heard_plots.detection_title(made),
        f"Simulated: {sum(one.n for one in made)} vents, heard by the same chain as live sound, all conditions; "
        "95 % intervals (Wilson).",
        draw,
    )
    yield _delays(made)
    yield _false_alarms(heard_plots.others(heard))


def _rank(names: Sequence[str], one: Heard) -> int:
    return names.index(one.layout) if one.layout in names else len(names)


def _delays(made: Sequence[Heard]) -> Picture:
    rows = heard_plots.delay_rows(made)

    def draw() -> "Figure":
        figure = new_figure(10.0, 1.8 + 0.3 * len(rows))
        heard_plots.delay_plot(made, figure.subplots())
        return figure

    slowest = " Of each layout the slowest condition is drawn." if len(rows) < len(made) else ""
    return Picture(
        "alarm-time.png",
        HEARD,
        heard_plots.delay_title(made).replace("\n", " "),
        "Simulated. From the first arrival of the vent to the alarm that names a cell; a vent that is never placed "
        f"counts as one that takes for ever.{slowest}",
        draw,
    )


def _false_alarms(others: Sequence[Heard]) -> Picture | LeftOut:
    if not others:
        return LeftOut(HEARD, "no sounds that no cell makes were tried, so nothing is known of false alarms")

    def draw() -> "Figure":
        figure = new_figure(9.5, 1.8 + 0.36 * len({one.sound: 0 for one in others}))
        heard_plots.false_alarm_plot(others, figure.subplots())
        return figure

    return Picture(
        "false-alarms.png",
        HEARD,
        heard_plots.false_alarm_title(others),
        "Simulated, all layouts together. A site hears seconds or minutes a day of such sounds, not 24 hours: "
        "scale down by that. The bar ends at the upper 95 % Poisson bound, which takes every sound for a new one; "
        "but all layouts, loudnesses and fan states hear the same ones, so the truth may lie above it.",
        draw,
    )


def _agreement(found: Found) -> Picture | LeftOut:
    pairs = agreement_plots.agreed(found.compared)
    if not pairs:
        return LeftOut(AGREEMENT, "only one engine was used")

    def draw() -> "Figure":
        figure = new_figure(10.0, 1.6 + 0.42 * min(len(pairs), agreement_plots.MOST_PAIRS))
        agreement_plots.agreement_plot(pairs, figure.subplots())
        return figure

    cut = (
        f" Of {len(pairs)} conditions the {agreement_plots.MOST_PAIRS} that differ most."
        if len(pairs) > agreement_plots.MOST_PAIRS
        else ""
    )
    return Picture(
        "agreement.png",
        AGREEMENT,
        agreement_plots.agreement_title(pairs),
        f"Simulated.{cut} The time engine makes the sound and hears it like live sound; the spectral one draws its "
        "spectra. Intervals are those of independent shares (95 %, Newcombe).",
        draw,
    )
