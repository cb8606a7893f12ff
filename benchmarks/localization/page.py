"""docs/localization-results.md: every table and picture of the benchmark, written anew by each run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import compare
import rows
from counts import Found
from sections import Section
from suites import FOUR_MICS, GRID_DURATIONS_S, GRID_MISMATCHES, GRID_SNRS_DB, RT60S_S
from trials import PLAIN

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "localization-results.md"
GRID_PAGE = DOCS / "localization-grid.md"
FIGURES = DOCS / "figures"

_INTRO = """# Localization: what has been measured

*Written by `make bench-localization`; changes by hand are lost. Everything here is **simulated**, in the assumed
coordinates of the shipped layouts. Real cabins have shelves, doors and flow noise that no simulation here has.*

{how}

A share comes with its 95 % interval (Wilson), a mean with mean +- 1.96 standard errors, a time with its 5 and 95 %
quantiles. SNR is full band at the microphones; between 2 and 7 kHz, where the localizers listen, a hiss stands higher.
Scenes are drawn with seed {seed}; the localizer's constants were fitted on other seeds."""

_PICTURES = {
    "localization-accuracy.png": "Right cells over SNR for each layout and mismatch",
    "localization-reliability.png": "Predicted probability against observed share",
    "localization-coverage.png": "Coverage of 90 % sets over SNR",
}


def write(
    sections: Sequence[Section], found: Found, speed: Sequence[rows.Row], *, seed: int, missing: Mapping[str, str]
) -> Path:
    """Write the page; returns it."""
    blocks = [_INTRO.format(seed=seed, how=f"Measured on {rows.machine()}.")]
    blocks += [f"![{text}](figures/{name})" for name, text in _PICTURES.items() if (FIGURES / name).exists()][:1]
    for section in sections:
        blocks.append(f"## {section.title}\n\n{section.text}\n\n{_table(section.rows)}")
        if section.title == "Credible sets":
            blocks += [f"![{_PICTURES[n]}](figures/{n})" for n in list(_PICTURES)[1:] if (FIGURES / n).exists()]
    blocks += list(_comparison(found, missing))
    blocks.append(f"## Time\n\nOne event of 1 s, 52 cells, one thread, all methods in turn in the same run. Ours is "
                  f"given two seconds of background as well. {_TIME_NOTE}\n\n{_table(speed)}")  # fmt: skip
    PAGE.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return PAGE


_TIME_NOTE = (
    "pyroomacoustics keeps its table of steering vectors from event to event, as we do, and searches the cells only; "
    "ours also searches errors of air, jet, microphones and channels, and the room around the cells."
)


def _comparison(found: Found, missing: Mapping[str, str]) -> Iterator[str]:
    layouts = [layout for layout in FOUR_MICS if compare.conditions(found, layout)]
    if not layouts:
        return
    yield (
        "## Beside others\n\nThe first scenes of each condition, heard by all. Every other method gets the sound from "
        "0.1 s before the onset on, the layout file's positions and speed of sound, and scores the cells; what had to "
        "be patched stands at the top of each `benchmarks/localization/peer_*.py`. Where nothing else is said: RT60 "
        "0.4 s, 10 dB, 1 s."
    )
    for layout in layouts:
        yield f"### {layout}\n\n" + "\n".join(compare.lines(found, layout))
    for package, reason in missing.items():
        yield f"{package} was left out: {reason}."


def write_grid(found: Found, *, scenes: int) -> Path:
    """The whole grid of `--full`: right cells in per cent, ours and plain SRP."""
    blocks = [
        "---\norphan: true\n---\n\n# Localization: the whole grid\n\n*Written by `make bench-localization-full`; "
        f"changes by hand are lost. Simulated.* Right cells in per cent, ours / plain SRP, {scenes} scenes each "
        "(interval: at most +- 7 points with 200)."
    ]
    for layout in FOUR_MICS:
        for mismatch in GRID_MISMATCHES:
            table = list(_grid_lines(found, layout, mismatch))
            if table:
                head = "| RT60, duration | " + " | ".join(f"{snr:g} dB" for snr in GRID_SNRS_DB) + " |"
                rule = "| --- |" + " ---: |" * len(GRID_SNRS_DB)
                blocks.append(f"## {layout}, {mismatch}\n\n" + "\n".join((head, rule, *table)))
    GRID_PAGE.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return GRID_PAGE


def _grid_lines(found: Found, layout: str, mismatch: str) -> Iterator[str]:
    for rt60_s in RT60S_S:
        for duration_s in GRID_DURATIONS_S:
            group = f"grid: {layout} {mismatch} {rt60_s:g} {duration_s:g}"
            cells = []
            for snr_db in GRID_SNRS_DB:
                answers = found.of(group, snr_db=snr_db)
                if answers:
                    ours = 100.0 * sum(a.right for a in answers) / len(answers)
                    plain = 100.0 * sum(a.others[PLAIN] == a.cell for a in answers) / len(answers)
                    cells.append(f"{ours:.0f} / {plain:.0f}")
            if cells:
                yield f"| {rt60_s:g} s, {duration_s:g} s | " + " | ".join(cells) + " |"


def _table(found: Sequence[rows.Row]) -> str:
    return "\n".join(rows.lines(found))
