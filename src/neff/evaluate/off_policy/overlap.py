"""Can answers of one policy speak for another? Every overlap diagnostic of a pair of policies, from log-probabilities.

What it estimates: how many logged answers survive the raw weights, how heavy the weights' tail is, how far apart the
two policies are (in answers, and in judge scores), and whether the target's typical answers were logged at all. All
are of the RAW weights: stabilised weights always look healthy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.off_policy.judge_space import bhattacharyya
from neff.evaluate.off_policy.typical import Typicality, typicality
from neff.reasons import Reason
from neff.results import Column, Table, json_value
from neff.stats._validate import FloatArray, check_same_length, check_vector
from neff.stats.tail import TailIndex, hill, pareto_k
from neff.stats.weights import WeightSummary, ess, hellinger_affinity, top_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = ["Overlap", "overlap", "overlap_table"]

NEAR_ZERO = 1e-10


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far a target policy is from the logged answers.

    Attributes
    ----------
    policy
        The target.
    n, n_missing, n_positive
        Rows used; rows left out because a log-probability is missing (or the base's is minus infinity); rows left
        out because one is above 0, which no probability is.
    ess, ess_fraction
        Effective number of logged answers under the raw weights, and its share of n.
    hill, pareto_k
        Tail of the weights: below 2 (Hill) or above 0.5 (Pareto) their variance is infinite.
    hellinger
        Overlap in answers, in (0, 1].
    top_share, cv
        Weight held by the largest 5% of the rows; coefficient of variation of the weights.
    near_zero
        Share of rows whose probability ratio is below 1e-10.
    mean_ratio
        Mean of the probability ratios themselves, not scaled: the share of what the target says that the logged
        policy could have said. About 1 where it is covered; near 0 the target lives on answers that were never
        logged, however even the weights of the logged ones are.
    judge_by_weights, judge_by_fresh
        Overlap in judge scores: of the logged answers with the weighted ones, and with fresh answers of the target.
    typicality
        Coverage of the target's typical answers, and its price.
    length_unit
        What surprisal is measured per: "answer", "token", "character".
    reason
        Why the numbers are undefined, or None.
    """

    policy: str
    n: int
    n_missing: int
    n_positive: int
    ess: float
    ess_fraction: float
    hill: TailIndex
    pareto_k: TailIndex
    hellinger: float
    top_share: float
    cv: float
    near_zero: float
    mean_ratio: float
    judge_by_weights: float
    judge_by_fresh: float
    typicality: Typicality
    length_unit: str
    reason: Reason | None = None

    def table(self) -> Table:
        """Return a table of one row."""
        return overlap_table([self])

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        data: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            data[f.name] = (
                {name: json_value(part) for name, part in value._asdict().items()}
                if isinstance(value, TailIndex | Typicality)
                else json_value(value)
            )
        return data


def overlap_table(rows: Sequence[Overlap]) -> Table:
    """Return one row per target policy."""
    columns = (
        Column("policy", "Policy"),
        Column("n", "Logged", "count"),
        Column("n_unusable", "Unusable", "count", help="a log-probability is missing, or above 0"),
        Column("ess", "n_eff", "number", 1, help="logged answers that survive the raw weights"),
        Column("ess_fraction", "of n", "percent"),
        Column("hill", "Hill", "number", 2),
        Column("pareto_k", "Pareto k", "number", 2),
        Column("hellinger", "Hellinger", "number", 3, help="overlap in answers"),
        Column("top_share", "Top 5% hold", "percent"),
        Column("near_zero", "Near zero", "percent"),
        Column("mean_ratio", "Mean ratio", "number", 3),
        Column("judge_by_weights", "Judge overlap", "number", 3, help="overlap in judge scores, by weights"),
        Column("judge_by_fresh", "by fresh answers", "number", 3),
        Column("ttc", "TTC", "number", 3, help="logged answers that are typical of the target"),
        Column("cle", "SE at least ×", "number", 2, help="than sd / sqrt(n), even with perfect weights"),
        Column("length_unit", "Surprisal per"),
    )
    return Table(
        columns,
        tuple(
            (
                row.policy,
                row.n,
                row.n_missing + row.n_positive,
                row.ess,
                row.ess_fraction,
                row.hill.value,
                row.pareto_k.value,
                row.hellinger,
                row.top_share,
                row.near_zero,
                row.mean_ratio,
                row.judge_by_weights,
                row.judge_by_fresh,
                row.typicality.ttc,
                row.typicality.cle,
                row.length_unit,
            )
            for row in rows
        ),
        "Overlap of logged answers with each target policy",
    )


def overlap(
    log_base: ArrayLike,
    log_target: ArrayLike,
    *,
    policy: str = "",
    score: ArrayLike | None = None,
    fresh_score: ArrayLike | None = None,
    length: ArrayLike | None = None,
    length_unit: str | None = None,
) -> Overlap:
    """Measure everything that says whether logged answers can be weighted to stand for a target policy.

    Use it before any importance-weighted estimate, on the raw log-probabilities: after stabilisation a useless set
    of weights looks sound. `gates_for_off_policy` turns the result into verdicts.

    Parameters
    ----------
    log_base, log_target
        Natural logarithm of the probability of each whole logged answer under the logging and the target policy,
        shape (n,) each. Rows with a NaN are left out and counted, for this policy only, and so are rows above 0.
    policy
        Name of the target.
    score
        Judge scores of the logged answers, shape (n,), finite.
    fresh_score
        Judge scores of fresh answers of the target, shape (m,).
    length
        Length of each logged answer, shape (n,), positive, to measure surprisal per unit.
    length_unit
        What `length` counts: "token", "character". Must be given with it: the unit changes TTC.

    Returns
    -------
    Overlap
        NaN with a reason where no row can be used, or all weights are 0.

    Raises
    ------
    ArgumentError
        If lengths differ, or `length` comes without its unit.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> base = np.linspace(-30, -10, 60)
    >>> near, far = overlap(base, base + np.sin(np.arange(60))), overlap(base, base[::-1])
    >>> round(near.ess_fraction, 2), round(near.hellinger, 2), round(far.ess_fraction, 2), round(far.hellinger, 2)
    (0.71, 0.95, 0.05, 0.32)
    """
    call = "overlap"
    base = check_vector(log_base, argument="log_base", call=call, allow_nan=True, allow_inf=True)
    target = check_vector(log_target, argument="log_target", call=call, allow_nan=True, allow_inf=True)
    check_same_length(call=call, log_base=base, log_target=target)
    if (length is None) != (length_unit is None):
        got = "no length" if length is None else "no length_unit"
        raise ArgumentError("length_unit", "given together with length", got, 'Give "token".', call=call)
    missing = np.isnan(base) | np.isnan(target) | np.isneginf(base)
    positive = ~missing & ((base > 0) | (target > 0))
    used = ~(missing | positive)
    base, target = base[used], target[used]
    scores = _rows(score, "score", used)
    log_weights = target - base
    relative = np.exp(log_weights - log_weights.max()) if len(base) and log_weights.max() > -math.inf else None
    survive = ess(log_weights)
    fresh = None if fresh_score is None else check_vector(fresh_score, argument="fresh_score", call=call)
    return Overlap(
        policy=policy,
        n=len(base),
        n_missing=int(missing.sum()),
        n_positive=int(positive.sum()),
        ess=survive,
        ess_fraction=survive / max(len(base), 1),
        hill=hill(log_weights),
        pareto_k=pareto_k(log_weights),
        hellinger=hellinger_affinity(log_weights),
        top_share=top_share(log_weights),
        cv=math.nan if relative is None else float(relative.std() / relative.mean()),
        near_zero=float(np.mean(log_weights < math.log(NEAR_ZERO))) if len(base) else math.nan,
        mean_ratio=math.exp(min(WeightSummary.of(log_weights).log_mean, 700.0)) if len(base) else math.nan,
        judge_by_weights=math.nan if scores is None or relative is None else bhattacharyya(scores, weights=relative),
        judge_by_fresh=math.nan if scores is None or fresh is None else bhattacharyya(scores, fresh),
        typicality=typicality(base, target, length=_rows(length, "length", used)),
        length_unit=length_unit or "answer",
        reason=None if relative is not None else Reason.ZERO_WEIGHT if len(base) else Reason.EMPTY,
    )


def _rows(values: ArrayLike | None, argument: str, used: np.ndarray[Any, np.dtype[np.bool_]]) -> FloatArray | None:
    if values is None:
        return None
    vector = check_vector(values, argument=argument, call="overlap")
    check_same_length(call="overlap", log_base=used, **{argument: vector})
    kept: FloatArray = vector[used]
    return kept
