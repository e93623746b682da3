"""Words for people: text from logs made safe, names made short, numbers with the digits they deserve."""

from __future__ import annotations

import math
import statistics
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from neff.results.plain import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Link",
    "Mark",
    "Name",
    "clean",
    "count",
    "digits_for",
    "display_width",
    "distinct",
    "join_names",
    "label",
    "number",
    "plural",
    "shorten",
    "signed",
]

_WIDE = ("W", "F")


class Name(str):
    """Text that came from a log (a model, a task, a path): renderers mark it, shorten it and never trust it."""

    __slots__ = ()


class Mark(str):
    """The state of a diagnostic ("good", "warn", "refuse", "unknown"): renderers with room draw a symbol for it."""

    __slots__ = ()

    @property
    def symbol(self) -> str:
        """Its symbol, told apart by shape alone."""
        return {"good": "✓", "warn": "!", "refuse": "✕"}.get(self, "?")


class Link(str):
    """Text that leads somewhere; renderers without links show the text. Never made of text from a log."""

    __slots__ = ("url",)
    url: str

    @classmethod
    def to(cls, text: str, url: str) -> Link:
        """Return a link to an address."""
        made = cls(text)
        made.url = url
        return made


def display_width(text: str) -> int:
    """Return the number of terminal columns: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_char_width(c) for c in text)


def _char_width(c: str) -> int:
    if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in _WIDE else 1


def shorten(text: str, limit: int, ellipsis: str = "…", *, head: float = 0.5) -> str:
    """Return the cleaned text in at most `limit` columns; the middle goes first, for names differ at their ends.

    `head` is the share of the room that the beginning gets.

    Examples
    --------
    >>> shorten("meta-llama-3.1-70b-instruct-turbo", 16)
    'meta-lla…t-turbo'
    """
    text = clean(text[: 8 * limit + 64] + text[-8 * limit - 64 :] if len(text) > 16 * limit + 128 else text)
    if display_width(text) <= limit:
        return text
    room = limit - len(ellipsis)
    if room <= 0:
        return ellipsis[:limit]
    tail = _take(text[: -room - 1 : -1], room - round(head * room))[::-1]
    start = _take(text[:room], room - display_width(tail))
    return start + ellipsis + tail


def _take(text: str, columns: int) -> str:
    used = 0
    for i, c in enumerate(text):
        used += _char_width(c)
        if used > columns:
            return text[:i]
    return text


def distinct(names: Sequence[str], limit: int, ellipsis: str = "…") -> list[str]:
    """Shorten names so that two that differ still differ: cut elsewhere, and number those that nothing helps.

    Examples
    --------
    >>> distinct(["Llama-3.1-405B-Instruct", "Llama-3.1-70B-Instruct"], 16)
    ['Llama-3.1-405B…t', 'Llama-3.1-70B-…t']
    >>> distinct(["aaaaaaaa-1-zzzzzzzz", "aaaaaaaa-2-zzzzzzzz"], 9)
    ['aaaa…zzzz', 'aaa…zzz~2']
    """
    short = {name: shorten(name, limit, ellipsis) for name in names}
    for head in (0.7, 0.9, 0.3, 0.1):
        alike = Counter(short.values())
        again = {name: shorten(name, limit, ellipsis, head=head) for name in short if alike[short[name]] > 1}
        taken = Counter((short | again).values())
        short |= {name: text for name, text in again.items() if taken[text] == 1}
    owners: dict[str, str] = {}
    for name, text in short.items():
        k = 1
        while owners.setdefault(text, name) != name:
            k += 1
            mark = f"~{k}"
            text = shorten(name, max(limit - len(mark), 1), ellipsis) + mark
        short[name] = text
    return [short[name] for name in names]


def label(name: str, limit: int) -> str:
    """Return a name as it is shown: safe, short, and never empty.

    Examples
    --------
    >>> label("", 20)
    '(no name)'
    """
    return shorten(name, limit) if name.strip() else "(no name)"


def join_names(names: Iterable[str], limit: int = 4) -> tuple[str, ...]:
    """Return names and the words between them, as the parts of a sentence.

    Examples
    --------
    >>> "".join(join_names(["A", "B", "C"]))
    'A, B and C'
    >>> "".join(join_names("ABCDEF", limit=3))
    'A, B, C and 3 more'
    """
    every = [Name(name) for name in names]
    shown, rest = every[:limit], len(every) - limit
    if rest == 1:  # "and 1 more" is no shorter than the name
        shown, rest = every, 0
    parts: list[str] = []
    for i, name in enumerate(shown):
        if i:
            parts.append(" and " if i == len(shown) - 1 and rest <= 0 else ", ")
        parts.append(name)
    if rest > 0:
        parts.append(f" and {rest:,} more")
    return tuple(parts)


def plural(n: int, word: str, many: str = "") -> str:
    """Return "1 item", "2 items".

    Examples
    --------
    >>> plural(1, "item"), plural(1200, "item")
    ('1 item', '1,200 items')
    """
    return f"{n:,} {word if n == 1 else many or word + 's'}"


def digits_for(standard_errors: Iterable[float], values: Iterable[float] = ()) -> int:
    """Return the decimals at which the typical standard error shows two digits, between 1 and 8.

    Examples
    --------
    >>> digits_for([0.015, 0.017]), digits_for([1.5]), digits_for([])
    (3, 1, 4)
    """
    errors = [e for e in standard_errors if math.isfinite(e) and e > 0]
    if errors:
        return min(max(math.ceil(-math.log10(statistics.median(errors))) + 1, 1), 8)
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    return 4 if largest < 10 else 2


def number(value: float, digits: int) -> str:
    """Return the number with a fixed count of decimals; an en dash where it is undefined.

    Examples
    --------
    >>> number(0.5904, 3), number(-0.0001, 3), number(float("nan"), 3)
    ('0.590', '0.000', '–')
    """
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}" if abs(value) < 1e15 else f"{value:.{digits}g}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def signed(value: float, digits: int) -> str:
    """Return the number with its sign (none for zero); an en dash where it is undefined.

    Examples
    --------
    >>> signed(0.031, 3), signed(-0.0001, 3)
    ('+0.031', '0.000')
    """
    text = number(value, digits)
    return text if math.isnan(value) or text.startswith("-") or not text.strip("0.") else "+" + text


def count(value: float | None) -> str:
    """Return a count with thousands separators; an en dash where it is undefined."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.0f}"
