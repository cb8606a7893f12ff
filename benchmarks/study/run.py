"""The benchmark of placement studies: see `study_bench`."""

import os
import sys
from pathlib import Path

# Before NumPy is imported, here and in the processes that are started: one thread each, so that CPU can be compared.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import study_bench  # noqa: E402

if __name__ == "__main__":
    sys.exit(study_bench.main())
