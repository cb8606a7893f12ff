"""Ours beside the others: right cells in the same scenes."""

from collections.abc import Iterator, Sequence

import counts
import rows
from counts import Found
from suites import FOUR_MICS, WEAK_DB
from trials import ORACLE, Answer

OURS = "trad-array robust"


def conditions(found: Found, layout: str) -> dict[str, list[Answer]]:
    """Answers of each condition that peers heard."""
    named = {
        "exact, -15 to 20 dB": found.of(f"{layout}: exact"),
        f"exact, {WEAK_DB[layout]:g} dB": found.of(f"{layout}: weak"),
        "exact, 0.1 s, -10 dB": found.of(f"{layout}: short"),
        "air": found.of(f"{layout}: air"),
        "jet": found.of(f"{layout}: jet"),
        "M1": found.of(f"{layout}: levels M1", snr_db=10.0),
        "M2": found.of(f"{layout}: levels M2", snr_db=10.0),
        "M2-all": found.of(f"{layout}: M2-all"),
    }
    return {name: answers for name, answers in named.items() if answers}


def compared(found: Found) -> list[rows.Row]:
    """A row for each layout, condition and other method, and ours over the scenes that the peers heard."""
    out: list[rows.Row] = []
    for layout in FOUR_MICS:
        for name, answers in conditions(found, layout).items():
            text = f"{layout}: {name}: right cell"
            shared = _heard_by_all(answers, found.methods())
            if shared:
                out.append(counts.right(f"{text}, {OURS}, in the peers' scenes", shared, goal=None))
            for method in found.methods():
                row = counts.right_of(f"{text}, {method}", shared or answers, method)
                out += [row] if row else []
    return out


def lines(found: Found, layout: str) -> Iterator[str]:
    """Markdown: a line for each method, a column for each condition; per cent in the scenes that all of them heard."""
    heard = {
        name: _heard_by_all(answers, found.methods()) or answers for name, answers in conditions(found, layout).items()
    }
    yield "| right cells, % | " + " | ".join(heard) + " |"
    yield "| --- |" + " ---: |" * len(heard)
    yield f"| **{OURS}** | " + " | ".join(f"**{_percent([a.right for a in part])}**" for part in heard.values()) + " |"
    for method in [*found.methods(), ORACLE]:
        cells = [[a.others[method] == a.cell for a in part if method in a.others] for part in heard.values()]
        if any(cells):
            yield f"| {method} | " + " | ".join(_percent(part) for part in cells) + " |"
    yield "| scenes | " + " | ".join(str(len(part)) for part in heard.values()) + " |"


def _heard_by_all(answers: Sequence[Answer], methods: Sequence[str]) -> list[Answer]:
    return [answer for answer in answers if all(method in answer.others for method in methods)]


def _percent(hits: Sequence[bool]) -> str:
    return f"{100.0 * sum(hits) / len(hits):.0f}" if hits else "-"
