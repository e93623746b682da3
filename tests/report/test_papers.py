"""The page of the paper index: every paper and claim, links to arXiv only, search and filters without a network."""

from __future__ import annotations

import re
from html import unescape

import pytest

from neff.claims import paper_index
from neff.report import render

index = paper_index()


@pytest.fixture(scope="module")
def page():
    return render(index, "html")


def test_every_paper_is_on_the_page(page):
    text = unescape(re.sub(r"<wbr>", "", page))
    for paper in index:
        assert paper.title in text
        assert paper.summary in text
        assert f'href="{paper.url}"' in text
        for name in paper.functions[:2]:
            assert name in text
    for measured in index.measured:
        assert measured.result.terms.says in text


def test_it_links_to_arxiv_and_loads_nothing(page):
    assert {link.split("/")[2] for link in re.findall(r'href="(https?://[^"]*)"', page)} == {"arxiv.org"}
    assert not re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=", page)


def test_columns_to_filter_by_are_marked_and_cells_named(page):
    heads = re.findall(r"<th scope=\"col\"[^>]*data-filter>([^<]*)<", page)
    assert heads == ["Room", "In neff", "Verdict", "Verdict"]
    assert page.count('data-label="Room"') == len(index)


def test_other_formats(page):
    del page
    markdown = render(paper_index(room="train"), "markdown")
    assert "ReMax" in markdown
    assert "<a " not in markdown
    empty = render(paper_index(find="no paper says this"))
    assert empty.startswith("No paper fits")


@pytest.mark.browser
def test_search_and_filters_in_a_browser(open_index):
    rows = "table.catalog >> nth=0 >> tbody tr"
    assert open_index.locator(rows).count() == 44
    open_index.get_by_label("Room").select_option("train")
    assert open_index.locator(rows).count() == sum(paper.room == "train" for paper in index)
    open_index.get_by_label("Verdict").first.select_option("not yet")
    wanted = sum(paper.room == "train" and paper.verdict == "not yet" for paper in index)
    assert open_index.locator(rows).count() == wanted
    open_index.get_by_label("Room").select_option("")
    open_index.get_by_label("Verdict").first.select_option("")
    open_index.get_by_label("Find").first.fill("remax")
    assert open_index.locator(rows).count() == sum("remax" in str(p.to_dict()).lower() for p in index)


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1400])
def test_it_fits_the_screen(open_index, width):
    open_index.set_viewport_size({"width": width, "height": 900})
    assert open_index.evaluate("document.documentElement.scrollWidth") <= width
    inside = "[...document.querySelectorAll('.scroll')].every((s) => s.scrollWidth <= s.clientWidth + 1)"
    assert open_index.evaluate(inside) or width == 1400  # a wide table may scroll, a narrow one is a list


@pytest.fixture
def open_index(page, tmp_path):
    import os
    import shutil

    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("NEFF_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium: install it or set NEFF_CHROMIUM")
    file = tmp_path / "papers.html"
    file.write_text(page, encoding="utf-8")
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    trouble = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        opened = browser.new_page()
        opened.on("pageerror", lambda error: trouble.append(str(error)))
        opened.on("request", lambda request: trouble.append(request.url) if request.url != file.as_uri() else None)
        opened.goto(file.as_uri())
        yield opened
        browser.close()
    assert not trouble
