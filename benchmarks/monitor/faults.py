"""What breaks between microphones and watch, broken for real: is it shown in time, and over without a restart?"""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Event, Thread

import numpy as np
import rows
from audio_server import AudioServer
from cabin import as_int16, cabin_loop
from feeder import Feeder
from measured import FS, LAYOUT, Part, Settings, measured_s
from running import AS_16_KHZ, COMMAND, FILE, OUTPUTS, STDOUT, RunningMonitor, is_kind

from trad_array.alarm.fault_table import fault_kind
from trad_array_geometry import load_layout

MIC = 1  # the channel that dies
STATUS = "trad-array status"
_TEXT = """The real watch with its real limits listens to `trad_pipe` of a real audio server, four channels at 16 kHz;
several pairs of both run side by side. Shown after: from the moment something breaks to the line about it on standard
output. Recovered after: from the moment it is mended to the line that says that the fault is over; the watch is never
started again. The limits are those of [alarms.md](alarms.md); `trad-array faults` prints them. A server stands still
by SIGSTOP; when that was short, the watch says afterwards how much sound was lost, and that for a minute."""
_WELL_TEXT = """The same faults, those that stop the sound: after how long each output, and what `trad-array status` is
answered (asked four times a second), say that no sound arrives. A watch that stands still itself (SIGSTOP) tells its
outputs nothing, no heartbeat either; `trad-array status` then is an error."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One server, one feeder, one watch."""

    server: AudioServer
    feeder: Feeder
    monitor: RunningMonitor


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks.

    name : of the row
    code : what the watch must say; None when it is the watch itself that stands still
    break_it, mend : how
    lasts_s : s, until it is mended; None: 1 s after it was shown
    subject : of the fault
    """

    name: str
    code: str
    break_it: Callable[[Bench], object]
    mend: Callable[[Bench], object]
    lasts_s: float | None = None
    subject: str = ""

    @property
    def limit_s(self) -> float:
        """Within which it must be shown, and its end as well."""
        return fault_kind(self.code).limit_s


@dataclass(frozen=True, slots=True)
class Trial:
    """What one fault came to: s, None where nothing came in time. said_s : of each output and of status."""

    fault: Fault
    shown_s: float | None
    recovered_s: float | None
    same_process: bool
    said_s: dict[str, float | None] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Shown and over within the limits, without a restart."""
        times = (self.shown_s, self.recovered_s)
        return self.same_process and all(t is not None and t <= self.fault.limit_s for t in times)


def faults_of(*, gone_s: float, long_stall_s: float = 45.0) -> tuple[Fault, ...]:
    """All of them, the longest first."""
    mic = load_layout(LAYOUT).mic_names[MIC]
    gone = f"{gone_s / 60:g} min" if gone_s >= 60 else f"{gone_s:g} s"
    return (
        Fault(f"device gone for {gone} and back", "no-audio", _unload, _load, lasts_s=gone_s),
        Fault(f"server stands still for {long_stall_s:g} s", "no-audio", _pause, _go_on, lasts_s=long_stall_s),
        Fault("server killed", "no-audio", lambda b: b.server.kill(), lambda b: b.server.start()),
        Fault("module unloaded (silent stall)", "no-audio", _unload, _load),
        Fault("feeder stopped", "no-audio", lambda b: b.feeder.stop(), _mend_feeder),
        Fault("server stands still for 3 s", "lost-audio", _pause, _go_on, lasts_s=3.0),
        Fault("one channel dead", "mic-silent", lambda b: b.feeder.kill_channel(MIC), _mend_feeder, subject=mic),
        Fault("all channels digitally silent", "no-audio", lambda b: b.feeder.fall_silent(), _mend_feeder),
    )


def _unload(bench: Bench) -> None:
    bench.server.unload("pipe")


def _load(bench: Bench) -> None:
    bench.server.load("pipe")


def _pause(bench: Bench) -> None:
    bench.server.pause()


def _go_on(bench: Bench) -> None:
    bench.server.go_on()


def _mend_feeder(bench: Bench) -> None:
    bench.feeder.mend()


def part(settings: Settings) -> Part:
    """Every fault so often, on several servers at once."""
    number = settings.number(2, 20)
    faults = faults_of(gone_s=600.0 if settings.full else 30.0)
    loop = as_int16(cabin_loop(load_layout(LAYOUT), seconds=30.0, rng=np.random.default_rng([settings.seed, 4])))
    trials, stuck = _all_trials(faults, number, loop, lanes=settings.lanes)
    found = [row for fault in faults for row in _rows(fault, [t for t in trials if t.fault.name == fault.name])]
    good = sum(trial.good for trial in trials)
    found.append(rows.share("faults shown and recovered within their limits, no restart", good, len(trials), goal=100))
    well = _well_rows(trials, stuck)
    page = [
        f"## Faults\n\n{_TEXT}\n\n{table(faults, trials)}",
        "\n".join(rows.lines(found[-1:])),
        f'## No false "all well"\n\n{_WELL_TEXT}\n\n' + "\n".join(rows.lines(well)),
    ]
    return Part("\n\n".join(page), (*found, *well))


def table(faults: Sequence[Fault], trials: Sequence[Trial]) -> str:
    """Faults x (limit, shown after, recovered after), as Markdown."""
    lines = [
        "| what breaks | fault | limit | shown after: median (longest) | recovered after: the same | n | missed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fault in faults:
        mine = [trial for trial in trials if trial.fault.name == fault.name]
        missed = sum(not trial.good for trial in mine)
        times = " | ".join(_words([getattr(t, name) for t in mine]) for name in ("shown_s", "recovered_s"))
        lines.append(f"| {fault.name} | `{fault.code}` | {fault.limit_s:g} s | {times} | {len(mine)} | {missed} |")
    return "\n".join(lines)


def try_fault(bench: Bench, fault: Fault, *, then_all_well: bool = True) -> Trial:
    """Break, wait until it is shown, mend, wait until it is over, and until all is well."""
    raised = is_kind("fault", kind=fault.code, subject=fault.subject, state="raised")
    restored = is_kind("fault", kind=fault.code, subject=fault.subject, state="restored")
    pid, wait_s = bench.monitor.process.pid, 1.5 * fault.limit_s
    broken_s = time.monotonic()
    fault.break_it(bench)
    watching = _Status(bench.monitor, fault.code, broken_s) if fault.code == "no-audio" else None
    if fault.lasts_s is None:
        shown = bench.monitor.wait_for(raised, within_s=wait_s, after_s=broken_s)
        time.sleep(1.0)
    else:
        time.sleep(fault.lasts_s)
    said = {}
    if watching is not None:
        said = {STATUS: watching.end()}
        for output in OUTPUTS:
            came = bench.monitor.wait_for(raised, within_s=0.2, after_s=broken_s, output=output)
            said[output] = None if came is None else came - broken_s
    mended_s = time.monotonic()
    fault.mend(bench)
    shown = bench.monitor.wait_for(raised, within_s=wait_s, after_s=broken_s)
    over = bench.monitor.wait_for(restored, within_s=wait_s, after_s=mended_s)
    if then_all_well:
        _settle(bench.monitor)
    return Trial(
        fault,
        None if shown is None else shown - broken_s,
        None if over is None else over - mended_s,
        bench.monitor.runs and bench.monitor.process.pid == pid,
        said,
    )


def stand_still(bench: Bench) -> float | None:
    """The watch itself stands still: s until `status` is an error; None when it was not."""
    began_s = time.monotonic()
    bench.monitor.process.send_signal(signal.SIGSTOP)
    try:
        while bench.monitor.status() is not None:
            if time.monotonic() - began_s > 30.0:
                return None
            time.sleep(0.25)
        return time.monotonic() - began_s
    finally:
        bench.monitor.process.send_signal(signal.SIGCONT)


class _Status:
    """Asks for the status until it tells of a fault, in a thread of its own."""

    def __init__(self, monitor: RunningMonitor, code: str, broken_s: float) -> None:
        self._monitor, self._code, self._broken_s = monitor, code, broken_s
        self._said_s: float | None = None
        self._enough = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> float | None:
        """S after the break at which the status told it, or was an error; None when it did not."""
        self._enough.set()
        self._thread.join()
        return self._said_s

    def _run(self) -> None:
        while True:
            status = self._monitor.status()
            if status is None or any(f["code"] == self._code for f in status["faults"]):
                self._said_s = time.monotonic() - self._broken_s
                return
            if self._enough.wait(0.25):
                return


def _settle(monitor: RunningMonitor) -> None:
    """Wait until no fault is left, so that the next one is seen for what it is."""
    until_s = time.monotonic() + 120.0
    while time.monotonic() < until_s and monitor.runs:
        status = monitor.status()
        if status is not None and not status["faults"]:
            return
        time.sleep(0.5)


def _all_trials(
    faults: Sequence[Fault], number: int, loop: np.ndarray, *, lanes: int
) -> tuple[list[Trial], list[float | None]]:
    """Every fault so often, the longest first; then, of each lane, see `stand_still`."""
    waiting: Queue[Fault] = Queue()
    for fault in [fault for fault in faults for _ in range(number)]:
        waiting.put(fault)
    trials: list[Trial] = []
    stuck: list[float | None] = []
    troubles: list[Exception] = []
    total = number * len(faults)

    def work() -> None:
        try:
            with AudioServer(devices=("pipe",)) as server:
                feeder = Feeder(server.fifo, loop, fs=FS)
                try:
                    with RunningMonitor(server, server.pipe, *AS_16_KHZ) as monitor:
                        bench = Bench(server, feeder, monitor.ready())
                        while (fault := _next(waiting)) is not None:
                            trials.append(try_fault(bench, fault))
                            print(f"\rfaults: {len(trials)}/{total}", end="", file=sys.stderr)
                            if not monitor.runs:
                                raise RuntimeError(f"the watch ended after: {fault.name}")
                        stuck.append(stand_still(bench))
                finally:
                    feeder.close()
        except Exception as trouble:  # raised again below
            troubles.append(trouble)

    threads = [Thread(target=work) for _ in range(min(lanes, total))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    return trials, stuck


def _next(waiting: "Queue[Fault]") -> Fault | None:
    try:
        return waiting.get_nowait()
    except Empty:
        return None


def _rows(fault: Fault, trials: Sequence[Trial]) -> list[rows.Row]:
    """The longest of both times against the limit; what never came counts as one and a half limits."""
    found = []
    for what, name in (("shown", "shown_s"), ("recovered", "recovered_s")):
        times = [1.5 * fault.limit_s if (t := getattr(trial, name)) is None else t for trial in trials]
        title = f"fault: {fault.name}: {what} after, longest"
        found.append(measured_s(title, times, quantile=1.0, goal=fault.limit_s))
    return found


def _well_rows(trials: Sequence[Trial], stuck: Sequence[float | None]) -> list[rows.Row]:
    found = []
    for who in (STDOUT, FILE, COMMAND, STATUS):
        times = [30.0 if (t := trial.said_s[who]) is None else t for trial in trials if trial.said_s]
        if times:
            found.append(measured_s(f"sound stopped: {who} says so after, longest", times, quantile=1.0, goal=10.0))
    times = [30.0 if t is None else t for t in stuck]
    if times:
        name = f"watch stands still: {STATUS} is an error after, longest"
        found.append(measured_s(name, times, quantile=1.0, goal=10.0))
    return found


def _words(times: Sequence[float | None]) -> str:
    known = [t for t in times if t is not None]
    return f"{np.median(known):.1f} s ({max(known):.1f} s)" if known else "never"
