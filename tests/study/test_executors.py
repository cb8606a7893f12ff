"""Workers that fail, and schedulers that do not answer."""

import socket
import subprocess
import sys
import time

import pytest

from trad_array.errors import MissingExtra, WorkerError
from trad_array.study.executors import Cluster, Processes, ThisProcess, cores, executor_for, one_thread_for_children
from trad_array.study.tasks import tasks_of
from trad_array.study.world import World

PROGRAM = """
import os, signal, sys

from trad_array.errors import MissingExtra
from trad_array.study.executors import Processes
from trad_array.study.records import Choice, Condition
from trad_array.study.tasks import Task, TaskResult

ROOM = Condition(0.2, 0.0)
TASKS = [Task("localization", "time", Choice(f"c{k}", (0, 1)), ROOM, "hiss", 0, 1, f"d{k}") for k in range(6)]


def killed(world, task):
    if task.digest == "d2":
        os.kill(os.getpid(), signal.SIGKILL)
    return TaskResult(task.digest, None)


def failing(world, task):
    raise MissingExtra("package", "extra")


def threads(world, task):
    import numba
    return TaskResult(f"{os.environ['OMP_NUM_THREADS']} {numba.get_num_threads()}", None)


if __name__ == "__main__":
    found = []
    try:
        for result in Processes(2, work=globals()[sys.argv[1]]).results(None, TASKS):
            found.append(result.digest)
    except Exception as trouble:
        print(type(trouble).__name__, trouble)
    print(*sorted(found), sep=",")
"""


@pytest.fixture
def workers(tmp_path):
    """What two workers say that do one of the works above, line by line."""

    def ran(work):
        path = tmp_path / "program.py"
        path.write_text(PROGRAM)
        done = subprocess.run([sys.executable, path, work], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.splitlines()

    return ran


def test_a_shard_that_kills_three_workers_is_named(workers):
    trouble, found = workers("killed")
    assert trouble.startswith(
        "WorkerError localization of hiss (time), layout c2, RT60 0.2 s, +0 dB, events 0 to 0: a worker"
    )
    assert "3 times" in trouble
    assert {"d0", "d1"} <= set(found.split(",")) <= {"d0", "d1", "d3", "d4", "d5"}


def test_an_error_of_a_worker_is_raised_as_it_was(workers):
    trouble, found = workers("failing")
    assert trouble == 'MissingExtra package is not installed: pip install "trad-array[extra]"'
    assert found == ""


def test_workers_have_one_thread(workers):
    assert workers("threads") == [",".join(["1 1"] * 6)]


def test_threads_of_children_leave_the_environment_as_it_was(monkeypatch):
    import os

    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    with one_thread_for_children():
        assert (os.environ["OMP_NUM_THREADS"], os.environ["NUMBA_NUM_THREADS"]) == ("1", "1")
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "NUMBA_NUM_THREADS" not in os.environ


def test_who_computes():
    assert executor_for(workers=1, tasks=9) == ThisProcess()
    assert executor_for(workers=4, tasks=9) == Processes(4)
    assert executor_for(workers=4, tasks=2) == Processes(2)
    assert executor_for(tasks=10_000).workers == cores()
    assert isinstance(executor_for(scheduler="tcp://host:1", tasks=1), Cluster)


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def require_one_line(address, small_study, tmp_path, *, patience_s):
    began = time.monotonic()
    with pytest.raises(WorkerError) as trouble:
        list(Cluster(address, patience_s=patience_s).results(World(small_study, tmp_path), tasks_of(small_study)))
    assert time.monotonic() - began < patience_s + 5.0
    assert str(trouble.value).startswith(f"{address}: expected a Dask scheduler to answer")
    assert "\n" not in str(trouble.value)


def test_no_scheduler_is_one_line(small_study, tmp_path):
    require_one_line(f"tcp://127.0.0.1:{closed_port()}", small_study, tmp_path, patience_s=5.0)


def test_a_port_that_says_nothing_is_one_line(small_study, tmp_path):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        require_one_line(f"tcp://127.0.0.1:{mute.getsockname()[1]}", small_study, tmp_path, patience_s=1.0)


@pytest.mark.parametrize("address", ["10.0.0.7:8786", "nonsense", "tcp://host", "http://127.0.0.1:80"])
def test_what_is_no_address_is_one_line(address, small_study, tmp_path):
    require_one_line(address, small_study, tmp_path, patience_s=1.0)


def test_a_cluster_without_workers_is_one_line():
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(WorkerError, match=rf"{address}: expected workers within 1 s, found none"):
            Cluster(address, patience_s=1.0).require()


def test_missing_extras_come_whole_out_of_a_process():
    import copy

    trouble = copy.copy(MissingExtra("numba", "study"))
    assert str(trouble) == str(MissingExtra("numba", "study"))
