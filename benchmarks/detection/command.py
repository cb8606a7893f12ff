"""The detection benchmark: every published detector and our own on the same simulated takes, one table.

    make bench-detection            # the quick form, under fifteen minutes on two cores
    make bench-detection-full       # 200 epochs, vents of up to 30 s, 24 hours of normal sound: hours

Writes benchmarks/results/detection.json, docs/detection-results.md, docs/figures/detection-*.png and the README's short
table. A detector of your own takes part with --also FILE.py:CLASS, weights of other people's encoders with
--encoder NAME=PATH. Everything follows from --seed. Ctrl-C writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import rows
from corpus import FULL, QUICK, TUNING_SEEDS
from day import Amount
from parts import Part, Settings

from trad_array.errors import TradArrayError
from trad_array.learning.own import is_own, own_features
from trad_array.scoring.embeddings.encoder import ENCODERS

# Modules with a function `part(settings)`, in the order of the page; imported when they run.
PARTS = ("day", "recorded", "comparison")
DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "detection-results.md"
# What the last run of each part found: parts may be run one by one, and in different sizes.
LAST = rows.RESULTS / "detection-parts"

_INTRO = """# Detection: what has been measured

*Written by `make bench-detection`; changes by hand are lost. Everything here is **simulated**: rooms, fans, vents and
the sounds that are none; the coordinates of the layouts are assumed. Real cabins have sounds that no simulation here
has.*

Training, tuning and test share no take and no seed.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    settings, names, write = _settings(arguments)
    try:
        parts = {name: import_module(name).part(settings) for name in names}
    except KeyboardInterrupt:
        _say("\nstopped, nothing was written")
        return 130
    for part in parts.values():
        print(f"\n{part.table}")
    if not write:
        print("\n" + "\n".join(rows.lines([row for part in parts.values() for row in part.quoted])))
        _say("nothing was written: --no-write, or not all systems were run")
        return 0
    write_results(parts, settings)
    return 0


def write_results(parts: Mapping[str, Part], settings: Settings) -> None:
    """Keep what was found, and put results, page and README together from the last run of every part."""
    form = f"amounts {settings.amount}" if settings.amount else "full form" if settings.full else "quick form"
    LAST.mkdir(parents=True, exist_ok=True)
    (DOCS / "figures").mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        record = {
            "page": f"{part.page}\n\n*{rows.machine()}; {form}, seed {settings.seed}.*",
            "rows": [asdict(row) for row in part.rows],
            "quoted": [row.name for row in part.quoted],
        }
        (LAST / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if part.draw is not None:
            part.draw(DOCS / "figures")
    kept = [json.loads(path.read_text("utf-8")) for path in (LAST / f"{name}.json" for name in PARTS) if path.exists()]
    found = [(rows.Row(**row), row["name"] in part["quoted"]) for part in kept for row in part["rows"]]
    rows.write("detection", [row for row, _ in found], quoted=[row for row, quoted in found if quoted])
    PAGE.write_text("\n\n".join([_INTRO, *(part["page"] for part in kept)]) + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


def _settings(arguments: Sequence[str] | None) -> tuple[Settings, tuple[str, ...], bool]:
    """What was asked for, the parts to run, and whether results are to be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="minutes (default)")
    form.add_argument("--full", action="store_true", help="hours")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--also", action="append", default=[], metavar="FILE.py:CLASS", help="a detector of your own")
    parser.add_argument("--encoder", action="append", default=[], metavar="NAME=PATH", help="weights of an encoder")
    parser.add_argument("--systems", nargs="+", default=[], metavar="NAME", help="only these, by their first letters")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--amount", default="", help="of a day: eight numbers, see day.Amount")
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    if options.seed in TUNING_SEEDS or options.seed < 0:
        listed = ", ".join(map(str, TUNING_SEEDS))
        parser.error(f"--seed: expected 0 or more, and none of {listed}, which constants and systems were chosen with")
    if options.workers < 1:
        parser.error("--workers: expected at least 1")
    _check_amount(parser, options.amount)
    _check_also(parser, options.also)
    settings = Settings(
        size=FULL if options.full else QUICK,
        full=options.full,
        seed=options.seed,
        workers=options.workers,
        also=tuple(options.also),
        encoders=_encoders(parser, options.encoder),
        only=tuple(options.systems),
        amount=options.amount,
    )
    return settings, tuple(options.parts), not options.systems and not options.no_write


def _check_amount(parser: argparse.ArgumentParser, text: str) -> None:
    if text:
        try:
            Amount.parsed(text)
        except ValueError as trouble:
            parser.error(f"--amount: {trouble}")


def _check_also(parser: argparse.ArgumentParser, also: Sequence[str]) -> None:
    """Before anything is simulated."""
    for where in also:
        if not is_own(where):
            parser.error(f"--also: expected FILE.py:CLASS, found {where!r}")
        try:
            own_features(where)
        except TradArrayError as trouble:
            parser.error(f"--also: {trouble}")


def _encoders(parser: argparse.ArgumentParser, given: Sequence[str]) -> dict[str, str]:
    known = [name for name, kind in ENCODERS.items() if kind.file is not None]
    found = {}
    for text in given:
        name, _, path = text.partition("=")
        if name not in known or not path:
            parser.error(f"--encoder: expected NAME=PATH with one of {', '.join(known)}, found {text!r}")
        if not Path(path).exists():
            parser.error(f"--encoder: {path}: expected the weights of {name}, found nothing")
        found[name] = path
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
