from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

try:
    from analysis.figures import chosen_figures, drawn_probes, sources
    from analysis.grid import has_map
    from analysis.probes import collect_probe
    from analysis.tidy import TABLES
    from lgn import TRAINING_SEMANTICS
    from lgn.errors import LgnError
    from probes import PROBE_SEMANTICS
    from study.plan import Design, gpu_request, prepare_shell, summary, write_design
    from study.preset import check_config_files, parse_preset
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{error}: lgn-bench is not installed for the Python that runs Snakemake; allowed: `pip install` with the folder or "
        "address of its repository, or its own `make` commands"
    ) from None

try:
    check_config_files(workflow.configfiles)
    design = Design(parse_preset(config))
    FIGURE_NAMES = chosen_figures(design.preset.figures, design.table, design.probes)
except LgnError as error:
    raise WorkflowError(str(error)) from None

preset = design.preset
prepare_shell(preset.data_dir)
paramspace = Paramspace(design.labels, filename_params="*", param_sep="~")

RESULTS = f"{preset.results_dir}/{preset.preset}"
FIGURES = f"{preset.figures_dir}/{preset.preset}"
RUN = f"{RESULTS}/runs/{paramspace.wildcard_pattern}"
RECORD_FILES = ["run.json", "history.csv", "gates.npz", "weights.safetensors"]
RECORD_FILES += ["snapshots.safetensors"] if preset.execution.snapshots else []
TABLE_FILES = {table: f"{RESULTS}/{table}.csv" for table in TABLES}
PROBE_TABLES = [f"{RESULTS}/probe_{probe}.csv" for probe in design.probes]


wildcard_constraints:
    dataset="|".join(design.datasets),
    hash="[0-9a-f]{10}",
    probe="|".join(design.probes) or "none",


def probed_records(wildcards):
    """Folders of the measured record and, for `line`, of the record at its other end."""
    other = design.probes[wildcards.probe][wildcards.run_id]
    return [f"{RESULTS}/runs/{run_id}" for run_id in (wildcards.run_id, other) if run_id]


def circuit_proofs(wildcards):
    """Files of the runs with the probe `use`. Raises WorkflowError if there are none."""
    if "use" not in design.probes:
        raise WorkflowError(f"probes: use is in no sweep of preset {preset.preset}; allowed: one that has it")
    return expand(f"{RESULTS}/circuits/{{run_id}}.csv", run_id=design.probes["use"])
