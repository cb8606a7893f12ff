"""A real `trad-array monitor` on the private audio server; what it tells is kept with the time at which it came."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from audio_server import AudioServer
from measured import LAYOUT

from trad_array.errors import ControlError
from trad_array.monitor.control import ask

TRAD_ARRAY = Path(sys.executable).with_name("trad-array")
AS_16_KHZ = ("--samplerate", "16000", "--dtype", "int16")
AS_48_KHZ = ("--samplerate", "48000", "--dtype", "int32")
STDOUT, FILE, COMMAND = "json:-", "json:FILE", "exec:CMD"
OUTPUTS = (STDOUT, FILE, COMMAND)

Message = dict[str, Any]


class RunningMonitor:
    """Runs inside a `with` statement, with three outputs and a store of its own.

    Parameters
    ----------
    server : its devices are the only ones
    device : of the server
    arguments : more of them
    """

    def __init__(self, server: AudioServer, device: str, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="watch-")
        folder = Path(self._folder.name)
        self.socket = server.folder / "watch.sock"
        self._files = {FILE: folder / "told.jsonl", COMMAND: folder / "commanded.jsonl"}
        command = [TRAD_ARRAY, "monitor", "--device", device, "--layout", LAYOUT, "--socket", self.socket]
        command += ["--store", folder / "store", "-o", STDOUT, "-o", f"json:{self._files[FILE]}"]
        command += ["-o", f"exec:tee -a {self._files[COMMAND]}", *arguments]
        self.told: dict[str, list[tuple[float, Message]]] = {name: [] for name in OUTPUTS}
        self._errors = (folder / "errors").open("w+")
        self.process = subprocess.Popen(
            list(map(str, command)), env=server.environment, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._over = False
        self._readers = [Thread(target=self._read, daemon=True)]
        self._readers += [Thread(target=self._follow, args=(name,), daemon=True) for name in self._files]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "RunningMonitor":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._over = True
        for reader in self._readers:
            reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()
        self._folder.cleanup()

    @property
    def runs(self) -> bool:
        """Whether it is still the process that was started."""
        return self.process.poll() is None

    def wait_for(
        self, fits: Callable[[Message], bool], *, within_s: float, after_s: float = 0.0, output: str = STDOUT
    ) -> float | None:
        """When a message that fits came through an output, s of the monotonic clock; None when none came in time."""
        until, seen = time.monotonic() + within_s, 0
        while True:
            new = self.told[output][seen:]
            for came_s, message in new:
                if came_s >= after_s and fits(message):
                    return came_s
            seen += len(new)
            if time.monotonic() > until or not self.runs:
                return None
            time.sleep(0.02)

    def ready(self) -> "RunningMonitor":
        """Wait until it hears; raises `RuntimeError` when it does not."""
        if self.wait_for(is_kind("heartbeat"), within_s=60.0) is None:
            self._errors.seek(0)
            raise RuntimeError(f"the watch does not start: {self._errors.read().strip()}")
        return self

    def status(self) -> Message | None:
        """What `trad-array status` is answered; None when it is an error."""
        try:
            return ask(self.socket, {"do": "status"})
        except ControlError:
            return None

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told[STDOUT].append((time.monotonic(), json.loads(line)))

    def _follow(self, name: str) -> None:
        """Read a file as it grows."""
        path, rest, place = self._files[name], "", 0
        while not self._over:
            if path.exists():
                with path.open() as file:
                    file.seek(place)
                    *lines, rest = (rest + file.read()).split("\n")
                    place = file.tell()
                self.told[name] += [(time.monotonic(), json.loads(line)) for line in lines]
            time.sleep(0.05)


def is_kind(kind: str, /, **known: Any) -> Callable[[Message], bool]:
    """Fits a message of this kind with these values."""

    def fits(message: Message) -> bool:
        return message["schema"] == f"trad-array/{kind}/1" and all(message.get(k) == v for k, v in known.items())

    return fits
