"""Pages of a ranking and of a search: the answer, the layouts, and how they were found."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trad_array.study.choice_layout import choice_layout
from trad_array.study.records import Choice, Condition, Study
from trad_array.study.report import search_plots
from trad_array.study.report.map_figures import new_figure
from trad_array.study.report.page import document, leaves_out, parameters, sections, table
from trad_array.study.report.picture import LeftOut, Picture
from trad_array.study.report.search_pictures import ranking_picture, search_pictures
from trad_array.study.report.shares import Difference, Share, difference, percent, points_words
from trad_array.study.report.sheets import MOST, Small, contact_sheet, sheet_size
from trad_array.study.report.writing import Drawn, write_page

if TYPE_CHECKING:
    from trad_array.study import outcomes
    from trad_array.study.ranking import Ranked, Ranking
    from trad_array.study.search import Found

_LAYOUTS = "The layouts"
_PACKAGES = ("trad-array", "numpy", "scipy", "numba", "optuna")


def write_ranking_report(folder: Path, study: Study, found: "Ranking") -> Path:
    """Draw what `trad_array.study.ranking.rank` found; returns `folder`/report/index.html.

    Raises
    ------
    OSError
        If the disk refuses something; a page that was there before stays.
    """
    head = ("layout", "role", "place by preview", "preview", "right, %", "from", "to", "worst cell", "its share, %")
    rows = [
        (
            row.choice.name,
            row.role,
            row.place,
            _preview(found, row),
            *(round(100 * p, 2) for p in (row.simulated.p, row.simulated.low, row.simulated.high)),
            row.simulated.worst_cell,
            round(100 * row.simulated.worst, 2),
            "" if row.final is None else round(100 * row.final.p, 2),
        )
        for row in found.rows
    ]
    parts = table((*head, "heard as sound, %"), rows)
    return write_page(
        folder,
        _ranking_pictures(study, found),
        lambda drawn: _page(f"Ranking: {study.name}", study, ranking_answer(found), drawn, parts),
    )


def write_search_report(folder: Path, study: Study, found: "Found") -> Path:
    """Draw what `trad_array.study.search.optimise` found; returns `folder`/report/index.html.

    Raises
    ------
    OSError
        If the disk refuses something; a page that was there before stays.
    """
    rows = [
        (one.choice.name, round(one.preview, 4), "" if one.simulated is None else round(one.simulated, 4))
        for one in found.candidates
    ]
    parts = table(("short list, best by simulation first", "preview", "simulated"), rows)
    return write_page(
        folder,
        _search_pictures(study, found),
        lambda drawn: _page(f"Search: {study.name}", study, search_answer(found), drawn, parts),
    )


def ranking_answer(found: "Ranking") -> tuple[str, ...]:
    """The best layout, its lead over the reference, and how far the preview is to be trusted."""
    best = next(row for row in found.rows if row.role != "reference")
    share = _share(best.simulated)
    final = "" if best.final is None else f"; heard as sound {_share(best.final)}"
    told = [
        f"Of {len(found.layouts):,} layouts ({found.n_possible:,} are possible) {best.choice.name} names the right "
        f"cell most often, in {share} of the simulated vents at {_at(found.condition)}{final}."
    ]
    reference = next((row for row in found.rows if row.role == "reference"), None)
    if reference is not None:
        gap = difference(share, _share(reference.simulated))
        told.append(
            f"That is {_more(gap)} the reference, {reference.choice.name}. The best of many looks better than it is on "
            "the vents that chose it."
        )
    told.append(f"{search_plots.ranking_title(_ranked(found), found.spearman)}.")
    return tuple(told)


def search_answer(found: "Found") -> tuple[str, ...]:
    """The best layout, and its lead over the reference on fresh events."""
    best, gap = found.best, found.difference
    lost = " after the loss that hurts most" if found.plan.aim.startswith("one-dead") else ""
    told = [
        f"Of {found.n_tried:,} layouts that were tried ({found.n_possible:,} are possible) {best.choice.name} is the "
        f"best for {found.plan.aim}: the right cell in {_share(best.decisive)} of fresh simulated vents{lost} at "
        f"{_at(found.condition)}, {percent(best.decisive.worst)} in its worst cell {best.decisive.worst_cell}.",
        f"That is {_more(Difference(gap.difference, gap.low, gap.high))} {found.reference.choice.name}, event by event "
        f"on {gap.n:,} vents that no search has seen.",
    ]
    if found.worst_difference is not None:
        worst = _more(Difference(*found.worst_difference))
        told.append(f"In the worst cell it is {worst} {found.reference.choice.name}.")
    return tuple(told)


def _more(gap: Difference) -> str:
    """A difference for a sentence that goes on with a name."""
    clear = "" if gap.is_clear else " (which chance can explain)"
    if gap.value < 0:
        return f"{points_words(Difference(-gap.value, -gap.high, -gap.low))} less{clear} than"
    return f"{points_words(gap)} more{clear} than"


def _ranking_pictures(study: Study, found: "Ranking") -> Iterator[Picture | LeftOut]:
    best = [row for row in found.rows if row.role != "reference"][:MOST]
    shown = [
        _small(study, row.choice, f"{place}. {_share(row.simulated)}\nworst cell {percent(row.simulated.worst)}")
        for place, row in enumerate(best, start=1)
    ]
    yield _sheet(study, shown, f"The {len(shown)} best of {len(found.layouts):,} layouts at {_at(found.condition)}")
    yield ranking_picture(_ranked(found), found.spearman)


def _search_pictures(study: Study, found: "Found") -> Iterator[Picture | LeftOut]:
    shown = [
        _small(study, judged.choice, f"{what}: {_share(judged.decisive)}\nworst cell {percent(judged.decisive.worst)}")
        for what, judged in (("best", found.best), ("reference", found.reference))
    ]
    yield _sheet(study, shown, f"{found.best.choice.name} against {found.reference.choice.name}")
    layouts, values = found.history
    trials = tuple(
        search_plots.Trial(k, float(value), tuple(int(point) for point in layout))
        for k, (layout, value) in enumerate(zip(layouts, values, strict=True))
    )
    yield from search_pictures(study, search_plots.Search(f"{found.plan.aim}, by preview", trials))


def _sheet(study: Study, shown: Sequence[Small], words: str) -> Picture:
    return Picture(
        "sheet.png",
        _LAYOUTS,
        words,
        "Simulated. Each layout from above and from the side; black: microphones, triangles: guard points.",
        lambda: contact_sheet(shown, new_figure(*sheet_size(shown)), boxes=study.site.boxes),
    )


def _small(study: Study, choice: Choice, words: str) -> Small:
    return Small(replace(choice_layout(study.site, study.points, choice), id=choice.name), words)


def _ranked(found: "Ranking") -> list[search_plots.Ranked]:
    return [
        search_plots.Ranked(row.choice.name, _preview(found, row), _share(row.simulated))
        for row in found.rows
        if row.role != "reference"
    ]


def _preview(found: "Ranking", row: "Ranked") -> float:
    return row.margin if found.preview_of == "margin" else row.log_det


def _share(counted: "outcomes.Share") -> Share:
    return Share(round(counted.p * counted.n), counted.n)


def _at(condition: Condition) -> str:
    exact = "file exact" if condition.mismatch.name == "none" else f"mismatch {condition.mismatch.name}"
    return f"{condition.snr_db:g} dB, RT60 {condition.rt60_s:g} s, {condition.fan.name} fans, {exact}"


def _page(title: str, study: Study, sentences: Sequence[str], drawn: list[Drawn], listed: str) -> str:
    parts: list[Any] = [
        f"<h1>{escape(title)}</h1>",
        '<p class="provenance"><b>Simulated.</b> Coordinates are assumed, not measured.</p>',
        *(f'<p class="answer">{escape(sentence)}</p>' for sentence in sentences),
        *sections(drawn),
        "<h2>What was simulated</h2>",
        listed,
        *parameters(study),
        *leaves_out(),
        "<h2>Made with</h2>",
        table(("what", "version"), [(name, _version(name)) for name in _PACKAGES]),
    ]
    return document(title, parts)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
