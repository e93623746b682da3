"""`verifier_curves`: what resampling until a verifier accepts can and cannot buy, and when to stop.

What it estimates: the chance that an item is answered rightly, wrongly or not at all when answers are drawn until the
verifier accepts one or the budget is spent, and the budget with the highest reward when a wrong answer costs something.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate
from neff.sampling.combinatorics import none_right
from neff.sampling.draws import Draws, as_draws, draws_of
from neff.sampling.shares import inside, share_mean
from neff.sampling.verifiers.accept_first import Counts, Curves, curves
from neff.sampling.verifiers.result import VerifierCurve, VerifierReport
from neff.sampling.verifiers.rewards import resampled, reward
from neff.sampling.verifiers.two_type import TwoTypeModel
from neff.stats import mean_se, t_interval
from neff.stats._options import seeded
from neff.stats._special import t_quantile
from neff.stats._validate import check_count, check_level, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["counts_of", "verifier_curves"]

LARGEST = 1e100  # values of a reward: their sums over items stay finite


def verifier_curves(
    outcomes: Any,
    accepts: Any,
    *,
    costs: float | Sequence[float] = (0.0, 1.0, 2.0, 4.0, 8.0),
    right_value: float = 1.0,
    abstain_value: float = 0.0,
    price: float = 0.0,
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: Any = None,
    **columns: Any,
) -> VerifierReport:
    """Compute exactly what drawing until a verifier accepts gives at every budget.

    Use it where recorded draws carry both the cheap check that will be there when it counts (unit tests, a judge) and
    the truth (more tests, people). Not for verifiers that rank answers: see `at_k` with scores, best of k.

    Parameters
    ----------
    outcomes
        Truth of each draw, 0/1 or bool, NaN = unscored: items by draws, ragged or not. Or records, whose score it is.
    accepts
        Whether the verifier accepts it, of the same shape; for records the name of a column, or several.
    costs
        Loss of a wrong answer, or several, 0 or more.
    right_value, abstain_value, price
        Value of a right answer, of none, and the price of one attempt (0 or more), in the units of the costs.
    level
        Coverage of the intervals over items.
    n_resamples, rng
        Bootstrap resamples of items for the range of the best budget (SPEC 7).
    **columns
        Column names, as in `neff.read`, where `outcomes` are records.

    Returns
    -------
    VerifierReport
        A curve per task, model and verifier, with rewards and ceilings.

    Raises
    ------
    ArgumentError
        If a value is not 0, 1 or missing, shapes differ, no acceptances are given, a cost or the price is negative, or
        a value is not finite.
    RecordsError
        If records cannot be read.

    Notes
    -----
    Exact for budgets drawn without replacement from the recorded draws, in place of a simulation over permutations.
    An item with fewer draws than the budget stands still at its last one (a warning says so). A ceiling computed from
    n draws is a plug-in: items that are accepted less than once in n draws are missed. Cost: items x budgets.

    References
    ----------
    Stroebl, Kapoor and Narayanan, Inference Scaling fLaws: The Limits of LLM Resampling with Imperfect Verifiers.
    arXiv:2411.17501

    Examples
    --------
    >>> right = [[1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]]
    >>> accepted = [[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]]
    >>> report = verifier_curves(right, accepted, costs=(0, 2), rng=7)
    >>> [f"{x:.3f}" for x in report.curves[0].right], [f"{x:.3f}" for x in report.curves[0].wrong]
    (['0.450', '0.567', '0.600', '0.600'], ['0.150', '0.267', '0.350', '0.400'])
    >>> [reward.best_k for reward in report.curves[0].rewards]
    [3, 1]
    """
    level = check_level(level, call="verifier_curves")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="verifier_curves", minimum=1)
    losses = _losses(costs, right_value, abstain_value, price)
    generator, seed = seeded(rng, call="verifier_curves")
    spawn = int(generator.integers(2**63))
    values = (right_value, abstain_value, price)
    found = tuple(
        _curve(draws, name, losses, values, level, n_resamples, np.random.default_rng(spawn))
        for draws, name in _parts(outcomes, accepts, columns)
    )
    notes = [warning for c in found for warning in c.warnings]
    if any(r.best_k == len(c.budgets) > 0 for c in found for r in c.rewards):
        notes.append("Where the best budget is the longest recorded, a longer one may be better still.")
    return VerifierReport(
        curves=found, correlation=_correlation(found), level=level, seed=seed, right_value=float(right_value),
        abstain_value=float(abstain_value), price=float(price), notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _losses(costs: Any, right_value: Any, abstain_value: Any, price: Any) -> tuple[float, ...]:
    """Return the costs as numbers, after a look at all that a reward is made of."""
    given = [costs] if isinstance(costs, str) or not hasattr(costs, "__iter__") else list(costs)
    losses = [("costs", cost) for cost in given]
    for name, amount in (*losses, ("price", price), ("right_value", right_value), ("abstain_value", abstain_value)):
        value = check_number(amount, argument=name, call="verifier_curves")
        if name in ("costs", "price") and not (math.isfinite(value) and value >= 0):
            fix = "It is what is taken away: 4, not -4."
            must = "numbers of 0 or more" if name == "costs" else "0 or more"
            raise ArgumentError(name, must, amount, fix, call="verifier_curves")
        if not math.isfinite(value):
            raise ArgumentError(name, "a finite number", amount, call="verifier_curves")
        if abs(value) > LARGEST:
            fix = "Choose a smaller unit: only the ratios of values matter."
            raise ArgumentError(name, f"at most {LARGEST:g}", amount, fix, call="verifier_curves")
    return tuple(float(cost) for cost in given)


def _correlation(found: Sequence[VerifierCurve]) -> float:
    """Return the correlation over models of single-draw and conditional accuracy, within task, metric and verifier."""
    groups: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for c in found:
        if not math.isnan(c.conditional.value):
            groups.setdefault((c.task, c.metric, c.verifier), []).append((c.single.value, c.conditional.value))
    pairs = [np.array(group) - np.mean(group, axis=0) for group in groups.values() if len(group) >= 3]
    if not pairs or not (np.abs(np.concatenate(pairs)).max(axis=0) > 1e-12).all():
        return math.nan
    return float(np.corrcoef(np.concatenate(pairs).T)[0, 1])


def _parts(outcomes: Any, accepts: Any, columns: dict[str, Any]) -> list[tuple[Draws, str]]:
    if accepts is None or (hasattr(accepts, "__len__") and not len(accepts) and not _empty(outcomes)):
        fix = 'A matrix of the shape of outcomes; for records the name of a column, such as "tests_passed".'
        raise ArgumentError("accepts", "the verifier's yes or no", accepts, fix, call="verifier_curves")
    names = [accepts] if isinstance(accepts, str) else accepts
    if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
        return [
            (draws, name)
            for name in names
            for draws in draws_of(outcomes, accepts=name, call="verifier_curves", **columns)
        ]
    return [(as_draws(outcomes, accepts=accepts, call="verifier_curves"), "verifier")]


def _empty(outcomes: Any) -> bool:
    return isinstance(outcomes, list | tuple | np.ndarray) and not len(outcomes)


def counts_of(draws: Draws) -> Counts:
    """Return the counts of each item over the draws of which outcome and acceptance are known."""
    accept = np.full(len(draws), np.nan) if draws.accept is None else draws.accept
    known = ~np.isnan(draws.outcome) & ~np.isnan(accept)
    item, right, accepted = draws.item[known], draws.outcome[known] == 1, accept[known] == 1

    def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(item[mask], minlength=draws.n_items)

    return Counts(count(np.ones(len(item), bool)), count(accepted), count(accepted & right), count(right))


def _curve(
    draws: Draws,
    verifier: str,
    costs: tuple[float, ...],
    values: tuple[float, float, float],
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> VerifierCurve:
    counts = counts_of(draws)
    has = counts.n > 0
    counts = Counts(*(x[has] for x in counts))
    cluster = None if draws.cluster is None else np.unique(draws.cluster[has], return_inverse=True)[1]
    longest = int(counts.n.max(initial=0))
    items = curves(counts, longest)
    perfect = 1 - none_right(
        counts.n[:, None], counts.right[:, None], np.minimum(np.arange(1, longest + 1), counts.n[:, None])
    )
    drawn = resampled(items, cluster, n_resamples, rng)
    return VerifierCurve(
        task=draws.task, model=draws.model, verifier=verifier, budgets=np.arange(1, longest + 1),
        right=_mean(items.right), wrong=_mean(items.wrong), abstain=_mean(items.abstain),
        right_interval=_band(items.right, cluster, level), wrong_interval=_band(items.wrong, cluster, level),
        perfect=_mean(perfect), attempts=_mean(items.attempts), wrong_at=_wrong_at(items),
        rewards=tuple(reward(items, drawn, cost, values, level) for cost in costs),
        model_fit=TwoTypeModel.fit(counts) if (counts.n > counts.right).any() else None,
        n_items=len(counts.n), n_draws=int(counts.n.sum()), n_unscored=len(draws) - int(counts.n.sum()),
        n_never=int((counts.accepted == 0).sum()), metric=draws.metric, warnings=_warnings(draws, counts, has),
        **_levels(draws, counts, cluster, level),
    )  # fmt: skip


def _warnings(draws: Draws, counts: Counts, has: NDArray[np.bool_]) -> tuple[str, ...]:
    found = []
    if not has.all():
        found.append(
            f"{int((~has).sum())} items have no draw with both an outcome and an acceptance; they are left out."
        )
    missing = len(draws) - int(counts.n.sum())
    if missing:
        found.append(f"{missing:,} draws without an outcome or an acceptance are left out, not counted as wrong.")
    if len(counts.n) and counts.n.min() < counts.n.max():
        found.append(
            f"Items have {counts.n.min()} to {counts.n.max()} draws: above an item's last draw its curve stands still."
        )
    return tuple(found)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.mean(axis=0), np.float64)


def _wrong_at(items: Curves) -> NDArray[np.float64]:
    wrong, right = (np.diff(_mean(x), prepend=0.0) for x in (items.wrong, items.right))
    both = wrong + right
    share: NDArray[np.float64] = np.where(both > 1e-12, wrong / np.where(both > 1e-12, both, 1.0), np.nan)
    return share


def _band(values: NDArray[np.float64], cluster: NDArray[np.int64] | None, level: float) -> NDArray[np.float64]:
    """Return pointwise intervals over items (or clusters): those of `share_mean`, for all budgets at once."""
    n = len(values)
    if cluster is not None:
        centred = values - values.mean(axis=0)
        totals = np.zeros((int(cluster.max(initial=-1)) + 1, values.shape[1]))  # cluster codes have no gaps
        np.add.at(totals, cluster, centred)
        groups = len(totals)
        variance = groups / max(groups - 1, 1) * (totals**2).sum(axis=0) / n**2
    else:
        groups = n
        variance = values.var(axis=0, ddof=1) / n if n > 1 else np.full(values.shape[1], np.nan)
    ends = np.full((values.shape[1], 2), np.nan)
    if groups >= 2:
        spread = np.ptp(values, axis=0) > 0  # the variance of equal values may be a rounding error
        half = t_quantile(0.5 + level / 2, groups - 1) * np.sqrt(np.where(spread & (variance > 0), variance, np.nan))
        ends = np.clip(_mean(values)[:, None] + half[:, None] * np.array([-1.0, 1.0]), 0.0, 1.0)
    for i in np.flatnonzero(((values == 0) | (values == 1)).all(axis=0)) if n else ():
        ends[i] = share_mean(values[:, i], cluster, level).interval
    return np.asarray(ends, np.float64)


def _levels(draws: Draws, counts: Counts, cluster: NDArray[np.int64] | None, level: float) -> dict[str, Estimate]:
    share = counts.both / np.maximum(counts.accepted, 1)
    some = counts.accepted > 0
    common: dict[str, Any] = {"task": draws.task, "model": draws.model, "level": level, "n": int(counts.n.sum())}
    kinds = {
        "single": (counts.right / np.maximum(counts.n, 1), np.ones(len(some), bool), "accuracy of one draw"),
        "conditional": (share, some, "right of accepted, mean over items with an accepted draw"),
        "ceiling": (share * some, np.ones(len(some), bool), "accuracy of an unlimited budget, plug-in"),
    }
    found = {}
    for name, (values, keep, method) in kinds.items():
        mean = share_mean(values[keep], None if cluster is None else cluster[keep], level)
        found[name] = Estimate(
            mean.value, mean.standard_error, mean.interval, df=mean.df, n_items=int(keep.sum()),
            method=f"{method}, {mean.method}", n_clusters=mean.n_clusters, reason=mean.reason, metric=name, **common,
        )  # fmt: skip
    found["pooled"] = _ratio(counts, cluster, level, common)
    return found


def _ratio(counts: Counts, cluster: NDArray[np.int64] | None, level: float, common: dict[str, Any]) -> Estimate:
    """Return all accepted and right draws over all accepted, with the standard error of a ratio of item totals."""
    total = int(counts.accepted.sum())
    method = "right of accepted, pooled over draws"
    if not total:
        return Estimate(math.nan, reason=Reason.EMPTY, metric="pooled", method=method, **common)
    value = float(counts.both.sum() / total)
    influence = (counts.both - value * counts.accepted) * len(counts.n) / total
    se = mean_se(influence, cluster=cluster)
    low, high, reason = t_interval(value, se.standard_error, df=se.df, level=level)
    if counts.both.sum() in (0, total):  # all accepted draws agree: what `share_mean` does, over items with one
        some = counts.accepted > 0
        agreed = share_mean(np.full(int(some.sum()), value), None if cluster is None else cluster[some], level)
        (low, high), reason, method = agreed.interval, agreed.reason, f"{method}, {agreed.method}"
    return Estimate(
        value, se.standard_error, inside(low, high), df=se.df, n_items=len(counts.n), n_clusters=se.n_clusters,
        reason=(se.reason or reason) if reason else None, metric="pooled", method=method, **common,
    )  # fmt: skip
