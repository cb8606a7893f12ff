"""The benchmark of placement studies: cost of an event, a million of them, engines, ranking, search, memory, resuming.

    make bench-study         # the quick form, about fifteen minutes on two idle cores
    make bench-study-full    # more events, conditions and kills: hours

Everything is simulated. Writes benchmarks/results/study.json, docs/study-results.md and the README's short table; parts
may be run one by one, `--parts event_cost million` measures the speeds alone, and what the others found before is kept.
Everything random follows from --seed; times are those of this machine. Ctrl-C writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import rows
from pieces import Part, Settings, own_cache

# Modules with a function `part(settings)`, in the order of the page; imported when they run.
PARTS = (
    "event_cost",
    "million",
    "engine_agreement",
    "layout_ranking",
    "pack_search",
    "peak_memory",
    "kill_and_resume",
)
PAGE = Path(__file__).parents[2] / "docs" / "study-results.md"
# What the last run of each part found.
LAST = rows.RESULTS / "study-parts"

_INTRO = """# Placement studies: what has been measured

*Written by `make bench-study`; changes by hand are lost. Rooms, vents and noise are **simulated**, coordinates are
assumed. Numbers are those of the machine named under each part. One thread for numerical libraries.*
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    options = _options(arguments)
    settings = Settings(options.full, options.seed, options.times, options.workers, options.cache)
    try:
        parts = {name: _run(name, settings) for name in options.parts}
    except KeyboardInterrupt:
        print("\nstopped, nothing was written", file=sys.stderr)
        return 130
    for part in parts.values():
        print(f"\n{part.page}")
    if options.no_write or options.times != 1.0:
        print("nothing was written: --no-write, or not the usual amount", file=sys.stderr)
        return 0
    write(parts, settings)
    return 0


def write(parts: Mapping[str, Part], settings: Settings) -> None:
    """Keep what was found, and put results, page and README together from the last run of every part."""
    form = "full form" if settings.full else "quick form"
    LAST.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        record = {
            "page": f"{part.page}\n\n*{rows.machine()}; {form}, seed {settings.seed}.*",
            "rows": [asdict(row) for row in part.rows],
            "quoted": [row.name for row in part.quoted],
        }
        (LAST / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    kept = [json.loads(path.read_text("utf-8")) for path in (LAST / f"{name}.json" for name in PARTS) if path.exists()]
    found = [rows.Row(**row) for record in kept for row in record["rows"]]
    names = {name for record in kept for name in record["quoted"]}
    rows.write("study", found, quoted=[row for row in found if row.name in names])
    PAGE.write_text("\n\n".join([_INTRO, *(record["page"] for record in kept)]) + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


def _run(name: str, settings: Settings) -> Part:
    print(f"{name} ...", file=sys.stderr, flush=True)
    found: Part = import_module(name).part(settings)
    return found


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="minutes (default)")
    form.add_argument("--full", action="store_true", help="hours")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seed", type=int, default=Settings().seed)
    parser.add_argument("--workers", type=int, default=2, help="processes, where there are several")
    parser.add_argument("--cache", type=Path, default=own_cache(), help="rooms and noise of the benchmark")
    parser.add_argument("--times", type=float, default=1.0, help="of the usual amount, for a try; nothing is written")
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    if options.seed < 0 or options.workers < 1 or not options.times > 0.0:
        parser.error("expected --seed of 0 or more, --workers of at least 1, --times over 0")
    return options
