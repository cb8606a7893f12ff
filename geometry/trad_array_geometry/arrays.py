"""Read-only arrays, so that a record cannot be changed behind its owner's back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def frozen_array(values: Any, dtype: Any = None) -> NDArray[Any]:
    """Read-only copy of `values`; an array that is already read-only, owns its data and has the dtype is kept."""
    array: NDArray[Any] = np.asarray(values, dtype=dtype)
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.flags.writeable = False
    return array
