"""A study's report as one page that opens anywhere: no network, no other file."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from trad_array.study.records import Study
from trad_array.study.report.answer import answer
from trad_array.study.report.page_style import SCRIPT, STYLE
from trad_array.study.report.picture import LeftOut, Picture
from trad_array.study.report.places import ENOUGH, enough
from trad_array.study.report.run_folder import Found
from trad_array.study.report.scores import Heard, Score

# Rows of the table of everything; all of them are in the file beside it.
MOST_ROWS = 3000
_STEPS = '<div class="steps"><p><input type="range" min="0" value="0" hidden> <output></output></p>\n'
_LAST_STEP = "\n</div>"
_LEAVES_OUT = (
    "Microphones, cells and walls stand where the study file says; nobody has measured them.",
    "Sound goes straight on or is mirrored by the walls of an empty box: nothing bends around racks and lids "
    "(no diffraction). Racks and lids only weaken the direct sound that passes through them.",
    "Walls swallow the same share of sound at every frequency and angle; the late echo is drawn as noise.",
    "Microphones are alike and hear equally in all directions; casings, cables and vibration play no part.",
    "Vents and fans are synthetic sounds, one vent at a time; a real valve may hiss louder, fainter or lower.",
    "The air is still and has one temperature; draught from the fans does not bend sound.",
    "Intervals are those of chance alone: they say nothing of what is left out.",
    "The same vents are tried at every loudness and with every fan state, over one recording of noise: intervals over "
    "all conditions count them as if they were different ones, and are narrower than the truth.",
    "The best of many layouts is partly the luckiest, for it is chosen by the vents that it is judged by.",
)


def page(found: Found, drawn: Sequence[tuple[Picture, bytes] | LeftOut], digests: Mapping[str, str]) -> str:
    """The whole page.

    Parameters
    ----------
    found : the study and what came of it
    drawn : its pictures in order, each with its PNG, and sections that have none
    digests : SHA-256 of files, by their names
    """
    title = f"Placement study: {found.study.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _provenance(found),
        *(f'<p class="answer">{escape(sentence)}</p>' for sentence in answer(found)),
        *sections(drawn),
        *_localized(found.scores),
        *_chain(found.heard),
        *parameters(found.study),
        *leaves_out(),
        *_made_with(found, digests),
    ]
    return document(title, parts)


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page around its parts: style, policy and the one script in it."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n'
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _policy() -> str:
    """Asks nobody for anything, and runs the one script of this page, whatever a name in the study holds."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def leaves_out() -> list[str]:
    """What simulation leaves out."""
    listed = "".join(f"<li>{escape(one)}</li>" for one in _LEAVES_OUT)
    return ["<h2>What simulation leaves out</h2>", f"<ul>{listed}</ul>"]


def _provenance(found: Found) -> str:
    study = found.study
    n = len(study.site.cells)
    return (
        f'<p class="provenance"><b>Simulated.</b> {len(found.best)} {_plural(len(found.best), "layout")}, '
        f"{n} of {study.site.layout.n_cells} cells of {escape(study.site.layout.id)}, "
        f"{sum(score.cells.total.n for score in found.scores):,} simulated vents for localization, "
        f"{sum(one.n for one in found.heard):,} sounds for the whole chain, "
        f"engine {escape(study.engine)}. Coordinates are assumed, not measured.</p>"
    )


def sections(drawn: Sequence[tuple[Picture, bytes] | LeftOut]) -> list[str]:
    """Pictures under their headings, and why a section has none."""
    lines: list[str] = []
    heading = ""
    for one in drawn:
        new = one.heading if isinstance(one, LeftOut) else one[0].heading
        if new != heading:
            lines.append(f"<h2>{escape(new)}</h2>")
            heading = new
        if isinstance(one, LeftOut):
            lines.append(f"<p>Left out: {escape(one.why)}.</p>")
        elif one[0].step:
            first = not lines[-1].endswith(_LAST_STEP)
            # Without its script the page shows all steps, and no slider.
            lines.append(_STEPS if first else lines.pop().removesuffix(_LAST_STEP))
            lines[-1] += _figure(*one) + _LAST_STEP
        else:
            lines.append(_figure(*one))
    return lines


def _figure(picture: Picture, png: bytes) -> str:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    words = escape(picture.words)
    figure = (
        f'<figure><img alt="{words}" src="{source}"><figcaption><b>{words}.</b> {escape(picture.caption)} '
        f"<code>{escape(picture.file)}</code></figcaption></figure>"
    )
    return f"<details><summary>{words}</summary>{figure}</details>" if picture.folded else figure


def _localized(several: Sequence[Score]) -> list[str]:
    if not several:
        return []
    names = ("layout", "mics", "lost", "engine", "RT60, s", "SNR, dB", "vent, s", "fans", "mismatch")
    head = (*names, "vents", "right, %", "from", "to", "worst cell", "its share, %", "mean error, m")
    lines = [
        "<h2>Every layout under every condition</h2>",
        f"<p>A click on a heading sorts. Intervals: 95 % (Wilson). No worst cell is named below {ENOUGH} vents a cell; "
        "where one is, it is partly the unluckiest of many.</p>",
    ]
    if len(several) > MOST_ROWS:
        lines.append(
            f"<p>The first {MOST_ROWS:,} of {len(several):,} rows; all of them are in the results beside it.</p>"
        )
    return [*lines, table(head, (_score_row(score) for score in several[:MOST_ROWS]))]


def _score_row(score: Score) -> tuple[Any, ...]:
    share, worst = score.cells.total, score.cells.worst() if enough(score.cells) else None
    at = score.at
    return (
        score.layout,
        len(score.mics),
        score.dead,
        score.engine,
        at.rt60_s,
        at.snr_db,
        at.duration_s,
        at.fan,
        at.mismatch,
        share.n,
        *(_per_cent(p) for p in (share.p, share.low, share.high)),
        worst[0] if worst else "",
        _per_cent(worst[1].p) if worst else "",
        round(score.cells.mean_error_m, 4),
    )


def _chain(several: Sequence[Heard]) -> list[str]:
    if not several:
        return []
    counts = ("layout", "sound", "condition", "sounds", "detected", "alarmed", "in a cell", "in the right cell")
    rows = [
        (
            one.layout,
            one.sound,
            "" if one.at is None else one.at.words(),
            one.n,
            one.detected,
            one.alarmed,
            one.in_a_cell,
            "" if one.right is None else one.right,
            _finite(one.alarm_s_median),
            _finite(one.alarm_s_95),
            _finite(one.heard_s),
        )
        for one in several[:MOST_ROWS]
    ]
    head = (*counts, "half placed within, s", "95 % within, s", "heard, s")
    return ["<h2>The whole chain, every kind of sound</h2>", table(head, rows)]


def parameters(study: Study) -> list[str]:
    """What was asked, as tables."""
    site = study.site
    box = site.layout.box_m
    rows = [
        ("seed", study.seed),
        ("engine", study.engine),
        ("vents for each layout and condition", study.events),
        ("reference layout, at which loudness is meant", study.choices[0].name),
        ("room, m", "unknown" if box is None else " to ".join(str(corner.tolist()) for corner in box)),
        ("cells that vent, of all that can be named", f"{len(site.cells)} of {site.layout.n_cells}"),
        ("heights above the valve, m", ", ".join(f"{h:g}" for h in site.jet_heights_m)),
        ("noise of the normal fans, dB re full scale", site.noise_dbfs),
        ("air, degrees Celsius", site.layout.temperature_c),
        ("microphones taken away one by one", "yes" if study.each_dead else "no"),
    ]
    rows += [
        (f"rack or lid {box.name}", f"{list(box.min_m)} to {list(box.max_m)} m, {box.loss_db:g} dB at 4 kHz")
        for box in site.boxes
    ]
    mismatches = {c.mismatch.name: c.mismatch for c in study.conditions}
    rows += [
        (
            f"mismatch {m.name}",
            f"air {m.temperature_k:g} K, microphones {1000 * m.mic_m:g} mm, channels {1e6 * m.skew_s:g} us off",
        )
        for m in mismatches.values()
    ]
    fans = {c.fan.name: c.fan for c in study.conditions}
    rows += [(f"fans {f.name}", f"speed x {f.speed:g}, {f.level_db:+g} dB") for f in fans.values()]
    lines = ["<h2>Parameters</h2>", table(("what", "value"), rows)]
    mics = [
        (
            choice.name,
            study.points.names[k],
            study.points.zones[k],
            *(round(float(v), 4) for v in study.points.positions_m[k]),
        )
        for choice in study.choices
        for k in choice.points
    ]
    listed = table(("layout", "microphone", "zone", "x, m", "y, m", "z, m"), mics[:MOST_ROWS])
    return [*lines, f"<details><summary>Microphones of every layout (assumed positions)</summary>{listed}</details>"]


def _made_with(found: Found, digests: Mapping[str, str]) -> list[str]:
    return [
        "<h2>Made with</h2>",
        table(("what", "version"), list(found.versions.items())),
        "<h2>SHA-256</h2>",
        table(("file", "SHA-256"), list(digests.items())),
    ]


def _per_cent(p: float) -> float | str:
    return round(100 * p, 2) if p == p else ""


def _finite(value: float) -> float | str:
    return round(value, 3) if value == value else ""


def _plural(n: int, word: str) -> str:
    return word if n == 1 else f"{word}s"


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of words and numbers; everything in it is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="n">{value:g}</td>' if isinstance(value, float) else f'<td class="n">{value}</td>'
