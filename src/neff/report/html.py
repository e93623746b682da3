"""Document -> one HTML file that needs nothing else: no font, no script, no image from anywhere."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from neff.evaluate.calibrating.curve import CalibrationCurve
from neff.report.charts import DifferenceMatrix, ForestPlot
from neff.report.document import Bullets, Details, Figure, Notice, Paragraph, TableBlock
from neff.report.html_table import LONG, data_block, long_table, short_table
from neff.report.line_chart import LineChart
from neff.report.svg import safe
from neff.report.svg_calibration import calibration_svg
from neff.report.svg_forest import forest_svg
from neff.report.svg_lines import lines_svg
from neff.report.svg_matrix import TITLED, matrix_svg
from neff.report.text import Name, label

if TYPE_CHECKING:
    from neff.report.document import Block, Document, Section, Text

__all__ = ["render_html"]

MOST_ROWS = 20_000  # rows of long tables in one page; beyond this a table is only summed up
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")  # of our own sentences; names keep their hyphens
NAME_LIMIT, HEADLINE_LIMIT = 60, 44


@dataclass(slots=True)
class _Page:
    """What rendering remembers: identities given out, data blocks, rows left."""

    ids: int = 0
    rows: int = field(default_factory=lambda: MOST_ROWS)
    data: list[str] = field(default_factory=list)

    def identity(self) -> str:
        self.ids += 1
        return f"b{self.ids}"


def render_html(document: Document) -> str:
    """Return a complete page: everything inline, everything from logs escaped, nothing loaded."""
    page = _Page()
    sections = [_section(section, page, f"s{k}") for k, section in enumerate(document.sections) if section.blocks]
    style, script = asset("report.css"), asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">',
            f"<title>{safe(_words_plain(document.title))}</title>",
            f"<style>{style}</style>\n</head>\n<body>",
            '<a class="skip" href="#main">Skip to the result</a>',
            f'<header class="top"><div><b>neff</b> <span>{safe(document.kind)}</span></div></header>',
            f'<main id="main">\n{_opening(document)}{_contents(document)}',
            *sections,
            "</main>",
            f"<footer><p>{' · '.join(safe(part) for part in document.footer)}</p></footer>",
            *page.data,
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


@cache
def asset(name: str) -> str:
    """Return a file of `neff/report/assets` as text."""
    return files("neff.report").joinpath("assets", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _words(text: Text | str, limit: int = NAME_LIMIT) -> str:
    """Return a sentence: names in a direction of their own, shortened with the whole in a tooltip."""
    parts = (text,) if isinstance(text, str) else text
    return "".join(_name(part, limit) if isinstance(part, Name) else safe(_MINUS.sub("−", part)) for part in parts)


def _name(name: Name, limit: int) -> str:
    short, full = label(name, limit), label(name, 300)
    about = f' title="{safe(full)}"' if full != short else ""
    return f'<bdi class="name"{about}>{safe(short)}</bdi>'


def _words_plain(text: Text) -> str:
    return "".join(label(part, NAME_LIMIT) if isinstance(part, Name) else part for part in text)


def _opening(document: Document) -> str:
    parts = [f'<p class="kicker">{_words(document.kicker)}</p>' if document.kicker else ""]
    parts.append(f"<h1>{_words(document.title, HEADLINE_LIMIT)}</h1>")
    lead = " ".join(_words(sentence) for sentence in document.lead)
    parts.append(f'<p class="lead">{lead}</p>' if lead else "")
    if document.facts:
        facts = "".join(
            f"<div><dt>{safe(fact.label)}</dt><dd><b>{safe(fact.value.replace('-', '−'))}</b>"
            f"{f'<span>{_words(fact.detail, 34)}</span>' if fact.detail else ''}</dd></div>"
            for fact in document.facts
        )
        parts.append(f'<dl class="facts">{facts}</dl>')
    parts += [_notice(notice) for notice in document.notices]
    return "\n".join(filter(None, parts)) + "\n"


def _contents(document: Document) -> str:
    """Return links to the sections where there are many."""
    if sum(section.role in ("result", "detail") for section in document.sections) < 4:
        return ""
    links = "".join(
        f'<li><a href="#s{k}">{_words(section.title, 40)}</a></li>'
        for k, section in enumerate(document.sections)
        if section.title and section.blocks
    )
    return f'<nav class="contents" aria-label="Contents"><ul>{links}</ul></nav>\n'


def _notice(notice: Notice) -> str:
    return f'<p class="notice {notice.level}"><b>{safe(notice.heading())}</b> {_words(notice.text)}</p>'


def _section(section: Section, page: _Page, identity: str) -> str:
    own = section.repeats_title()
    blocks = [_block(block, page, titled=not (own and k == 0)) for k, block in enumerate(section.blocks)]
    if section.role == "detail" and len(blocks) > 1:  # one of very many: its first sentence, and the rest on request
        rest = "\n".join(blocks[1:])
        blocks[1:] = [f"<details><summary>Scores and differences</summary>\n{rest}\n</details>"]
    body = "\n".join(blocks)
    if not section.title:
        return f'<section class="{section.role}">\n{body}\n</section>'
    heading = f'<h2 id="{identity}">{_words(section.title)}</h2>'
    return f'<section class="{section.role}" aria-labelledby="{identity}">\n{heading}\n{body}\n</section>'


def _block(block: Block, page: _Page, *, titled: bool = True) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{_words(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_words(item)}</li>" for item in items) + "</ul>"
        case Notice():
            return _notice(block)
        case TableBlock():
            return _table(block, page, captioned=titled)
        case Figure():
            return _figure(block, page, titled=titled)
        case Details(summary, blocks):
            inner = "\n".join(_block(b, page) for b in blocks)
            return f"<details><summary>{safe(summary)}</summary>\n{inner}\n</details>"


def _table(block: TableBlock, page: _Page, source: str = "", *, fold: bool = False, captioned: bool = True) -> str:
    if not source and len(block.table) > LONG:
        source = _data(block, page, ())
    if source:
        inner = long_table(block.table, block.title, source)
    elif len(block.table) > LONG:
        inner = f"<p>{safe(block.summary)} Too many rows for a page: write them to a CSV or Parquet file.</p>"
    else:
        titled = captioned and not fold and block.open
        inner = short_table(block.table, block.title, captioned=titled, filters=block.filters)
    if not fold and block.open:
        return inner
    opened = " open" if block.open else ""
    rows = f"{len(block.table):,} {'row' if len(block.table) == 1 else 'rows'}"
    return f"<details{opened}><summary>{safe(block.title)} <span>{rows}</span></summary>\n{inner}\n</details>"


def _data(block: TableBlock, page: _Page, names: tuple[str, ...]) -> str:
    """Put a long table's rows into the page, if there is room, and return where they are."""
    if len(block.table) > page.rows:
        return ""
    page.rows -= len(block.table)
    identity = page.identity()
    page.data.append(data_block(block.table, identity, names))
    return identity


def _figure(block: Figure, page: _Page, *, titled: bool) -> str:
    identity, chart, source = page.identity(), block.chart, ""
    if isinstance(chart, ForestPlot):
        drawn, kind = forest_svg(chart, block.title, block.description, identity), "forest"
        used = {row.standing for row in chart.rows}
        key = " ".join(text for standing, text in _KEY.items() if standing in used)
        drawn = f'<p class="key" aria-hidden="true">{key}</p>{drawn}' if used & {"tied", "behind", "refused"} else drawn
    elif isinstance(chart, CalibrationCurve):
        drawn, kind = calibration_svg(chart, block.title, block.description, identity), "curve"
    elif isinstance(chart, LineChart):
        drawn, kind = lines_svg(chart, block.title, block.description, identity), "lines"
    else:
        kind = "matrix"
        drawn = _matrix(chart, block, identity)
        if len(chart.models) > TITLED:
            source = _data(block.table, page, chart.models)
            if source:
                drawn = (
                    f'<div class="reader" data-source="{source}" data-better="{chart.better_is}">{drawn}</div>'
                    f'<p class="readout" role="status" data-for="{source}"></p>'
                )
    title = f'<p class="title">{safe(block.title)}</p>' if titled else ""
    caption = f"<figcaption>{title}<p>{safe(block.description)}</p></figcaption>"
    return f'<figure class="{kind}">{caption}\n{drawn}\n</figure>\n{_table(block.table, page, source, fold=True)}'


def _matrix(chart: DifferenceMatrix, block: Figure, identity: str) -> str:
    return matrix_svg(chart, block.title, block.description, identity)


_KEY = {
    "best": '<span><i class="best">◆</i> best</span>',
    "tied": '<span><i class="tied">●</i> cannot be told from the best</span>',
    "behind": "<span><i>○</i> behind</span>",
    "refused": "<span><i>✕</i> level refused</span>",
}
