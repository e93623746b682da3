"""HTML: one file that needs nothing else, shows every number, and lets nothing from a log out of its place."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from neff.report import Gate, render
from neff.report.html import asset
from neff.results import Reason

VOID = {"meta", "br", "input", "img", "link", "hr", "base"}
RAW = {"script", "style"}
KINDS = (
    "five models", "one model", "two models", "judged", "no comparisons", "undefined", "refused", "hostile",
    "tasks and metrics", "nothing",
)  # fmt: skip


class Page(HTMLParser):
    """Every element with its attributes and text; fails where tags do not nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.elements = [], []
        self.feed(text)
        self.close()
        assert self.stack == [], f"never closed: {[tag for tag, *_ in self.stack]}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        element = (tag, dict(attrs), [], [t for t, *_ in self.stack])
        self.elements.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [], [t for t, *_ in self.stack]))

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1][0] == tag, f"</{tag}> closes <{self.stack[-1][0]}>"
        self.stack.pop()

    def handle_data(self, data):
        for element in self.stack:
            element[2].append(data)

    def all(self, tag, **wanted):
        return [
            (attrs, "".join(text))
            for name, attrs, text, _ in self.elements
            if name == tag and all(attrs.get(key.rstrip("_")) == value for key, value in wanted.items())
        ]


@pytest.fixture(scope="module")
def pages(samples):
    gates = [Gate("value(score) < 1", passed=False, detail="<i>x</i>")]
    return {name: render(result, "html", gates=gates) for name, result in samples.items()}


@pytest.mark.parametrize("name", KINDS)
def test_it_is_well_formed(pages, name):
    text = pages[name]
    assert text.startswith("<!doctype html>\n<html lang=")
    page = Page(text)
    ids = [attrs["id"] for _, attrs, _, _ in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for _, attrs, _, _ in page.elements:
        for key in ("aria-labelledby", "aria-describedby", "data-source", "data-for"):
            assert set((attrs.get(key) or "").split()) <= set(ids)
        link = attrs.get("href", "#main")
        assert link.startswith("#")
        assert link[1:] in ids
        for fill in re.findall(r"url\(#(\w+)\)", attrs.get("fill") or ""):
            assert fill in ids


@pytest.mark.parametrize("name", KINDS)
def test_it_loads_nothing_and_runs_only_its_own_script(pages, name):
    text = pages[name]
    page = Page(text)
    tags = {tag for tag, *_ in page.elements}
    assert not tags & {
        "img",
        "iframe",
        "link",
        "object",
        "embed",
        "base",
        "form",
        "image",
        "use",
        "foreignobject",
        "audio",
    }
    for tag, attrs, _, _ in page.elements:
        assert not {"src", "srcset", "action", "style", "xlink:href", "formaction"} & set(attrs), (tag, attrs)
        assert not [key for key in attrs if key.startswith("on")]
    (script,) = [text for attrs, text in page.all("script") if "type" not in attrs]
    (style,) = [text for _, text in page.all("style")]
    assert script == asset("report.js")
    assert not re.search(r"url\(|@import|https?:|fetch\(|XMLHttpRequest|innerHTML|eval\(|localStorage", script + style)
    if name != "hostile":
        assert not re.search(r"https?://|//[a-z]+\.", text)


@pytest.mark.parametrize("name", KINDS)
def test_the_policy_forbids_everything_but_the_two_hashes(pages, name):
    page = Page(pages[name])
    ((attrs, _),) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in attrs["content"].split(";"))

    def hashed(text):
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    assert rules == {
        "default-src": "'none'",
        "style-src": hashed(page.all("style")[0][1]),
        "script-src": hashed(next(text for attrs, text in page.all("script") if "type" not in attrs)),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize("name", KINDS)
def test_headings_and_landmarks_are_in_order(pages, name):
    page = Page(pages[name])
    levels = [int(tag[1]) for tag, *_ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    for landmark in ("header", "main", "footer"):
        assert len(page.all(landmark)) == 1
    assert page.all("title")[0][1].strip() != ""


@pytest.mark.parametrize("name", KINDS)
def test_figures_are_named_and_tables_are_labelled(pages, name):
    page = Page(pages[name])
    for tag, attrs, _, path in page.elements:
        if tag == "svg":
            assert attrs["role"] == "img"
            assert len(attrs["aria-labelledby"].split()) == 2
            assert "figure" in path
        if tag == "text":
            assert "svg" in path  # text is text, never paths
        if tag == "th":
            assert attrs["scope"] in ("col", "row")
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(text for _, text in page.all("caption"))
    assert len(page.all("desc")) == len(page.all("svg"))


def test_hostile_text_stays_text_in_every_place(pages, hostile_names):
    text = pages["hostile"]
    page = Page(text)
    shown = "".join("".join(words) for tag, _, words, path in page.elements if not path and tag == "html")
    for payload in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(2)>',
        "</script><script>alert(3)</script>",
    ):
        assert payload in shown
        assert payload not in re.sub(r"<script>(?s:.*?)</script>\n</body>", "", text)
    assert len([1 for attrs, _ in page.all("script") if "type" not in attrs]) == 1
    assert "red\\x1b[31mtext" in shown
    assert "evil\\u202egnp.exe" in shown
    assert "line\\nbreak\\ttab\\r\\x00" in shown
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") for c in text)
    assert not set(text) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\ufeff")
    text.encode("utf-8")


def test_long_names_are_cut_with_the_whole_in_a_tooltip(pages):
    page = Page(pages["hostile"])
    cut = [(attrs, text) for attrs, text in page.all("bdi") if text.startswith("long-")]
    assert cut
    for attrs, text in cut:
        assert len(text) <= 60
        assert len(attrs["title"]) == 300
        assert attrs["title"].endswith("-end")
    rows = {text for attrs, text in page.all("bdi") if text.startswith("long-") and attrs.get("class") is None}
    assert len(rows) == 2, "two long names that differ look different"


def test_data_blocks_are_inert_and_decode_to_the_table(make):
    names = [f"</script><!--{k}" if k % 2 else f"model & {k}" for k in range(19)]
    result = make(19, 53, names=names)
    page = Page(render(result, "html"))
    ((attrs, text),) = page.all("script", type="application/json")
    assert "<" not in text
    data = json.loads(text)
    assert data["n"] == len(result.comparisons) == 171
    columns = {column["name"]: column for column in data["columns"]}
    order = [e.model for e in result.estimates]
    assert columns["a"]["words"][:19] == order, "codes of the pairs are rows of the matrix"
    for k in (0, 1, 85, 170):
        c = result.comparisons[k]
        assert order[columns["a"]["v"][k]] == c.a
        assert order[columns["b"]["v"][k]] == c.b
        unit = 2 * 10 ** -(columns["difference"]["digits"] + 1)
        assert columns["difference"]["v"][k] / columns["difference"]["s"] == pytest.approx(c.difference, abs=unit)
        assert columns["interval"]["w"][k] / columns["interval"]["s"] == pytest.approx(c.interval[1], abs=unit)
        assert columns["p_value"]["v"][k] / columns["p_value"]["s"] == pytest.approx(c.p_value, abs=1.5e-6)
    assert columns["n_items"]["v"] == 53, "a column of one value is that value"
    assert page.all("div", **{"data-source": attrs["id"], "class": "lazy"})
    assert "write the same rows to a CSV" in page.all("noscript")[0][1]


def test_forest_shows_every_model_with_its_numbers(make):
    result = make(5, 211)
    page = Page(render(result, "html"))
    rows = [a["class"] for t, a, _, path in page.elements if t == "g" and a.get("class", "").startswith("row ")]
    assert rows == ["row best", "row tied", "row behind", "row behind", "row behind"] * 2  # wide and narrow
    titles = [text for _, text in page.all("title") if "95% interval" in text]
    for e, title in zip(result.estimates, titles[:5], strict=True):
        assert title.startswith(f"{e.model}: {e.value:.3f}, 95% interval {e.interval[0]:.3f} to {e.interval[1]:.3f}")
    assert titles[1].endswith("cannot be told from the best")
    assert titles[2].endswith("behind the best")


def test_forest_is_drawn_to_scale(make):
    """Two models, and the axis: pixels are a straight line of the values."""
    result = make(3, 211)
    text = render(result, "html")
    svg = text[text.index('<svg class="forest wide"') :]
    svg = svg[: svg.index("</svg>")]
    ends = [(float(a), float(b)) for a, b in re.findall(r'<path d="M([\d.]+) [\d.]+H([\d.]+)" class="line"', svg)]
    values = [e.interval for e in result.estimates]
    scale = (ends[0][1] - ends[2][0]) / (values[0][1] - values[2][0])
    for (low, high), (x1, x2) in zip(values, ends, strict=True):
        assert x1 == pytest.approx(ends[2][0] + scale * (low - values[2][0]), abs=0.11)  # pixels, drawn to 0.1
        assert x2 == pytest.approx(ends[2][0] + scale * (high - values[2][0]), abs=0.11)  # pixels, drawn to 0.1
    reference = float(re.search(r'<path d="M([\d.]+) [^"]*" class="reference"', svg).group(1))
    expected = ends[2][0] + scale * (result.estimates[0].value - values[2][0])
    assert reference == pytest.approx(expected, abs=0.11)  # pixels, drawn to 0.1


def test_undefined_numbers_are_dashes_with_their_reason(make_undefined):
    text = render(make_undefined(), "html")
    page = Page(text)
    titles = [text for _, text in page.all("title")]
    assert "model-04: undefined (no scored draws)" in titles
    assert any(title.startswith("model-03: 0.574, no interval (one cluster)") for title in titles)
    assert "model-00 − model-04: undefined (no items in common)" in titles
    assert "NaN" not in re.sub("<script>(?s:.*?)</script>|<style>(?s:.*?)</style>", "", text)
    assert ">nan" not in text.lower()


def test_small_matrices_have_a_cell_and_a_tooltip_per_pair(make):
    result = make(5, 211)
    page = Page(render(result, "html"))
    titles = [text for _, text in page.all("title") if " − " in text]
    assert len(titles) == 2 * 5 * 4
    c = result.comparison("model-00", "model-04")
    low, high = c.interval
    assert any(
        t.startswith(f"model-00 − model-04: {c.difference:+.3f}, interval {low:+.3f} to {high:+.3f}, told apart, p")
        for t in titles
    )
    assert any(t.startswith(f"model-04 − model-00: {-c.difference:+.3f}") for t in titles)


def test_large_matrices_cover_every_cell_once(make):
    k = 23
    text = render(make(k, 53), "html")
    svg = text[text.index('<svg class="matrix wide"') :]
    svg = svg[: svg.index("</svg>")]
    seen = {}
    for name, path in re.findall(r'<path d="([^"]*)" class="([boz]\d)"', svg):
        for x, y, w in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", name):
            for j in range(int(x), int(x) + int(w)):
                assert (int(y), j) not in seen
                seen[int(y), j] = path
    assert set(seen) == {(i, j) for i in range(k) for j in range(k) if i != j}
    opposite = {"b": "o", "o": "b", "z": "z"}
    assert all(seen[j, i] == opposite[shade[0]] + shade[1] for (i, j), shade in seen.items())


def test_sizes(make):
    fifty = render(make(50, 211), "html")
    assert len(fifty.encode()) < 300_000
    assert len(render(make(93, 211), "html").encode()) < 600_000
    assert len(render(make(5, 211), "html").encode()) < 60_000


def test_size_of_real_scores_of_fifty_models(make_livebench):
    result = make_livebench(50)
    assert len(result.comparisons) == 1225
    assert len(render(result, "html").encode()) < 300_000


def test_too_many_pairs_for_a_page_are_summed_up(make, monkeypatch):
    from neff.report import html

    monkeypatch.setattr(html, "MOST_ROWS", 100)
    text = render(make(19, 53), "html")
    page = Page(text)
    assert page.all("script", type="application/json") == []
    assert "Too many rows for a page: write them to a CSV or Parquet file." in text
    assert "171 pairs of models" in text


def test_raw_values_are_there_to_sort_by(make):
    result = make(5, 211)
    page = Page(render(result, "html"))
    values = [attrs["data-v"] for attrs, text in page.all("td") if "data-v" in attrs]
    assert f"{result.estimates[0].value:.7g}" in values
    assert f"{result.comparisons[0].difference:.7g}" in values
    dashes = [attrs for attrs, text in page.all("td", class_="num") if text == "–"]
    assert dashes
    assert all("data-v" not in attrs for attrs in dashes)


def test_the_best_and_the_tied_are_tinted_and_said(make):
    page = Page(render(make(5, 211), "html"))
    assert len(page.all("tr", class_="front")) == 2
    assert [text[-1:] for _, text in page.all("p", class_="key")] == ["d"]
    assert "◆ best ● cannot be told from the best ○ behind" in page.all("p", class_="key")[0][1]


def test_facts_and_notices(make_undefined):
    gates = [Gate("value(score) < 0.5", passed=False, detail="value of model-04 is -0.1")]
    page = Page(render(make_undefined(), "html", gates=gates))
    assert [text for _, text in page.all("dt")] == ["Best score", "Told apart", "Items", "Confidence"]
    notices = [(attrs["class"], text) for attrs, text in page.all("p") if attrs.get("class", "").startswith("notice")]
    assert notices[0] == ("notice error", "Gate failed fail if value(score) < 0.5: value of model-04 is −0.1.")
    assert notices[1][0] == "notice warning"


def test_many_groups_have_contents_and_folded_details(make_many):
    page = Page(render(make_many(tuple("abcdefgh"), n_models=3), "html"))
    assert len(page.all("nav")) == 1
    assert len(page.all("section", class_="detail")) == 8
    assert sum(text.startswith("\nScores and differences") or "Scores and differences" in text
               for _, text in page.all("summary")) == 8  # fmt: skip


def test_hyphens_become_minus_signs_in_numbers_only(make):
    result = make(2, 53, names=["a-1", "b -2"])
    text = render(replace(result, notes=("fell by -0.5 in gpt-4",)), "html")
    assert "fell by −0.5 in gpt-4" in text
    assert "a-1" in text
    assert "b -2" in text


# --------------------------------------------------------------------------------------------------------
# Contrast: WCAG 2, on the colours of the style sheet itself.


def luminance(colour):
    short = colour.lstrip("#")
    full = "".join(c * 2 for c in short) if len(short) == 3 else short
    parts = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def themes():
    blocks = re.findall(r":root[^{]*\{(color-scheme:[^}]*)\}", asset("report.css"))
    return [dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", block)) for block in blocks]


def test_there_are_three_themes_and_the_two_dark_ones_are_one():
    light, system, chosen = themes()
    assert system == chosen
    assert set(light) == set(system)


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *[(text, ground) for text in ("ink", "soft", "accent") for ground in ("paper", "wash", "accent-wash")],
        ("ink", "warn-wash"), ("warn", "warn-wash"), ("ink", "bad-wash"), ("bad", "bad-wash"), ("ink", "good-wash"),
        ("good", "good-wash"), ("on", "z0"), ("on", "b1"), ("on", "b2"), ("on", "o1"), ("on", "o2"), ("on3", "b3"),
        ("on3", "o3"), ("on4", "b4"), ("on4", "o4"),
    ],
)  # fmt: skip
def test_text_has_the_contrast_of_wcag_aa(theme, text, ground):
    colours = themes()[theme]
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_reasons_are_shown_whatever_they_are(make):
    base = make(2, 53)
    for reason in Reason:
        lost = replace(base.estimates[1], value=float("nan"), interval=(float("nan"),) * 2, reason=reason)
        result = replace(base, estimates=(base.estimates[0], lost), comparisons=(), tied_with_best={})
        assert f"undefined ({reason})" in render(result, "html")
