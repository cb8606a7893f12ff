"""Where messages go: one small Protocol, and a thread for each output, so that a broken one never stops the others."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from trad_array.alarm.store_records import whole_text
from trad_array.errors import ConfigError


class Output(Protocol):
    """Takes messages, one after the other, from one thread."""

    @property
    def name(self) -> str:
        """What a person calls it; what waits for it on disk is filed under this name."""
        ...

    def send(self, message: Mapping[str, Any]) -> None:
        """Pass a message on; raises `OutputError` when it may not have arrived."""
        ...

    def close(self) -> None:
        """Let go of everything, also of a `send` that goes on in another thread; may be called twice."""
        ...


def make_output(
    text: str,
    *,
    rotate_bytes: int = 10_000_000,
    rotate_files: int = 5,
    limit_s: float = 10.0,
) -> Output:
    """An output from what a person wrote.

    Parameters
    ----------
    text : `json:-` (standard output), `json:FILE` (JSON lines, appended) or `exec:COMMAND` (message on standard input)
    rotate_bytes, rotate_files : a file that would grow larger becomes FILE.1, and so on; so many are kept (our choice)
    limit_s : s, after which a command is killed (our choice)

    Raises
    ------
    ConfigError
        If it is none of these, or names nothing that can be used.
    """
    from trad_array.alarm.outputs.execute import Execute
    from trad_array.alarm.outputs.json_lines import JsonFile, standard_output

    name = whole_text(text)
    kind, _, rest = text.partition(":")
    if kind == "json" and rest == "-":
        return standard_output(name)
    if kind == "json" and rest:
        path = Path(rest)
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise ConfigError(f"{name}: expected a file in a folder that exists, found none")
        return JsonFile(name, path, rotate_bytes=rotate_bytes, rotate_files=rotate_files)
    if kind == "exec" and rest.strip():
        try:
            command = shlex.split(rest)
        except ValueError as trouble:
            raise ConfigError(f"{name}: expected a command: {trouble}") from trouble
        return Execute(name, command, limit_s=limit_s)
    raise ConfigError(f"{name}: expected json:-, json:FILE or exec:COMMAND")


__all__ = ["Output", "make_output"]
