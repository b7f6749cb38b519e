"""Nothing that comes as data is executed, and nothing is written where it does not belong."""

import ast
import hashlib
import io
import re
import subprocess
import sys
import tarfile
from dataclasses import replace

import pytest
import yaml
from conftest import ROOT
from test_workflow import TINY, snakemake

from lgn.data.catalog import DATASETS, Download
from lgn.data.files import fetch
from lgn.errors import LgnError
from study.preset import read_preset

NASTY = [
    "; touch canary",
    "$(touch canary)",
    "`touch canary`",
    "digits' ; touch canary '",
    "../../etc/passwd",
    "-h",
]


def lgn(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "lgn", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch canary']",
        "preset: !!python/object/apply:os.system ['touch canary']",
        "preset: x\nbase: !!python/name:os.system",
    ],
)
def test_a_preset_cannot_name_code(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preset.yaml").write_text(text)
    with pytest.raises(LgnError, match="not a readable YAML file: could not determine a constructor"):
        read_preset(tmp_path / "preset.yaml")
    assert not (tmp_path / "canary").exists()


def test_a_setting_on_the_command_line_cannot_name_code(tmp_path):
    done = lgn(
        "train", "dataset=!!python/object/apply:os.system ['touch canary']", "--output", "x", folder=tmp_path
    )
    assert done.returncode == 2 and "is not a value; allowed: a YAML scalar" in done.stderr
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", NASTY)
def test_a_data_set_of_any_name_is_just_unknown(tmp_path, name):
    trained = lgn("train", f"dataset={name}", "--output", "x", folder=tmp_path)
    assert trained.returncode == 2 and "dataset: " in trained.stderr
    fetched = lgn("fetch", "--", name, folder=tmp_path)
    assert fetched.returncode == 2 and "is unknown; allowed: digits" in fetched.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"base": TINY["base"] | {"dataset": "; touch canary"}},
        {"preset": "x; touch canary"},
        {"preset": "../outside"},
        {"sweeps": [{"vary": {"method": ["$(touch canary)"]}}]},
        {"execution": {"backend": "torch; touch canary"}},
        {"execution": {"device": "cpu; touch canary"}},
    ],
)
def test_a_preset_with_shell_in_a_name_is_refused_and_nothing_runs(tmp_path, change):
    done = snakemake(tmp_path, preset=TINY | change)
    assert done.returncode != 0 and "allowed: " in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".snakemake") == ["preset.yaml"]


def test_folders_with_spaces_quotes_and_shell_in_their_names_are_only_folders(tmp_path):
    preset = TINY | {
        "seeds": [0],
        "sweeps": [{"set": {"method": "dlgn"}}],
        "results_dir": "re sults'; touch canary; '",
        "figures_dir": "fig $(touch canary) ures",
        "data_dir": 'da"ta `touch canary`',
    }
    done = snakemake(tmp_path, "tables", preset=preset)
    assert not list(tmp_path.rglob("canary"))
    assert done.returncode == 0, done.stdout
    assert (tmp_path / preset["results_dir"] / "tiny" / "runs.csv").is_file()
    assert (tmp_path / preset["figures_dir"] / "tiny" / "claims.csv").is_file()


def archive_with(path, member, content=b""):
    member.size = len(content)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))


ARCHIVE = "cifar-10-binary.tar.gz"


def fetch_given(folder, monkeypatch):
    """Fetches CIFAR-10 from the archive in a data folder, as if that were the official one."""
    digest = hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest()
    info = DATASETS["cifar10"]
    monkeypatch.setitem(DATASETS, "cifar10", replace(info, downloads=(Download(ARCHIVE, (), digest),)))
    fetch("cifar10", folder)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_regular_files_come_out_of_an_archive(tmp_path, monkeypatch, kind):
    info = DATASETS["cifar10"]
    member = tarfile.TarInfo(f"{info.folder}/{info.files[0]}")
    member.type, member.linkname = kind, "/etc/passwd"
    archive_with(tmp_path / ARCHIVE, member)
    with pytest.raises(LgnError, match="is not a regular file"):
        fetch_given(tmp_path, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE]


@pytest.mark.parametrize("prefix", ["/tmp/", "../", "cifar-10-batches-bin/../../"])
def test_a_path_out_of_the_folder_is_not_followed(tmp_path, monkeypatch, prefix):
    info = DATASETS["cifar10"]
    archive_with(tmp_path / ARCHIVE, tarfile.TarInfo(prefix + info.files[0]), b"evil")
    with pytest.raises(LgnError, match="expected an archive of"):
        fetch_given(tmp_path, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE]


@pytest.mark.parametrize("position", range(0, 200, 13))
def test_an_archive_with_a_wrong_bit_is_refused_or_gives_no_file(tmp_path, monkeypatch, position):
    """The download's checksum comes first; this is what stands behind it."""
    info = DATASETS["cifar10"]
    archive_with(tmp_path / ARCHIVE, tarfile.TarInfo(f"{info.folder}/{info.files[0]}"), bytes(range(256)) * 4)
    content = bytearray((tmp_path / ARCHIVE).read_bytes())
    content[position % len(content)] ^= 16
    (tmp_path / ARCHIVE).write_bytes(content)
    with pytest.raises(LgnError, match=f"{ARCHIVE}: "):
        fetch_given(tmp_path, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE]


def test_every_download_has_a_checksum():
    downloads = [download for info in DATASETS.values() for download in info.downloads]
    assert len(downloads) >= 6
    for download in downloads:
        assert re.fullmatch("[0-9a-f]{64}", download.sha256), download.name


def test_no_code_of_ours_reads_pickle_evaluates_text_or_builds_a_shell():
    """What could execute data is not called anywhere; benchmarks mend a peer's own source and are not data.

    lgn.data.pickles reads CIFAR's with an unpickler that looks nothing up: see test_layouts.
    """
    for path in [*(ROOT / "lgn").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {
                    "eval",
                    "exec",
                    "os.system",
                    "yaml.load",
                    "torch.load",
                    "pickle.load",
                    "pickle.loads",
                    "pickle.Unpickler",
                }, path
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert keywords.get("shell", "False") == "False", path
                assert keywords.get("allow_pickle", "False") == "False", path


def test_what_rules_hand_to_the_shell_is_quoted():
    """Every {value} of a shell command comes from the workflow's own names or is quoted with :q."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        for command in re.findall(r"shell:\n((?: +['\"].*\n)+)", text):
            for value in re.findall(r"\{([^}]*)\}", command):
                assert value.endswith(":q") or value == "threads", (path.name, value)


def test_a_preset_of_plain_data_survives_the_round_trip(tmp_path):
    """The counterpart: what is refused above is refused for what it is."""
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(TINY))
    assert read_preset(tmp_path / "preset.yaml").preset == "tiny"
