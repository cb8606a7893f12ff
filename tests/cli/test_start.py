"""Help, versions, and what a command imports."""

import subprocess
import sys

import pytest

from trad_array_cli.main import COMMANDS

HEAVY = ("torch", "scipy.signal", "matplotlib", "pyroomacoustics", "librosa")
PROGRAM = """
import sys
from trad_array_cli.main import run
code = run(sys.argv[2:])
print("loaded:", *[name for name in sys.argv[1].split(",") if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def loaded(arguments, *, names=HEAVY) -> list[str]:
    """Which of the modules a command line brings in, in a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM, ",".join(names), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["layouts", "check"], ["layouts", "plot"]])
def test_help(cli, command):
    code, out, err = cli(*command, "--help")
    assert (code, err) == (0, "")
    assert "Usage: trad-array" in out
    if len(command) < 2:
        assert "trad-array " in out.split("\n", 1)[1]  # an example
    if not command:
        assert all(name in out for name in COMMANDS)


def test_version(cli):
    code, out, _ = cli("--version")
    assert code == 0
    assert out.split()[0] == "trad-array"


def test_help_imports_nothing_heavy():
    assert loaded(["--help"]) == []


def test_listening_imports_nothing_of_training_or_drawing(vent):
    names = ("torch", "librosa", "pyroomacoustics", "sklearn", "matplotlib")
    assert loaded(["localize", vent, "--layout", "pack-corners"], names=names) == []
    assert loaded(["monitor", "--replay", vent, "--layout", "pack-corners", "--fast"], names=names) == []


@pytest.mark.parametrize("arguments", [["listen"], ["localize"], ["localize", "--layuot", "x"], ["layouts", "check"]])
def test_wrong_usage_is_2(cli, arguments):
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err
