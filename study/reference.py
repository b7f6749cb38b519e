"""Generates config/README.md and the JSON schema from the typed model, so that they stay up to date."""

import json

from pydantic import BaseModel

from lgn.methods import METHODS, method_label, parametrizations
from lgn.methods._names import shorthands
from lgn.run import Execution, Run
from study.compared import Pair
from study.official_keys import official_keys_table
from study.preset import Preset, Sweep

_HEAD = """# Configuration

Made from the typed model by `python -m lgn keys > config/README.md`; a test keeps the two in step.

A preset is one YAML file. `snakemake --configfile config/smoke.yaml` runs it; without a file it is
`config/default.yaml`. Any key can be overridden for one call: `--config results_dir=/scratch/results`.
Targets come first, since `--configfile` takes several files: `snakemake figures --configfile config/smoke.yaml`.

In folders and paths, `~` and environment variables such as `$SCRATCH` stand for what they do in a shell.

`make reproduce PRESET="digits map rates"` makes several, one after the other. Times are of two cores of a desk machine.

| question | preset | runs | takes |
|---|---|---|---|
| Does the installation work? | `smoke.yaml` | 12, digits 6 x 200 | a minute or two |
| Do the paper's claims hold, at which epsilon? | `default.yaml` | 90, digits 12 x 500, 7 seeds | 45 minutes |
| Which method is best? | `leaderboard_trials.yaml`, `leaderboard.yaml` | 695, `make leaderboard` | 4.5 core-hours |
| Does any depth need noise? | `epsilon_depth.yaml` | 144, digits, depth 6 to 48 | not yet run in full |
| What does a DLGN's gradient or epsilon decide? | `ratio.yaml` | 93, digits, ten ways to move them | 20 minutes |
| The paper's own net? | `paper_cpu.yaml`, its first 4,000 iterations; `paper.yaml` on a GPU | 5; 101 | hours a run |

And the others:

| question | preset | runs | takes |
|---|---|---|---|
| The claims at the paper's learning rate too? | `epsilon.yaml` | 124 | 16 core-hours, not yet run in full |
| The same on CIFAR-10? | `epsilon_cifar.yaml` | 57, 12 x 6,000 | not yet run |
| Is it epsilon? | `epsilon_controls.yaml` | 57, digits: loss scaled, SGD, shuffled labels | 30 minutes |
| Other optimizers, learned wiring? | `methods.yaml` | 60, digits 6 x 500, every method | not yet run in full |
| Temperatures and noise types at torch's epsilon? | `digits.yaml` | 60, depth 6 and 12, probes | 45 minutes |
| At which width and depth does a claim begin? | `map.yaml` | 324, digits | 35 minutes |
| The same on CIFAR-10? | `cifar10_map.yaml` | 72, small nets | 20 minutes |
| The paper's Figs. 3 to 5? | `depth_width.yaml` | 63, digits, 400,000 iterations | 50 minutes |
| The paper's figures on its own data? | `cifar_small.yaml` | 96, CIFAR-10 and CIFAR-100, probes | 2 hours |
| difflogic's published 51.27%? | `published.yaml` | 4, CIFAR-10 4 x 12,000 | an hour a run |
| Data of MNIST's shape? | `mnist_like.yaml` | 20, Fashion-MNIST | 10 minutes |
| What makes gates collapse? | `controls.yaml` | 57, digits: random labels, cooling, SGD | 15 minutes |
| Is GLGN's plateau the learning rate's? | `rates.yaml` | 72, digits, four rates | 20 minutes |
| Do the claims hold under SGD? | `descent.yaml`, `cifar_descent.yaml` | 72 digits, 54 CIFAR-10 | 30 and 10 minutes |
| Two published contradictions? | `contradictions.yaml` | 54, digits | 10 minutes |
| Does noise alone shrink the gap? | `noise_alone.yaml` | 84, digits | not yet run |
| A workstation's CIFAR-10? | `cifar10.yaml` | 51, width 8,000 | 18 core-hours, not yet run |
| Ten seeds on a GPU? | `gpu.yaml` | 110, digits, depth 12 | not yet run |
| Does this machine give the kept bytes? `lgn verify` | `verify.yaml` | 4 | seconds |

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
        _table("Keys of a pair in `compare`", Pair),
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
