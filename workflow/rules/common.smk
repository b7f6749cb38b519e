from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

from analysis.figures import available_figures, figure_sources, sources
from analysis.tidy import TABLES
from lgn.config import parse_preset
from lgn.design import Design, write_design
from lgn.environment import prepare_shell
from lgn.errors import LgnError
from lgn.versions import TRAINING_SEMANTICS

try:
    design = Design(parse_preset(config))
except LgnError as error:
    raise WorkflowError(str(error)) from None

preset = design.preset
prepare_shell(preset.data_dir)
paramspace = Paramspace(design.labels, filename_params="*", param_sep="~")

RESULTS = f"{preset.results_dir}/{preset.preset}"
FIGURES = f"{preset.figures_dir}/{preset.preset}"
RUN = f"{RESULTS}/runs/{paramspace.wildcard_pattern}"
RECORD_FILES = ["run.json", "history.csv", "gates.npz", "weights.safetensors"]
TABLE_FILES = {table: f"{RESULTS}/{table}.csv" for table in TABLES}
FIGURE_NAMES = available_figures(design.table)


wildcard_constraints:
    dataset="|".join(design.datasets),
    hash="[0-9a-f]{10}",
