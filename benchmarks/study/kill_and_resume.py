"""A run that is killed: how many shards are computed again when it goes on."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rows
from pieces import Part, Settings, one
from sites import PACK, POSTS, study_of

from trad_array.study.as_json import to_json
from trad_array.study.records import MISMATCHES, Condition, Study
from trad_array.study.results import PARQUET, SHARDS
from trad_array.study.running import run
from trad_array.study.world import World

WORKERS = 2
_SHARD_EVENTS, _SHARDS = 100, 16
_PATIENCE_S = 120.0
_TEXT = """A run of {shards} shards of {events} vents (time engine, two processes), each time in a new folder. Its main
process gets SIGKILL at a moment that is drawn: after one of the first {last} shards, and up to 0.3 s more. Then the
same run is started again and goes to its end. A shard is computed again when a process began it before and after; one
for each process can be under way. The table must be that of a run which nobody killed, byte for byte."""


@dataclass(frozen=True, slots=True)
class Trial:
    """kept : shards on disk when it was killed; again : shards computed again; same : whether the table is the same."""

    kept: int
    again: int
    same: bool


def part(settings: Settings) -> Part:
    """Kills at drawn moments."""
    trials_wanted = settings.number(8, 60)
    study = _study(settings.seed)
    world = World(study, settings.cache, workers=settings.workers)
    for condition in study.conditions:
        world.noise(condition.rt60_s, condition.fan)
    rng = np.random.default_rng([settings.seed, 0x9])
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:
        whole = Path(folder) / "whole"
        run(study, whole, cache=settings.cache, workers=WORKERS)
        table = (whole / PARQUET).read_bytes()
        trials = [
            killed(
                study,
                Path(folder) / str(k),
                settings.cache,
                table,
                after=int(rng.integers(1, _SHARDS - 2)),
                more_s=float(rng.uniform(0.0, 0.3)),
            )
            for k in range(trials_wanted)
        ]
    again = [trial.again / WORKERS for trial in trials]
    most = rows.Row(
        "killed run: shards computed again by each process, most",
        max(again),
        "shards",
        1.0,
        "lower",
        len(trials),
        min(again),
        max(again),
    )
    same = rows.share(
        "killed run, resumed: the table of an unbroken one", sum(t.same for t in trials), len(trials), goal=100.0
    )
    kept = [trial.kept for trial in trials]
    found = [
        most,
        same,
        one(
            "killed run: shards on disk when it was killed, fewest",
            min(kept),
            unit="shards",
            better="higher",
            n=len(trials),
        ),
    ]
    text = _TEXT.format(shards=_SHARDS, events=_SHARD_EVENTS, last=_SHARDS - 3)
    page = f"## Killed and resumed\n\n{text}\n\n" + "\n".join(rows.lines(found))
    return Part(page, tuple(found), (most, same))


def killed(study: Study, folder: Path, cache: Path, table: bytes, *, after: int, more_s: float) -> Trial:
    """Run, kill after so many shards and seconds, run again."""
    folder.mkdir(parents=True)
    description, log = folder / "study-as-json", folder / "begun"
    description.write_text(json.dumps(to_json(study)))
    program = str(Path(__file__).with_name("noted_run.py"))
    command = [sys.executable, program, str(description), str(folder / "run"), str(cache), str(log), str(WORKERS)]
    with subprocess.Popen(command) as process:
        until = time.monotonic() + _PATIENCE_S
        while _on_disk(folder) < after and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(more_s)
        if process.poll() is not None:
            raise RuntimeError(f"expected a run that goes on after {after} shards, found one that has ended")
        process.kill()
    kept = _on_disk(folder)
    _wait_for_end({int(line.split()[1]) for line in log.read_text().splitlines()})
    subprocess.run(command, check=True)
    begun = Counter(line.split()[0] for line in log.read_text().splitlines())
    return Trial(kept, sum(times - 1 for times in begun.values()), (folder / "run" / PARQUET).read_bytes() == table)


def _on_disk(folder: Path) -> int:
    return len(list((folder / "run" / SHARDS).glob("*.json")))


def _wait_for_end(pids: set[int]) -> None:
    """Until the workers have noticed that nobody is there any more."""
    until = time.monotonic() + _PATIENCE_S
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > until:
            raise RuntimeError("workers of a killed run: expected them to end, found them running")
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has asked about yet runs no more.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _study(seed: int) -> Study:
    study = study_of(
        PACK, seed=seed, extra={"two posts": POSTS}, conditions=(Condition(0.3, -16.0, mismatch=MISMATCHES["M1"]),)
    )
    return replace(study, engine="time", events=_SHARD_EVENTS * _SHARDS // 2, shard_events=_SHARD_EVENTS)
