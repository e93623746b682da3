"""Which items to send to a person: error of what is kept, by how much is sent, and the least that must be sent.

What it estimates: at each threshold of confidence the share of wrong labels among the items that are kept, from those
of them that were audited at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats import clopper_pearson
from neff.stats._special import beta_quantile
from neff.stats._validate import check_count, check_level, check_number, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["DeferralCurve", "DeferralPoint", "deferral_curve"]

CALL = "deferral_curve"


@dataclass(frozen=True, slots=True)
class DeferralPoint:
    """What one threshold gives.

    Attributes
    ----------
    threshold
        Items of at least this confidence are kept.
    kept
        Share of all items that is kept; the others go to people.
    error, interval
        Share of wrong labels among the kept items, from the audited ones (Clopper-Pearson). NaN without any.
    total
        Error of all items, those that people label included.
    n_kept, n_audited, n_errors
        Items kept, audited ones among them, and wrong ones among these.
    """

    threshold: float
    kept: float
    error: float
    interval: tuple[float, float]
    total: float
    n_kept: int
    n_audited: int
    n_errors: int


@dataclass(frozen=True, slots=True)
class DeferralCurve:
    """Error by how much is sent to people.

    Attributes
    ----------
    points
        One per threshold, the highest first.
    chosen
        The point that sends least and whose total error is at most `target` with a probability of `level`; None where
        there is none (then `reason` says why), or no target.
    n, n_audited
        Items, and audited ones among those with a confidence.
    """

    points: tuple[DeferralPoint, ...]
    chosen: DeferralPoint | None
    target: float | None
    human_error: float
    n: int
    n_audited: int
    level: float
    reason: Reason | None = None

    def sentence(self) -> str:
        """Return what to do in one sentence; empty without a target."""
        if self.target is None:
            return ""
        sure = f"with {100 * self.level:g}% confidence"
        if self.chosen is None:
            return f"No threshold keeps the total error at {self.target:g} {sure}: {self.reason}."
        point, sent = self.chosen, self.n - self.chosen.n_kept
        return (
            f"Keep from {point.threshold:.3g} on: {point.n_kept:,} of {self.n:,} items, {sent:,} to people; "
            f"total error at most {self.target:g} {sure}."
        )

    def table(self) -> Table:
        """Return one row per threshold."""
        columns = (
            Column("threshold", "Kept from", "number", 3), Column("sent", "To people", "percent"),
            Column("error", "Error of kept", "number"), Column("interval", "Interval", "interval"),
            Column("total", "Total error", "number"), Column("n_audited", "Audited", "count"),
            Column("n_errors", "Wrong", "count"),
        )  # fmt: skip
        rows = ((p.threshold, 1 - p.kept, p.error, p.interval, p.total, p.n_audited, p.n_errors) for p in self.points)
        return Table(columns, tuple(rows))

    def __str__(self) -> str:
        return "\n".join(filter(None, [str(self.table()), self.sentence()]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.deferral-curve/1",
            "points": [_plain(point) for point in self.points],
            "chosen": None if self.chosen is None else _plain(self.chosen),
            "target": self.target,
            "human_error": self.human_error,
            "n": self.n,
            "n_audited": self.n_audited,
            "level": self.level,
            "reason": None if self.reason is None else str(self.reason),
        }


def _plain(point: DeferralPoint) -> dict[str, Any]:
    numbers = ("threshold", "kept", "error", "total")
    return {
        **{name: json_number(getattr(point, name)) for name in numbers},
        "interval": [json_number(x) for x in point.interval],
        **{name: getattr(point, name) for name in ("n_kept", "n_audited", "n_errors")},
    }


def deferral_curve(
    confidence: ArrayLike,
    wrong: ArrayLike,
    *,
    target: float | None = None,
    human_error: float = 0.0,
    n_sent: int = 0,
    n_points: int = 20,
    level: float = 0.95,
) -> DeferralCurve:
    """Return the error of what is kept by how much is sent to people, and the least to send for a target.

    Use it when labels come with a confidence, or with the agreement of several models, and people can label the rest.
    The audited items must be a random sample: those that looked doubtful say nothing about the others.

    Parameters
    ----------
    confidence
        Of each item, larger is surer, shape (n,).
    wrong
        1 where the audit found the label wrong, 0 where right, NaN where it did not look, shape (n,).
    target
        Total error that is allowed.
    human_error
        Share of wrong labels among those that people give; taken as known.
    n_sent
        Items beside these that go to people anyway.
    n_points
        Thresholds at most, at equal steps of the kept share.
    level
        Coverage of the intervals, and probability that the chosen threshold keeps its promise.

    Returns
    -------
    DeferralCurve
        Points, and the chosen one.

    Raises
    ------
    ArgumentError
        If lengths differ, a value of `wrong` is not 0, 1 or NaN, or a share is outside [0, 1].

    Notes
    -----
    Thresholds are tested in order, the highest first, each with the exact one-sided bound at `level`, and the first
    that fails ends the series: the chosen one then keeps its promise with that probability, however many were tried.
    Thresholds with so few audited items that even no error would not do are passed over, which looks at no label.
    O(n log n).

    References
    ----------
    Carammia, Iacus and Porro, Rethinking Scale: The Efficacy of Fine-Tuned Open-Source LLMs. arXiv:2411.00890.
    Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test. arXiv:2110.01052

    Examples
    --------
    >>> agreement = np.repeat([1.0, 2 / 3, 1 / 3], [600, 300, 100])
    >>> audited = np.arange(1000) % 5 == 0
    >>> wrong = np.where(audited, np.arange(1000) % 35 < 15 * (agreement < 0.5), np.nan)
    >>> found = deferral_curve(agreement, wrong, target=0.05)
    >>> print(found.sentence())
    Keep from 0.667 on: 900 of 1,000 items, 100 to people; total error at most 0.05 with 95% confidence.
    """
    level = check_level(level, call=CALL)
    sure = check_vector(confidence, argument="confidence", call=CALL, allow_inf=True)
    told = check_vector(wrong, argument="wrong", call=CALL, allow_nan=True)
    check_same_length(call=CALL, confidence=sure, wrong=told)
    audited = ~np.isnan(told)
    if not np.isin(told[audited], (0, 1)).all():
        raise ArgumentError("wrong", "0, 1 or NaN", float(told[audited][~np.isin(told[audited], (0, 1))][0]), call=CALL)
    human_error = _share(human_error, "human_error")
    target = None if target is None else _share(target, "target")
    n_sent = check_count(n_sent, argument="n_sent", call=CALL)
    n_points = check_count(n_points, argument="n_points", call=CALL, minimum=1)
    n, n_audited = len(sure) + n_sent, int(audited.sum())
    if not n_audited:
        return DeferralCurve((), None, target, human_error, n, 0, level, Reason.NO_LABELS)
    points = tuple(_point(float(t), sure, told, audited, n, human_error, level) for t in _thresholds(sure, n_points))
    chosen = None if target is None else _choose(points, target, human_error, level)
    reason = Reason.NOT_REACHABLE if target is not None and chosen is None else None
    return DeferralCurve(points, chosen, target, human_error, n, n_audited, level, reason)


def _share(value: Any, argument: str) -> float:
    share = check_number(value, argument=argument, call=CALL)
    if not 0 <= share <= 1:
        raise ArgumentError(argument, "a share from 0 to 1", share, call=CALL)
    return share


def _thresholds(sure: NDArray[np.float64], n_points: int) -> NDArray[np.float64]:
    """Return the distinct confidences from the highest down, or so many of them at equal steps of the kept share."""
    distinct = np.unique(sure)[::-1]
    if len(distinct) <= n_points:
        return distinct
    places = np.ceil(np.arange(1, n_points + 1) * len(sure) / n_points).astype(int) - 1
    return np.unique(np.sort(sure)[::-1][places])[::-1]


def _point(
    threshold: float, sure: NDArray[np.float64], told: NDArray[np.float64], audited: NDArray[np.bool_], n: int,
    human_error: float, level: float,
) -> DeferralPoint:  # fmt: skip
    keep = sure >= threshold
    n_kept, n_audited = int(keep.sum()), int((keep & audited).sum())
    n_errors = int(told[keep & audited].sum())
    error = n_errors / n_audited if n_audited else math.nan
    low, high, _ = clopper_pearson(n_errors, n_audited, level=level)
    kept = n_kept / n
    return DeferralPoint(
        threshold, kept, error, (low, high), kept * error + (1 - kept) * human_error, n_kept, n_audited, n_errors
    )


def _choose(points: tuple[DeferralPoint, ...], target: float, human_error: float, level: float) -> DeferralPoint | None:
    """Return the last point before the first that cannot be shown to keep the target, None where the first fails."""
    chosen = None
    for point in points:
        allowed = (target - (1 - point.kept) * human_error) / point.kept
        if _upper(0, point.n_audited, level) > allowed:
            continue  # not even without an error: this looks at no label, so that the series is still a fixed one
        if _upper(point.n_errors, point.n_audited, level) > allowed:
            break
        chosen = point
    return chosen


def _upper(errors: int, n: int, level: float) -> float:
    return 1.0 if errors >= n else beta_quantile(level, errors + 1, n - errors)
