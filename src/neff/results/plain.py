"""Text from logs, made safe to print: it comes from whoever wrote the log."""

from __future__ import annotations

import unicodedata

__all__ = ["clean", "middle_cut"]

_JOINERS = "\u200c\u200d"  # needed by emoji and several scripts; they cannot reorder or hide text


def clean(text: object) -> str:
    r"""Return the text with every character that could steer a terminal, a browser or a reader's eye made visible.

    Control characters, ANSI escapes, bidirectional overrides, invisible marks and lone surrogates become
    escapes such as ``\x1b``; every kind of space becomes a plain one.

    Examples
    --------
    >>> clean("base")
    'base'
    >>> print(clean("red\x1b[31m\u202egnp.exe"))
    red\x1b[31m\u202egnp.exe
    """
    raw = str(text)
    if raw.isprintable():
        return str.__str__(raw)
    return "".join(_visible(c) for c in raw)


def _visible(c: str) -> str:
    if c.isprintable() or c in _JOINERS:
        return c
    if unicodedata.category(c) == "Zs":
        return " "
    return c.encode("unicode_escape").decode("ascii")


def middle_cut(text: str, most: int) -> str:
    """Return a text of at most so many characters; the middle goes first, for names differ at their ends.

    Examples
    --------
    >>> middle_cut("meta-llama-3.1-70b-instruct-turbo", 16)
    'meta-lla…t-turbo'
    """
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"
