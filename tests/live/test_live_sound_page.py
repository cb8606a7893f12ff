"""The commands of docs/live-sound.md, executed with the private server's devices for the cards it names."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "live-sound.md").read_text(encoding="utf-8")


def test_every_command_of_the_page_runs(start_server, rng):
    server = start_server(speaker=True)
    server.play(rng.integers(-3_000, 3_000, (40 * server.fs, 4)).astype("int16"))
    code = "import sys; from trad_array_cli.main import run; sys.exit(run(sys.argv[1:]))"
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 3
    codes = []
    for line in commands:
        line = line.replace("USB", "trad_array").replace("SPEAKER", "trad_speaker").replace("--test 5", "--test 1")
        program, *arguments = shlex.split(line)
        assert program == "trad-array"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=server.environment, capture_output=True, text=True, timeout=30
        )
        assert not re.search("Traceback|Usage", done.stderr), done.stderr
        codes.append(done.returncode)
    # The last hears noise and no chirp, and says so.
    assert codes == [0, 0, 11]
    assert "no microphone hears the chirp" in done.stdout
