"""A bundle as one page that opens anywhere: no network, no other file."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from trad_array.words import map_words, percent

_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.alarm { color: #a63a00; } .where { font-size: 1.2rem; }
.provenance { background: #fff4d6; border-left: 4px solid #b58900; padding: .5rem .8rem; }
img { max-width: 100%; border: 1px solid #ccc; } audio { width: 100%; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; text-align: right; } th { border-bottom: 1px solid #999; font-weight: 600; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; font-size: .82rem; }
code { font-size: .82rem; word-break: break-all; } details { margin: .6rem 0; }
"""
# Whatever a file of the bundle holds, the page asks nobody for anything and runs nothing.
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
_PROVENANCE = {
    "assumed": "Positions of microphones and cells are assumed: nobody has measured them.",
    "measured": "Positions of microphones and cells were measured.",
    "calibrated": "Positions of microphones and cells were calibrated by sound.",
}
# Shown of each message in the list of what was said when; all of it stands further below.
_SHORT = ("state", "level", "verdict", "best", "p_elsewhere", "heard_s", "score")
# Of large arrays the most probable cells are listed; the event's own fields hold all.
_MOST_CELLS = 60


def page(folder: Path, about: Mapping[str, Any]) -> str:
    """The page of a bundle, from the files in its folder.

    Parameters
    ----------
    folder : of the event, with pictures and preview or without
    about : the object of its `hashes.json`
    """
    event = json.loads((folder / "event.json").read_text(encoding="utf-8"))
    title = f"{event['id']}: {event['level']}"
    parts = [
        *_head(event),
        *_pictures(folder, event),
        *_sound(folder),
        *_numbers(event),
        *_history(folder),
        _folded("All fields of the event", _text(folder / "event.json")),
        _folded("Settings", _text(folder / "config.json")),
        _folded("Layout", _text(folder / "layout.toml")),
        *_made_with(about),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _head(event: Mapping[str, Any]) -> list[str]:
    """What, where, when, and how far the numbers are to be trusted."""
    layout = event.get("layout") or {}
    provenance = str(layout.get("provenance"))
    when = event.get("onset_utc") or f"{event.get('onset_s')} s after the stream began (nobody knows when that was)"
    told = _PROVENANCE.get(provenance, f"Positions of microphones and cells: {provenance}.")
    lines = [
        f'<h1 class="{escape(str(event["level"]))}">{escape(str(event["level"]).upper())}</h1>',
        f'<p class="where">{escape(_where(event))}</p>',
        f"<p>{escape(str(when))}; event <code>{escape(str(event['id']))}</code></p>",
        f'<p class="provenance">{escape(told)} Layout {escape(str(layout.get("id")))}: '
        f"<b>{escape(provenance)}</b>. Source: {escape(str(event.get('source')))}. "
        f"Model: {escape(str(event.get('model')))}.</p>",
    ]
    return lines + [f"<p>Doubt: {escape(str(doubt))}</p>" for doubt in event.get("doubts") or ()]


def _where(event: Mapping[str, Any]) -> str:
    if event.get("best") is None:
        why = event.get("why_not_placed")
        return f"not localizable: {why}" if why else "heard, not placed"
    return map_words(event)


def _pictures(folder: Path, event: Mapping[str, Any]) -> list[str]:
    words = {
        "heatmap.png": f"Cells seen from above, by probability: {_where(event)}",
        "aligned.png": "All microphones, shifted by the travel times from that place: where it is right, they agree",
    }
    there = [name for name in words if (folder / name).is_file()]
    if not there:
        return ["<p>Pictures have not been drawn.</p>"]
    return [
        f'<figure><img alt="{escape(words[name])}" src="{_data(folder / name, "image/png")}">'
        f"<figcaption>{escape(words[name])}</figcaption></figure>"
        for name in there
    ]


def _sound(folder: Path) -> list[str]:
    if not (folder / "clip.json").is_file():
        return ["<h2>Sound</h2>", "<p>There is no sound of this event.</p>"]
    clip = json.loads(_text(folder / "clip.json"))
    fs = clip["fs"]
    lost = sum(number for _, number in clip["gaps"])
    length_s, onset_s = (clip["end"] - clip["start"]) / fs, (clip["onset"] - clip["start"]) / fs
    said = [
        f"{clip['file']}: {clip['n_mics']} microphones, {length_s:.2f} s at {fs} Hz, {clip['dtype']} kept exactly as "
        f"{clip['subtype']}; the event begins {onset_s:.2f} s after its start.",
        "" if clip["is_whole"] else "The event goes on after the end of this sound.",
        f"{lost} samples went missing in {len(clip['gaps'])} places; the file has silence there." if lost else "",
    ]
    lines = ["<h2>Sound</h2>", f"<p>{escape(' '.join(part for part in said if part))}</p>"]
    if (folder / "preview.flac").is_file():
        lines.append(f'<audio controls src="{_data(folder / "preview.flac", "audio/flac")}"></audio>')
        lines.append("<p>Preview: the first two microphones at 16 kHz, made as loud as they can be.</p>")
    return lines


def _numbers(event: Mapping[str, Any]) -> list[str]:
    """Cells, microphones and pair delays as tables."""
    cells, mics, pairs = event.get("cells") or [], event.get("channels") or [], event.get("tdoa_us") or []
    lines = ["<h2>Cells</h2>"] if cells else []
    if cells:
        listed = [(c["id"], percent(c["p"]), c["p"], c["power"]) for c in cells[:_MOST_CELLS]]
        other = ("elsewhere", percent(event["p_elsewhere"]), event["p_elsewhere"], None)
        lines.append(_table(("cell", "probability", "p", "correlation"), [*listed, other]))
    if mics:
        names = ("mic", "channel", "score", "level_dbfs", "clipped", "used")
        lines += ["<h2>Microphones</h2>", _table(names, [[mic.get(name) for name in names] for mic in mics])]
    if pairs:
        rows = [(" and ".join(map(str, pair["mics"])), pair["delay_us"]) for pair in pairs]
        lines += ["<h2>Delays</h2>", _table(("microphones", "the first hears it later by, us"), rows)]
    return lines


def _history(folder: Path) -> list[str]:
    """Every message about the event, in short."""
    text = _text(folder / "messages.jsonl")
    rows = []
    for line in text.splitlines():
        record = json.loads(line)
        rows.append((str(record.get("schema")).removeprefix("trad-array/"), *(record.get(name) for name in _SHORT)))
    return ["<h2>What was said</h2>", _table(("message", *_SHORT), rows), _folded("All messages", text)]


def _made_with(about: Mapping[str, Any]) -> list[str]:
    return [
        "<h2>Made with</h2>",
        _table(("what", "version"), list(about["versions"].items())),
        "<h2>SHA-256</h2>",
        _table(("file or source", "SHA-256"), [*about["files"].items(), *about["given"].items()]),
    ]


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        words = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
        return f"<td>{escape(words)}</td>"
    return f'<td class="n">{value:g}</td>' if isinstance(value, float) else f'<td class="n">{value}</td>'


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _data(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
