"""The outputs themselves: JSON lines and commands."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from trad_array.alarm.outputs import make_output
from trad_array.alarm.outputs.dispatch import Dispatcher
from trad_array.alarm.outputs.json_lines import JsonStream
from trad_array.alarm.store import Store
from trad_array.errors import ConfigError, OutputError

from .conftest import HEARTBEAT, event, fault, lines, until


def test_letters_that_a_terminal_does_not_know_are_written_as_json_escapes():
    screen = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    JsonStream("json:-", screen).send({"words": "ü 5 °C → \ufffd"})
    assert json.loads(screen.buffer.getvalue()) == {"words": "ü 5 °C → \ufffd"}


def test_json_lines_are_appended_and_rotated(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": -1}\n{"torn')
    output = make_output(f"json:{path}", rotate_bytes=400, rotate_files=2)
    for n in range(40):
        output.send({"n": n, "pad": "x" * 50})
    output.close()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 400 for name in names)
    kept = [m["n"] for name in reversed(names) for m in lines(tmp_path / name)]
    assert kept == list(range(kept[0], 40))
    assert len(kept) > 10


def test_a_line_that_a_power_cut_left_open_is_ended_and_a_file_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": 0}\n{"torn')
    output = make_output(f"json:{path}")
    output.send({"n": 1})
    assert path.read_text() == '{"n": 0}\n{"torn\n{"n": 1}\n'
    path.rename(tmp_path / "moved")
    output.send({"n": 2})
    assert lines(path) == [{"n": 2}]
    path.unlink()
    output.send({"n": 3})
    assert lines(path) == [{"n": 3}]
    output.close()


def test_a_line_is_on_the_disk_when_it_counts_as_delivered_but_a_heartbeat_is_not_waited_for(tmp_path, monkeypatch):
    path, synced = tmp_path / "e.jsonl", []

    def noted(handle, sync=os.fsync):
        sync(handle)
        synced.append((os.readlink(f"/proc/self/fd/{handle}"), path.stat().st_size))

    monkeypatch.setattr(os, "fsync", noted)
    output = make_output(f"json:{path}")
    output.send(HEARTBEAT)
    assert synced == []
    for name in ("a", "b"):
        output.send(event(name))
    ends = [sum(len(line) for line in path.read_bytes().splitlines(keepends=True)[:n]) for n in (2, 3)]
    # The file, the folder that has its new name, and from then on the file alone.
    assert synced == [(str(path), ends[0]), (str(tmp_path), ends[0]), (str(path), ends[1])]
    output.close()


def test_lines_go_into_a_named_pipe_as_well(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output = make_output(f"json:{tmp_path / 'pipe'}")
    output.send(fault("flat"))
    assert json.loads(os.read(reader, 1000)) == fault("flat")
    output.close()
    os.close(reader)


def test_a_file_on_a_full_disk_keeps_whole_lines(tmp_path):
    code = """if True:
        import resource, sys
        from trad_array.alarm.outputs import make_output
        from trad_array.errors import OutputError
        output = make_output("json:" + sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        for n in range(9):
            try:
                output.send({"n": n, "pad": "x" * 20})
            except OutputError as trouble:
                print(trouble)
    """
    path = tmp_path / "e.jsonl"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "e.jsonl" in done.stdout
    assert [m["n"] for m in lines(path)] == [0, 1]


def test_lines_on_a_pipe_that_nobody_reads_any_more_are_an_error():
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        output = JsonStream("json:-", stream)
        output.send({"n": 1})
        assert os.read(read, 100) == b'{"n": 1}\n'
        os.close(read)
        with pytest.raises(OutputError, match="json:-: Broken pipe"):
            output.send({"n": 2})
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_a_command_gets_the_message_on_its_standard_input_without_a_shell(tmp_path):
    path = tmp_path / "a file"
    output = make_output(
        f"exec:{sys.executable} -c 'import sys; open(sys.argv[1], \"w\").write(sys.stdin.read())' '{path}' ; rm"
    )
    output.send({"words": "$(reboot) å"})
    assert lines(path) == [{"words": "$(reboot) å"}]


def test_a_command_that_fails_says_why():
    complain = f"{sys.executable} -c 'import sys; sys.exit(\"no modem\")'"
    with pytest.raises(OutputError, match="ended with exit code 1: no modem"):
        make_output(f"exec:{complain}").send({})
    with pytest.raises(OutputError, match="cannot be run: No such file"):
        make_output("exec:/no/such/program").send({})
    make_output("exec:true").send({"more than a pipe holds": "x" * 500_000})


def test_a_command_runs_without_a_folder_for_temporary_files():
    code = """if True:
        import resource, sys
        from trad_array.alarm.outputs import make_output
        from trad_array.errors import OutputError
        # As on a full disk: no byte can be written to any file.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            make_output("exec:sh -c 'echo no modem >&2; exit 3'").send({})
        except OutputError as trouble:
            print(trouble)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("ended with exit code 3: no modem\n")


def test_of_what_a_command_says_only_the_end_is_kept_and_what_it_leaves_behind_is_not_waited_for(tmp_path):
    # 20 MB of words, then the last ones, and a child in a session of its own that keeps standard error open.
    pid = tmp_path / "pid"
    script = tmp_path / "talks.sh"
    script.write_text(
        f"setsid sleep 5 & echo $! > {pid}; head -c 20000000 /dev/zero | tr '\\0' x >&2; echo END >&2; exit 1"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(OutputError, match="exit code 1: x+END$") as told:
        make_output(f"exec:sh {script}").send({})
    assert time.monotonic() - began < 4
    assert len(str(told.value)) < 700
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000
    assert running(int(pid.read_text()))
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = tmp_path / "slow.sh"
    script.write_text(f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; echo dialling >&2; wait\n")
    output = make_output(f"exec:sh {script}", limit_s=0.5)
    began = time.monotonic()
    with pytest.raises(OutputError, match="killed: not done after 0.5 s: dialling"):
        output.send({})
    assert time.monotonic() - began < 3
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: not running(pid))


def test_closing_does_not_wait_for_a_command(tmp_path):
    with Store(tmp_path) as store:
        dispatcher = Dispatcher(store, [make_output("exec:sleep 60", limit_s=60)])
        dispatcher.dispatch(event("a"))
        time.sleep(0.1)
        began = time.monotonic()
        dispatcher.close(within_s=0.1)
        assert time.monotonic() - began < 2
        assert store.outbox_size() == 1


@pytest.mark.parametrize(
    "text", ["json:", "exec:", "exec: ", "smoke:signal", "json:/no/such/folder/x", "exec:'open", "json:/"]
)
def test_what_is_no_output_is_refused(text):
    with pytest.raises(ConfigError, match="expected"):
        make_output(text)


def running(pid):
    """Whether a process is there and not only waiting to be buried."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
