"""A simulator of scored answers with known truth.

Every expectation, variance and standard error that it returns is a closed form, never itself a simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_count, check_rng
from neff.testing._effects import Scores, effects, standard, variances
from neff.testing._effects import records as to_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.records.table import Records

__all__ = ["ScoreTruth", "Scores", "simulate_scores"]


@dataclass(frozen=True, slots=True)
class ScoreTruth:
    """What is true of simulated scores.

    Attributes
    ----------
    mean
        Expected score by model.
    item_variance
        Variance between items of an item's expected score, the same for all models.
    sampling_variance
        Variance of one draw around its item's expected score, averaged over items, by model.
    correlation
        Correlation of two models' expected scores of an item.
    icc
        Correlation of one model's expected scores of two items of one cluster.
    standard_error
        By model, of the mean over items of the mean over scored draws, given which rows are there and scored;
        with several tasks, the root of the mean square over tasks.
    difference_standard_error
        The same by pair of models (a, b), over the items that both have.
    """

    mean: Mapping[str, float]
    item_variance: float
    sampling_variance: Mapping[str, float]
    correlation: float
    icc: float
    standard_error: Mapping[str, float]
    difference_standard_error: Mapping[tuple[str, str], float]

    def difference(self, a: str, b: str) -> float:
        """Return the expected score of a minus that of b."""
        return self.mean[a] - self.mean[b]


def simulate_scores(
    n_items: int = 100,
    *,
    means: Mapping[str, float] | None = None,
    scores: Scores = "normal",
    item_sd: float = 0.2,
    sampling_sd: float = 0.2,
    n_draws: int = 1,
    correlation: float = 0.5,
    clusters: int | Sequence[int] | None = None,
    icc: float = 0.0,
    unscored: float = 0.0,
    unmatched: float = 0.0,
    n_tasks: int = 1,
    rng: int | np.random.Generator | None = None,
) -> tuple[Records, ScoreTruth]:
    """Simulate scored draws of several models on the same items, and return them with their truth.

    Item i of model m has the expected score ``means[m] + item_sd * z``, where z has mean 0 and variance 1,
    correlates by `correlation` between models and by `icc` within a cluster; draws scatter around it. Use
    it to test an estimator of means, differences or variance components (`check_estimator`). It knows no
    ceiling effect and no item that is harder for one model by design.

    Parameters
    ----------
    n_items
        Number of items per task.
    means
        Expected score by model; {"A": 0.6, "B": 0.55} by default.
    scores
        "normal": Gaussian item effects and noise. "skewed": both exponential, skewness 2.
        "binary": draws are 0 or 1, the item's chance of a 1 is uniform with standard deviation `item_sd`.
    item_sd
        Standard deviation between items, in units of the score.
    sampling_sd
        Standard deviation of a draw around its item, in units of the score; binary draws have their own.
    n_draws
        Draws per item and model.
    correlation
        Correlation in [0, 1] of two models' item effects: items that are hard for one are hard for the other.
    clusters
        None, the number of clusters (sizes as equal as can be), or the size of each, summing to `n_items`.
    icc
        Intra-cluster correlation in [0, 1] of the item effects.
    unscored
        Share of draws, chosen at random, whose score is NaN.
    unmatched
        Share of items, chosen at random for each model, that the model was not asked.
    n_tasks
        Number of independent tasks with the same truth: one call of an estimator then sees `n_tasks`
        replicates.
    rng
        Generator, seed or None.

    Returns
    -------
    Records, ScoreTruth
        n_tasks × n_items × n_models × n_draws rows less the unmatched ones, and what is true of them.

    Raises
    ------
    ArgumentError
        If a share is not in [0, 1], a standard deviation is negative, cluster sizes do not sum to
        `n_items`, or a binary item could have a chance outside [0, 1].

    Notes
    -----
    Cost is O(number of rows). With c = `correlation`, the covariance of two effects is the product of 1 or
    c (same model or not) and of 1, `icc` or 0 (same item, same cluster, or neither).

    Examples
    --------
    >>> records, truth = simulate_scores(100, scores="binary", n_draws=4, rng=1)
    >>> len(records), truth.difference("A", "B").__round__(6)
    (800, 0.05)
    >>> round(truth.standard_error["A"], 6)  # sqrt((0.04 + 0.2 / 4) / 100)
    0.03
    """
    rng = check_rng(rng, call="simulate_scores")
    means = dict(sorted((means or {"A": 0.6, "B": 0.55}).items()))
    n_items, n_draws, n_tasks = (
        check_count(value, argument=name, call="simulate_scores", minimum=1)
        for name, value in (("n_items", n_items), ("n_draws", n_draws), ("n_tasks", n_tasks))
    )
    shares = {"correlation": correlation, "icc": icc, "unscored": unscored, "unmatched": unmatched}
    _check(means, scores, item_sd, sampling_sd, shares)
    group = np.arange(n_items) if clusters is None else _groups(clusters, n_items)

    z = effects(scores, rng, (n_tasks, len(means)), group, correlation, icc)
    expected = (np.array([*means.values()]) + item_sd * z)[..., None]  # (tasks, items, models, 1)
    shape = (n_tasks, n_items, len(means), n_draws)
    if scores == "binary":
        values = (rng.random(shape) < expected).astype(np.float64)
        sampling = {name: mean * (1 - mean) - item_sd**2 for name, mean in means.items()}
    else:
        values = expected + sampling_sd * standard(scores, rng, shape)
        sampling = dict.fromkeys(means, sampling_sd**2)
    values[rng.random(shape) < unscored] = np.nan
    asked = np.broadcast_to(rng.random(shape[:3])[..., None] >= unmatched, shape)
    n_scored = (~np.isnan(values) & asked).sum(axis=3)
    single, paired = variances(n_scored, group, item_sd**2, icc, correlation, [*sampling.values()])
    names = [*means]
    truth = ScoreTruth(
        mean=means,
        item_variance=item_sd**2,
        sampling_variance=sampling,
        correlation=correlation,
        icc=icc,
        standard_error={name: math.sqrt(single[j]) for j, name in enumerate(names)},
        difference_standard_error={
            (a, b): math.sqrt(paired[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if i != j
        },
    )
    return to_records(values, asked, names, group if clusters is not None else None), truth


def _check(
    means: Mapping[str, float], scores: str, item_sd: float, sampling_sd: float, shares: Mapping[str, float]
) -> None:
    call = "simulate_scores"
    if scores not in get_args(Scores):
        raise ArgumentError("scores", f"one of {', '.join(get_args(Scores))}", scores, call=call)
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ArgumentError(name, "between 0 and 1", share, call=call)
    for name, sd in (("item_sd", item_sd), ("sampling_sd", sampling_sd)):
        if not 0 <= sd < math.inf:
            raise ArgumentError(name, "a non-negative number", sd, call=call)
    reach = math.sqrt(3) * item_sd  # half the range of a uniform variable
    if scores == "binary" and not all(reach <= mean <= 1 - reach for mean in means.values()):
        fix = "Take a smaller item_sd or means nearer to 0.5."
        raise ArgumentError("means", f"in [{reach:.4f}, {1 - reach:.4f}] for binary scores", means, fix, call=call)


def _groups(clusters: int | Sequence[int], n_items: int) -> NDArray[np.int64]:
    """Return the cluster of each item, shape (n_items,)."""
    if isinstance(clusters, int):
        if not 1 <= clusters <= n_items:
            raise ArgumentError("clusters", "between 1 and n_items", clusters, call="simulate_scores")
        return np.arange(n_items) * clusters // n_items
    if sum(clusters) != n_items or min(clusters) < 1:
        raise ArgumentError("clusters", f"positive sizes that sum to {n_items}", clusters, call="simulate_scores")
    return np.repeat(np.arange(len(clusters)), clusters)
