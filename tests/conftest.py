"""Fixtures of real data, found on the machine or skipped, saying so; and Triton's interpreter where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Before torch is imported, and for processes that tests start: on busy cores spinning threads take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch

if not torch.cuda.is_available():
    # Triton looks at it when a kernel is defined, those of its own library among them: so before its import.
    os.environ["TRITON_INTERPRET"] = "1"

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cifar_dir(tmp_path_factory) -> Path:
    """A data folder with CIFAR-10 and CIFAR-100 in the official binary layouts.

    Made by the `unpack.py` in the folder LGN_CIFAR_SOURCE, else in ../shared/data beside this repository; it writes
    the layouts into the folder it is given (it needs Pillow, and about 25 s). Skips where there is none.
    """
    source = Path(os.environ.get("LGN_CIFAR_SOURCE") or ROOT.parent / "shared" / "data")
    script = source / "unpack.py"
    if not script.is_file():
        pytest.skip(f"CIFAR is not here: no {script} (LGN_CIFAR_SOURCE can name a folder that has it)")
    folder = tmp_path_factory.mktemp("cifar")
    subprocess.run([sys.executable, str(script), str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="session")
def fashion_mnist_dir() -> Path:
    """A folder with Fashion-MNIST's IDX files: the one of Debian's package dataset-fashion-mnist. Skips without."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(
            f"Fashion-MNIST is not here: nothing in {folder} (Debian's package dataset-fashion-mnist)"
        )
    return folder
