"""Tables in HTML: short ones as rows, long ones as compact JSON that the page's script turns into rows."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from neff.report.svg import safe
from neff.report.text import Link, Mark, Name, distinct, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.results import Column, Table

__all__ = ["LONG", "data_block", "long_table", "short_table"]

LONG = 150  # rows; beyond this the rows travel as data
NAME_LIMIT, TITLE_LIMIT, TEXT_LIMIT = 42, 300, 400
DOT = re.compile(r"(?<=[a-z_])\.(?=[A-Za-z_])")  # where a dotted name may be broken
SHORT = 16  # what stays on one line in a catalog
PROSE = 48  # a longer text is a sentence, and may be broken


def short_table(table: Table, caption: str, *, captioned: bool = True, filters: Sequence[str] = ()) -> str:
    """Return a table with all its rows; `data-v` carries the raw value that sorting uses."""
    shown = _short_names(table)
    head = "".join(_head(column, filtered=column.name in filters) for column in table.columns)
    place = {column.name: j for j, column in enumerate(table.columns)}
    body = "".join(
        _row_start(row, place)
        + "".join(
            _cell(c, v, j, shown, labeled=bool(filters))
            for j, (c, v) in enumerate(zip(table.columns, row, strict=True))
        )
        + "</tr>"
        for row in table.rows
    )
    unseen = "" if captioned else ' class="unseen"'
    tall = " tall" if len(table) > 24 and not filters else ""
    kind = "sortable catalog" if filters else "sortable"
    return (
        f'<div class="scroll{tall}" role="group" aria-label="{safe(caption)}" tabindex="0">'
        f'<table class="{kind}"><caption{unseen}>{safe(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row_start(row: tuple[Any, ...], place: dict[str, int]) -> str:
    standing = row[place["standing"]] if "standing" in place else ""
    return '<tr class="front">' if standing in ("best", "not told apart") else "<tr>"


def _head(column: Column, *, filtered: bool = False) -> str:
    kind = "" if column.kind == "text" else ' class="num"'
    about = f' title="{safe(column.help)}"' if column.help else ""
    choose = " data-filter" if filtered else ""
    return f'<th scope="col"{kind}{about}{choose}>{safe(column.title)}</th>'


def _short_names(table: Table) -> dict[str, str]:
    """Return how each name of the table is shown, so that two that differ look different."""
    names = list(dict.fromkeys(str(v) for row in table.rows for v in row if isinstance(v, Name)))
    return dict(
        zip(names, distinct([name if name.strip() else "(no name)" for name in names], NAME_LIMIT), strict=True)
    )


def _cell(column: Column, value: Any, j: int, shown: dict[str, str], *, labeled: bool = False) -> str:
    title = f' data-label="{safe(column.title)}"' if labeled and j else ""
    if column.kind == "text":
        if isinstance(value, Mark):
            return (
                f'<td class="mark {safe(value)}"><span aria-hidden="true">{value.symbol}</span>'
                f'<span class="unseen">{safe(value)}</span></td>'
            )
        inner = _name(value, shown) if isinstance(value, Name) else safe(label(str(value), TEXT_LIMIT)) if value else ""
        if labeled:
            inner = DOT.sub(".<wbr>", inner)
        if isinstance(value, Link):
            inner = f'<a href="{safe(value.url)}">{inner}</a>'
        if j == 0:
            return f'<th scope="row">{inner}</th>'
        length = len(str(value or ""))
        prose = ' class="prose"' if length > PROSE else ' class="short"' if labeled and length <= SHORT else ""
        return f"<td{prose}{title}>{inner}</td>"
    raw = value[0] if column.kind == "interval" else value
    number = f' data-v="{raw:.7g}"' if isinstance(raw, (int, float)) and math.isfinite(raw) else ""
    return f'<td class="num"{number}{title}>{safe(column.format(value).replace("-", "−"))}</td>'


def _name(value: Name, shown: dict[str, str]) -> str:
    short = shown[str(value)]
    full = label(value, TITLE_LIMIT)
    about = f' title="{safe(full)}"' if full != short else ""
    return f"<bdi{about}>{safe(short)}</bdi>"


def long_table(table: Table, caption: str, source: str) -> str:
    """Return the place where the script builds a long table from the data block `source`."""
    about = f"This table of {len(table):,} rows is built by the page's script. "
    other = "Without it, write the same rows to a CSV, JSON or Parquet file."
    return (
        f'<div class="lazy" data-source="{source}" data-caption="{safe(caption)}">'
        f"<noscript><p>{about}{other}</p></noscript></div>"
    )


def data_block(table: Table, identity: str, names: Sequence[str] = ()) -> str:
    """Return the rows as JSON by column, in a script element that no browser runs.

    Text is coded (each word once), numbers are whole multiples of a power of ten, a column of one value is that
    value: 1,225 pairs with eleven columns take about 60 kB. `names` fixes the codes of the first words, so
    that they are also the rows of a matrix.
    """
    shown = _short_names(table)
    columns = [_encode(column, [row[j] for row in table.rows], shown, names) for j, column in enumerate(table.columns)]
    text = json.dumps({"n": len(table), "columns": columns}, separators=(",", ":"), allow_nan=False)
    inert = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return f'<script type="application/json" id="{identity}">{inert}</script>'


def _encode(column: Column, values: list[Any], shown: dict[str, str], names: Sequence[str]) -> dict[str, Any]:
    about = {"name": column.name, "title": column.title, "kind": column.kind, "digits": column.digits}
    if column.help:
        about["help"] = column.help
    if column.kind == "text":
        return about | _encode_text(values, shown, names)
    shown_digits = {"count": 0, "p": 4, "percent": 3}.get(column.kind, column.digits)
    extra = {"count": 0, "p": 2}.get(column.kind, 1)
    if column.kind == "interval":
        low, high = (_scaled([v[k] for v in values], shown_digits, extra) for k in (0, 1))
        return about | {"s": 10 ** (shown_digits + extra), "v": low, "w": high}
    coded = _scaled(values, shown_digits, extra)
    if column.kind == "p" and isinstance(coded, list):  # what is below 0.0001 stays below it
        coded = [99 if v is not None and v < 1e-4 <= c / 1e6 else c for v, c in zip(values, coded, strict=True)]
    return about | {"s": 10 ** (shown_digits + extra), "v": coded}


def _scaled(values: Sequence[Any], digits: int, extra: int) -> Any:
    coded = [None if v is None or not math.isfinite(v) else _whole(v, digits, extra) for v in values]
    return coded[0] if len(set(coded)) == 1 else coded


def _whole(value: float, digits: int, extra: int) -> int:
    """Return the value in units of 10^-(digits + extra), never half-way between two numbers as they are shown.

    The script rounds once more, to `digits`: it must not round the other way than Python rounds the value itself.
    """
    whole: int = round(value * 10 ** (digits + extra))
    if extra and abs(whole) % 10**extra == 5 * 10 ** (extra - 1):
        up = abs(float(f"{value:.{digits}f}")) > abs(value)
        whole += (1 if up else -1) * (1 if whole > 0 else -1)
    return whole


def _encode_text(values: Sequence[Any], shown: dict[str, str], names: Sequence[str]) -> dict[str, Any]:
    named = any(isinstance(v, Name) for v in values)
    words = list(dict.fromkeys([*(names if named else ()), *(str(v) for v in values)]))
    place = {word: k for k, word in enumerate(words)}
    codes = [place[str(v)] for v in values]
    written = [shown.get(w, label(w, NAME_LIMIT)) if named else label(w, TEXT_LIMIT) if w else "–" for w in words]
    coded: dict[str, Any] = {"words": written, "v": codes[0] if len(set(codes)) == 1 else codes}
    full = {k: label(w, TITLE_LIMIT) for k, w in enumerate(words) if named and label(w, TITLE_LIMIT) != written[k]}
    return coded | ({"full": full} if full else {})
