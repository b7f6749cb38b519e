"""Records to tidy tables: what comes out, and what is refused in which words."""

import json

import numpy as np
import pandas as pd
import pytest
from analysis_records import reseal, write_run

from analysis.cli import main
from analysis.collect import ENTROPY_BINS, collect, entropy_rows, record_directories
from analysis.records import read_record
from analysis.tidy import read_tables
from lgn.errors import LgnError


@pytest.fixture
def runs(tmp_path):
    for method in ("glgn", "dlgn"):
        for seed in (1, 0):
            write_run(tmp_path / "runs", method, seed)
    return tmp_path / "runs"


def change(path, **keys):
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_tables_hold_every_run_once_in_the_order_of_ids(runs, tmp_path):
    collect(runs, tmp_path / "out")
    tables = read_tables(tmp_path / "out")
    assert tables.runs["run_id"].tolist() == sorted(path.name for path in runs.iterdir())
    record = read_record(runs / tables.runs["run_id"][0])
    rows = tables.history[tables.history["run_id"] == tables.runs["run_id"][0]]
    assert rows["iteration"].tolist() == record.history["iteration"].tolist()
    assert rows["test_accuracy_discrete"].tolist() == record.history["test_accuracy_discrete"].tolist()
    assert tables.runs["final_iteration"].tolist() == [10_000] * 4
    assert tables.runs["noise"].tolist() == ["none", "none", "gumbel", "gumbel"]
    assert tables.runs["environment_processor"].tolist() == ["abacus"] * 4


def test_layers_gates_and_entropies_are_those_of_the_record(runs, tmp_path):
    collect(runs, tmp_path / "out")
    tables = read_tables(tmp_path / "out")
    record = read_record(record_directories(runs)[0])
    first = tables.layers[tables.layers["run_id"] == record.path.name]
    last = first[(first["iteration"] == 10_000) & (first["layer"] == 2)].iloc[0]
    assert last["unused_share"] == record.history["unused_share_layer02"].iloc[-1]
    gates = tables.gates[tables.gates["run_id"] == record.path.name]
    assert (
        gates[(gates["layer"] == 3) & (gates["gate"] == "xor")]["count"].item()
        == record.gates["counts"][2, 6]
    )
    entropies = tables.entropies[tables.entropies["run_id"] == record.path.name]
    final = entropies[entropies["moment"] == "final"]
    edge = ENTROPY_BINS[40]
    assert final[final["low"] >= edge]["count"].sum() == (record.gates["entropies"] > edge).sum()
    assert final["count"].sum() == record.gates["entropies"].size


def test_entropies_at_the_ends_of_the_range_are_counted(runs):
    record = read_record(record_directories(runs)[0])
    record.gates["entropies"][:] = 0.0
    record.gates["entropies"][0, 0] = np.nextafter(np.float32(np.log(16)), np.float32(9))
    final = entropy_rows(record).query("moment == 'final'")
    assert final["count"].sum() == record.gates["entropies"].size


def test_a_list_of_ids_or_paths_chooses_the_runs(runs, tmp_path):
    names = sorted(path.name for path in runs.iterdir())
    listed = tmp_path / "ids.txt"
    listed.write_text(f"{names[2]}\n{runs / names[0] / 'run.json'}\n\n")
    assert (
        main(["collect", "--runs", str(runs), "--run-ids", str(listed), "--output", str(tmp_path / "out")])
        == 0
    )
    assert read_tables(tmp_path / "out").runs["run_id"].tolist() == [names[0], names[2]]


def test_the_same_records_give_the_same_bytes(runs, tmp_path):
    one, other = collect(runs, tmp_path / "one"), collect(runs, tmp_path / "other")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_unfinished_runs_are_left_out_unless_listed(runs, tmp_path):
    (runs / "unfinished").mkdir()
    assert len(record_directories(runs)) == 4
    with pytest.raises(LgnError, match=r"unfinished/run\.json: is missing"):
        record_directories(runs, ["unfinished"])


def test_a_run_listed_twice_is_refused(runs):
    name = next(runs.iterdir()).name
    with pytest.raises(LgnError, match=f"{name}: is listed twice"):
        record_directories(runs, [name, name])


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(LgnError, match="is not a folder"):
        record_directories(tmp_path / "nowhere")
    with pytest.raises(LgnError, match="holds no finished run"):
        record_directories(tmp_path)


@pytest.mark.parametrize("field, value", [("data_sha256", "e" * 64), ("training_semantics", 2)])
def test_mixed_records_are_refused_naming_both(runs, tmp_path, field, value):
    odd = write_run(runs, "hard_st", 0, changes={field: value})
    with pytest.raises(LgnError) as caught:
        collect(runs, tmp_path / "out")
    message = str(caught.value)
    assert "\n" not in message and f"{field}: {value}" in message
    assert odd.name in message and sorted(path.name for path in runs.iterdir())[0] in message


def test_other_data_sets_may_have_other_data(runs, tmp_path):
    write_run(runs, "dlgn", 0, dataset="mnist", changes={"data_sha256": "e" * 64})
    collect(runs, tmp_path / "out")
    assert set(read_tables(tmp_path / "out").runs["dataset"]) == {"digits", "mnist"}


def test_splits_of_another_share_are_other_data(runs, tmp_path):
    write_run(runs, "dlgn", 0, validation_share=0.1, changes={"data_sha256": "e" * 64})
    collect(runs, tmp_path / "out")
    assert len(read_tables(tmp_path / "out").runs) == 5


def test_a_run_whose_logits_became_nan_is_a_row_without_entropies(runs, tmp_path):
    """As training writes it: entropies and unused shares of its last row are empty."""
    gone = write_run(runs, "hard_st", 0, changes={"status": "diverged"})
    history = pd.read_csv(gone / "history.csv")
    lost = [name for name in history if name.startswith(("entropy", "unused"))]
    history.loc[history.index[-1], [*lost, "loss"]] = np.nan
    history.to_csv(gone / "history.csv", index=False)
    with np.load(gone / "gates.npz") as file:
        arrays = dict(file)
    np.savez(gone / "gates.npz", **arrays | {"entropies": np.full_like(arrays["entropies"], np.nan)})
    reseal(gone)
    collect(runs, tmp_path / "out")
    tables = read_tables(tmp_path / "out")
    assert tables.history.groupby("run_id", observed=True)["unused_share"].last().notna().sum() >= 4
    assert set(tables.entropies.query("run_id == @gone.name")["moment"]) == {"initial"}
    change(gone / "run.json", status="completed")
    with pytest.raises(LgnError, match=r"history.csv: line \d+: entropy_q05: is empty"):
        collect(runs, tmp_path / "out")


def test_an_unknown_record_version_is_refused(runs):
    directory = record_directories(runs)[0]
    change(directory / "run.json", record_version=99)
    with pytest.raises(LgnError, match=r"run\.json: record_version: 99; allowed: 2"):
        read_record(directory)


def test_a_record_under_another_name_or_of_other_settings_is_refused(runs):
    directory = record_directories(runs)[0]
    copy = directory.rename(runs / "copy")
    with pytest.raises(LgnError, match="run_id: .*allowed: 'copy'"):
        read_record(copy)
    change(copy / "run.json", run_id="copy")
    with pytest.raises(
        LgnError, match=f"run_id: 'copy'; allowed: '{directory.name}', the name of its settings"
    ):
        read_record(copy)
    copy.rename(directory)
    run = json.loads((directory / "run.json").read_text())
    change(directory / "run.json", run_id=directory.name, settings=run["settings"] | {"learning_rate": 0.02})
    with pytest.raises(LgnError, match="the name of its settings"):
        read_record(directory)
    change(directory / "run.json", settings=run["settings"] | {"width": 21})
    with pytest.raises(LgnError, match="run.json: settings: width: 21 does not divide"):
        read_record(directory)


@pytest.mark.parametrize("name", ["history.csv", "gates.npz"])
def test_a_file_of_another_record_is_refused(runs, name):
    ours, theirs = record_directories(runs)[:2]
    (ours / name).write_bytes((theirs / name).read_bytes())
    with pytest.raises(LgnError, match=f"{name}: has sha256 .*; allowed: .*run.json was stored with"):
        read_record(ours)


def _cut(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


@pytest.mark.parametrize("name", ["run.json", "history.csv", "gates.npz"])
def test_a_truncated_file_is_one_line_naming_it(runs, tmp_path, capsys, name):
    directory = record_directories(runs)[1]
    _cut(directory / name)
    assert main(["collect", "--runs", str(runs), "--output", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and message.startswith("analysis: ")
    assert f"{directory.name}/{name}" in message


def test_a_history_cut_at_a_line_is_noticed(runs):
    path = record_directories(runs)[0] / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    reseal(path.parent)
    with pytest.raises(LgnError, match="ends at iteration .* allowed: 10000"):
        read_record(path.parent)


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "holds list"),
        ("{}", "run_id: is missing"),
        ('{"run_id": 3}', "run_id: 3"),
        ("\x00", "cannot be read as JSON"),
    ],
)
def test_what_is_no_record_is_refused(runs, text, message):
    path = record_directories(runs)[0] / "run.json"
    path.write_text(text)
    with pytest.raises(LgnError, match=message):
        read_record(path.parent)


def test_history_without_a_column_or_with_text_is_refused(runs):
    path = record_directories(runs)[0] / "history.csv"
    history = pd.read_csv(path)
    history.drop(columns="unused_share_layer03").to_csv(path, index=False)
    reseal(path.parent)
    with pytest.raises(LgnError, match="column unused_share_layer03: is missing"):
        read_record(path.parent)
    history.assign(loss="much").to_csv(path, index=False)
    reseal(path.parent)
    with pytest.raises(LgnError, match="column loss: holds text"):
        read_record(path.parent)


def test_gates_of_another_shape_are_refused(runs):
    path = record_directories(runs)[0] / "gates.npz"
    arrays = dict(np.load(path))
    np.savez(path, **(arrays | {"entropies": arrays["entropies"][:, :-1]}))
    reseal(path.parent)
    with pytest.raises(LgnError, match=r"entropies: has shape \(3, 19\); allowed: \(3, 20\)"):
        read_record(path.parent)


def test_tables_that_were_never_collected_are_refused(tmp_path):
    with pytest.raises(LgnError, match=r"runs\.csv: is missing"):
        read_tables(tmp_path)
