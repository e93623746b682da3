"""From per-item estimates to `Estimate` and `Comparison`: the two intervals of a value, and pairs of models."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neff.reasons import Reason
from neff.results import Comparison, Estimate, Verdict
from neff.sampling.shares import inside, share_mean
from neff.stats import adjust, mean_se, t_interval
from neff.stats._special import two_sided_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.sampling.draws import Draws
    from neff.sampling.repeats.estimators import PerItem

    Found: TypeAlias = tuple[Draws, str, PerItem, int]

__all__ = ["comparisons", "estimates"]


def estimates(draws: Draws, name: str, per: PerItem, i: int, level: float, short: str) -> tuple[Estimate, Estimate]:
    """Return the estimate over items and draws, and the one over draws of these items."""
    value, variance = per.value[:, i], per.variance[:, i]
    known = ~np.isnan(value)
    n_short = int((~known).sum())
    common: dict[str, Any] = {
        "level": level, "n": int(per.used[known].sum()), "n_items": int(known.sum()),
        "n_unscored": int(np.isnan(draws.outcome).sum()), "task": draws.task, "model": draws.model, "metric": name,
        "warnings": (f"{n_short} of {draws.n_items} items have fewer draws than k",) if n_short else (),
    }  # fmt: skip
    if not known.any() or (n_short and short == "refuse"):
        scored = bool((~np.isnan(draws.outcome)).any())
        why = Reason.FEW_DRAWS if scored else Reason.NO_SCORED if draws.n_items else Reason.EMPTY
        undefined = Estimate(math.nan, reason=why, method="undefined", **common)
        return undefined, undefined
    over_items = _over_items(value[known], None if draws.cluster is None else draws.cluster[known], level)
    se = math.sqrt(float(variance[known].sum())) / int(known.sum())
    low, high, reason = t_interval(over_items["value"], se, df=math.inf, level=level)
    over_items["components"] = {"draws": se**2}
    if per.simulated is not None:
        over_items["components"]["subsets"] = float(per.simulated[known, i].sum()) / int(known.sum()) ** 2
    fixed = Estimate(
        over_items["value"], math.nan if reason else se, inside(low, high), reason=reason,
        method="these items, fresh draws", **common,
    )  # fmt: skip
    return Estimate(**over_items, **common), fixed


def _over_items(values: Any, cluster: Any, level: float) -> dict[str, Any]:
    mean = share_mean(values, cluster, level)
    return {
        "value": mean.value, "standard_error": mean.standard_error, "interval": mean.interval, "df": mean.df,
        "n_clusters": mean.n_clusters, "method": f"mean over items, {mean.method}", "reason": mean.reason,
        "n_eff": float(len(values)) if cluster is None else math.nan,
        "n_eff_of": "independent items" if cluster is None else "",
        "assumptions": ("items are like those of interest", "draws of an item are independent"),
    }  # fmt: skip


def comparisons(found: Sequence[Found], level: float, short: str) -> tuple[Comparison, ...]:
    """Return the paired differences of pass@k between models, Holm-adjusted within a task and k."""
    rows: list[Comparison] = []
    groups: dict[tuple[str, str], list[tuple[Draws, PerItem, int]]] = {}
    for draws, name, per, i in found:
        if name.startswith("pass@"):
            groups.setdefault((draws.task, name), []).append((draws, per, i))
    for (task, name), members in groups.items():
        pairs = [_compare(a, b, task, name, level, short) for a, b in combinations(members, 2)]
        adjusted: list[float] = adjust([c.p_value for c in pairs], method="holm").tolist() if pairs else []
        rows += [_graded(c, float(p), level) for c, p in zip(pairs, adjusted, strict=True)]
    return tuple(rows)


def _compare(
    a: tuple[Draws, PerItem, int], b: tuple[Draws, PerItem, int], task: str, name: str, level: float, short: str
) -> Comparison:
    values = [dict(zip(d.items, per.value[:, i].tolist(), strict=True)) for d, per, i in (a, b)]
    common = [x for x in values[0] if x in values[1]]
    x, y = (np.array([side[item] for item in common], np.float64) for side in values)
    known = ~np.isnan(x) & ~np.isnan(y)
    unmatched = len(set(values[0]) ^ set(values[1]))
    base: dict[str, Any] = {"a": a[0].model, "b": b[0].model, "task": task, "metric": name, "level": level}
    if not known.any() or (not known.all() and short == "refuse"):
        reason = Reason.NO_COMMON_ITEMS if not common else Reason.FEW_DRAWS
        return Comparison(difference=math.nan, n_unmatched=unmatched, reason=reason, **base)
    cluster = a[0].cluster
    if cluster is not None:
        place = dict(zip(a[0].items, cluster.tolist(), strict=True))
        cluster = np.array([place[item] for item in common])[known]
    mean = mean_se(x[known] - y[known], cluster=cluster)
    low, high, _ = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    spread = x[known].std() * y[known].std()
    return Comparison(
        difference=mean.value, standard_error=mean.standard_error, interval=(low, high), df=mean.df,
        n_items=int(known.sum()), n_clusters=mean.n_clusters, n_unmatched=unmatched,
        correlation=float(np.corrcoef(x[known], y[known])[0, 1]) if spread > 0 else math.nan,
        p_value=two_sided_p(mean.value / mean.standard_error, mean.df) if mean.standard_error > 0 else math.nan,
        method="paired by item, t interval", reason=mean.reason, **base,
    )  # fmt: skip


def _graded(c: Comparison, p: float, level: float) -> Comparison:
    if math.isnan(p):
        return replace(c, p_adjusted=p, verdict=Verdict.NOT_CHECKED)
    holds = p < 1 - level
    verdict = Verdict.UNDECIDED if not holds else Verdict.HOLDS if c.difference > 0 else Verdict.FAILS
    return replace(c, p_adjusted=p, verdict=verdict)
