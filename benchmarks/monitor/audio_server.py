"""A private audio server with an array's microphones, for tests and benchmarks: real sound, no sound card.

A PulseAudio daemon of its own, in a folder of its own, that the ALSA plugin reaches. It has two devices:

- `trad_array` hears what `feed` plays; without anything played it hears digital silence.
- `trad_pipe` hears what is written into a named pipe; without a writer nothing comes at all.

Debian packages: libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins.
"""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

# The order that the ALSA plugin expects, so that no channel is mixed into another.
PLACES = ("front-left", "front-right", "rear-left", "rear-right", "front-center", "lfe", "side-left", "side-right")
FORMATS = {"int16": "s16le", "int32": "s32le"}
# `feed` plays on for a moment after the last sample only when there is something to play.
PADDING_S = 0.2


class AudioServer:
    """An audio server that runs inside a `with` statement.

    Parameters
    ----------
    channels : of both devices, 1 to 8
    fs : Hz
    dtype : "int16" or "int32"
    speaker : with a third device, `trad_speaker`, that plays into nowhere
    devices : of "array" and "pipe", those that there are; who listens to one that is taken away is moved to the other
    """

    array, pipe, speaker = "trad_array", "trad_pipe", "trad_speaker"

    def __init__(
        self,
        *,
        channels: int = 4,
        fs: int = 16_000,
        dtype: str = "int16",
        speaker: bool = False,
        devices: tuple[str, ...] = ("array", "pipe"),
    ) -> None:
        self._with_speaker, self._devices = speaker, devices
        self.channels, self.fs, self.dtype = channels, fs, dtype
        # Not pytest's folder: the path of a socket must be shorter than 108 characters.
        self._folder = tempfile.TemporaryDirectory(prefix="trad-")
        self.folder = Path(self._folder.name)
        self._server: subprocess.Popen | None = None
        self._feeders: list[subprocess.Popen] = []
        self._modules: dict[str, str] = {}

    def __enter__(self) -> "AudioServer":
        socket, conf = self.folder / "pulse.sock", self.folder / "asound.conf"
        device = 'pcm.{name} {{ type pulse server "unix:{socket}" device "{source}" hint {{ show on }} }}\n'
        conf.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            + device.format(name=self.array, socket=socket, source="feed.monitor")
            + device.format(name=self.pipe, socket=socket, source="micpipe")
            + (device.format(name=self.speaker, socket=socket, source="speaker") if self._with_speaker else "")
        )
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a program that shall see these devices and no others."""
        private = {name: str(self.folder) for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH")}
        return os.environ | private | {"ALSA_CONFIG_PATH": str(self.folder / "asound.conf")}

    @property
    def fifo(self) -> Path:
        """The named pipe behind `trad_pipe`; whole frames, channel after channel."""
        return self.folder / "mic.fifo"

    def start(self) -> None:
        """Start the server and load both devices."""
        socket = self.folder / "pulse.sock"
        for stale in (self.fifo, socket):
            stale.unlink(missing_ok=True)
        # The devices are loaded one by one afterwards, so that their numbers are known.
        script = self.folder / "virt.pa"
        script.write_text(f"load-module module-native-protocol-unix socket={socket} auth-anonymous=1\n")
        options = (
            "--daemonize=no --exit-idle-time=-1 --disable-shm=yes --use-pid-file=no --high-priority=no --realtime=no"
        )
        command = ["pulseaudio", "-n", "-F", str(script), *options.split()]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        until = time.monotonic() + 10.0
        while self._pactl("info", check=False).returncode:
            if time.monotonic() > until or self._server.poll() is not None:
                raise RuntimeError(f"pulseaudio does not start: {(self.folder / 'log').read_text()}")
            time.sleep(0.05)
        for which in self._devices:
            self.load(which)
        if self._with_speaker:
            self._pactl("load-module", "module-null-sink", "sink_name=speaker")

    def kill(self) -> None:
        """End the server at once, and whoever plays to it."""
        for process in (*self._feeders, self._server):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        self._feeders, self._modules = [], {}

    def pause(self) -> None:
        """The server stands still, as a machine under water does; its clients wait."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The server runs again."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def load(self, which: str) -> None:
        """Load `array` or `pipe`."""
        shape = f"format={FORMATS[self.dtype]} rate={self.fs} channels={self.channels} channel_map={self._places}"
        kind = {
            "array": f"module-null-sink sink_name=feed {shape} norewinds=1",
            "pipe": f"module-pipe-source source_name=micpipe file={self.fifo} {shape}",
        }[which]
        self._modules[which] = self._pactl("load-module", *kind.split()).stdout.strip()

    def states(self) -> str:
        """What the server says of those who listen to it."""
        return self._pactl("list", "short", "source-outputs").stdout

    def unload(self, which: str) -> None:
        """Take a device away; a program that listens to it is not told."""
        self._pactl("unload-module", self._modules.pop(which))

    def play(self, samples: np.ndarray) -> subprocess.Popen:
        """Play integers of shape (n, channels) to `trad_array`, bit for bit; returns at once."""
        path = self.folder / f"play-{len(self._feeders)}.wav"
        padded = np.concatenate([samples, np.zeros((round(PADDING_S * self.fs), self.channels), samples.dtype)])
        soundfile.write(path, padded, self.fs, subtype={"int16": "PCM_16", "int32": "PCM_32"}[self.dtype])
        command = ["paplay", "--device=feed", f"--channel-map={self._places}", str(path)]
        self._feeders.append(subprocess.Popen(command, env=self._client))
        return self._feeders[-1]

    def write(self, samples: np.ndarray, *, in_real_time: bool = False) -> None:
        """Write integers of shape (n, channels) into the pipe; returns when all is written."""
        began, size = time.monotonic(), self.fs // 50
        with self.fifo.open("wb", buffering=0) as fifo:
            for at in range(0, len(samples), size):
                if in_real_time:
                    time.sleep(max(0.0, began + (at + size) / self.fs - time.monotonic()))
                rest = memoryview(np.ascontiguousarray(samples[at : at + size])).cast("B")
                while rest:
                    rest = rest[fifo.write(rest) :]

    @property
    def _places(self) -> str:
        return ",".join(PLACES[: self.channels])

    @property
    def _client(self) -> dict[str, str]:
        return self.environment | {"PULSE_SERVER": f"unix:{self.folder / 'pulse.sock'}"}

    def _pactl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["pactl", *arguments]
        return subprocess.run(command, env=self._client, check=check, capture_output=True, text=True, timeout=10)
