"""A page a preset with every figure beside its caption, which stands in workflow/report for Snakemake's report too."""

import re
from pathlib import Path

from analysis.figures import FIGURES
from lgn.errors import LgnError
from lgn.files import require_ours

CAPTIONS = Path(__file__).parent.parent / "workflow/report"
NAME = "gallery.md"


def gallery(folder: Path) -> Path:
    """Writes <folder>/gallery.md, of the figures (png) that are there; returns it. Raises LgnError where none is."""
    names = figures_in(folder)
    parts = [f"# Figures of preset {folder.name}\n"]
    parts += [f"## {name}\n\n![{name}]({name}.png)\n\n{caption(name, folder.name)}\n" for name in names]
    path = folder / NAME
    require_ours(path, "# Figures of preset ")
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def figures_in(folder: Path) -> list[str]:
    """Names of the figures (png) in a folder, in the order of FIGURES. Raises LgnError if there are none."""
    names = [name for name in FIGURES if (folder / f"{name}.png").exists()]
    if not names:
        raise LgnError(
            f"{folder}: holds no figure; allowed: a folder that `python -m analysis figures` has filled"
        )
    return names


def galleries(folder: Path) -> list[Path]:
    """One for each folder below that has a figure, or of the folder itself."""
    below = sorted({path.parent for path in folder.glob("*/*.png")})
    return [gallery(one) for one in below or [folder]]


def caption(name: str, preset: str) -> str:
    """A figure's caption as markdown, on lines of its own."""
    text = (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
    text = re.sub(r"\{\{\s*snakemake\.config\[\"preset\"\]\s*\}\}", preset, text)
    return text.replace("``", "`").strip()
