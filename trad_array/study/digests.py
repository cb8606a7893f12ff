"""Names by content: what a kept file depends on, as a short text."""

import hashlib
import json
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """Twenty hexadecimal digits that stand for a value made of numbers, texts, arrays, lists and dictionaries.

    The same value gives the same digest on every machine and in every process; floats count to the last bit.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode("utf-8"), digest_size=10).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a digest of {type(value).__name__} is not defined")
