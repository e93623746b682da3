"""`paraphrase_robustness`: scores, ranks and answers of models on items in several wordings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.robustness.agreement import consistency
from neff.benchmark.robustness.result import ModelRobustness, ParaphraseRobustness
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats import kendall_tau, mean_se, spearman, t_interval
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.robustness.wordings import Wordings
    from neff.stats._validate import FloatArray

__all__ = ["paraphrase_robustness"]


def paraphrase_robustness(
    wordings: Wordings, *, n_resamples: int = 2000, level: float = 0.95, rng: Any = None
) -> ParaphraseRobustness:
    """Say whether scores drop when items are reworded, whether rankings hold, and how consistent each model is.

    Use it on the same items asked in an original and in other wordings, options and their order unchanged. It takes the
    paraphrases as they are: that they ask the same, and keep the key, must be checked before.

    Parameters
    ----------
    wordings
        From `wordings_of`.
    n_resamples, rng
        Of the exchangeability test (SPEC 7).
    level
        Coverage of the intervals.

    Returns
    -------
    ParaphraseRobustness
        The models by their mean over wordings.

    Notes
    -----
    The unit is the item (or its cluster): all wordings of an item move together, and taking (item, wording) pairs as
    independent makes the error too small by up to the root of the number of wordings. An unscored answer counts as
    wrong and is reported. Two nulls are tested: that the mean drop is zero (the interval), and that the original is a
    wording like any other (`p_exchangeable`), as items are often selected, or memorised, in their original wording. A
    drop of most models proves little: paraphrases that carry noise and no shift give one to 24 of 34 simulated models.

    References
    ----------
    Lunardi et al., On Robustness and Reliability of Benchmark-Based Evaluation of LLMs. arXiv:2509.04013

    Examples
    --------
    >>> from neff.benchmark.robustness import wordings_of
    >>> rows = [(f"q{i}", w, float((i + 2 * k) % 5 > k)) for i in range(40) for k, w in enumerate(["o", "p1", "p2"])]
    >>> item, style, score = zip(*rows)
    >>> told = wordings_of({"item": item, "model": ["m"] * 120, "score": score, "wording": style}, original="o")
    >>> found = paraphrase_robustness(told, rng=0).models[0]
    >>> round(found.drop.value, 3), [round(x, 4) for x in found.drop.interval]
    (0.3, [0.0803, 0.5197])
    """
    call = "paraphrase_robustness"
    level = check_level(level, call=call)
    n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=1)
    generator, seed = seeded(rng, call=call)
    streams = generator.spawn(len(wordings.models))
    unanswered = np.isnan(wordings.score).sum(axis=(1, 2))
    score = np.nan_to_num(wordings.score, nan=0.0)
    models = [
        _model(wordings, m, score[m], int(unanswered[m]), n_resamples, level, streams[m])
        for m in range(len(wordings.models))
    ]
    gaps = score[:, :, 0] - score[:, :, 1:].mean(axis=2)
    by_wording = score.mean(axis=1)
    several = len(models) > 1
    taus = tuple(kendall_tau(by_wording[:, 0], column) if several else math.nan for column in by_wording.T[1:])
    side = [m.consistency.correctness if math.isnan(m.consistency.pairwise) else m.consistency.pairwise for m in models]
    association = spearman([m.mean.value for m in models], side) if len(models) > 2 else math.nan
    models.sort(key=lambda m: (-m.mean.value, m.model))
    return ParaphraseRobustness(
        models=tuple(models), wordings=wordings.wordings, n_items=score.shape[1],
        mean_drop=_estimate(gaps.mean(axis=0), wordings.cluster, level, "mean drop"),
        n_dropped=int((gaps.mean(axis=1) > 1e-12).sum()), rank_stability=taus, association=association, level=level,
        seed=seed, warnings=_warnings(wordings, models),
    )  # fmt: skip


def _model(
    of: Wordings,
    m: int,
    score: FloatArray,
    unanswered: int,
    n_resamples: int,
    level: float,
    rng: np.random.Generator,
) -> ModelRobustness:
    p = score.mean(axis=1)
    gap = score[:, 0] - score[:, 1:].mean(axis=1)
    original = float(score[:, 0].mean())
    drop = _estimate(gap, of.cluster, level, "drop", of.models[m])
    answer = None if of.answer is None else of.answer[m]
    return ModelRobustness(
        model=of.models[m], by_wording=tuple(score.mean(axis=0).tolist()),
        mean=_estimate(p, of.cluster, level, "mean over wordings", of.models[m]), drop=drop,
        relative_drop=drop.value / original if original > 0 else math.nan,
        p_exchangeable=_exchangeable(score, gap, n_resamples, rng), worst=float(score.min(axis=1).mean()),
        best=float(score.max(axis=1).mean()), majority=_majority(answer, score), consistency=consistency(answer, score),
        between=float(p.var()), within=float(score.var(axis=1).mean()), n_unanswered=unanswered,
    )  # fmt: skip


def _estimate(
    values: FloatArray, cluster: NDArray[np.int64] | None, level: float, metric: str, model: str = ""
) -> Estimate:
    n = values.size
    groups = n if cluster is None else int(np.unique(cluster).size)
    value = float(values.mean())
    base: dict[str, Any] = {"level": level, "n": n, "n_items": n, "metric": metric, "model": model}
    if groups < 2:
        return Estimate(value, reason=Reason.ONE_ITEM if cluster is None else Reason.ONE_CLUSTER, **base)
    found = mean_se(values, cluster=cluster)
    if not found.standard_error > 1e-15:
        return Estimate(value, reason=Reason.ALL_EQUAL, **base)
    low, high, reason = t_interval(value, found.standard_error, df=groups - 1, level=level)
    method = "t over items" if cluster is None else "t over clusters"
    base |= {"method": method, "reason": reason, "n_clusters": None if cluster is None else groups}
    return Estimate(value, found.standard_error, (low, high), df=groups - 1, **base)


def _exchangeable(score: FloatArray, gap: FloatArray, n_resamples: int, rng: np.random.Generator) -> float:
    """Draw for every item which wording is called the original; p of a drop at least as large."""
    n, k = score.shape
    total = score.sum(axis=1)
    # with x drawn as the original, the drop of an item is x - (total - x) / (k - 1)
    fixed, factor = float((total / (k - 1)).mean()), k / (k - 1)
    observed = float(gap.mean())
    flat = score.ravel()
    start = np.arange(n) * k
    as_large = 0
    batch = max(1, 2_000_000 // n)
    for done in range(0, n_resamples, batch):
        size = min(batch, n_resamples - done)
        drawn = flat[start + rng.integers(0, k, (size, n))].mean(axis=1)
        as_large += int((factor * drawn - fixed >= observed - 1e-12).sum())
    return (1 + as_large) / (1 + n_resamples)


def _majority(answer: NDArray[np.int64] | None, score: FloatArray) -> float:
    """Return the score of the most frequent answer of each item; ties go to the original wording, then to the first."""
    if answer is None:
        return math.nan
    k = answer.shape[1]
    count = np.stack([((answer == answer[:, [j]]) & (answer >= 0)).sum(axis=1) for j in range(k)], axis=1)
    chosen = np.argmax(count, axis=1)  # the first of the largest, and the original is first
    return float(score[np.arange(len(score)), chosen].mean())


def _warnings(of: Wordings, models: list[ModelRobustness]) -> tuple[str, ...]:
    said = []
    if of.n_incomplete:
        said.append(f"{of.n_incomplete} items not answered by all models in all wordings are left out")
    if len(of.items) < 30:
        said.append(f"{len(of.items)} item{'s' * (len(of.items) != 1)}: the t intervals are rough below 30")
    if missing := sum(m.n_unanswered for m in models):
        said.append(f"{missing} answers without a score count as wrong")
    said += [
        f"{m.model} always gives one answer: its consistency says nothing" for m in models if m.consistency.constant
    ]
    return tuple(said)
