"""What a record says of the machine and the code that made it."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lgn.cores import usable_cores

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


def prepare_shell(data_dir: str | None) -> None:
    """Sets up what the shells of workflow rules inherit.

    `python` is this interpreter, so that a virtual environment need not be activated; LGN_DATA is data_dir if given.
    """
    if data_dir:
        os.environ["LGN_DATA"] = data_dir
    folder = os.path.dirname(sys.executable)
    if os.environ["PATH"].split(os.pathsep)[0] != folder:
        os.environ["PATH"] = folder + os.pathsep + os.environ["PATH"]


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
