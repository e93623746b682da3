"""`Table`: rows under named columns, the one renderer of rows for terminals, Markdown and notebooks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from neff.errors import ArgumentError, MissingDependencyError
from neff.results.plain import clean, middle_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Column", "Table"]

_LONGEST = 160
Kind = Literal["text", "number", "signed", "count", "percent", "p", "interval"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a `Table`: machine name, human title, and how its values are written.

    `kind` decides format and alignment: "number" and "signed" take a float, "count" an int or float,
    "percent" a share of 1, "p" a p-value, "interval" a (low, high) pair, "text" anything.
    """

    name: str
    title: str
    kind: Kind = "text"
    digits: int = 4
    help: str = ""

    def format(self, value: Any) -> str:
        """Return the value as text; NaN and None as an en dash."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "–"
        match self.kind:
            case "text":
                return str(value)
            case "number":
                return f"{value:.{self.digits}f}"
            case "signed":
                return f"{value:+.{self.digits}f}"
            case "count":
                return f"{value:,.0f}"
            case "percent":
                return f"{100 * value:.1f}%"
            case "p":
                return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
            case "interval":
                low, high = value
                if math.isnan(low) or math.isnan(high):
                    return "–"
                return f"[{low:.{self.digits}f}, {high:.{self.digits}f}]"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; raw values are kept, text is made when asked for.

    Examples
    --------
    >>> table = Table((Column("model", "Model"), Column("n", "n", "count")), (("base", 1000), ("clone", 998)))
    >>> print(table)
    Model      n
    base   1,000
    clone    998
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ArgumentError(
                    "rows", f"of {len(self.columns)} values each", row, "Give one value per column.", call="Table"
                )

    def __len__(self) -> int:
        return len(self.rows)

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Yield each row as formatted text; what could steer a terminal or a reader's eye is spelled out."""
        for row in self.rows:
            yield tuple(
                middle_cut(clean(column.format(value)), _LONGEST)
                for column, value in zip(self.columns, row, strict=True)
            )

    def to_text(self) -> str:
        """Return aligned plain text."""
        grid = [tuple(clean(column.title) for column in self.columns), *self.cells()]
        widths = [max(len(row[j]) for row in grid) for j in range(len(self.columns))]
        lines = []
        for row in grid:
            parts = [
                text.ljust(width) if column.kind == "text" else text.rjust(width)
                for text, width, column in zip(row, widths, self.columns, strict=True)
            ]
            lines.append("  ".join(parts).rstrip())
        return "\n".join(lines)

    __str__ = to_text

    def to_markdown(self) -> str:
        """Return a GitHub-flavoured Markdown table; text from logs is escaped."""
        head = "| " + " | ".join(_markdown(column.title) for column in self.columns) + " |"
        rule = "|" + "|".join(":--" if column.kind == "text" else "--:" for column in self.columns) + "|"
        body = ["| " + " | ".join(_markdown(text) for text in row) + " |" for row in self.cells()]
        return "\n".join([head, rule, *body])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(clean(column.title))}</th>" for column in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:{"left" if column.kind == "text" else "right"}">{escape(text)}</td>'
                for column, text in zip(self.columns, row, strict=True)
            )
            + "</tr>"
            for row in self.cells()
        )
        caption = f"<caption>{escape(clean(self.caption))}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the raw values by column name; an interval becomes two columns, `<name>_low` and `<name>_high`."""
        data: dict[str, list[Any]] = {}
        for j, column in enumerate(self.columns):
            values = [row[j] for row in self.rows]
            if column.kind == "interval":
                data[f"{column.name}_low"] = [low for low, _ in values]
                data[f"{column.name}_high"] = [high for _, high in values]
            else:
                data[column.name] = values
        return data

    def to_frame(self, backend: str | None = None) -> Any:
        """Return a dataframe.

        Parameters
        ----------
        backend
            "pandas", "polars" or "pyarrow"; by default the first of these that is installed.
        """
        import narwhals as nw

        kinds: tuple[Literal["pandas", "polars", "pyarrow"], ...] = ("pandas", "polars", "pyarrow")
        if backend is not None and backend not in kinds:
            raise ArgumentError("backend", f"one of {', '.join(kinds)}", backend, call="Table.to_frame")
        for kind in kinds:
            if backend in (None, kind):
                try:
                    return nw.from_dict(self.to_dict(), backend=kind).to_native()
                except ImportError:  # that frame library is not installed; try the next
                    continue
        raise MissingDependencyError("Table.to_frame()", backend or "pandas")


def _markdown(text: str) -> str:
    flat = " ".join(text.split())
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "|"):
        flat = flat.replace(mark, "\\" + mark)
    return flat
