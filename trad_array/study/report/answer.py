"""The answer of a study in three sentences: which layout, by how much, what fails first."""

from collections.abc import Sequence

from trad_array.study.report.curves import surroundings_of
from trad_array.study.report.loss_plots import losses
from trad_array.study.report.places import enough
from trad_array.study.report.run_folder import Found
from trad_array.study.report.scores import Score, share_of, surroundings_words, together
from trad_array.study.report.shares import difference, percent, points_words

# Below this share of vents in the right cell a condition counts as failed. Our choice.
FAILS_BELOW = 0.9


def answer(found: Found) -> tuple[str, ...]:
    """Three sentences; one when nothing has been localized."""
    if not found.best:
        return ("Nothing has been localized yet: the table has no row of localization.",)
    return _which(found), _by_how_much(found), _fails_first(found)


def _which(found: Found) -> str:
    best = found.best[0]
    mine = found.of(best)
    by_cell = together(mine)
    points = len({score.at for score in mine})
    where = f"over all {points} conditions" if points > 1 else f"at {mine[0].at.words()}"
    worst = by_cell.worst()
    told = worst is not None and len(by_cell.names) > 1 and by_cell.total.hits < by_cell.total.n and enough(by_cell)
    cell = f", {worst[1]} in its worst cell {worst[0]}" if worst is not None and told else ""
    n = len(mine[0].mics)
    if len(found.best) == 1:
        return f"{best} ({n} microphones) names the right cell in {by_cell.total} of the simulated vents {where}{cell}."
    tied = share_of(found.of(found.best[1])).p == by_cell.total.p
    often = "as often as any" if tied else "most often"
    return (
        f"Of {len(found.best)} layouts {best} ({n} microphones) names the right cell {often}: in {by_cell.total} of "
        f"the simulated vents {where}{cell}."
    )


def _by_how_much(found: Found) -> str:
    if len(found.best) == 1:
        return "There is nothing to compare it with: one layout was studied."
    best = share_of(found.of(found.best[0]))
    told = []
    others = {found.best[1]: "the next", found.reference: "the reference"}
    same_size = _best_of_fewer(found)
    if same_size is not None:
        others.setdefault(same_size, "the best with fewer microphones")
    for name, role in others.items():
        if name == found.best[0]:
            continue
        gap = difference(best, share_of(found.of(name)))
        role = f"{role} and the reference" if name == found.best[1] == found.reference else role
        clear = "" if gap.is_clear else ", which chance can explain"
        told.append(f"{points_words(gap)} more than {name}, {role}{clear}")
    return f"That is {'; '.join(told)}."


def _best_of_fewer(found: Found) -> str | None:
    """The best of the layouts with fewer microphones than the best of all."""
    sizes = {score.layout: len(score.mics) for score in found.comparable}
    fewer = [name for name in found.best if sizes[name] < sizes[found.best[0]]]
    return fewer[0] if fewer else None


def _fails_first(found: Found) -> str:
    best = found.best[0]
    mine = [score for score in found.whole if score.layout == best]
    failed = first_failed(mine)
    if failed is None:
        among = [score.at for score in mine]
        weakest = min(mine, key=lambda score: (score.cells.total.p, score.at.snr_db))
        said = (
            f"Nothing falls below {percent(FAILS_BELOW)} with it; the weakest is {weakest.at.words(among)}, "
            f"{weakest.cells.total}"
        )
    else:
        where = surroundings_words(failed.at.surroundings, surroundings_of(mine))
        said = (
            f"First to fail, as vents get fainter, is {where}: at "
            f"{failed.at.snr_db:g} dB {failed.cells.total} are right"
        )
    lost = losses([s for s in found.scores if s.engine == mine[0].engine], best)
    if lost:
        worst = max(lost, key=lambda loss: loss.cost.value)
        if worst.cost.low > 0:
            said += f"; without microphone {worst.mic} it loses {points_words(worst.cost)}"
        else:
            said += "; no single lost microphone costs anything that shows"
    return f"{said}."


def first_failed(several: Sequence[Score]) -> Score | None:
    """The loudest vent of which fewer than nine in ten are placed rightly; of equally loud ones the worst."""
    failed = [score for score in several if score.cells.total.p < FAILS_BELOW]
    return max(failed, key=lambda score: (score.at.snr_db, -score.cells.total.p), default=None)
