"""What the pages mention exists: names, options, links, pages; and one spelling."""

from __future__ import annotations

import importlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAME = re.compile(r"(?<![\w/.-])neff(?:\.\w+)+(?![\w/])")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
OTHERS = {"--write", "--measure", "--log", "--limit", "--save-details"}
"""Options of other programs that pages mention."""
BRITISH = re.compile(
    r"\b(?:(?:colour|behaviour|favour|honour|licence|modell|centre|catalogue|labell|unlabell)\w*|grey|analys(?:e|ed|ing)"
    r"|(?:optim|normal|recogn|summar|general|linear|minim|maxim|real|organ)is(?:e|es|ed|ing|ation)\b)",
    re.IGNORECASE,
)


def name_of(page):
    return str(page.relative_to(ROOT))


def resolve(dotted):
    """Return what a dotted name stands for; a public name wins over a module of the same name."""
    head, *rest = dotted.split(".")
    found = importlib.import_module(head)
    path = head
    for part in rest:
        path = f"{path}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(path)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_name_of_neff_that_is_mentioned_exists(page):
    missing = []
    text = re.sub('classname="[^"]*"', "", page.read_text(encoding="utf-8"))  # of JUnit
    text = text.replace("neff.readers", "")  # a group of entry points, no name of Python
    for dotted in sorted(set(NAME.findall(text))):
        try:
            resolve(dotted)
        except (ImportError, AttributeError):
            missing.append(dotted)
    assert not missing


def test_a_name_that_does_not_exist_is_found_out():
    with pytest.raises(ImportError):
        resolve("neff.stats.wilsons")
    assert NAME.findall("`neff.stats.wilson`, neff.evaluation/1, x.neff.y and neff.ess(w).") == [
        "neff.stats.wilson",
        "neff.ess",
    ]


@cache
def options():
    """Return every option of every verb."""
    from neff.cli.app import build
    from neff.cli.verbs import VERBS

    app = build()
    found = {"--help", "--version"}
    for verb in VERBS:
        command = app
        for word in verb.words:
            command = command[word]
        for argument in command.assemble_argument_collection():
            found |= {name for name in argument.names if name.startswith("--")}
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_that_is_mentioned_exists(page):
    text = page.read_text(encoding="utf-8")
    mentioned = set(OPTION.findall(text)) - OTHERS
    assert mentioned <= options()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_files_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not broken


def test_every_page_is_in_the_navigation_once():
    def pages(entries):
        for entry in entries:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else pages(value)

    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(pages(config["project"]["nav"])) == sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md"))


def test_every_verb_and_exit_code_is_explained():
    from neff.cli.verbs import EXIT_CODES, VERBS

    text = (DOCS / "guide/command-line.md").read_text(encoding="utf-8")
    assert all(f"| `neff {verb.name}` |" in text for verb in VERBS)
    assert all(f"| {code} |" in text for code, _ in EXIT_CODES)


def test_every_public_name_is_in_the_reference():
    public = {f"neff.stats.{name}" for name in importlib.import_module("neff.stats").__all__}
    for module in ("neff.testing", "neff.example", "neff.evaluate"):
        public |= {f"{module}.{name}" for name in importlib.import_module(module).__all__}
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").rglob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    assert public <= shown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_prose_is_in_american_spelling(page):
    prose = re.sub(r"`[^`]*`|^::: .*", "", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    if page.name == "papers.md":  # titles are quoted as they are
        return
    assert not BRITISH.findall(prose)


def test_british_spelling_is_found():
    assert len(BRITISH.findall("colour, behaviour, licence, optimised, unlabelled and centred")) == 6
    assert not BRITISH.findall("color, behavior, license, optimized, unlabeled; precise, analysis, promise")
