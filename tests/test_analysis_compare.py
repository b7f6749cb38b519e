"""Pairs of methods that a preset compares: what is refused, and the differences by seed, of any two methods."""

import numpy as np
import pytest
from analysis_records import BASE, write_run

from analysis.cli import main
from analysis.collect import collect
from analysis.compare import compare_shown, compare_values
from analysis.tidy import read_tables
from lgn.errors import LgnError
from study.compared import Pair
from study.preset import parse_preset

PAIR = Pair(method="light", against="cage")
LATE = (3000, 0.5, 0.02, 0.9)
"""A shape that ends at half of all images, below what any other shape reaches."""


def preset(**pair):
    sweeps = [{"vary": {"method": ["light", "cage"]}}, {"set": {"method": "dlgn", "depth": 2}}]
    return {"preset": "x", "base": BASE, "seeds": [0, 1], "sweeps": sweeps, "compare": [pair]}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ({"method": "glgn", "against": "cage"}, "method: 'glgn'; allowed: a method of its runs: light, cage, dlgn"),
        ({"method": "cage", "against": "cage"}, "against: 'cage'; allowed: another method than cage"),
        ({"method": "light", "against": "dlgn"}, "light and dlgn share no setting; allowed: two methods"),
        ({"method": "light"}, "compare.0.against: is missing"),
    ],
)  # fmt: skip
def test_a_pair_that_says_nothing_is_refused(pair, message):
    with pytest.raises(LgnError, match=f"config: .*{message}"):
        parse_preset(preset(**pair))
    assert parse_preset(preset(method="light", against="cage")).compare == [PAIR]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two methods of files at three shared seeds, one at a fourth; at another depth one never gets there."""
    folder = tmp_path_factory.mktemp("compared")
    keys = {
        name: {
            "noise": "none",
            "parametrization": name,
            "straight_through": name == "cage",
            "temperature": 1.0,
        }
        for name in ("light", "cage")
    }
    for seed in (0, 1, 2):
        write_run(folder / "runs", "", seed, shape=(300, 0.9, 0.01, 0.3), **keys["light"])
        write_run(folder / "runs", "", seed, shape=(1200, 0.8, 0.04, 0.9), **keys["cage"])
        write_run(folder / "runs", "", seed, depth=2, shape=LATE, **keys["light"])
        write_run(folder / "runs", "", seed, depth=2, shape=(300, 0.9, 0.01, 0.3), **keys["cage"])
    write_run(folder / "runs", "", 3, shape=(300, 0.1, 0.5, 0.3), **keys["light"])
    collect(folder / "runs", folder)
    return folder


def test_differences_are_of_shared_seeds_and_times_end_at_the_horizon(results):
    tables = read_tables(results)
    values = compare_values(tables, [PAIR, PAIR.model_copy(update={"method": "glgn"})]).set_index("depth")
    assert list(values.index) == [2, 3] and list(values["seeds"]) == [3, 3]
    whole = values.loc[3]
    assert whole["gap"] == pytest.approx(-0.03, abs=2e-3)
    ended = tables.history.groupby("run_id", observed=True)["test_accuracy_discrete"].last()
    of = tables.runs.query("depth == 3 and seed < 3").set_index(["method", "seed"])["run_id"]
    by_seed = ended[of["light"]].to_numpy() - ended[of["cage"]].to_numpy()
    assert whole["final_accuracy"] == pytest.approx(by_seed.mean())
    assert whole["final_accuracy_low"] == pytest.approx(by_seed.min())
    assert whole["iterations_to_target"] < 0 and whole["reached"] == 3
    late = values.loc[2]
    assert late["reached"] == 0 and late["horizon"] == BASE["iterations"]
    assert 0 < late["iterations_to_target"] < BASE["iterations"]
    assert compare_shown(values.reset_index())["runs there"].iloc[0] == f"0, {late['reached_against']} of 3"


def test_the_command_writes_the_table_for_any_two_methods(results, tmp_path, capsys):
    arguments = ["tables", "--results", str(results), "--output", str(tmp_path)]
    assert main(["claims", "--results", str(results)]) == 0
    assert main([*arguments, "--compare", PAIR.text]) == 0
    assert (tmp_path / "compare.md").read_text().count("Light") == 2
    assert np.all([(tmp_path / f"compare.{ending}").stat().st_size for ending in ("csv", "tex")])
    assert main([*arguments, "--compare", "light"]) == 2
    assert "compare: light; allowed: METHOD:AGAINST" in capsys.readouterr().err
