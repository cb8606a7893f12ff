"""Live sound of a sound card: the only importer of sounddevice.

What was measured of the audio stack decides the shape. When a device dies, its stream may say so, or fall silent
without a word, and every call that waits for it may hang. So the callback only copies into a bounded queue; whoever
listens looks at the clock at least four times a second; and all that talks to the driver runs in a thread that may be
given up.

PortAudio is one for the whole process, and a recovery starts it anew: one `SoundCard` at a time.
"""

import math
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from trad_array.audio.capture_line import Heard, Line
from trad_array.audio.capture_rule import CaptureCounts, CaptureFormat, RecoveryRule, check_map
from trad_array.audio.captured import Captured, NoSound, Piece
from trad_array.audio.card_clock import ClockRule, Drift, Place, drift_of, place_step
from trad_array.errors import DeviceError

_USUAL = RecoveryRule()


@dataclass(slots=True)
class _Attempt:
    """A thread that talks to the driver, and what became of it."""

    began_s: float
    thread: Thread
    line: Line | None = None
    trouble: str = ""


class SoundCard:
    """Sound of a device, from when it is opened until it is closed; a `SoundSource`.

    Parameters
    ----------
    device : str, its name as `list_devices` tells it, or a part that only one has
    format : CaptureFormat
    n_mics : int, microphones of the layout; the channel map must have one entry for each
    rule : RecoveryRule
    clock : monotonic clock, s

    Raises
    ------
    ConfigError
        If the channel map has not one entry for each microphone.
    """

    def __init__(
        self,
        device: str,
        format: CaptureFormat,
        *,
        n_mics: int,
        rule: RecoveryRule = _USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_map(format.channel_map, n_mics)
        self._device, self._format, self._rule, self._clock = device, format, rule, clock
        self._clock_rule = ClockRule(
            format.samplerate_hz, window_s=rule.window_s, loss_s=max(rule.loss_s, 2.5 * format.block_s)
        )
        self._rows = [c - 1 for c in format.channel_map]
        # Guards the line and the attempt, which `close` may take away from another thread.
        self._lock = Lock()
        self._closed = Event()
        self._line: Line | None = None
        self._attempt: _Attempt | None = None
        self._again_s, self._not_before_s = rule.again_s, -math.inf
        self._place = Place()
        self._placed: Line | None = None  # the line that `_place` is about
        self._counts = CaptureCounts()
        self._reason, self._silent_looks = f"sound card {device!r}: no sound", 0

    @property
    def name(self) -> str:
        """The device, as it was asked for."""
        return self._device

    @property
    def fs(self) -> int:
        """Capture rate, Hz."""
        return self._format.samplerate_hz

    @property
    def drift(self) -> Drift | None:
        """Speed of the card against the clock; None in the first seconds and after a loss."""
        return drift_of(self._place.clock) if self._place.clock else None

    @property
    def counts(self) -> CaptureCounts:
        """What went wrong so far."""
        return self._counts

    def open(self) -> None:
        """Open the device; `pieces` does so by itself.

        Raises
        ------
        DeviceError
            If there is no such device, it does not take the format, or opening it hangs.
        """
        for _ in self._opening():
            pass

    def pieces(self) -> Iterator[Piece]:
        """Sound as it comes, and every second without sound why; ends when the card is closed.

        Raises
        ------
        DeviceError
            At the start, see `open`; later only with `hopeless`, when bringing the device back hangs.
        """
        for waited_s in self._opening():
            yield NoSound(for_s=waited_s, reason=f"sound card {self._device!r}: being opened")
        quiet_since = told_s = self._clock()
        while not self._closed.is_set():
            line = self._line  # once: `close` may take it away at any time
            heard = self._next(line)
            now = self._clock()
            if line is not None and heard is not None:
                quiet_since = told_s = now
                self._silent_looks = 0
                self._again_s, self._reason = self._rule.again_s, f"sound card {self._device!r}: no sound"
                yield self._captured(line, heard, now)
                continue
            self._mend(now)
            if now - told_s >= 1.0:
                told_s = now
                yield NoSound(for_s=now - quiet_since, reason=self._reason)

    def close(self) -> None:
        """Let go of the device, within `close_s` even when the driver hangs; may be called twice."""
        with self._lock:
            self._closed.set()
            line, self._line = self._line, None
            attempt, self._attempt = self._attempt, None

        def work() -> None:
            if attempt is not None:
                attempt.thread.join()
            for opened in (line, attempt.line if attempt is not None else None):
                if opened is not None:
                    _shut(opened)

        worker = Thread(target=work, name="sound card closes", daemon=True)
        worker.start()
        worker.join(self._rule.close_s)
        if worker.is_alive():
            _leave_driver_alone()

    def _opening(self) -> Iterator[float]:
        """Open the device for the first time; gives every second how long that takes."""
        with self._lock:
            if self._line is None and not self._closed.is_set():
                self._start_attempt(anew=False)
            attempt = self._attempt
        if attempt is None:
            return
        while attempt.thread.is_alive():
            attempt.thread.join(1.0)
            waited_s = self._clock() - attempt.began_s
            if attempt.thread.is_alive() and waited_s > self._rule.give_up_s:
                raise self._hopeless("opening it")
            if attempt.thread.is_alive():
                yield waited_s
        with self._lock:
            if self._closed.is_set():
                return
            self._attempt, self._line = None, attempt.line
        if attempt.line is None:
            raise DeviceError(attempt.trouble)

    def _next(self, line: Line | None) -> Heard | None:
        """What comes next; None when nothing came for a moment."""
        if line is None:
            self._closed.wait(0.1)
            return None
        try:
            return line.heard.get(timeout=0.25)
        except queue.Empty:
            return None

    def _captured(self, line: Line, heard: Heard, now: float) -> Captured:
        """The sound of one callback, with its place in the stream."""
        frames, fresh = len(heard.samples), line is not self._placed
        self._place, lost = place_step(
            self._clock_rule,
            self._place,
            frames=frames,
            at_s=heard.at_s,
            dropped=heard.dropped,
            overflow=heard.overflow,
            fresh=fresh,
        )
        self._placed = line
        counts = self._counts
        self._counts = replace(
            counts,
            lost=counts.lost + lost,
            dropped=counts.dropped + heard.dropped,
            overflows=counts.overflows + heard.overflow,
        )
        return Captured(
            samples=np.ascontiguousarray(heard.samples[:, self._rows].T),
            start=self._place.index - frames,
            fs=self.fs,
            lost=lost,
            received_s=heard.at_s,
            queued_s=max(0.0, now - heard.at_s),
        )

    def _mend(self, now: float) -> None:
        """See to it that a stream that died is opened again; never waits."""
        with self._lock:
            if not self._closed.is_set():
                self._mend_line(now)

    def _mend_line(self, now: float) -> None:
        attempt, rule = self._attempt, self._rule
        if attempt is not None:
            if attempt.thread.is_alive():
                if now - attempt.began_s > rule.give_up_s:
                    raise self._hopeless("bringing it back")
                return
            self._attempt = None
            if attempt.line is not None:
                self._line = attempt.line
                self._counts = replace(self._counts, reopened=self._counts.reopened + 1)
            else:
                self._reason = attempt.trouble
            self._not_before_s = now + self._again_s
            self._again_s = min(2 * self._again_s, rule.longest_again_s)
            return
        line = self._line
        if line is not None:
            silent_s = now - line.last_s
            if line.ended.is_set():
                self._reason = f"sound card {self._device!r}: its stream ended"
            elif silent_s >= rule.silent_s:
                # A program that stood still itself must first let the driver's thread have its turn.
                self._silent_looks += 1
                if self._silent_looks < 2:
                    return
                self._reason = f"sound card {self._device!r}: no sound for {silent_s:.0f} s"
            else:
                return
        if now >= self._not_before_s:
            self._start_attempt(anew=True)

    def _start_attempt(self, *, anew: bool) -> None:
        line, self._line = self._line, None

        def work() -> None:
            try:
                if anew:
                    _restart_driver(line)
                opened = _open_line(self._device, self._format, self._rule, self._clock)
            except DeviceError as trouble:
                attempt.trouble = str(trouble)
                return
            attempt.line = opened  # whoever takes the attempt shuts it if the card was closed meanwhile

        attempt = _Attempt(self._clock(), Thread(target=work, name="sound card", daemon=True))
        self._attempt = attempt
        attempt.thread.start()

    def _hopeless(self, doing: str) -> DeviceError:
        _leave_driver_alone()
        self._closed.set()
        return DeviceError(
            f"sound card {self._device!r}: {doing}: expected an answer within {self._rule.give_up_s:g} s, found none; "
            "only a new start of the program helps",
            hopeless=True,
        )


@dataclass(frozen=True, slots=True)
class Device:
    """A device that can record.

    name : to open it by
    host : the audio system that it is reached through
    channels : the most it says it has; virtual devices say 32
    samplerate_hz : what it says is its own rate, which virtual devices make up
    """

    name: str
    host: str
    channels: int
    samplerate_hz: float


def list_devices() -> tuple[Device, ...]:
    """Devices that can record, in the order of the audio library.

    Raises
    ------
    DeviceError
        If the audio library is missing or refuses to answer.
    """
    sd = port_audio()
    try:
        hosts = [host["name"] for host in sd.query_hostapis()]
        found = sd.query_devices()
    except sd.PortAudioError as trouble:
        raise DeviceError(f"devices cannot be listed: {port_audio_words(trouble)}") from trouble
    return tuple(
        Device(d["name"], hosts[d["hostapi"]], int(d["max_input_channels"]), float(d["default_samplerate"]))
        for d in found
        if d["max_input_channels"] > 0
    )


def port_audio() -> Any:
    """The audio library, on first use; raises `DeviceError` when it is not there."""
    try:
        import sounddevice
    except OSError as trouble:  # its C library is not there
        raise DeviceError("PortAudio is not installed; on Debian: apt-get install libportaudio2") from trouble
    return sounddevice


def device_index(device: str, *, way: str = "input") -> int:
    """Index of a device by its name; a part of it is enough when only one has it. `way`: "input" or "output"."""
    found = [(k, d["name"]) for k, d in enumerate(port_audio().query_devices()) if d[f"max_{way}_channels"] > 0]
    exact = [k for k, name in found if name == device]
    part = [k for k, name in found if device.lower() in name.lower()]
    if exact or len(part) == 1:
        return exact[0] if exact else part[0]
    named = ", ".join(repr(name) for _, name in found) or "none"
    wanted = "a device of that name" if not part else "a name that only one device has"
    raise DeviceError(f"sound card {device!r}: expected {wanted}, found {named}")


def _open_line(device: str, format: CaptureFormat, rule: RecoveryRule, clock: Callable[[], float]) -> Line:
    sd = port_audio()
    line = Line(blocks=max(2, math.ceil(rule.queue_s / format.block_s)), clock=clock)
    try:
        line.stream = sd.InputStream(
            device=device_index(device),
            samplerate=format.samplerate_hz,
            channels=format.open_channels,
            dtype=format.dtype,
            blocksize=format.block_frames,
            callback=line.callback,
            finished_callback=line.ended.set,
        )
        line.stream.start()
    except (sd.PortAudioError, ValueError) as trouble:
        if line.stream is not None:
            _shut(line)
        raise DeviceError(
            f"sound card {device!r}: expected {format.open_channels} channels of {format.dtype} at "
            f"{format.samplerate_hz} Hz, found: {port_audio_words(trouble)}"
        ) from trouble
    line.last_s = clock()
    return line


def _restart_driver(line: Line | None) -> None:
    """Only a new start of PortAudio finds a device again that was away."""
    sd = port_audio()
    if line is not None:
        _shut(line)
    try:
        while sd._initialized:
            sd._terminate()
        sd._initialize()
    except sd.PortAudioError as trouble:
        raise DeviceError(f"the audio library does not start: {port_audio_words(trouble)}") from trouble


def _shut(line: Line) -> None:
    """Abort and close; `stop` would wait for a device that may be gone."""
    line.stream.abort(ignore_errors=True)
    line.stream.close(ignore_errors=True)


def _leave_driver_alone() -> None:
    """Something hangs in PortAudio: the clean-up that sounddevice does at the end of the program would hang too."""
    import atexit

    atexit.unregister(port_audio()._exit_handler)


def port_audio_words(trouble: Exception) -> str:
    """What PortAudio said, on one line."""
    return " ".join(str(trouble.args[0] if trouble.args else trouble).split())
