"""Generates config/README.md and the JSON schema from the typed model, so that they stay up to date."""

import json

from pydantic import BaseModel

from lgn.methods import METHODS, method_label, parametrizations
from lgn.methods._names import shorthands
from lgn.run import Execution, Run
from study.official_keys import official_keys_table
from study.preset import Preset, Sweep

_HEAD = """# Configuration

Made from the typed model by `python -m lgn keys > config/README.md`; a test keeps the two in step.

A preset is one YAML file. `snakemake --configfile config/smoke.yaml` runs it; without a file it is
`config/default.yaml`. Any key can be overridden for one call: `--config results_dir=/scratch/results`.
Targets come first, since `--configfile` takes several files: `snakemake figures --configfile config/smoke.yaml`.

In folders and paths, `~` and environment variables such as `$SCRATCH` stand for what they do in a shell.

`make reproduce PRESET="digits map rates"` makes several, one after the other.

| preset | what it is |
|---|---|
| `smoke.yaml` | digits, tiny nets, 2 seeds, all four methods: does the installation work? |
| `verify.yaml` | digits, tiny nets, one seed: the records that `lgn verify` compares a machine with |
| `default.yaml` | digits, the claims at three epsilons: the paper's case in miniature, torch's default, a small one |
| `epsilon.yaml` | digits, the claims from the paper's ratio of gradient to epsilon down, at its learning rate |
| `epsilon_depth.yaml` | digits, depth 6 to 48 at torch's epsilon and at 1e-30: does any depth need noise? |
| `epsilon_cifar.yaml` | CIFAR-10, depth 12: the claims at the paper's ratio, at torch's epsilon and at a small one |
| `epsilon_controls.yaml` | digits, loss scaled instead of epsilon, epsilon inside the root, no Adam, shuffled labels |
| `ratio.yaml` | digits, ten ways to move a DLGN's gradient or epsilon: is take-off one function of their ratio? |
| `paper_cpu.yaml` | the paper's own net on one CPU thread, its first 4,000 iterations, hours a run |
| `digits.yaml` | digits, the four methods at two depths, temperatures and noise types, at torch's epsilon |
| `cifar10.yaml` | CIFAR-10 at the size of a workstation |
| `map.yaml` | digits, width by depth by initialisation: where each claim begins to hold |
| `cifar10_map.yaml` | the same on CIFAR-10, small nets |
| `depth_width.yaml` | digits, accuracy and gap by depth and by width: the paper's Figs. 3 to 5 |
| `cifar_small.yaml` | CIFAR-10 and CIFAR-100, small nets: the paper's figures on its own data sets |
| `published.yaml` | CIFAR-10, the net of difflogic's published 51.27%, an hour a seed |
| `mnist_like.yaml` | data sets of MNIST's shape, five seeds |
| `controls.yaml` | digits, nets told no truth, cooled, started larger, without Adam: what makes gates collapse |
| `rates.yaml` | digits, four learning rates: is GLGN's plateau that of the paper's 0.01? |
| `descent.yaml` | digits, plain descent at eight rates: where the claims hold |
| `cifar_descent.yaml` | CIFAR-10, plain descent at six rates |
| `contradictions.yaml` | digits, temperatures with and without straight-through: two published contradictions |
| `noise_alone.yaml` | digits, where DLGN has a gap: does noise without straight-through shrink it? |
| `methods.yaml` | digits, every method shipped, other optimizers, learned wiring: what do they give at one budget? |
| `gpu.yaml` | digits, the claims and temperatures with ten seeds, for a GPU |
| `paper.yaml` | the paper's own sizes, CIFAR-10 and CIFAR-100; for a GPU |

A sweep is the product of the lists in `vary`, on top of `set`, on top of `base`, for every seed; runs that two
sweeps share run once. `method`, in a sweep or as `lgn train method=glgn`, stands for noise, straight_through and,
but for the softmax, a parametrization ([docs/methods.md](../docs/methods.md)), which may not be stated otherwise beside
it, and for a temperature that holds where its sweep states none:

| method | label | stands for |
|---|---|---|
"""


def config_reference() -> str:
    """The text of config/README.md."""
    methods = "".join(
        f"| `{name}` | {method_label(name)} | {', '.join(f'{k}: {_shown(v)}' for k, v in keys.items())} |\n"
        for name, keys in (METHODS | shorthands()).items()
    )
    parts = [
        _HEAD + methods,
        _table("Keys of a preset", Preset),
        _table("Keys of a sweep", Sweep),
        _table("Keys of `execution`", Execution),
        _table(
            "Keys of a run (in `base`, in a sweep's `set` and `vary`, and as `lgn train key=value ...`)", Run
        ),
        *(
            _table(f"Keys of `options` with parametrization `{kind.name}`", kind.Options)
            for kind in parametrizations().values()
            if kind.Options.model_fields
        ),
        official_keys_table(),
    ]
    return "\n".join(parts)


def config_schema() -> str:
    """workflow/schemas/config.schema.json: the preset's JSON schema, for editors."""
    return json.dumps(Preset.model_json_schema(), indent=2) + "\n"


def _table(title: str, model: type[BaseModel]) -> str:
    properties = model.model_json_schema()["properties"]
    lines = [f"## {title}\n", "| key | allowed | default | meaning |", "|---|---|---|---|"]
    for key, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            default = "see below"
        else:
            default = "required" if field.is_required() else f"`{_shown(field.default)}`"
        lines.append(f"| `{key}` | {_allowed(properties[key])} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _allowed(schema: dict) -> str:
    """The allowed values of a JSON schema, in a few words."""
    if "anyOf" in schema:
        return " or ".join(_allowed(option) for option in schema["anyOf"])
    if "examples" in schema:
        return ", ".join(f"`{value}`" if " " not in value else value for value in schema["examples"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return "mapping"
    kind = {"object": "mapping", "array": "list", "boolean": "`true`, `false`"}.get(
        schema["type"], schema["type"]
    )
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[name]:.10g}" for name, sign in bounds.items() if name in schema]
    return f"{kind} {', '.join(limits)}".strip()


def _shown(value) -> str:
    """A value in YAML."""
    return json.dumps(value) if not isinstance(value, str) else value
