"""Classical item analysis: difficulty, discrimination, and whether discrimination says anything about other models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._options import check_choice, seeded
from neff.stats._validate import as_numbers, check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from neff.stats._validate import FloatArray

__all__ = ["ItemAnalysis", "SplitStability", "item_analysis", "prune_items", "split_stability"]


@dataclass(frozen=True, slots=True, eq=False)
class ItemAnalysis:
    """Items of a benchmark in classical test theory.

    Attributes
    ----------
    names
        Of the items.
    difficulty
        Mean score over models, shape (n_items,): high is easy.
    discrimination
        Correlation with the sum of the other items (rest score); NaN for an item that all models score alike.
    discrimination_total
        Correlation with the sum of all items, which contains the item itself: too high in short tests.
    reliability
        KR-20 (Cronbach's alpha for scores between 0 and 1), or NaN.
    n_models, n_constant
        Models; items that all models score alike.
    reason
        Why nothing discriminates, or None.
    """

    names: tuple[str, ...]
    difficulty: FloatArray
    discrimination: FloatArray
    discrimination_total: FloatArray
    reliability: float
    n_models: int
    n_constant: int
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return one row per item, the least discriminating first; items without a discrimination last."""
        order = np.lexsort((np.arange(len(self.names)), np.nan_to_num(self.discrimination, nan=np.inf)))
        columns = (
            Column("item", "Item"), Column("difficulty", "Mean score", "number", 3),
            Column("discrimination", "Discrimination (rest)", "signed", 3),
            Column("discrimination_total", "With the total", "signed", 3),
        )  # fmt: skip
        return Table(
            columns,
            tuple(
                (name, float(mean), float(rest), float(total))
                for name, mean, rest, total in (
                    (self.names[i], self.difficulty[i], self.discrimination[i], self.discrimination_total[i])
                    for i in order
                )
            ),
        )

    def __str__(self) -> str:
        negative = int((self.discrimination < 0).sum())
        said = (
            f"{len(self.names):,} items, {self.n_models} models: {self.n_constant:,} items say nothing, "
            f"{negative:,} discriminate the wrong way, reliability {self.reliability:.3f}"
        )
        return "\n".join([said, *([str(self.reason)] if self.reason else []), *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.item_analysis/1",
            "items": list(self.names),
            "difficulty": [json_number(x) for x in self.difficulty.tolist()],
            "discrimination": [json_number(x) for x in self.discrimination.tolist()],
            "discrimination_total": [json_number(x) for x in self.discrimination_total.tolist()],
            "reliability": json_number(self.reliability),
            "n_models": self.n_models,
            "n_constant": self.n_constant,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
        }


def _responses(responses: ArrayLike, call: str) -> FloatArray:
    y = as_numbers(responses, argument="responses", call=call).astype(np.float64)
    if y.ndim != 2 or not y.size:
        raise ArgumentError(
            "responses", "of shape (n_models, n_items)", f"shape {y.shape}", "One row per model.", call=call
        )
    if not np.isfinite(y).all():
        fix = "Score missing answers 0, or leave those items out; irt takes missing answers."
        raise ArgumentError("responses", "finite", "NaN or inf", fix, call=call)
    return y


def item_analysis(responses: ArrayLike, *, names: Sequence[str] | None = None) -> ItemAnalysis:
    """Return difficulty and discrimination of every item.

    Use it to find items that say nothing, or the opposite of the others (a wrong key). Not to choose items for models
    that are much stronger: see `split_stability`, on real data the discrimination does not carry over.

    Parameters
    ----------
    responses
        Scores, shape (n_models, n_items), usually 0 and 1.
    names
        Of the items.

    Returns
    -------
    ItemAnalysis
        NaN with a reason where nothing discriminates: one model, one item, all right.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> found = item_analysis([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    >>> found.discrimination.round(3).tolist(), round(found.reliability, 4)
    ([0.686, 0.48, 0.583, 0.14], 0.6667)
    """
    y = _responses(responses, "item_analysis")
    n_models, n_items = y.shape
    labels = tuple(str(j) for j in range(n_items)) if names is None else tuple(map(str, names))
    if len(labels) != n_items:
        raise ArgumentError("names", f"of {n_items} names", f"{len(labels)}", call="item_analysis")
    total = y.sum(axis=1)
    rest = total[:, None] - y
    constant = int((np.ptp(y, axis=0) == 0).sum())
    discrimination = _correlations(y, rest)
    reason = None
    if n_models < 2:
        reason = Reason.ONE_MODEL
    elif n_items < 2:
        reason = Reason.ONE_ITEM
    elif np.isnan(discrimination).all():
        reason = Reason.ALL_EQUAL
    variance = float(total.var())
    reliability = math.nan
    if n_items > 1 and variance > 0:
        reliability = n_items / (n_items - 1) * (1 - float(y.var(axis=0).sum()) / variance)
    few = (f"{n_models} models: a correlation over them is known to about ±{1 / math.sqrt(max(n_models - 3, 1)):.2f}",)
    return ItemAnalysis(
        labels, y.mean(axis=0), discrimination, _correlations(y, total[:, None]), reliability, n_models, constant,
        reason, few if n_models < 100 else (),
    )  # fmt: skip


def _correlations(y: FloatArray, with_: FloatArray) -> FloatArray:
    a, b = y - y.mean(axis=0), with_ - with_.mean(axis=0)
    below = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    above = (a * b).sum(axis=0)
    known = (np.ptp(y, axis=0) > 0) & (np.ptp(with_, axis=0) > 0)
    return np.where(known, above / np.where(known, below, 1.0), np.nan)


@dataclass(frozen=True, slots=True)
class SplitStability:
    """Whether item figures of one half of the models are those of the other half.

    Attributes
    ----------
    discrimination, difficulty
        Correlation over items between the halves; mean over splits where there are several.
    discrimination_sd, difficulty_sd
        Their standard deviation over random splits; NaN for the one split by strength.
    n_items
        Items that vary in both halves (mean over splits).
    by, n_splits
        "strength" or "random", and how many.
    reason
        Why they are NaN, or None.
    """

    discrimination: float
    difficulty: float
    discrimination_sd: float
    difficulty_sd: float
    n_items: float
    by: str
    n_splits: int
    reason: Reason | None = None
    seed: int | None = None

    def __str__(self) -> str:
        if self.reason:
            return f"{self.by} split: undefined ({self.reason})"
        spread = "" if math.isnan(self.discrimination_sd) else f" (SD {self.discrimination_sd:.3f})"
        return (
            f"{self.by} split: discrimination {self.discrimination:.3f}{spread}, difficulty {self.difficulty:.3f}, "
            f"{self.n_items:,.0f} items"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.split_stability/1",
            "discrimination": json_number(self.discrimination),
            "difficulty": json_number(self.difficulty),
            "discrimination_sd": json_number(self.discrimination_sd),
            "difficulty_sd": json_number(self.difficulty_sd),
            "n_items": json_number(self.n_items),
            "by": self.by,
            "n_splits": self.n_splits,
            "reason": None if self.reason is None else str(self.reason),
            "seed": self.seed,
        }


def split_stability(
    responses: ArrayLike, *, by: str = "strength", n_splits: int = 20, rng: Any = None
) -> SplitStability:
    """Return how alike the item figures of two halves of the models are.

    Use both kinds of split: halves at random say how well the figures are known, the weaker against the stronger half
    whether they carry over to models to come. Pruning by a discrimination that does not carry over selects noise.

    Parameters
    ----------
    responses
        Scores, shape (n_models, n_items).
    by
        "strength": the weaker half (rounded down) against the rest. "random": halves at random.
    n_splits, rng
        Of the random splits (SPEC 7).

    Returns
    -------
    SplitStability
        NaN with a reason for fewer than four models.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> margin = rng.normal(size=(30, 1)) - rng.normal(size=200) + rng.logistic(size=(30, 200))
    >>> print(split_stability(margin > 0, by="random", rng=1))
    random split: discrimination -0.019 (SD 0.060), difficulty 0.729, 194 items
    """
    call = "split_stability"
    y = _responses(responses, call)
    check_choice(by, ("strength", "random"), argument="by", call=call)
    n_splits = 1 if by == "strength" else check_count(n_splits, argument="n_splits", call=call, minimum=1)
    generator, seed = seeded(rng, call=call)
    n, half = len(y), len(y) // 2
    if n < 4 or y.shape[1] < 3:
        reason = Reason.ONE_MODEL if n < 2 else Reason.TOO_FEW
        return SplitStability(math.nan, math.nan, math.nan, math.nan, math.nan, by, 0, reason)
    found = []
    for _ in range(n_splits):
        order = np.argsort(y.mean(axis=1), kind="stable") if by == "strength" else generator.permutation(n)
        found.append(_between(y[order[:half]], y[order[half:]]))
    table = np.array(found)
    sd = table.std(axis=0, ddof=1) if n_splits > 1 else np.full(3, math.nan)
    mean = table.mean(axis=0)
    return SplitStability(
        float(mean[0]), float(mean[1]), float(sd[0]), float(sd[1]), float(mean[2]), by, n_splits,
        Reason.ALL_EQUAL if math.isnan(mean[0]) else None, None if by == "strength" else seed,
    )  # fmt: skip


def _between(a: FloatArray, b: FloatArray) -> tuple[float, float, float]:
    """Return the correlations of discrimination and difficulty between two groups of models, and the items they use."""
    first, second = (_correlations(y, y.sum(axis=1)[:, None] - y) for y in (a, b))
    kept = ~(np.isnan(first) | np.isnan(second))
    if kept.sum() < 3:
        return math.nan, math.nan, float(kept.sum())
    return _r(first[kept], second[kept]), _r(a.mean(axis=0), b.mean(axis=0)), float(kept.sum())


def _r(x: FloatArray, y: FloatArray) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def prune_items(
    responses: ArrayLike, *, thresholds: Sequence[float] = (-1.0, 0.0, 0.1, 0.2, 0.3), rng: Any = None
) -> Table:
    """Return what dropping items of low discrimination does to score and error, beside random subsets of equal size.

    Use it before pruning a benchmark. Half of the models (at random) choose the items, the others are scored: figures
    on the models that chose look better than they are. The random subset is the control that tells pruning from
    shrinking.

    Parameters
    ----------
    responses
        Scores, shape (n_models, n_items).
    thresholds
        Items below are dropped, one row each; -1 keeps all that vary.
    rng
        SPEC 7.

    Returns
    -------
    Table
        Threshold, items left, mean score, mean standard error over items, and signal to noise (SD over models by that
        error), of the pruned and of a random subset.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> margin = 2 * rng.normal(size=(40, 1)) - rng.normal(size=300) + rng.logistic(size=(40, 300))
    >>> print(prune_items(margin > 0, thresholds=[-1.0, 0.4], rng=1))
    Threshold  Items   Mean  Error   SNR  Random mean  Random error  Random SNR
        -1.00    300  0.496  0.024  10.4        0.496         0.024        10.4
         0.40    241  0.487  0.027   9.3        0.488         0.027         9.4
    """
    y = _responses(responses, "prune_items")
    if len(y) < 6:
        raise ArgumentError("responses", "of at least 6 models", len(y), "Half of them choose.", call="prune_items")
    generator, _ = seeded(rng, call="prune_items")
    order = generator.permutation(len(y))
    chooser, scored = y[order[: len(y) // 2]], y[order[len(y) // 2 :]]
    found = _correlations(chooser, chooser.sum(axis=1)[:, None] - chooser)
    rows = []
    for threshold in thresholds:
        kept = np.flatnonzero(found >= threshold) if threshold > -1 else np.arange(y.shape[1])
        drawn = generator.choice(y.shape[1], kept.size, replace=False)
        rows.append((float(threshold), kept.size, *_quality(scored[:, kept]), *_quality(scored[:, drawn])))
    columns = [Column("threshold", "Threshold", "number", 2), Column("items", "Items", "count")]
    columns += [
        Column(name, title, "number", digits)
        for name, title, digits in (
            ("mean", "Mean", 3), ("error", "Error", 3), ("snr", "SNR", 1), ("random_mean", "Random mean", 3),
            ("random_error", "Random error", 3), ("random_snr", "Random SNR", 1),
        )
    ]  # fmt: skip
    return Table(tuple(columns), tuple(rows), "Pruning by discrimination")


def _quality(y: NDArray[np.float64]) -> tuple[float, float, float]:
    if y.shape[1] < 2:
        return math.nan, math.nan, math.nan
    error = float((y.std(axis=1, ddof=1) / math.sqrt(y.shape[1])).mean())
    return float(y.mean()), error, float(y.mean(axis=1).std(ddof=1)) / error if error > 0 else math.nan
