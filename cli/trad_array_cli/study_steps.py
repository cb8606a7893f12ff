"""Progress of commands that go through stages, one after the other, with an estimate of the time that each has left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trad_array_cli.study_options import shown_progress

Show = Callable[[str, int, int], None]


@contextmanager
def shown_steps() -> Iterator[Show]:
    """Tells a person the stage, what is done and all, and how long that takes at the pace of the stage so far."""
    from trad_array.study.running import Progress

    began: dict[str, tuple[float, int]] = {}
    with shown_progress() as tell:

        def show(stage: str, done: int, total: int) -> None:
            now_s = time.monotonic()
            began_s, first = began.setdefault(stage, (now_s, done))
            left_s = (now_s - began_s) * (total - done) / (done - first) if done > first else None
            tell(Progress(stage, done, total, left_s=left_s))

        yield show
