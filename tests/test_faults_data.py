"""Interrupted downloads, full disks, read-only folders: one line, and no partial file."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from test_faults_training import bound_by_permissions, file_size_limit

from lgn.data import fetch, load
from lgn.data.catalog import DATASETS, Download
from lgn.errors import LgnError

CONTENT = bytes(range(256)) * 400

_FETCH = """
import sys
from dataclasses import replace
from pathlib import Path
from lgn.data.catalog import DATASETS, Download
name, url, digest, folder = sys.argv[1:]
info = DATASETS["mnist"]
DATASETS["mnist"] = replace(info, downloads=tuple(Download(x.name, (url,), digest) for x in info.downloads))
from lgn.cli import main
sys.exit(main(["fetch", "mnist", "--data-dir", folder]))
"""


@pytest.fixture
def server():
    """The URL of a server that gives CONTENT under any name, and a list: what it sends of it before it hangs up."""
    sends = [len(CONTENT)]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: sends[0]])

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/", sends
    httpd.shutdown()
    httpd.server_close()


def offered(monkeypatch, url):
    digest = hashlib.sha256(CONTENT).hexdigest()
    info = DATASETS["mnist"]
    downloads = tuple(Download(download.name, (url,), digest) for download in info.downloads)
    monkeypatch.setitem(DATASETS, "mnist", replace(info, downloads=downloads))


def lgn_fetch(url, folder, limit):
    command = [sys.executable, "-c", _FETCH, "mnist", url, hashlib.sha256(CONTENT).hexdigest(), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)


@pytest.mark.parametrize("sent", [0, 1, 50_000, len(CONTENT) - 1])
def test_a_download_cut_off_leaves_nothing_and_the_next_one_succeeds(server, monkeypatch, tmp_path, sent):
    url, sends = server
    offered(monkeypatch, url)
    sends[0] = sent
    with pytest.raises(
        LgnError, match=r"^mnist: .* could not be downloaded to .*; get it by other means"
    ) as cut:
        fetch("mnist", tmp_path)
    assert "\n" not in str(cut.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    sends[0] = len(CONTENT)
    files = fetch("mnist", tmp_path)
    assert all(path.read_bytes() == CONTENT for path in files)
    # What came is what was asked for, and still no MNIST.
    with pytest.raises(LgnError, match="has magic number"):
        load("mnist", 0.0, tmp_path)


def test_a_disk_that_fills_up_during_a_download_leaves_nothing(server, tmp_path):
    done = lgn_fetch(server[0], tmp_path, file_size_limit(len(CONTENT) // 2))
    assert done.returncode == 2
    announced, complaint = done.stderr.splitlines()
    assert announced.startswith("Downloading data") and complaint.startswith("lgn: mnist: ")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_data_folder_that_cannot_be_written_is_named(server, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        done = lgn_fetch(server[0], folder, bound_by_permissions)
    finally:
        folder.chmod(0o755)
    assert done.returncode == 2
    assert (
        done.stderr.count("\n") == 1
        and str(folder) in done.stderr
        and "expected a writable folder" in done.stderr
    )


@pytest.mark.parametrize("damage", ["truncated", "longer", "empty"])
def test_a_damaged_data_file_stops_a_training_before_it_begins(tmp_path, damage):
    """CIFAR's files have no checksum of their own: a wrong bit shows in the record's data_sha256, all else here."""
    info = DATASETS["cifar10"]
    folder = tmp_path / info.folder
    folder.mkdir()
    size = 10_000 * 3073
    for name in info.files:
        with open(folder / name, "wb") as file:
            file.truncate(size)  # Zeros: label 0, black. Sparse, so that it costs nothing.
    broken = folder / info.files[2]
    os.truncate(broken, {"truncated": size - 1, "longer": size + 1, "empty": 0}[damage])
    settings = "dataset=cifar10 thresholds=3 depth=2 width=100 noise=none straight_through=true temperature=1"
    command = [
        sys.executable,
        "-m",
        "lgn",
        "train",
        *settings.split(),
        "group_temperature=4",
        "iterations=10",
    ]
    command += ["evaluations=2", "seed=0", "--output", str(tmp_path / "run"), "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"lgn: {broken}: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
