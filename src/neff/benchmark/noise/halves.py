"""Does an item's discrimination say anything about other models? Half of them against the others, and pruning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.noise.items import check_responses, correlations
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["SplitStability", "prune_items", "split_stability"]


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
            "schema": "neff.split-stability/1",
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
    y = check_responses(responses, call)
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
    first, second = (correlations(y, y.sum(axis=1)[:, None] - y) for y in (a, b))
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
        Items below are dropped, one row each, and with them those that do not vary; -1 keeps all.
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
    y = check_responses(responses, "prune_items")
    if len(y) < 6:
        raise ArgumentError("responses", "of at least 6 models", len(y), "Half of them choose.", call="prune_items")
    generator, _ = seeded(rng, call="prune_items")
    order = generator.permutation(len(y))
    chooser, scored = y[order[: len(y) // 2]], y[order[len(y) // 2 :]]
    found = correlations(chooser, chooser.sum(axis=1)[:, None] - chooser)
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


def _quality(y: FloatArray) -> tuple[float, float, float]:
    if y.shape[1] < 2:
        return math.nan, math.nan, math.nan
    error = float((y.std(axis=1, ddof=1) / math.sqrt(y.shape[1])).mean())
    return float(y.mean()), error, float(y.mean(axis=1).std(ddof=1)) / error if error > 0 else math.nan
