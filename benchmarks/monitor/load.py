"""What a quiet live watch costs: CPU and memory of the real program over the real audio server."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import rows
from audio_server import AudioServer
from cabin import as_int16, at_48_khz, cabin_loop
from measured import FS, LAYOUT, Part, Settings, cpu_s, loads, one, resident_mb
from running import AS_16_KHZ, AS_48_KHZ, STDOUT, RunningMonitor, is_kind

from trad_array_geometry import load_layout

_SETTLES_S, _LOOK_S = 10.0, 10.0
_TEXT = """Simulated noise of a cabin is played to the device `trad_array` of the audio server, and the real
`trad-array monitor` listens to it: 4 channels, store and three outputs on (standard output, a file, a command for each
message), a heartbeat every 10 s, no event. CPU is user and system time of the process in `/proc`, looked at every 10
s; the audio server, and the commands that the output runs, are not in it. While a sound lasts it is several times as
much: then cells are looked for all the time."""


def part(settings: Settings) -> Part:
    """Both rates, at the same time: each takes a few hundredths of a core."""
    loop = cabin_loop(load_layout(LAYOUT), seconds=60.0, rng=np.random.default_rng(settings.seed))
    for_s = settings.amount(120, 900)
    with ThreadPoolExecutor(2) as pool:
        low = pool.submit(_measured, "4 channels, 16 kHz", AS_16_KHZ, as_int16(loop), FS, for_s, goals=(5.0, 150.0))
        name, high = "48 kHz int32, resampled", at_48_khz(loop)
        other = pool.submit(_measured, name, AS_48_KHZ, high, 48_000, for_s, goals=(None, None))
        found = [*low.result(), *other.result()]
    return Part(f"## A quiet live watch\n\n{_TEXT}\n\n" + "\n".join(rows.lines(found)), tuple(found))


def _measured(
    what: str,
    form: Sequence[str],
    loop: np.ndarray,
    fs: int,
    for_s: float,
    *,
    goals: tuple[float | None, float | None],
) -> list[rows.Row]:
    looks = max(2, round(for_s / _LOOK_S))
    needed = round((2 * _SETTLES_S + looks * _LOOK_S + 20.0) * fs)
    samples = np.tile(loop, (-(-needed // len(loop)), 1))[:needed]
    with AudioServer(fs=fs, dtype=samples.dtype.name) as server:
        # A watch that first hears digital silence takes the noise that begins for a sound, and follows it for minutes.
        server.play(samples)
        with RunningMonitor(server, server.array, *form) as monitor:
            monitor.ready()
            time.sleep(_SETTLES_S)
            pid = monitor.process.pid
            shares, memory = [], []
            spent_s, at_s = cpu_s(pid), time.monotonic()
            for _ in range(looks):
                time.sleep(_LOOK_S)
                before_s, before_at_s = spent_s, at_s
                spent_s, at_s = cpu_s(pid), time.monotonic()
                shares.append(100.0 * (spent_s - before_s) / (at_s - before_at_s))
                memory.append(resident_mb(pid))
            if loads(pid, "torch"):
                raise RuntimeError("the watch has torch in memory")
            heard = [message for _, message in monitor.told[STDOUT] if not is_kind("heartbeat")(message)]
            if heard:
                raise RuntimeError(f"the watch was not quiet: {heard}")
    mean = float(np.mean(shares))
    return [
        rows.Row(
            f"quiet live watch, {what}: CPU", mean, "% of a core", goals[0], "lower", looks, min(shares), max(shares)
        ),
        one(f"quiet live watch, {what}: resident memory", max(memory), unit="MB", goal=goals[1], n=looks),
    ]
