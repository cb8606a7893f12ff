"""Settings as frozen dataclasses: read from TOML, checked, explained, described by a JSON Schema.

A setting is a field made by `setting`; a section is a field whose type is another such dataclass. What the field says
of itself is the one source of the check, of the schema and of the text that `config show` prints.
"""

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from trad_array.errors import ConfigError
from trad_array_geometry.tables import Table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
_SAYS = "says"


@dataclass(frozen=True, slots=True)
class Says:
    """What a setting says of itself: one line for a person, and the range or the choices of its values."""

    doc: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()


def setting(
    default: Any, doc: str, *, low: float = -math.inf, high: float = math.inf, choices: tuple[str, ...] = ()
) -> Any:
    """A field of a dataclass of settings; its default must be immutable."""
    return field(default=default, metadata={_SAYS: Says(doc, low, high, choices)})


def section(kind: Callable[[], Any], doc: str) -> Any:
    """A field that holds a dataclass of settings with its defaults."""
    return field(default_factory=kind, metadata={_SAYS: Says(doc)})


def read_settings(kind: type[T], table: Table) -> T:
    """Settings of a TOML table; raises the table's error about the first key that cannot be used."""
    hints = get_type_hints(kind)
    values = {f.name: _read(table, f, hints[f.name]) for f in _fields(kind)}
    table.close()
    try:
        return kind(**values)
    except ConfigError as trouble:
        raise table.fail("", str(trouble)) from trouble


def changed(settings: T, changes: Mapping[str, Any]) -> T:
    """The settings with some of them set anew, each named with dots, like `alarm.off_s`."""
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        inner = changed(getattr(settings, name), {rest: value}) if rest else value
        settings = replace(settings, **{name: inner})
    return settings


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema of a table of such settings."""
    hints = get_type_hints(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {f.name: _schema(f, hints[f.name]) for f in _fields(kind)},
    }


def toml_of(settings: Any, *, path: str = "") -> str:
    """The settings as a TOML text that explains each of them; what is not set stands there as a comment."""
    plain, inner = [], []
    for f in _fields(type(settings)):
        value, says = getattr(settings, f.name), f.metadata[_SAYS]
        if is_dataclass(value):
            name = f"{path}.{f.name}" if path else f.name
            inner.append(f"\n# {says.doc}\n[{name}]\n{toml_of(value, path=name)}")
        else:
            plain.append(f"{_explained(says)}\n{_toml_line(f.name, value)}\n")
    return "".join([*plain, *inner])


def _fields(kind: type[Any]) -> tuple[Field[Any], ...]:
    return tuple(f for f in fields(kind) if _SAYS in f.metadata)


def _read(table: Table, f: "Field[Any]", hint: Any) -> Any:
    says: Says = f.metadata[_SAYS]
    kind, optional = _inner(hint)
    if is_dataclass(kind):
        return read_settings(typing.cast("type[Any]", kind), table.table(f.name, required=False))
    if optional and not table.has(f.name):
        table.offer(f.name)
        return f.default
    default: Any = None if optional else f.default
    low, high = says.low, says.high
    if kind is bool:
        return table.flag(f.name, default=default)
    if kind is int:
        return table.whole(f.name, default=default, low=_whole(low, -(10**9)), high=_whole(high, 10**9))
    if kind is float:
        return table.number(f.name, default=default, low=low, high=high)
    if kind is str:
        return table.text(f.name, default=default, choices=says.choices)
    if get_args(kind)[0] is int:
        return table.wholes(f.name, default=default, low=_whole(low, 0), high=_whole(high, 10**6))
    return table.texts(f.name, default=default)


def _inner(hint: Any) -> tuple[Any, bool]:
    """The type without None, and whether None was in it."""
    if get_origin(hint) in (types.UnionType, typing.Union):
        rest = [kind for kind in get_args(hint) if kind is not types.NoneType]
        return rest[0], True
    return hint, False


def _whole(value: float, otherwise: int) -> int:
    return otherwise if math.isinf(value) else int(value)


def _schema(f: "Field[Any]", hint: Any) -> dict[str, Any]:
    says: Says = f.metadata[_SAYS]
    kind, optional = _inner(hint)
    if is_dataclass(kind):
        return schema_of(typing.cast("type[Any]", kind)) | {"description": says.doc}
    if get_origin(kind) is tuple:
        found: dict[str, Any] = {"type": "array", "items": _bounded(get_args(kind)[0], says)}
    else:
        found = _bounded(kind, says)
    if not optional:
        found["default"] = list(f.default) if isinstance(f.default, tuple) else f.default
    return found | {"description": says.doc}


def _bounded(kind: Any, says: Says) -> dict[str, Any]:
    """Schema of one value with its range or choices."""
    found: dict[str, Any] = {"type": {bool: "boolean", int: "integer", float: "number", str: "string"}[kind]}
    if says.choices:
        found["enum"] = list(says.choices)
    if math.isfinite(says.low):
        found["minimum"] = says.low
    if math.isfinite(says.high):
        found["maximum"] = says.high
    return found


def _explained(says: Says) -> str:
    limits = ""
    if says.choices:
        limits = f" One of {', '.join(says.choices)}."
    elif math.isfinite(says.low) and math.isfinite(says.high):
        limits = f" {says.low:g} to {says.high:g}."
    elif math.isfinite(says.low):
        limits = f" At least {says.low:g}."
    return f"# {says.doc}{limits}"


def _toml_line(name: str, value: Any) -> str:
    if value is None:
        return f"# {name} ="
    import tomlkit

    written = tomlkit.item(list(value) if isinstance(value, tuple) else value)
    return f"{name} = {written.as_string()}"
