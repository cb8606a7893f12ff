"""Who computes the shards: this process, processes of this machine, or a Dask cluster. All give the same results.

Shards go out in the order they are given, so that a worker meets the same room and layout again and again. Linear
algebra runs on one thread everywhere: the number of threads changes sums, and workers would get in each other's way.
"""

import copy
import os
import signal
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from trad_array.errors import MissingExtra, WorkerError
from trad_array.study.tasks import Task, TaskResult, run_task

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from trad_array.study.world import World

# So often is one shard given out at most; each time but the last its worker died.
TRIES = 3
# s to wait for an answer of a scheduler.
PATIENCE_S = 10.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
Work = Callable[["World", Task], TaskResult]


class Executor(Protocol):
    """Computes shards; whoever stops taking results stops the work."""

    @property
    def workers(self) -> int:
        """How many shards are computed at a time, at the moment of asking."""
        ...

    def require(self) -> None:
        """Raise `WorkerError` or `MissingExtra` when no workers can be had, before anything long starts."""
        ...

    def results(self, world: "World", tasks: Sequence[Task]) -> Generator[TaskResult, None, None]:
        """What each task found, in any order, each as soon as it is there.

        Raises
        ------
        WorkerError
            If workers cannot be had, or die over and over.
        """
        ...


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """Everything here, one after the other."""

    work: Work = run_task
    workers: int = 1

    def require(self) -> None:
        """Nothing is needed."""

    def results(self, world: "World", tasks: Sequence[Task]) -> Generator[TaskResult, None, None]:
        """What each task found, in the order of the tasks."""
        with one_thread():
            for task in tasks:
                yield self.work(world, task)


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine, each with one shard at a time; one that dies is replaced and its shard given again."""

    workers: int
    work: Work = run_task

    def require(self) -> None:
        """Nothing is needed."""

    def results(self, world: "World", tasks: Sequence[Task]) -> Generator[TaskResult, None, None]:
        """What each task found, as they come."""
        todo, tries = deque(tasks), dict.fromkeys((task.digest for task in tasks), 0)
        pool: list[_Worker] = []
        try:
            while todo or any(worker.task for worker in pool):
                while todo and len(pool) < self.workers:
                    pool.append(_Worker.started(self.work, world))
                for worker in pool:
                    if todo and worker.task is None:
                        worker.give(todo.popleft())
                for worker in _ready(pool):
                    task, worker.task = worker.task, None
                    found = worker.answer()
                    if found is not None:
                        yield found
                        continue
                    pool.remove(worker)
                    worker.end()
                    if task is not None:
                        tries[task.digest] += 1
                        _require_tries_left(task, tries[task.digest])
                        todo.appendleft(task)
        finally:
            for worker in pool:
                worker.end()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster; `address` of its scheduler, like "tcp://10.0.0.7:8786".

    Its workers need this version of trad-array, and the cache of the study where they see one, or make their own.
    """

    address: str
    work: Work = run_task
    patience_s: float = PATIENCE_S
    _seen: list[int] = field(default_factory=lambda: [1], repr=False)

    @property
    def workers(self) -> int:
        """Threads of all workers when the work began."""
        return self._seen[0]

    def require(self) -> None:
        """See `Executor`: a scheduler answers there, and its workers have this version of trad-array."""
        with _client(_distributed(), self.address, self.patience_s) as client:
            _require_workers(client, self.address, self.patience_s)

    def results(self, world: "World", tasks: Sequence[Task]) -> Generator[TaskResult, None, None]:
        """What each task found, as they come."""
        distributed = _distributed()
        with _client(distributed, self.address, self.patience_s) as client:
            self._seen[0] = max(sum(client.nthreads().values()), 1)
            name = f"trad-array-study-{os.getpid()}-{tasks[0].digest if tasks else ''}"
            client.register_plugin(_worker_plugin(distributed, world), name=name)
            # Earlier shards first; `retries` counts errors, deaths of workers are counted by the scheduler.
            futures = [
                client.submit(_on_cluster, self.work, name, task, key=f"{name}-{task.digest}", priority=-k)
                for k, task in enumerate(tasks)
            ]
            by_key = {future.key: task for future, task in zip(futures, tasks, strict=True)}
            try:
                for future in distributed.as_completed(futures, loop=client.loop):
                    yield _gathered(distributed, future, by_key[future.key])
                    future.release()
            finally:
                with suppress(Exception):
                    client.cancel(futures)
                    client.unregister_worker_plugin(name)


def executor_for(*, workers: int | None = None, scheduler: str | None = None, tasks: int) -> Executor:
    """The cluster of that address, or as many processes as asked for or as there are cores; no more than tasks."""
    if scheduler is not None:
        return Cluster(scheduler)
    wanted = min(workers or cores(), max(tasks, 1))
    return ThisProcess() if wanted == 1 else Processes(wanted)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra on one thread, where threadpoolctl is installed to see to it; it comes with the extra `study`."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(limits=1):
        yield


@contextmanager
def one_thread_for_children() -> Iterator[None]:
    """Processes that are started meanwhile load their libraries with one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, the line to it, and what it is at."""

    process: "BaseProcess"
    line: "Connection[Any, Any]"
    task: Task | None = None

    @classmethod
    def started(cls, work: Work, world: "World") -> "_Worker":
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, work, world), daemon=True)
        with one_thread_for_children():
            process.start()
        # Held by the worker alone, the line breaks when it dies, however it dies; and the other way round.
        theirs.close()
        return cls(process, ours)

    def give(self, task: Task) -> None:
        self.task = task
        # One that is dead already is found out when its answer is awaited.
        with suppress(OSError):
            self.line.send(task)

    def answer(self) -> TaskResult | None:
        """What it found, or None when it died; its error is raised here."""
        try:
            found = self.line.recv()
        except (EOFError, OSError):
            return None
        if isinstance(found, BaseException):
            raise found
        result: TaskResult = found
        return result

    def end(self) -> None:
        self.line.close()
        self.process.terminate()
        self.process.join()
        self.process.close()


def _ready(pool: Sequence[_Worker]) -> list[_Worker]:
    """Workers that have answered or died."""
    by_line = {worker.line: worker for worker in pool}
    return [by_line[line] for line in wait(list(by_line)) if isinstance(line, Connection)]


def _serve(line: "Connection[Any, Any]", work: Work, world: "World") -> None:
    """A worker's life: shard after shard until nobody is at the other end."""
    # Ctrl-C reaches every process of a terminal; the one who hands out the work decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            task = line.recv()
            try:
                line.send(work(world, task))
            except Exception as trouble:
                line.send(_told(trouble))


def _told(trouble: Exception) -> Exception:
    """The error with its trace as a note: the trace itself does not cross between processes."""
    trouble.add_note("in a worker:\n" + "".join(traceback.format_exception(trouble)))
    return trouble


def _require_tries_left(task: Task, tries: int) -> None:
    if tries >= TRIES:
        raise WorkerError(
            f"{task.words}: a worker died over it {tries} times (killed, or out of memory); what was finished is kept"
        )


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtra("distributed", "cluster") from error
    return distributed


def _client(distributed: Any, address: str, patience_s: float) -> Any:
    """A client of the scheduler.

    Raises
    ------
    WorkerError
        If nobody answers there, or no scheduler does.
    """
    try:
        _require_answer(address, patience_s)
        return distributed.Client(address, timeout=patience_s, set_as_default=False)
    except (OSError, ValueError) as trouble:
        raise WorkerError(
            f"{address}: expected a Dask scheduler to answer within {patience_s:g} s, found none ({trouble})"
        ) from trouble


def _require_answer(address: str, patience_s: float) -> None:
    """Raise OSError or ValueError unless somebody speaks first, as a scheduler does.

    The client itself waits for ever for one that takes the call and says nothing.
    """
    found = urlsplit(address)
    if found.scheme not in ("tcp", "tls") or found.hostname is None or found.port is None:
        raise ValueError("an address like tcp://10.0.0.7:8786 is needed")
    with socket.create_connection((found.hostname, found.port), timeout=patience_s) as line:
        if found.scheme == "tcp" and not line.recv(1):
            raise OSError("it hung up")


def _require_workers(client: Any, address: str, patience_s: float) -> None:
    """Raise WorkerError unless there are workers that can do the work."""
    try:
        client.wait_for_workers(1, timeout=patience_s)
    except TimeoutError as trouble:
        raise WorkerError(f"{address}: expected workers within {patience_s:g} s, found none") from trouble
    try:
        found = client.run(installed_version)
    except Exception as trouble:
        raise WorkerError(f"{address}: expected trad-array on its workers, found {trouble}") from trouble
    for worker, version in found.items():
        if version != installed_version():
            raise WorkerError(f"{worker}: expected trad-array {installed_version()} as here, found {version}")


def installed_version() -> str:
    """Version of trad-array in this process."""
    return metadata.version("trad-array")


def _worker_plugin(distributed: Any, world: "World") -> Any:
    """What every worker of a cluster is given once, also one that is started later: the world of the study."""
    base: Any = distributed.WorkerPlugin

    class StudyPlugin(base):  # type: ignore[misc]
        """Holds the world, and linear algebra on one thread, as long as the study runs.

        A worker may have several threads; each opens the world for itself, for it keeps what it has made.
        """

        def __init__(self) -> None:
            self.study = world

        def setup(self, worker: Any) -> None:
            self.of_thread = threading.local()
            self.threads = one_thread()
            self.threads.__enter__()

        def teardown(self, worker: Any) -> None:
            self.threads.__exit__(None, None, None)

    return StudyPlugin()


def _on_cluster(work: Work, name: str, task: Task) -> TaskResult:
    """One shard on a worker of a cluster."""
    from distributed import get_worker

    plugin: Any = get_worker().plugins[name]
    if not hasattr(plugin.of_thread, "world"):
        plugin.of_thread.world = copy.copy(plugin.study)
    return work(plugin.of_thread.world, task)


def _gathered(distributed: Any, future: Any, task: Task) -> TaskResult:
    try:
        found: TaskResult = future.result()
    except distributed.scheduler.KilledWorker as trouble:
        raise WorkerError(f"{task.words}: workers of the cluster died over it; what was finished is kept") from trouble
    return found
