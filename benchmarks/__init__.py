"""Side by side timings of the training core and its peers; `python -m benchmarks` (see README.md in this folder)."""

import os

# Set before torch or Numba is imported: on a busy machine OpenMP's spinning barriers cost more than the work between.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
