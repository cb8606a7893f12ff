"""The localization benchmark: suites of simulated vents, ours beside other people's localizers, tables and pictures.

    make bench-localization            # the rows of the table, under ten minutes on two cores
    make bench-localization-full       # also the whole grid of RT60 x SNR x mismatch x duration, hours

Writes benchmarks/results/localization.json, docs/localization-results.md, docs/figures, and the README's short table.
Everything follows from --seed; seeds 100 to 105 are those the constants were fitted on. Ctrl-C writes nothing.
"""

import argparse
import os
import sys
from pathlib import Path

# Before NumPy is imported, here and in the workers: one thread each, so that times can be compared.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import compare  # noqa: E402
import figures  # noqa: E402
import page  # noqa: E402
import rows  # noqa: E402
import sections  # noqa: E402
import speed  # noqa: E402
import suites  # noqa: E402
from counts import Found  # noqa: E402
from peers import available_peers  # noqa: E402
from pool import answers_of  # noqa: E402

from trad_array_geometry import layout_names  # noqa: E402

_TUNING_SEEDS = range(100, 106)
_INSTALL = (
    "  pip install -c constraints.txt -r benchmarks/localization/requirements.txt\n"
    "  pip install --no-deps -r benchmarks/localization/requirements-no-deps.txt"
)


def main() -> int:
    """Run, print, write."""
    options = _options()
    here = [name for name in options.suites if name in layout_names()]
    for name in options.suites:
        if name not in here:
            _say(f"{name}: left out, no such layout is shipped")
    missing = available_peers()[1]
    if missing:
        _say(f"left out, not installed: {', '.join(missing)}. To install them:\n{_INSTALL}")
    groups = suites.quick(here, scenes=options.scenes, peers=options.peer_scenes)
    groups += suites.full(here, scenes=options.scenes) if options.full else []
    try:
        found = Found(answers_of(groups, seed=options.seed, workers=options.workers))
        times = speed.measured(events=options.timed, seed=options.seed)
    except KeyboardInterrupt:
        _say("\nstopped, nothing was written")
        return 130
    parts = sections.sections(found)
    results = [row for part in parts for row in part.rows] + compare.compared(found) + times
    if options.no_write or len(here) < len(suites.SUITES):
        print("\n".join(rows.lines(results)))
        _print_comparison(found)
        _say("nothing was written: " + ("--no-write" if options.no_write else "only a run of all suites is"))
        return 0
    short = [row for part in parts for row in part.summary]
    for row in times:
        short += [row] if row.goal is not None or speed.OURS in row.name else []
    rows.write("localization", results, quoted=short)
    _print_comparison(found)
    figures.draw(found, page.FIGURES)
    print(f"written: {page.write(parts, found, times, seed=options.seed, missing=missing)}")
    if options.full:
        print(f"written: {page.write_grid(found, scenes=options.scenes)}")
    return 0


def _print_comparison(found: Found) -> None:
    for layout in suites.FOUR_MICS:
        if compare.conditions(found, layout):
            print(f"\n{layout}\n" + "\n".join(compare.lines(found, layout)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the rows of the table (default)")
    size.add_argument("--full", action="store_true", help="the whole grid as well")
    parser.add_argument("--suites", nargs="+", choices=suites.SUITES, default=list(suites.SUITES))
    parser.add_argument("--scenes", type=int, default=200, help="of most conditions; some take twice or half of it")
    parser.add_argument("--peer-scenes", type=int, default=20, help="the first so many are heard by the peers too")
    parser.add_argument("--timed", type=int, default=30, help="events whose time is taken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args()
    if options.seed in _TUNING_SEEDS:
        parser.error("--seed: 100 to 103 are the seeds that the constants were fitted on")
    if min(options.scenes, options.timed, options.workers) < 1 or options.peer_scenes < 0:
        parser.error("--scenes, --timed, --workers: expected at least 1; --peer-scenes: at least 0")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
