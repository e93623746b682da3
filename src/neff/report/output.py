"""`render`, `write` and `show`: a result in any format, as text, as a file, or on a stream."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, get_args

from neff.errors import ArgumentError
from neff.report.document import document
from neff.report.writing import replacing, write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate

__all__ = ["Format", "formats", "render", "show", "suffixes", "write"]

Format = Literal["text", "html", "markdown", "json", "junit", "csv", "eee", "parquet"]

_ALIASES = {"txt": "text", "table": "text", "terminal": "text", "md": "markdown", "xml": "junit", "htm": "html"}
_SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
    ".eee.json": "eee",
    ".xml": "junit",
    ".csv": "csv",
    ".parquet": "parquet",
}


def formats() -> tuple[str, ...]:
    """Return the names of the formats."""
    return get_args(Format)


def suffixes() -> tuple[str, ...]:
    """Return the endings of file names from which `write` knows the format."""
    return tuple(_SUFFIXES)


def render(
    result: Any,
    format: str = "text",  # noqa: A002  (the word that users type)
    *,
    gates: Sequence[Gate] = (),
    width: int | None = None,
    color: bool = False,
    ascii: bool = False,  # noqa: A002
) -> str:
    """Return a result as text in one of the formats.

    Parameters
    ----------
    result
        What `neff.evaluate` or `neff.compare` returned, or any result with a `.table()`.
    format
        "text", "html", "markdown", "json", "junit", "csv" or "eee" (Every-Eval-Ever). Parquet is no text: use
        `write`.
    gates
        Outcomes of declared conditions; shown first, and the failures of JUnit.
    width, color, ascii
        Of "text": columns (100), ANSI colours, ASCII characters only.

    Returns
    -------
    str
        The text, ending in a newline.

    Raises
    ------
    ArgumentError
        If the format is unknown.
    ArgumentTypeError
        If the object is no result.
    """
    chosen = _format(format)
    if chosen == "parquet":
        raise ArgumentError(
            "format", "a text format", format, "Parquet is binary: use write(result, 'x.parquet').", call="render"
        )
    return _render(result, chosen, gates, width=width, color=color, ascii=ascii)


def _render(
    result: Any,
    chosen: Format,
    gates: Sequence[Gate],
    *,
    width: int | None,
    color: bool,
    ascii: bool,  # noqa: A002
) -> str:
    match chosen:
        case "json":
            from neff.report.saved import render_json

            return render_json(result)
        case "csv":
            from neff.report.tabular import render_csv

            return render_csv(result)
        case "junit":
            from neff.report.junit import render_junit

            return render_junit(result, gates)
        case "eee":
            from neff.report.every_eval_ever import render_eee

            return render_eee(result)
        case "html":
            from neff.report.html import render_html

            return render_html(document(result, gates=gates))
        case "markdown":
            from neff.report.markdown import render_markdown

            return render_markdown(document(result, gates=gates))
        case _:
            from neff.report.terminal import Style, render_text

            return render_text(document(result, gates=gates), Style(width or 100, color=color, ascii=ascii))


def write(
    result: Any,
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    gates: Sequence[Gate] = (),
) -> Path:
    """Write a result to a file, whole or not at all.

    Parameters
    ----------
    result
        What `neff.evaluate` or `neff.compare` returned, or any result with a `.table()`.
    path
        Where to. The suffix chooses the format: .html, .md, .json, .eee.json (Every-Eval-Ever), .xml (JUnit),
        .csv, .parquet, .txt.
    format
        The format, where the suffix does not say.
    gates
        Outcomes of declared conditions, shown first.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    ArgumentError
        If neither suffix nor `format` names a format.
    OutputError
        If the file cannot be written; what was there before is untouched.
    MissingExtraError
        If the format is Parquet and duckdb is not installed.

    Examples
    --------
    >>> write(None, "result.docx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    neff.errors.ArgumentError: write: path must be a name that ends in .txt, .html, ..., got 'result.docx'. ...
    """
    chosen = _of_suffix(path) if format is None else _format(format)
    if chosen == "parquet":
        from neff.report.tabular import write_parquet

        with replacing(path) as temporary:
            write_parquet(result, temporary)
    else:
        text = _render(result, chosen, gates, width=None, color=False, ascii=False)
        write_bytes(path, text.encode("utf-8", "backslashreplace"))
    return Path(path)


def show(
    result: Any,
    stream: TextIO | None = None,
    *,
    gates: Sequence[Gate] = (),
    width: int | None = None,
    color: bool | None = None,
) -> None:
    """Print a result for a person.

    Parameters
    ----------
    result
        What `neff.evaluate` or `neff.compare` returned.
    stream
        Where to; standard output by default.
    gates
        Outcomes of declared conditions, shown first.
    width
        Columns; those of the terminal by default.
    color
        By default only on a terminal, and not where NO_COLOR is set or TERM is "dumb".
    """
    stream = sys.stdout if stream is None else stream
    terminal = bool(getattr(stream, "isatty", lambda: False)())
    if color is None:
        color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns if terminal else 100
    text = render(result, "text", gates=gates, width=width, color=color, ascii=not _can_draw(stream))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _can_draw(stream: TextIO) -> bool:
    """Return whether the stream's encoding has the characters that tables and sketches use."""
    try:
        "├──●──┤ ◆○ –−·…“”".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _format(name: str) -> Format:
    chosen = _ALIASES.get(name.lower().lstrip("."), name.lower())
    if chosen not in formats():
        raise ArgumentError("format", "one of " + ", ".join(formats()), name, call="render")
    return chosen  # type: ignore[return-value]


def _of_suffix(path: str | Path) -> Format:
    two = "".join(Path(path).suffixes[-2:]).lower()
    found = _SUFFIXES.get(two) or _SUFFIXES.get(Path(path).suffix.lower())
    if found is None:
        *most, last = _SUFFIXES
        raise ArgumentError(
            "path",
            f"a name that ends in {', '.join(most)} or {last}",
            str(path),
            'Or name the format, as in format="html".',
            call="write",
        )
    return found
