"""Which recording is it, whatever its name?"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

_DIGITS = 16


def digest_of(files: Sequence[Path]) -> str:
    """First 16 digits of the SHA-256 of a recording's files, one after the other."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:_DIGITS]
