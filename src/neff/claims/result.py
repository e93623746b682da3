"""`ClaimResult` and `CheckReport`: what a check found, claim by claim."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neff.claims.outcome import Failure
from neff.claims.terms import Terms
from neff.reasons import Reason
from neff.results import Column, Provenance, Table, Unread, Verdict, json_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SCHEMA", "CheckReport", "ClaimResult"]

SCHEMA = "neff.check/1"
NAN_PAIR = (math.nan, math.nan)
PAIRS = ("interval", "distance_interval")
NUMBERS = ("value", "standard_error", "treatment", "control", "distance")


HUGE = 1e9
"""From here on numbers are shown with an exponent."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """The verdict on one claim.

    Attributes
    ----------
    claim
        Where it is and what it is called: `claims.py::faster`.
    terms
        What was declared: `says`, `paper`, `published`, `kind`, `margin`, `level`, ...
    verdict
        holds, fails or undecided, against the declared margin; not checked, where it could not be run.
    why
        What the verdict rests on, in words.
    reason
        Why a number is undefined, or the claim was not checked; None otherwise.
    value, standard_error, interval
        The effect, turned so that larger is better (but a level): mean difference, geometric mean of ratios, or mean.
        The interval covers at `terms.level` at all numbers of seeds together; the standard error is of a fixed number.
    treatment, control
        Means of the two arms (geometric for a ratio); NaN for a level.
    distance, distance_interval
        How far the effect lies beyond the margin towards "holds", in standard deviations of one seed.
    n
        Seeds that were used.
    failures
        Seeds that failed.
    seconds
        What the used seeds took, each by itself.
    params
        Its parameters, where it is one of several cases.
    change
        Beside the last run in the journal, where `baseline` was asked for: "new", "same", "better", "worse".
    before
        The verdict of that run, or None.
    """

    claim: str
    terms: Terms
    verdict: Verdict
    why: str
    reason: Reason | None = None
    value: float = math.nan
    standard_error: float = math.nan
    interval: tuple[float, float] = NAN_PAIR
    treatment: float = math.nan
    control: float = math.nan
    distance: float = math.nan
    distance_interval: tuple[float, float] = NAN_PAIR
    n: int = 0
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    warnings: tuple[str, ...] = ()
    change: str = ""
    before: Verdict | None = None

    @property
    def home(self) -> str:
        """The file or module."""
        return self.claim.rpartition("::")[0] or self.claim

    @property
    def name(self) -> str:
        """The name of the claim in it."""
        return self.claim.rpartition("::")[2]

    @property
    def failed_seeds(self) -> bool:
        """Whether it was not checked because seeds failed: a defect, where a missing package is none."""
        return self.verdict is Verdict.NOT_CHECKED and self.reason not in (Reason.MISSING_EXTRA, Reason.OUT_OF_TIME)

    def __str__(self) -> str:
        if self.verdict is Verdict.NOT_CHECKED and math.isnan(self.value):
            return f"{self.claim}: {self.verdict} ({self.why})"
        return (
            f"{self.claim}: {self.verdict}: {self.shown(self.value)}, {100 * self.terms.level:g}% interval "
            f"{self.shown_interval()}, margin {self.terms.margin:g}, n = {self.n} ({self.why})"
        )

    @property
    def digits(self) -> int:
        """Decimals at which the standard error shows two digits."""
        error = self.standard_error
        if math.isfinite(error) and error > 0:
            return min(max(math.ceil(-math.log10(error)) + 1, 0), 8)
        return 4

    def shown(self, value: float) -> str:
        """Return a value in the unit of the effect as text: a difference with its sign, a ratio with ×."""
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        sign = "+" if self.terms.kind == "difference" else ""
        spec = f".{self.digits}f" if abs(value) < HUGE else ".3g"
        return f"{value:{sign}{spec}}" + ("×" if self.terms.kind == "ratio" else "")

    def shown_interval(self) -> str:
        """Return the interval as text."""
        low, high = self.interval
        return f"[{self.shown(low)}, {self.shown(high)}]" if math.isfinite(low) else "–"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "claim": self.claim,
            "says": self.terms.says,
            "paper": self.terms.paper,
            "published": self.terms.published,
            "kind": self.terms.kind,
            "margin": self.terms.margin,
            "verdict": str(self.verdict),
            "why": self.why,
            "reason": None if self.reason is None else str(self.reason),
            **{name: json_number(getattr(self, name)) for name in NUMBERS[:2]},
            "interval": [json_number(end) for end in self.interval],
            "level": self.terms.level,
            "n": self.n,
            "n_failed": len(self.failures),
            "treatment": json_number(self.treatment),
            "control": json_number(self.control),
            "distance": json_number(self.distance),
            "distance_interval": [json_number(end) for end in self.distance_interval],
            "seconds": self.seconds,
            "params": dict(self.params),
            "method": self.method,
            "warnings": list(self.warnings),
            "failures": [
                {"seed": f.seed, "kind": f.kind, "message": f.message, "output": f.output} for f in self.failures
            ],
            "change": self.change or None,
            "before": None if self.before is None else str(self.before),
            "terms": self.terms.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClaimResult:
        """Rebuild from `to_dict`."""
        read: dict[str, Any] = {name: _number(data.get(name)) for name in NUMBERS}
        read |= {name: _pair(data.get(name)) for name in PAIRS}
        return cls(
            claim=data["claim"],
            terms=Terms.from_dict(data["terms"]),
            verdict=Verdict(data["verdict"]),
            why=data["why"],
            reason=None if data.get("reason") is None else Reason(data["reason"]),
            n=data["n"],
            failures=tuple(Failure(**failure) for failure in data.get("failures", ())),
            seconds=data["seconds"],
            params=data.get("params", {}),
            method=data.get("method", ""),
            warnings=tuple(data.get("warnings", ())),
            change=data.get("change") or "",
            before=None if data.get("before") is None else Verdict(data["before"]),
            **read,
        )


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found: one result per claim, in the order they were found.

    Attributes
    ----------
    results
        The claims.
    unread
        Files and claims that could not be imported, and why.
    seconds
        How long the check took.
    n_workers
        Seeds that were run at a time.
    baseline
        Whether the results were held against the last run in the journal.
    notes
        What else there is to say.
    provenance
        Version, call and time.
    """

    results: tuple[ClaimResult, ...]
    unread: tuple[Unread, ...] = ()
    seconds: float = 0.0
    n_workers: int = 1
    baseline: bool = False
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = field(default=None, repr=False, compare=False)

    def __iter__(self) -> Iterator[ClaimResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def result(self, claim: str) -> ClaimResult:
        """Return the result of a claim by its whole name, or by its name alone; a KeyError lists the claims."""
        for result in self.results:
            if claim in (result.claim, result.name):
                return result
        raise KeyError(f"claim {claim!r} was not checked; there are {[r.claim for r in self.results]}")

    def with_verdict(self, verdict: Verdict) -> tuple[ClaimResult, ...]:
        """Return the claims with that verdict."""
        return tuple(result for result in self.results if result.verdict is verdict)

    def table(self) -> Table:
        """Return one row per claim."""
        columns = (
            Column("claim", "Claim"),
            Column("verdict", "Verdict"),
            Column("value", "Effect", "number"),
            Column("standard_error", "SE", "number"),
            Column("interval", "Interval", "interval", help="at all numbers of seeds together"),
            Column("margin", "Margin", "number"),
            Column("published", "Published"),
            Column("n", "Seeds", "count"),
            Column("n_failed", "Failed", "count"),
            Column("seconds", "Seconds", "number", 1),
            Column("kind", "Kind"),
            Column("change", "Change"),
            Column("why", "Why"),
        )
        rows = tuple(
            (
                r.claim,
                str(r.verdict),
                r.value,
                r.standard_error,
                r.interval,
                r.terms.margin,
                "" if r.terms.published is None else str(r.terms.published),
                r.n,
                len(r.failures),
                r.seconds,
                r.terms.kind,
                r.change,
                r.why,
            )
            for r in self.results
        )
        return Table(columns, rows, "Claims")

    def __str__(self) -> str:
        said = [str(result) for result in self.results]
        return "\n".join([*said, *(f"{u.path}: not read ({u.reason})" for u in self.unread)]) or "no claims"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_frame(self, backend: str | None = None) -> Any:
        """Return the table as a dataframe."""
        return self.table().to_frame(backend)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "schema": SCHEMA,
            "claims": [result.to_dict() for result in self.results],
            "unread": [{"path": u.path, "reason": u.reason} for u in self.unread],
            "seconds": self.seconds,
            "n_workers": self.n_workers,
            "baseline": self.baseline,
            "notes": list(self.notes),
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckReport:
        """Rebuild from `to_dict`."""
        return cls(
            results=tuple(map(ClaimResult.from_dict, data["claims"])),
            unread=tuple(Unread(**u) for u in data.get("unread", ())),
            seconds=data.get("seconds", 0.0),
            n_workers=data.get("n_workers", 1),
            baseline=data.get("baseline", False),
            notes=tuple(data.get("notes", ())),
            provenance=Provenance.from_dict(data["provenance"]) if data.get("provenance") else None,
        )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _pair(value: Any) -> tuple[float, float]:
    low, high = value or (None, None)
    return _number(low), _number(high)
