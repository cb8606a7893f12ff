"""Trials in several processes, with progress and time left on standard error."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence

from suites import CONTAINER, Group
from trials import Answer, work

# Scenes of one task: enough to be worth its way, few enough for an honest progress.
_CHUNK = 10

_Task = tuple[Group, int, int, int]


def answers_of(groups: Sequence[Group], *, seed: int, workers: int) -> list[Answer]:
    """All answers, in the order of groups, scenes and levels; the same whatever the number of workers."""
    tasks = list(_tasks(groups, seed))
    total = sum(_price(task) for task in tasks)
    found: dict[int, list[Answer]] = {}
    done, began = 0.0, time.monotonic()
    # Fresh processes: libraries with threads of their own do not survive a fork.
    with multiprocessing.get_context("spawn").Pool(workers, _ignore_interrupt) as pool:
        for n, answers in pool.imap_unordered(_numbered, enumerate(tasks)):
            found[n] = answers
            done += _price(tasks[n])
            elapsed_s = time.monotonic() - began
            _say(done / total, elapsed_s, elapsed_s * (total - done) / done)
    print(file=sys.stderr)
    return [answer for n in range(len(tasks)) for answer in found[n]]


def _tasks(groups: Sequence[Group], seed: int) -> Iterator[_Task]:
    for group in groups:
        for first in range(0, group.scenes, _CHUNK):
            yield group, first, min(first + _CHUNK, group.scenes), seed


def _price(task: _Task) -> float:
    """Seconds, roughly, on a core that does nothing else."""
    group, first, last, _ = task
    if group.layout == CONTAINER:
        return 0.7 * (last - first)
    if group.taps:
        return 0.7 * (last - first)
    simulated = 0.05 * max(condition.duration_s for condition in group.conditions) + 0.03
    heard = max(len(group.snrs_db), 1) * (0.01 + 0.007 * len(group.windows) + 0.007 * group.dead)
    by_peers = max(len(group.snrs_db), 1) * 0.08 * max(min(last, group.peers) - first, 0)
    return (last - first) * (simulated * (1.5 if group.snrs_db else 1.0) + heard) + by_peers


def _numbered(numbered: tuple[int, _Task]) -> tuple[int, list[Answer]]:
    n, task = numbered
    return n, work(*task)


def _ignore_interrupt() -> None:
    """Ctrl-C reaches all processes; only the first one decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _say(share: float, elapsed_s: float, left_s: float) -> None:
    print(f"\r{100 * share:5.1f} %  {_clock(elapsed_s)} passed, {_clock(left_s)} left ", end="", file=sys.stderr)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
