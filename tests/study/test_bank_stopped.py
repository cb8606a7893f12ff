"""A bank whose making is stopped: what is done is kept, nothing is half written, and it goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("banked.py")


def whole_files(cache):
    return {path: path.stat().st_size for path in (cache / "responses").rglob("*.npy")}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_bank_that_is_stopped_goes_on(tmp_path, how):
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    # In a group of its own: Ctrl-C on a terminal reaches the workers as well.
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    for done in range(1, 5):
        assert run.stdout.readline() == f"{done} 24\n"
    if how == signal.SIGINT:
        os.killpg(run.pid, signal.SIGINT)
    else:
        run.kill()
    # Ends when nobody can write to it any more: the workers have ended, too.
    _, said = run.communicate(timeout=60)
    assert run.returncode in (-signal.SIGINT, -signal.SIGKILL, 130)
    assert said.count("Traceback") == (how == signal.SIGINT)
    if how == signal.SIGINT:
        assert not list(tmp_path.rglob("*.part"))
    kept = whole_files(tmp_path)
    assert 4 <= len(kept) < 24
    assert len(set(kept.values())) == 1
    again = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert again.stdout.splitlines()[-1] == f"{24 - len(kept)} {24 - len(kept)}"
    assert len(whole_files(tmp_path)) == 24
