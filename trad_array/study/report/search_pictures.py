"""Pictures of a search: step by step, and all steps on one sheet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trad_array.study.choice_layout import choice_layout
from trad_array.study.records import Choice, Study
from trad_array.study.report.map_figures import new_figure
from trad_array.study.report.maps import room_view
from trad_array.study.report.picture import LeftOut, Picture
from trad_array.study.report.search_plots import (
    Ranked,
    Search,
    Trial,
    ranking_plot,
    ranking_title,
    search_plot,
    search_title,
    steps,
)
from trad_array.study.report.sheets import Small, common_view, contact_sheet, sheet_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEARCH, RANKING = "How the search went", "How well the preview ranks"


def search_pictures(study: Study, search: Search) -> Iterator[Picture | LeftOut]:
    """Each step of a search beside the best so far, then all steps together."""
    shown = steps(search.trials)
    if not shown:
        yield LeftOut(SEARCH, "no layout that was tried could be judged")
        return
    smalls = [_small(study, search, trial) for trial in shown]
    words = search_title(search.trials)
    for number, trial in enumerate(shown):
        yield Picture(
            f"search-{number + 1:02d}.png",
            SEARCH,
            f"Step {number + 1} of {len(shown)}: {trial.value:.3g} with layout number {trial.number + 1}",
            f"Simulated. Aim: {search.aim}. Left every layout tried and the best so far, right the ringed one.",
            _Step(study, search, shown, number),
            step=True,
        )
    yield Picture(
        "search.png",
        SEARCH,
        f"{words}, step by step",
        f"Simulated. Layouts that were better than all before, at most {len(shown)} of them; over each: its "
        f"number among those that were tried, and {search.aim}.",
        lambda: contact_sheet(smalls, new_figure(*sheet_size(smalls)), boxes=study.site.boxes),
    )


def ranking_picture(several: Sequence[Ranked], spearman: float) -> Picture | LeftOut:
    """The preview against simulation."""
    if not several:
        return LeftOut(RANKING, "no layout was both previewed and simulated")

    def draw() -> "Figure":
        figure = new_figure(8.5, 5.2)
        ranking_plot(several, figure.subplots(), spearman=spearman)
        return figure

    return Picture(
        "ranking.png",
        RANKING,
        ranking_title(several, spearman),
        "Simulated. Each layout once: the score that sorts thousands of layouts, and what simulation says of the short "
        "list, with 95 % intervals (Wilson). Among the best, which are alike, order is partly chance.",
        draw,
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """Draws one step."""

    study: Study
    search: Search
    shown: Sequence[Trial]
    number: int

    def __call__(self) -> "Figure":
        trial, boxes = self.shown[self.number], self.study.site.boxes
        view_m = common_view([_small(self.study, self.search, one) for one in self.shown])
        layout = _small(self.study, self.search, trial).layout
        figure = new_figure(12.0, 5.0)
        grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1.0))
        search_plot(
            self.search.trials, figure.add_subplot(grid[:, 0]), aim=self.search.aim, at=trial, start=self.search.start
        )
        for row, above in enumerate((True, False)):
            ax = figure.add_subplot(grid[row, 1])
            room_view(layout, ax, above=above, boxes=boxes, view_m=view_m)
            ax.set_title("from above" if above else "from the side", fontsize=9)
            ax.set_xlabel("x, m", fontsize=8)
            ax.set_ylabel("y, m" if above else "z, m", fontsize=8)
        return figure


def _small(study: Study, search: Search, trial: Trial) -> Small:
    choice = Choice(f"trial {trial.number + 1}", trial.points)
    layout = choice_layout(study.site, study.points, choice)
    return Small(replace(layout, id=choice.name), f"number {trial.number + 1}: {trial.value:.3g}")
