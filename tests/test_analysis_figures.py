"""Every figure from a small made-up study: which are available, what they show, and that their bytes repeat."""

import functools
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from analysis_records import write_probes, write_run, write_study
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from pypdf import PdfReader

from analysis import style
from analysis.cli import main
from analysis.collect import collect
from analysis.conditions import settings
from analysis.figures import FIGURES, available_figures, chosen_figures, draw, panels
from analysis.tidy import Tables, read_tables
from lgn.errors import LgnError
from lgn.methods import METHODS, parametrizations
from study.plan import Design
from study.preset import Preset, parse_preset

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "runs")
    # Two depths by two widths: a map. All methods, or panels of those missing would have no axes.
    cells = [(4, 20, 2), (4, 30, 2), (5, 20, 2), (5, 30, 2), (6, 20, 3), (6, 30, 3)]
    for method, (depth, width, scale), seed in itertools.product(METHODS, cells, (0, 1, 2)):
        write_run(folder / "runs", method, seed, depth=depth, width=width, init_scale=scale)
    # A second recipe of one method.
    for seed in (0, 1, 2):
        write_run(
            folder / "runs", "glgn", seed, depth=2, training_labels="shuffled", shape=(1e12, 0.9, 0, 0.5)
        )
    collect(folder / "runs", folder)
    write_probes(folder)
    return folder


@pytest.fixture(scope="module")
def tables(study) -> Tables:
    return read_tables(study)


ELSEWHERE = ("gradient_by_layer", "takeoff_over_ratio", "use_tuned_and_default")
"""The first two need several epsilons, and records with gradients: tests/test_analysis_gradient.py draws them. The last
needs a leaderboard's settings: tests/test_analysis_probes.py.
"""
STUDY_FIGURES = [name for name in FIGURES if name not in ELSEWHERE]


SAVED = STUDY_FIGURES[::4]
"""Those whose files are looked at: all are written by one function, and writing one takes seconds."""


@functools.cache
def drawn(name, tables):
    with style.styled():
        return draw(name, tables)


@pytest.fixture(scope="module")
def files(tables, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    with style.styled():
        for name in SAVED:
            style.save(drawn(name, tables), name, folder)
    return folder


def test_the_study_has_every_figure(tables):
    assert available_figures(tables.runs, tables.probes) == STUDY_FIGURES


def available(*sweeps) -> set[str]:
    """The figures of a preset of these sweeps, by its design."""
    base = {"dataset": "digits", "thresholds": 4, "depth": 2, "width": 20, "group_temperature": 5}
    base |= {"iterations": 100, "temperature": 0.25}
    return set(available_figures(Design(Preset(preset="p", base=base, seeds=[0], sweeps=list(sweeps))).table))


def test_figures_are_known_from_the_design_alone():
    only_dlgn = available({"set": {"method": "dlgn"}})
    assert only_dlgn == {"learning_curves", "unused_gates", "gates_by_layer"}
    two = available({"vary": {"method": ["dlgn", "glgn"]}})
    assert two == only_dlgn
    swept = available({"set": {"method": "glgn"}, "vary": {"temperature": [0.1, 1]}})
    assert swept - only_dlgn == {"sweep"}


def test_a_figure_without_its_runs_or_of_no_name_is_refused(tmp_path, capsys):
    write_run(tmp_path / "runs", "dlgn", 0)
    collect(tmp_path / "runs", tmp_path)
    with pytest.raises(LgnError, match="sweep: not in this preset"):
        draw("sweep", read_tables(tmp_path))
    assert main(["figure", "nonsense", "--results", str(tmp_path), "--output", str(tmp_path / "f")]) == 2
    assert capsys.readouterr().err.startswith("analysis: nonsense: is no figure; allowed: learning_curves,")


@pytest.mark.parametrize("name", SAVED)
def test_fonts_are_embedded_and_nothing_dates_the_file(files, name):
    reader = PdfReader(files / f"{name}.pdf")
    assert reader.metadata.get("/CreationDate") is None and reader.metadata.get("/Producer") is None
    fonts = reader.pages[0]["/Resources"]["/Font"]
    assert fonts
    for font in fonts.values():
        descendant = font.get_object()["/DescendantFonts"][0].get_object()
        assert descendant["/Subtype"] == "/CIDFontType2"  # TrueType, not Type 3
        assert descendant["/FontDescriptor"].get_object()["/FontFile2"]
    png = (files / f"{name}.png").read_bytes()
    assert png.startswith(b"\x89PNG") and b"Software" not in png and b"tIME" not in png


@pytest.mark.long
def test_equal_records_give_equal_bytes_in_another_process(study, files, tmp_path):
    # Another hash seed, another working directory: neither may show.
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "123",
        "MPLCONFIGDIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "analysis", "figures", "--results", str(study), "--output", "again"]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    again = digests(tmp_path / "again")
    assert len(again) == 2 * len(STUDY_FIGURES) and digests(files).items() <= again.items()


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("name", STUDY_FIGURES)
def test_seeds_and_axes_are_named(tables, name):
    figure = drawn(name, tables)
    texts = [
        text.get_text() for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)
    ]
    assert any("3 seeds" in text for text in texts)
    for axes in figure.axes:
        assert axes.get_xlabel()
    assert any(axes.get_ylabel() for axes in figure.axes)


def test_no_text_is_smaller_than_seven_points(tables):
    for name in STUDY_FIGURES:
        figure = drawn(name, tables)
        figure.draw_without_rendering()
        sizes = [
            text.get_fontsize() for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
        ]
        assert min(sizes) >= 7


def test_methods_have_looks_of_their_own():
    named = [name for kind in parametrizations().values() for name in kind.named]
    looks = [style.method_style(method) for method in (*METHODS, "gaussian_st", "uniform_soft", *named)]
    assert len({(look.color, look.marker) for look in looks}) == len(looks) > 14
    assert len({look.label for look in looks}) == len(looks)
    assert style.method_style("gaussian_st").color == style.method_style("gaussian_soft").color
    assert "*" not in {look.marker for look in looks}


def test_accuracy_curves_are_the_means_of_the_records(tables):
    figure = drawn("learning_curves", tables)
    panel = next(axes for axes in figure.axes if axes.get_title().startswith("digits, depth 3, width 20\n"))
    solid = next(line for line in panel.lines if line.get_linestyle() == "-")
    history = tables.history.query("method == 'dlgn' and depth == 3")
    last = history[history["iteration"] == 10_000]["test_accuracy_discrete"]
    assert len(last) == 3
    assert solid.get_xdata()[-1] == 10_000
    assert solid.get_ydata()[-1] == pytest.approx(last.mean())


def test_share_above_the_threshold_used_is_the_unused_share(tables):
    """The curve is drawn from histograms: right to the share of neurons in the threshold's own bin."""
    figure = drawn("unused_gates", tables)
    line = figure.axes[2].lines[0]
    depth = int(figure.axes[0].get_title().split("depth ")[1].split(",")[0])
    dlgn = settings(tables.runs)
    dlgn = next(one for one in dlgn if one.depth == depth).conditions["dlgn"]
    threshold, share = dlgn["unused_threshold"].mean(), dlgn["final_unused_share"].mean()
    edges, shares = line.get_xdata(), line.get_ydata()
    near = (edges > threshold - 0.15) & (edges < threshold + 0.15)
    assert shares[near].min() <= share <= shares[near].max()
    assert (shares[0], shares[-1]) == (1, 0)


def test_every_figure_has_a_caption_that_says_what_it_is_made_from():
    for name in STUDY_FIGURES:
        caption = (ROOT / "workflow" / "report" / f"{name}.rst").read_text()
        assert "seeds" in caption and ".csv" in caption


@pytest.mark.parametrize("columns", [1, 3])
def test_a_legend_is_never_wider_than_its_figure(columns):
    figure, _ = panels.grid(1, columns)
    panels.legend(figure, [Line2D([], [], label=f"{number} {'long ' * 5}") for number in range(6)])
    (drawn,) = figure.legends
    width = drawn.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width
    assert 0 < width <= figure.bbox.width
    assert [text.get_text()[0] for text in drawn.get_texts()] == list("012345")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (["gates_by_layer", "violin"], "config: figures: violin: is no figure; allowed: "),
        (
            ["hessian_trace"],
            "config: figures: hessian_trace: these runs cannot give it; allowed: with the probe",
        ),
    ],
)
def test_a_preset_states_figures_that_its_runs_can_give(stated, message):
    config = yaml.safe_load((ROOT / "config/methods.yaml").read_text())
    design = Design(parse_preset(config | {"figures": stated}))
    with pytest.raises(LgnError, match=message):
        chosen_figures(design.preset.figures, design.table, design.probes)
    assert chosen_figures(stated[:1], design.table, ["hessian"]) == stated[:1]
    assert chosen_figures(None, design.table) == available_figures(design.table)
