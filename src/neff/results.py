"""What every room returns: `Estimate`, `Comparison`, `Verdict`, `Table`. Frozen, self-describing, self-rendering."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from neff.errors import ArgumentError, MissingDependencyError
from neff.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "Column",
    "Comparison",
    "Estimate",
    "Provenance",
    "Reason",
    "Table",
    "Unread",
    "Verdict",
    "json_number",
]


class Verdict(StrEnum):
    """What the data say about a claim whose margin was declared before looking."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"
    NOT_GRADED = "not graded"
    NOT_CHECKED = "not checked"


def json_number(value: float) -> float | None:
    """Return the number, or None where it is not finite: strict JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def _from_json(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _pair_from_json(pair: Sequence[float | None]) -> tuple[float, float]:
    return _from_json(pair[0]), _from_json(pair[1])


@dataclass(frozen=True, slots=True)
class Unread:
    """A file (or part of one) that was not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result came from: enough to run it again.

    Parameters
    ----------
    neff_version
        Version of neff.
    call
        The public call or command line.
    options
        Its options, as JSON values.
    sources
        The files read: path, format, number of rows, SHA-256 where it was computed.
    created
        UTC time in ISO 8601.
    """

    neff_version: str
    call: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Mapping[str, Any], ...] = ()
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "neff_version": self.neff_version,
            "call": self.call,
            "options": dict(self.options),
            "sources": [dict(source) for source in self.sources],
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Provenance:
        """Rebuild from `to_dict`."""
        return cls(
            neff_version=str(data.get("neff_version", "")),
            call=str(data.get("call", "")),
            options=dict(data.get("options", {})),
            sources=tuple(data.get("sources", ())),
            created=str(data.get("created", "")),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with what is known about it.

    Attributes
    ----------
    value
        The estimate, in the units of the score. NaN where it is undefined; then `reason` says why.
    standard_error
        Its standard error, same units. NaN where undefined, never 0 for lack of data.
    interval
        (low, high) of the confidence interval at `level`.
    level
        Coverage of the interval, 0.95 by default.
    df
        Degrees of freedom of the reference t distribution; infinity for a normal one.
    n
        Number of scored draws used.
    n_items, n_clusters
        Number of items and of clusters they form (None where no cluster was given).
    n_unscored
        Draws without a score: counted, not used, and not wrong.
    n_eff
        Effective sample size: what `n_eff_of` says there would be, for the same precision.
    n_eff_of
        Relative to what `n_eff` is counted ("independent items with one draw each").
    method
        How value, standard error and interval were computed, in words.
    assumptions, warnings
        What must be true for the interval to cover; what weakens it here.
    reason
        Why a number is undefined, or None.
    components
        Named parts of the variance, e.g. {"item": .., "sampling": ..}: variances in squared score units.
    task, model, metric
        What was estimated.
    seed
        Seed of the random numbers used, or None.
    provenance
        Where it came from.

    Examples
    --------
    >>> estimate = Estimate(value=0.75, standard_error=0.02, interval=(0.711, 0.789), n=480, model="base")
    >>> print(estimate)
    base: 0.7500 ± 0.0200, 95% interval [0.7110, 0.7890], n = 480
    """

    value: float
    standard_error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    df: float = math.inf
    n: int = 0
    n_items: int = 0
    n_clusters: int | None = None
    n_unscored: int = 0
    n_eff: float = math.nan
    n_eff_of: str = ""
    method: str = ""
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: Reason | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    task: str = ""
    model: str = ""
    metric: str = ""
    seed: int | None = None
    provenance: Provenance | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        name = " · ".join(part for part in (self.model, self.task, self.metric) if part) or "estimate"
        if math.isnan(self.value):
            return f"{name}: undefined ({self.reason or 'no reason recorded'}), n = {self.n}"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{name}: {self.value:.4f} ± {_plain(self.standard_error)}, {_percent(self.level)} interval "
            f"[{_plain(self.interval[0])}, {_plain(self.interval[1])}], n = {self.n:,}{why}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "task": self.task,
            "model": self.model,
            "metric": self.metric,
            "value": json_number(self.value),
            "standard_error": json_number(self.standard_error),
            "interval": [json_number(self.interval[0]), json_number(self.interval[1])],
            "level": self.level,
            "df": json_number(self.df),
            "n": self.n,
            "n_items": self.n_items,
            "n_clusters": self.n_clusters,
            "n_unscored": self.n_unscored,
            "n_eff": json_number(self.n_eff),
            "n_eff_of": self.n_eff_of,
            "components": {name: json_number(value) for name, value in self.components.items()},
            "method": self.method,
            "assumptions": list(self.assumptions),
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Estimate:
        """Rebuild from `to_dict`."""
        known = _known(cls, data)
        for name in ("value", "standard_error", "n_eff"):
            known[name] = _from_json(known.get(name))
        known["df"] = math.inf if known.get("df") is None else float(known["df"])
        known["interval"] = _pair_from_json(known.get("interval", (None, None)))
        known["components"] = {k: _from_json(v) for k, v in known.get("components", {}).items()}
        known["reason"] = None if known.get("reason") is None else Reason(known["reason"])
        known["warnings"] = tuple(known.get("warnings", ()))
        known["assumptions"] = tuple(known.get("assumptions", ()))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference a minus b, on the items that both have.

    Attributes
    ----------
    a, b
        Names of the two models.
    difference
        Mean of score(a) - score(b) over the common items. NaN with a `reason` where there are none.
    standard_error, interval, level, df
        As in `Estimate`; the interval is for this pair alone, not adjusted for the number of pairs.
    n_items, n_clusters
        Common items, and clusters they form.
    n_unmatched
        Items that only one of the two has; reported, never paired.
    correlation
        Pearson correlation of the two models' item scores over the common items.
    n_eff
        Number of unpaired items per model that would give the same standard error.
    p_value
        Two-sided, of difference = margin.
    p_adjusted
        Adjusted for all comparisons of the family.
    tests
        p-values of further tests asked for, by name (McNemar, permutation, bootstrap).
    margin
        Declared before looking: a must beat b by more than this.
    verdict
        holds: a beats b by more than the margin; fails: it does not; undecided: the data do not tell.
    """

    a: str
    b: str
    difference: float
    standard_error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    df: float = math.inf
    n_items: int = 0
    n_clusters: int | None = None
    n_unmatched: int = 0
    correlation: float = math.nan
    n_eff: float = math.nan
    n_eff_of: str = ""
    p_value: float = math.nan
    p_adjusted: float = math.nan
    tests: Mapping[str, float] = field(default_factory=dict)
    margin: float = 0.0
    verdict: Verdict = Verdict.NOT_CHECKED
    method: str = ""
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()
    task: str = ""
    metric: str = ""
    seed: int | None = None

    def __str__(self) -> str:
        if math.isnan(self.difference):
            return f"{self.a} - {self.b}: undefined ({self.reason})"
        return (
            f"{self.a} - {self.b}: {self.difference:+.4f} ± {_plain(self.standard_error)}, "
            f"{_percent(self.level)} interval [{_signed(self.interval[0])}, {_signed(self.interval[1])}], "
            f"{self.n_items:,} common items, {self.describe_verdict()}"
        )

    def describe_verdict(self) -> str:
        """Return the verdict as a person would say it.

        Examples
        --------
        >>> Comparison("A", "B", 0.03, verdict=Verdict.HOLDS).describe_verdict()
        'A better'
        """
        if self.verdict is Verdict.UNDECIDED:
            return "not told apart"
        if self.verdict is Verdict.HOLDS:
            return f"{self.a} better" + (f" by more than {self.margin:g}" if self.margin else "")
        if self.verdict is Verdict.FAILS:
            return f"{self.b} better" if not self.margin else f"{self.a} not better by {self.margin:g}"
        return str(self.verdict)

    def swapped(self) -> Comparison:
        """Return the same comparison as b minus a. A declared margin has a direction, so it must be 0."""
        if self.margin:
            raise ArgumentError(
                "margin", "0 to swap the models", self.margin, "Compare them again the other way round."
            )
        turned = {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}
        return replace(
            self,
            a=self.b,
            b=self.a,
            difference=-self.difference,
            interval=(-self.interval[1], -self.interval[0]),
            verdict=turned.get(self.verdict, self.verdict),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "task": self.task,
            "metric": self.metric,
            "a": self.a,
            "b": self.b,
            "difference": json_number(self.difference),
            "standard_error": json_number(self.standard_error),
            "interval": [json_number(self.interval[0]), json_number(self.interval[1])],
            "level": self.level,
            "df": json_number(self.df),
            "n_items": self.n_items,
            "n_clusters": self.n_clusters,
            "n_unmatched": self.n_unmatched,
            "correlation": json_number(self.correlation),
            "n_eff": json_number(self.n_eff),
            "n_eff_of": self.n_eff_of,
            "p_value": json_number(self.p_value),
            "p_adjusted": json_number(self.p_adjusted),
            "tests": {name: json_number(value) for name, value in self.tests.items()},
            "margin": self.margin,
            "verdict": str(self.verdict),
            "method": self.method,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Rebuild from `to_dict`."""
        known = _known(cls, data)
        for name in ("difference", "standard_error", "correlation", "n_eff", "p_value", "p_adjusted"):
            known[name] = _from_json(known.get(name))
        known["df"] = math.inf if known.get("df") is None else float(known["df"])
        known["interval"] = _pair_from_json(known.get("interval", (None, None)))
        known["tests"] = {k: _from_json(v) for k, v in known.get("tests", {}).items()}
        known["reason"] = None if known.get("reason") is None else Reason(known["reason"])
        known["verdict"] = Verdict(known.get("verdict", "not checked"))
        known["warnings"] = tuple(known.get("warnings", ()))
        return cls(**known)


def _known(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {name: value for name, value in data.items() if name in names}


# --------------------------------------------------------------------------------------------------------
# Tables: the one renderer of rows for terminals, Markdown and notebooks.

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
        """Yield each row as formatted text."""
        for row in self.rows:
            yield tuple(column.format(value) for column, value in zip(self.columns, row, strict=True))

    def to_text(self) -> str:
        """Return aligned plain text."""
        grid = [tuple(column.title for column in self.columns), *self.cells()]
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
        head = "".join(f"<th>{escape(column.title)}</th>" for column in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:{"left" if column.kind == "text" else "right"}">{escape(text)}</td>'
                for column, text in zip(self.columns, row, strict=True)
            )
            + "</tr>"
            for row in self.cells()
        )
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
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


def _plain(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.4f}"


def _percent(level: float) -> str:
    return f"{100 * level:g}%"
