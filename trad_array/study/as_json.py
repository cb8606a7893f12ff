"""Records of a study as JSON values and back, and one digest of them.

The digest is taken of the text: numbers are written with all their digits, so the same values give the same digest on
every machine, and any other value gives another one.
"""

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from trad_array.study.digests import digest

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Records, arrays and tuples as objects, lists and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def from_json(kind: type[T], value: Any) -> T:
    """A record of `kind` from what `to_json` made of it.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it was made of another kind of record.
    """
    found: T = _decoded(kind, value)
    return found


def digest_of(value: Any) -> str:
    """Name by content of records, arrays and numbers."""
    return digest(to_json(value))


def _decoded(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _decoded(arguments[0], value)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return typing.cast("Any", hint)(**{f.name: _decoded(hints[f.name], value[f.name]) for f in fields(hint)})
    if origin is np.ndarray:
        return np.asarray(value, dtype=get_args(arguments[1])[0])
    if origin is tuple:
        inner = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        return tuple(_decoded(kind, item) for kind, item in zip(inner, value, strict=True))
    return float(value) if hint is float else value
