"""Document -> GitHub-flavoured Markdown for a pull request: the finding, one table, the rest folded.

Text from logs is put in code spans, where GitHub links nothing and notifies nobody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from neff.report.charts import DifferenceMatrix, ForestPlot
from neff.report.document import Bullets, Details, Figure, Notice, Paragraph, TableBlock, plain
from neff.report.line_chart import LineChart
from neff.report.sketch_lines import sketch_lines
from neff.report.text import Mark, Name, clean, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Document, Text
    from neff.results import Column

__all__ = ["code", "render_markdown", "words"]

LIMIT = 60_000  # characters; GitHub refuses a comment of more than 65,536
LONGEST_NAME, LONGEST_TABLE = 60, 100
FOLDED_ROWS = 40  # a longer table of a curve is in the HTML and the JSON
_MARKS = {"note": "ℹ️", "warning": "⚠️", "error": "❌", "good": "✅"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$>-])")
_LIVE = re.compile(r"(?<=[@])(?=\w)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=GH)(?=\\-)", re.IGNORECASE)
_SCORES = ("model", "n_items", "value", "interval", "difference", "difference_interval", "standing")
_PAIRS = ("a", "b", "n_items", "difference", "interval", "p_adjusted", "verdict")


def render_markdown(document: Document) -> str:
    """Return the document as Markdown, short enough for a comment on a pull request."""
    head = [f"## {words(document.title)}"]
    head += [words(text) for text in (document.kicker, _join(document.lead)) if text]
    head += [_notice(notice) for notice in document.notices]
    parts, folded = [], []
    for section in document.sections:
        body = "\n\n".join(filter(None, (_block(block) for block in section.blocks)))
        if not body:
            continue
        title = words(section.title)
        if section.role == "result":
            parts.append(
                body
                if not title or (section.repeats_title() and isinstance(section.blocks[0], Figure))
                else f"### {title}\n\n{body}"
            )
        else:
            folded.append(_fold(plain(section.title) or getattr(section.blocks[0], "title", ""), body))
    foot = "<sub>" + " · ".join(words(part) for part in document.footer) + "</sub>" if document.footer else ""
    return "\n\n".join(filter(None, _within_limit(head, parts, folded, foot))) + "\n"


def _within_limit(head: list[str], parts: list[str], folded: list[str], foot: str) -> list[str]:
    """Leave out the last parts where the whole is too long for a comment, and say so."""
    room = LIMIT - len(foot) - 200
    kept, left_out = [], 0
    for part in [*head, *parts, *folded]:
        if len(part) + 2 <= room:
            kept.append(part)
            room -= len(part) + 2
        else:
            left_out += 1
    if left_out:
        many = "1 part is" if left_out == 1 else f"{left_out:,} parts are"
        kept.append(f"{many} left out here, too long for a comment; the HTML report has everything.")
    return [*kept, foot]


def _join(sentences: Sequence[Text]) -> Text:
    return tuple(part for i, sentence in enumerate(sentences) for part in ((" ",) if i else ()) + sentence)


def words(text: Text | str) -> str:
    """Return a sentence as Markdown: names as code, everything else without a meaning of its own."""
    parts = (text,) if isinstance(text, str) else text
    return "".join(code(part) if isinstance(part, Name) else _escape(part) for part in parts)


def code(name: str) -> str:
    r"""Return text from a log as a code span, also inside a table.

    Examples
    --------
    >>> print(code("a|b `c`"))
    `` a\|b `c` ``
    """
    text = label(name, LONGEST_NAME)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or longest else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _escape(text: str) -> str:
    safe = clean(text).replace("&", "&amp;").replace("<", "&lt;")
    safe = _SPECIAL.sub(_backslash, safe)
    return _LIVE.sub("&#8203;", safe)


def _backslash(found: re.Match[str]) -> str:
    mark, at = found.group(), found.start()
    if mark in "-+()!" and at:  # these start a list or a link only at the start of a line or after a bracket
        return mark
    return "\\" + mark


def _notice(notice: Notice) -> str:
    return f"{_MARKS[notice.level]} **{_escape(notice.heading())}** {words(notice.text)}"


def _fold(summary: str, body: str) -> str:
    text = clean(summary).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<details><summary>{_LIVE.sub('&#8203;', text)}</summary>\n\n{body}\n\n</details>"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return words(text)
        case Bullets(items):
            return "\n".join(f"- {words(item)}" for item in items)
        case Notice():
            return _notice(block)
        case Figure(chart, title, description, table):
            if isinstance(chart, DifferenceMatrix):
                return _fold(title, _table(table, _PAIRS))
            if isinstance(chart, ForestPlot):
                return _table(table, table.brief if chart.signed or chart.head else _SCORES)
            if isinstance(chart, LineChart):
                return _lines(chart, title, description, table)
            return f"{_escape(description)}\n\n{_table(table, table.brief)}"
        case TableBlock():
            return _table(block, block.brief)
        case Details(summary, blocks):
            return _fold(summary, "\n\n".join(_block(b) for b in blocks))


def _lines(chart: LineChart, title: str, description: str, block: TableBlock) -> str:
    """Return the curves as characters, and their numbers folded where they are few."""
    sketch = sketch_lines(chart)
    fence = "`" * max(3, 1 + max(len(run) for line in sketch for run in re.findall("`*", line)))
    parts = [f"**{_escape(title)}**", _escape(description), "\n".join([f"{fence}text", *sketch, fence])]
    if len(block.table) <= FOLDED_ROWS:
        parts.append(_fold(block.title, _table(block, block.brief)))
    return "\n\n".join(parts)


def _table(block: TableBlock, wanted: Sequence[str]) -> str:
    columns = block.table.columns
    place = {column.name: j for j, column in enumerate(columns)}
    shown = [place[name] for name in wanted if name in place] or list(range(len(columns)))
    head = "| " + " | ".join(_title(columns[j]) for j in shown) + " |"
    rule = "|" + "|".join(":--" if columns[j].kind == "text" else "--:" for j in shown) + "|"
    rows = block.table.rows[:LONGEST_TABLE]
    body = ["| " + " | ".join(_cell(columns[j], row[j], row, place) for j in shown) + " |" for row in rows]
    lines = [head, rule, *body]
    if len(block.table) > LONGEST_TABLE:
        said = f"{block.summary} " if block.summary else ""
        lines.append(f"\n{said}The first {LONGEST_TABLE} of {len(block.table):,} rows are shown.")
    return "\n".join(lines)


def _title(column: Column) -> str:
    return {"n_items": "n", "model": "Model"}.get(column.name, _escape(column.title))


def _cell(column: Column, value: Any, row: tuple[Any, ...], place: dict[str, int]) -> str:
    if isinstance(value, Name):
        return code(value)
    if isinstance(value, Mark):
        return _escape(value.symbol)
    said = column.format(value)
    text = _escape(said) if column.kind == "text" else said.replace("-", "−").replace("<", "&lt;")
    best = "standing" in place and row[place["standing"]] == "best"
    return f"**{text}**" if best and column.name == "value" else text
