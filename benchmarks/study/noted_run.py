"""A run whose workers note which shards they begin: `python noted_run.py STUDY FOLDER CACHE LOG WORKERS`."""

import json
import os
import sys
from pathlib import Path

from trad_array.study.as_json import from_json
from trad_array.study.executors import Processes
from trad_array.study.records import Study
from trad_array.study.running import run
from trad_array.study.tasks import Task, TaskResult, run_task
from trad_array.study.world import World


def noted(world: World, task: Task) -> TaskResult:
    with Path(sys.argv[4]).open("a") as log:
        log.write(f"{task.digest} {os.getpid()}\n")
    return run_task(world, task)


if __name__ == "__main__":
    described = from_json(Study, json.loads(Path(sys.argv[1]).read_text()))
    executor = Processes(int(sys.argv[5]), work=noted)
    run(described, Path(sys.argv[2]), cache=Path(sys.argv[3]), executor=executor)
