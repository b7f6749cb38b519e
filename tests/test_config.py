"""The typed config: expansion, refusals and their messages."""

import re
from pathlib import Path

import pytest

from lgn.cli import main
from lgn.errors import LgnError
from lgn.methods import METHODS, method_label, method_name
from lgn.run import Execution, Run, parse_run
from lgn.settings import parse_settings
from study.cli import parse_runs
from study.official_keys import OFFICIAL_KEYS
from study.plan import Design, summary
from study.preset import Preset, expand, parse_preset, read_preset
from study.reference import config_reference, config_schema

ROOT = Path(__file__).resolve().parent.parent

RUN = dict(
    dataset="digits", thresholds=8, depth=6, width=500, noise="gumbel", temperature=0.1, straight_through=True,
    group_temperature=5.0, iterations=1000, seed=0,
)  # fmt: skip


def preset(**overrides):
    base = {key: value for key, value in RUN.items() if key not in ("seed", "noise", "straight_through")}
    config = {
        "preset": "test",
        "base": base,
        "seeds": [0, 1],
        "sweeps": [{"vary": {"method": list(METHODS)}}],
    }
    return config | overrides


def test_the_primary_temperature_is_one_that_a_glgn_of_the_preset_has():
    sweeps = [{"set": {"method": "glgn"}, "vary": {"temperature": [0.1, 1]}}, {"set": {"method": "dlgn"}}]
    stated = parse_preset(preset(sweeps=sweeps, primary=1))
    assert set(Design(stated).table["primary"]) == {1.0}
    with pytest.raises(LgnError, match="config: primary: 0.5; allowed: a temperature of GLGN: 0.1, 1$"):
        parse_preset(preset(sweeps=sweeps, primary=0.5))
    with pytest.raises(LgnError, match="primary: 1; allowed: a temperature of GLGN: none, as no GLGN runs$"):
        parse_preset(preset(sweeps=sweeps[1:], primary=1))


BOTH = {"vary": {"method": ["dlgn", "glgn"]}}


def glgn_at(*temperatures, **changed):
    return {"set": {"method": "glgn"} | changed, "vary": {"temperature": list(temperatures)}}


@pytest.mark.parametrize(
    "sweep", [glgn_at(0.25), glgn_at(0.25, iterations=2000), glgn_at(0.25) | {"seeds": [7]}]
)
def test_an_ablation_of_glgns_temperature_moves_no_claim_in_silence(sweep):
    assert parse_preset(preset(sweeps=[BOTH])).primary is None
    with pytest.raises(
        LgnError, match="config: primary: is missing; allowed: the temperature .* of 0.1, 0.25 that run"
    ):
        parse_preset(preset(sweeps=[BOTH, sweep]))
    assert parse_preset(preset(sweeps=[BOTH, sweep], primary=0.1)).primary == 0.1


def test_every_setting_that_compares_has_one_temperature_or_the_primary():
    elsewhere = {"set": {"depth": 4}} | BOTH
    assert parse_preset(preset(sweeps=[BOTH, glgn_at(0.2, 0.3, depth=4)]))  # No DLGN there.
    assert parse_preset(preset(sweeps=[BOTH, glgn_at(0.2), elsewhere], primary=0.2))  # One temperature there.
    with pytest.raises(
        LgnError, match="config: primary: 0.2; allowed: .*, of 0.1, 0.3 that run beside one DLGN"
    ):
        parse_preset(preset(sweeps=[BOTH, glgn_at(0.2), elsewhere, glgn_at(0.3, depth=4)], primary=0.2))


def test_a_sweep_is_the_product_of_its_lists_for_every_seed():
    runs = expand(parse_preset(preset(sweeps=[{"vary": {"method": ["dlgn", "glgn"], "depth": [4, 12]}}])))
    assert [(r.method, r.depth, r.seed) for r in runs] == [
        (method, depth, seed) for method in ("dlgn", "glgn") for depth in (4, 12) for seed in (0, 1)
    ]


def test_a_run_shared_by_two_sweeps_runs_once():
    sweeps = [
        {"vary": {"method": ["glgn"]}},
        {"set": {"method": "glgn"}, "vary": {"temperature": [0.1, 0.5]}},
    ]
    assert len(expand(parse_preset(preset(sweeps=sweeps)))) == 4


def test_method_fixes_dlgns_temperature_but_a_sweep_may_say_otherwise():
    sweeps = [{"vary": {"method": ["dlgn", "glgn"]}}, {"set": {"method": "dlgn", "temperature": 0.5}}]
    runs = expand(parse_preset(preset(sweeps=sweeps, seeds=[0])))
    assert [(r.method, r.temperature) for r in runs] == [("dlgn", 1.0), ("glgn", 0.1), ("dlgn", 0.5)]


def test_method_names_and_labels():
    names = [
        method_name(n, s) for n, s in (("none", False), ("gumbel", True), ("gumbel", False), ("none", True))
    ]
    assert [method_label(name) for name in names] == ["DLGN", "GLGN", "Gumbel soft", "Hard-ST"]
    assert method_label(method_name("gaussian", True)) == "Gaussian ST"
    assert method_label(method_name("uniform", False)) == "Uniform soft"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset", "cifar10"), ("thresholds", 7), ("threshold_placement", "quantile"), ("validation_share", 0.2),
        ("depth", 7), ("width", 600), ("wiring", "unique"), ("init_scale", 2.0), ("noise", "none"),
        ("temperature", 0.2),
        ("straight_through", False), ("grad_factor", 2.0), ("group_temperature", 6.0),
        ("learning_rate", 0.02),
        ("batch_size", 64), ("iterations", 2000), ("time_budget_seconds", 3600.0), ("evaluations", 50),
        ("train_evaluation_images", 500), ("seed", 1),
    ],
)  # fmt: skip
def test_touching_any_value_changes_the_runs_hash(key, value):
    assert parse_run(RUN | {key: value}).hash != parse_run(RUN).hash


def test_a_hash_is_blind_to_spelling_order_and_stated_defaults():
    assert parse_run(RUN).hash == parse_run(dict(reversed(RUN.items())) | {"temperature": "0.1"}).hash
    assert parse_run(RUN | {"learning_rate": 0.01}).hash == parse_run(RUN).hash


def test_what_earlier_versions_stated_is_read_where_it_says_what_all_runs_do():
    """Old records, presets and commands, from when gradients could be rounded."""
    old = RUN | {"gradient_dtype": "float32"}
    assert parse_run(old) == parse_run(RUN) and parse_run(old).hash == parse_run(RUN).hash
    refused = "^here: gradient_dtype: 'bfloat16' is of an earlier version; allowed: 'float32'$"
    with pytest.raises(LgnError, match=refused):
        parse_run(RUN | {"gradient_dtype": "bfloat16"}, "here")


@pytest.mark.parametrize(("written", "meant"), [("1e5", 100_000), ("2.5e+3", 2500), ("1E3", 1000)])
def test_a_whole_number_may_have_an_exponent(written, meant):
    """YAML 1.1 reads 1e5 as text; the run and its id must equal those of 100000."""
    run = parse_run(RUN | parse_settings([f"iterations={written}"]))
    assert (
        run == parse_run(RUN | {"iterations": meant})
        and run.hash == parse_run(RUN | {"iterations": meant}).hash
    )
    config = preset(seeds=[written], sweeps=[{"vary": {"method": ["glgn"]}, "seeds": [written, 1]}])
    assert [run.seed for run in expand(parse_preset(config))] == [meant, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"widht": 3}, "widht: unknown key; allowed: dataset, thresholds"),
        (
            {"width": 501},
            "width: 501 does not divide into the 10 classes of digits; allowed: multiples of 10",
        ),
        (
            {"width": 200, "wiring": "unique"},
            "width: 200 with wiring unique on 512 inputs; allowed: 256 to 130816",
        ),
        ({"temperature": -1}, "temperature: -1 is not allowed; allowed: greater than 0"),
        ({"temperature": float("nan")}, "temperature: nan is not allowed"),
        ({"dataset": "; rm -rf"}, "dataset: '; rm -rf' is not allowed; allowed: 'digits', 'mnist'"),
        ({"thresholds": 17}, "thresholds: 17 on digits, whose values go up to 16; allowed: 1 to 16"),
        ({"noise": "cauchy"}, "noise: 'cauchy' is not allowed; allowed: 'none', 'gumbel'"),
        ({"init_bias": 5}, "init_bias: 5.0 with init gaussian; allowed: 0 (or init residual)"),
        ({"evaluations": 5000}, "evaluations: 5000; allowed: at most iterations + 1 = 1001"),
        ({"depth": 0}, "depth: 0 is not allowed; allowed: greater than or equal to 1"),
        ({"seed": "0-4"}, "seed: '0-4' is a range; allowed: numbers, 0,1,2,3,4"),
        ({"iterations": "1.5e0"}, "iterations: '1.5e0' is not allowed; allowed: a valid integer"),
    ],
)
def test_a_wrong_run_is_refused_in_one_line(change, words):
    with pytest.raises(LgnError) as refused:
        parse_run(RUN | change, "here")
    message = str(refused.value)
    assert message.startswith(f"here: {words}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"typo": 1}, "config: typo: unknown key; allowed: preset, base, seeds"),
        ({"seeds": []}, "config: seeds: [] is not allowed"),
        ({"preset": "../up"}, "config: preset: '../up' is not allowed"),
        ({"sweeps": [{"varry": {}}]}, "config: sweeps.0.varry: unknown key; allowed: set, vary, seeds"),
        (
            {"sweeps": [{"vary": {"method": ["magic"]}}]},
            "config: sweeps[0]: method: 'magic' is unknown; allowed: dlgn",
        ),
        ({"sweeps": [{"vary": {"seed": [1]}}]}, "config: sweeps[0]: seed: is not set by hand"),
        ({"execution": {"threads": 0}}, "config: execution.threads: 0 is not allowed"),
        (
            {"execution": {"device": "tpu"}},
            "config: execution.device: 'tpu' is not allowed; allowed: match pattern '^(auto|cpu|cuda",
        ),
        (
            {"preset": "a b"},
            "config: preset: 'a b' is not allowed; allowed: match pattern '^[A-Za-z0-9]",
        ),
        (
            {"seeds": ["0-99"]},
            "config: seeds: '0-99' is a range; allowed: numbers, 0,1,...,99",
        ),
    ],
)
def test_a_wrong_preset_is_refused_in_one_line(change, words):
    with pytest.raises(LgnError) as refused:
        parse_preset(preset(**change))
    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("base", "sweep", "words"),
    [
        (
            {},
            {"set": {"method": "glgn", "noise": "none"}},
            "noise: 'none' beside method glgn, which stands for gumbel",
        ),
        ({"noise": "none"}, {"vary": {"method": ["hard_st", "glgn"]}}, "noise: 'none' beside method glgn"),
        (
            {},
            {"set": {"method": "dlgn"}, "vary": {"straight_through": [False, True]}},
            "straight_through: True beside method dlgn, which stands for false; allowed: one of the two",
        ),
        (
            {},
            {"set": {"depth": 3, "method": "dlgn"}, "vary": {"depth": [4]}},
            "depth: stands in set and vary",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(base, sweep, words):
    config = preset(sweeps=[sweep])
    config["base"] |= base
    with pytest.raises(LgnError, match=rf"config: sweeps\[0\]: {words}"):
        parse_preset(config)


def test_what_a_method_stands_for_may_be_stated_beside_it():
    sweep = {"set": {"method": "glgn", "noise": "gumbel", "straight_through": "true"}}
    assert {run.method for run in expand(parse_preset(preset(sweeps=[sweep])))} == {"glgn"}


def test_the_command_line_takes_a_method_and_refuses_what_contradicts_it():
    given = {key: value for key, value in RUN.items() if key not in ("noise", "straight_through")}
    assert parse_runs(given | {"method": "glgn"}, "x")["x"] == parse_run(RUN)
    assert parse_runs(given | {"method": "glgn", "noise": "gumbel"}, "x")["x"].method == "glgn"
    with pytest.raises(
        LgnError, match="lgn train: noise: 'none' beside method glgn, which stands for gumbel"
    ):
        parse_runs(given | {"method": "glgn", "noise": "none"}, "x")
    with pytest.raises(LgnError, match="lgn train: method: 'magic' is unknown; allowed: dlgn, glgn"):
        parse_runs(given | {"method": "magic"}, "x")


def test_every_shipped_preset_is_valid():
    names = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
    assert names == [
        "cifar10", "cifar10_map", "cifar_descent", "cifar_small", "contradictions", "controls", "default",
        "depth_width", "descent", "digits", "epsilon", "epsilon_cifar", "epsilon_controls", "epsilon_depth",
        "gpu", "leaderboard", "leaderboard_trials", "map", "methods", "mnist_like", "noise_alone", "paper",
        "paper_cpu", "published", "rates", "ratio", "smoke", "verify",
    ]  # fmt: skip
    for name in names:
        loaded = read_preset(ROOT / "config" / f"{name}.yaml")
        assert loaded.preset == name
        assert len(Design(loaded).labels) == len(Design(loaded).table) > 1
        assert f"`{name}.yaml`" in (ROOT / "config/README.md").read_text(encoding="utf-8")


def test_a_job_asks_for_the_memory_of_its_backend():
    deep = {"base": {**preset()["base"], "depth": 12, "width": 256_000}}
    numba, torch = (
        design.memory_mb(next(iter(design.runs)))
        for design in (
            Design(parse_preset(preset(**deep, execution={"backend": backend})))
            for backend in ("auto", "torch")
        )
    )
    assert torch > 2 * numba


def test_no_key_is_dead():
    """Every key of a run has a value other than its default in some shipped preset."""
    used = set()
    for path in (ROOT / "config").glob("*.yaml"):
        for run in expand(read_preset(path)):
            used |= {key for key, field in Run.model_fields.items() if getattr(run, key) != field.default}
    # No data of anybody's own are shipped.
    assert used == set(Run.model_fields) - {"file_sha256"}


def test_paper_cpu_evaluates_for_less_than_a_tenth_of_training():
    """Images classified, discrete and soft, against those of training's passes: forward, and backward as two."""
    for run in expand(read_preset(ROOT / "config/paper_cpu.yaml")):
        rows = run.evaluations * (run.train_evaluation_images + run.test_evaluation_images)
        evaluated = 2 * (rows + 10_000)  # The last row takes all test images.
        assert evaluated < 0.1 * 3 * run.batch_size * run.iterations


def test_config_readme_and_schema_are_those_of_the_model():
    assert (ROOT / "config/README.md").read_text() == config_reference(), (
        "run: python -m lgn keys > config/README.md"
    )
    assert (ROOT / "workflow/schemas/config.schema.json").read_text() == config_schema()


def test_every_key_named_beside_an_official_one_is_ours():
    fields = {*Run.model_fields, *Preset.model_fields, *Execution.model_fields, "method", "execution"}
    named = {key for _, here, _ in OFFICIAL_KEYS for key in re.findall("[`{]([a-z_]+)(?=[:`])", here)}
    assert named <= fields and {"depth", "snapshots", "wiring", "method"} <= named


def test_design_arguments_reproduce_the_run():
    design = Design(parse_preset(preset()))
    for run_hash, run in design.runs.items():
        assert parse_run(parse_settings(design.arguments(run_hash))) == run


def test_command_line_refuses_in_one_line_with_status_2(tmp_path, capsys):
    settings = [f"{key}={str(value).lower()}" for key, value in (RUN | {"width": 7}).items()]
    assert main(["train", *settings, "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(
        "lgn: lgn train: width: 7 does not divide into the 10 classes of digits"
    )
    assert not (tmp_path / "out").exists()
    assert main(["train", "depth", "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "lgn: 'depth': is not a setting; allowed: key=value\n"


def test_an_empty_list_to_vary_is_refused():
    with pytest.raises(LgnError, match=r"sweeps\[0\]: vary: depth: \[\]; allowed: at least one value"):
        parse_preset(preset(sweeps=[{"vary": {"depth": []}}]))


def test_the_summary_says_what_a_preset_will_do():
    text = summary(Design(read_preset(ROOT / "config/smoke.yaml")), 2)
    assert text.startswith("smoke: 12 runs of DLGN, GLGN, Gumbel soft, Hard-ST on digits 6 x 200, up to ")
    assert text.endswith(" minutes of training on 2 cores; records in results/smoke")
