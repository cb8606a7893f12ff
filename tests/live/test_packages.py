"""What the tests of live sound need is installed where that is allowed, and named where it is not."""

import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("debian-packages.sh")


def test_nothing_is_done_when_all_is_there():
    done = subprocess.run(["sh", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_missing_is_named_where_nothing_may_be_installed(tmp_path):
    for program in ("sh", "id", "grep", "find"):
        (tmp_path / program).symlink_to(shutil.which(program))
    done = subprocess.run([tmp_path / "sh", SCRIPT], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sudo apt-get update && sudo apt-get install pulseaudio pulseaudio-utils\n" in done.stderr
