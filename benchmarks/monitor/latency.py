"""From the onset of a vent to what the outputs say, through the real audio server and the real watch."""

import sys
import time
from collections.abc import Sequence
from threading import Thread

import numpy as np
import rows
from audio_server import AudioServer
from cabin import Sound, as_int16, at_48_khz, cabin_loop, vents
from feeder import Feeder
from measured import FS, LAYOUT, Part, Settings, measured_s, one, resident_mb
from running import AS_16_KHZ, AS_48_KHZ, RunningMonitor, is_kind

from trad_array_geometry import load_layout

# s: for the noise floor, to wait for an alarm, and quiet after a vent so that the next is another event.
_SETTLES_S, _WAIT_S, _QUIET_S = 12.0, 6.0, 6.0
_TEXT = """Vents of 2 s of random cells, -5 to 0 dB full band, RT60 0.4 s, layout and air as the file says, over
simulated cabin noise. A feeder writes the microphones' samples into the pipe behind `trad_pipe`, each when it would
have been heard, so the moment at which the first microphone hears the vent is known. Measured is the time from there
to the line on the standard output of `trad-array monitor --device trad_pipe` (`-o json:-`): the first message of level
alert or alarm, and the first alarm that names a cell. Capture (a pipe of the audio server, its client, PortAudio,
pieces of 0.1 s) is in it; what a sound card's own converter and bus take is not. A vent of which nothing is told
within {wait:g} s counts with that time. Low and high are the shortest and the longest."""


def part(settings: Settings) -> Part:
    """16 kHz and 48 kHz at once, the same vents, each in its own cabin."""
    layout, rng = load_layout(LAYOUT), np.random.default_rng([settings.seed, 7])
    loop = cabin_loop(layout, seconds=60.0, rng=rng)
    sounds = vents(layout, settings.number(20, 100), rng=rng)
    low, high = _Timed("16 kHz", goals=(0.7, 1.0, 1.5, 150.0)), _Timed("48 kHz int32, resampled", goals=(None,) * 4)
    forms = [(low, AS_16_KHZ, as_int16, FS), (high, AS_48_KHZ, at_48_khz, 48_000)]
    threads = [
        Thread(target=timed.run, args=(form, convert(loop), [convert(s.samples) for s in sounds], sounds, fs))
        for timed, form, convert, fs in forms
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [*low.rows(), *high.rows()]
    return Part(
        f"## From the onset to the alarm\n\n{_TEXT.format(wait=_WAIT_S)}\n\n" + "\n".join(rows.lines(found)),
        tuple(found),
    )


class _Timed:
    """One watch and what it told of each vent."""

    def __init__(self, name: str, *, goals: tuple[float | None, ...]) -> None:
        self._name, self._goals = name, goals
        self.alerts_s: list[float] = []
        self.located_s: list[float] = []
        self._told = self._right = 0
        self._memory_mb = 0.0
        self._trouble: Exception | None = None

    def run(
        self, form: Sequence[str], loop: np.ndarray, samples: Sequence[np.ndarray], sounds: Sequence[Sound], fs: int
    ) -> None:
        try:
            self._run(form, loop, samples, sounds, fs)
        except Exception as trouble:  # raised again by whoever asks for the rows
            self._trouble = trouble

    def _run(
        self, form: Sequence[str], loop: np.ndarray, samples: Sequence[np.ndarray], sounds: Sequence[Sound], fs: int
    ) -> None:
        with AudioServer(fs=fs, dtype=loop.dtype.name, devices=("pipe",)) as server:
            feeder = Feeder(server.fifo, loop, fs=fs)
            try:
                with RunningMonitor(server, server.pipe, *form) as monitor:
                    monitor.ready()
                    time.sleep(_SETTLES_S)
                    for k, (sound, heard) in enumerate(zip(sounds, samples, strict=True)):
                        self._vent(monitor, sound, feeder.add(heard) + sound.onset_s)
                        print(f"\r{self._name}: vent {k + 1}/{len(sounds)}", end="", file=sys.stderr)
                        time.sleep(_QUIET_S)
                    self._memory_mb = resident_mb(monitor.process.pid)
            finally:
                feeder.close()

    def _vent(self, monitor: RunningMonitor, sound: Sound, onset_s: float) -> None:
        def told(message: dict) -> bool:
            return is_kind("event")(message) and message["level"] in ("alert", "alarm")

        def located(message: dict) -> bool:
            return is_kind("event", level="alarm")(message) and message["best"] is not None

        alert_s = monitor.wait_for(told, within_s=onset_s + _WAIT_S - time.monotonic(), after_s=onset_s)
        named_s = monitor.wait_for(located, within_s=onset_s + _WAIT_S - time.monotonic(), after_s=onset_s)
        self._told += alert_s is not None
        self._right += named_s is not None and monitor.wait_for(
            lambda m: located(m) and m["best"] == sound.cell, within_s=0.0, after_s=onset_s
        ) == named_s  # fmt: skip
        self.alerts_s.append(_WAIT_S if alert_s is None else alert_s - onset_s)
        self.located_s.append(_WAIT_S if named_s is None else named_s - onset_s)

    def rows(self) -> list[rows.Row]:
        """Median and 95 % of both, and how many were told and named."""
        if self._trouble is not None:
            raise self._trouble
        n, name = len(self.alerts_s), f"onset to %s on the outputs, {self._name}"
        memory = one(
            f"resident memory after these vents, {self._name}", self._memory_mb, unit="MB", goal=self._goals[3]
        )
        return [
            measured_s(f"{name % 'alert'}: median", self.alerts_s, quantile=0.5, goal=self._goals[0]),
            measured_s(f"{name % 'alert'}: 95 %", self.alerts_s, quantile=0.95, goal=self._goals[1]),
            measured_s(f"{name % 'located alarm'}: median", self.located_s, quantile=0.5, goal=self._goals[2]),
            measured_s(f"{name % 'located alarm'}: 95 %", self.located_s, quantile=0.95, goal=None),
            rows.share(f"vents that were told, {self._name}", self._told, n, goal=None),
            rows.share(
                f"vents whose first located alarm names the right cell, {self._name}", self._right, n, goal=None
            ),
            memory,
        ]
