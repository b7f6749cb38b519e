"""The machine that a run meets: its cores, its free memory, and what a record says of it and of the code.

As a program this prints the number of cores, for the Makefile, before anything is installed: hence what it imports.
"""

import math
import os
import platform
import resource
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "numpy", "numba", "triton", "scipy", "scikit-learn")


def describe(backend: str, device: str, threads: int, together: int) -> dict[str, object]:
    """The `environment` of a record: versions, commit, processor, threads, backend, device, runs in one launch."""
    import torch  # Snakemake reads this module too, and would wait for it at every start.

    return {
        "lgn": _version("lgn-bench"),
        "commit": commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
        "threads": threads,
        "backend": backend,
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "together": together,
    }


def commit() -> str | None:
    """The commit of the checkout this package runs from, `+` behind it where files were changed; None outside git."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """The processor's own name, as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


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


def available_bytes() -> int:
    """Main memory that this process may still take: of the machine, of its control group, of its own limits."""
    import psutil

    free = [psutil.virtual_memory().available]
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit != "max":
            free.append(int(limit) - int(used))
    except (OSError, ValueError):
        pass  # No control group of version 2 here.
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        free.append(limit - psutil.Process(os.getpid()).memory_info().vms)
    return max(0, min(free))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(usable_cores())
