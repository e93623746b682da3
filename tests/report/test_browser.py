"""The page in a browser: it works by mouse and keyboard, in light and dark, loads nothing, and axe finds nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from neff import diagnose, evaluate, read
from neff.report import Gate, write
from neff.train import EssEstimate, Finding, StepReport, TrainingRun

sys.path.insert(0, str(Path(__file__).parent))
from hostile_folder import make as make_folder

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
GATES = (Gate("value(score) < 0.9", passed=False, detail="it is 0.6"), Gate("n(score) < 10", passed=True))


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("NEFF_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium: install it or set NEFF_CHROMIUM")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe():
    path = Path(os.environ.get("NEFF_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
    if not path.is_file():
        pytest.skip("no axe-core: run `npm install` at the root of the project, or set NEFF_AXE")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def open_page(browser, tmp_path):
    """`open_page(result, width, scheme)`: the page, which fails the test on any error or request."""
    contexts, trouble = [], []

    def opened(result, width=1280, scheme="light", **options):
        path = write(result, tmp_path / "report.html", gates=GATES)
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: trouble.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    opened.trouble = trouble
    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


def column(page, table, number):
    return page.locator(f"{table} tbody tr > :nth-child({number})").all_inner_texts()


SCORES = "section:nth-of-type(1) table"


def test_tables_sort_by_raw_values_undefined_last(open_page, make_undefined):
    page = open_page(make_undefined())
    head = page.locator(f"{SCORES} thead th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, SCORES, 1) == [f"model-0{k}" for k in (0, 1, 2, 3, 4)]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, SCORES, 1) == [f"model-0{k}" for k in (3, 1, 2, 0, 4)]
    other = page.locator(f"{SCORES} thead th").nth(0)
    other.locator("button").click()
    assert head.get_attribute("aria-sort") is None
    assert other.get_attribute("aria-sort") == "ascending"
    assert column(page, SCORES, 1) == [f"model-0{k}" for k in range(5)]
    assert "Sorted by Model, ascending" in page.locator("section:nth-of-type(1) [role=status]").inner_text()


def test_tables_sort_by_keyboard(open_page, make):
    page = open_page(make(5, 211))
    page.locator(f"{SCORES} thead th:nth-child(2) button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert page.locator(f"{SCORES} thead th").nth(1).get_attribute("aria-sort") == "ascending"
    assert column(page, SCORES, 1) == [f"model-0{k}" for k in (4, 3, 2, 1, 0)]


def test_the_theme_follows_the_system_and_the_button(open_page, make):
    ground = "getComputedStyle(document.body).backgroundColor"
    page = open_page(make(2, 53), scheme="dark")
    assert page.evaluate(ground) == "rgb(20, 23, 27)"
    button = page.get_by_role("button", name="Switch to light colours")
    button.click()
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Switch to dark colours").press("Enter")
    assert page.evaluate(ground) == "rgb(20, 23, 27)"
    page.get_by_role("button", name="Switch to light colours").click()
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    page.reload()
    assert page.evaluate(ground) == "rgb(20, 23, 27)", "remembered in the page only"


def test_paper_is_white_whatever_the_theme(open_page, make):
    page = open_page(make(2, 53), scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".theme").is_visible()


def test_long_tables_are_built_when_opened_found_in_and_sorted(open_page, make):
    result = make(23, 101)
    page = open_page(result)
    assert page.locator(".lazy table").count() == 0
    page.locator("summary", has_text="All pairs").click()
    page.wait_for_selector(".lazy table")
    rows = ".lazy table"
    assert len(column(page, rows, 1)) == 100
    page.get_by_role("button", name="Show 100 more of 253").click()
    assert len(column(page, rows, 1)) == 200
    first = result.comparisons[0]
    assert column(page, rows, 1)[0] == first.a
    assert column(page, rows, 3)[0] == f"{first.difference:+.3f}".replace("-", "−")
    low, high = first.interval
    assert column(page, rows, 4)[0] == f"[{low:.3f}, {high:.3f}]".replace("-", "−")
    page.locator(f"{rows} thead th:nth-child(3) button").click()
    largest = max(result.comparisons, key=lambda c: c.difference)
    assert column(page, rows, 3)[0] == f"{largest.difference:+.3f}"
    search = page.locator("details:has(.lazy) input[type=search]")
    search.fill("MODEL-07")
    assert len(column(page, rows, 1)) == 22
    assert "22 of 253 rows" in page.locator("details:has(.lazy) [role=status]").inner_text()
    search.fill("")
    assert len(column(page, rows, 1)) == 100


def test_every_number_of_a_long_table_is_that_of_the_short_one(open_page, make, monkeypatch):
    """The script and Python format the same row the same way."""
    from neff.report import html

    result = make(19, 53)
    result = replace(
        result, comparisons=(replace(result.comparisons[0], p_value=float("nan")), *result.comparisons[1:])
    )
    page = open_page(result)
    page.locator("summary", has_text="All pairs").click()
    page.get_by_role("button", name=re.compile("^Show")).click()
    built = page.locator(".lazy tbody tr").all_inner_texts()
    monkeypatch.setattr(html, "LONG", 1000)
    monkeypatch.setattr(html, "TITLED", 1000)
    page = open_page(result)
    page.locator("summary", has_text="All pairs").click()
    written = page.locator("details:has-text('All pairs') tbody tr").all_inner_texts()
    assert len(built) == len(written) == 171
    zero = re.compile(r"[+−](0\.0+)(?!\d)")  # "+0.000" is written "0.000" by the script
    assert [zero.sub(r"\1", row) for row in built] == [zero.sub(r"\1", row) for row in written]


def test_large_matrices_read_out_pairs_by_mouse_and_arrows(open_page, make):
    result = make(23, 211)
    page = open_page(result)
    models = [e.model for e in result.estimates]
    readout = page.locator(".readout")
    assert readout.inner_text() == "Point at a cell, or use the arrow keys, to read a pair."
    hit = page.locator("svg.matrix.wide .hit")
    hit.scroll_into_view_if_needed()
    box = hit.bounding_box()
    cell = box["width"] / 23
    page.mouse.move(box["x"] + 20.5 * cell, box["y"] + 2.5 * cell)
    c = result.comparison(models[2], models[20])
    said = readout.inner_text()
    assert said.startswith(f"3 {models[2]} − 21 {models[20]}: {c.difference:+.3f}, p adjusted ".replace("-0.", "−0."))
    assert said.endswith("told apart")
    page.locator(".reader").focus()
    page.keyboard.press("ArrowDown")
    c = result.comparison(models[3], models[20])
    assert readout.inner_text().startswith(f"4 {models[3]} − 21 {models[20]}: {c.difference:+.3f}")
    for _ in range(40):
        page.keyboard.press("ArrowDown")
    c = result.comparison(models[22], models[20])
    assert readout.inner_text().startswith(
        f"23 {models[22]} − 21 {models[20]}: {c.difference:+.3f}".replace("-0.", "−0.")
    )


def test_the_page_works_without_scripts(open_page, make):
    page = open_page(make(19, 53), java_script_enabled=False)
    assert page.locator("svg.forest.wide").is_visible()
    assert page.locator(f"{SCORES} tbody tr").count() == 19
    page.locator("summary", has_text="All pairs").click()
    assert page.locator("noscript p").is_visible()
    assert page.locator(".theme").count() == 0


def test_a_telephone_gets_its_own_figures_and_no_sideways_scrolling(open_page, make):
    page = open_page(make(7, 53), width=390)
    assert page.locator("svg.forest.narrow").is_visible()
    assert not page.locator("svg.forest.wide").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_hostile_text_runs_nothing(open_page, make_hostile):
    page = open_page(make_hostile())
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.locator("img").count() == 0
    assert page.locator("h1").inner_text().startswith("<script>alert(1)</script>")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("width", [1280, 390])
def test_logs_with_hostile_names_run_nothing_and_keep_the_layout(open_page, tmp_path, width):
    """The whole way: files with such names, read, evaluated, written, opened."""
    page = open_page(evaluate(read(make_folder(tmp_path / "runs"))), width=width)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.wait_for_timeout(100)
    for button in page.locator("th button").all()[:5]:
        button.click()
    assert page.locator("img, iframe, object, embed, form, a:not([href^='#'])").count() == 0
    assert page.locator("script:not([type])").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "<script>alert(1)</script>" in page.inner_text("body")
    assert page.title()


def test_what_notebooks_show_runs_nothing_under_any_policy(browser, tmp_path):
    """Without a policy that would stop it: nothing is there to be stopped; and under the strictest one."""
    result = evaluate(read(make_folder(tmp_path / "runs")))
    shown = result._repr_html_() + diagnose(tmp_path / "runs").table()._repr_html_()
    for policy in ("", "default-src 'none'; style-src 'unsafe-inline'"):
        trouble = []
        context = browser.new_context()
        page = context.new_page()
        page.on("console", lambda message, trouble=trouble: trouble.append(message.text))
        page.on("dialog", lambda dialog, trouble=trouble: (trouble.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request, trouble=trouble: trouble.append(request.url))
        page.set_content(f'<meta http-equiv="Content-Security-Policy" content="{policy}">{shown}')
        assert page.locator("table").count() == 3
        assert page.locator("script, img, svg, a").count() == 0
        assert trouble == []
        context.close()


def test_the_policy_blocks_a_script_that_got_in(open_page, make):
    page = open_page(make(2, 53))
    blocked = page.evaluate(
        """() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            setTimeout(() => done("ran"), 500);
        })"""
    )
    assert blocked.startswith("script-src")
    (said,) = open_page.trouble
    assert "violates the following Content Security Policy directive" in said
    open_page.trouble.clear()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize(
    "name", ["five models", "two models", "undefined", "refused", "hostile", "tasks and metrics", "many", "judged"]
)
def test_axe_finds_nothing(open_page, axe, samples, make, name, width, scheme):
    page = open_page(make(23, 53) if name == "many" else samples[name], width=width, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    told = [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found]
    assert told == [], json.dumps(told, indent=1)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing_on_a_training_page(open_page, axe, width, scheme):
    steps = tuple(
        StepReport(
            step=k,
            ess_token=EssEstimate(value=0.9, n=640, interval=(0.85, 0.95)),
            ess_sequence=EssEstimate(value=0.5 / (k + 1), n=64, collapsed=k > 10),
            reward=float("nan") if k == 7 else 0.1 * k,
            n_sequences=64,
            findings=(Finding("top-p", "refuse", "No."), Finding("x", "note", "N.")) if k == 3 else (),
            metrics={"<b>loss": 1.0 / (k + 1)},
        )
        for k in range(23)
    )
    page = open_page(TrainingRun(steps, "run.jsonl"), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.locator("svg.narrow" if width < 760 else "svg.wide")
    assert all(shown.nth(k).is_visible() for k in range(shown.count()))
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    told = [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found]
    assert told == [], json.dumps(told, indent=1)
