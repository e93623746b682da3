"""Which pairs to compare: designs for a budget fixed beforehand, and the pair that tells most as verdicts come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.pairwise.ranking import Ranking

__all__ = ["Schedule", "choose_pairs", "schedule_pairs"]

DESIGNS = ("no-repeat", "random", "symmetric")


class Schedule(NamedTuple):
    """Ordered pairs to compare: codes of the first and the second place, shape (n_pairs,)."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]


def schedule_pairs(n: int, budget: int, *, design: str = "no-repeat", rng: Any = None) -> Schedule:
    """Draw the pairs of one context for a budget of comparisons.

    Parameters
    ----------
    n
        Candidates.
    budget
        Comparisons, of n (n - 1) ordered pairs.
    design
        "no-repeat": each pair at most once, in a random order of places: the best per comparison once the preference
        for a place is taken out. "symmetric": pairs asked both ways: where it cannot be. "random": any ordered pairs.
    rng
        SPEC 7.

    Returns
    -------
    Schedule
        First and second places.

    Raises
    ------
    ArgumentError
        If the budget is above what the design allows, or odd for "symmetric".

    References
    ----------
    Liusie, Manakul and Gales, LLM Comparative Assessment. arXiv:2307.07889

    Examples
    --------
    >>> pairs = schedule_pairs(4, 6, rng=0)
    >>> sorted(map(sorted, zip(pairs.first.tolist(), pairs.second.tolist())))
    [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    """
    check_choice(design, DESIGNS, argument="design", call="schedule_pairs")
    n = check_count(n, argument="n", call="schedule_pairs", minimum=2)
    budget = check_count(budget, argument="budget", call="schedule_pairs")
    most = n * (n - 1) // (2 if design == "no-repeat" else 1)
    if budget > most or (design == "symmetric" and budget % 2):
        must = f"at most {most}" + (" and even" if design == "symmetric" else "")
        raise ArgumentError("budget", must, budget, f"There are {n} candidates.", call="schedule_pairs")
    rng = check_rng(rng, call="schedule_pairs")
    i, j = np.triu_indices(n, 1)
    if design == "random":
        first, second = np.r_[i, j], np.r_[j, i]
        chosen = rng.permutation(len(first))[:budget]
        return Schedule(first[chosen], second[chosen])
    if design == "symmetric":
        chosen = rng.permutation(len(i))[: budget // 2]
        return Schedule(np.r_[i[chosen], j[chosen]], np.r_[j[chosen], i[chosen]])
    chosen = rng.permutation(len(i))[:budget]
    swap = rng.random(budget) < 0.5
    return Schedule(np.where(swap, j[chosen], i[chosen]), np.where(swap, i[chosen], j[chosen]))


def choose_pairs(ranking: Ranking, n: int = 1, *, top: int | None = None) -> list[tuple[str, str]]:
    """Return the pairs whose comparison tells most about the ranking.

    Use it in a loop: rank what is known, ask for these, rank again. Players without a strength are asked first, each
    against the middle of the others; then players of different components, whose difference is not bounded at all.

    Parameters
    ----------
    ranking
        What is known.
    n
        Pairs to return.
    top
        Count only what separates the first `top` players.

    Returns
    -------
    list of (str, str)
        The first name goes to the first place; swap by hand where the preference for a place is large.

    Raises
    ------
    ArgumentError
        If n is below 1.

    Notes
    -----
    A comparison of i and j with chance p brings information p (1 - p) on their difference, whose variance is v: the
    expected drop of that variance is v - 1 / (1 / v + p (1 - p)). Pairs are taken greedily, a player at most once. A
    pair without a variance comes first.

    Examples
    --------
    >>> from neff.benchmark.pairwise import battles_of, rank_battles
    >>> left, right = list("aaaabbcc"), list("bbcdcdda")
    >>> ranking = rank_battles(battles_of(left, right, [1, 0, 1, 1, 1, 0, 0, 1]), position=False)
    >>> len(choose_pairs(ranking, 2))
    2
    """
    n = check_count(n, argument="n", call="choose_pairs", minimum=1)
    players = ranking.players
    strength = np.array([p.strength for p in players])
    unknown = np.flatnonzero(np.isnan(strength))
    known = np.flatnonzero(~np.isnan(strength))
    pairs: list[tuple[str, str]] = []
    if len(unknown):
        middle = players[known[len(known) // 2]] if len(known) else None
        for place, code in enumerate(unknown.tolist()):
            other = middle or players[int(unknown[(place + 1) % len(unknown)])]
            if other is not players[code]:
                pairs.append((players[code].name, other.name))
    if len(pairs) >= n or len(known) < 2:
        return pairs[:n]
    v = ranking.covariance
    i, j = np.triu_indices(len(players), 1)
    keep = np.isin(i, known) & np.isin(j, known)
    if top is not None:
        keep &= i < top
    i, j = i[keep], j[keep]
    variance = np.maximum(v[i, i] + v[j, j] - 2 * v[i, j], 0.0)
    p = 1 / (1 + np.exp(-(strength[i] - strength[j])))
    information = p * (1 - p)
    component = np.array([p.component for p in players])
    unbounded = (component[i] != component[j]) | np.isnan(variance)
    gain = np.where(unbounded, np.inf, variance**2 * information / (1 + variance * information))
    used: set[int] = set()
    for place in np.argsort(-gain, kind="stable"):
        a, b = int(i[place]), int(j[place])
        if len(pairs) == n:
            break
        if a in used or b in used:
            continue
        used |= {a, b}
        pairs.append((players[a].name, players[b].name))
    return pairs
