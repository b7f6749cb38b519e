"""What MkDocs builds the site from: the repository's own pages, at their own places, so that their links hold.

MkDocs takes pages from one folder, and ours link across folders. These hooks give it the files of all of them. A folder
without a page gets one that lists it.
"""

import posixpath
import re
import subprocess
from pathlib import Path, PurePosixPath

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
SHOWN = (
    "*.md",
    "docs",
    "config",
    "results",
    "paper_figures",
    "CITATION.cff",
    "LICENSE",
    ":!.github",
    ":!*.py",
)
"""Patterns of `git ls-files`."""

_LINK = re.compile(r"(\]\()([^)\s#:]+)(?=[)#])")


def on_files(files: Files, config) -> Files:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SHOWN]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in found.split("\0") if (ROOT / name).is_file()]
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    ours = [File.generated(config, name, abs_src_path=str(ROOT / name)) for name in names]
    lists = [
        File.generated(config, f"{folder}/index.md", content=_list(folder, names)) for folder in _bare(names)
    ]
    return Files([*of_theme, *ours, *lists])


def on_page_markdown(markdown: str, page, **_) -> str:
    """A link to a folder goes to its page. What the navigation leaves out is left out of the search too."""
    if page.parent is None and not page.is_homepage:
        page.meta["search"] = {"exclude": True}
    here = posixpath.dirname(page.file.src_uri)

    def to_page(link: re.Match) -> str:
        folder = ROOT / here / link[2]
        if not folder.is_dir():
            return link[0]
        name = "README.md" if (folder / "README.md").is_file() else "index.md"
        return f"{link[1]}{posixpath.join(link[2], name)}"

    return _LINK.sub(to_page, markdown)


def _bare(names: list[str]) -> list[str]:
    """Folders without a README.md."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents} - {"."}
    return sorted(folder for folder in folders if f"{folder}/README.md" not in names)


def _list(folder: str, names: list[str]) -> str:
    inside = [PurePosixPath(name).relative_to(folder) for name in names if name.startswith(f"{folder}/")]
    files = sorted(str(path) for path in inside if len(path.parts) == 1)
    folders = sorted({path.parts[0] for path in inside if len(path.parts) > 1})
    links = [f"- [{name}/]({name}/)" for name in folders] + [f"- [{name}]({name})" for name in files]
    return "\n".join([f"# {folder}", "", *links, ""])
