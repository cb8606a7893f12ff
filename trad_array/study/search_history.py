"""Every layout that a search has tried, on disk as it goes: a search that is stopped goes on, and can be drawn."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import StoreError

_SCHEMA = "trad-array/study-search/1"
_Key = tuple[int, ...]


@dataclass(slots=True, eq=False)
class History:
    """Values of layouts, each computed once.

    judge : (n_layouts, n_mics) to (n_layouts,)
    path : file of one JSON line a layout, or None
    digest : of all that a value depends on; a file of another one is begun anew
    most : no more layouts than this are judged
    """

    judge: Callable[[NDArray[np.intp]], NDArray[np.float64]]
    most: int
    path: Path | None = None
    digest: str = ""
    tried: dict[_Key, float] = field(default_factory=dict)
    _known: dict[_Key, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None:
            return
        self._known = _read(self.path, self.digest)
        if not self._known:
            self._append([json.dumps({"schema": _SCHEMA, "digest": self.digest})], mode="w")

    @property
    def left(self) -> int:
        """How many more layouts may be tried."""
        return self.most - len(self.tried)

    def values(self, layouts: NDArray[np.integer]) -> NDArray[np.float64]:
        """Value of each layout, those beyond the allowed number -inf; (n_layouts,)."""
        keys = [tuple(sorted(map(int, layout))) for layout in layouts]
        new = list(dict.fromkeys(key for key in keys if key not in self.tried))[: max(self.left, 0)]
        unknown = [key for key in new if key not in self._known]
        if unknown:
            found = self.judge(np.array(unknown, dtype=np.intp))
            self._known |= {key: float(value) for key, value in zip(unknown, found, strict=True)}
            self._append([json.dumps([list(key), _finite(self._known[key])]) for key in unknown], mode="a")
        self.tried |= {key: self._known[key] for key in new}
        return np.array([self.tried.get(key, -np.inf) for key in keys])

    def best(self, n: int) -> list[_Key]:
        """The best layouts that were tried, best first."""
        good = [key for key, value in self.tried.items() if np.isfinite(value)]
        return sorted(good, key=lambda key: (-self.tried[key], key))[:n]

    def _append(self, lines: list[str], *, mode: str) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in lines))
        except OSError as trouble:
            raise StoreError(f"{self.path}: cannot be written: {trouble.strerror or trouble}") from trouble


def _read(path: Path, digest: str) -> dict[_Key, float]:
    """Values of a file of the same search; a last line that is not whole does not count."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as trouble:
        raise StoreError(f"{path}: cannot be read: {trouble}") from trouble
    lines = text.split("\n")
    if lines and lines[-1]:
        # Ended in the middle of a line: the rest of it would be glued to the next one.
        path.write_text("".join(line + "\n" for line in lines[:-1]), encoding="utf-8")
    records: list[Any] = [json.loads(line) for line in lines[:-1]]
    if not records or records[0] != {"schema": _SCHEMA, "digest": digest}:
        return {}
    return {tuple(key): -np.inf if value is None else float(value) for key, value in records[1:]}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
