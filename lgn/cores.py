"""How many cores this process may use. As a program it prints them, for the Makefile, before anything is installed."""

import math
import os
from pathlib import Path


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores of the machine that the process's CPU set and its control group (version 2, a container's limit) leave it.

    At least 1. A group's share of time that is no whole number of cores counts as the next.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores  # No such group, or no limit: "max 100000".


if __name__ == "__main__":
    print(usable_cores())
