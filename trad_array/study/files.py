"""Files that are whole or not there at all."""

import errno
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from trad_array.alarm.disk import PART
from trad_array.errors import StoreError

# Nobody writes a file for so long, s: what is older was left by a process that was killed.
_STALE_S = 3_600.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_files(paths: list[Path]) -> Iterator[list[BinaryIO]]:
    """Files open for writing that get their names together when the block ends well; otherwise nothing is left.

    Raises
    ------
    StoreError
        If they cannot be written; the message names the file and the cause.
    """
    # Workers, of several machines perhaps, may make the same file at a time; each has a part of its own.
    own = uuid4().hex[:12]
    parts = [path.with_name(f"{path.name}.{own}{PART}") for path in paths]
    try:
        with ExitStack() as stack:
            paths[0].parent.mkdir(parents=True, exist_ok=True)
            yield [stack.enter_context(part.open("wb")) for part in parts]
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
    except OSError as trouble:
        cause = "no space left on the disk" if trouble.errno in _FULL else trouble.strerror or str(trouble)
        raise StoreError(f"{paths[0]}: cannot be written: {cause}") from trouble
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """One small file, whole or not there; raises `StoreError`."""
    with whole_files([path]) as (file,):
        file.write(content)


def sweep(folder: Path) -> None:
    """Remove what processes left half written that were killed more than an hour ago."""
    for part in folder.glob(f"*{PART}"):
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()
        except OSError:  # another process was faster, or may not write here
            continue
