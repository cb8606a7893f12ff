"""Files that are whole or not there at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from trad_array.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_files(paths: list[Path]) -> Iterator[list[BinaryIO]]:
    """Files open for writing that get their names together when the block ends well; otherwise nothing is left.

    Raises
    ------
    StoreError
        If they cannot be written; the message names the file and the cause.
    """
    parts = [path.with_name(f"{path.name}.{os.getpid()}.part") for path in paths]
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
