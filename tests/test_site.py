"""The pages as a site: the navigation names each, and no link of theirs leads nowhere, here or there."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
PAGES = [name for name in listed.stdout.split() if (ROOT / name).is_file()]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def leaves(nav):
    if isinstance(nav, str):
        return [nav]
    return [leaf for part in (nav.values() if isinstance(nav, dict) else nav) for leaf in leaves(part)]


def test_the_navigation_names_every_page_once():
    named = leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(named) == sorted(set(named))
    assert set(named) <= set(PAGES)
    assert {page for page in PAGES if page.startswith("docs/")} <= set(named)


def anchors(text, collapse):
    """Names of a page's headings: GitHub makes a hyphen of every space, the site one of several."""
    heads = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", re.sub(r"\]\([^)]*\)", "", head)).strip().lower() for head in heads]
    return {re.sub(r"[-\s]+" if collapse else " ", "-", head) for head in plain}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in LINK.findall((ROOT / page).read_text()):
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            for collapse in (False, True):
                assert anchor in anchors(Path(target).read_text(), collapse), link
