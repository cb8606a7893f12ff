"""The detection benchmark: see `command`."""

import os
import sys
from pathlib import Path

# Before NumPy is imported, here and in the workers: one thread each, so that times can be compared.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import command  # noqa: E402

if __name__ == "__main__":
    sys.exit(command.main())
