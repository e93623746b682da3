"""`Battles`: who met whom, on which side, and what came out; and their counts per ordered pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.records.factor import Factor
from neff.stats._validate import check_codes, check_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Battles", "PairCounts", "battles_of", "outcomes_of"]

LEFT = {"left", "a", "model_a", "x", "first", "win", "1"}
RIGHT = {"right", "b", "model_b", "y", "second", "loss", "0", "2"}
TIE = {"tie", "draw", "both", "tie (bothbad)", "bothbad", "equal", "0.5"}


class PairCounts(NamedTuple):
    """Distinct ordered pairs, and what came out of their battles.

    Attributes
    ----------
    left, right
        Codes of the two sides, shape (n_pairs,).
    left_wins, ties, right_wins
        Weighted numbers of battles. A soft verdict is split between the sides.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    left_wins: NDArray[np.float64]
    ties: NDArray[np.float64]
    right_wins: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Battles:
    """Pairwise verdicts, one entry per battle.

    Attributes
    ----------
    left, right
        Code of the player on each side, shape (n,).
    outcome
        1 where the left one won, 0 where the right one did, 0.5 for a tie, or the judge's probability that the left
        one is better, shape (n,).
    names
        Of the players.
    weight
        Of each battle, shape (n,), or None.
    cluster
        Code of what battles share (judge, prompt), shape (n,), or None.
    soft
        Whether outcomes are probabilities: then 0.5 is no tie.
    n_dropped
        Battles without a verdict that were left out.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    outcome: NDArray[np.float64]
    names: tuple[str, ...]
    weight: NDArray[np.float64] | None = None
    cluster: NDArray[np.int64] | None = None
    soft: bool = False
    n_dropped: int = 0

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def n_players(self) -> int:
        """Number of players."""
        return len(self.names)

    @property
    def n_clusters(self) -> int:
        """Number of clusters; of battles where there are none."""
        return len(self) if self.cluster is None else int(self.cluster.max(initial=-1)) + 1

    def pair(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the distinct ordered pairs as left * n_players + right, and the pair of each battle."""
        key = self.left * self.n_players + self.right
        if self.n_players**2 <= 4 * len(key) + 4096:  # few players: count instead of sorting
            present = np.bincount(key, minlength=self.n_players**2) > 0
            place = np.cumsum(present) - 1
            return np.flatnonzero(present), place[key]
        distinct, back = np.unique(key, return_inverse=True)
        return distinct, back.ravel()

    def counts(self, weight: NDArray[np.float64] | None = None) -> PairCounts:
        """Return the counts of each ordered pair, with `weight` in place of the battles' own."""
        distinct, back = self.pair()
        w = weight if weight is not None else self.weight
        tie = np.zeros(len(self), bool) if self.soft else self.outcome == 0.5

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            summed = np.bincount(back, weights=values if w is None else values * w, minlength=len(distinct))
            return np.asarray(summed, np.float64)

        return PairCounts(
            left=distinct // max(self.n_players, 1), right=distinct % max(self.n_players, 1),
            left_wins=total(np.where(tie, 0.0, self.outcome)), ties=total(tie.astype(np.float64)),
            right_wins=total(np.where(tie, 0.0, 1 - self.outcome)),
        )  # fmt: skip


def battles_of(
    left: Sequence[Any] | Factor,
    right: Sequence[Any] | Factor,
    winner: Sequence[Any],
    *,
    weight: ArrayLike | None = None,
    cluster: Sequence[Any] | None = None,
) -> Battles:
    """Build `Battles` from columns.

    Parameters
    ----------
    left, right
        Name of the player on each side, shape (n,).
    winner
        "left", "right" or "tie" (also "model_a", "a", "x", "tie (bothbad)", ...), or a number: 1, 0 and 0.5, or the
        judge's probability that the left one is better. None, "" or NaN: no verdict; the battle is left out, and
        counted.
    weight, cluster
        Of each battle.

    Returns
    -------
    Battles
        Ready for `rank_battles`.

    Raises
    ------
    ArgumentError
        If lengths differ, a verdict is unknown, or a player meets itself.

    Examples
    --------
    >>> battles = battles_of(["a", "a", "b"], ["b", "c", "c"], ["left", "tie", "right"])
    >>> battles.names, battles.outcome.tolist()
    (('a', 'b', 'c'), [1.0, 0.5, 0.0])
    """
    first = left if isinstance(left, Factor) else Factor.of(list(left))
    second = right if isinstance(right, Factor) else Factor.of(list(right))
    outcome, soft = outcomes_of(winner)
    n = len(outcome)
    if len(first) != n or len(second) != n:
        got = f"{len(first)}, {len(second)} and {n}"
        raise ArgumentError("winner", "as long as left and right", got, "One verdict per battle.", call="battles_of")
    if cluster is not None and len(cluster) != n:
        raise ArgumentError("cluster", f"of {n} values", f"{len(cluster)}", "One per battle.", call="battles_of")
    both = Factor.concat([first, second])
    a, b = both.codes[:n].astype(np.int64), both.codes[n:].astype(np.int64)
    if (a < 0).any() or (b < 0).any():
        row = int(np.flatnonzero((a < 0) | (b < 0))[0])
        raise ArgumentError("left", "a name on both sides", f"none in row {row + 1}", call="battles_of")
    if (a == b).any():
        row = int(np.flatnonzero(a == b)[0])
        fix = "Remove the rows in which a player meets itself."
        raise ArgumentError(
            "right", "another player than left", f"{both.levels[a[row]]} in row {row + 1}", fix, call="battles_of"
        )
    keep = ~np.isnan(outcome)
    w = None if weight is None else check_weights(weight, call="battles_of", length=n)[keep]
    c = None if cluster is None else check_codes(np.asarray(cluster)[keep], argument="cluster", call="battles_of")[0]
    return Battles(a[keep], b[keep], outcome[keep], both.levels, w, c, soft, int((~keep).sum()))


def outcomes_of(winner: Sequence[Any]) -> tuple[NDArray[np.float64], bool]:
    """Return each verdict as a number, NaN where there is none, and whether they are probabilities."""
    values = [np.nan if x is None else x for x in winner]
    if any(isinstance(x, str) for x in values):
        code = {x: _code(x) for x in set(values)}
        return np.fromiter(map(code.__getitem__, values), np.float64, len(values)), False
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("winner", "all words or all numbers", values[:3], call="battles_of") from None
    known = array[~np.isnan(array)]
    if ((known < 0) | (known > 1)).any():
        bad = float(known[(known < 0) | (known > 1)][0])
        fix = "1 left, 0 right, 0.5 tie, or a probability."
        raise ArgumentError("winner", "a number in [0, 1]", bad, fix, call="battles_of")
    return array, bool((~np.isin(known, (0.0, 0.5, 1.0))).any())


def _code(word: Any) -> float:
    if not isinstance(word, str):
        if word == word:  # no NaN: a number among words
            raise ArgumentError("winner", "all words or all numbers", word, call="battles_of")
        return math.nan
    told = word.strip().lower()
    if told in ("", "nan", "none"):
        return math.nan
    for words, value in ((LEFT, 1.0), (RIGHT, 0.0), (TIE, 0.5)):
        if told in words:
            return value
    raise ArgumentError("winner", "'left', 'right' or 'tie'", word, "Or 1, 0 and 0.5.", call="battles_of")
