"""From trials to the page: equal tuning, the preset of final runs, scores over seeds, one HTML file."""

import json
import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from training_process import SETTINGS

from analysis.cli import main
from analysis.collect import collect
from analysis.figures import chosen_figures
from analysis.leaderboard import scores
from analysis.leaderboard.entrant import differences
from analysis.leaderboard.page import make_page, reported
from analysis.leaderboard.scores import paired, score_table
from analysis.leaderboard.trials import choices, final_preset
from analysis.tidy import read_tables
from lgn.errors import LgnError
from lgn.files import sha256
from lgn.run import Execution, parse_run
from lgn.train import train
from study.plan import Design
from study.preset import expand, parse_preset, read_preset

NETS = [{"depth": 1, "width": 20}, {"depth": 2, "width": 20}]
TRIALS = [{"learning_rate": 0.01, "epsilon": 1e-8}, {"learning_rate": 0.2, "epsilon": 1e-16}]


def trials_config(**changes):
    base = {key: value for key, value in SETTINGS.items() if key in ("dataset", "thresholds", "batch_size")}
    base |= {"group_temperature": 2, "iterations": 40, "evaluations": 4, "validation_share": 0.2}
    methods = {"method": ["hard_st", "light"]}
    sweeps = [{"set": net | trial, "vary": methods} for net in NETS for trial in TRIALS]
    return {"preset": "trials", "base": base, "seeds": [100], "sweeps": sweeps} | changes


def trained(preset, folder):
    """The tidy tables of a preset's runs."""
    for run in expand(preset):
        train(run, folder / "runs" / run.run_id, folder, Execution(device="cpu"))
    collect(folder / "runs", folder)
    return read_tables(folder)


@pytest.fixture(scope="module")
def division(tmp_path_factory):
    """A folder with trials.yaml, the tables of trials and finals, the chosen preset final.yaml and the page."""
    folder = tmp_path_factory.mktemp("division")
    (folder / "trials.yaml").write_text(yaml.safe_dump(trials_config()))
    trained(parse_preset(trials_config()), folder / "tried")
    common = ["--trials", str(folder / "trials.yaml"), "--tried", str(folder / "tried")]
    assert main(["choose", *common, "--name", "final", "--output", str(folder / "final.yaml")]) == 0
    trained(parse_preset(yaml.safe_load((folder / "final.yaml").read_text())), folder / "final")
    assert (
        main(["leaderboard", *common, "--results", str(folder / "final"), "--output", str(folder / "page")])
        == 0
    )
    return folder


@pytest.fixture(scope="module")
def content(division):
    return json.loads((division / "page/leaderboard.json").read_text())


def test_each_method_is_tuned_by_its_best_trial_on_validation_images(division):
    runs = read_tables(division / "tried").runs
    chosen, missing = choices(parse_preset(trials_config()), runs)
    assert len(chosen) == 4 and missing == []
    for choice in chosen:
        its = runs[(runs["method"] == choice.default.method) & (runs["depth"] == choice.net[1])]
        best = its["final_validation_accuracy_discrete"].max()
        tuned = its[its["learning_rate"] == choice.tuned.learning_rate].iloc[0]
        assert tuned["final_validation_accuracy_discrete"] == best == max(choice.validation)
        assert (choice.default.learning_rate, choice.default.epsilon) == (0.01, 1e-8)


def test_final_runs_are_the_best_and_the_first_trial_on_fresh_seeds(division):
    chosen, _ = choices(parse_preset(trials_config()), read_tables(division / "tried").runs)
    final = parse_preset(yaml.safe_load((division / "final.yaml").read_text()))
    expected = {
        run.model_copy(update={"seed": seed}).hash
        for choice in chosen
        for run in (choice.tuned, choice.default)
        for seed in range(5)
    }
    assert {run.hash for run in expand(final)} == expected


def test_scores_are_those_of_the_final_records(division, content):
    history = read_tables(division / "final").history.groupby("run_id", observed=True)
    rows = [row for row in content["rows"] if row["kind"] == "tuned"]
    assert len(rows) == 4
    for row in rows:
        accuracies = [history.get_group(name)["test_accuracy_discrete"].iloc[-1] for name in row["run_ids"]]
        assert len(accuracies) == row["seeds"] == 5
        assert row["accuracy"] == pytest.approx(np.mean(accuracies), abs=1e-6)
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
    for depth in (1, 2):
        net = [row for row in rows if row["depth"] == depth]
        best = max(net, key=lambda row: row["accuracy"])
        assert (best["rank"], best["deficit"]) == (1, 0)
        for row in net:
            assert row["deficit"] == pytest.approx(best["accuracy"] - row["accuracy"], abs=2e-6)
            assert row["rank"] == (2 if row["deficit_low"] > 0 else 1)


def test_with_free_choice_of_the_net_each_method_has_its_best_one(division, content):
    """Over both nets of a method the trial with the best validation accuracy; compared with the others' best nets."""
    runs = read_tables(division / "tried").runs
    free = [row for row in content["rows"] if row["kind"] == "free"]
    assert {row["method"] for row in free if row["gates"] == 40} == {"hard_st", "light"}
    for row in (row for row in free if row["gates"] == 40):
        its = runs[runs["method"] == row["method"]]
        best = its.loc[its["final_validation_accuracy_discrete"].idxmax()]
        assert (row["depth"], row["learning_rate"]) == (best["depth"], best["learning_rate"])
        assert (row["trials"], row["count_of"]) == (4, "at most")
        tuned = [r for r in content["rows"] if r["kind"] == "tuned" and r["run_ids"] == row["run_ids"]]
        assert [r["accuracy"] for r in tuned] == [row["accuracy"]]
    assert min(row["deficit"] for row in free) == 0 and min(row["rank"] for row in free) == 1


def test_the_command_beside_a_row_trains_one_of_its_runs(content):
    from lgn.settings import parse_settings
    from study.cli import parse_runs

    for row in content["rows"]:
        if row["kind"] != "reported":
            arguments = row["command"].removeprefix("lgn train ").split(" --output")[0].split(" ")
            (run,) = parse_runs(parse_settings(arguments), "run").values()
            assert run.run_id in row["run_ids"]


def test_a_net_without_all_its_trials_is_left_out_in_words(division):
    runs = read_tables(division / "tried").runs
    some = runs[~((runs["depth"] == 2) & (runs["learning_rate"] == 0.2))]
    chosen, missing = choices(parse_preset(trials_config()), some)
    assert {choice.net[1] for choice in chosen} == {1}
    assert missing == ["digits 2 x 20: left out, since 2 of 4 trials have no record"]


def test_a_difference_is_of_the_seeds_that_both_have():
    one, other = pd.Series([0.9, 0.5, 0.7], [0, 1, 2]), pd.Series([0.4, 0.6, 0.1], [1, 2, 3])
    mean, low, high = paired(one, other)
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))
    assert np.isnan(paired(one[:1], other)).all()


def test_without_a_target_nothing_is_said_of_reaching_it(division, monkeypatch):
    monkeypatch.setattr(scores, "TARGETS", {})
    chosen, _ = choices(parse_preset(trials_config()), read_tables(division / "tried").runs)
    found = score_table(chosen, read_tables(division / "final"))
    assert found[["target", "reached", "iterations_to_target", "seconds_to_target"]].isna().all(axis=None)


def test_nets_without_final_runs_have_no_rows(division):
    tables = read_tables(division / "final")
    tables.runs = tables.runs[tables.runs["depth"] == 1]
    chosen, _ = choices(parse_preset(trials_config()), read_tables(division / "tried").runs)
    assert set(score_table(chosen, tables)["depth"]) == {1}


UNEQUAL = [{"set": NETS[0] | TRIALS[0], "vary": {"method": ["hard_st", "light"]}},
           {"set": NETS[0] | TRIALS[1] | {"method": "light"}}]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sweeps": UNEQUAL},
            "trials: digits 1 x 20: trials: hard_st 1, light 2; allowed: as many for every method",
        ),
        ({"seeds": [3]}, "trials: seed: 3; allowed for trials: none of (0, 1, 2, 3, 4)"),
    ],
)
def test_unequal_tuning_is_refused(division, changes, message):
    with pytest.raises(LgnError) as refused:
        choices(parse_preset(trials_config(**changes)), read_tables(division / "tried").runs)
    assert str(refused.value) == message


def test_epsilon_survives_yaml(division):
    chosen, _ = choices(parse_preset(trials_config()), read_tables(division / "tried").runs)
    text = final_preset(parse_preset(trials_config()), chosen, "final")
    assert all(isinstance(sweep["set"]["epsilon"], float) for sweep in yaml.safe_load(text)["sweeps"])


def test_a_final_preset_states_the_figure_that_its_runs_can_give(division):
    trials = parse_preset(trials_config())
    chosen, _ = choices(trials, read_tables(division / "tried").runs)
    for part in (chosen, chosen[:1]):
        design = Design(parse_preset(yaml.safe_load(final_preset(trials, part, "final"))))
        figures = chosen_figures(design.preset.figures, design.table, design.probes)
        assert figures == ["use_tuned_and_default"] * (len(part) > 1)


def test_reported_rows_name_their_source():
    rows = reported()
    assert len(rows) > 40
    for row in rows:
        assert row["citation"] and row["method"] and 0 < row["accuracy"] < 1, row


@pytest.mark.parametrize(("method", "trials"), [("glgn", 2), ("mste", 2)])
def test_an_entrant_has_the_trials_of_its_kind(tmp_path, method, trials):
    """With a temperature, or without: hard_st and glgn have one, light and M-STE have none."""
    tempered = [sweep | {"set": sweep["set"] | {"temperature": 0.5}} for sweep in trials_config()["sweeps"]]
    config = trials_config(sweeps=[s | {"vary": {"method": ["hard_st"]}} for s in tempered]
                           + [s | {"vary": {"method": ["light"]}} for s in trials_config()["sweeps"]])  # fmt: skip
    (tmp_path / "trials.yaml").write_text(yaml.safe_dump(config))
    output = tmp_path / "entrant.yaml"
    assert main(["entrant", method, "--trials", str(tmp_path / "trials.yaml"), "--output", str(output)]) == 0
    runs = expand(parse_preset(yaml.safe_load(output.read_text())))
    assert len(runs) == trials and {(run.method, run.depth, run.seed) for run in runs} == {(method, 1, 100)}
    assert {run.temperature for run in runs} == {0.5 if method == "glgn" else 1.0}


def test_differences_to_the_field_are_paired_by_seed(division, content, capsys):
    """light as the entrant: against itself nothing differs, against hard_st what the records say."""
    trials = parse_preset(trials_config())
    chosen, _ = choices(trials, read_tables(division / "tried").runs)
    (own,) = [choice for choice in chosen if choice.default.method == "light" and choice.net[1] == 1]
    tables = read_tables(division / "final")
    found = differences(own, tables, score_table(chosen, tables), tables).set_index("method")
    assert (found.loc["light"][["difference", "low", "high"]] == 0).all()
    accuracy = {
        r["method"]: r["accuracy"] for r in content["rows"] if r["kind"] == "tuned" and r["depth"] == 1
    }
    assert found.loc["hard_st"]["difference"] == pytest.approx(
        accuracy["light"] - accuracy["hard_st"], abs=2e-6
    )
    assert (found["seeds"] == 5).all()


@pytest.fixture
def contributed(division, tmp_path):
    """A copy of one final record."""
    source = min((division / "final/runs").iterdir())
    return shutil.copytree(source, tmp_path / "contributed" / source.name)


def validated(division, folder, capsys):
    status = main(["validate", str(folder), "--trials", str(division / "trials.yaml")])
    return status, capsys.readouterr()


def test_a_record_as_it_was_trained_is_valid(division, contributed, capsys):
    status, printed = validated(division, contributed.parent, capsys)
    assert status == 0 and "recomputed from its weights" in printed.out and "1 records of " in printed.out


def edit(path, change):
    """Changes run.json, and the folder's name with the id in it."""
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return path.parent.rename(path.parent.with_name(record["run_id"]))


def resettle(**settings):
    """Changes settings, and the id that they have."""

    def change(record):
        record["settings"] |= settings
        record["run_id"] = parse_run(record["settings"], "record").run_id

    return change


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: r["final"].update(test_accuracy_discrete=0.99), "in history.csv"),
        (resettle(iterations=41), "iterations: 41; allowed: 40"),
        (lambda r: r["settings"].update(learning_rate=0.5), "the name of its settings"),
        (resettle(seed=7), "seed: 7; allowed: 0, 1, 2, 3, 4, 100"),
        (lambda r: r.update(training_semantics=0), "training_semantics: 0"),
    ],
)  # fmt: skip
def test_an_edited_record_is_refused(division, contributed, capsys, change, word):
    status, printed = validated(division, edit(contributed / "run.json", change), capsys)
    assert status == 2 and word in printed.out
    assert printed.err.endswith("1 of 1 records do not stand; allowed: none\n")


def test_scores_that_the_weights_do_not_give_are_refused(division, contributed, capsys):
    """History, final scores and digests agree with each other, as of one who edits them all."""
    history = (contributed / "history.csv").read_text().splitlines()
    at = history[0].split(",").index("test_accuracy_discrete")
    last = history[-1].split(",")
    last[at] = "0.99"
    (contributed / "history.csv").write_text("\n".join([*history[:-1], ",".join(last)]) + "\n")

    def change(record):
        record["final"]["test_accuracy_discrete"] = 0.99
        record["files"]["history.csv"] = sha256((contributed / "history.csv").read_bytes())

    edit(contributed / "run.json", change)
    status, printed = validated(division, contributed, capsys)
    assert status == 2 and "test_accuracy_discrete: 0.99 is recorded, its weights give" in printed.out


@pytest.mark.parametrize("name", ["weights.safetensors", "gates.npz", "history.csv"])
def test_a_missing_file_or_digest_is_a_fault_of_its_record(division, contributed, capsys, name):
    edit(contributed / "run.json", lambda record: record["files"].pop(name))
    status, printed = validated(division, contributed, capsys)
    assert status == 2 and name in printed.out and "1 of 1 records do not stand" in printed.err
    (contributed / name).unlink()
    status, printed = validated(division, contributed, capsys)
    assert status == 2 and name in printed.out and "1 of 1 records do not stand" in printed.err


def test_other_weights_are_refused(division, contributed, capsys):
    others = [p for p in (division / "final/runs").iterdir() if p.name != contributed.name]
    shutil.copy(others[0] / "weights.safetensors", contributed)
    status, printed = validated(division, contributed, capsys)
    assert (
        status == 2 and "weights.safetensors: is not the file that run.json was written with" in printed.out
    )


def test_the_final_preset_is_what_the_kept_trials_choose():
    trials = read_preset(ROOT / "config/leaderboard_trials.yaml")
    chosen, _ = choices(trials, read_tables(ROOT / "results/reference/leaderboard_trials").runs)
    text = final_preset(trials, chosen, "leaderboard", "config/leaderboard_trials.yaml")
    assert (ROOT / "config/leaderboard.yaml").read_text() == text


def test_the_kept_page_is_that_of_the_kept_records(tmp_path):
    kept, reference = ROOT / "paper_figures/reference/leaderboard", ROOT / "results/reference"
    trials = read_preset(ROOT / "config/leaderboard_trials.yaml")
    output = tmp_path / "paper_figures/reference/leaderboard"
    for path in make_page(trials, reference / "leaderboard_trials", reference / "leaderboard", output):
        made, stored = path.read_text(), (kept / path.name).read_text()
        link = os.path.relpath(reference / "leaderboard/runs.csv.xz", output)
        assert (
            made.replace(link, "../../../results/reference/leaderboard/runs.csv.xz").replace(
                link.lstrip("./"), "results/reference/leaderboard/runs.csv.xz"
            )
            == stored
        )


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(BROWSER is None, reason="no chromium here (Debian's package chromium)")


def seen(page, address=""):
    """The page's document once its script has run in a browser, and the cells of its table, a list a row."""
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
        f"file://{page}{address}",
    ]
    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    body = re.search('<table id="scores">.*?<tbody>(.*?)</tbody>', text, re.S)[1]
    rows = re.findall('<tr class="(?:tuned|default|free|reported)">(.*?)</tr>', body, re.S)
    return text, [
        [re.sub("<.*?>", "", cell) for cell in re.findall("<td.*?>(.*?)</td>", row)] for row in rows
    ]


@browser
def test_a_browser_shows_sorts_and_filters_the_rows(division):
    page = division / "page/leaderboard.html"
    text, rows = seen(page, "#depth=2&kind=measured&dataset=digits&sort=method&order=ascending")
    assert "No final run has depth 12" in text
    assert [row[2] for row in rows] == sorted(row[2] for row in rows) and {row[5] for row in rows} == {
        "2 x 20"
    }
    assert {row[2] for row in rows} == {"hard_st", "light"}
    _, free = seen(page, "#depth=1&kind=free&dataset=digits")
    assert {(row[2], row[3]) for row in free} == {("hard_st", "best net"), ("light", "best net")}
    _, reported_rows = seen(page, "#kind=reported&dataset=cifar10&depth=12&sort=accuracy")
    accuracies = [float(re.search(r"[\d.]+", row[6])[0]) for row in reported_rows]
    assert len(accuracies) > 3 and accuracies == sorted(accuracies, reverse=True)


@browser
def test_a_click_opens_what_a_row_rests_on(division, tmp_path, content):
    clicks = """document.querySelector('[data-row="0"]').click();
        document.querySelector('[data-key="gap"]').click();"""
    text = (division / "page/leaderboard.html").read_text()
    (tmp_path / "clicked.html").write_text(text.replace("</html>", f"<script>{clicks}</script></html>"))
    text, _ = seen(tmp_path / "clicked.html", f"#depth={content['rows'][0]['depth']}&dataset=digits")
    assert content["rows"][0]["run_ids"][0] in text and "lgn train dataset=digits" in text
    assert re.search('aria-sort="descending"><button data-key="gap"', text)


def test_the_page_asks_for_no_other_file(division):
    text = (division / "page/leaderboard.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text) and "import(" not in text
