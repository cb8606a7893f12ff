"""Captured sound and messages for the tests of what keeps and what tells."""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from trad_array.audio.captured import Captured

HEARTBEAT = {"schema": "trad-array/heartbeat/1"}


def noise(rng: np.random.Generator, n_mics: int, n: int, *, kind: str = "int16") -> np.ndarray:
    """Random samples that use the whole of their type; `int24` is int32 with the last eight bits 0."""
    if kind == "int16":
        return rng.integers(-(2**15), 2**15, (n_mics, n)).astype(np.int16)
    if kind == "int24":
        return rng.integers(-(2**23), 2**23, (n_mics, n)).astype(np.int32) << 8
    if kind == "int32":
        return rng.integers(-(2**31), 2**31, (n_mics, n)).astype(np.int32)
    if kind == "float24":
        return (rng.integers(-(2**23), 2**23, (n_mics, n)) / 2.0**23).astype(np.float32)
    return rng.standard_normal((n_mics, n)).astype(np.float32)


def pieces(samples: np.ndarray, *, fs: int, size: int, start: int = 0) -> Iterator[Captured]:
    """A stream in pieces of `size` samples."""
    for first in range(0, samples.shape[1], size):
        yield Captured(samples[:, first : first + size].copy(), start=start + first, fs=fs)


def event(name: str, *, level: str = "alarm", **fields: Any) -> dict[str, Any]:
    """The least that is a message of an event."""
    return {"schema": "trad-array/event/1", "id": name, "level": level, "state": "new", **fields}


def fault(code: str, **fields: Any) -> dict[str, Any]:
    """The least that is a message of a fault."""
    return {"schema": "trad-array/fault/1", "code": code, **fields}


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
