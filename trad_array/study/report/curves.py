"""Layouts against each other: over loudness, by number of microphones, without a microphone, by engine.

Axes in, Axes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trad_array.plotting import BLACK, VERMILION
from trad_array.plotting_reliability import BLUE, GREY
from trad_array.study.report.scores import Score, Surroundings, share_of, surroundings_words, together
from trad_array.study.report.shares import Difference, Share, difference, percent

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
# The engines should agree within this, issue of the project.
AGREED = 0.01
# Rows of the picture of agreement; of more conditions those that differ most are drawn.
MOST_PAIRS = 20


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
    where = max(found, key=lambda key: found[key])
    return f"down to {found[where]:g} dB" + (f" even with {surroundings_words(where, every)}" if len(kept) > 1 else "")


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
    for row in rows:
        same = [other for other in rows if other.n_mics == row.n_mics]
        aside = min(0.06 * (len(same) - 1), 0.5) * ((same.index(row) + 0.5) / len(same) - 0.5)
        for share, colour, mark, face, shift in (
            (row.mean, BLUE, "o", BLUE, 0.0),
            (row.worst, VERMILION, "v", "white", 0.015),
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


@dataclass(frozen=True, slots=True)
class Loss:
    """What a layout is without one microphone: its shares with all and without, at the same conditions."""

    mic: str
    everything: Share
    without: Share

    @property
    def cost(self) -> Difference:
        """Share with all less the share without."""
        return difference(self.everything, self.without)


def losses(several: Sequence[Score], layout: str) -> list[Loss]:
    """Each microphone that was lost, in the order of the layout.

    several : scores of one engine, with and without lost microphones
    """
    mine = [score for score in several if score.layout == layout]
    found = []
    for mic in mine[0].mics if mine else ():
        without = [score for score in mine if score.dead == mic]
        points = {score.at for score in without}
        alive = [score for score in mine if not score.dead and score.at in points]
        points &= {score.at for score in alive}
        if points:
            found.append(Loss(mic, share_of(alive), share_of(s for s in without if s.at in points)))
    return found


def loss_plot(found: Sequence[Loss], ax: "Axes", *, layout: str) -> "Axes":
    """Share of vents in the right cell without each microphone, against that with all of them, with 95 % intervals.

    Parameters
    ----------
    found : of `losses`
    ax : the axes to draw on
    layout : its name
    """
    alive = found[0].everything
    ax.axhspan(100 * alive.low, 100 * alive.high, color=BLUE, alpha=0.2, linewidth=0, zorder=1)
    ax.axhline(100 * alive.p, color=BLUE, linewidth=1.4, zorder=2)
    worst = max(found, key=lambda loss: loss.cost.value)
    for k, loss in enumerate(found):
        share = loss.without
        colour = VERMILION if loss is worst else BLACK
        ax.plot([k, k], [100 * share.p, 100 * alive.p], color=colour, linewidth=1.0, linestyle=":", zorder=2)
        bar = 100 * np.maximum([[share.p - share.low], [share.high - share.p]], 0.0)
        ax.errorbar(
            k, 100 * share.p, yerr=bar, fmt="o", color=colour, markersize=6, elinewidth=1.3, capsize=3, zorder=3
        )
        ax.annotate(
            percent(share.p),
            (k, 100 * share.p),
            xytext=(6, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8 if len(found) <= 8 else 6,
            color=colour,
        )
    ax.annotate(
        f"with all {len(found)}: {percent(alive.p)}" if len(found) > 1 else f"with all: {percent(alive.p)}",
        (1.0, 100 * alive.high),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        color=BLUE,
        fontsize=9,
    )
    ax.set_xticks(range(len(found)), [loss.mic for loss in found], rotation=90 if len(found) > 8 else 0)
    ax.set_xlim(-0.6, len(found) - 0.4)
    ax.set_ylim(-3, 108)
    ax.set_xlabel("microphone that is lost")
    ax.set_ylabel("vents put in the right cell, %")
    ax.set_title(loss_title(found, layout))
    _grid(ax)
    return ax


def loss_title(found: Sequence[Loss], layout: str) -> str:
    """The microphone whose loss costs most."""
    worst = max(found, key=lambda loss: loss.cost.value)
    points = 100 * worst.cost.value
    if not worst.cost.low > 0:
        return f"{layout}: no single lost microphone costs anything that shows"
    return f"{layout}: losing {worst.mic} costs most, {points:.0f} {'point' if round(points) == 1 else 'points'}"


@dataclass(frozen=True, slots=True)
class Agreed:
    """One layout at one condition by both engines."""

    name: str
    time: Share
    spectral: Share

    @property
    def gap(self) -> Difference:
        """Spectral less time."""
        return difference(self.spectral, self.time)


def agreed(several: Sequence[Score]) -> list[Agreed]:
    """Every layout and condition that both engines computed; empty where only one was used."""
    found: dict[tuple[Any, ...], dict[str, Score]] = {}
    for score in several:
        found.setdefault((score.layout, score.at, score.dead), {})[score.engine] = score
    both = {key: engines for key, engines in found.items() if {"time", "spectral"} <= engines.keys()}
    every = [at for _, at, _ in both]
    return [
        Agreed(
            f"{layout}{f' without {dead}' if dead else ''}: {at.words(every)}",
            engines["time"].cells.total,
            engines["spectral"].cells.total,
        )
        for (layout, at, dead), engines in both.items()
    ]


def agreement_plot(found: Sequence[Agreed], ax: "Axes") -> "Axes":
    """Spectral less time engine at each condition, in points with 95 % intervals; the band is what is agreed.

    found : of `agreed`, not empty
    ax : the axes to draw on
    """
    ax.axvspan(-100 * AGREED, 100 * AGREED, color="#00785A", alpha=0.15, linewidth=0, zorder=1)
    ax.axvline(0, color=GREY, linewidth=1.0, zorder=1)
    shown = sorted(found, key=lambda pair: -abs(pair.gap.value))[:MOST_PAIRS]
    shown = [pair for pair in found if pair in shown]
    for row, pair in enumerate(shown):
        gap = pair.gap
        # Apart only when the whole interval lies outside what is agreed.
        apart = gap.low > AGREED or gap.high < -AGREED
        bar = 100 * np.maximum([[gap.value - gap.low], [gap.high - gap.value]], 0.0)
        colour = VERMILION if apart else BLACK
        ax.errorbar(
            100 * gap.value, row, xerr=bar, fmt="s" if apart else "o", color=colour, markersize=5, capsize=2.5, zorder=3
        )
    ax.set_yticks(
        range(len(shown)),
        [f"{pair.name}\ntime {percent(pair.time.p, 1)}, spectral {percent(pair.spectral.p, 1)}" for pair in shown],
        fontsize=8,
    )
    ax.set_ylim(len(shown) - 0.4, -0.6)
    reach = max(3.0, *(100 * max(abs(pair.gap.low), abs(pair.gap.high)) for pair in shown)) * 1.05
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("spectral less time engine, points (green: within 1 point)")
    ax.set_title(agreement_title(found))
    ax.grid(color="#e6e6e6", linewidth=0.7, axis="x")
    ax.set_axisbelow(True)
    return ax


def agreement_title(found: Sequence[Agreed]) -> str:
    """How far the engines are apart, in words."""
    apart = [pair for pair in found if pair.gap.low > AGREED or pair.gap.high < -AGREED]
    far = 100 * max(abs(pair.gap.value) for pair in found)
    if apart:
        return f"The engines differ at {len(apart)} of {len(found)} conditions, by up to {far:.1f} points"
    sure = [pair for pair in found if -AGREED <= pair.gap.low and pair.gap.high <= AGREED]
    shown = "shown" if len(sure) == len(found) else f"{len(sure)} of them shown to be within 1 point"
    if len(sure) == len(found):
        return f"The engines agree within 1 point at all {len(found)} conditions"
    return f"No difference beyond 1 point is seen at {len(found)} conditions\n(largest seen {far:.1f}; {shown})"


def _grid(ax: "Axes") -> None:
    ax.grid(color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)
