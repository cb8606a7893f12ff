"""The benchmark of the live watch: see `live`."""

import os
import sys
from pathlib import Path

# Before NumPy is imported, here and in the programs that are measured: one thread each, so that CPU can be compared.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import live  # noqa: E402

if __name__ == "__main__":
    sys.exit(live.main())
