"""Every command that the README and the guide show is executed, in its order and as it stands there.

Sound cards are devices of a private audio server that are called as on the pages, USB and SPEAKER; what they hear is
simulated. What the pages say after a command, in words for the reader, is taken at its word:

- `# by hand: ...`: it needs what no machine has, and is counted instead;
- `# ... exit code N`: it ends with that;
- a line of its own, `# a cell vents`: it happens now. `STEPS` knows them all.

A live monitor runs until the next one starts or the page ends, and must end well. A TOML block that begins with
`# NAME.toml` is that file.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soxr

from trad_array.simulation import simulate_scene
from trad_array_geometry import load_layout

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
FS, CELL = 48_000, "R2C07"
# Loudness of the simulated cabin, and of the vent over it: full scale = 1, and dB.
NOISE, VENT_DB = 0.003, 15.0


def blocks(page, *languages):
    """(language, text) of the code on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)
    return [(language, block) for language, block in found if language in languages]


def lines(block):
    """(command, words after it) of a block; a line of words alone has no command."""
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        command, _, words = ("", "", line[2:]) if line.startswith("# ") else line.partition("  # ")
        if line.strip():
            yield command.strip(), words.strip()


class Site:
    """A folder and an audio server where a page is followed."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.environment = server.environment | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        # Pages that show studies speak from the folder of the source.
        (folder / "examples").symlink_to(ROOT / "examples")
        self.ran = self.by_hand = 0
        self._watch = self._cabin = None

    def follow(self, page):
        """Execute everything on a page."""
        for language, block in blocks(page, "sh", "toml"):
            if language == "sh":
                for command, words in lines(block):
                    self._step(command, words)
            elif named := re.match(r"# (\S+\.toml)\n", block):
                (self.folder / named[1]).write_text(block, encoding="utf-8")
        self.end_watch()

    def _step(self, command, words):
        if not command:
            STEPS[words](self)
        elif words.startswith("by hand"):
            self.by_hand += 1
        else:
            if "USB" in command:
                self._play_cabin()
            self._execute(command, words)
            self.ran += 1

    def _execute(self, command, words):
        if re.match("trad-array monitor (?!.*--replay)", command):
            self._play_cabin()
            self.end_watch()
            self._watch = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            # The floor of the noise takes some seconds to be known.
            self.wait(lambda state: state["array"]["sound_until_s"] > 4.0, within_s=20.0)
        else:
            expected = re.search(r"exit code (\d+)", words)
            self.run(command, code=int(expected[1]) if expected else 0)

    def run(self, command, *, code=0):
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def wait(self, fits, *, within_s):
        """Until the running watch says so."""
        until, said = time.monotonic() + within_s, ""
        while time.monotonic() < until:
            assert self._watch.poll() is None, self._watch.stderr.read()
            done = subprocess.run(
                [BIN / "trad-array", "status", "--json"], env=self.environment, capture_output=True, text=True
            )
            said = done.stdout or done.stderr
            if done.returncode == 0 and fits(json.loads(said)):
                return
            time.sleep(0.2)
        raise AssertionError(f"not within {within_s} s; last: {said}")

    def _play_cabin(self):
        """Noise for the next minute, at every microphone its own."""
        if self._cabin is None or self._cabin.poll() is not None:
            noise = np.random.default_rng(5).standard_normal((10 * FS, 4))
            self._cabin = self.server.play(samples_24(np.tile(NOISE * noise, (6, 1))))

    def end_watch(self):
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.send_signal(signal.SIGTERM)
            _, said = watch.communicate(timeout=40)
            assert watch.returncode == 0, said

    def vent(self):
        self.server.play(vent())
        self.wait(lambda state: state["first_cell"] == CELL, within_s=20.0)

    def quiet(self):
        self.wait(lambda state: not state["sounds"], within_s=40.0)

    def close(self):
        for process in (self._watch, self._cabin):
            if process is not None:
                process.kill()
                process.wait()
        if self._watch is not None:
            self._watch.stderr.close()


STEPS = {"a cell vents": Site.vent, "ten quiet seconds later": Site.quiet}


def vent():
    """Simulated: a cell of pack-corners vents in a cabin, without the cabin's noise; shape (n, 4)."""
    scene = simulate_scene(
        load_layout("pack-corners"), rng=np.random.default_rng(11), cell=CELL, seconds=6.0, onset_s=1.0, duration_s=3.0,
        rt60_s=0.4,
    )  # fmt: skip
    sound = scene.event[:, 16_000:] / np.sqrt(np.mean(scene.event[:, 16_000:64_000] ** 2))
    return samples_24(soxr.resample(sound.T, 16_000, FS) * NOISE * 10 ** (VENT_DB / 20))


def samples_24(sound):
    """24 bits in 32, as such cards have them."""
    return np.round(sound * 2**23).astype(np.int32) << 8


@pytest.fixture(scope="module")
def server():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "monitor")
        from audio_server import AudioServer

    server = AudioServer(fs=FS, dtype="int32", speaker=True)
    server.array, server.speaker = "USB", "SPEAKER"
    with server:
        yield server


@pytest.fixture
def site(tmp_path, server):
    site = Site(tmp_path, server)
    yield site
    site.close()


# Of each page: how many commands are executed here, and how many are marked as by hand.
PAGES = {
    "docs/live-sound.md": (2, 1),
    "docs/mount.md": (8, 2),
    "docs/check.md": (5, 3),
    "docs/learning-on-site.md": (3, 4),
    "docs/watch.md": (17, 0),
    "docs/studies.md": (4, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_guide_runs(page, site):
    site.follow(page)
    assert (site.ran, site.by_hand) == PAGES[page]


@pytest.mark.slow
def test_every_command_of_the_readme_runs(site):
    # `make demo` and `make test` set up and run what this test is part of; the demo itself runs here.
    (site.folder / "make").write_text('#!/bin/sh\n[ "$1" = test ] || exec trad-array demo --out demo\n')
    (site.folder / "make").chmod(0o755)
    site.environment["PATH"] = f"{site.folder}{os.pathsep}{site.environment['PATH']}"
    site.follow("README.md")
    assert (site.ran, site.by_hand) == (33, 0)
    pictures = ("cells", "channels", "again", "spectrogram", "frame", "confusion", "demo/heatmap", "demo/aligned")
    for picture in (f"{name}.png" for name in pictures):
        assert (site.folder / picture).read_bytes().startswith(b"\x89PNG")
    ((_, code),) = blocks("README.md", "python")
    subprocess.run([sys.executable, "-c", code], cwd=site.folder, check=True)
    example = [sys.executable, ROOT / "examples" / "ten_lines.py", "demo/recording.wav", "ten.png"]
    told = subprocess.run(example, cwd=site.folder, check=True, capture_output=True, text=True).stdout
    assert "alarm\nbest cell: R" in told
    assert (site.folder / "ten.png").exists()
