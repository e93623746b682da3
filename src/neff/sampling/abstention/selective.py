"""Selective prediction: how often an answer is wrong among those that are given, by how many are given.

`risk_coverage` draws the whole curve, `selective_threshold` finds a threshold with a guarantee.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._options import check_choice
from neff.stats._special import beta_quantile
from neff.stats._validate import check_count, check_level, check_same_length, check_vector

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray

__all__ = ["RiskCoverage", "SelectiveThreshold", "risk_coverage", "selective_threshold", "upper_risk"]

Method = Literal["fixed-sequence", "bonferroni"]


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """The curve of selective risk by coverage.

    Attributes
    ----------
    coverage
        1/n to 1, shape (n,).
    risk
        Share of wrong answers among the so many surest ones, shape (n,).
    confidence
        Confidence of the last item that is answered, shape (n,).
    aurc
        Area under the curve: the mean of `risk`. NaN without items.
    e_aurc
        What it exceeds the area of the best order with the same errors by.
    n, n_errors
        Items, and wrong answers.
    """

    coverage: FloatArray
    risk: FloatArray
    confidence: FloatArray
    aurc: float
    e_aurc: float
    n: int
    n_errors: int

    def at(self, coverage: float) -> float:
        """Return the risk of answering a share of the items; NaN below one item.

        Raises
        ------
        ArgumentError
            If the share is not in [0, 1].
        """
        if not 0 <= coverage <= 1:
            raise ArgumentError("coverage", "a share in [0, 1]", coverage, call="RiskCoverage.at")
        count = math.floor(coverage * self.n + 1e-9)
        return float(self.risk[count - 1]) if count >= 1 else math.nan

    def to_dict(self, most: int = 200) -> dict[str, Any]:
        """Return plain JSON values; at most about `most` points of the curve."""
        keep = np.unique(np.linspace(0, self.n - 1, min(self.n, most)).round().astype(int))
        return {
            "n": self.n,
            "n_errors": self.n_errors,
            "aurc": json_number(self.aurc),
            "e_aurc": json_number(self.e_aurc),
            "coverage": [float(self.coverage[i]) for i in keep],
            "risk": [float(self.risk[i]) for i in keep],
        }

    def table(self) -> Table:
        """Return the risk at tenths of coverage."""
        columns = (Column("coverage", "Coverage", "percent"), Column("risk", "Risk", "number"))
        return Table(columns, tuple((k / 10, self.at(k / 10)) for k in range(1, 11)), "Risk by coverage")

    def __str__(self) -> str:
        return f"AURC {self.aurc:.4f}, E-AURC {self.e_aurc:.4f}, {self.n_errors} wrong of {self.n}\n\n{self.table()}"


def risk_coverage(confidence: Any, errors: Any) -> RiskCoverage:
    """Return selective risk by coverage, and the areas AURC and E-AURC.

    Use it to compare orders of the same answers: the lower curve knows better which answers are wrong. Not to choose a
    threshold: the lowest point of a curve is too good, see `selective_threshold`.

    Parameters
    ----------
    confidence
        Larger is surer, shape (n,). Infinite values are allowed.
    errors
        1 where the answer is wrong, else 0; a loss between 0 and 1 is allowed, shape (n,).

    Returns
    -------
    RiskCoverage
        Items of equal confidence count with their mean error: their order does not matter.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is NaN, or an error is outside [0, 1].

    References
    ----------
    Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers. arXiv:1805.08206

    Examples
    --------
    >>> found = risk_coverage([0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 1, 0, 1])
    >>> found.risk.round(5).tolist(), round(found.aurc, 7), round(found.e_aurc, 7)
    ([0.0, 0.0, 0.33333, 0.25, 0.4], 0.1966667, 0.0666667)
    """
    call = "risk_coverage"
    sure = check_vector(confidence, argument="confidence", call=call, allow_inf=True)
    wrong = check_vector(errors, argument="errors", call=call)
    n = check_same_length(confidence=sure, errors=wrong, call=call)
    if n and (wrong.min() < 0 or wrong.max() > 1):
        raise ArgumentError("errors", "0 or 1, or between", float(wrong[np.argmax(np.abs(wrong - 0.5))]), call=call)
    if not n:
        empty = np.zeros(0)
        return RiskCoverage(empty, empty, empty, math.nan, math.nan, 0, 0)
    order = np.argsort(-sure, kind="stable")
    ordered = sure[order]
    start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    size = np.diff(np.r_[start, n])
    shared = np.repeat(np.add.reduceat(wrong[order], start) / size, size)
    count = np.arange(1, n + 1)
    risk = np.cumsum(shared) / count
    best = np.cumsum(np.sort(wrong)) / count
    aurc = float(risk.mean())
    return RiskCoverage(count / n, risk, ordered, aurc, max(aurc - float(best.mean()), 0.0), n, int((wrong > 0).sum()))


def upper_risk(errors: int, n: int, *, level: float = 0.95) -> float:
    """Return Clopper and Pearson's one-sided upper bound of an error rate; 1 without items.

    Examples
    --------
    >>> round(upper_risk(4, 200), 7)
    0.0451804
    """
    return 1.0 if errors >= n else beta_quantile(level, errors + 1, n - errors)


@dataclass(frozen=True, slots=True)
class SelectiveThreshold:
    """A threshold on confidence above which the error rate is at most a target, with a stated probability.

    Attributes
    ----------
    threshold
        Answer where the confidence is above it; infinite where no threshold is good enough (then `reason` says so).
    n, n_admitted, n_errors
        Calibration items, those above the threshold, and the wrong ones among these.
    upper
        Upper bound of the error rate among the answered items; NaN where there is no threshold.
    risk, level
        The target, and the probability that the bound holds.
    method, n_tested
        How many thresholds were tested in which way.
    """

    threshold: float
    n: int
    n_admitted: int
    n_errors: int
    upper: float
    risk: float
    level: float
    method: str
    n_tested: int
    reason: Reason | None = None

    @property
    def coverage(self) -> float:
        """Share of the calibration items that is answered."""
        return self.n_admitted / self.n if self.n else math.nan

    def __str__(self) -> str:
        if self.reason is not None:
            return f"no threshold has a risk of at most {self.risk:g} with {100 * self.level:g}% confidence"
        return (
            f"answer above {self.threshold:.6g}: {self.n_admitted} of {self.n} ({100 * self.coverage:.1f}%), "
            f"{self.n_errors} wrong, at most {100 * self.upper:.2f}% with {100 * self.level:g}% confidence"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "threshold": json_number(self.threshold),
            "n": self.n,
            "n_admitted": self.n_admitted,
            "n_errors": self.n_errors,
            "upper": json_number(self.upper),
            "risk": self.risk,
            "level": self.level,
            "method": self.method,
            "n_tested": self.n_tested,
            "reason": None if self.reason is None else str(self.reason),
        }


def selective_threshold(
    confidence: Any,
    errors: Any,
    *,
    risk: float = 0.05,
    level: float = 0.95,
    thresholds: Any = None,
    n_thresholds: int = 20,
    method: Method = "fixed-sequence",
) -> SelectiveThreshold:
    """Return the threshold that answers most items with an error rate of at most `risk`, with a guarantee.

    Use it on items that the classifier was not trained on, where a statement about the answered items is wanted that
    holds for one calibration set with probability `level`. It holds for new items *like these*, and says nothing about
    a shift.

    Parameters
    ----------
    confidence, errors
        Of calibration items, shape (n,): larger is surer; 1 = wrong, 0 = right.
    risk
        Largest error rate among the answered items.
    level
        Probability, over calibration sets, that it is kept.
    thresholds
        Thresholds fixed before these items were seen, in the order in which they are tested. By default counts of items
        are fixed instead: from the smallest count that passes with two errors on, in equal steps.
    n_thresholds
        How many counts.
    method
        "fixed-sequence": test one after the other at `level`, stop at the first that fails. "bonferroni": test all,
        each at 1 - (1 - level) / number.

    Returns
    -------
    SelectiveThreshold
        With an infinite threshold and a reason where no test passes.

    Raises
    ------
    ArgumentError
        If an error is not 0 or 1, lengths differ, or there are no items.

    Notes
    -----
    Each test is an exact binomial one: Clopper and Pearson's upper bound is at most `risk`. With fixed `thresholds` the
    guarantee holds without further assumption. By counts, the threshold tested is the confidence of the next item,
    which is random; the guarantee then holds where the error rate, as a function of the threshold, does not fall below
    `risk` again after it has exceeded it (with "bonferroni" it always holds). O(n log n).

    References
    ----------
    Geifman and El-Yaniv, Selective Classification for Deep Neural Networks. arXiv:1705.08500
    Angelopoulos, Bates, Candès, Jordan and Lei, Learn then Test. arXiv:2110.01052

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(2)
    >>> p = rng.beta(5, 1, 1000)
    >>> print(selective_threshold(p, rng.random(1000) > p, risk=0.1))
    answer above 0.83263: 605 of 1000 (60.5%), 47 wrong, at most 9.80% with 95% confidence
    """
    call = "selective_threshold"
    sure = check_vector(confidence, argument="confidence", call=call, allow_inf=True)
    wrong = check_vector(errors, argument="errors", call=call)
    n = check_same_length(confidence=sure, errors=wrong, call=call)
    risk, level = check_level(risk, call=call), check_level(level, call=call)
    check_choice(method, get_args(Method), argument="method", call=call)
    if not n or not np.isin(wrong, (0, 1)).all():
        got = "no items" if not n else float(wrong[~np.isin(wrong, (0, 1))][0])
        raise ArgumentError("errors", "0 or 1 for one item or more", got, "1 is a wrong answer.", call=call)
    order = np.argsort(-sure, kind="stable")
    ordered, total = sure[order], np.r_[0, np.cumsum(wrong[order])].astype(int)
    if thresholds is None:
        steps = check_count(n_thresholds, argument="n_thresholds", call=call, minimum=1)
        counts = _counts(n, risk, level if method == "fixed-sequence" else 1 - (1 - level) / steps, steps)
        whole = np.searchsorted(-ordered, [-ordered[k - 1] for k in counts], "right")  # equal items go together
        limits = np.array([-math.inf if k == n else ordered[k] for k in dict.fromkeys(whole.tolist())])
    else:
        limits = check_vector(thresholds, argument="thresholds", call=call, allow_inf=True)
    each = level if method == "fixed-sequence" else 1 - (1 - level) / max(len(limits), 1)
    passed: list[tuple[int, float]] = []
    for limit in limits:
        admitted = int(np.searchsorted(-ordered, -limit, "left"))
        if upper_risk(int(total[admitted]), admitted, level=each) <= risk:
            passed.append((admitted, float(limit)))
        elif method == "fixed-sequence":
            break
    if not passed:
        return SelectiveThreshold(
            math.inf, n, 0, 0, math.nan, risk, level, method, len(limits), Reason.NOT_REACHABLE
        )  # fmt: skip
    admitted, limit = max(passed)
    found = int(total[admitted])
    bound = upper_risk(found, admitted, level=each)
    return SelectiveThreshold(limit, n, admitted, found, bound, risk, level, method, len(limits))


def _counts(n: int, risk: float, level: float, steps: int) -> list[int]:
    """Return counts of answered items to test, in equal steps from the first that bears two errors, or one, or none."""
    for errors in (2, 1, 0):
        first = _bears(errors, risk, level, n)
        if first is not None and (first <= n / 2 or errors == 0):
            return sorted({round(x) for x in np.linspace(first, n, steps)})
    return []


def _bears(errors: int, risk: float, level: float, n: int) -> int | None:
    """Return the smallest count at which so many errors still pass; None where that is more than n."""
    low, high = errors + 1, n
    if high < low or upper_risk(errors, n, level=level) > risk:
        return None
    while low < high:  # the bound falls with the count
        middle = (low + high) // 2
        if upper_risk(errors, middle, level=level) <= risk:
            high = middle
        else:
            low = middle + 1
    return low
