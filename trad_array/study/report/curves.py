"""Layouts against each other: over loudness, by number of microphones.

Axes in, Axes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trad_array.plotting import BLACK, VERMILION
from trad_array.plotting_reliability import BLUE
from trad_array.study.report.scores import Score, Surroundings, surroundings_words, together
from trad_array.study.report.shares import Share, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito (2008) without yellow, each with a mark of its own for readers and printers without colour.
STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#00785A", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#000000", "P"),
)
_FAINT = "#BBBBBB"


def styles_of(best: Sequence[str], reference: str) -> dict[str, tuple[str, str]]:
    """Colour and mark of the layouts worth one: the reference and the best; others are drawn faint.

    best : names of all layouts, best first
    """
    shown = list(best[: len(STYLES)])
    if reference in best and reference not in shown:
        shown[-1] = reference
    # The reference keeps the first style, so that it looks the same on every page.
    shown.sort(key=lambda name: (name != reference, best.index(name)))
    return dict(zip(shown, STYLES, strict=False))


def snr_curve(
    several: Sequence[Score], ax: "Axes", *, styles: Mapping[str, tuple[str, str]], reference: str, title: str = ""
) -> "Axes":
    """Share of vents in the right cell over loudness, a line for each layout, with 95 % intervals (Wilson).

    Parameters
    ----------
    several : scores of the same surroundings, nothing lost
    ax : the axes to draw on
    styles : of `styles_of`; layouts without one are drawn faint and without intervals
    reference : the layout at which loudness is meant
    title : above the picture
    """
    names = list({score.layout: 0 for score in several})
    for name in sorted(names, key=lambda name: name in styles):
        mine = sorted((s for s in several if s.layout == name), key=lambda s: s.at.snr_db)
        x = np.array([s.at.snr_db for s in mine])
        shares = [s.cells.total for s in mine]
        p = 100 * np.array([s.p for s in shares])
        if name not in styles:
            ax.plot(x, p, color=_FAINT, linewidth=1.0, zorder=1)
            continue
        colour, mark = styles[name]
        low, high = (100 * np.array([getattr(s, end) for s in shares]) for end in ("low", "high"))
        ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
        ax.errorbar(
            x,
            p,
            yerr=np.maximum([p - low, high - p], 0.0),
            color=colour,
            marker=mark,
            markersize=5,
            linewidth=1.6,
            elinewidth=1.0,
            capsize=2.0,
            label=name,
            zorder=3,
        )
    ax.set_ylim(-3, 103)
    loud = sorted({score.at.snr_db for score in several})
    if len(loud) <= 9:
        ax.set_xticks(loud, [f"{snr:g}" for snr in loud])
    ax.set_xlabel(f"loudness of the vent over the fans, dB (at {reference})")
    ax.set_ylabel("vents put in the right cell, %")
    ax.set_title(title)
    _grid(ax)
    return ax


def curves_title(several: Sequence[Score], best: Sequence[str], limit: float) -> str:
    """Down to which loudness the best layout names at least `limit` of the vents, in words."""
    mine = [s for s in several if s.layout == best[0]]
    return f"{best[0]} names {percent(limit)} or more {faint_words(mine, limit)}"


def faint_words(several: Sequence[Score], limit: float) -> str:
    """Down to which loudness a layout keeps at least `limit`, in the worst of its surroundings."""
    every = surroundings_of(several)
    kept = {where: lowest_kept((s for s in several if s.at.surroundings == where), limit) for where in every}
    lost = [where for where, snr in kept.items() if snr is None]
    if lost and len(lost) == len(kept):
        return "nowhere"
    found = {where: snr for where, snr in kept.items() if snr is not None}
    if lost:
        return f"down to {min(found.values()):g} dB at best, and nowhere with {surroundings_words(lost[0], every)}"
    if len(set(found.values())) == 1:
        snr = next(iter(found.values()))
        tried = ", the faintest that was tried" if snr == min(s.at.snr_db for s in several) else ""
        return f"down to {snr:g} dB{' everywhere' if len(kept) > 1 else ''}{tried}"
    where = max(found, key=lambda key: found[key])
    return f"down to {found[where]:g} dB even with {surroundings_words(where, every)}"


def lowest_kept(several: Iterable[Score], limit: float) -> float | None:
    """The faintest SNR down to which every louder one too has at least `limit`, dB; None when not even the loudest."""
    faintest = None
    for score in sorted(several, key=lambda s: -s.at.snr_db):
        if not score.cells.total.p >= limit:
            break
        faintest = score.at.snr_db
    return faintest


def surroundings_of(several: Sequence[Score]) -> list[Surroundings]:
    """Each once, in their order."""
    return list({score.at.surroundings: 0 for score in several})


def mics_tradeoff(several: Sequence[Score], ax: "Axes", *, reference: str) -> "Axes":
    """Share of vents in the right cell by number of microphones: mean over all cells, and the worst cell.

    Parameters
    ----------
    several : scores at conditions that all layouts have, nothing lost
    ax : the axes to draw on
    reference : its points get a ring
    """
    rows = tradeoff_rows(several)
    sizes = sorted({row.n_mics for row in rows})
    # Layouts of the same size stand side by side.
    step, gap = 0.015 * max(sizes[-1] - sizes[0], 4), float(np.diff(sizes).min(initial=100))
    for row in rows:
        same = [other for other in rows if other.n_mics == row.n_mics]
        aside = min(step * (len(same) - 1), 0.6 * gap) * ((same.index(row) + 0.5) / len(same) - 0.5)
        for share, colour, mark, face, shift in (
            (row.mean, BLUE, "o", BLUE, 0.0),
            (row.worst, VERMILION, "v", "white", 0.25 * step),
        ):
            bar = 100 * np.maximum([[share.p - share.low], [share.high - share.p]], 0.0)
            ax.errorbar(
                row.n_mics + aside + shift,
                100 * share.p,
                yerr=bar,
                fmt=mark,
                color=colour,
                markerfacecolor=face,
                markersize=6,
                elinewidth=1.1,
                capsize=2,
                zorder=3,
            )
            if row.name == reference:
                (ring,) = ax.plot(row.n_mics + aside + shift, 100 * share.p, "o", color=BLACK, markersize=14, zorder=4)
                ring.set(markerfacecolor="none", markeredgewidth=1.0)
    for colour, name in ((BLUE, "mean"), (VERMILION, "worst")):
        best = [max(getattr(row, name).p for row in rows if row.n_mics == n) for n in sizes]
        ax.plot(sizes, 100 * np.array(best), color=colour, linewidth=1.3, alpha=0.7, zorder=2)
    _tradeoff_legend(ax, reference, ringed=any(row.name == reference for row in rows))
    ax.set_xticks(sizes)
    ax.set_xlim(sizes[0] - 0.6, sizes[-1] + 0.6)
    lowest = 100 * min(row.worst.low for row in rows)
    ax.set_ylim(-3 if lowest < 40 else 10 * np.floor(lowest / 10) - 2, 103 if lowest < 40 else 101.5)
    ax.set_xlabel("microphones")
    ax.set_ylabel("vents put in the right cell, %")
    ax.set_title(tradeoff_title(rows))
    _grid(ax)
    return ax


@dataclass(frozen=True, slots=True)
class TradeoffRow:
    """One layout: its size, its share over all cells, and that of its worst cell."""

    name: str
    n_mics: int
    mean: Share
    worst: Share


def tradeoff_rows(several: Sequence[Score]) -> list[TradeoffRow]:
    """A row for each layout, in the order of the scores."""
    rows = []
    for name in {score.layout: 0 for score in several}:
        mine = [score for score in several if score.layout == name]
        by_cell = together(mine)
        worst = by_cell.worst()
        if worst is not None:
            rows.append(TradeoffRow(name, len(mine[0].mics), by_cell.total, worst[1]))
    return rows


def tradeoff_title(rows: Sequence[TradeoffRow]) -> str:
    """From how many microphones on hardly anything is gained, in words."""
    sizes = sorted({row.n_mics for row in rows})
    best = {n: max((row for row in rows if row.n_mics == n), key=lambda row: row.mean.p) for n in sizes}
    top = max(best.values(), key=lambda row: row.mean.p)
    fewest = next(n for n in sizes if best[n].mean.p >= top.mean.p - 0.01)
    said = f"{fewest} microphones name {percent(best[fewest].mean.p)} (worst cell {percent(best[fewest].worst.p)})"
    more = [n for n in sizes if n > fewest]
    less = [n for n in sizes if n < fewest]
    if more:
        said += "; more bring less than 1 point"
    if less:
        gap = 100 * (best[fewest].mean.p - best[less[-1]].mean.p)
        said += f"; {gap:.0f} {'point' if round(gap) == 1 else 'points'} over {less[-1]}"
    return said


def _tradeoff_legend(ax: "Axes", reference: str, *, ringed: bool) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=BLUE, marker="o", label="all cells"),
        Line2D([], [], color=VERMILION, marker="v", markerfacecolor="white", label="worst cell"),
    ]
    if ringed:
        ring = Line2D([], [], linestyle="none", marker="o", markersize=12, markerfacecolor="none", color=BLACK)
        ring.set_label("the reference" if reference == "reference" else f"{reference}, the reference")
        entries.append(ring)
    ax.legend(handles=entries, loc="lower right", fontsize=9)


def _grid(ax: "Axes") -> None:
    ax.grid(color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)
