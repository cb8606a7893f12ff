"""Peak memory of long rooms: the bank made and used, and the simulator that makes whole responses beside it."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import rows
from pieces import Part, Settings, one, with_goals

WHAT = ("build", "spectral", "time")
RT60_S = 1.0
_GOAL_MB = 2048.0
_LOOK_S = 0.05
_TEXT = """RT60 {rt60:g} s, 44 places of microphones around the pack, 52 cells with jets at two heights: {responses}
responses. Each in a program of its own, Python and its libraries in it: the bank is made from nothing; a run of a study
over {layouts} layouts with the spectral engine, and over two with the time engine, each in one process: peak resident
memory as the system counts it. With two processes: memory of all processes together, what they share counted once,
looked at every {look:g} ms; the bank is made in the same run. {peer}"""
_PEER = """`pyroomacoustics` computes {n} responses (`compute_rir`, mirror images) of the same room for the same
reverberation time; made for RT60 {rt60:g} s by its own formula."""

# Linux counts the memory of the process that starts a command towards the command's peak: let a small one start it.
_LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass(frozen=True, slots=True)
class Peak:
    """largest_mb : of one process; together_mb : of all at a time, seen from outside; seconds : it took."""

    largest_mb: float
    together_mb: float
    seconds: float


def part(settings: Settings) -> Part:
    """Bank, both engines, and the other simulator."""
    layouts = settings.number(40, 200, least=3)
    found: list[rows.Row] = []
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        for what in WHAT:
            peak = _peak(what, Path(folder) / "one", settings, layouts=layouts, workers=1)
            name = {"build": "bank made", "spectral": "run, spectral engine", "time": "run, time engine"}[what]
            words = f"RT60 {RT60_S:g} s, 44 places: {name}"
            found.append(one(f"{words}: peak memory", peak.largest_mb, unit="MB", goal=_GOAL_MB))
            found.append(one(f"{words}: wall clock, one process", peak.seconds, unit="s"))
        peak = _peak("spectral", Path(folder) / "two", settings, layouts=layouts, workers=2)
        words = f"RT60 {RT60_S:g} s, 44 places: bank made and run, spectral engine, two processes"
        found.append(one(f"{words}: peak memory together", peak.together_mb, unit="MB", goal=_GOAL_MB))
    mics = 4 if settings.times >= 1 else 1
    peer = _peak("peer", Path(), settings, layouts=mics, workers=1)
    n = 2 * mics
    words = f"pyroomacoustics, {n} responses at RT60 {RT60_S:g} s"
    found.append(one(f"{words}: peak memory", peer.largest_mb, unit="MB"))
    found.append(one(f"{words}: wall clock", peer.seconds, unit="s"))
    text = _TEXT.format(
        rt60=RT60_S,
        responses=44 * 104,
        layouts=layouts,
        look=1000 * _LOOK_S,
        peer=_PEER.format(n=n, rt60=RT60_S),
    )
    quoted = (*with_goals(found), found[-2])
    return Part(f"## Memory\n\n{text}\n\n" + "\n".join(rows.lines(found)), tuple(found), quoted)


def _peak(what: str, cache: Path, settings: Settings, *, layouts: int, workers: int) -> Peak:
    program = Path(__file__).with_name("memory_program.py")
    command = [sys.executable, str(program), what, str(cache), str(settings.seed), str(layouts), str(workers)]
    began, together = time.perf_counter(), 0.0
    with subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while process.poll() is None:
            together = max(together, session_mb(process.pid))
            time.sleep(_LOOK_S)
        told, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{what}: {errors.strip()}")
    return Peak(float(told.split()[-1]) / 1024, together, time.perf_counter() - began)


def session_mb(session: int) -> float:
    """Memory of all processes of a session, MB; what several share is shared out among them."""
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):  # it has just ended
            continue
    return total / 1024
