"""`AbstentionTable`: every way to abstain on the same items, with counts and exact bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.reasons import Reason
from neff.results import Column, Table, Verdict, json_number
from neff.stats import clopper_pearson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from neff.sampling.abstention.gates import MethodState
    from neff.sampling.abstention.selective import RiskCoverage

__all__ = ["AbstentionRow", "AbstentionTable", "Accuracy"]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy of some of the answers: all, those whose right class is one class, or those that name one class.

    Attributes
    ----------
    name
        The class; empty for all answers.
    n
        Labelled items of that kind, answered or not.
    n_admitted, n_right
        Those that are answered, and the right ones among these.
    value, interval
        Accuracy among the answered, and its exact (Clopper-Pearson) interval. NaN with a reason where there is none.
    """

    name: str
    n: int
    n_admitted: int
    n_right: int
    value: float
    interval: tuple[float, float]
    reason: Reason | None = None

    @classmethod
    def of(cls, name: str, n: int, n_admitted: int, n_right: int, level: float) -> Accuracy:
        """Return the accuracy of counts."""
        if not n_admitted:
            reason = Reason.NOTHING_ADMITTED if n else Reason.NO_LABELS
            return cls(name, n, 0, 0, math.nan, (math.nan, math.nan), reason)
        low, high, _ = clopper_pearson(n_right, n_admitted, level=level)
        return cls(name, n, n_admitted, n_right, n_right / n_admitted, (low, high))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "n": self.n,
            "n_admitted": self.n_admitted,
            "n_right": self.n_right,
            "value": json_number(self.value),
            "interval": [json_number(x) for x in self.interval],
            "reason": None if self.reason is None else str(self.reason),
        }


@dataclass(frozen=True, slots=True)
class AbstentionRow:
    """One method on one set.

    Attributes
    ----------
    set, method
        Whose items, and which way to abstain.
    n, n_unlabelled
        Items of the set, and those without a right class (an input that is no item at all).
    n_admitted
        Items that are answered, labelled or not.
    accuracy
        Of the answered items with a label.
    by_class, by_prediction
        The same by right class, and by predicted class.
    verdict
        holds: the interval lies at the target or above; fails: below it; undecided: it holds the target; not checked:
        nothing was answered, or nothing of it is labelled.
    """

    set: str
    method: str
    n: int
    n_unlabelled: int
    n_admitted: int
    accuracy: Accuracy
    by_class: tuple[Accuracy, ...]
    by_prediction: tuple[Accuracy, ...]
    verdict: Verdict

    @property
    def coverage(self) -> float:
        """Share of the items that is answered."""
        return self.n_admitted / self.n if self.n else math.nan

    def worst(self, kind: str) -> Accuracy | None:
        """Return the lowest accuracy by "class" or by "prediction", of those with answers; None where there is none."""
        parts = self.by_class if kind == "class" else self.by_prediction
        known = [part for part in parts if part.n_admitted]
        return min(known, key=lambda part: (part.value, -part.n_admitted), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the accuracy under the names of an estimate."""
        own = self.accuracy.to_dict()
        return {
            "set": self.set,
            "method": self.method,
            "value": own["value"],
            "interval": own["interval"],
            "n": own["n_admitted"],
            "n_items": self.n,
            "n_unlabelled": self.n_unlabelled,
            "n_admitted": self.n_admitted,
            "n_right": own["n_right"],
            "coverage": json_number(self.coverage),
            "verdict": str(self.verdict),
            "reason": own["reason"],
            "by_class": [part.to_dict() for part in self.by_class],
            "by_prediction": [part.to_dict() for part in self.by_prediction],
        }


def grade(
    name: str, method: str, labels: NDArray[np.int64], predicted: NDArray[np.int64], admitted: NDArray[np.bool_],
    classes: tuple[str, ...], target: float, level: float,
) -> AbstentionRow:  # fmt: skip
    """Return the row of a method on a set: codes of labels (-1 = none), predictions, and what is answered."""
    labelled = labels >= 0
    right = (predicted == labels) & labelled & admitted

    def part(who: str, kind: NDArray[np.bool_]) -> Accuracy:
        kind = kind & labelled
        return Accuracy.of(who, int(kind.sum()), int((kind & admitted).sum()), int((kind & right).sum()), level)

    own = part("", labelled)
    low, high = own.interval
    if own.reason is not None:
        verdict = Verdict.NOT_CHECKED
    else:
        verdict = Verdict.HOLDS if low >= target else Verdict.FAILS if high < target else Verdict.UNDECIDED
    return AbstentionRow(
        set=name, method=method, n=len(labels), n_unlabelled=int((~labelled).sum()), n_admitted=int(admitted.sum()),
        accuracy=own, by_class=tuple(part(c, labels == k) for k, c in enumerate(classes)),
        by_prediction=tuple(part(c, predicted == k) for k, c in enumerate(classes)), verdict=verdict,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AbstentionTable:
    """Every way to abstain on the same items.

    Attributes
    ----------
    rows
        By set, then by method.
    methods
        What each method was fitted to.
    curves
        Risk by coverage of each set and each method that orders items, by (set, method).
    target
        Accuracy wanted among the answered items.
    level
        Coverage of the intervals, each for itself.
    classes
        Names of the classes.
    n_train, n_calibration
        Labelled items that the methods were fitted to.
    seed
        Of the random numbers.
    notes
        Sentences that a reader must know.
    """

    rows: tuple[AbstentionRow, ...]
    methods: tuple[MethodState, ...]
    curves: dict[tuple[str, str], RiskCoverage]
    target: float
    level: float
    classes: tuple[str, ...]
    n_train: int
    n_calibration: int
    seed: int | None
    notes: tuple[str, ...] = ()

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of the sets."""
        return tuple(dict.fromkeys(row.set for row in self.rows))

    def row(self, set: str, method: str) -> AbstentionRow:  # noqa: A002
        """Return one row by its names.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if (row.set, row.method) == (set, method):
                return row
        raise KeyError((set, method))

    def table(self) -> Table:
        """Return one line per row."""
        columns = (
            Column("set", "Set"), Column("method", "Method"), Column("n", "Items", "count"),
            Column("n_admitted", "Answered", "count"), Column("coverage", "Share", "percent"),
            Column("n_right", "Right", "count"), Column("value", "Accuracy", "number", 3),
            Column("interval", "Interval", "interval", 3), Column("by_class", "Worst class"),
            Column("by_prediction", "Worst prediction"), Column("verdict", "Verdict"), Column("reason", "Reason"),
        )  # fmt: skip
        rows = [
            (row.set, row.method, row.n, row.n_admitted, row.coverage,
             row.accuracy.n_right if row.accuracy.n_admitted else None, row.accuracy.value, row.accuracy.interval,
             _said(row.worst("class")), _said(row.worst("prediction")), str(row.verdict),
             "" if row.accuracy.reason is None else str(row.accuracy.reason))
            for row in self.rows
        ]  # fmt: skip
        return Table(columns, tuple(rows), "Abstention")

    def conditional(self) -> Table:
        """Return one line per row and class: accuracy by right class and by predicted class."""
        columns = (
            Column("set", "Set"), Column("method", "Method"), Column("given", "Given"), Column("name", "Class"),
            Column("n", "Items", "count"), Column("n_admitted", "Answered", "count"),
            Column("n_right", "Right", "count"), Column("value", "Accuracy", "number", 3),
            Column("interval", "Interval", "interval", 3),
        )  # fmt: skip
        rows = [
            (row.set, row.method, given, part.name, part.n, part.n_admitted, part.n_right, part.value, part.interval)
            for row in self.rows
            for given, parts in (("class", row.by_class), ("prediction", row.by_prediction))
            for part in parts
        ]
        return Table(columns, tuple(rows), "Accuracy by class")

    def fits(self) -> Table:
        """Return what each method was fitted to."""
        columns = (
            Column("method", "Method"), Column("says", "Answers where"), Column("numbers", "Fitted"),
            Column("n_eff", "Calibration items", "count"), Column("reason", "Reason"),
        )  # fmt: skip
        rows = [
            (m.name, m.says, ", ".join(f"{k.replace('_', ' ')} {_short(v)}" for k, v in m.numbers.items()), m.n_eff,
             "" if m.reason is None else str(m.reason))
            for m in self.methods
        ]  # fmt: skip
        return Table(columns, tuple(rows), "Methods")

    def areas(self) -> Table:
        """Return the areas under the curves of risk by coverage."""
        columns = (
            Column("set", "Set"), Column("method", "Method"), Column("n", "Items", "count"),
            Column("n_errors", "Wrong", "count"), Column("aurc", "AURC", "number"),
            Column("e_aurc", "E-AURC", "number"),
        )  # fmt: skip
        rows = [(s, m, c.n, c.n_errors, c.aurc, c.e_aurc) for (s, m), c in self.curves.items()]
        return Table(columns, tuple(rows), "Area under risk by coverage")

    def __str__(self) -> str:
        return str(self.table())

    def chart_data(self) -> dict[str, dict[str, Any]]:
        """Return the curves as plain values: set -> method -> coverage and risk."""
        found: dict[str, dict[str, Any]] = {}
        for (name, method), curve in self.curves.items():
            found.setdefault(name, {})[method] = curve.to_dict()
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.abstention/1",
            "target": self.target,
            "level": self.level,
            "classes": list(self.classes),
            "n_train": self.n_train,
            "n_calibration": self.n_calibration,
            "rows": [row.to_dict() for row in self.rows],
            "methods": [
                {
                    "name": m.name,
                    "says": m.says,
                    "numbers": {k: json_number(v) for k, v in m.numbers.items()},
                    "n_eff": json_number(m.n_eff),
                    "reason": None if m.reason is None else str(m.reason),
                    "notes": list(m.notes),
                }
                for m in self.methods
            ],
            "curves": self.chart_data(),
            "seed": self.seed,
            "notes": list(self.notes),
        }


def _short(value: float) -> str:
    if math.isfinite(value):
        return f"{value:.4g}"
    return "none needed" if value < 0 else "none found"


def _said(part: Accuracy | None) -> str:
    return "" if part is None else f"{part.name}: {part.n_right} of {part.n_admitted}"
