"""Reading settings from TOML with errors that name file, key, what was expected and what was found.

Every key is taken once; what nobody took is unknown. Values carry their unit in the key (`pitch_m`), so a key without
its unit is told apart from a key that does not exist.
"""

import difflib
import math
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 16 * 1024 * 1024


class Table:
    """One TOML table while it is being read.

    Parameters
    ----------
    values : dict, as `tomllib` returns it
    file : str, the name to put in front of every message
    path : str, where in the file this table stands; empty for the file itself
    error : the exception to raise
    """

    def __init__(self, values: dict[str, Any], *, file: str, path: str, error: type[Exception]) -> None:
        self._values = values
        self._taken: list[str] = []
        self._file = file
        self._path = path
        self._error = error

    def fail(self, key: str, message: str) -> Exception:
        """Error to raise about `key` of this table; with an empty key, about the table."""
        where = ".".join(part for part in (self._path, _bare(key)) if part)
        return self._error(f"{self._file}: {where}: {message}" if where else f"{self._file}: {message}")

    def has(self, key: str) -> bool:
        """Whether the file gives this key."""
        return key in self._values

    def offer(self, key: str) -> None:
        """Say that this key may be given; for keys without a default."""
        self._taken.append(key)

    def number(
        self, key: str, *, default: float | None = None, low: float = -math.inf, high: float = math.inf
    ) -> float:
        """A finite number between `low` and `high`, both allowed."""
        value = self._take(key, default, "a number")
        if not _is_finite_number(value):
            raise self.fail(key, f"expected a number, found {shown(value)}")
        if not low <= value <= high:
            raise self.fail(key, f"expected {_range(low, high)}, found {value:g}")
        return float(value)

    def whole(self, key: str, *, default: int | None = None, low: int = 0, high: int = 1_000_000) -> int:
        """A whole number between `low` and `high`, both allowed."""
        value = self._take(key, default, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"expected a whole number, found {shown(value)}")
        if not low <= value <= high:
            raise self.fail(key, f"expected {_range(low, high)}, found {value}")
        return value

    def text(self, key: str, *, default: str | None = None, choices: Sequence[str] = ()) -> str:
        """A non-empty string, one of `choices` where there are any."""
        value = self._take(key, default, "a text")
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, f"expected a text, found {shown(value)}")
        if choices and value not in choices:
            raise self.fail(key, f"expected one of {', '.join(choices)}, found {shown(value)}")
        return value

    def vector(self, key: str, *, size: int, default: Sequence[float] | None = None) -> tuple[float, ...]:
        """A list of `size` finite numbers."""
        value = self._take(key, default, f"{size} numbers")
        good = isinstance(value, list | tuple) and len(value) == size
        if not good or not all(_is_finite_number(v) for v in value):
            raise self.fail(key, f"expected {size} numbers like [{', '.join(['0.0'] * size)}], found {shown(value)}")
        return tuple(float(v) for v in value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """A truth value."""
        value = self._take(key, default, "true or false")
        if not isinstance(value, bool):
            raise self.fail(key, f"expected true or false, found {shown(value)}")
        return value

    def texts(self, key: str, *, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of non-empty strings."""
        value = self._take(key, default, "a list of texts")
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v.strip() for v in value):
            raise self.fail(key, f'expected a list of texts like ["one", "two"], found {shown(value)}')
        return tuple(value)

    def numbers(
        self, key: str, *, default: Sequence[float] | None = None, low: float = -math.inf, high: float = math.inf
    ) -> tuple[float, ...]:
        """A list of finite numbers between `low` and `high`, both allowed."""
        value = self._take(key, default, "a list of numbers")
        if not isinstance(value, list | tuple) or not all(_is_finite_number(v) for v in value):
            raise self.fail(key, f"expected a list of numbers like [0.5, 1.0], found {shown(value)}")
        beyond = [v for v in value if not low <= v <= high]
        if beyond:
            raise self.fail(key, f"expected {_range(low, high)}, found {beyond[0]:g}")
        return tuple(float(v) for v in value)

    def wholes(
        self, key: str, *, default: Sequence[int] | None = None, low: int = 0, high: int = 1_000_000
    ) -> tuple[int, ...]:
        """A list of whole numbers between `low` and `high`, both allowed."""
        value = self._take(key, default, "a list of whole numbers")
        good = isinstance(value, list | tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
        if not good or not all(low <= v <= high for v in value):
            raise self.fail(key, f"expected a list of whole numbers, {_range(low, high)}, found {shown(value)}")
        return tuple(value)

    def table(self, key: str, *, required: bool = True) -> "Table":
        """A sub-table; an empty one when it is absent and not required."""
        value = self._take(key, None if required else {}, "a table")
        if not isinstance(value, dict):
            raise self.fail(key, f"expected a table [{key}], found {shown(value)}")
        return self._child(value, key)

    def tables(self, key: str, *, required: bool = True) -> "list[Table]":
        """An array of tables; an empty list when it is absent and not required."""
        value = self._take(key, None if required else [], f"tables [[{key}]]")
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fail(key, f"expected tables [[{key}]], found {shown(value)}")
        if required and not value:
            raise self.fail(key, f"expected at least one [[{key}]], found none")
        return [self._child(v, f"{key}[{n}]") for n, v in enumerate(value, start=1)]

    def is_list(self, key: str) -> bool:
        """Whether the key holds a list rather than a single table."""
        return isinstance(self._values.get(key), list)

    def is_table(self, key: str) -> bool:
        """Whether the key holds a table."""
        return isinstance(self._values.get(key), dict)

    def named_tables(self, key: str) -> "dict[str, Table]":
        """The tables [key.NAME] by their names; none when the key is absent."""
        value = self._take(key, {}, f"tables [{key}.NAME]")
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            raise self.fail(key, f"expected tables [{key}.NAME], found {shown(value)}")
        return {name: self._child(v, f"{key}.{_bare(name)}") for name, v in value.items()}

    def close(self) -> None:
        """Raise if the table has a key that nobody took."""
        unknown = [key for key in self._values if key not in self._taken]
        if not unknown:
            return
        key = unknown[0]
        for known in self._taken:
            if known.startswith(key + "_") and known not in self._values:
                raise self.fail(key, f"missing unit, expected {known}, found {_quoted(key)}")
        near = difflib.get_close_matches(key, self._taken, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(set(self._taken)))}"
        raise self.fail(key, f"unknown key, {hint}")

    def _child(self, values: dict[str, Any], key: str) -> "Table":
        path = f"{self._path}.{key}" if self._path else key
        return Table(values, file=self._file, path=path, error=self._error)

    def _take(self, key: str, default: Any, expected: str) -> Any:
        self._taken.append(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            stem = key.rsplit("_", 1)[0]
            if stem in self._values and stem != key:
                raise self.fail(stem, f"missing unit, expected {key}, found {_quoted(stem)}")
            raise self.fail(key, f"missing, expected {expected}")
        return default


def read_table(path: Path, *, name: str, error: type[Exception]) -> Table:
    """Parse a TOML file into the `Table` at its root; every trouble becomes one `error` with the file's name."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise error(f"{name}: expected a TOML file under {MAX_FILE_BYTES} bytes, found {path.stat().st_size}")
        values = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as trouble:
        raise error(f"{name}: cannot be read: {trouble.strerror or trouble}") from trouble
    except UnicodeDecodeError as trouble:
        raise error(f"{name}: expected a TOML text in UTF-8, found other bytes at {trouble.start}") from trouble
    except tomllib.TOMLDecodeError as trouble:
        raise error(f"{name}: not valid TOML: {trouble}") from trouble
    except (RecursionError, ValueError) as trouble:
        raise error(f"{name}: not valid TOML: nested too deep or a number out of range") from trouble
    return Table(values, file=name, path="", error=error)


def one_of_each(items: Sequence[tuple[Table, Any]], key: str, describe: Callable[[Any], str]) -> None:
    """Raise about `key` of the second table that repeats a value of an earlier one."""
    seen: set[Any] = set()
    for table, value in items:
        if value in seen:
            raise table.fail(key, f"expected a different one for each, found {describe(value)} twice")
        seen.add(value)


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # The size first: a whole number may be too large to become a float at all.
    return abs(value) < 1e9 and math.isfinite(value)


def shown(value: Any) -> str:
    """A value as it stands in a message: short, on one line."""
    if isinstance(value, str):
        return _quoted(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _bare(key: str) -> str:
    """A key as it stands in a message: quoted only when it would break the line."""
    return key if key.isprintable() and len(key) <= 60 else _quoted(key)


def _quoted(text: str) -> str:
    short = text if len(text) <= 60 else text[:57] + "..."
    return '"' + short.encode("unicode_escape").decode("ascii") + '"'


def _range(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if math.isinf(low) else f"{low:g} to {high:g}"
