#!/bin/sh
# Builds the virtual environment that the Makefile runs everything in:
#
#     workflow/envs/install.sh FOLDER PYTHON TORCH
#
# FOLDER is created anew. TORCH is cpu, default (what the package index gives: with CUDA on Linux), or auto: default
# where there is an NVIDIA GPU or no Linux, cpu elsewhere, which saves a download of gigabytes.
set -eu

venv=$1
python=$2
torch=$3

fail() {
    echo "install: $*" >&2
    exit 2
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "PYTHON=$python: is $("$python" --version 2>/dev/null || echo not there); allowed: Python 3.11 or newer"

case $torch in
auto)
    if [ "$(uname -s)" != Linux ] || nvidia-smi -L >/dev/null 2>&1; then torch=default; else torch=cpu; fi
    ;;
cpu | default) ;;
*) fail "TORCH=$torch: is unknown; allowed: auto, cpu, default" ;;
esac

# A folder without our mark was made by someone else and is not ours to remove.
mark=$venv/.made-by-make
[ ! -e "$venv" ] || [ -e "$mark" ] || fail "$venv: was not made by make; move it away, or name another: make VENV=folder"

echo "Building $venv from constraints.txt (once, some minutes) ..."
rm -rf "$venv"
mkdir -p "$venv"
touch "$mark"
"$python" -m venv "$venv" || fail "$python: could not make a virtual environment; some systems keep venv in a package of its own"

pip() {
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --quiet --quiet --constraint constraints.txt "$@"
}

version=$(sed -n 's/^torch==//p' constraints.txt)
if [ "$torch" = cpu ]; then
    # Where the configured index has CPU wheels, pip finds one; elsewhere uv knows where PyTorch keeps them.
    pip "torch==$version+cpu" 2>/dev/null || {
        pip uv
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --torch-backend cpu --constraint constraints.txt torch ||
            fail "no CPU build of torch $version could be installed; TORCH=default takes the package index's, which may bring CUDA"
    }
else
    pip "torch==$version"
fi
pip --requirement requirements.txt --requirement requirements-test.txt setuptools
pip --no-deps --no-build-isolation --editable .
