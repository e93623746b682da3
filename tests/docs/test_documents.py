"""Every example of README and docs is run, and shows what comes out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import neff.stats  # noqa: F401  (its methods are registered before the registry is copied)
from neff import registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


run_pages = load(DOCS / "run_pages.py")
make_data = load(DOCS / "data/make_data.py")
PAGES = run_pages.pages()
LANGUAGES = {"python", "console", "sh", "yaml", "toml"}  # the last three show what cannot be run here, and no output


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """A page may register a method; no other test must see it."""
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_show_what_comes_out(page):
    differences = run_pages.run(page)
    hint = "If the new output is right: python docs/run_pages.py --write"
    assert not differences, "\n".join([*map(str, differences), hint])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_names_a_language_that_is_run_or_shows_no_output(page):
    found = {fence["language"] for fence in run_pages.FENCE.finditer(page.read_text(encoding="utf-8"))}
    assert found <= LANGUAGES


def test_the_front_pages_have_examples_in_both_languages():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"python", "console"} <= {fence["language"] for fence in run_pages.FENCE.finditer(text)}


PAGE = """\
Before.

```python
>>> 1 + 1
{two}
>>> for i in range(2):
...     print(i)
0
1
```

```console
$ head -n 2 results.csv
item,model,score
{row}
$ neff evaluate nowhere.csv
neff: nowhere.csv: there is no such file or folder. {fix}
$ echo $?
3
```

After.
"""
RIGHT = {"two": "2", "row": "q001,base,0", "fix": "..."}


def test_a_page_with_the_right_outputs_has_no_difference(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(**RIGHT), encoding="utf-8")
    assert run_pages.run(page) == []


@pytest.mark.parametrize(("part", "wrong"), [("two", "3"), ("row", "q001,base,1"), ("fix", "Look again.")])
def test_a_wrong_output_is_found_and_can_be_rewritten(tmp_path, part, wrong):
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(**(RIGHT | {part: wrong})), encoding="utf-8")
    assert len(run_pages.run(page)) == 1
    run_pages.run(page, write=True)
    assert run_pages.run(page) == []
    if part != "fix":
        assert page.read_text(encoding="utf-8") == PAGE.format(**RIGHT)


def test_a_block_without_a_prompt_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match="a python block starts with '>>> '"):
        run_pages.run(page)


def test_running_a_page_leaves_the_folder_and_the_environment_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "77")
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ neff evaluate results.csv --quiet -o result.json > table.txt\n```\n", encoding="utf-8"
    )
    run_pages.run(page)
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
    assert Path.cwd() == tmp_path
    assert run_pages.os.environ["COLUMNS"] == "77"


def test_the_data_are_what_their_script_writes(tmp_path):
    make_data.main(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (DOCS / "data").glob("*.csv")}
    assert sum(map(len, made.values())) < 60_000
