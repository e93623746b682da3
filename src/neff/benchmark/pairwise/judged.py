"""A judge that answers "A or B?": win ratios, its preference for a place, and the threshold that takes it out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Estimate, Table, json_number
from neff.stats import mean_se, t_interval, wilson
from neff.stats._validate import check_level

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from neff.benchmark.pairwise.battles import Battles

__all__ = ["JudgedPairs", "balanced_threshold", "colley", "judged_pairs", "win_ratio"]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPairs:
    """What a judge's pairwise probabilities say, before and after its preference for a place is taken out.

    Attributes
    ----------
    first_share
        Share of comparisons in which the first place wins at the threshold 0.5; 0.5 is no preference.
    threshold
        The probability above which the first place wins half of the comparisons: the median.
    swap_consistency
        Share of pairs that were asked both ways and got the same verdict both times; NaN where none was.
    raw, debiased, soft
        Win ratio of each candidate: at 0.5, at the balanced threshold, and with probabilities in place of decisions;
        NaN for one that was never compared.
    n_comparisons
        Comparisons with a probability.
    """

    first_share: Estimate
    threshold: float
    swap_consistency: float
    names: tuple[str, ...]
    raw: NDArray[np.float64]
    debiased: NDArray[np.float64]
    soft: NDArray[np.float64]
    n_comparisons: int

    def table(self) -> Table:
        """Return one row per candidate, the best first."""
        columns = (
            Column("name", "Candidate"), Column("raw", "Win ratio", "number"),
            Column("debiased", "Debiased", "number"), Column("soft", "Mean probability", "number"),
        )  # fmt: skip
        order = np.argsort(-np.nan_to_num(self.debiased, nan=-1), kind="stable")
        return Table(
            columns,
            tuple((self.names[i], float(self.raw[i]), float(self.debiased[i]), float(self.soft[i])) for i in order),
        )

    def __str__(self) -> str:
        low, high = self.first_share.interval
        same = "" if math.isnan(self.swap_consistency) else f"; same verdict both ways {self.swap_consistency:.1%}"
        return (
            f"{self.table()}\nfirst place wins {self.first_share.value:.1%} [{low:.1%}, {high:.1%}]; "
            f"balanced threshold {self.threshold:.3f}{same}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.judged-pairs/1",
            "first_share": self.first_share.to_dict(),
            "threshold": json_number(self.threshold),
            "swap_consistency": json_number(self.swap_consistency),
            "names": list(self.names),
            **{name: [json_number(float(x)) for x in getattr(self, name)] for name in ("raw", "debiased", "soft")},
            "n_comparisons": self.n_comparisons,
        }


def judged_pairs(battles: Battles, *, level: float = 0.95) -> JudgedPairs:
    """Describe a judge's pairwise probabilities: its preference for a place, win ratios with and without it.

    Use it to look at a judge before ranking with it. To rank with intervals use `rank_battles`, which fits the
    preference together with the strengths. Estimate the threshold on comparisons of the same judge and prompt; no
    labels are needed.

    Parameters
    ----------
    battles
        Of which the left side is the place that was shown first; outcomes are probabilities that it is better.
    level
        Coverage of the interval of the preference, by cluster where battles have one.

    Returns
    -------
    JudgedPairs
        Shares, threshold, win ratios.

    Raises
    ------
    ArgumentError
        If there is no comparison, or comparisons have weights.

    References
    ----------
    Liusie, Manakul and Gales, LLM Comparative Assessment. arXiv:2307.07889

    Examples
    --------
    >>> from neff.benchmark.pairwise import battles_of
    >>> told = battles_of(list("aabbcc"), list("bcacab"), [0.9, 0.95, 0.55, 0.8, 0.5, 0.62])
    >>> found = judged_pairs(told)
    >>> round(found.first_share.value, 3), round(found.threshold, 3), found.debiased.round(3).tolist()
    (0.917, 0.71, [1.0, 0.5, 0.0])
    """
    level = check_level(level, call="judged_pairs")
    if not len(battles):
        raise ArgumentError("battles", "at least one with a probability", "none", call="judged_pairs")
    if battles.weight is not None:
        fix = "Build the battles without weight=: a judge is described by the comparisons that it made."
        raise ArgumentError("battles", "without weights", "weights", fix, call="judged_pairs")
    threshold = balanced_threshold(battles.outcome)
    first = np.where(battles.outcome == 0.5, 0.5, battles.outcome > 0.5)
    mean = mean_se(first, cluster=battles.cluster)
    low, high, reason = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    method = "share of comparisons, t interval by cluster"
    if battles.cluster is None:
        low, high, reason = wilson(round(float(first.sum())), len(first), level=level)
        method = "share of comparisons, Wilson interval"
    share = Estimate(
        mean.value, mean.standard_error, (low, high), level=level, df=mean.df, n=len(battles),
        metric="first place wins", n_clusters=mean.n_clusters, reason=mean.reason if reason else None,
        method=method,
    )  # fmt: skip
    return JudgedPairs(
        first_share=share, threshold=threshold, swap_consistency=_swap_consistency(battles), names=battles.names,
        raw=win_ratio(battles), debiased=win_ratio(battles, threshold=threshold),
        soft=win_ratio(battles, threshold=None),
        n_comparisons=len(battles),
    )  # fmt: skip


def balanced_threshold(probability: ArrayLike) -> float:
    """Return the threshold above which the first place wins half of the comparisons: the median probability.

    The published search goes over steps of 0.001 to the first threshold with at least half of the probabilities below
    it; this is what it searches for.

    Examples
    --------
    >>> balanced_threshold([0.9, 0.55, 0.62, 0.8])
    0.71
    """
    p = np.asarray(probability, np.float64)
    p = p[~np.isnan(p)]
    return float(np.median(p)) if len(p) else math.nan


def win_ratio(battles: Battles, *, threshold: float | None = 0.5) -> NDArray[np.float64]:
    """Return the share of comparisons that each candidate won, whichever its place.

    Parameters
    ----------
    battles
        Comparisons; any design, each pair asked once, both ways or not at all.
    threshold
        Probability above which the first place wins; at it both get half. None: probabilities count as they are.

    Returns
    -------
    ndarray
        Shape (n_candidates,); NaN for one that was never compared.

    Examples
    --------
    >>> from neff.benchmark.pairwise import battles_of
    >>> win_ratio(battles_of(list("aab"), list("bcc"), [0.9, 0.4, 0.7])).tolist()
    [0.5, 0.5, 0.5]
    """
    p, n = battles.outcome, battles.n_players
    won = p if threshold is None else np.where(p == threshold, 0.5, (p > threshold).astype(np.float64))
    w = np.ones(len(battles)) if battles.weight is None else battles.weight
    total = np.bincount(battles.left, w * won, n) + np.bincount(battles.right, w * (1 - won), n)
    count = np.bincount(battles.left, w, n) + np.bincount(battles.right, w, n)
    return np.where(count > 0, total / np.where(count > 0, count, 1), np.nan)


def _swap_consistency(battles: Battles) -> float:
    """Return the share of pairs asked both ways, in one context, with the same verdict: a winner, or a tie."""
    n = battles.n_players
    context = np.zeros(len(battles), np.int64) if battles.cluster is None else battles.cluster
    low, high = np.minimum(battles.left, battles.right), np.maximum(battles.left, battles.right)
    key = (context * n + low) * n + high
    swapped = battles.left > battles.right
    verdict = np.sign(battles.outcome - 0.5) * np.where(swapped, -1, 1)  # 1: the one of the lower code
    _, back = np.unique(key, return_inverse=True)
    size = int(back.max()) + 1

    def side(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        found = np.asarray(np.bincount(back[mask], verdict[mask], size), np.float64)
        return found, np.bincount(back[mask], minlength=size)

    (a, na), (b, nb) = side(~swapped), side(swapped)
    both = (na == 1) & (nb == 1)
    return float((a[both] == b[both]).mean()) if both.any() else math.nan


def colley(battles: Battles) -> NDArray[np.float64]:
    """Return Colley's rating of each player: win ratios corrected for whom they met, a win and a loss added to each.

    The released code counts only wins in the first place and losses in the second; here both places count.

    Examples
    --------
    >>> from neff.benchmark.pairwise import battles_of
    >>> colley(battles_of(list("aab"), list("bcc"), ["left", "left", "left"])).round(3).tolist()
    [0.7, 0.5, 0.3]
    """
    c, n = battles.counts(), battles.n_players
    games = np.zeros((n, n))
    total = c.left_wins + c.ties + c.right_wins
    np.add.at(games, (c.left, c.right), total)
    games += games.T
    won = np.bincount(c.left, c.left_wins + c.ties / 2, n) + np.bincount(c.right, c.right_wins + c.ties / 2, n)
    matrix = np.diag(2 + games.sum(axis=1)) - games
    return np.asarray(np.linalg.solve(matrix, 1 + won - games.sum(axis=1) / 2))
