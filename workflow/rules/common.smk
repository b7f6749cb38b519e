from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

from analysis.figures import available_figures, figure_sources, needs_probe, sources
from analysis.probes import collect_probe
from analysis.tidy import TABLES
from lgn.config import parse_preset, read_studies
from lgn.design import Design, write_design
from lgn.environment import prepare_shell
from lgn.errors import LgnError
from lgn.versions import PROBE_SEMANTICS, TRAINING_SEMANTICS
from lgn.yaml_files import check_config_files

try:
    if not workflow.modifier.skip_configfile:  # A study has a file of its own, which read_studies reads.
        check_config_files(workflow.configfiles)
    design = Design(parse_preset(config))
    studies = read_studies(config)
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
# A preset trains before the studies that it brings along, which have none of their own.
OWN_PRIORITY = len(studies)
FIGURE_NAMES = available_figures(design.table, design.probes)


wildcard_constraints:
    dataset="|".join(design.datasets),
    hash="[0-9a-f]{10}",
    probe="|".join(design.probes) or "none",


def probed_records(wildcards):
    """Folders of the record that is measured and, for a line, of the one it is joined to."""
    other = design.probes[wildcards.probe][wildcards.run_id]
    return [f"{RESULTS}/runs/{run_id}" for run_id in (wildcards.run_id, other) if run_id]
