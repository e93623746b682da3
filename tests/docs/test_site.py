"""The site builds without a warning and loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if find_spec("zensical") is None or find_spec("mkdocstrings") is None:
        pytest.skip("the docs group is not installed: pip install --group docs")
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "src").symlink_to(ROOT / "src", target_is_directory=True)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_every_page_is_built(site):
    built = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")} <= built


def test_no_page_loads_anything_from_elsewhere(site):
    loads = re.compile(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?(?:https?:)?//|<link\b[^>]*\brel=\"?stylesheet[^>]*//")
    assert not [page.name for page in site.rglob("*.html") if loads.search(page.read_text(encoding="utf-8"))]


def test_the_reference_shows_signatures_and_parameters(site):
    page = (site / "reference/stats/intervals.html").read_text(encoding="utf-8")
    assert "neff.stats.wilson" in page
    assert "Number of successes, a whole number from 0 to n." in page


def test_scripts_stay_out_of_the_site(site):
    assert not list(site.rglob("*.py"))
