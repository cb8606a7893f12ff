"""Tasks in several processes, with progress and time left on standard error."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def results_of(
    work: Callable[[T], R],
    tasks: Sequence[T],
    *,
    workers: int,
    label: str,
    price: Callable[[T], float] = lambda _: 1.0,
    prepare: Callable[[], None] | None = None,
) -> list[R]:
    """What `work` makes of every task, in their order; the same whatever the number of workers.

    Parameters
    ----------
    work, prepare : functions of a module; `prepare` is called once in every process
    workers : processes; with one, everything happens in this one
    price : of a task, in any unit, for the time left
    """
    total = sum(price(task) for task in tasks) or 1.0
    found: dict[int, R] = {}
    done, began = 0.0, time.monotonic()
    for n, result in _unordered(work, tasks, workers=workers, prepare=prepare):
        found[n] = result
        done += price(tasks[n])
        elapsed_s = time.monotonic() - began
        _say(f"\r{label}: {100 * done / total:5.1f} %  {_clock(elapsed_s)} passed, "
             f"{_clock(elapsed_s * (total - done) / done)} left   ")  # fmt: skip
    _say("\n")
    return [found[n] for n in range(len(tasks))]


def _unordered(
    work: Callable[[T], R], tasks: Sequence[T], *, workers: int, prepare: Callable[[], None] | None
) -> Iterator[tuple[int, R]]:
    if workers == 1:
        if prepare is not None:
            prepare()
        yield from ((n, work(task)) for n, task in enumerate(tasks))
        return
    # Fresh processes: libraries with threads of their own do not survive a fork.
    with multiprocessing.get_context("spawn").Pool(workers, partial(_begin, prepare)) as pool:
        yield from pool.imap_unordered(partial(_numbered, work), enumerate(tasks))


def _numbered(work: Callable[[T], R], numbered: tuple[int, T]) -> tuple[int, R]:
    n, task = numbered
    return n, work(task)


def _begin(prepare: Callable[[], None] | None) -> None:
    """Ctrl-C reaches all processes; only the first one decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
