"""The benchmark of the live watch: load, memory over a week, time to the alarm, faults, many arrays.

    make bench-monitor         # the quick form, under fifteen minutes on two cores
    make bench-monitor-full    # a simulated week, 100 vents, every fault 20 times, a device gone for ten minutes: hours

The real `trad-array monitor` hears a real audio server without a sound card. Writes benchmarks/results/monitor.json,
docs/monitor-results.md and the README's short table; parts may be run one by one, `--parts faults` prints the table of
faults. Everything random follows from --seed; times are those of this machine. Ctrl-C writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import rows
from measured import Part, Settings

# Modules with a function `part(settings)`, in the order of the page; imported when they run.
PARTS = ("load", "week", "latency", "faults", "arrays")
PAGE = Path(__file__).parents[2] / "docs" / "monitor-results.md"
# What the last run of each part found.
LAST = rows.RESULTS / "monitor-parts"

_INTRO = """# The live watch: what has been measured

*Written by `make bench-monitor`; changes by hand are lost. The audio server, the watch and what breaks between them are
real; there is no sound card, and what is heard is **simulated**. Numbers are those of the machine named under each
part. One thread for numerical libraries.*
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    options = _options(arguments)
    settings = Settings(full=options.full, seed=options.seed, times=options.times, lanes=options.lanes)
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
        }
        (LAST / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    kept = [json.loads(path.read_text("utf-8")) for path in (LAST / f"{name}.json" for name in PARTS) if path.exists()]
    found = [rows.Row(**row) for record in kept for row in record["rows"]]
    rows.write("monitor", found, quoted=[row for row in found if _is_quoted(row)])
    PAGE.write_text("\n\n".join([_INTRO, *(record["page"] for record in kept)]) + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


def _is_quoted(row: rows.Row) -> bool:
    """What the README shows: goals, but of the faults only how many were missed; arrays of a core; growth of memory."""
    return (
        row.name.startswith("arrays")
        or "growth" in row.name
        or (row.goal is not None and not row.name.startswith("fault: "))
    )


def _run(name: str, settings: Settings) -> Part:
    print(f"{name} ...", file=sys.stderr, flush=True)
    found: Part = import_module(name).part(settings)
    print(file=sys.stderr)
    return found


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_true", help="minutes (default)")
    form.add_argument("--full", action="store_true", help="hours")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=6, help="watches whose microphones break at the same time")
    parser.add_argument("--times", type=float, default=1.0, help="of the usual amount, for a try; nothing is written")
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    if options.seed < 0 or options.lanes < 1 or not options.times > 0.0:
        parser.error("expected --seed of 0 or more, --lanes of at least 1, --times over 0")
    return options
